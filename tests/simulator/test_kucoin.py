"""The simulated KuCoin as its sheet says, and what our own parser makes of it equals the truth."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import msgspec
import pytest
from msgspec import UNSET

from common.exchanges.kucoin import KUCOIN
from common.exchanges.protocol import RestRequest, TickerPart
from common.model.events import Candle
from common.model.intervals import end_of
from common.model.streams import MARKETS, Market, Stream
from simulator.exchanges.kucoin import names
from tests.simulator.truths import catalog_of, true_candle
from tests.simulator.wire import Wire, dial
from tests.support.simulator import RunningSimulator, simulator

HOSTS = {"spot": "api.kucoin.com", "linear": "api-futures.kucoin.com"}
HOSTS["inverse"] = HOSTS["linear"]
SYMBOLS: dict[str, str] = {"spot": "BTC-USDT", "linear": "XBTUSDTM", "inverse": "XBTUSDM"}
# Four minutes of the market a second: something closes all the time.
SPEED = 240


async def ask(exchange: RunningSimulator, request: RestRequest) -> bytes:
    path = request.url.removeprefix("https://")
    async with exchange._http.request(
        request.method, f"{exchange.url}/{path}", params=dict(request.params)
    ) as answer:
        body = await answer.read()
        assert KUCOIN.rest_failure(answer.status, answer.headers, body) is None, body
        return body


async def address(exchange: RunningSimulator, market: Market) -> str:
    assert KUCOIN.address_request is not None
    assert KUCOIN.parse_address is not None
    url = KUCOIN.parse_address(market, await ask(exchange, KUCOIN.address_request(market)))
    assert url.startswith(f"{exchange.ws_url}/ws-api-"), "a way back to where we came by"
    return url.removeprefix(exchange.ws_url)


@asynccontextmanager
async def socket(exchange: RunningSimulator, market: Market = "spot") -> AsyncIterator[Wire]:
    """A socket that has said welcome."""
    async with dial(exchange, await address(exchange, market)) as wire:
        assert (await wire.message())["type"] == "welcome"
        yield wire


async def push(wire: Wire) -> bytes:
    """The next push, as it came: a number read by JSON's rules would lose its last zeros."""
    while True:
        text: str = (await wire.raw()).data
        if json.loads(text)["type"] == "message":
            return text.encode()


async def request(wire: Wire, topic: str, kind: str = "subscribe", **more: Any) -> Any:
    """A request, and its answer (pushes in between are passed over)."""
    await wire.say({"id": "7", "type": kind, "topic": topic, "response": True} | more)
    return await wire.until(lambda m: m.get("type") in ("ack", "error") and m.get("id") == "7")


# --- the way in -----------------------------------------------------------------------------


async def test_a_token_opens_sockets_of_its_own_product_only() -> None:
    async with simulator() as exchange:
        path = await address(exchange, "spot")
        token = path.partition("?")[2]
        async with dial(exchange, f"{path}&connectId=mine") as wire:
            assert await wire.message() == {"id": "mine", "type": "welcome"}
        for other in (f"/ws-api-futures.kucoin.com/?{token}", "/ws-api-spot.kucoin.com/?token=no"):
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                async with dial(exchange, other):
                    pass
            assert refused.value.status == 401


async def test_by_the_host_header_the_real_address_is_told() -> None:
    async with simulator() as exchange:
        url, headers = f"{exchange.url}/api/v1/bullet-public", {"Host": "api.kucoin.com"}
        async with exchange._http.post(url, headers=headers) as answer:
            (server,) = (await answer.json())["data"]["instanceServers"]
        assert server["endpoint"] == "wss://ws-api-spot.kucoin.com/"
        assert (server["pingInterval"], server["pingTimeout"]) == (18_000, 10_000)


async def test_who_does_not_ping_is_cut_and_thirty_connects_a_minute_are_the_most() -> None:
    async with simulator() as exchange:
        exchange.server.world.overrides["ws-api-spot.kucoin.com"] = {"quiet_s": 0.3}
        async with socket(exchange) as wire:
            await wire.say({"id": "1", "type": "ping"})
            assert await wire.message() == {"id": "1", "type": "pong"}
            assert (await wire.closed()).code == 1000
        path = await address(exchange, "spot")
        for _ in range(29):
            async with dial(exchange, path):
                pass
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            async with dial(exchange, path):
                pass
        assert refused.value.status == 429


# --- requests and their answers -------------------------------------------------------------


