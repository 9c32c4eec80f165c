"""How soon data flows again when the owner of a stream dies, and whether its gap is filled.

    python -m benchmarks.takeover [--times N] [--ttl S] [--json]

Two workers share a simulated market. The owner of its shard is killed (``kill -9``), and the time is
taken until RabbitMQ delivers the first message under the next owner's epoch, and until every closed
candle up to the kill is there, in order and without a hole. Real time: a candle closes every minute,
so the market's clock runs 20 times faster.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aio_pika
from aio_pika.abc import AbstractIncomingMessage

from benchmarks.bench import Bench, say
from common.clocks import MarketClock, wall_ms
from common.fleet.client import connect
from common.fleet.keys import Keys
from common.fleet.leases import Leases
from scripts.children import GUARD, INTERRUPTS, Child, ChildError
from scripts.engines.fetch import ensure
from scripts.quick.stack import Stack

SHARD = "binance:spot:candle:0"
SPEED = 20.0
MINUTE_MS = 60_000
START_S, WHOLE_S = 60.0, 120.0


def main(arguments: list[str] | None = None) -> int:
    """Measure; the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.takeover",
        description=__doc__,
        formatter_class=argparse.RawTextHelpFormatter,
    )
    parser.add_argument("--times", type=int, default=5, metavar="N", help="kills (default: 5)")
    parser.add_argument("--ttl", type=int, default=6, metavar="S", help="LEASE_TTL_S (default: 6)")
    parser.add_argument("--json", action="store_true", help="one line of JSON on stdout")
    asked = parser.parse_args(arguments)
    INTERRUPTS.listen()
    ensure()
    try:
        with Stack(say) as stack:
            told = asyncio.run(Takeover(stack, asked.ttl).measure(asked.times))
    finally:
        GUARD.close()
    sys.stdout.write((json.dumps(told) if asked.json else json.dumps(told, indent=2)) + "\n")
    return 0


class Takeover:
    """One run."""

    def __init__(self, stack: Stack, ttl_s: int) -> None:
        self._ttl_s = ttl_s
        self._clock = MarketClock(SPEED, wall_ms())
        settings = {
            "STREAMS": "binance:spot:candle:*:1m",
            "EXCHANGES": "binance",
            "LEASE_TTL_S": str(ttl_s),
            "LOOK_BACK_S": "0",
        }
        self._bench = Bench(stack, self._clock, settings)
        self._workers: dict[str, Child] = {}
        self._numbers = iter(range(1_000_000))
        # What came: under which epoch first, and the starts of the closed candles of each symbol.
        self._came_s: dict[int, float] = {}
        self._closed: defaultdict[str, set[int]] = defaultdict(set)
        self._news = asyncio.Event()

    async def measure(self, times: int) -> dict[str, Any]:
        """The figures, in seconds."""
        async with self._listening():
            self._start_worker()
            self._start_worker()
            await self._until(lambda: len(self._closed) > 0, START_S, "candles flow")
            flows, wholes = [], []
            for number in range(times):
                flow_s, whole_s = await self._kill_owner()
                say(f"{number + 1}. flows after {flow_s:.1f} s, whole after {whole_s:.1f} s")
                flows.append(flow_s)
                wholes.append(whole_s)
        return {
            "leaseTtlS": self._ttl_s,
            "kills": times,
            "flowsAgainS": {"median": _round(statistics.median(flows)), "most": _round(max(flows))},
            "wholeAgainS": {
                "median": _round(statistics.median(wholes)),
                "most": _round(max(wholes)),
            },
            "streams": len(self._closed),
            "missing": sum(map(_holes, self._closed.values())),
        }

    async def _kill_owner(self) -> tuple[float, float]:
        name, epoch = await self._owner()
        killed_s, killed_ms = time.monotonic(), self._clock.now_ms()
        self._workers.pop(name).kill()
        await self._until(
            lambda: any(other > epoch for other in self._came_s), WHOLE_S, "another owner speaks"
        )
        flows_s = min(at for other, at in self._came_s.items() if other > epoch) - killed_s
        self._start_worker()
        await self._until(lambda: self._is_whole(killed_ms), WHOLE_S, "the gap is filled")
        whole_s = time.monotonic() - killed_s
        await asyncio.sleep(2 * self._ttl_s)  # let the fleet come to rest before the next kill
        return flows_s, whole_s

    def _is_whole(self, until_ms: int) -> bool:
        return all(
            max(starts) + MINUTE_MS > until_ms - MINUTE_MS and not _holes(starts)
            for starts in self._closed.values()
        )

    async def _owner(self) -> tuple[str, int]:
        redis = connect(self._bench.redis_url)
        try:
            holder = (await Leases(redis, Keys(), "benchmark", 1.0).holders([SHARD]))[SHARD]
        finally:
            await redis.aclose()
        return holder.worker_id.partition(":")[0], holder.epoch

    def _start_worker(self) -> None:
        name = f"bench-{next(self._numbers)}"
        self._workers[name] = self._bench.worker(name)

    async def _until(self, condition: Callable[[], bool], within_s: float, what: str) -> None:
        try:
            async with asyncio.timeout(within_s):
                while not condition():
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise ChildError(f"after {within_s:g} s still not: {what}") from None

    @asynccontextmanager
    async def _listening(self) -> AsyncIterator[None]:
        connection = await aio_pika.connect(self._bench.rabbit_url)
        async with connection:
            channel = await connection.channel(publisher_confirms=False)
            amqp_exchange = await channel.declare_exchange("market", "topic", durable=True)
            queue = await channel.declare_queue(exclusive=True)
            await queue.bind(amqp_exchange, "candle.#")
            await queue.consume(self._take, no_ack=True)
            yield

    async def _take(self, message: AbstractIncomingMessage) -> None:
        self._came_s.setdefault(int(str(message.headers["epoch"])), time.monotonic())
        if message.type == "candle.closed.v1":
            body = json.loads(message.body)
            self._closed[body["symbol"]].add(body["startMs"])
        self._news.set()


def _holes(starts: set[int]) -> int:
    """How many minutes are missing between the first and the last."""
    return (max(starts) - min(starts)) // MINUTE_MS + 1 - len(starts)


def _round(seconds: float) -> float:
    return round(seconds, 1)


if __name__ == "__main__":
    raise SystemExit(main())
