"""What backends ask of accounts: opened, closed, begun anew and listed, durably, or refused.

Credentials are in clear from the message to the vault, and nowhere else: what is kept of them is sealed,
and no answer, reason or error holds any of them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from msgspec.structs import replace

from common.exchanges.private import Credentials, Private, PrivateRules
from common.exchanges.registry import PRIVATE
from common.fleet.account_record import AccountRecord
from common.fleet.accounts import Accounts, TooManyAccounts
from common.fleet.vault import CannotOpen, Vault
from common.publish.account_answers import (
    AccountAnswer,
    Code,
    WantedAccount,
    refused,
    reply,
)
from common.publish.account_requests import Close, Command, Open, Refused, Restart, read
from common.publish.commands import Request
from common.publish.letters import Reply

# What ``state_of`` says of an account that is streamed.
LIVE = "live"
# An answer is one message: who has more asks Redis (``python -m scripts.fleet accounts list``).
MOST_LISTED = 5_000

StateOf = Callable[[str], str | None]


class AccountCommands:
    """What is done with them.

    Args:
        vault: seals credentials; None: there is no key, and accounts cannot be opened.
        enabled: the exchanges that are switched on.
        state_of: how an account stands, where that is known; ``live`` if it is streamed.
        wake: what is wanted has changed.
        private: the exchanges that have accounts.
        paper: whether there is a service that accounts on paper are traded by.
    """

    def __init__(
        self,
        accounts: Accounts,
        vault: Vault | None,
        enabled: Collection[str],
        *,
        state_of: StateOf = lambda _: None,
        wake: Callable[[], None] = lambda: None,
        private: Mapping[str, Private] = PRIVATE,
        paper: bool = False,
    ) -> None:
        self._accounts = accounts
        self._vault = vault
        self._enabled = enabled
        self._state_of = state_of
        self._wake = wake
        self._private = private
        self._paper = paper

    async def serve(self, request: Request) -> Reply:
        """Follow the command in a message.

        Raises:
            RedisAway: it may have been followed or not; following it again is safe.
        """
        try:
            command = read(request.body)
        except Refused as error:
            answer = refused("malformed", error.problems, error.account_id)
            return reply(answer, dead=f"malformed: {error}")
        return reply(await self.follow(command))

    def failed(self, body: bytes, reason: str) -> Reply:
        """What to say of a message that could not be dealt with."""
        try:
            account_id = getattr(read(body), "account_id", "")
        except Refused as error:
            account_id = error.account_id
        return reply(AccountAnswer("failed", "internal", account_id, reason, (reason,)))

    async def follow(self, command: Command) -> AccountAnswer:
        """Do what is asked, durably, or say why not.

        Raises:
            RedisAway: it may have been done or not; doing it again is safe.
        """
        match command:
            case Open():
                return await self._open(command)
            case Close():
                return await self._close(command)
            case Restart():
                return await self._restart(command)
            case _:
                return await self._list()

    # --- opening --------------------------------------------------------------------------------

    async def _open(self, asked: Open) -> AccountAnswer:
        account_id, vault = asked.account_id, self._vault
        problems = self._problems(asked)
        if problems or vault is None:
            return refused(problems[0][0], [text for _, text in problems], account_id)
        kept = await self._accounts.one(account_id)
        record = AccountRecord(
            account_id,
            asked.exchange,
            asked.market,
            vault.seal(account_id, asked.credentials),
            vault.fingerprint(asked.credentials),
            asked.paper,
        )
        if kept is not None and _opened(vault, kept) == asked.credentials:
            # After a rotation the same credentials may have another fingerprint: they are the same.
            record = replace(record, fingerprint=kept.fingerprint)
        try:
            changed = await self._accounts.open(record, asked.subscriber, asked.lease_s)
        except TooManyAccounts as error:
            return refused("too_many_accounts", [str(error)], account_id)
        if kept is not None and not changed and _opened(vault, kept) is None:
            # The key that sealed it is lost; now it can be opened again.
            await self._accounts.seal_anew(account_id, kept.sealed, record.sealed)
        self._wake()
        if not changed:
            return self._stands("unchanged", account_id)
        return AccountAnswer("accepted", "opened" if kept is None else "replaced", account_id)

    def _problems(self, asked: Open) -> list[tuple[Code, str]]:
        """Why it cannot be opened: everything, the weightiest first."""
        problems: list[tuple[Code, str]] = []
        if asked.exchange not in self._enabled:
            text = f"{asked.exchange} is not enabled here (EXCHANGES)"
            problems.append(("exchange_disabled", text))
        # On paper the exchange is not asked, so its rules do not count.
        if not asked.paper:
            problems += self._rules_broken(asked)
        elif not self._paper:
            text = "PAPER_WS is not set, so nothing can be traded on paper"
            problems.append(("no_paper_service", text))
        if self._vault is None:
            text = "CREDENTIALS_KEY is not set, so credentials cannot be kept"
            problems.append(("no_credentials_key", text))
        return problems

    def _rules_broken(self, asked: Open) -> list[tuple[Code, str]]:
        private = self._private.get(asked.exchange)
        place = f"{asked.exchange} {asked.market}"
        if private is None or asked.market not in private.markets:
            return [("no_private_side", f"accounts of {place} cannot be streamed (yet)")]
        return credentials_problems(place, private.markets[asked.market], asked.credentials)

    # --- closing, restarting, listing -----------------------------------------------------------

    async def _close(self, asked: Close) -> AccountAnswer:
        account_id = asked.account_id
        if await self._accounts.close(account_id, asked.subscriber):
            self._wake()
            return AccountAnswer("closed", "closed", account_id)
        if await self._accounts.one(account_id) is not None:
            return self._stands("still_wanted", account_id)
        return AccountAnswer("closed", "not_open", account_id)

    async def _restart(self, asked: Restart) -> AccountAnswer:
        if not await self._accounts.restart(asked.account_id):
            problems = ["there is no such account: nobody wants it"]
            return refused("not_open", problems, asked.account_id)
        self._wake()
        return AccountAnswer("accepted", "restarted", asked.account_id)

    async def _list(self) -> AccountAnswer:
        records = await self._accounts.all()
        some = sorted(records)[:MOST_LISTED]
        wants = await self._accounts.wants(some)
        listed = tuple(self._listed(records[name], wants[name]) for name in some)
        return AccountAnswer("accepted", "listed", accounts=listed, total=len(records))

    def _listed(self, record: AccountRecord, wanted_by: Mapping[str, int]) -> WantedAccount:
        account = WantedAccount(
            record.account_id, record.exchange, record.market, record.paper, dict(wanted_by)
        )
        state = self._state_of(record.account_id)
        return account if state is None else replace(account, state=state)

    def _stands(self, code: Code, account_id: str) -> AccountAnswer:
        is_live = self._state_of(account_id) == LIVE
        return AccountAnswer("active" if is_live else "accepted", code, account_id)


def credentials_problems(
    place: str, rules: PrivateRules, credentials: Credentials
) -> list[tuple[Code, str]]:
    """What of these credentials does not fit a market; says what would, never what was given."""
    problems: list[tuple[Code, str]] = []
    if credentials.kind not in rules.key_kinds:
        text = f"keys of {place} are {' or '.join(rules.key_kinds)}"
        problems.append(("kind_unsupported", text))
    if rules.passphrase and credentials.passphrase is None:
        problems.append(("passphrase_missing", f"a key of {place} has a passphrase"))
    environments = {environment for environment, _ in rules.hosts}
    regions = sorted(
        region for environment, region in rules.hosts if environment == credentials.environment
    )
    if credentials.environment not in environments:
        text = f"{place} has no such environment, only {' and '.join(sorted(environments))}"
        problems.append(("environment_unknown", text))
    elif credentials.region not in regions:
        named = ", ".join(region for region in regions if region) or "none at all"
        text = f"{place} has no such region in this environment; it has {named}"
        problems.append(("region_unknown", text))
    return problems


def _opened(vault: Vault, record: AccountRecord) -> Credentials | None:
    try:
        return vault.open(record.account_id, record.sealed)
    except CannotOpen:
        return None
