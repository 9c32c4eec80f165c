"""How many streams are subscribed anew when something changes, counted by the simulator.

    python -m benchmarks.moves [--workers N] [--json]

1,512 candle streams of one market, shared by some workers; then one symbol more is wanted, then it
is wanted no more, then one worker joins. What has to be subscribed at least is told beside it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections import Counter
from collections.abc import Callable
from typing import Any

from benchmarks.bench import Bench, say, until
from common.clocks import MarketClock, wall_ms
from common.fleet.client import connect
from common.fleet.desired import Desired
from common.fleet.keys import Keys
from common.model.streams import Pattern
from scripts.children import GUARD, INTERRUPTS
from scripts.engines.fetch import ensure
from scripts.quick.stack import Stack

SYMBOLS = 108
INTERVALS = ("1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d", "3d", "1w")
STREAMS = SYMBOLS * len(INTERVALS)
EXTRA = "ZZZUSDT"
START_S, CHANGE_S = 120.0, 60.0
# Nothing has moved for so many looks in a row.
STILL_LOOKS = 40


def main(arguments: list[str] | None = None) -> int:
    """Measure; the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.moves",
        description=__doc__,
        formatter_class=argparse.RawTextHelpFormatter,
    )
    parser.add_argument("--workers", type=int, default=4, metavar="N", help="at first (default: 4)")
    parser.add_argument("--json", action="store_true", help="one line of JSON on stdout")
    asked = parser.parse_args(arguments)
    INTERRUPTS.listen()
    ensure()
    try:
        with Stack(say) as stack:
            told = Moves(stack).measure(asked.workers)
    finally:
        GUARD.close()
    sys.stdout.write((json.dumps(told) if asked.json else json.dumps(told, indent=2)) + "\n")
    return 0


class Moves:
    """One run."""

    def __init__(self, stack: Stack) -> None:
        patterns = [f"binance:linear:candle:B???USDT:{interval}" for interval in INTERVALS]
        settings = {"STREAMS": ",".join(patterns), "EXCHANGES": "binance", "LOOK_BACK_S": "0"}
        self._bench = Bench(stack, MarketClock(1.0, wall_ms()), settings)

    def measure(self, workers: int) -> dict[str, Any]:
        """The figures."""
        for number in range(SYMBOLS):
            self._list(f"B{number:03d}")
        self._list(EXTRA.removesuffix("USDT"))
        for number in range(workers):
            self._bench.worker(f"bench-{number}")
        say(f"Workers    {workers}, {STREAMS} streams")
        until(lambda: self._carried() == STREAMS, START_S, "every stream is carried")
        self._settle()
        added = self._change(lambda: self._want(add=True), STREAMS + len(INTERVALS))
        removed = self._change(lambda: self._want(add=False), STREAMS)
        before = self._sockets()
        joined = self._change(lambda: self._bench.worker("bench-joining"), STREAMS)
        return {
            "streams": STREAMS,
            "connections": len(before),
            "added": {**added, "least": len(INTERVALS)},
            "removed": {**removed, "least": 0},
            "joined": {**joined, "least": STREAMS // (workers + 1)},
        }

    def _list(self, base: str) -> None:
        place = {"exchange": "binance", "market": "linear"}
        quiet = {"trades_per_100min": 50}
        self._bench.control(
            "symbol", {"action": "list", **place, "base": base, "quote": "USDT", **quiet}
        )

    def _want(self, *, add: bool) -> None:
        async def change() -> None:
            redis = connect(self._bench.redis_url)
            desired = Desired(redis, Keys())
            for interval in INTERVALS:
                pattern = Pattern("binance", "linear", "candle", EXTRA, interval)
                await (desired.add if add else desired.remove)(pattern, "benchmark")
            await redis.aclose()

        asyncio.run(change())

    def _change(self, change: Callable[[], object], carried: int) -> dict[str, int]:
        """What clients did because of it."""
        before = self._counts()
        change()
        until(lambda: self._counts() != before, CHANGE_S, "something happens")
        self._settle()
        until(lambda: self._carried() == carried, CHANGE_S, f"{carried} streams are carried")
        done = self._counts() - before
        return {name: done[name] for name in ("subscribed", "unsubscribed", "sockets")}

    def _settle(self) -> None:
        """Wait until nothing moves any more."""
        still, last = 0, self._counts()

        def looked() -> bool:
            nonlocal still, last
            now = self._counts()
            still, last = (still + 1 if now == last else 0), now
            return still >= STILL_LOOKS

        until(looked, CHANGE_S, "nothing moves any more")

    def _counts(self) -> Counter[str]:
        return Counter(self._bench.control("counts").get("binance", {}))

    def _sockets(self) -> list[Any]:
        return list(self._bench.control("connections"))

    def _carried(self) -> int:
        return sum(len(socket["topics"]) for socket in self._sockets())


if __name__ == "__main__":
    raise SystemExit(main())
