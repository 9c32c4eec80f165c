"""Where the events of a shard go, and what does not pass while it may be another's."""

from __future__ import annotations

import math
from typing import Any, cast

import pytest
from msgspec.structs import replace

from common.clocks import MarketClock
from common.fleet.last import LastValues
from common.fleet.leases import Lease
from common.model.events import Candle, MarketEvent, Ticker
from common.model.streams import Origin, Shard, Stream
from common.publish.pipeline import Pipeline
from common.recovery.reading import CandleReader
from common.recovery.rest import Rest
from common.recovery.resuming import Reach
from tests.recovery.bars import bar
from tests.support.scripted import ScriptedExchange
from tests.support.spending import Unlimited
from tests.workers.test_feed import Outlet
from workers.outlets import Fenced, Outlets
from workers.owned import OwnedShard
from workers.progress import Progress

CANDLE = Stream("binance", "spot", "candle", "BTCUSDT", "1m")
TICKER = Ticker("binance", "spot", "BTCUSDT", 1, "1")


class Certain:
    def __init__(self) -> None:
        self.is_certain = True

    def __call__(self) -> bool:
        return self.is_certain


@pytest.mark.parametrize("event", [bar(0), replace(bar(0), revision=1)])
def test_while_it_is_not_certain_whose_the_shard_is_no_closed_candle_passes(event: Candle) -> None:
    outlet, certain = Outlet(), Certain()
    fenced = Fenced(outlet, certain)
    assert fenced.publish(event, epoch=7, origin="live")
    certain.is_certain = False
    assert not fenced.publish(event, epoch=7, origin="live")
    assert not fenced.has_room(), "there is no use in fetching what may not go out"
    assert outlet.events == [(event, 7, "live")]
    certain.is_certain = True
    assert fenced.has_room()


@pytest.mark.parametrize("event", [TICKER, bar(0, closed=False)])
def test_the_newest_values_pass_all_the_same(event: MarketEvent) -> None:
    outlet, certain = Outlet(), Certain()
    certain.is_certain = False
    fenced = Fenced(outlet, certain)
    assert fenced.publish(event, epoch=7, origin="live")
    assert fenced.status(CANDLE, "stale", epoch=7, reason="why")
    assert outlet.events == [(event, 7, "live")]
    assert outlet.states == [("BTCUSDT", "stale", "why", None)]
    fenced.withdraw(event.stream)
    assert outlet.events == []


def test_a_full_buffer_is_no_room_however_certain_it_is() -> None:
    outlet = Outlet()
    outlet.full = True
    assert not Fenced(outlet, Certain()).has_room()


@pytest.mark.parametrize(
    ("until_s", "away", "passes"),
    [
        (math.inf, False, True),
        (-math.inf, False, False),  # it was paused: another may have taken the shard
        (-math.inf, True, True),  # nobody else can take it either
    ],
)
async def test_a_shard_is_certainly_ours_while_its_lease_lives_or_redis_is_away(
    until_s: float, *, away: bool, passes: bool
) -> None:
    outlet, exchange = Outlet(), ScriptedExchange()
    owned = OwnedShard(
        Shard("binance", "spot", "candle", 0),
        Lease("binance:spot:candle:0", 7, until_s),
        outlet,
        Progress(cast("Any", None)),
        address=exchange.address,
        dial=exchange.dial,
        reader=CandleReader(Rest(None, Unlimited()), lambda *_: {}, MarketClock()),
        reach=Reach(),
        clock=MarketClock(),
        catalog=dict,
    )
    owned.away = away
    assert owned.feed._outlet.has_room() is passes
    assert owned.feed._outlet.publish(bar(0), epoch=7, origin="live") is passes
    assert len(outlet.events) == passes


# --- the process's ------------------------------------------------------------------------------


class Sinks:
    """The pipeline, the progress and the last values of a process: what each was told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, object]] = []
        self.room = True

    def publish(self, event: MarketEvent, *, epoch: int, origin: Origin) -> bool:
        if self.room:
            self.told.append(("pipeline", event))
        return self.room

    def published(self, candle: Candle) -> None:
        self.told.append(("progress", candle))

    def note(self, event: MarketEvent) -> None:
        self.told.append(("last", event))

    def withdraw(self, stream: Stream) -> None:
        self.told.append(("withdrawn", stream))

    @property
    def has_room(self) -> bool:
        return self.room


def outlets(*, last: bool = True) -> tuple[Outlets, Sinks]:
    sinks = Sinks()
    values = cast("LastValues", sinks) if last else None
    return Outlets(cast("Pipeline", sinks), cast("Progress", sinks), values), sinks


def test_progress_hears_of_what_has_to_be_confirmed_and_of_nothing_else() -> None:
    it, sinks = outlets(last=False)
    for event in (bar(0), bar(1, closed=False), TICKER):
        assert it.publish(event, epoch=7, origin="live")
    assert [event for who, event in sinks.told if who == "progress"] == [bar(0)]
    assert [event for who, event in sinks.told if who == "last"] == []


def test_the_last_of_each_is_kept_where_that_is_switched_on() -> None:
    it, sinks = outlets()
    for event in (bar(0), TICKER):
        it.publish(event, epoch=7, origin="live")
    assert [event for who, event in sinks.told if who == "last"] == [bar(0), TICKER]


def test_what_found_no_room_was_not_published() -> None:
    it, sinks = outlets()
    sinks.room = False
    assert not it.publish(bar(0), epoch=7, origin="live")
    assert not it.has_room()
    assert sinks.told == []


def test_what_has_not_left_is_withdrawn_from_the_pipeline() -> None:
    it, sinks = outlets()
    it.withdraw(CANDLE)
    assert sinks.told == [("withdrawn", CANDLE)]
