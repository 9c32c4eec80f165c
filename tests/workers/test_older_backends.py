"""Older backends are served unchanged: they ask on RabbitMQ and listen to Redis, workers as processes."""

from __future__ import annotations

from typing import Any

import pytest

from scripts.engines import RedisServer
from tests.simulator.binance_accounts import Owner, opened
from tests.support.collector import collecting
from tests.support.older_backend import OlderBackend, listening
from tests.support.waiting import until
from tests.workers.accounts import Accounts, accounts
from tests.workers.processes import terminate
from tests.workers.test_fleet import fleet, is_live, request_candles

pytestmark = pytest.mark.engines

COMPAT = {"COMPAT_REDIS": "1"}


async def open_stream(it: Accounts, owner: Owner, provider: str) -> None:
    """As a bot asks for its account."""
    api = {"key": owner.key, "secret": owner.secret, "provider": provider}
    await it.ask(event="open stream", uuid=owner.name, data={"userId": "7", "api": api})


def live(backend: OlderBackend, owner: Owner) -> int:
    """How often the account was said to be heard."""
    said = backend.on(f"userStreamInfo{owner.name}")
    assert set(said) <= {f"Subscribed to user {owner.name}"}
    return len(said)


def path(backend: OlderBackend, owner: Owner, order: int) -> list[tuple[str, str]]:
    """Status and total of an order, one after another."""
    return [
        (body["orderStatus"], body["totalTradeQuantity"])
        for body in backend.bodies(owner.name)
        if body["eventType"] in ("executionReport", "ORDER_TRADE_UPDATE")
        and body["orderId"] == str(order)
    ]


async def test_orders_and_balances_of_accounts(redis_url: str, rabbit_url: str) -> None:
    async with (
        listening(redis_url) as backend,
        accounts(redis_url, rabbit_url, **COMPAT) as it,
    ):
        worker = await it.worker("user-0")
        spot, futures = await opened(it.exchange, 2)
        await open_stream(it, spot, "binance")
        await open_stream(it, futures, "binanceUsdm")
        await until(lambda: live(backend, spot) == live(backend, futures) == 1, 30)
        assert {"restart": "userStream"} in backend.bodies("serviceLog")

        one = await spot.place(quantity="1", price="60000")
        await spot.do("fill", order=one["order"], quantity="0.4")
        await spot.do("fill", order=one["order"])
        await until(lambda: ("FILLED", "1") in numbers(path(backend, spot, one["order"])), 30)
        statuses = [status for status, _ in path(backend, spot, one["order"])]
        assert statuses == ["NEW", "PARTIALLY_FILLED", "FILLED"]
        filled = last(backend, spot, "executionReport")
        assert (filled["symbol"], filled["side"]) == ("BTCUSDT", "BUY")
        assert float(filled["quantity"]) == 1
        assert float(filled["totalQuoteTradeQuantity"]) == pytest.approx(float(filled["price"]))
        await until(lambda: kinds(backend, spot) >= {"outboundAccountPosition", "fill"})
        balances = last(backend, spot, "outboundAccountPosition")["balances"]
        assert all(row.keys() == {"asset", "free", "locked"} for row in balances)

        two = await futures.place("linear", quantity="1", price="60000")
        await futures.do("fill", "linear", order=two["order"])
        await until(lambda: ("FILLED", "1") in numbers(path(backend, futures, two["order"])), 30)
        await until(lambda: positions(backend, futures))
        assert "executionReport" not in kinds(backend, futures)
        assert positions(backend, futures)[-1]["symbol"] == "BTCUSDT"
        assert await terminate(worker) == 0


def numbers(told: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(status, f"{float(total):g}") for status, total in told]


def kinds(backend: OlderBackend, owner: Owner) -> set[str]:
    return {body["eventType"] for body in backend.bodies(owner.name)}


def last(backend: OlderBackend, owner: Owner, kind: str) -> Any:
    return [body for body in backend.bodies(owner.name) if body["eventType"] == kind][-1]


def positions(backend: OlderBackend, owner: Owner) -> list[Any]:
    updates = [b for b in backend.bodies(owner.name) if b["eventType"] == "ACCOUNT_UPDATE"]
    return [position for body in updates for position in body["positions"]]


