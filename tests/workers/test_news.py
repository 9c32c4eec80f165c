"""What is said of streams that nobody carries: once when it begins, once when it ends."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest

from common.fleet.plan import Left, Plan, left
from common.model.instruments import Catalog, Trading
from common.model.streams import Market, Role, Shard, Stream
from tests.fleet.test_sharding import instrument
from workers import news
from workers.news import News

SPOT = Shard("binance", "spot", "ticker", 0)
CANDLES = Shard("binance", "linear", "candle", 0)
EPOCH = 7
PATIENCE_S = 15.0


def ticker(symbol: str) -> Stream:
    return Stream("binance", "spot", "ticker", symbol)


def plan(*symbols: str, candles: tuple[str, ...] = ()) -> Plan:
    shards: dict[Shard, tuple[Stream, ...]] = {}
    if symbols:
        shards[SPOT] = tuple(map(ticker, symbols))
    if candles:
        shards[CANDLES] = tuple(Stream("binance", "linear", "candle", s, "1m") for s in candles)
    return Plan(shards)


def listed(**trading: Trading) -> Catalog:
    return {symbol: instrument(symbol, trading=how) for symbol, how in trading.items()}


# --- which streams have left ------------------------------------------------------------------


def test_what_left_is_told_by_the_list_and_what_was_taken_back_is_not() -> None:
    catalog = listed(AUSDT="trading", BUSDT="halted", CUSDT="closed", EUSDT="trading")
    before = [ticker(symbol) for symbol in ("AUSDT", "BUSDT", "CUSDT", "DUSDT", "EUSDT")]
    assert left(before, plan("AUSDT"), {("binance", "spot"): catalog}) == {
        ticker("BUSDT"): Left("halted", "BUSDT is halted on binance:spot"),
        ticker("CUSDT"): Left("delisted", "CUSDT is closed on binance:spot"),
        ticker("DUSDT"): Left("delisted", "DUSDT is not listed on binance:spot any more"),
    }


def test_no_list_is_not_an_empty_list() -> None:
    assert left([ticker("AUSDT")], Plan(), {("binance", "spot"): None}) == {}
    assert left([ticker("AUSDT")], Plan(), {}) == {}


def test_a_stream_that_moved_to_another_shard_has_not_left() -> None:
    moved = Plan({Shard("binance", "spot", "ticker", 5): (ticker("AUSDT"),)})
    assert left([ticker("AUSDT")], moved, {("binance", "spot"): listed(AUSDT="halted")}) == {}


# --- what is said -----------------------------------------------------------------------------


class Outlet:
    def __init__(self) -> None:
        self.said: list[tuple[str, str, int, str]] = []
        self.full = False

    def status(self, stream: Stream, state: str, *, epoch: int, reason: str = "") -> bool:
        if not self.full:
            self.said.append((state, stream.key, epoch, reason))
        return not self.full


class Worker:
    """A worker's news, and what it knows."""

    def __init__(self, me: str = "w1") -> None:
        self.outlet = Outlet()
        self.catalog: Catalog | None = None
        self.owns = {SPOT}
        self._news = News(me, self.outlet, PATIENCE_S)  # type: ignore[arg-type]

    def tick(self, plan: Plan, workers: Mapping[str, Role] | None = None) -> list[tuple[str, str]]:
        """What it says now."""
        lease = SimpleNamespace(lease=SimpleNamespace(epoch=EPOCH))
        owned: Any = dict.fromkeys(self.owns, lease)
        before = len(self.outlet.said)
        self._news.tell(plan, workers or {"w1": "all"}, owned, self._known)
        return [(state, stream) for state, stream, _, _ in self.outlet.said[before:]]

    def _known(self, exchange: str, market: Market) -> Catalog | None:
        return self.catalog


def test_a_halted_symbol_is_said_once_with_the_owners_epoch() -> None:
    it = Worker()
    assert it.tick(plan("AUSDT", "BUSDT")) == []
    it.catalog = listed(AUSDT="trading", BUSDT="halted")
    it.tick(after := plan("AUSDT"))
    it.tick(after)
    assert it.outlet.said == [
        ("halted", "binance:spot:ticker:BUSDT", EPOCH, "BUSDT is halted on binance:spot")
    ]


