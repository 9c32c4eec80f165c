"""Bybit as its sheet says: acks, whole-request refusals, deltas, pings, limits, paging, the ban.

What our own parser makes of its frames is the truth, body for body; the two were written apart.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import msgspec
import pytest

from common.exchanges.bybit import BYBIT
from common.exchanges.bybit.describe import INTERVALS
from common.exchanges.protocol import TickerPart
from common.model.events import Candle
from common.model.intervals import HOUR_MS, MINUTE_MS, end_of, start_of
from common.model.streams import MARKETS, Market, Stream
from common.recovery.joining import TickerJoin
from tests.simulator.truths import true_candle
from tests.simulator.wire import Wire, dial
from tests.support.simulator import RunningSimulator, simulator

HOST, REST = "stream.bybit.com", "api.bybit.com"
SPEED = 240
SYMBOLS: Mapping[Market, tuple[str, ...]] = {
    "spot": ("BTCUSDT", "BNBBTC", "QUIETUSDT", "币安人生USDT"),
    "linear": ("BTCUSDT", "1000PEPEUSDT", "QUIETUSDT"),
    "inverse": ("BTCUSD", "ETHUSD"),
}


@asynccontextmanager
async def socket(exchange: RunningSimulator, market: Market) -> AsyncIterator[Wire]:
    async with dial(exchange, f"/{HOST}/v5/public/{market}") as wire:
        yield wire


async def ask(wire: Wire, op: str, *args: str, req_id: str = "1") -> dict[str, Any]:
    """A request, and its answer (pushes in between are passed over)."""
    await wire.say({"req_id": req_id, "op": op, "args": args})
    answer = await wire.until(lambda message: "topic" not in message)
    answer.pop("conn_id")
    return answer


def said(op: str, text: str, *, success: bool = True, req_id: str = "1") -> dict[str, Any]:
    return {"success": success, "ret_msg": text, "req_id": req_id, "op": op}


async def get(exchange: RunningSimulator, path: str, **query: Any) -> dict[str, Any]:
    status, body, _ = await exchange.rest(REST, f"/v5/market/{path}", **query)
    assert (status, body["retCode"]) == (200, 0), body
    return body["result"]


async def true_ticker(
    exchange: RunningSimulator, market: Market, symbol: str, at_ms: int
) -> dict[str, Any]:
    (body,) = await exchange.truth(
        "tickers", exchange="bybit", market=market, symbol=symbol, at=at_ms
    )
    return body


# --- what comes out is the truth ------------------------------------------------------------


@pytest.mark.parametrize("market", MARKETS)
async def test_closed_frames_become_the_bodies_of_the_truth(market: Market) -> None:
    streams = [
        Stream("bybit", market, "candle", symbol, interval)
        for symbol in SYMBOLS[market]
        for interval in ("1m", "5m")
    ]
    topics = [BYBIT.topics(stream)[0] for stream in streams]
    async with simulator(speed=SPEED) as exchange, socket(exchange, market) as wire:
        assert (await ask(wire, "subscribe", *topics))["success"] is True
        last: dict[Stream, Candle] = {}
        flat = 0
        while len(last) < len(streams) or not (flat or market == "inverse"):
            message = await wire.message()
            (candle,) = BYBIT.parse(market, msgspec.json.encode(message), {})
            assert isinstance(candle, Candle)
            if not candle.closed:
                assert candle.event_ms < candle.end_ms
                continue
            assert message["ts"] >= candle.end_ms
            assert msgspec.to_builtins(candle) == await true_candle(exchange, "bybit", candle)
            # Each once, in order, without a hole; a minute without a trade is told too.
            if candle.stream in last:
                assert candle.start_ms == last[candle.stream].end_ms
            flat += candle.volume == "0"
            last[candle.stream] = candle


@pytest.mark.parametrize("market", MARKETS)
async def test_joined_parts_become_the_ticker_of_the_truth(market: Market) -> None:
    streams = [Stream("bybit", market, "ticker", symbol) for symbol in SYMBOLS[market][:2]]
    joins = {stream.symbol: TickerJoin(stream) for stream in streams}
    topics = [topic for stream in streams for topic in BYBIT.topics(stream)]
    async with simulator(speed=SPEED) as exchange, socket(exchange, market) as wire:
        await ask(wire, "subscribe", *topics)
        told: dict[tuple[str, int], list[bool]] = {}
        wanted = {(stream.symbol, source) for stream in streams for source in
                  range(len(BYBIT.topics(stream)))}  # fmt: skip
        while any(len(told.get(key, ())) < 4 for key in wanted):
            (part,) = BYBIT.parse(market, msgspec.json.encode(await wire.message()), {})
            assert isinstance(part, TickerPart)
            told.setdefault((part.symbol, part.source), []).append(part.whole)
            ticker = joins[part.symbol].take(part)
            expected = await true_ticker(exchange, market, part.symbol, part.event_ms)
            # Of two sources each is true as of its own time.
            fields = {
                _camel(name): value
                for name, value in msgspec.to_builtins(part if market == "spot" else ticker).items()
                if name not in ("source", "whole")
            }
            fields.setdefault("exchange", "bybit")
            fields.setdefault("market", market)
            assert fields == {name: expected[name] for name in fields}
            assert market == "spot" or fields.keys() == expected.keys()
        for wholes in told.values():
            assert wholes[0] is True
            assert all(wholes) is (market == "spot")


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(part.title() for part in rest)


@pytest.mark.parametrize("market", MARKETS)
async def test_rest_rows_become_the_same_bodies(market: Market) -> None:
    async with simulator() as exchange:
        now_ms = exchange.clock.now_ms()
        for interval in ("1m", "15m", "1h"):
            stream = Stream("bybit", market, "candle", SYMBOLS[market][0], interval)
            request = BYBIT.candles_request(stream, now_ms - 4 * HOUR_MS, now_ms)
            path = request.url.removeprefix(f"https://{REST}")
            _, rows, _ = await exchange.rest(REST, path, **request.params)
            candles = BYBIT.parse_candles(stream, json.dumps(rows).encode(), {}, now_ms)
            closed = [candle for candle in candles if candle.closed]
            first_ms = start_of(interval, now_ms - 4 * HOUR_MS - 1)
            ended = range(
                end_of(interval, first_ms), start_of(interval, now_ms), end_of(interval, 0)
            )
            assert [candle.start_ms for candle in closed] == list(ended)
            for candle in closed[:5]:
                assert msgspec.to_builtins(candle) == await true_candle(exchange, "bybit", candle)


async def test_every_socket_begins_with_a_snapshot_of_its_own() -> None:
    async with (
        simulator(speed=SPEED) as exchange,
        socket(exchange, "linear") as first,
        socket(exchange, "linear") as second,
    ):
        await ask(first, "subscribe", "tickers.BTCUSDT")
        await first.until(lambda message: message.get("type") == "delta")
        await ask(second, "subscribe", "tickers.BTCUSDT")
        assert (await second.message())["type"] == "snapshot"
        # And again after it was given up.
        await ask(second, "unsubscribe", "tickers.BTCUSDT", req_id="2")
        await ask(second, "subscribe", "tickers.BTCUSDT", req_id="3")
        assert (await second.message())["type"] == "snapshot"


async def test_a_delta_says_only_what_has_changed() -> None:
    async with simulator(speed=SPEED) as exchange, socket(exchange, "linear") as wire:
        await ask(wire, "subscribe", "tickers.QUIETUSDT")
        state = (await wire.message())["data"]
        for _ in range(5):
            changed = (await wire.message())["data"]
            assert changed.pop("symbol") == "QUIETUSDT"
            assert changed
            assert all(state[name] != text for name, text in changed.items())
            state |= changed


async def test_best_prices_come_again_without_a_change() -> None:
    async with simulator() as exchange, socket(exchange, "spot") as wire:
        await ask(wire, "subscribe", "orderbook.1.LUNCBTC", "orderbook.1.QUIETUSDT")
        first = await wire.message()
        second = await wire.message()
        assert (first["topic"], first["type"]) == ("orderbook.1.QUIETUSDT", "snapshot")
        assert second["ts"] - first["ts"] > 2500 or first["data"] != second["data"]


async def test_trades_are_pushed_in_lists() -> None:
    async with simulator(speed=SPEED) as exchange, socket(exchange, "spot") as wire:
        await ask(wire, "subscribe", "publicTrade.BTCUSDT")
        push = await wire.message()
        assert {"T", "s", "S", "v", "p", "i", "BT", "seq"} <= push["data"][0].keys()


# --- requests and their answers ---------------------------------------------------------------


async def test_acks_differ_between_the_markets_in_a_word() -> None:
    async with simulator() as exchange:
        for market, word in (("spot", "subscribe"), ("linear", ""), ("inverse", "")):
            topic = f"kline.1.{SYMBOLS[market][0]}"
            async with socket(exchange, market) as wire:
                assert await ask(wire, "subscribe", topic) == said("subscribe", word)
                gone = await ask(wire, "unsubscribe", topic, req_id="x")
                assert gone["success"] is True
                assert gone["req_id"] == "x"


@pytest.mark.parametrize(
    ("market", "topic", "text"),
    [
        ("spot", "kline.1.NOPEUSDT", "Invalid symbol :[kline.1.NOPEUSDT]"),
        ("spot", "kline.7.BTCUSDT", "Invalid kline type :[kline.7.BTCUSDT]"),
        ("spot", "nonsense", "Invalid topic: nonsense"),
        ("spot", "tickers.btcusdt", "Invalid symbol :[tickers.btcusdt]"),
        ("linear", "kline.1.NOPEUSDT", "error:handler not found,topic:kline.1.NOPEUSDT"),
        ("linear", "kline.480.BTCUSDT", "error:handler not found,topic:kline.480.BTCUSDT"),
        ("linear", "tickers.BTCUSD", "error:handler not found,topic:tickers.BTCUSD"),
        ("inverse", "tickers.BTCUSDT", "error:handler not found,topic:tickers.BTCUSDT"),
        ("inverse", "orderbook.30.BTCUSD", "error:handler not found,topic:orderbook.30.BTCUSD"),
    ],
)
async def test_one_topic_at_fault_costs_the_whole_request(
    market: Market, topic: str, text: str
) -> None:
    good = f"kline.1.{SYMBOLS[market][0]}"
    async with simulator(speed=SPEED) as exchange, socket(exchange, market) as wire:
        assert await ask(wire, "subscribe", good, topic) == said("subscribe", text, success=False)
        assert await wire.silent_for(0.8)
        # Our own parser knows which one it was, and what to do about it.
        refusals = BYBIT.parse(
            market, json.dumps(said("subscribe", text, success=False)).encode(), {}
        )
        named = refusals[0].topics  # type: ignore[union-attr]
        assert named == ((topic,) if topic != "nonsense" else ())
        assert (await ask(wire, "subscribe", good))["success"] is True


async def test_what_is_subscribed_already() -> None:
    """Contracts say so, and refuse the rest of the request too; spot says nothing at all."""
    async with simulator() as exchange:
        async with socket(exchange, "linear") as wire:
            await ask(wire, "subscribe", "kline.1.BTCUSDT")
            answer = await ask(wire, "subscribe", "kline.1.ETHUSDT", "kline.1.BTCUSDT")
            text = "error:already subscribed,topic:kline.1.BTCUSDT"
            assert answer == said("subscribe", text, success=False)
        async with socket(exchange, "spot") as wire:
            await ask(wire, "subscribe", "kline.D.QUIETUSDT")
            await wire.say({"req_id": "2", "op": "subscribe", "args": ["kline.D.QUIETUSDT"]})
            assert await wire.silent_for(0.5)


async def test_spot_takes_ten_topics_a_request_and_the_others_more() -> None:
    names = list(INTERVALS.values())[:11]
    async with simulator() as exchange:
        async with socket(exchange, "spot") as wire:
            topics = [f"kline.{name}.QUIETUSDT" for name in names]
            refused = said("subscribe", "args size >10", success=False)
            assert await ask(wire, "subscribe", *topics) == refused
            assert (await ask(wire, "subscribe", *topics[:10]))["success"] is True
        async with socket(exchange, "linear") as wire:
            topics = [f"kline.{name}.QUIETUSDT" for name in names]
            assert (await ask(wire, "subscribe", *topics))["success"] is True


async def test_the_topics_of_a_connection_may_be_21000_characters_long() -> None:
    async with simulator() as exchange:
        for number in range(60):
            await exchange.control(
                "symbol", action="list", exchange="bybit", market="linear",
                base=f"{'LONG' * 20}{number}", quote="USDT",
            )  # fmt: skip
        names = [f"{'LONG' * 20}{number}USDT" for number in range(60)]
        topics = [f"kline.{i}.{name}" for i in ("1", "3", "5", "15") for name in names]
        assert sum(len(topic) + 3 for topic in topics) > 21_000
        async with socket(exchange, "linear") as wire:
            answer = await ask(wire, "subscribe", *topics)
            assert answer["success"] is False
            assert "21000" in answer["ret_msg"]
            assert (await ask(wire, "subscribe", *topics[:180]))["success"] is True
            assert (await ask(wire, "subscribe", *topics[180:]))["success"] is False


async def test_listed_without_trading_is_accepted_and_silent() -> None:
    async with simulator(speed=SPEED) as exchange, socket(exchange, "linear") as wire:
        topics = ("kline.1.SRMUSDT", "tickers.SRMUSDT")
        assert (await ask(wire, "subscribe", *topics))["success"] is True
        assert await wire.silent_for(0.8)


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ("hello", "Failed to decode incoming data"),
        ([1], "Failed to decode incoming data"),
        ({"op": "nope"}, "error:invalid op"),
        ({}, "error:invalid op"),
        ({"op": "subscribe"}, "Params Error"),
        ({"op": "subscribe", "args": []}, "Params Error"),
        ({"op": "subscribe", "args": [1]}, "Params Error"),
    ],
)
async def test_what_is_no_request_is_refused_and_the_socket_stays(message: Any, text: str) -> None:
    async with simulator() as exchange, socket(exchange, "linear") as wire:
        await wire.say(message)
        answer = await wire.message()
        assert answer["success"] is False
        assert answer["ret_msg"].startswith(text)
        assert (await ask(wire, "ping"))["ret_msg"] == "pong"


@pytest.mark.parametrize("market", MARKETS)
async def test_a_pong_bears_the_number_of_its_ping_and_calls_itself_a_ping(market: Market) -> None:
    async with simulator() as exchange, socket(exchange, market) as wire:
        await wire.say(BYBIT.ping(7) if BYBIT.ping else "")
        answer = await wire.message()
        answer.pop("conn_id")
        assert answer == said("ping", "pong", req_id="7")


@pytest.mark.parametrize("path", ["/v5/public/option", "/v5/public", "/ws", "/v5/trade"])
async def test_other_paths_are_not_there(path: str) -> None:
    async with simulator() as exchange:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            async with dial(exchange, f"/{HOST}{path}"):
                pass
        assert refused.value.status == 404


# --- limits and faults ------------------------------------------------------------------------


async def test_who_says_nothing_is_cut_and_a_ping_is_enough() -> None:
    async with simulator() as exchange:
        exchange.server.world.overrides[HOST] = {"quiet_s": 0.8}
        async with socket(exchange, "linear") as silent, socket(exchange, "linear") as pinging:
            closing = asyncio.create_task(silent.closed(5))
            while not closing.done():
                assert (await ask(pinging, "ping"))["ret_msg"] == "pong"
            assert (await closing).code == 1000
            assert (await ask(pinging, "ping"))["ret_msg"] == "pong"


async def test_handshakes_are_counted_per_address() -> None:
    async with simulator() as exchange:
        await exchange.control("limits", host=HOST, handshakes=2)
        for _ in range(2):
            async with socket(exchange, "spot"):
                pass
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            async with socket(exchange, "spot"):
                pass
        assert refused.value.status == 429


async def test_rejected_and_silenced_symbols() -> None:
    async with simulator(speed=SPEED) as exchange, socket(exchange, "linear") as wire:
        for kind, symbol in (("reject", "ETHUSDT"), ("silence", "BTCUSDT")):
            await exchange.control(
                "fault", kind=kind, exchange="bybit", market="linear", symbol=symbol
            )
        answer = await ask(wire, "subscribe", "kline.1.ETHUSDT")
        assert answer["ret_msg"] == "error:handler not found,topic:kline.1.ETHUSDT"
        topics = ("kline.1.BTCUSDT", "tickers.BTCUSDT", "publicTrade.BTCUSDT")
        assert (await ask(wire, "subscribe", *topics))["success"] is True
        assert await wire.silent_for(0.8)
        await exchange.control("heal")
        assert (await wire.message())["topic"].endswith("BTCUSDT")


@pytest.mark.parametrize("spoil", ["unknown_type", "missing_field", "wrong_type"])
@pytest.mark.parametrize(
    ("market", "topic"),
    [
        ("spot", "kline.1.BTCUSDT"),
        ("spot", "tickers.BTCUSDT"),
        ("spot", "orderbook.1.BTCUSDT"),
        ("linear", "kline.1.BTCUSDT"),
        ("linear", "tickers.BTCUSDT"),
    ],
)
async def test_spoiled_pushes_are_unreadable_and_nothing_else(
    market: Market, topic: str, spoil: str
) -> None:
    async with simulator(speed=SPEED) as exchange, socket(exchange, market) as wire:
        await exchange.control("fault", kind="garble", spoil=spoil, insert=True, where={})
        await ask(wire, "subscribe", topic)
        frames = [msgspec.json.encode(await wire.message()) for _ in range(2)]
        ((bad,), (good,)) = (BYBIT.parse(market, frame, {}) for frame in frames)
        kind = "unknown_type" if spoil == "unknown_type" else "wrong_shape"
        assert bad.kind == kind  # type: ignore[union-attr]
        assert isinstance(good, Candle | TickerPart)


# --- REST -----------------------------------------------------------------------------------


async def test_rows_come_newest_first_and_both_ends_are_inclusive() -> None:
    async with simulator() as exchange:
        end_ms = exchange.clock.now_ms() // MINUTE_MS * MINUTE_MS - MINUTE_MS
        start_ms = end_ms - 9 * MINUTE_MS
        base = {"category": "linear", "symbol": "BTCUSDT", "interval": "1"}

        async def starts(**query: Any) -> list[int]:
            return [int(row[0]) for row in (await get(exchange, "kline", **base, **query))["list"]]

        all_of_it = [end_ms - i * MINUTE_MS for i in range(10)]
        assert await starts(start=start_ms, end=end_ms) == all_of_it
        assert await starts(start=start_ms, end=end_ms, limit=3) == all_of_it[:3]
        assert await starts(end=end_ms, limit=2) == all_of_it[:2]
        assert await starts(start=start_ms, limit=2) == all_of_it[-2:]
        assert await starts(start=start_ms + 1, end=end_ms - 1) == all_of_it[1:-1]
        assert len(await starts()) == 200
        assert len(await starts(limit=5000)) == 1000


@pytest.mark.parametrize("theirs", sorted(INTERVALS.values()))
async def test_every_interval_is_served_and_the_newest_row_is_still_running(theirs: str) -> None:
    ours = {name: interval for interval, name in INTERVALS.items()}[theirs]
    async with simulator() as exchange:
        for market in MARKETS:
            result = await get(
                exchange, "kline", category=market, symbol=SYMBOLS[market][0], interval=theirs,
                limit=2,
            )  # fmt: skip
            start_ms = int(result["list"][0][0])
            assert start_ms <= exchange.clock.now_ms()
            assert end_of(ours, start_ms) > exchange.clock.now_ms() - MINUTE_MS


@pytest.mark.parametrize("market", MARKETS)
async def test_our_own_parser_reads_every_listing_page_by_page(market: Market) -> None:
    async with simulator() as exchange:
        found = {}
        requests = list(BYBIT.instruments_requests(market))
        for request in requests:
            # Pages of two, as if there were a thousand times as many.
            params = {**request.params, "limit": "2"}
            status, body, _ = await exchange.rest(REST, "/v5/market/instruments-info", **params)
            assert status == 200
            page = BYBIT.parse_instruments(market, json.dumps(body).encode())
            found |= {instrument.symbol: instrument for instrument in page.instruments}
            if page.next_page is not None:
                requests.append(page.next_page)
        listed = await exchange.truth("symbols", exchange="bybit", market=market)
        # Spot does not list what does not trade.
        expected = {
            entry["symbol"]: "trading" if entry["trading"] else "halted"
            for entry in listed
            if entry["trading"] or market != "spot"
        }
        assert {symbol: one.trading for symbol, one in found.items()} == expected
        unified = {"spot": "BTC/USDT", "linear": "BTC/USDT:USDT", "inverse": "BTC/USD:BTC"}
        assert found[SYMBOLS[market][0]].unified == unified[market]
        dated = [one for one in found.values() if one.kind == "delivery"]
        assert len(dated) == (0 if market == "spot" else 1)
        assert all(one.unified.startswith(f"{unified[market]}-") for one in dated)
        assert len(requests) > (2 if market == "linear" else 0)


async def test_rest_tickers_tell_the_best_prices_on_spot_too() -> None:
    async with simulator(speed=0.001) as exchange:
        for market in MARKETS:
            rows = (await get(exchange, "tickers", category=market))["list"]
            by_symbol = {row["symbol"]: row for row in rows}
            row = by_symbol[SYMBOLS[market][0]]
            now = await true_ticker(exchange, market, row["symbol"], exchange.clock.now_ms())
            assert (row["lastPrice"], row["bid1Price"], row["ask1Size"]) == (
                now["last"], now["bid"], now["askSize"],
            )  # fmt: skip
            one = await get(exchange, "tickers", category=market, symbol=row["symbol"])
            assert [other["symbol"] for other in one["list"]] == [row["symbol"]]


@pytest.mark.parametrize(
    ("path", "query", "text"),
    [
        ("kline", {"category": "linear", "symbol": "NOPE", "interval": "1"}, "symbol invalid"),
        ("kline", {"category": "spot", "symbol": "NOPE", "interval": "1"}, "Not supported symbols"),
        ("kline", {"category": "linear", "symbol": "BTCUSDT", "interval": "7"}, "Invalid period!"),
        ("kline", {"symbol": "BTCUSDT", "interval": "1"}, "Illegal category"),
        ("kline", {"category": "linear", "symbol": "BTCUSDT", "interval": "1", "start": "soon"},
         "start is invalid"),
        ("instruments-info", {"category": "nothing"}, "Illegal category"),
    ],
)  # fmt: skip
async def test_failures_come_with_status_200(path: str, query: dict[str, str], text: str) -> None:
    async with simulator() as exchange:
        status, body, _ = await exchange.rest(REST, f"/v5/market/{path}", **query)
        assert (status, body["retCode"]) == (200, 10001)
        assert text in body["retMsg"]
        failure = BYBIT.rest_failure(status, {}, json.dumps(body).encode())
        assert failure is not None
        assert failure.reason == "config"


async def test_too_many_requests_are_a_ban_of_ten_minutes_on_every_host() -> None:
    async with simulator() as exchange:
        await exchange.control("limits", pool="bybit-ip", weightPerMinute=5)
        for _ in range(5):
            await get(exchange, "time")
        for host in (REST, "api.bytick.com"):
            status, body, _ = await exchange.rest(host, "/v5/market/time")
            failure = BYBIT.rest_failure(status, {}, json.dumps(body).encode())
            assert failure is not None
            assert (status, failure.reason, failure.retry_after_s) == (403, "rate", 600.0)
        await exchange.control("heal")
        await get(exchange, "time")


async def test_time_is_market_time() -> None:
    async with simulator(speed=100) as exchange:
        _, body, _ = await exchange.rest(REST, "/v5/market/time")
        told = BYBIT.parse_time("spot", json.dumps(body).encode())
        assert 0 <= exchange.clock.now_ms() - told < 60_000
        assert body["result"]["timeSecond"] == str(told // 1000)
