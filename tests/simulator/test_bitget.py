"""Bitget as its sheet says: answers per argument, the first push, limits, REST, truth equal."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp
import msgspec
import pytest

from common.exchanges.bitget import BITGET
from common.exchanges.place import Place
from common.exchanges.protocol import Pong, Unreadable
from common.gateway import through
from common.model.events import Candle, Ticker
from common.model.intervals import DAY_MS, INTERVALS, MINUTE_MS, end_of
from common.model.streams import MARKETS, Market, Stream
from common.session import transport
from common.session.connection import Connection
from tests.simulator.truths import catalog_of, true_candle
from tests.simulator.wire import Wire, dial
from tests.support.simulator import RunningSimulator, simulator
from tests.support.waiting import until

PUBLIC = "/ws.bitget.com/v2/ws/public"
REST = "api.bitget.com"
SPEED = 240
TYPES: dict[Market, str] = {
    "spot": "SPOT",
    "linear": "USDT-FUTURES",
    "inverse": "COIN-FUTURES",
}
SYMBOLS: dict[Market, str] = {"spot": "BTCUSDT", "linear": "BTCUSDT", "inverse": "BTCUSD"}


def arg(market: Market, channel: str, symbol: str | None = None) -> dict[str, str]:
    return {"instType": TYPES[market], "channel": channel, "instId": symbol or SYMBOLS[market]}


async def subscribe(wire: Wire, *args: dict[str, Any]) -> None:
    await wire.say({"op": "subscribe", "args": list(args)})


def is_push(message: Any, of: dict[str, str], action: str | None = None) -> bool:
    if "action" not in message or message["arg"] != of:
        return False
    return action in (None, message["action"])


async def get(exchange: RunningSimulator, path: str, **query: Any) -> tuple[int, Any]:
    status, body, _ = await exchange.rest(REST, path, **query)
    return status, body


# --- answers --------------------------------------------------------------------------------


async def test_every_argument_is_answered_by_itself_and_one_socket_carries_all_markets() -> None:
    asked = [arg(market, "candle1m") for market in MARKETS]
    async with simulator(speed=SPEED) as exchange, dial(exchange, PUBLIC) as wire:
        await subscribe(wire, *asked)
        acked = [
            await wire.until(lambda m: m.get("event") == "subscribe") for _ in range(len(asked))
        ]
        assert acked == [{"event": "subscribe", "arg": one} for one in asked]
        for one in asked:
            await wire.until(lambda m, one=one: is_push(m, one, "update"))


@pytest.mark.parametrize(
    "wrong",
    [
        arg("spot", "candle1m", "NOSUCH"),
        arg("spot", "candle7m"),
        arg("spot", "candle3m"),  # REST has it, the channel list does not
        arg("spot", "candle1D"),  # counted from UTC+8
        arg("inverse", "ticker", "BTCUSDT"),
        {"instType": "sp", "channel": "ticker", "instId": "BTCUSDT"},
    ],
)
async def test_what_does_not_exist_is_refused_by_name_and_the_others_are_not(
    wrong: dict[str, str],
) -> None:
    async with simulator() as exchange, dial(exchange, PUBLIC) as wire:
        await subscribe(wire, wrong, arg("spot", "ticker"))
        named = f"instType:{wrong['instType']},channel:{wrong['channel']},instId:{wrong['instId']}"
        assert await wire.message() == {
            "event": "error", "code": 30001, "msg": f"{named} doesn't exist",
        }  # fmt: skip
        assert await wire.message() == {"event": "subscribe", "arg": arg("spot", "ticker")}


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("what", 30002),
        ("[]", 30002),
        ('{"op":"shout"}', 30003),
        ('{"op":"subscribe","args":"all"}', 30016),
        ('{"op":"subscribe","args":[' + " " * 4096 + "]}", 30002),
    ],
)
async def test_other_messages_are_refused(text: str, code: int) -> None:
    async with simulator() as exchange, dial(exchange, PUBLIC) as wire:
        await wire.say(text)
        assert (await wire.message())["code"] == code


async def test_a_text_ping_is_answered() -> None:
    async with simulator() as exchange, dial(exchange, PUBLIC) as wire:
        await wire.say(BITGET.ping(1) if BITGET.ping else "")
        frame = (await wire.raw()).data
        assert BITGET.parse("spot", frame.encode(), {}) == (Pong(),)


async def test_after_an_unsubscribe_nothing_comes() -> None:
    topic = arg("spot", "candle1m")
    async with simulator(speed=SPEED) as exchange, dial(exchange, PUBLIC) as wire:
        await subscribe(wire, topic)
        await wire.until(lambda m: is_push(m, topic, "update"))
        await wire.say({"op": "unsubscribe", "args": [topic]})
        assert await wire.until(lambda m: m.get("event") == "unsubscribe")
        assert await wire.silent_for(0.8)


@pytest.mark.parametrize("path", ["/ws.bitget.com/v3/ws/public", "/ws.bitget.com/v1/ws/private"])
async def test_other_endpoints_are_not_there(path: str) -> None:
    async with simulator() as exchange:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            async with dial(exchange, path):
                pass
        assert refused.value.status == 404


# --- pushes ---------------------------------------------------------------------------------


@pytest.mark.parametrize("market", MARKETS)
async def test_the_first_push_holds_the_last_500_bars_and_they_are_the_truth(
    market: Market,
) -> None:
    topic = arg(market, "candle1m")
    async with simulator() as exchange, dial(exchange, PUBLIC) as wire:
        await subscribe(wire, topic)
        push = await wire.until(lambda m: is_push(m, topic, "snapshot"))
        candles = [
            candle
            for candle in BITGET.parse(market, msgspec.json.encode(push), {})
            if isinstance(candle, Candle)
        ]
        assert len(candles) == len(push["data"]) == 500
        assert not any(candle.closed for candle in candles)
        starts = [candle.start_ms for candle in candles]
        assert starts == list(range(starts[0], starts[0] + 500 * MINUTE_MS, MINUTE_MS))
        assert starts[-1] <= push["ts"] < starts[-1] + MINUTE_MS
        truth = await exchange.truth(
            "candles", exchange="bitget", market=market, symbol=SYMBOLS[market], interval="1m",
            from_=starts[0], to=starts[-1],
        )  # fmt: skip
        for candle, true in zip(candles, truth, strict=False):
            assert closed_body(candle) == true
        assert len(truth) >= 499


def closed_body(candle: Candle) -> dict[str, Any]:
    """What the bar says once it is closed."""
    return msgspec.to_builtins(msgspec.structs.replace(candle, closed=True, event_ms=msgspec.UNSET))


@pytest.mark.parametrize("market", MARKETS)
async def test_the_last_state_of_every_bar_is_pushed_in_order_and_is_the_truth(
    market: Market,
) -> None:
    topic = arg(market, "candle1m")
    async with simulator(speed=SPEED) as exchange, dial(exchange, PUBLIC) as wire:
        await subscribe(wire, topic)
        last: dict[int, Candle] = {}
        while len(last) < 12:
            push = await wire.until(lambda m: is_push(m, topic, "update"))
            (candle,) = BITGET.parse(market, msgspec.json.encode(push), {})
            assert isinstance(candle, Candle)
            assert candle.start_ms >= max(last, default=0)
            last[candle.start_ms] = candle
        starts = sorted(last)
        assert starts == list(range(starts[0], starts[-1] + 1, MINUTE_MS))
        for start_ms in starts[:-1]:
            assert closed_body(last[start_ms]) == await true_candle(
                exchange, "bitget", last[start_ms]
            )


async def test_a_quiet_market_pushes_each_bar_once() -> None:
    """Some of its minutes have no trade: their bars come too, flat, at their end."""
    topic = arg("spot", "candle1m", "QUIETUSDT")
    async with simulator(speed=SPEED) as exchange, dial(exchange, PUBLIC) as wire:
        await subscribe(wire, topic)
        flat: list[Candle] = []
        while len(flat) < 3:
            push = await wire.until(lambda m: is_push(m, topic, "update"))
            (candle,) = BITGET.parse("spot", msgspec.json.encode(push), {})
            assert isinstance(candle, Candle)
            if candle.volume == "0.0":
                assert candle.open == candle.high == candle.low == candle.close
                assert push["ts"] >= candle.end_ms
                flat.append(candle)
        assert len({candle.start_ms for candle in flat}) == len(flat)


@pytest.mark.parametrize("market", MARKETS)
async def test_tickers_are_the_truth_of_their_time(market: Market) -> None:
    topic = arg(market, "ticker")
    async with simulator(speed=60) as exchange, dial(exchange, PUBLIC) as wire:
        await subscribe(wire, topic)
        for _ in range(3):
            push = await wire.until(lambda m: is_push(m, topic, "snapshot"))
            (ticker,) = BITGET.parse(market, msgspec.json.encode(push), {})
            assert isinstance(ticker, Ticker)
            (truth,) = await exchange.truth(
                "tickers", exchange="bitget", market=market, symbol=SYMBOLS[market],
                at=ticker.event_ms,
            )  # fmt: skip
            assert msgspec.to_builtins(ticker) == truth
            assert truth.keys() >= {"bid", "bidSize", "ask", "askSize", "quoteVolume"}


async def test_a_halted_symbol_is_accepted_and_silent() -> None:
    async with simulator(speed=SPEED) as exchange, dial(exchange, PUBLIC) as wire:
        await subscribe(wire, arg("spot", "candle1m", "LUNCBTC"), arg("spot", "ticker", "LUNCBTC"))
        for _ in range(2):
            assert (await wire.message())["event"] == "subscribe"
        assert await wire.silent_for(0.8)


# --- limits and faults ----------------------------------------------------------------------


async def test_the_eleventh_message_of_a_second_is_one_too_many() -> None:
    async with simulator() as exchange, dial(exchange, PUBLIC) as wire:
        for _ in range(11):
            await wire.say("ping")
        assert (await wire.closed()).code == 1008


async def test_the_241st_subscribe_of_an_hour_is_refused() -> None:
    async with simulator() as exchange, dial(exchange, PUBLIC) as wire:
        await exchange.control("limits", host="ws.bitget.com", messagesPerS=1000)
        for _ in range(241):
            await subscribe(wire)
        assert (await wire.until(lambda m: m.get("event") == "error"))["code"] == 30006


async def test_a_client_that_says_nothing_is_cut_and_one_that_asks_for_nothing_too() -> None:
    async with simulator() as exchange:
        for limits in ({"quietS": 0.3}, {"firstTopicS": 0.3, "quietS": 60}):
            await exchange.control("limits", host="ws.bitget.com", **limits)
            async with dial(exchange, PUBLIC) as wire:
                assert (await wire.closed()).code == 1000


async def test_a_rejected_symbol_is_refused_and_a_silenced_one_says_nothing() -> None:
    place = {"exchange": "bitget", "market": "spot"}
    async with simulator(speed=SPEED) as exchange, dial(exchange, PUBLIC) as wire:
        await exchange.control("fault", kind="reject", symbol="BTCUSDT", **place)
        await exchange.control("fault", kind="silence", symbol="ETHUSDT", **place)
        await subscribe(wire, arg("spot", "ticker"), arg("spot", "candle1m", "ETHUSDT"))
        assert (await wire.message())["code"] == 30001
        assert (await wire.message())["event"] == "subscribe"
        assert await wire.silent_for(0.8)
        await exchange.control("heal")
        await wire.until(lambda m: is_push(m, arg("spot", "candle1m", "ETHUSDT")))


@pytest.mark.parametrize("channel", ["candle1m", "ticker"])
@pytest.mark.parametrize(
    ("spoil", "kind"),
    [
        ("unknown_type", "unknown_type"),
        ("missing_field", "wrong_shape"),
        ("wrong_type", "wrong_shape"),
        ("truncated", "not_json"),
    ],
)
async def test_a_spoiled_push_is_what_it_says(channel: str, spoil: str, kind: str) -> None:
    topic = arg("spot", channel)
    async with simulator(speed=SPEED) as exchange, dial(exchange, PUBLIC) as wire:
        await subscribe(wire, topic)
        await wire.until(lambda m: is_push(m, topic))
        await exchange.control("fault", kind="garble", spoil=spoil, where={"exchange": "bitget"})
        async with asyncio.timeout(10):
            while True:
                said = BITGET.parse("spot", (await wire.raw()).data.encode(), {})
                if isinstance(said[0], Unreadable):
                    break
        assert said[0].kind == kind


# --- REST -----------------------------------------------------------------------------------


async def test_instruments_are_listed_with_their_steps() -> None:
    async with simulator() as exchange:
        spot, linear, inverse = [await catalog_of(exchange, BITGET, market) for market in MARKETS]
        assert spot["BTCUSDT"].unified == "BTC/USDT"
        assert (spot["BTCUSDT"].tick_size, spot["BTCUSDT"].step_size) == ("0.01", "0.00001")
        assert spot["LUNCBTC"].trading == "halted"
        assert linear["BTCUSDT"].unified == "BTC/USDT:USDT"
        assert linear["BTCUSDT"].tick_size == "0.10"
        assert inverse["BTCUSD"].unified == "BTC/USD:BTC"
        assert inverse["BTCUSD"].contract_size is None
        dated = [one for one in inverse.values() if one.kind == "delivery"]
        assert len(dated) == 1
        assert dated[0].unified.startswith("BTC/USD:BTC-")


@pytest.mark.parametrize("market", MARKETS)
async def test_the_history_is_the_range_that_is_asked_for(market: Market) -> None:
    async with simulator() as exchange:
        now_ms = exchange.clock.now_ms()
        rules = BITGET.markets[market].rest
        end_ms = now_ms // DAY_MS * DAY_MS
        for interval in rules.intervals:
            stream = Stream("bitget", market, "candle", SYMBOLS[market], interval)
            length_ms = end_of(interval, 0)
            start_ms = end_ms - min(DAY_MS, rules.candles_per_request * length_ms)
            request = BITGET.candles_request(stream, start_ms, end_ms)
            path = request.url.removeprefix(f"https://{REST}")
            status, body = await get(exchange, path, **request.params)
            assert status == 200, body
            candles = BITGET.parse_candles(stream, json.dumps(body).encode(), {}, now_ms)
            if interval not in ("1w", "1M"):
                starts = [candle.start_ms for candle in candles]
                assert starts == list(range(start_ms, end_ms, length_ms))
            for candle in candles:
                assert msgspec.to_builtins(candle) == await true_candle(exchange, "bitget", candle)


async def test_the_recent_candles_end_with_the_running_bar() -> None:
    async with simulator() as exchange:
        query = {"symbol": "BTCUSDT", "granularity": "1min", "limit": 5}
        _, body = await get(exchange, "/api/v2/spot/market/candles", **query)
        assert [len(row) for row in body["data"]] == [8] * 5
        assert int(body["data"][-1][0]) <= exchange.clock.now_ms()
        query = {"symbol": "BTCUSD", "productType": "COIN-FUTURES", "granularity": "1m"}
        _, body = await get(exchange, "/api/v2/mix/market/candles", **query)
        assert [len(row) for row in body["data"]] == [7] * 100


@pytest.mark.parametrize(
    ("path", "query", "status", "code"),
    [
        ("/api/v2/nowhere", {}, 404, "40404"),
        ("/api/v2/mix/market/contracts", {}, 400, "40019"),
        ("/api/v2/mix/market/contracts", {"productType": "GOLD"}, 400, "40020"),
        ("/api/v2/spot/market/candles", {"symbol": "NO", "granularity": "1min"}, 400, "40034"),
        ("/api/v2/spot/market/candles", {"symbol": "BTCUSDT", "granularity": "1m"}, 400, "400172"),
        (
            "/api/v2/spot/market/history-candles",
            {"symbol": "BTCUSDT", "granularity": "1min"},
            400,
            "40019",
        ),
        (
            "/api/v2/mix/market/history-candles",
            {"symbol": "BTCUSDT", "productType": "USDT-FUTURES", "granularity": "1m", "limit": 201},
            400,
            "40053",
        ),
    ],
)
async def test_errors_have_codes(path: str, query: dict[str, Any], status: int, code: str) -> None:
    async with simulator() as exchange:
        told, body = await get(exchange, path, **query)
        assert (told, body["code"]) == (status, code)
        failure = BITGET.rest_failure(told, {}, json.dumps(body).encode())
        assert failure is not None


async def test_product_types_that_are_none_of_our_markets_list_nothing() -> None:
    async with simulator() as exchange:
        status, body = await get(
            exchange, "/api/v2/mix/market/contracts", productType="USDC-FUTURES"
        )
        assert (status, body["code"], body["data"]) == (200, "00000", [])


async def test_the_21st_call_of_a_second_is_one_too_many() -> None:
    async with simulator() as exchange:
        answers = [await get(exchange, "/api/v2/public/time") for _ in range(21)]
        assert [status for status, _ in answers] == [200] * 20 + [429]
        _, body = answers[0]
        told = BITGET.parse_time("spot", json.dumps(body).encode())
        assert abs(told - exchange.clock.now_ms()) < 60_000


@pytest.mark.parametrize("market", MARKETS)
async def test_every_native_interval_is_pushed(market: Market) -> None:
    native = BITGET.markets[market].channels["candle"].intervals
    asked = [arg(market, f"candle{name}") for name in native.values()]
    async with simulator() as exchange, dial(exchange, PUBLIC) as wire:
        await subscribe(wire, *asked)
        seen: dict[str, int] = {}
        while len(seen) < len(asked):
            push = await wire.until(lambda m: m.get("action") == "snapshot")
            for candle in BITGET.parse(market, msgspec.json.encode(push), {}):
                assert isinstance(candle, Candle)
                seen[candle.interval] = candle.start_ms
        assert seen.keys() == native.keys() <= set(INTERVALS)


# --- the fleet's own connection -------------------------------------------------------------


class _Sink:
    """Hears what a connection tells."""

    def __init__(self) -> None:
        self.heard: set[str] = set()
        self.rejections: dict[str, str] = {}
        self.problems: list[Any] = []

    def event(self, event: Any) -> str | None:
        interval = getattr(event, "interval", None)
        channel = "ticker" if interval is None else "candle"
        (topic,) = BITGET.topics(Stream("bitget", event.market, channel, event.symbol, interval))
        self.heard.add(topic)
        return topic

    def accepted(self, topic: str) -> None:
        """What matters is that it comes."""

    def unreadable(self, problem: Any) -> None:
        self.problems.append(problem)

    def refused(self, refusal: Any) -> None:
        self.problems.append(refusal)

    def ended(self, reason: str, *, parked: bool) -> None:
        self.problems.append((reason, parked))

    def rejected(self, topic: str, reason: str) -> None:
        self.rejections[topic] = reason

    def silent(self, topic: str) -> None:
        self.problems.append(topic)


@pytest.mark.parametrize("market", MARKETS)
async def test_the_fleet_s_connection_goes_live_on_every_topic_but_the_unknown(
    market: Market,
) -> None:
    """A full connection: more topics than one request holds, one of them of no symbol."""
    native = BITGET.markets[market].channels["candle"].intervals
    symbols = {"spot": ("BTCUSDT", "ETHUSDT", "SOLUSDT", "QUIETUSDT"),
               "linear": ("BTCUSDT", "ETHUSDT", "1000PEPEUSDT", "QUIETUSDT"),
               "inverse": ("BTCUSD", "ETHUSD")}[market]  # fmt: skip
    streams = [
        Stream("bitget", market, "candle", symbol, interval)
        for symbol in symbols
        for interval in native
    ]
    topics = {BITGET.topics(stream)[0] for stream in streams}
    unknown = "candle1m:NOSUCH"
    sink = _Sink()
    async with simulator() as exchange:
        place = Place("bitget", market, "candle")

        async def address() -> str:
            return through(exchange.url, place.rules.url)

        connection = Connection(place, address, transport.dial, dict, sink)
        connection.want(dict.fromkeys((*topics, unknown), 600.0))
        life = asyncio.create_task(connection.run())
        await until(lambda: sink.heard >= topics and sink.rejections, timeout_s=30)
        assert len(topics) + 1 <= place.limits.topics_per_connection
        assert set(sink.rejections) == {unknown}
        assert sink.problems == []
        states = {topic: status.state for topic, status in connection.subscriptions.topics.items()}
        assert {topic for topic, state in states.items() if state == "live"} == topics
        life.cancel()
        await asyncio.wait({life})
