"""The two clocks (DESIGN §4). Nothing else reads the time.

*Market time* is what candles and REST ranges are aligned to: UTC milliseconds, and it may be made
to run faster than the wall (``MARKET_CLOCK``). *Machine time* rules timeouts, leases, backoff and
pings: it is the running event loop's own clock (``loop.time``, ``asyncio.sleep``,
``asyncio.timeout``), so a test owns it by owning the loop. It is never scaled.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable

from msgspec import Struct


def wall_ms() -> int:
    """UTC now, in milliseconds, unscaled: for people and records, not for deciding."""
    return time.time_ns() // 1_000_000


def machine_s() -> float:
    """Monotonic seconds of the running loop."""
    return asyncio.get_running_loop().time()


class MarketClock(Struct, frozen=True):
    """Market time: ``anchor_ms + (wall - anchor_ms) * speed``."""

    speed: float = 1.0
    anchor_ms: int = 0
    wall: Callable[[], int] = wall_ms

    def now_ms(self) -> int:
        """Market time now, in milliseconds UTC."""
        if self.speed == 1.0:
            return self.wall()
        return self.anchor_ms + int((self.wall() - self.anchor_ms) * self.speed)

    def machine_delay_s(self, market_ms: int) -> float:
        """How many machine seconds pass while market time moves on by ``market_ms``."""
        return market_ms / 1000 / self.speed

    @property
    def setting(self) -> str:
        """The ``MARKET_CLOCK`` value that makes the same clock in another process."""
        return f"{self.speed:g}@{self.anchor_ms}" if self.speed != 1.0 else "1"


def parse_market_clock(text: str) -> MarketClock:
    """Read ``MARKET_CLOCK``: ``1`` (the wall) or ``SPEED@ANCHOR_MS`` (``30@1763700000000``).

    Raises:
        ValueError: not of that form, or the speed is not above zero.
    """
    speed_text, _, anchor_text = text.strip().partition("@")
    try:
        speed, anchor_ms = float(speed_text), int(anchor_text or 0)
    except ValueError:
        raise ValueError(f"{text!r} is not SPEED@ANCHOR_MS, for example 30@1763700000000") from None
    if not 0 < speed < math.inf:
        raise ValueError(f"{text!r}: the speed must be above zero")
    if speed != 1.0 and not anchor_text:
        raise ValueError(f"{text!r}: a speed other than 1 needs @ANCHOR_MS")
    return MarketClock(speed=speed, anchor_ms=anchor_ms)