@pytest.mark.parametrize(
    ("market", "topic", "code", "said"),
    [
        ("spot", "/market/candles:NO-SUCH_1min", 404, "/market/candles:NO-SUCH_1min is not found"),
        ("spot", "/market/candles:BTC-USDT_7min", 404, "is not found"),
        ("spot", "/contractMarket/limitCandle:XBTUSDTM_1min", 404, "is not found"),
        ("linear", "/market/candles:BTC-USDT_1min", 404, "is not found"),
        ("linear", "/contractMarket/limitCandle:XBTUSDTM_6hour", 404, "is not found"),
        ("linear", "/contractMarket/tickerV2:all", 404, "is not found"),
        ("spot", "/market/ticker: BTC-USDT", 400, "topic /market/ticker: BTC-USDT is invalid"),
        ("spot", "", 406, "topic is required"),
    ],
)
async def test_what_does_not_exist_is_refused_by_name(
    market: Market, topic: str, code: int, said: str
) -> None:
    async with simulator() as exchange, socket(exchange, market) as wire:
        answer = await request(wire, topic)
        assert (answer["type"], answer["code"]) == ("error", code)
        assert said in answer["data"]


async def test_one_wrong_topic_refuses_its_whole_list() -> None:
    async with simulator(speed=SPEED) as exchange, socket(exchange) as wire:
        answer = await request(wire, "/market/candles:BTC-USDT_1min,NO-SUCH_1min")
        assert answer["code"] == 404
        assert await wire.silent_for(0.6)


async def test_lists_are_limited_per_message_and_per_session() -> None:
    async with simulator() as exchange, socket(exchange) as wire:
        many = ",".join(f"S{n}-USDT_1min" for n in range(101))
        answer = await request(wire, f"/market/candles:{many}")
        expected = "exceed max subscription count limitation of 100 per time"
        assert (answer["code"], answer["data"]) == (509, expected)
        await exchange.control("limits", host="ws-api-spot.kucoin.com", streams=2)
        assert (await request(wire, "/market/ticker:BTC-USDT,ETH-USDT"))["type"] == "ack"
        assert (await request(wire, "/market/ticker:BTC-USDT"))["type"] == "ack", "not a new one"


async def test_other_messages() -> None:
    async with simulator(speed=SPEED) as exchange, socket(exchange) as wire:
        await wire.say("not json")
        assert (await wire.message())["code"] == 400
        assert (await request(wire, "/market/ticker:all", "shout"))["code"] == 415
        login = await request(wire, "/market/ticker:all", privateChannel=True)
        assert (login["code"], login["data"]) == (403, "login is required")
        # Who does not ask for an answer gets none, and the data all the same.
        await wire.say({"id": "8", "type": "subscribe", "topic": "/market/match:BTC-USDT"})
        assert (await wire.message())["type"] == "message"
        assert (await request(wire, "/market/match:BTC-USDT", "unsubscribe"))["type"] == "ack"
        assert await wire.silent_for(0.5)


async def test_faults_reject_and_silence_a_symbol_of_one_market() -> None:
    async with simulator(speed=SPEED) as exchange, socket(exchange, "inverse") as wire:
        where = {"exchange": "kucoin", "market": "inverse", "symbol": "XBTUSDM"}
        await exchange.control("fault", kind="reject", **where)
        assert (await request(wire, "/contractMarket/tickerV2:XBTUSDM"))["code"] == 404
        assert (await request(wire, "/contractMarket/tickerV2:XBTUSDTM"))["type"] == "ack"
        await exchange.control("heal")
        await exchange.control("fault", kind="silence", **where)
        assert (await request(wire, "/contractMarket/tickerV2:XBTUSDM"))["type"] == "ack"
        told = [await wire.until(lambda m: m["type"] == "message") for _ in range(5)]
        assert {message["data"]["symbol"] for message in told} == {"XBTUSDTM"}


@pytest.mark.parametrize("spoil", ["unknown_type", "missing_field", "wrong_type"])
async def test_spoiled_pushes_are_what_our_parser_calls_unreadable(spoil: str) -> None:
    async with simulator(speed=SPEED) as exchange, socket(exchange) as wire:
        await request(wire, "/market/snapshot:BTC-USDT")
        await exchange.control("fault", kind="garble", spoil=spoil, frames=1)
        (said,) = KUCOIN.parse("spot", await push(wire), {})
        expected = "unknown_type" if spoil == "unknown_type" else "wrong_shape"
        assert said.kind == expected  # type: ignore[union-attr]


# --- what it tells --------------------------------------------------------------------------


