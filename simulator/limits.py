"""What an exchange counts: messages and handshakes in a sliding window, request weight by minute.

Machine time and the wall only: limits are never scaled with the market's clock.
"""

from __future__ import annotations

from collections import deque

from common.clocks import wall_ms
from common.model.intervals import MINUTE_MS

# Addresses remembered at once; on loopback there is one.
_MAX_ADDRESSES = 10_000
# Requests that may still come after a 429 before it turns into a ban, and how long that lasts.
_PATIENCE = 10
_BAN_S = 120


class SlidingCount:
    """At most ``limit`` events within the last ``window_s`` seconds."""

    def __init__(self, window_s: float) -> None:
        self._window_s = window_s
        self._times: deque[float] = deque()

    def used(self, now_s: float) -> int:
        """How many events the window holds."""
        while self._times and self._times[0] <= now_s - self._window_s:
            self._times.popleft()
        return len(self._times)

    def exceeds(self, limit: int, now_s: float) -> bool:
        """Count one event; True if that is one too many."""
        self.used(now_s)
        if len(self._times) > limit:
            return True
        self._times.append(now_s)
        return len(self._times) > limit

    def frees_in_s(self, now_s: float) -> float:
        """How long until the oldest event is forgotten."""
        return self._times[0] + self._window_s - now_s if self._times else 0.0


class Weights:
    """Request weight of one pool, by address and minute of the wall clock."""

    def __init__(self) -> None:
        self._minute = 0
        self._used: dict[str, int] = {}
        self._refused: dict[str, int] = {}
        self._banned_until_ms: dict[str, int] = {}

    def charge(self, address: str, weight: int, limit: int) -> tuple[int, int, int]:
        """Charge one request; answers (status, used weight, seconds to wait).

        The status is 200, 429 above the limit, and 418 for an address that does not stop then.
        """
        now_ms = wall_ms()
        minute = now_ms // MINUTE_MS
        if minute != self._minute or len(self._used) > _MAX_ADDRESSES:
            self._minute, self._used, self._refused = minute, {}, {}
        banned_ms = self._banned_until_ms.get(address, 0) - now_ms
        if banned_ms > 0:
            return 418, self._used.get(address, 0), banned_ms // 1000 + 1
        self._banned_until_ms.pop(address, None)
        used = self._used[address] = self._used.get(address, 0) + weight
        if used <= limit:
            return 200, used, 0
        refused = self._refused[address] = self._refused.get(address, 0) + 1
        if refused > _PATIENCE:
            self._banned_until_ms[address] = now_ms + _BAN_S * 1000
            return 418, used, _BAN_S
        return 429, used, ((minute + 1) * MINUTE_MS - now_ms) // 1000 + 1


class Meters:
    """All counters of the simulator, made when first needed."""

    def __init__(self) -> None:
        self._weights: dict[str, Weights] = {}
        self._windows: dict[tuple[str, str], SlidingCount] = {}

    def weights(self, pool: str) -> Weights:
        """The weights of one pool."""
        return self._weights.setdefault(pool, Weights())

    def window(self, name: str, address: str, window_s: float) -> SlidingCount:
        """What one address has done of one kind (handshakes of an exchange, calls of a pool)."""
        if len(self._windows) > _MAX_ADDRESSES:
            self._windows.clear()
        return self._windows.setdefault((name, address), SlidingCount(window_s))

    def reset(self) -> None:
        """Forget every count and ban."""
        self._weights.clear()
        self._windows.clear()
