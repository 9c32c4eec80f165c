"""How one shard speaks, and what does not pass while it may be another's."""

from __future__ import annotations

import math
from typing import Any, cast

import pytest
from msgspec.structs import replace

from common.clocks import MarketClock
from common.fleet.leases import Lease
from common.model.events import Candle, MarketEvent, Ticker
from common.model.streams import Shard, Stream
from common.recovery.reading import CandleReader
from common.recovery.rest import Rest
from common.recovery.resuming import Reach
from tests.recovery.bars import bar
from tests.support.scripted import ScriptedExchange
from tests.support.spending import Unlimited
from tests.workers.test_feed import Outlet
from workers.owned import OwnedShard
from workers.progress import Progress
from workers.voice import Voice

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
    voice = Voice(outlet, 7, certain)
    assert voice.publish(event, "live")
    certain.is_certain = False
    assert not voice.publish(event, "live")
    assert not voice.has_room(), "there is no use in fetching what may not go out"
    assert outlet.events == [(event, 7, "live")]
    certain.is_certain = True
    assert voice.has_room()


@pytest.mark.parametrize("event", [TICKER, bar(0, closed=False)])
def test_the_newest_values_pass_all_the_same(event: MarketEvent) -> None:
    outlet, certain = Outlet(), Certain()
    certain.is_certain = False
    voice = Voice(outlet, 7, certain)
    assert voice.publish(event, "live")
    assert voice.status(CANDLE, "stale", "why")
    assert outlet.events == [(event, 7, "live")]
    assert outlet.states == [("BTCUSDT", "stale", "why", None)]
    voice.withdraw([event.stream])
    assert outlet.events == []


def test_a_full_buffer_is_no_room_however_certain_it_is() -> None:
    outlet = Outlet()
    outlet.full = True
    assert not Voice(outlet, 7, Certain()).has_room()


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
    assert owned.voice.has_room() is passes
    assert owned.voice.publish(bar(0), "live") is passes
    assert len(outlet.events) == passes