@pytest.mark.parametrize("market", MARKETS)
async def test_the_last_word_on_a_bar_is_the_truth_and_untraded_bars_are_not_told(
    market: Market,
) -> None:
    symbols = [SYMBOLS[market]] + (["QUIET-USDT"] if market == "spot" else [])
    streams = [Stream("kucoin", market, "candle", symbol, "1m") for symbol in symbols]
    topics = [KUCOIN.topics(stream)[0] for stream in streams]
    last: dict[tuple[str, int], Candle] = {}
    async with simulator(speed=SPEED) as exchange, socket(exchange, market) as wire:
        instruments = await catalog_of(exchange, KUCOIN, market)
        await wire.say(KUCOIN.subscribe(market, topics, 1).text)
        while len({start for symbol, start in last if symbol == symbols[0]}) < 6 or not any(
            symbol == symbols[-1] for symbol, _ in last
        ):
            (candle,) = KUCOIN.parse(market, await push(wire), instruments)
            assert isinstance(candle, Candle)
            assert not candle.closed
            last[candle.symbol, candle.start_ms] = candle
        newest = max(start for _, start in last)
        for candle in last.values():
            if candle.start_ms == newest:
                continue
            truth = await true_candle(exchange, "kucoin", candle)
            told = msgspec.structs.replace(candle, closed=True, event_ms=UNSET)
            assert msgspec.to_builtins(told) == truth
            assert float(candle.contracts or candle.volume or 0) > 0


@pytest.mark.parametrize("market", MARKETS)
async def test_rest_rows_become_the_same_bodies_with_both_ends_as_asked(market: Market) -> None:
    async with simulator() as exchange:
        instruments = await catalog_of(exchange, KUCOIN, market)
        now_ms = exchange.clock.now_ms()
        stream = Stream("kucoin", market, "candle", SYMBOLS[market], "15m")
        end_ms = now_ms // 900_000 * 900_000
        start_ms = end_ms - 8 * 900_000
        for last_ms in (end_ms, end_ms - 900_000 + 1):
            body = await ask(exchange, KUCOIN.candles_request(stream, start_ms, last_ms))
            candles = KUCOIN.parse_candles(stream, body, instruments, now_ms)
            starts = [candle.start_ms for candle in candles]
            assert starts == [start_ms + n * 900_000 for n in range(8)], "oldest first, all of them"
        for candle in candles:
            assert msgspec.to_builtins(candle) == await true_candle(exchange, "kucoin", candle)
        running = KUCOIN.candles_request(stream, end_ms, end_of("15m", end_ms))
        candles = KUCOIN.parse_candles(stream, await ask(exchange, running), instruments, now_ms)
        assert [candle.closed for candle in candles] == [False] * len(candles)


@pytest.mark.parametrize("market", MARKETS)
async def test_every_interval_we_claim_is_served(market: Market) -> None:
    rules = KUCOIN.markets[market]
    async with simulator() as exchange, socket(exchange, market) as wire:
        streams = [
            Stream("kucoin", market, "candle", SYMBOLS[market], interval)
            for interval in rules.channels["candle"].intervals
        ]
        topics = [KUCOIN.topics(stream)[0] for stream in streams]
        await wire.say(KUCOIN.subscribe(market, topics, 1).text)
        assert await wire.message() == {"id": "1", "type": "ack"}
        now_ms = exchange.clock.now_ms()
        for interval in rules.rest.intervals:
            stream = Stream("kucoin", market, "candle", SYMBOLS[market], interval)
            asked = KUCOIN.candles_request(stream, now_ms - 40 * 86_400_000, now_ms)
            body = await ask(exchange, asked)
            assert KUCOIN.parse_candles(stream, body, {}, now_ms)


@pytest.mark.parametrize("market", MARKETS)
async def test_both_parts_of_a_ticker_become_what_the_truth_says(market: Market) -> None:
    stream = Stream("kucoin", market, "ticker", SYMBOLS[market])
    parts: dict[int, TickerPart] = {}
    async with simulator(speed=60) as exchange, socket(exchange, market) as wire:
        instruments = await catalog_of(exchange, KUCOIN, market)
        for number, topic in enumerate(KUCOIN.topics(stream)):
            await wire.say(KUCOIN.subscribe(market, [topic], number).text)
        while len(parts) < 2:
            (part,) = KUCOIN.parse(market, await push(wire), instruments)
            assert isinstance(part, TickerPart)
            if part.symbol == stream.symbol:
                parts[part.source] = part
        told: set[str] = set()
        for part in parts.values():
            (truth,) = await exchange.truth(
                "tickers", exchange="kucoin", market=market, symbol=part.symbol, at=part.event_ms
            )
            fields = json.loads(msgspec.json.encode(part))
            for name in ("event_ms", "source", "whole"):
                del fields[name]
            spelled = {"quote_volume": "quoteVolume", "bid_size": "bidSize", "ask_size": "askSize"}
            assert fields == {name: truth[spelled.get(name, name)] for name in fields}
            told |= fields.keys()
        assert told == {
            "symbol", "last", "open", "high", "low", "volume", "quote_volume", "bid", "bid_size",
            "ask", "ask_size",
        }  # fmt: skip


