"""Where the events of a process go, and who hears of them."""

from __future__ import annotations

from typing import cast

from common.fleet.last import LastValues
from common.model.events import Candle, MarketEvent, Ticker
from common.model.streams import Origin, Stream
from common.publish.pipeline import Pipeline
from tests.recovery.bars import bar
from workers.outlets import Outlets
from workers.progress import Progress

CANDLE = Stream("binance", "spot", "candle", "BTCUSDT", "1m")
TICKER = Ticker("binance", "spot", "BTCUSDT", 1, "1")


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
