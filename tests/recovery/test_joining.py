"""One ticker out of parts: nothing invented, nothing older than the connection it was told on."""

from typing import Any

from msgspec import UNSET

from common.exchanges.protocol import TickerPart
from common.model.streams import Stream
from common.recovery.joining import TickerJoin

STREAM = Stream("bybit", "spot", "ticker", "BTCUSDT")


def part(source: int, event_ms: int, *, whole: bool = True, **fields: Any) -> TickerPart:
    return TickerPart(symbol="BTCUSDT", event_ms=event_ms, source=source, whole=whole, **fields)


def test_sources_are_joined() -> None:
    join = TickerJoin(STREAM)
    assert join.take(part(1, 5, bid="9", ask="11")) is None
    ticker = join.take(part(0, 6, last="10", open="8"))
    assert ticker is not None
    assert (ticker.last, ticker.open, ticker.bid, ticker.ask) == ("10", "8", "9", "11")
    assert ticker.event_ms == 6
    assert ticker.high is UNSET
    assert ticker.stream == STREAM


def test_a_whole_part_replaces_its_source_and_an_amendment_keeps_the_rest() -> None:
    join = TickerJoin(STREAM)
    join.take(part(0, 1, last="10", bid="9", bid_size="2"))
    amended = join.take(part(0, 2, whole=False, bid="9.5"))
    assert amended is not None
    assert (amended.last, amended.bid, amended.bid_size) == ("10", "9.5", "2")
    replaced = join.take(part(0, 3, last="11"))
    assert replaced is not None
    assert (replaced.last, replaced.bid) == ("11", UNSET)


def test_a_part_that_changes_nothing_makes_no_new_ticker() -> None:
    join = TickerJoin(STREAM)
    join.take(part(1, 5, bid="9"))
    assert join.take(part(0, 5, last="10")) is not None
    assert join.take(part(1, 5, bid="9")) is None
    later = join.take(part(1, 6, bid="9"))
    assert later is not None
    assert later.event_ms == 6


def test_an_amendment_of_nothing_is_nothing() -> None:
    join = TickerJoin(STREAM)
    assert join.take(part(0, 1, whole=False, last="10")) is None
    join.take(part(0, 2, last="10"))
    join.forget()
    assert join.take(part(0, 3, whole=False, bid="9")) is None


def test_the_first_source_is_right_where_two_tell_the_same() -> None:
    join = TickerJoin(STREAM)
    join.take(part(0, 1, last="10"))
    ticker = join.take(part(1, 2, last="9", open="5"))
    assert ticker is not None
    assert (ticker.last, ticker.open) == ("10", "5")
