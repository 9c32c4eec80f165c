"""Faults of accounts: keys that are taken away come back as others, clocks go wrong as fast as time runs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from common.clocks import machine_s
from scripts.chaos import on_accounts
from scripts.chaos.carried import NOTHING, Hit
from scripts.chaos.on_accounts import REFUSALS, OnAccounts
from scripts.chaos.schedule import Fault
from scripts.quick.accounts import Accounts
from scripts.quick.exchanges import Exchanges
from tests.simulator.binance_accounts import Owner, an_owner, opened
from tests.support.simulator import RunningSimulator, simulator

SPEED = 20
SHORT_S = 0.2
BALANCES = ("spot", "/api/v3/account")


def fault(kind: str, pick: float = 0.0, **how: Any) -> Fault:
    return Fault(
        number=1, at_s=0, kind=kind, target="binance:spot", lasts_s=SHORT_S, pick=pick, how=how
    )


class Given(Accounts):
    """Keeps what is given instead of sending it; the first few times nobody takes it."""

    def __init__(self, refusing: Sequence[Exception] = ()) -> None:
        self.given: list[Any] = []
        self._refusing = list(refusing)

    async def open_again(self, name: str, row: Any) -> None:
        if self._refusing:
            raise self._refusing.pop()
        self.given.append((name, row))


@asynccontextmanager
async def faults_on(exchange: RunningSimulator, accounts: Accounts) -> AsyncIterator[OnAccounts]:
    async with aiohttp.ClientSession() as http:
        yield OnAccounts(Exchanges(http, exchange.url), accounts, SPEED)


@pytest.mark.parametrize("kind", REFUSALS)
async def test_a_key_that_is_taken_away_is_followed_by_another(kind: str) -> None:
    given = Given()
    async with simulator() as exchange, faults_on(exchange, given) as on:
        owner = await an_owner(exchange)
        how = {"permission": "read"} if kind == "take_permission" else {}
        hit = await on.carry[kind](fault(kind, **how))
        assert hit == Hit(f"account {owner.name}", account=owner.name, shown_ms=hit.shown_ms)
        [(name, row)] = given.given
        assert (name, row["account"]) == (owner.name, owner.name)
        assert (await owner.ask(*BALANCES))[0] == 401
        assert (await Owner(exchange, row).ask(*BALANCES))[0] == 200


async def test_new_credentials_are_given_until_somebody_takes_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(on_accounts, "AGAIN_S", 0.0)
    given = Given([ConnectionRefusedError(), TimeoutError()])
    async with simulator() as exchange, faults_on(exchange, given) as on:
        await an_owner(exchange)
        await on.carry["revoke_key"](fault("revoke_key"))
        assert len(given.given) == 1
        monkeypatch.setattr(on_accounts, "GIVEN_WITHIN_S", -machine_s())
        given = Given([ConnectionRefusedError()])
        on._accounts = given
        with pytest.raises(TimeoutError, match="credentials"):
            await on.carry["revoke_key"](fault("revoke_key"))


async def test_where_there_are_no_accounts_nobody_is_hit() -> None:
    async with simulator() as exchange, faults_on(exchange, Given()) as on:
        for kind in (*REFUSALS, "miss_events"):
            how = {"events": 1} if kind == "miss_events" else {}
            assert await on.carry[kind](fault(kind, **how)) == NOTHING


@pytest.mark.parametrize(("pick", "nth"), [(0.0, 0), (0.6, 1)])
async def test_a_fault_of_events_names_whom_it_hit(pick: float, nth: int) -> None:
    async with simulator() as exchange, faults_on(exchange, Given()) as on:
        names = sorted(owner.name for owner in await opened(exchange, 2))
        hit = await on.carry["miss_events"](fault("miss_events", pick, events=1))
        assert hit == Hit(f"account {names[nth]}", account=names[nth])


async def test_a_clock_that_goes_wrong_refuses_as_if_market_time_were_slow() -> None:
    async with simulator(speed=SPEED) as exchange, faults_on(exchange, Given()) as on:
        owner = await an_owner(exchange)
        skews: list[int] = []

        class Watched(Exchanges):
            async def control(self, what: str, body: Any = None) -> Any:
                told = await super().control(what, body)
                skews.append((await owner.ask(*BALANCES))[0])
                return told

        on._exchanges = Watched(on._exchanges._http, exchange.url)
        assert await on.carry["skew_clock"](fault("skew_clock", s=-8)) == Hit(
            "the clock of binance"
        )
        assert skews == [400, 200]
