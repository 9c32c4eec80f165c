"""What an exchange counts: messages and handshakes in a sliding window, request weight by minute.

Machine time and the wall only: limits are never scaled with the market's clock.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from typing import Any

from common.clocks import wall_ms
from common.model.intervals import MINUTE_MS

# Addresses remembered at once; on loopback there is one.
_MAX_ADDRESSES = 10_000
# Requests that may still come after a 429 before it turns into a ban, and how long that lasts: each
# one twice as long as the one before.
_PATIENCE = 10
_BAN_S = 120
_LONGEST_BAN_S = 3 * 86_400


class SlidingCount:
    """At most ``limit`` events within the last ``window_s`` seconds."""

    def __init__(self, window_s: float) -> None:
        self._window_s = window_s
        self._times: deque[float] = deque()
        self.peak = 0

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
        self.peak = max(self.peak, len(self._times))
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
        self._bans: dict[str, int] = {}
        self.peak = 0

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
        self.peak = max(self.peak, used)
        if used <= limit:
            return 200, used, 0
        refused = self._refused[address] = self._refused.get(address, 0) + 1
        if refused > _PATIENCE:
            before = self._bans.get(address, 0)
            ban_s = min(_BAN_S * 2**before, _LONGEST_BAN_S)
            self._bans[address] = before + 1
            self._banned_until_ms[address] = now_ms + ban_s * 1000
            return 418, used, ban_s
        return 429, used, ((minute + 1) * MINUTE_MS - now_ms) // 1000 + 1

    def used(self, address: str, minute: int) -> int:
        """What an address has used of a minute."""
        return self._used.get(address, 0) if minute == self._minute else 0


class Meters:
    """All counters of the simulator, made when first needed."""

    def __init__(self) -> None:
        self._weights: dict[str, Weights] = {}
        self._windows: dict[tuple[str, str], SlidingCount] = {}
        self._answers: defaultdict[str, Counter[str]] = defaultdict(Counter)

    def weights(self, pool: str) -> Weights:
        """The weights of one pool."""
        return self._weights.setdefault(pool, Weights())

    def window(self, name: str, address: str, window_s: float) -> SlidingCount:
        """What one address has done of one kind (handshakes of an exchange, calls of a pool)."""
        if len(self._windows) > _MAX_ADDRESSES:
            self._windows.clear()
        return self._windows.setdefault((name, address), SlidingCount(window_s))

    def answered(self, exchange: str, kind: str, status: int) -> None:
        """A call (``rest``) or a handshake (``socket``) of an exchange was answered."""
        self._answers[f"{exchange}:{kind}"][str(status)] += 1

    def told(self) -> dict[str, Any]:
        """How often each status was answered, and the most that an address used of each limit."""
        peaks = {pool: weights.peak for pool, weights in self._weights.items()}
        for (name, _), window in self._windows.items():
            peaks[name] = max(peaks.get(name, 0), window.peak)
        return {"answers": self._answers, "peaks": peaks}

    def reset(self) -> None:
        """Forget every count and ban."""
        self._answers.clear()
        self._weights.clear()
        self._windows.clear()