def test_only_who_carried_it_says_it() -> None:
    it = Worker()
    it.owns = {CANDLES}
    it.tick(plan("AUSDT", "BUSDT"))
    it.catalog = listed(AUSDT="trading", BUSDT="halted")
    assert it.tick(plan("AUSDT")) == []


def test_what_finds_no_room_is_said_later_unless_it_is_over() -> None:
    it = Worker()
    it.tick(plan("AUSDT", "BUSDT", "CUSDT"))
    it.outlet.full, it.catalog = True, listed(AUSDT="trading", BUSDT="halted", CUSDT="halted")
    it.tick(after := plan("AUSDT"))
    it.catalog = listed(AUSDT="trading", BUSDT="halted", CUSDT="trading")
    it.tick(after := plan("AUSDT", "CUSDT"))
    assert it.outlet.said == []
    it.outlet.full = False
    assert it.tick(after) == [("halted", "binance:spot:ticker:BUSDT")]
    assert it.tick(after) == []


class Time:
    """The machine's clock, moved by hand."""

    now_s = 0.0


@pytest.fixture(autouse=True)
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    it = Time()
    monkeypatch.setattr(news, "machine_s", lambda: it.now_s)
    return it


BOTH = plan("AUSDT", candles=("BTCUSDT",))
UNSERVED = [("unserved", "binance:spot:ticker:*")]
SERVED = [("served", "binance:spot:ticker:*")]


def test_a_place_that_nobody_may_serve_is_said_once_and_its_end_too(time: Time) -> None:
    it = Worker()
    assert it.tick(BOTH, {"w1": "candle"}) == [], "its worker may be on its way"
    time.now_s += PATIENCE_S
    assert it.tick(BOTH, {"w1": "candle", "w2": "candle"}) == UNSERVED
    assert it.tick(BOTH, {"w1": "candle"}) == []
    assert it.outlet.said[0][2:] == (0, "no live worker has the role all or ticker")
    assert it.tick(BOTH, {"w1": "candle", "w3": "ticker"}) == SERVED
    assert it.tick(BOTH, {"w1": "candle", "w3": "ticker"}) == []
    time.now_s += PATIENCE_S
    assert it.tick(BOTH, {"w1": "candle"}) == [], "patience begins anew"


def test_it_also_ends_when_nothing_is_wanted_there_any_more(time: Time) -> None:
    it = Worker()
    it.tick(BOTH, {"w1": "candle"})
    time.now_s += PATIENCE_S
    assert it.tick(BOTH, {"w1": "candle"}) == UNSERVED
    assert it.tick(plan(candles=("BTCUSDT",)), {"w1": "candle"}) == SERVED


def test_of_many_the_lowest_says_it_and_when_that_one_is_gone_the_next(time: Time) -> None:
    it = Worker("w2")
    workers: dict[str, Role] = {"w1": "candle", "w2": "candle"}
    it.tick(BOTH, workers)
    time.now_s += PATIENCE_S
    assert it.tick(BOTH, workers) == []
    assert it.tick(BOTH, {"w2": "candle"}) == UNSERVED
    assert it.tick(BOTH, {"w2": "candle"}) == []
    assert it.tick(BOTH, {"w2": "all"}) == SERVED


def test_who_comes_into_office_just_when_it_ends_says_so(time: Time) -> None:
    it = Worker("w2")
    it.tick(BOTH, {"w1": "candle", "w2": "candle"})
    time.now_s += PATIENCE_S
    it.tick(BOTH, {"w1": "candle", "w2": "candle"})
    assert it.tick(BOTH, {"w2": "candle", "w3": "ticker"}) == SERVED


def test_what_finds_no_room_is_said_at_a_later_tick(time: Time) -> None:
    it = Worker()
    it.tick(BOTH, {"w1": "candle"})
    time.now_s += PATIENCE_S
    it.outlet.full = True
    it.tick(BOTH, {"w1": "candle"})
    it.outlet.full = False
    assert it.tick(BOTH, {"w1": "candle"}) == UNSERVED
    it.outlet.full = True
    it.tick(BOTH, {"w1": "all"})
    it.outlet.full = False
    assert it.tick(BOTH, {"w1": "all"}) == SERVED
