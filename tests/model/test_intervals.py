"""Intervals start at the same moment on every exchange: UTC, weeks on Monday, months by calendar."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.model.intervals import INTERVALS, end_of, is_start, start_of

TIMES = st.integers(min_value=0, max_value=4_102_444_800_000)  # 1970 to 2100


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


@pytest.mark.parametrize(
    ("interval", "moment", "start", "end"),
    [
        ("1m", "2026-11-21T10:07:59.999", "2026-11-21T10:07", "2026-11-21T10:08"),
        ("3m", "2026-11-21T10:07:59", "2026-11-21T10:06", "2026-11-21T10:09"),
        ("8h", "2026-11-21T10:07", "2026-11-21T08:00", "2026-11-21T16:00"),
        ("12h", "2026-11-21T10:07", "2026-11-21T00:00", "2026-11-21T12:00"),
        ("1d", "2026-11-21T23:59:59", "2026-11-21T00:00", "2026-11-22T00:00"),
        ("3d", "1970-01-05T00:00", "1970-01-04T00:00", "1970-01-07T00:00"),
        ("1w", "2026-11-22T23:59:59", "2026-11-16T00:00", "2026-11-23T00:00"),
        ("1w", "2026-11-23T00:00", "2026-11-23T00:00", "2026-11-30T00:00"),
        ("1M", "2026-12-31T23:59:59", "2026-12-01T00:00", "2027-01-01T00:00"),
        ("1M", "2024-02-29T12:00", "2024-02-01T00:00", "2024-03-01T00:00"),
    ],
)
def test_alignment(interval: str, moment: str, start: str, end: str) -> None:
    assert start_of(interval, ms(moment)) == ms(start)
    assert end_of(interval, ms(start)) == ms(end)


def test_a_week_starts_on_a_monday() -> None:
    start = start_of("1w", ms("2026-11-21T10:00"))
    assert datetime.fromtimestamp(start / 1000, UTC).weekday() == 0


@given(st.sampled_from(INTERVALS), TIMES)
def test_intervals_tile_time_without_hole_or_overlap(interval: str, time_ms: int) -> None:
    start = start_of(interval, time_ms)
    end = end_of(interval, start)
    assert start <= time_ms < end
    assert is_start(interval, start)
    assert start_of(interval, end - 1) == start
    assert start_of(interval, end) == end


def test_an_unknown_interval_is_an_error() -> None:
    with pytest.raises(KeyError):
        start_of("7m", 0)
