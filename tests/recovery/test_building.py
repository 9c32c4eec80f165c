"""Longer candles are what their bars add up to, at the same times on every exchange."""

import pytest
from msgspec import UNSET
from msgspec.structs import replace

from common.model.intervals import INTERVALS, divides, end_of, source_of, start_of
from common.recovery.building import Builder, fold
from tests.recovery.bars import at, bar

BARS = [
    replace(bar(0, volume="1.50"), open="5", high="8", low="5", close="7"),
    replace(bar(1, volume="0.5"), open="7", high="7", low="4.5", close="6"),
    replace(bar(2, volume="2"), open="6", high="10", low="6", close="9"),
]


def test_a_candle_is_folded_of_its_bars() -> None:
    candle = fold("3m", BARS)
    assert (candle.open, candle.high, candle.low, candle.close) == ("5", "10", "4.5", "9")
    assert candle.volume == "4.00"
    assert (candle.start_ms, candle.end_ms, candle.closed) == (at(0), at(3), True)


def test_a_bar_without_trades_adds_no_price() -> None:
    empty = replace(bar(0, volume="0"), open="99", high="99", low="99", close="99")
    assert fold("3m", [empty, *BARS[1:]]).open == "7"
    assert fold("3m", [empty, *BARS[1:]]).high == "10"
    only = [replace(empty, start_ms=at(m), end_ms=at(m + 1)) for m in range(3)]
    assert fold("3m", only).open == "99"


def test_a_volume_that_one_bar_does_not_tell_is_left_out() -> None:
    silent = replace(BARS[1], volume=UNSET, contracts="3")
    assert fold("3m", [BARS[0], silent, BARS[2]]).volume is UNSET


def test_it_runs_with_every_bar_and_closes_with_the_last() -> None:
    builder = Builder("3m")
    running = replace(BARS[0], closed=False, event_ms=1)
    first = builder.take(running)
    assert first is not None
    assert (first.closed, first.close, first.event_ms) == (False, "7", 1)
    closes = [builder.take(one) for one in BARS]
    assert [candle.closed for candle in closes if candle is not None] == [False, False, True]
    assert closes[-1] == fold("3m", BARS)


def test_a_candle_whose_beginning_is_unknown_is_not_built() -> None:
    builder = Builder("3m")
    assert builder.take(BARS[1]) is None
    assert builder.take(BARS[2]) is None
    after = builder.take(bar(3, volume="1"))
    assert after is not None
    assert after.start_ms == at(3)


def test_an_open_bar_ahead_of_what_is_still_fetched_costs_no_candle() -> None:
    builder = Builder("3m")
    builder.take(BARS[0])
    assert builder.take(bar(3, closed=False)) is not None
    builder.take(BARS[1])
    built = builder.take(BARS[2])
    assert built is not None
    assert (built.start_ms, built.closed) == (at(0), True)


@pytest.mark.parametrize("interval", INTERVALS)
def test_every_interval_can_be_built_of_minutes_and_begins_where_one_begins(interval: str) -> None:
    assert source_of(interval, {"1m"}) == "1m"
    for part in INTERVALS:
        if divides(part, interval):
            start_ms = start_of(interval, at(12_345))
            assert start_of(part, start_ms) == start_ms
            end_ms = end_of(interval, start_ms)
            assert start_of(part, end_ms) == end_ms


def test_the_source_is_the_largest_native_interval_that_divides() -> None:
    native = {"1m", "5m", "1h", "4h", "6h", "1d", "1w"}
    assert source_of("8h", native) == "4h"
    assert source_of("12h", native) == "6h"
    assert source_of("3m", native) == "1m"
    assert source_of("3d", native) == "1d"
    assert source_of("1w", native) == "1w"
    assert source_of("1M", native) == "1d"
    assert source_of("1w", {"3d", "12h"}) == "12h"
    assert source_of("3m", {"5m"}) is None
