"""Coinbase as its sheet says: channels, answers, numbers, limits, REST; and what ours makes of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from itertools import pairwise
from typing import Any

import aiohttp
import msgspec
import pytest

from common.exchanges.coinbase import COINBASE
from common.exchanges.protocol import Parsed, Refusal, Unreadable
from common.model.events import Candle, Ticker, Trade
from common.model.intervals import MINUTE_MS, end_of
from common.model.streams import Stream
from simulator.exchanges.coinbase.names import RULES
from tests.simulator.wire import Closed, Wire, dial
from tests.support.simulator import RunningSimulator, simulator

HOST = "/advanced-trade-ws.coinbase.com"
REST = "/api/v3/brokerage"
SPEED = 240


@asynccontextmanager
async def socket(exchange: RunningSimulator) -> AsyncIterator[Wire]:
    async with dial(exchange, HOST) as wire:
        yield wire


async def subscribe(wire: Wire, channel: str, *products: str, kind: str = "subscribe") -> Any:
    """A request, and the answer to it: the list of all subscriptions, or an error."""
    await wire.say({"type": kind, "channel": channel, "product_ids": list(products)})
    answer = await wire.until(
        lambda m: m.get("channel") == "subscriptions" or m.get("type") == "error"
    )
    return answer["events"][0]["subscriptions"] if "events" in answer else answer


def of(channel: str, kind: str | None = None) -> Any:
    """A push of this channel."""
    return lambda m: (
        m.get("channel") == channel and (kind is None or m["events"][0]["type"] == kind)
    )


async def get(exchange: RunningSimulator, path: str, **query: Any) -> Any:
    status, body, _ = await exchange.rest("api.coinbase.com", REST + path, **query)
    assert status == 200, body
    return body


async def truth(exchange: RunningSimulator, symbol: str, interval: str, from_ms: int) -> Any:
    (candle,) = await exchange.truth(
        "candles", exchange="coinbase", market="spot", symbol=symbol, interval=interval,
        from_=from_ms, to=from_ms + 1,
    )  # fmt: skip
    return candle


def parsed(message: Any) -> list[Parsed]:
    return list(COINBASE.parse("spot", msgspec.json.encode(message), {}))


# --- answers --------------------------------------------------------------------------------


async def test_every_answer_lists_everything_subscribed() -> None:
    async with simulator() as exchange, socket(exchange) as wire:
        assert await subscribe(wire, "heartbeats") == {"heartbeats": ["heartbeats"]}
        both = await subscribe(wire, "candles", "BTC-USDT", "ETH-USDT")
        assert both == {"heartbeats": ["heartbeats"], "candles": ["BTC-USDT", "ETH-USDT"]}
        assert await subscribe(wire, "candles", "BTC-USDT") == both
        assert await subscribe(wire, "ticker", "SOL-USDT") == both | {"ticker": ["SOL-USDT"]}
        left = await subscribe(wire, "candles", "BTC-USDT", kind="unsubscribe")
        assert left["candles"] == ["ETH-USDT"]
        without_products = await subscribe(wire, "candles", kind="unsubscribe")
        assert without_products == {"heartbeats": ["heartbeats"], "ticker": ["SOL-USDT"]}


@pytest.mark.parametrize(
    "message",
    [
        "hello",
        "[]",
        {"type": "shout"},
        {"type": "subscribe"},
        {"type": "subscribe", "channel": "candles"},
        {"type": "subscribe", "channel": "candles", "product_ids": ["NOSUCH-USD"]},
        {"type": "subscribe", "channel": "candles", "product_ids": ["BTC-USDT", "NOSUCH-USD"]},
        {"type": "subscribe", "channel": "candles", "product_ids": ["btc-usdt"]},
        {"type": "subscribe", "channel": "candles", "product_ids": [7]},
        {"type": "subscribe", "channel": "candles", "product_ids": "BTC-USDT"},
        {"type": "subscribe", "channel": "full", "product_ids": ["BTC-USDT"]},
    ],
)
async def test_what_cannot_be_had_is_refused_as_a_whole(message: Any) -> None:
    async with simulator() as exchange, socket(exchange) as wire:
        await wire.say(message)
        answer = await wire.message()
        assert answer == {"type": "error", "message": "failure to subscribe"}
        (refusal,) = parsed(answer)
        assert isinstance(refusal, Refusal)
        assert await subscribe(wire, "heartbeats") == {"heartbeats": ["heartbeats"]}


async def test_messages_of_all_channels_are_numbered_from_zero_without_a_gap() -> None:
    async with simulator(speed=SPEED) as exchange, socket(exchange) as wire:
        for channel in ("heartbeats", "market_trades", "candles", "ticker"):
            await wire.say({"type": "subscribe", "channel": channel, "product_ids": ["BTC-USDT"]})
        messages = [await wire.message() for _ in range(40)]
        assert [message["sequence_num"] for message in messages] == list(range(40))
        heard = {message["channel"] for message in messages}
        assert heard == {"heartbeats", "market_trades", "candles", "ticker", "subscriptions"}


async def test_heartbeats_come_every_second_and_are_no_events_for_us() -> None:
    async with simulator() as exchange, socket(exchange) as wire:
        await subscribe(wire, "heartbeats")
        first, second = await wire.collect(of("heartbeats"), 2)
        counters = [m["events"][0]["heartbeat_counter"] for m in (first, second)]
        assert counters[1] - counters[0] == 1
        assert parsed(first) == []


async def test_there_is_one_address() -> None:
    async with simulator() as exchange:
        for path in (f"{HOST}/ws", "/api.coinbase.com"):
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                async with dial(exchange, path):
                    pass
            assert refused.value.status == 404


# --- limits ---------------------------------------------------------------------------------


async def test_who_subscribes_to_nothing_is_sent_away() -> None:
    assert RULES.first_topic_s == 5.0
    async with simulator() as exchange, socket(exchange) as silent, socket(exchange) as speaking:
        await subscribe(speaking, "heartbeats")
        await exchange.control("limits", host="advanced-trade-ws.coinbase.com", firstTopicS=1)
        assert (await silent.closed()).code == 1000
        await speaking.collect(of("heartbeats"), 2)


async def test_a_socket_without_anything_to_say_is_ended_and_heartbeats_keep_it() -> None:
    async with simulator() as exchange, socket(exchange) as quiet, socket(exchange) as beating:
        await subscribe(quiet, "candles", "LUNC-BTC")
        await subscribe(beating, "candles", "LUNC-BTC")
        await subscribe(beating, "heartbeats")
        await exchange.control("limits", host="advanced-trade-ws.coinbase.com", idleS=3)
        assert (await quiet.closed()).code == 1000
        await beating.collect(of("heartbeats"), 4)


async def test_an_address_may_send_eight_messages_a_second_over_all_its_sockets() -> None:
    async with simulator() as exchange, socket(exchange) as one, socket(exchange) as other:
        for _ in range(8):
            await one.say({"type": "subscribe", "channel": "heartbeats"})
            await other.say({"type": "subscribe", "channel": "heartbeats"})
        for wire in (one, other):
            answers = [
                await wire.until(lambda m: m.get("channel") != "heartbeats") for _ in range(8)
            ]
            refused = [answer for answer in answers if answer.get("type") == "error"]
            assert 0 < len(refused) < 8
            assert {answer["message"] for answer in refused} == {"rate limit exceeded"}
            (refusal,) = parsed(refused[0])
            assert isinstance(refusal, Refusal)
            assert refusal.reason == "rate"
            assert await wire.until(of("heartbeats")), "what was accepted goes on"


async def test_an_address_may_open_eight_sockets_a_second() -> None:
    async with simulator() as exchange, aiohttp.ClientSession() as session:
        url = exchange.ws_url + HOST
        tried = await asyncio.gather(
            *(session.ws_connect(url) for _ in range(12)), return_exceptions=True
        )
        opened = [one for one in tried if isinstance(one, aiohttp.ClientWebSocketResponse)]
        refused = [one for one in tried if isinstance(one, aiohttp.WSServerHandshakeError)]
        assert (len(opened), [one.status for one in refused]) == (8, [429] * 4)
        for one in opened:
            await one.close()


async def test_an_address_may_ask_rest_ten_times_a_second() -> None:
    async with simulator() as exchange:
        answers = await asyncio.gather(
            *(exchange.rest("api.coinbase.com", f"{REST}/time") for _ in range(14))
        )
        assert sorted(status for status, _, _ in answers) == [200] * 10 + [429] * 4
        body = next(body for status, body, _ in answers if status == 429)
        failure = COINBASE.rest_failure(429, {}, json.dumps(body).encode())
        assert failure is not None
        assert failure.reason == "rate"


# --- trades ---------------------------------------------------------------------------------


@pytest.mark.parametrize("symbol", ["BTC-USDT", "QUIET-USDT"])
async def test_trade_ids_count_by_one_from_the_snapshot_on_newest_first_in_a_frame(
    symbol: str,
) -> None:
    async with simulator(speed=SPEED) as exchange, socket(exchange) as wire:
        await wire.say({"type": "subscribe", "channel": "market_trades", "product_ids": [symbol]})
        snapshot = await wire.message()
        assert snapshot["events"][0]["type"] == "snapshot"
        updates = await wire.collect(of("market_trades", "update"), 4)
        ids: list[int] = []
        for message in (snapshot, *updates):
            rows = [int(row["trade_id"]) for row in message["events"][0]["trades"]]
            assert rows == sorted(rows, reverse=True)
            assert [int(one.trade_id) for one in parsed(message)] == sorted(rows)  # type: ignore[union-attr]
            ids += sorted(rows)
        assert ids == list(range(ids[0], ids[0] + len(ids)))


async def test_the_same_trade_has_the_same_id_on_every_socket_and_in_rest() -> None:
    async with simulator(speed=60) as exchange, socket(exchange) as one, socket(exchange) as two:
        seen: list[dict[str, Any]] = []
        for wire in (one, two):
            await subscribe_quietly(wire)
            rows: dict[str, Any] = {}
            for message in await wire.collect(of("market_trades"), 3):
                rows |= {row["trade_id"]: row for row in message["events"][0]["trades"]}
            seen.append(rows)
        rest = (await get(exchange, "/market/products/ETH-USDT/ticker", limit=1000))["trades"]
        seen.append({row["trade_id"]: row for row in rest})
        for earlier, later in pairwise(seen):
            common = earlier.keys() & later.keys()
            assert common
            for number in common:
                assert earlier[number].items() <= later[number].items()


async def subscribe_quietly(wire: Wire) -> None:
    await wire.say({"type": "subscribe", "channel": "market_trades", "product_ids": ["ETH-USDT"]})


@pytest.mark.parametrize("symbol", ["BTC-USDT", "QUIET-USDT", "币安人生-USDT"])
async def test_the_trades_of_a_minute_add_up_to_the_truth_digit_for_digit(symbol: str) -> None:
    async with simulator(speed=SPEED) as exchange, socket(exchange) as wire:
        await wire.say({"type": "subscribe", "channel": "market_trades", "product_ids": [symbol]})
        trades: list[Trade] = []
        from_ms = exchange.clock.now_ms() // MINUTE_MS * MINUTE_MS + MINUTE_MS
        to_ms = from_ms + 6 * MINUTE_MS
        while not trades or trades[-1].time_ms < to_ms:
            for one in parsed(await wire.until(of("market_trades"))):
                assert isinstance(one, Trade)
                trades.append(one)
        minutes: dict[int, list[Trade]] = {}
        for one in trades:
            minutes.setdefault(one.time_ms // MINUTE_MS * MINUTE_MS, []).append(one)
        for start_ms in range(from_ms, to_ms, MINUTE_MS):
            bar = await truth(exchange, symbol, "1m", start_ms)
            prints = minutes.get(start_ms, [])
            if not prints:
                assert bar["open"] == bar["high"] == bar["low"] == bar["close"]
                assert bar["volume"] == "0"
                continue
            prices = [one.price for one in prints]
            assert (bar["open"], bar["close"]) == (prices[0], prices[-1])
            assert (bar["high"], bar["low"]) == (max(prices, key=Decimal), min(prices, key=Decimal))
            assert bar["volume"] == f"{sum(Decimal(one.size) for one in prints):f}"


# --- bars and tickers -----------------------------------------------------------------------


async def test_bars_are_five_minutes_open_and_in_the_end_as_the_truth_has_them() -> None:
    async with simulator(speed=SPEED) as exchange, socket(exchange) as wire:
        await wire.say(
            {"type": "subscribe", "channel": "candles", "product_ids": ["BTC-USDT", "QUIET-USDT"]}
        )
        last: dict[tuple[str, int], Candle] = {}
        while len(last) < 30:
            for bar in parsed(await wire.until(of("candles"))):
                assert isinstance(bar, Candle)
                assert not bar.closed
                last[bar.symbol, bar.start_ms] = bar
        newest = {symbol: max(s for one, s in last if one == symbol) for symbol, _ in last}
        ended = [bar for bar in last.values() if bar.start_ms < newest[bar.symbol]]
        assert {bar.symbol for bar in ended} == {"BTC-USDT", "QUIET-USDT"}
        for bar in ended:
            expected = await truth(exchange, bar.symbol, "5m", bar.start_ms)
            closed = msgspec.structs.replace(bar, closed=True, event_ms=msgspec.UNSET)
            assert msgspec.to_builtins(closed) == expected


async def test_a_snapshot_of_bars_is_newest_first_with_the_running_one() -> None:
    async with simulator() as exchange, socket(exchange) as wire:
        await wire.say({"type": "subscribe", "channel": "candles", "product_ids": ["BTC-USDT"]})
        (event,) = (await wire.message())["events"]
        starts = [int(row["start"]) * 1000 for row in event["candles"]]
        assert event["type"] == "snapshot"
        assert starts == sorted(starts, reverse=True)
        assert len(starts) == 20
        assert starts[0] <= exchange.clock.now_ms() < end_of("5m", starts[0]) + 1000


async def test_tickers_are_the_truth_as_of_their_envelopes_time() -> None:
    async with simulator(speed=60) as exchange, socket(exchange) as wire:
        await wire.say(
            {"type": "subscribe", "channel": "ticker", "product_ids": ["BTC-USDT", "ETH-USDT"]}
        )
        for message in await wire.collect(of("ticker"), 8):
            (ticker,) = parsed(message)
            assert isinstance(ticker, Ticker)
            (expected,) = await exchange.truth(
                "tickers", exchange="coinbase", market="spot", symbol=ticker.symbol,
                at=ticker.event_ms,
            )  # fmt: skip
            assert msgspec.to_builtins(ticker) == expected


async def test_batches_of_tickers_have_no_best_prices() -> None:
    async with simulator() as exchange, socket(exchange) as wire:
        await wire.say(
            {"type": "subscribe", "channel": "ticker_batch", "product_ids": ["BTC-USDT"]}
        )
        (row,) = (await wire.message())["events"][0]["tickers"]
        assert "best_bid" not in row


async def test_a_product_that_is_halted_is_accepted_and_silent() -> None:
    async with simulator(speed=SPEED) as exchange, socket(exchange) as wire:
        for channel in ("candles", "market_trades", "ticker"):
            await wire.say({"type": "subscribe", "channel": channel, "product_ids": ["LUNC-BTC"]})
            assert (await wire.message())["channel"] == "subscriptions"
        assert await wire.silent_for(0.8)


# --- second names ---------------------------------------------------------------------------


async def test_a_second_name_is_answered_by_the_first_and_not_listed_by_us() -> None:
    async with simulator(speed=SPEED) as exchange, socket(exchange) as wire:
        listing = await exchange.control(
            "symbol", action="list", exchange="coinbase", market="spot", base="NEW", quote="USD"
        )
        assert listing == {"symbol": "NEW-USD"}
        body = await get(exchange, "/market/products")
        rows = {row["product_id"]: row for row in body["products"]}
        assert rows["NEW-USD"]["alias_to"] == ["NEW-USDC"]
        assert rows["NEW-USDC"]["alias"] == "NEW-USD"
        listed = COINBASE.parse_instruments("spot", json.dumps(body).encode()).instruments
        assert {"NEW-USD", "NEW-USDC"} & {one.symbol for one in listed} == {"NEW-USD"}
        current = await subscribe(wire, "market_trades", "NEW-USDC")
        assert current == {"market_trades": ["NEW-USD"]}
        (event,) = (await wire.until(of("market_trades")))["events"]
        assert {row["product_id"] for row in event["trades"]} == {"NEW-USD"}


# --- REST -----------------------------------------------------------------------------------


@pytest.mark.parametrize("interval", COINBASE.markets["spot"].rest.intervals)
@pytest.mark.parametrize("symbol", ["BTC-USDT", "QUIET-USDT"])
async def test_rest_bars_are_exactly_those_asked_for_and_the_truth(
    interval: str, symbol: str
) -> None:
    async with simulator() as exchange:
        now_ms = exchange.clock.now_ms()
        length_ms = end_of(interval, 0)
        to_ms = (now_ms // length_ms + 1) * length_ms
        from_ms = to_ms - min(40, 2 * 86_400_000 // length_ms) * length_ms
        stream = Stream("coinbase", "spot", "candle", symbol, interval)
        request = COINBASE.candles_request(stream, from_ms, to_ms)
        path = request.url.removeprefix(f"https://api.coinbase.com{REST}")
        body = await get(exchange, path, **request.params)
        starts = [int(row["start"]) for row in body["candles"]]
        assert starts == sorted(starts, reverse=True)
        bars = COINBASE.parse_candles(stream, json.dumps(body).encode(), {}, now_ms)
        everything = await exchange.truth(
            "candles", exchange="coinbase", market="spot", symbol=symbol, interval=interval,
            from_=from_ms, to=to_ms,
        )  # fmt: skip
        told = [msgspec.to_builtins(bar) for bar in bars if bar.closed]
        assert told == [
            bar for bar in everything if bar["volume"] != "0" and bar["endMs"] <= now_ms
        ]
        assert told
        if (symbol, interval) == ("QUIET-USDT", "1m"):
            assert len(told) < len(everything), "minutes without trades have no row"


@pytest.mark.parametrize(
    ("path", "query", "status"),
    [
        ("/market/products/NOSUCH-USD/candles", {}, 404),
        ("/market/products/NOSUCH-USD", {}, 404),
        ("/products/BTC-USDT", {}, 404),
        ("/market/products/BTC-USDT/candles", {"granularity": "FOUR_HOUR"}, 400),
        ("/market/products/BTC-USDT/candles", {"granularity": "ONE_MINUTE"}, 400),
        ("/market/products/BTC-USDT/candles",
         {"granularity": "ONE_MINUTE", "start": "soon", "end": "1"}, 400),
        ("/market/products/BTC-USDT/candles",
         {"granularity": "ONE_MINUTE", "start": "60", "end": "0"}, 400),
        ("/market/products/BTC-USDT/candles",
         {"granularity": "ONE_MINUTE", "start": "0", "end": str(350 * 60)}, 400),
        ("/market/products/BTC-USDT/candles",
         {"granularity": "ONE_MINUTE", "start": "0", "end": "60", "limit": "351"}, 400),
    ],
)  # fmt: skip
async def test_errors(path: str, query: dict[str, Any], status: int) -> None:
    async with simulator() as exchange:
        told, body, _ = await exchange.rest("api.coinbase.com", REST + path, **query)
        assert told == status
        failure = COINBASE.rest_failure(told, {}, json.dumps(body).encode())
        assert failure is not None
        assert failure.reason == ("unsupported" if status == 404 else "config")


async def test_products_the_clock_and_one_product() -> None:
    async with simulator() as exchange:
        body = await get(exchange, "/market/products", product_type="SPOT")
        instruments = COINBASE.parse_instruments("spot", json.dumps(body).encode()).instruments
        listed = await exchange.truth("symbols", exchange="coinbase", market="spot")
        assert {one.symbol: one.trading == "trading" for one in instruments} == {
            one["symbol"]: one["trading"] for one in listed
        }
        btc = next(one for one in instruments if one.symbol == "BTC-USDT")
        assert (btc.unified, btc.tick_size, btc.step_size) == ("BTC/USDT", "0.01", "0.00001")
        assert (await get(exchange, "/market/products", product_type="FUTURE"))["products"] == []
        one = await get(exchange, "/market/products/ETH-USDT")
        assert one["product_id"] == "ETH-USDT"
        told = COINBASE.parse_time("spot", json.dumps(await get(exchange, "/time")).encode())
        assert abs(exchange.clock.now_ms() - told) < 2_000


# --- faults ---------------------------------------------------------------------------------


async def test_one_product_can_be_refused_and_another_silenced() -> None:
    async with simulator(speed=SPEED) as exchange, socket(exchange) as wire:
        place = {"exchange": "coinbase", "market": "spot"}
        await exchange.control("fault", kind="reject", symbol="BTC-USDT", **place)
        await exchange.control("fault", kind="silence", symbol="ETH-USDT", **place)
        assert (await subscribe(wire, "candles", "SOL-USDT", "BTC-USDT"))["type"] == "error"
        for channel in ("market_trades", "candles", "ticker"):
            assert await subscribe(wire, channel, "ETH-USDT", "SOL-USDT")
            rows = [
                row["product_id"]
                for message in await wire.collect(of(channel), 4)
                for row in next(
                    rows for name, rows in message["events"][0].items() if name != "type"
                )
            ]
            assert set(rows) == {"SOL-USDT"}


@pytest.mark.parametrize("channel", ["market_trades", "candles", "ticker", "heartbeats"])
@pytest.mark.parametrize("spoil", ["unknown_type", "missing_field", "wrong_type", "truncated"])
async def test_spoiled_pushes_are_unreadable_and_the_next_is_whole(
    channel: str, spoil: str
) -> None:
    async with simulator(speed=SPEED) as exchange, socket(exchange) as wire:
        await subscribe(wire, channel, "BTC-USDT")
        await exchange.control("fault", kind="garble", spoil=spoil, frames=1)
        for _ in range(30):
            raw = (await wire.raw()).data
            said = COINBASE.parse("spot", raw.encode(), {})
            if any(isinstance(one, Unreadable) for one in said):
                break
        else:
            pytest.fail("no frame was spoiled")
        following = parsed(await wire.until(of(channel)))
        assert not any(isinstance(one, Unreadable) for one in following)


async def test_a_closed_socket_says_so() -> None:
    async with simulator() as exchange, socket(exchange) as wire:
        await subscribe(wire, "heartbeats")
        await exchange.control("fault", kind="shutdown", after_s=0)
        with pytest.raises(Closed) as closed:
            await wire.until(lambda _: False)
        assert closed.value.code == 1001
