"""Accounts by command: opened, renewed, replaced, closed, begun anew, listed, and every refusal."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace
from redis.asyncio import Redis

from common.exchanges.binance.private import BINANCE_PRIVATE
from common.exchanges.private import Hosts, Private
from common.exchanges.registry import EXCHANGES, PRIVATE
from common.fleet import accounts as accounts_module
from common.fleet.accounts import Accounts
from common.fleet.client import connect
from common.fleet.keys import Keys
from common.fleet.vault import Vault
from common.model.secret import Secret
from common.publish.commands import Request
from workers import account_commands as module
from workers.account_commands import LIVE, AccountCommands

pytestmark = pytest.mark.engines

KEYS = [Secret(base64.b64encode(bytes([byte]) * 32).decode()) for byte in (1, 2, 3)]
CREDENTIALS = {"key": "canary-key", "secret": "canary-secret"}
OPEN: dict[str, Any] = {
    "command": "account.open", "accountId": "a1", "exchange": "binance", "market": "linear",
    "subscriber": "bot-7", "credentials": CREDENTIALS,
}  # fmt: skip


def strict(private: Private) -> Private:
    """An exchange whose keys have a passphrase, with regions."""
    rules = private.markets["linear"]
    hosts = {
        ("live", ""): Hosts("https://x", "wss://x"),
        ("live", "my"): Hosts("https://my", "wss://my"),
        ("sandbox", ""): Hosts("https://s", "wss://s"),
    }
    linear = replace(rules, passphrase=True, hosts=hosts, key_kinds=("hmac",))  # type: ignore[arg-type]
    spot = replace(rules, hosts={("live", ""): Hosts("https://x", "wss://x")})
    return Private(
        markets={"linear": linear, "spot": spot},
        **{
            name: getattr(private, name)
            for name in ("sign", "open", "converse", "snapshot", "since", "order", "trouble")
        },
    )


class Desk:
    """The handler, asked as backends ask it."""

    def __init__(self, redis: Redis, keys: list[Secret] | None = None) -> None:
        self.accounts = Accounts(redis, Keys("test:"))
        self.states: dict[str, str] = {}
        self.woken = 0
        self.private: dict[str, Private] = dict(PRIVATE)
        self.enabled: set[str] = set(EXCHANGES)
        self.vault: Vault | None = Vault(KEYS[:1] if keys is None else keys)
        self.paper = True

    def _wake(self) -> None:
        self.woken += 1

    async def ask(self, payload: dict[str, Any]) -> dict[str, Any]:
        commands = AccountCommands(
            self.accounts,
            self.vault,
            self.enabled,
            state_of=self.states.get,
            wake=self._wake,
            private=self.private,
            paper=self.paper,
        )
        body = json.dumps({"payload": payload}).encode()
        reply = await commands.serve(Request(body, "usersStreamAction"))
        answer: dict[str, Any] = json.loads(msgspec.json.encode(reply.answer))
        assert "canary" not in json.dumps(answer)
        assert answer["state"] == reply.state
        return answer

    async def code(self, payload: dict[str, Any]) -> tuple[str, str]:
        answer = await self.ask(payload)
        return answer["state"], answer["code"]


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    client = connect(redis_url)
    yield client
    await client.aclose()


@pytest.fixture
def desk(redis: Redis) -> Desk:
    return Desk(redis)


# --- opening ------------------------------------------------------------------------------------


async def test_an_account_is_opened_sealed_and_answered(desk: Desk) -> None:
    assert await desk.ask(OPEN) == {
        "state": "accepted",
        "code": "opened",
        "accountId": "a1",
        "reason": "",
        "problems": [],
    }
    record = (await desk.accounts.all())["a1"]
    assert (record.exchange, record.market, record.paper) == ("binance", "linear", False)
    assert "canary" not in repr(record)
    assert desk.vault is not None
    assert desk.vault.open("a1", record.sealed).secret == Secret("canary-secret")
    assert await desk.accounts.wanted_by("a1") == {"bot-7": 0}
    assert desk.woken == 1


async def test_opened_again_nothing_changes_and_who_asks_learns_whether_it_streams(
    desk: Desk,
) -> None:
    await desk.ask(OPEN)
    before = await desk.accounts.all()
    assert await desk.code(OPEN) == ("accepted", "unchanged")
    desk.states["a1"] = "stale"
    assert await desk.code(OPEN) == ("accepted", "unchanged")
    desk.states["a1"] = LIVE
    assert await desk.code(OPEN | {"subscriber": "bot-8", "leaseS": 60}) == ("active", "unchanged")
    assert await desk.accounts.all() == before
    assert set(await desk.accounts.wanted_by("a1")) == {"bot-7", "bot-8"}


async def test_other_credentials_replace_those_it_has(desk: Desk) -> None:
    await desk.ask(OPEN)
    desk.states["a1"] = LIVE
    before = (await desk.accounts.all())["a1"]
    other = OPEN | {"credentials": CREDENTIALS | {"secret": "canary-other"}}
    assert await desk.code(other) == ("accepted", "replaced"), "not yet streamed with these"
    after = (await desk.accounts.all())["a1"]
    assert after.fingerprint != before.fingerprint
    assert desk.vault is not None
    assert desk.vault.open("a1", after.sealed).secret == Secret("canary-other")


async def test_after_a_rotation_the_same_credentials_are_still_the_same(redis: Redis) -> None:
    await Desk(redis, [KEYS[0]]).ask(OPEN)
    desk = Desk(redis, [KEYS[1], KEYS[0]])
    vault, record = desk.vault, (await desk.accounts.all())["a1"]
    assert vault is not None
    anew = vault.seal("a1", vault.open("a1", record.sealed))
    assert await desk.accounts.seal_anew("a1", record.sealed, anew)
    rotated = Desk(redis, [KEYS[1]])
    assert await rotated.code(OPEN) == ("accepted", "unchanged")
    assert (await rotated.accounts.all())["a1"] == replace(record, sealed=anew)


async def test_what_a_lost_key_sealed_is_sealed_anew_when_it_is_opened_again(redis: Redis) -> None:
    await Desk(redis, [KEYS[2], KEYS[0]]).ask(OPEN)
    desk = Desk(redis, [KEYS[1], KEYS[0]])
    assert await desk.code(OPEN) == ("accepted", "unchanged")
    record = (await desk.accounts.all())["a1"]
    assert desk.vault is not None
    assert desk.vault.open("a1", record.sealed).key == Secret("canary-key")


async def test_an_account_on_paper_is_not_asked_what_the_exchange_would_ask(desk: Desk) -> None:
    desk.private = {}
    api = CREDENTIALS | {"provider": "paperKucoinLinear"}
    told = {"event": "open stream", "uuid": "p1", "data": {"userId": "7", "api": api}}
    assert await desk.code(told) == ("accepted", "opened")
    record = (await desk.accounts.all())["p1"]
    assert (record.exchange, record.market, record.paper) == ("kucoin", "linear", True)


@pytest.mark.parametrize(
    "told",
    [
        OPEN | {"paper": True},
        {"event": "open stream", "uuid": "a1", "data": CREDENTIALS | {"provider": "paperBinance"}},
    ],
)
async def test_without_a_paper_service_an_account_on_paper_is_refused(
    desk: Desk, told: dict[str, Any]
) -> None:
    desk.paper = False
    answer = await desk.ask(told)
    assert (answer["state"], answer["code"]) == ("refused", "no_paper_service")
    assert "PAPER_WS" in answer["reason"]
    assert await desk.accounts.all() == {}


# --- refusals -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "code", "reason"),
    [
        ({"exchange": "okx"}, "no_private_side", "accounts of okx linear cannot be streamed (yet)"),
        ({"market": "inverse"}, "no_private_side", "accounts of binance inverse cannot be streamed (yet)"),
        ({"credentials": CREDENTIALS}, "passphrase_missing", "a key of binance linear has a passphrase"),
        ({"credentials": CREDENTIALS | {"passphrase": "canary", "kind": "es256"}}, "kind_unsupported", "keys of binance linear are hmac"),
        ({"credentials": CREDENTIALS | {"passphrase": "canary", "region": "canary"}}, "region_unknown", "it has my"),
        ({"credentials": CREDENTIALS | {"passphrase": "canary", "region": "my", "environment": "sandbox"}}, "region_unknown", "it has none at all"),
        ({"market": "spot", "credentials": CREDENTIALS | {"environment": "sandbox"}}, "environment_unknown", "only live"),
        ({"market": "sport", "leaseS": 0}, "malformed", "market is none of spot, linear, inverse; leaseS is not 1 to 604800"),
    ],
)  # fmt: skip
async def test_what_cannot_be_done_is_refused_with_a_code_and_what_would_do(
    desk: Desk, change: dict[str, Any], code: str, reason: str
) -> None:
    desk.private = {"binance": strict(BINANCE_PRIVATE)}
    answer = await desk.ask(OPEN | change)
    assert (answer["state"], answer["code"], answer["accountId"]) == ("refused", code, "a1")
    assert reason in answer["reason"]
    assert "; ".join(answer["problems"]) == answer["reason"]
    assert await desk.accounts.all() == {}
    assert desk.woken == 0


async def test_everything_that_stands_in_the_way_is_told_at_once(desk: Desk) -> None:
    desk.private = {"binance": strict(BINANCE_PRIVATE)}
    desk.enabled = {"okx"}
    desk.vault = None
    credentials = CREDENTIALS | {"kind": "ed25519", "region": "x"}
    answer = await desk.ask(OPEN | {"credentials": credentials})
    assert answer["code"] == "exchange_disabled"
    assert answer["problems"] == [
        "binance is not enabled here (EXCHANGES)",
        "keys of binance linear are hmac",
        "a key of binance linear has a passphrase",
        "binance linear has no such region in this environment; it has my",
        "CREDENTIALS_KEY is not set, so credentials cannot be kept",
    ]


async def test_without_a_key_nothing_is_opened_and_the_setting_is_named(desk: Desk) -> None:
    desk.vault = None
    answer = await desk.ask(OPEN)
    assert (answer["state"], answer["code"]) == ("refused", "no_credentials_key")
    assert "CREDENTIALS_KEY" in answer["reason"]
    assert await desk.accounts.all() == {}


async def test_too_many_are_too_many(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accounts_module, "MOST_ACCOUNTS", 1)
    await desk.ask(OPEN)
    assert await desk.code(OPEN | {"accountId": "a2"}) == ("refused", "too_many_accounts")
    assert await desk.code(OPEN | {"subscriber": "bot-8"}) == ("accepted", "unchanged")


async def test_a_malformed_command_is_for_the_dead_letters_with_the_reason(desk: Desk) -> None:
    assert desk.vault is not None
    commands = AccountCommands(desk.accounts, desk.vault, desk.enabled)
    body = json.dumps({"payload": OPEN | {"credentials": "canary"}}).encode()
    reply = await commands.serve(Request(body, "x"))
    assert reply.dead == (
        "malformed: credentials is missing; credentials.key is missing; "
        "credentials.secret is missing"
    )
    assert reply.subject == "", "account ids do not go into logs"
    failed = commands.failed(body, "internal error")
    assert msgspec.to_builtins(failed.answer) == {
        "state": "failed",
        "code": "internal",
        "accountId": "a1",
        "reason": "internal error",
        "problems": ("internal error",),
    }


# --- closing, restarting, listing ---------------------------------------------------------------


async def test_it_is_closed_when_the_last_who_wants_it_closes(desk: Desk) -> None:
    close = {"command": "account.close", "accountId": "a1"}
    assert await desk.code(close) == ("closed", "not_open")
    await desk.ask(OPEN)
    await desk.ask(OPEN | {"subscriber": "bot-8"})
    assert await desk.code(close | {"subscriber": "bot-7"}) == ("accepted", "still_wanted")
    desk.states["a1"] = LIVE
    assert await desk.code(close | {"subscriber": "bot-7"}) == ("active", "still_wanted")
    assert await desk.code(close | {"subscriber": "bot-8"}) == ("closed", "closed")
    assert await desk.accounts.all() == {}


async def test_a_close_without_a_name_is_for_everybody(desk: Desk) -> None:
    await desk.ask(OPEN)
    await desk.ask(OPEN | {"subscriber": "bot-8"})
    assert await desk.code({"command": "account.close", "accountId": "a1"}) == ("closed", "closed")
    assert await desk.accounts.wanted_by("a1") == {}


async def test_the_older_close_is_for_those_without_a_name(desk: Desk) -> None:
    api = CREDENTIALS | {"provider": "binanceUsdm"}
    told = {"event": "open stream", "uuid": "a1", "data": api}
    assert await desk.code(told) == ("accepted", "opened")
    assert await desk.code(told) == ("accepted", "unchanged"), "asked twice, wanted once"
    await desk.ask(OPEN)
    close = {"event": "close stream", "uuid": "a1"}
    assert await desk.code(close) == ("accepted", "still_wanted")
    assert await desk.accounts.wanted_by("a1") == {"bot-7": 0}


async def test_it_begins_anew_when_told_to(desk: Desk) -> None:
    assert await desk.code({"command": "account.restart", "accountId": "a1"}) == (
        "refused",
        "not_open",
    )
    await desk.ask(OPEN)
    for again in (
        {"command": "account.restart", "accountId": "a1"},
        {"event": "force restart stream", "uuid": "a1"},
    ):
        assert await desk.code(again) == ("accepted", "restarted")
    assert (await desk.accounts.all())["a1"].restarts == 2


async def test_the_list_tells_who_wants_what_and_how_it_stands(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a2", "a1"):
        await desk.ask(OPEN | {"accountId": name})
    desk.states["a2"] = LIVE
    answer = await desk.ask({"command": "account.list"})
    assert (answer["state"], answer["code"], answer["total"]) == ("accepted", "listed", 2)
    one = {"exchange": "binance", "market": "linear", "paper": False, "wantedBy": {"bot-7": 0}}
    assert answer["accounts"] == [
        {"accountId": "a1", **one},
        {"accountId": "a2", **one, "state": "live"},
    ]
    monkeypatch.setattr(module, "MOST_LISTED", 1)
    answer = await desk.ask({"command": "account.list"})
    assert (len(answer["accounts"]), answer["total"]) == (1, 2)