async def test_a_lost_connection_and_a_refused_key_are_told(
    redis_url: str, rabbit_url: str
) -> None:
    async with (
        listening(redis_url) as backend,
        accounts(redis_url, rabbit_url, **COMPAT) as it,
    ):
        await it.worker("user-0")
        owner, revoked = await opened(it.exchange, 2)
        await open_stream(it, owner, "binance")
        await until(lambda: live(backend, owner) == 1, 30)
        await it.exchange.control("fault", kind="cut")
        await until(lambda: live(backend, owner) == 2, 30)

        await revoked.fault("revokeKey")
        await open_stream(it, revoked, "binance")
        await until(lambda: refusals(backend), 30)
        (refusal,) = refusals(backend)
        assert (refusal["exchange"], refusal["exchangeUUID"]) == ("binance", revoked.name)
        assert refusal["reason"]
        assert revoked.secret not in str(backend.heard)


def refusals(backend: OlderBackend) -> list[Any]:
    said = [body.get("userStreamAuthReject") for body in backend.bodies("serviceLog")]
    return [body for body in said if body]


async def test_prices_and_candles_that_were_asked_for(
    own_redis: RedisServer, redis_url: str, rabbit_url: str
) -> None:
    candles = "ETHUSDT@binanceUsdm@3mCandle"
    # Their Redis is another than the fleet's.
    async with (
        fleet(redis_url, rabbit_url, "binance:*:ticker:*") as it,
        listening(own_redis.url) as backend,
        collecting(rabbit_url) as collector,
    ):
        it.env.update(COMPAT, COMPAT_REDIS_URL=own_redis.url)
        worker = await it.worker("price-0")
        await until(lambda: backend.on("serviceLog"), 30)
        (restart,) = backend.bodies("serviceLog")
        assert restart["restart"] == "priceConnector"
        assert restart["bootId"].startswith("all-")

        await until(lambda: backend.on("trade@BTCUSD_PERP@binanceCoinm"), 30)
        wanted = {"symbol": "ETHUSDT", "exchange": "binanceUsdm", "interval": "3m"}
        assert (await request_candles(rabbit_url, wanted))["state"] == "accepted"
        # What was before it was asked for has been fetched by then: from the next bar on all is live.
        await collector.until(lambda c: is_live(c, "linear", "ETHUSDT", "3m"))
        first = max(closed(collector)) + 180_000
        # A bar is over for them when the next begins.
        await until(lambda: len(since(first, backend.bodies(candles))) >= 3, 60)
        trade = backend.bodies("trade@BTCUSDT@binance")[-1]
        assert (trade["symbol"], trade["exchange"]) == ("BTCUSDT", "binance")
        for name in ("time", "price", "volume", "bestAsk", "bestBid", "eventTime"):
            assert isinstance(trade[name], int | float)

        bars = backend.bodies(candles)
        starts = [bar["start"] for bar in bars]
        assert starts == sorted(starts)
        finals = since(first, bars)
        del finals[starts[-1]]
        assert list(finals) == list(range(first, starts[-1], 180_000))
        await collector.until(lambda c: set(finals) <= set(closed(c)))
        for start, bar in finals.items():
            truth = closed(collector)[start]
            assert {name: bar[name] for name in ("open", "high", "low", "close", "volume")} == {
                name: truth[name] for name in ("open", "high", "low", "close", "volume")
            }
        assert await terminate(worker) == 0


def since(first_ms: int, bars: list[Any]) -> dict[int, Any]:
    """The last word on each bar."""
    return {bar["start"]: bar for bar in bars if bar["start"] >= first_ms}


def closed(collector: Any) -> dict[int, Any]:
    told = collector.closed().get(("linear", "ETHUSDT", "3m"), ())
    return {message.body["startMs"]: message.body for message in told}


async def test_nobody_hears_anything_where_it_is_not_asked_for(
    redis_url: str, rabbit_url: str
) -> None:
    async with (
        listening(redis_url) as backend,
        fleet(redis_url, rabbit_url, "binance:spot:ticker:*") as it,
        collecting(rabbit_url) as collector,
    ):
        await it.worker("price-0")
        await collector.until(lambda c: len(c.of("ticker.v1")) > 20)
        assert backend.heard == []
