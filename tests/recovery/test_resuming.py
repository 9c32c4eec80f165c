"""Where a stream goes on: at its checkpoint, unless that is too old, of the future, or not there."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.model.checkpoints import Checkpoint
from common.model.intervals import DAY_MS, INTERVALS, end_of, is_start, length_ms, start_of
from common.model.streams import Stream
from common.recovery.resuming import Reach, past, resume
from common.recovery.steps import Hole
from tests.recovery.bars import BEGIN_MS, MINUTE_MS, at, bar

NOW_MS = at(100.5)


def test_it_goes_on_at_its_checkpoint_with_all_that_is_known_there() -> None:
    for minute in (60, 99, 100, 101):
        checkpoint = Checkpoint(at(minute), bar(minute - 1), (bar(minute - 1),))
        assert resume(checkpoint, "1m", NOW_MS, Reach()) == (checkpoint, None)


def test_what_is_too_far_behind_is_given_up_and_told() -> None:
    reach = Reach(most_bars=10)
    kept = Checkpoint(at(90), bar(89))
    assert resume(kept, "1m", NOW_MS, reach) == (kept, None)
    older = Checkpoint(at(89), bar(88), (bar(88),))
    assert resume(older, "1m", NOW_MS, reach) == (Checkpoint(at(90)), Hole(at(89), at(90)))


@pytest.mark.parametrize("checkpoint", [None, Checkpoint(at(102))])
def test_without_a_checkpoint_or_with_one_of_the_future_it_begins_now(
    checkpoint: Checkpoint | None,
) -> None:
    assert resume(checkpoint, "1m", NOW_MS, Reach()) == (Checkpoint(at(100)), None)


def test_a_first_subscription_may_ask_for_what_was_before() -> None:
    assert resume(None, "1m", NOW_MS, Reach(history_bars=7)).checkpoint == Checkpoint(at(93))


def test_where_redis_may_have_lost_it_the_stream_looks_back_in_market_time() -> None:
    reach = Reach(look_back_ms=5 * MINUTE_MS)
    assert resume(None, "1m", NOW_MS, reach).checkpoint == Checkpoint(at(95))
    assert resume(None, "1h", NOW_MS, reach).checkpoint == Checkpoint(at(60))
    further = Reach(look_back_ms=5 * MINUTE_MS, history_bars=20)
    assert resume(None, "1m", NOW_MS, further).checkpoint == Checkpoint(at(80))


def test_a_checkpoint_is_not_looked_back_behind() -> None:
    reach = Reach(look_back_ms=50 * MINUTE_MS, history_bars=50)
    assert resume(Checkpoint(at(99)), "1m", NOW_MS, reach).checkpoint == Checkpoint(at(99))


def test_new_streams_begin_so_many_candles_ago_and_tickers_nowhere() -> None:
    candles = [
        Stream("binance", "spot", "candle", "BTCUSDT", interval) for interval in ("1m", "1h")
    ]
    ticker = Stream("binance", "spot", "ticker", "BTCUSDT")
    assert past([*candles, ticker], NOW_MS, 3) == {
        candles[0]: Checkpoint(at(97)),
        candles[1]: Checkpoint(at(60 - 180)),
    }


BARS = st.integers(0, 20_000)


@given(
    st.sampled_from(INTERVALS),
    st.integers(BEGIN_MS - 900 * DAY_MS, BEGIN_MS + 900 * DAY_MS),
    st.none() | st.integers(-20_000, 5),
    st.builds(
        Reach, most_bars=BARS, history_bars=BARS, look_back_ms=st.integers(0, 30 * MINUTE_MS)
    ),
)
def test_it_begins_with_a_bar_no_later_than_now_and_loses_nothing_unsaid(
    interval: str, now_ms: int, behind: int | None, reach: Reach
) -> None:
    running_ms = start_of(interval, now_ms)
    checkpoint = None
    if behind is not None:
        start_ms = start_of(interval, max(0, now_ms + behind * length_ms(interval)))
        checkpoint = Checkpoint(start_ms)
    begins, lost = resume(checkpoint, interval, now_ms, reach)
    assert is_start(interval, begins.next_ms)
    if checkpoint is None or checkpoint.next_ms > end_of(interval, running_ms):
        assert lost is None
        assert begins.next_ms <= min(running_ms, max(0, now_ms - reach.look_back_ms))
    elif lost is None:
        assert begins == checkpoint
    else:
        assert lost == Hole(checkpoint.next_ms, begins.next_ms)
        assert begins.next_ms > checkpoint.next_ms
        # No less than was asked for is fetched (months are not all as long).
        bars = (running_ms - begins.next_ms) / length_ms(interval)
        assert bars >= reach.most_bars * 0.9 - 1
