"""The whole way: simulator → workers → RabbitMQ, as processes on real engines."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import aio_pika
import aiohttp
import pytest

from scripts.children import free_port
from tests.support.collector import Collector, Received, collecting
from tests.support.simulator import RunningSimulator, simulator
from tests.workers.processes import Process, running

pytestmark = pytest.mark.engines

TTL_S = 3.0
STREAMS = "binance:*:candle:BTC*:1m,binance:*:ticker:*"


class Fleet:
    def __init__(self, exchange: RunningSimulator, env: dict[str, str], stack: AsyncExitStack):
        self.exchange = exchange
        self.env = env
        self._stack = stack

    async def worker(self, name: str, role: str = "all") -> Process:
        env = {**self.env, "WORKER_NAME": name}
        return await self._stack.enter_async_context(
            running("workers.price", "--role", role, env=env)
        )

    async def health(self) -> str:
        """Start the health server; where it answers."""
        env = {**self.env, "HEALTH_PORT": str(free_port()), "HEALTH_HOST": "127.0.0.1"}
        server = await self._stack.enter_async_context(running("workers.health", env=env))
        line = await server.said("health server listens")
        return f"http://127.0.0.1:{line['port']}/health"

    async def compare(self, collector: Collector, *, repeats: bool = False) -> int:
        """Every closed candle equals the truth, in order and without hole; how many there are.

        ``repeats``: an owner died meanwhile. What comes again says the same under its old id.
        """
        count = 0
        assert repeats or collector.repeated() == []
        for (market, symbol, interval), messages in collector.closed().items():
            bodies = [message.body for message in first_of_each(messages)]
            truth = await self.exchange.truth(
                "candles",
                exchange="binance",
                market=market,
                symbol=symbol,
                interval=interval,
                from_=bodies[0]["startMs"],
                to=bodies[-1]["endMs"],
            )
            assert bodies == truth
            count += len(bodies)
        return count


def first_of_each(messages: Sequence[Received]) -> list[Received]:
    """Without repeats, each of which has the body of the first."""
    first: dict[str, Received] = {}
    for message in messages:
        assert first.setdefault(message.message_id, message).body == message.body
    return list(first.values())


def is_live(collector: Collector, market: str, symbol: str, interval: str) -> bool:
    """Whether a close of the stream came by its socket: what was before has come by REST."""
    messages = collector.closed().get((market, symbol, interval), ())
    return any(message.headers["origin"] == "live" for message in messages)


@asynccontextmanager
async def fleet(
    redis_url: str, rabbit_url: str, streams: str = STREAMS, speed: float = 60
) -> AsyncIterator[Fleet]:
    async with AsyncExitStack() as stack:
        exchange = await stack.enter_async_context(simulator(speed=speed))
        env = {
            "REDIS_URL": redis_url,
            "RABBIT_URL": rabbit_url,
            "EXCHANGE_GATEWAY": exchange.url,
            "MARKET_CLOCK": exchange.clock.setting,
            "STREAMS": streams,
            "LEASE_TTL_S": str(TTL_S),
        }
        yield Fleet(exchange, env, stack)


async def ask(url: str) -> tuple[int, dict[str, Any]]:
    async with aiohttp.ClientSession() as http, http.get(url) as answer:
        return answer.status, await answer.json()


async def until_health(url: str, status: int, reason: str = "", timeout_s: float = 20) -> str:
    """Wait for the verdict and a reason that holds the words."""
    seen: tuple[int, dict[str, Any]] = (0, {})
    try:
        async with asyncio.timeout(timeout_s):
            while True:
                seen = await ask(url)
                reasons = seen[1]["reasons"]
                if seen[0] == status and (not reason or any(reason in r for r in reasons)):
                    return "; ".join(reasons)
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise AssertionError(f"wanted {status} {reason!r}, last saw {seen}") from None


MARKETS = {"spot", "linear", "inverse"}


def closed_everywhere(collector: Collector, bars: int) -> bool:
    streams = collector.closed()
    return {market for market, _, _ in streams} == MARKETS and all(
        len(messages) >= bars for messages in streams.values()
    )


def tickers_everywhere(collector: Collector) -> bool:
    return {message.body["market"] for message in collector.of("ticker.v1")} == MARKETS


async def settled_shares(url: str, timeout_s: float = 20) -> list[int]:
    """How many shards each worker owns, as soon as that has stood still and suits their weights.

    Three ticker shards of 3 to 6 streams and three candle shards of 1 or 2: none may have just one.
    """
    seen: list[list[int]] = []
    async with asyncio.timeout(timeout_s):
        while len(seen) < 3 or seen[-3] != seen[-1]:
            _, health = await ask(url)
            shares = sorted(len(worker["shards"]) for worker in health["workers"])
            seen = [*seen, shares] if min(shares) >= 2 and sum(shares) == 6 else []
            await asyncio.sleep(TTL_S / 3)
    return seen[-1]


async def test_two_workers_share_the_shards_and_every_candle_is_the_truth(
    redis_url: str, rabbit_url: str
) -> None:
    async with fleet(redis_url, rabbit_url) as it, collecting(rabbit_url) as collector:
        workers = [await it.worker("price-0")]
        url = await it.health()
        await collector.until(lambda c: closed_everywhere(c, 1))
        workers.append(await it.worker("price-1"))
        for worker in workers:
            await worker.said("shard claimed")
        await until_health(url, 200)
        assert sum(await settled_shares(url)) == 6
        bars = max(len(messages) for messages in collector.closed().values()) + 4
        await collector.until(lambda c: closed_everywhere(c, bars) and tickers_everywhere(c))
        # What moved to the second worker is without hole or repeat too.
        assert await it.compare(collector) >= 3 * bars
        opened = collector.of("candle.open.v1")
        assert opened
        assert not any(message.body["closed"] for message in opened)


async def test_a_killed_workers_shards_are_taken_over_and_health_tells_the_story(
    redis_url: str, rabbit_url: str
) -> None:
    async with fleet(redis_url, rabbit_url) as it, collecting(rabbit_url) as collector:
        survivor, victim = await it.worker("price-0"), await it.worker("price-1")
        await victim.said("shard claimed")
        url = await it.health()
        await until_health(url, 200)
        shard = (await victim.said("shard claimed"))["shard"]
        before = len(collector.messages)
        victim.signal(signal.SIGKILL)
        assert await victim.ended() == -signal.SIGKILL
        reasons = await until_health(url, 503, timeout_s=2 * TTL_S)
        # Whatever is seen first of it: the record grows old, the lease runs out, another claims.
        told = ("price-1 has not reported", "has no owner", "is claimed by")
        assert any(reason in reasons for reason in told), reasons
        taken = await survivor.said("shard claimed", timeout_s=3 * TTL_S, shard=shard)
        assert taken["epoch"] > (await victim.said("shard claimed"))["epoch"]
        await until_health(url, 200, timeout_s=3 * TTL_S)
        _, market, channel, _ = shard.split(":")
        kind = {"candle": "candle.closed.v1", "ticker": "ticker.v1"}[channel]
        await collector.until(
            lambda c: any(
                m.type == kind
                and m.body["market"] == market
                and m.headers["epoch"] == taken["epoch"]
                for m in c.messages[before:]
            )
        )


async def test_what_closed_while_nobody_owned_a_shard_comes_by_rest_and_nothing_is_missing(
    redis_url: str, rabbit_url: str
) -> None:
    async with fleet(redis_url, rabbit_url, "binance:spot:candle:*USDT:1m") as it:
        async with collecting(rabbit_url) as collector:
            workers = {name: await it.worker(name) for name in ("price-0", "price-1")}
            await collector.until(lambda c: is_live(c, "spot", "BTCUSDT", "1m"))
            url = await it.health()
            await until_health(url, 200)
            _, health = await ask(url)
            (owner,) = [w["worker"] for w in health["workers"] if w["shards"]]
            victim = workers.pop(owner)
            ((_, survivor),) = workers.items()
            victim.signal(signal.SIGKILL)
            await victim.ended()
            closed = collector.closed()
            before = {stream: len(messages) for stream, messages in closed.items()}
            epoch = (await survivor.said("shard claimed", timeout_s=3 * TTL_S))["epoch"]
            # TTL_S without an owner are more bars than one.
            await collector.until(
                lambda c: all(
                    sum(m.headers["origin"] == "live" for m in messages[before[stream] :]) >= 2
                    for stream, messages in c.closed().items()
                )
            )
            assert await it.compare(collector, repeats=True) > len(closed)
            for stream, messages in collector.closed().items():
                new = [m for m in messages[before[stream] :] if m.headers["epoch"] == epoch]
                origins = [message.headers["origin"] for message in new]
                assert origins == sorted(origins), "first backfill, then live"
                assert origins.count("backfill") >= 2


async def test_roles_divide_the_channels(redis_url: str, rabbit_url: str) -> None:
    async with fleet(redis_url, rabbit_url) as it:
        url = await it.health()
        candle = await it.worker("price-c", "candle")
        await candle.said("shard claimed", shard="binance:spot:candle:0")
        await until_health(url, 503, "no worker serves channel ticker")
        ticker = await it.worker("price-t", "ticker")
        await ticker.said("shard claimed", shard="binance:spot:ticker:0")
        await until_health(url, 200)
        claimed = {line["shard"] for line in candle.lines if line["event"] == "shard claimed"}
        assert not [shard for shard in claimed if ":ticker:" in shard]


GARBAGE = ["not_json", "truncated", "unknown_type", "missing_field", "wrong_type", "huge", "binary"]
SKIPPED = {"not_json", "unknown_type", "wrong_shape", "too_large"}


async def test_bad_frames_are_skipped_and_everything_lives_on(
    redis_url: str, rabbit_url: str
) -> None:
    async with fleet(redis_url, rabbit_url, "binance:spot:candle:*:1m") as it:
        async with collecting(rabbit_url) as collector:
            worker = await it.worker("price-0")
            await collector.until(lambda c: is_live(c, "spot", "BTCUSDT", "1m"))
            for kind in GARBAGE:
                await it.exchange.control("fault", kind="garble", spoil=kind, insert=True)
            for kind in SKIPPED:
                await worker.said("frame skipped; more of this kind are only counted", kind=kind)
            seen = len(collector.closed()["spot", "BTCUSDT", "1m"])
            await collector.until(lambda c: len(c.closed()["spot", "BTCUSDT", "1m"]) >= seen + 2)
            kinds = {
                line["kind"] for line in worker.lines if line["event"].startswith("frame skipped")
            }
            assert kinds == SKIPPED
            assert not [line for line in worker.lines if line["event"] == "connection ended"]
            assert await it.compare(collector) > seen


async def test_a_refused_symbol_is_rejected_with_the_reason_and_the_others_live(
    redis_url: str, rabbit_url: str
) -> None:
    async with fleet(redis_url, rabbit_url, "binance:spot:candle:*USDT:1m") as it:
        await it.exchange.control(
            "fault", kind="reject", exchange="binance", market="spot", symbol="ETHUSDT"
        )
        async with (
            collecting(rabbit_url) as collector,
            collecting(rabbit_url, "stream.#", "fleet") as states,
        ):
            await it.worker("price-0")
            await states.until(
                lambda c: any(m.routing_key.startswith("stream.rejected") for m in c.messages)
            )
            (rejected,) = [m for m in states.messages if m.body["state"] == "rejected"]
            assert rejected.body["symbol"] == "ETHUSDT"
            assert "invalid" in rejected.body["reason"].lower()
            await collector.until(lambda c: is_live(c, "spot", "BTCUSDT", "1m"))
            # Its candles are fetched as far as REST has them.
            assert not is_live(collector, "spot", "ETHUSDT", "1m")
            await it.compare(collector)
            url = await it.health()
            await until_health(url, 503, "1 stream rejected by the exchange")


async def request_candles(rabbit_url: str, payload: dict[str, Any]) -> dict[str, Any]:
    """Ask as an older backend does, by RPC; the reply."""
    async with await aio_pika.connect(rabbit_url) as connection:
        channel = await connection.channel()
        replies = await channel.declare_queue(exclusive=True)
        await channel.default_exchange.publish(
            aio_pika.Message(
                json.dumps({"payload": payload}).encode(),
                reply_to=replies.name,
                correlation_id="c-1",
            ),
            routing_key="candlesRequests",
        )
        async with asyncio.timeout(15), replies.iterator() as iterator:
            async for reply in iterator:
                assert reply.correlation_id == "c-1"
                return json.loads(reply.body)["response"]
    raise AssertionError


async def test_a_request_begins_a_stream_that_outlives_the_worker(
    redis_url: str, rabbit_url: str
) -> None:
    async with fleet(redis_url, rabbit_url, "binance:spot:candle:BTCUSDT:1m") as it:
        async with collecting(rabbit_url) as collector:
            first = await it.worker("price-0")
            await collector.until(lambda c: c.closed())
            wanted = {"symbol": "ETHUSDT", "exchange": "binanceUsdm", "interval": "3m"}
            assert (await request_candles(rabbit_url, wanted))["state"] == "accepted"
            await collector.until(lambda c: is_live(c, "linear", "ETHUSDT", "3m"))
            assert (await request_candles(rabbit_url, wanted))["state"] == "active"
            no = await request_candles(rabbit_url, {**wanted, "symbol": "NOSUCH"})
            assert no["state"] == "failed"
            assert "NOSUCH" in no["reason"]
            await first.kill()
            second = await it.worker("price-1")
            claimed = await second.said("shard claimed", shard="binance:linear:candle:0")
            assert claimed["streams"] == 1


async def test_a_broker_that_restarts_ends_nothing(redis_url: str, own_rabbit: Any) -> None:
    with own_rabbit.vhost() as rabbit_url:
        streams = "binance:spot:candle:BTCUSDT:1m"
        async with fleet(redis_url, rabbit_url, streams) as it:
            worker = await it.worker("price-0")
            await worker.said("shard claimed")
            await asyncio.to_thread(own_rabbit.kill)
            await worker.said("broker link down", link="publish")
            await asyncio.to_thread(own_rabbit.start)
            await worker.said("broker link up", link="commands", timeout_s=40)
            async with collecting(rabbit_url) as collector:
                await collector.until(lambda c: c.closed(), timeout_s=40)
                seen = collector.closed()["spot", "BTCUSDT", "1m"]
                last_ms = max(message.body["startMs"] for message in seen)
            assert not [line for line in worker.lines if line["event"] == "connection ended"]
            # What closed while the broker was away lies in the default queue, in order.
            starts = await starts_up_to(last_ms, rabbit_url, "candles")
            assert starts == list(range(starts[0], last_ms + 1, 60_000))


async def starts_up_to(last_ms: int, rabbit_url: str, name: str) -> list[int]:
    """The bars a queue holds, up to one that is known to come: a quorum queue takes its time."""
    starts: list[int] = []
    async with await aio_pika.connect(rabbit_url) as connection, asyncio.timeout(20):
        queue = await (await connection.channel()).get_queue(name)
        async with queue.iterator(no_ack=True) as messages:
            async for message in messages:
                starts.append(json.loads(message.body)["startMs"])
                if starts[-1] >= last_ms:
                    return starts
    return starts


async def test_without_redis_everything_streams_on_and_says_so(
    own_redis: Any, rabbit_url: str
) -> None:
    streams = "binance:spot:candle:BTCUSDT:1m"
    async with fleet(own_redis.url, rabbit_url, streams) as it:
        async with collecting(rabbit_url) as collector:
            worker = await it.worker("price-0")
            await collector.until(lambda c: c.closed())
            url = await it.health()
            await until_health(url, 200)
            await asyncio.to_thread(own_redis.kill)
            await worker.said("redis is away, streaming on unfenced")
            await until_health(url, 503, "Redis is away")
            seen = len(collector.closed()["spot", "BTCUSDT", "1m"])
            await collector.until(lambda c: len(c.closed()["spot", "BTCUSDT", "1m"]) >= seen + 3)
            await asyncio.to_thread(own_redis.start)
            await worker.said("redis is back")
            await until_health(url, 200)
            assert await it.compare(collector) > seen
