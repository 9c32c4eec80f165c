"""Times on a command line: every form means one time, and nothing else means any."""

from __future__ import annotations

import pytest

from scripts.fleet.times import iso, read_length, read_time

NOW_MS = 1_700_000_000_000


@pytest.mark.parametrize(
    ("text", "time_ms"),
    [
        ("now", NOW_MS),
        ("-2h", NOW_MS - 7_200_000),
        ("+90s", NOW_MS + 90_000),
        ("-1w", NOW_MS - 604_800_000),
        ("1700000040000", 1_700_000_040_000),
        ("2023-11-14T22:14:00Z", 1_700_000_040_000),
        ("2023-11-15T00:14:00+02:00", 1_700_000_040_000),
        ("2023-11-14T22:14:00.123Z", 1_700_000_040_123),
    ],
)
def test_a_time(text: str, time_ms: int) -> None:
    assert read_time(text, NOW_MS) == time_ms


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("2023-11-14T22:14:00", "no zone"),
        ("1700000040", "seconds"),
        ("2h", "is no time"),
        ("-2y", "is no time"),
        ("-2.5h", "is no time"),
        ("yesterday", "is no time"),
        ("", "is no time"),
        ("-999999999w", "beyond"),
        ("999999999999999999", "beyond"),
    ],
)
def test_what_is_no_time_is_refused_with_the_reason(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        read_time(text, NOW_MS)


@pytest.mark.parametrize("time_ms", [1_700_000_040_000, 1_700_000_040_123, 0])
def test_what_is_told_can_be_asked(time_ms: int) -> None:
    assert iso(time_ms).endswith("Z")
    assert read_time(iso(time_ms), NOW_MS) == time_ms


def test_a_length() -> None:
    assert [read_length(text) for text in ("90s", "2h", "1d")] == [90_000, 7_200_000, 86_400_000]
    with pytest.raises(ValueError, match="no length"):
        read_length("-2h")
