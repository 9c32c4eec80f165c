"""What backends are told of accounts they ask for. Never holds anything secret."""

from __future__ import annotations

from typing import Literal, get_args

from msgspec import UNSET, Struct, UnsetType

from common.model.streams import Market
from common.publish.letters import Reply

# ``accepted``: it is wanted and will be streamed; ``active``: it is streamed already; ``closed``: nobody
# wants it any more; ``refused``: as it was asked, it cannot be done; ``failed``: it could not be dealt with.
State = Literal["accepted", "active", "closed", "refused", "failed"]

# What became of it, in one word; ``docs/accounts.md`` has the table.
Code = Literal[
    "opened",
    "replaced",
    "unchanged",
    "restarted",
    "listed",
    "closed",
    "still_wanted",
    "not_open",
    "malformed",
    "exchange_disabled",
    "no_private_side",
    "kind_unsupported",
    "passphrase_missing",
    "environment_unknown",
    "region_unknown",
    "no_credentials_key",
    "no_paper_service",
    "too_many_accounts",
    "internal",
]
CODES: tuple[Code, ...] = get_args(Code)

_FOLLOWED: tuple[State, ...] = ("accepted", "active", "closed")


class WantedAccount(Struct, frozen=True, rename="camel"):
    """One account that is wanted: by whom until when (ms UTC; 0: for good), and how it stands."""

    account_id: str
    exchange: str
    market: Market
    paper: bool
    wanted_by: dict[str, int]
    state: str | UnsetType = UNSET


class AccountAnswer(Struct, frozen=True, rename="camel"):
    """What a requester is told.

    Attributes:
        account_id: empty where it is not known, or there is none.
        reason: all problems in one text, for people.
        accounts, total: of ``account.list`` only; ``total``: how many there are, where not all are told.
    """

    state: State
    code: Code
    account_id: str = ""
    reason: str = ""
    problems: tuple[str, ...] = ()
    accounts: tuple[WantedAccount, ...] | UnsetType = UNSET
    total: int | UnsetType = UNSET

    @property
    def followed(self) -> bool:
        """It was done, or need not be."""
        return self.state in _FOLLOWED


def refused(code: Code, problems: list[str], account_id: str = "") -> AccountAnswer:
    """It cannot be done as it was asked; ``problems`` hold no value of the message."""
    return AccountAnswer("refused", code, account_id, "; ".join(problems), tuple(problems))


def reply(answer: AccountAnswer, dead: str = "") -> Reply:
    """The answer as a command's reply. The account is not named: it goes into logs."""
    return Reply(answer, answer.state, answer.reason, followed=answer.followed, dead=dead)