async def test_all_tickers_come_by_one_topic_and_areas_by_another() -> None:
    async with simulator(speed=SPEED) as exchange, socket(exchange) as wire:
        await request(wire, "/market/ticker:all")
        heard: set[str] = set()
        while not {"BTC-USDT", "BNB-BTC", "币安人生-USDT"} <= heard:
            message = await wire.until(lambda m: m["type"] == "message")
            assert message["topic"] == "/market/ticker:all"
            heard.add(message["subject"])
        await request(wire, "/market/ticker:all", "unsubscribe")
        await request(wire, "/market/snapshot:BTC")
        message = await wire.until(lambda m: m.get("topic") == "/market/snapshot:BTC")
        assert message["data"]["data"]["symbol"] == "BNB-BTC"


@pytest.mark.parametrize("market", MARKETS)
async def test_our_own_parser_reads_every_listing(market: Market) -> None:
    async with simulator() as exchange:
        instruments = await catalog_of(exchange, KUCOIN, market)
        listed = await exchange.truth("symbols", exchange="kucoin", market=market)
        assert {entry["symbol"] for entry in listed} == instruments.keys()
        unified = {"spot": "BTC/USDT", "linear": "BTC/USDT:USDT", "inverse": "BTC/USD:BTC"}
        assert instruments[SYMBOLS[market]].unified == unified[market]
        for entry in listed:
            assert (instruments[entry["symbol"]].trading == "trading") is entry["trading"]
        if market != "spot":
            assert any(one.kind == "delivery" and one.expiry_ms for one in instruments.values())


# --- REST -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "path", "query", "message"),
    [
        ("api.kucoin.com", "/api/v1/market/candles", {"symbol": "NO-SUCH", "type": "1min"},
         "Unsupported trading pair."),
        ("api.kucoin.com", "/api/v1/market/candles", {"symbol": "BTC-USDT", "type": "1m"},
         "This type of Candlestick is currently not provided."),
        ("api.kucoin.com", "/api/v1/market/candles",
         {"symbol": "BTC-USDT", "type": "1min", "startAt": "soon"}, "startAt is invalid"),
        ("api-futures.kucoin.com", "/api/v1/kline/query",
         {"symbol": "XBTUSDTM", "granularity": "3"}, "granularity is invalid"),
    ],
)  # fmt: skip
async def test_errors_come_with_status_200(
    host: str, path: str, query: dict[str, Any], message: str
) -> None:
    async with simulator() as exchange:
        status, body, _ = await exchange.rest(host, path, **query)
        assert (status, body) == (200, {"code": "400100", "msg": message})


async def test_without_bounds_there_are_no_candles() -> None:
    async with simulator() as exchange:
        path, query = "/api/v1/market/candles", {"symbol": "BTC-USDT", "type": "1min"}
        _, body, _ = await exchange.rest("api.kucoin.com", path, **query)
        assert body == {"code": "200000", "data": []}


async def test_weight_is_counted_over_both_hosts_and_refused_with_429() -> None:
    async with simulator() as exchange:
        await exchange.control("limits", pool=names.POOL, weightPerMinute=8)
        time = "/api/v1/timestamp"
        for host, left in (("api.kucoin.com", "5"), ("api-futures.kucoin.com", "2")):
            status, body, headers = await exchange.rest(host, time)
            assert (status, headers["gw-ratelimit-remaining"]) == (200, left)
            assert 0 <= exchange.clock.now_ms() - body["data"] < 5_000
        status, body, headers = await exchange.rest("api.kucoin.com", time)
        assert (status, body["code"]) == (429, "429000")
        assert 0 < int(headers["gw-ratelimit-reset"]) <= 30_000
        await exchange.control("heal")
        assert (await exchange.rest("api.kucoin.com", time))[0] == 200


async def test_what_is_not_there_is_404() -> None:
    async with simulator() as exchange:
        for host, path in (
            ("api.kucoin.com", "/api/v1/contracts/active"),
            ("api-futures.kucoin.com", "/api/v2/symbols"),
            ("ws-api-spot.kucoin.com", "/"),
        ):
            assert (await exchange.rest(host, path))[0] == 404
