"""Market time is UTC, or runs faster by a setting; machine time is the loop's."""

import pytest

from common.clocks import MarketClock, parse_market_clock


def test_market_time_is_the_wall_by_default() -> None:
    assert MarketClock(wall=lambda: 1234).now_ms() == 1234
    assert parse_market_clock("1").speed == 1.0


def test_a_faster_market_clock_starts_at_its_anchor() -> None:
    now = 1_700_000_000_000
    clock = MarketClock(speed=30.0, anchor_ms=now, wall=lambda: now)
    assert clock.now_ms() == now
    now += 2_000
    assert clock.now_ms() == 1_700_000_000_000 + 60_000
    assert clock.machine_delay_s(60_000) == 2.0


def test_the_setting_makes_the_same_clock_elsewhere() -> None:
    clock = MarketClock(speed=30.0, anchor_ms=1_700_000_000_000)
    again = parse_market_clock(clock.setting)
    assert (again.speed, again.anchor_ms) == (30.0, 1_700_000_000_000)


@pytest.mark.parametrize("text", ["", "fast", "30", "0@1700000000000", "-1@17", "inf@1", "nan@1"])
def test_a_wrong_clock_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"SPEED@ANCHOR_MS|above zero|needs @ANCHOR_MS"):
        parse_market_clock(text)
