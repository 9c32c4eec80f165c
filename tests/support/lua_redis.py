"""The few commands of Redis that a script uses, under a clock that the test owns.

What the scripts say is what production runs; that Redis itself understands them alike is shown by
the tests on a real one. Lua 5.1 is its version, and two versions in one process do not go together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from lupa.lua51 import LuaRuntime

Value = str | bytes | int


class LuaRedis:
    """Runs scripts one after the other, as Redis does. Times are microseconds."""

    def __init__(self, now_us: int = 1_700_000_000_000_000) -> None:
        self.now_us = now_us
        self.hashes: dict[str, dict[str, str]] = {}
        self.strings: dict[str, tuple[str, int]] = {}
        self.sorted: dict[str, dict[str, float]] = {}
        self._lua = LuaRuntime()
        self._compiled: dict[str, Any] = {}

    def run(self, script: str, keys: Sequence[str], arguments: Sequence[Value]) -> list[Any]:
        """What the script answers, as a list."""
        if script not in self._compiled:
            whole = f"function(KEYS, ARGV, redis) {script} end"
            self._compiled[script] = self._lua.eval(whole)
        table = self._lua.table_from
        texts = [a.decode() if isinstance(a, bytes) else str(a) for a in arguments]
        redis = table({"call": self._call})
        answer = self._compiled[script](table(list(keys)), table(texts), redis)
        return list(answer.values()) if hasattr(answer, "values") else [answer]

    def wipe(self) -> None:
        """All data is lost; the clock goes on."""
        self.hashes, self.strings, self.sorted = {}, {}, {}

    def _call(self, command: str, *arguments: Any) -> Any:
        name: Callable[..., Any] = getattr(self, f"_{command.lower()}")
        return name(*arguments)

    def _time(self) -> Any:
        seconds, micro = divmod(self.now_us, 1_000_000)
        return self._lua.table_from([str(seconds), str(micro)])

    def _hget(self, key: str, field: str) -> str | bool:
        return self.hashes.get(key, {}).get(field, False)

    def _hset(self, key: str, field: str, value: Any) -> None:
        self.hashes.setdefault(key, {})[field] = str(value)

    def _pexpire(self, key: str, ms: Any) -> None:
        """An hour: longer than any of these tests."""

    def _pttl(self, key: str) -> int:
        end_us = self.strings.get(key, ("", 0))[1]
        return max(-2, -(-(end_us - self.now_us) // 1000)) if end_us > self.now_us else -2

    def _get(self, key: str) -> str | bool:
        return self.strings[key][0] if self._pttl(key) > 0 else False

    def _set(self, key: str, value: str, _: str, ms: Any) -> None:
        self.strings[key] = (value, self.now_us + int(ms) * 1000)

    def _zadd(self, key: str, score: Any, member: str) -> None:
        self.sorted.setdefault(key, {})[member] = float(score)

    def _zcard(self, key: str) -> int:
        return len(self.sorted.get(key, {}))

    def _zremrangebyscore(self, key: str, _: str, most: Any) -> None:
        kept = {m: s for m, s in self.sorted.get(key, {}).items() if s > float(most)}
        self.sorted[key] = kept
