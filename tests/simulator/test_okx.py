"""OKX as its sheet says: endpoints, answers, limits, paging; and what our parser makes of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import aiohttp
import msgspec
import pytest

from common.exchanges.okx import OKX
from common.exchanges.okx.describe import INTERVALS
from common.exchanges.protocol import Ack, Notice, Pong, Refusal, RestRequest, Unreadable
from common.model.events import Candle, Ticker
from common.model.intervals import HOUR_MS, MINUTE_MS, start_of
from common.model.streams import MARKETS, Market, Stream
from tests.simulator.truths import catalog_of, true_candle
from tests.simulator.wire import Wire, dial
from tests.support.simulator import RunningSimulator, simulator

PUBLIC = "/ws.okx.com/ws/v5/public"
BUSINESS = "/ws.okx.com/ws/v5/business"
REST = "openapi.okx.com"
SYMBOLS: dict[Market, tuple[str, ...]] = {
    "spot": ("BTC-USDT", "BNB-BTC", "QUIET-USDT", "币安人生-USDT"),
    "linear": ("BTC-USDT-SWAP", "1000PEPE-USDT-SWAP", "QUIET-USDT-SWAP"),
    "inverse": ("BTC-USD-SWAP", "ETH-USD-SWAP"),
}
# Four minutes of the market a second: something closes all the time.
SPEED = 240


async def ask(wire: Wire, operation: str, *topics: str, id_: str = "1") -> list[Any]:
    """A request, and the answers to each of its topics."""
    args = [dict(zip(("channel", "instId"), topic.split(":"), strict=True)) for topic in topics]
    await wire.say({"id": id_, "op": operation, "args": args})
    return await wire.collect(lambda m: m.get("id") == id_, len(topics))


async def call(exchange: RunningSimulator, request: RestRequest) -> tuple[int, Any]:
    host, _, path = request.url.removeprefix("https://").partition("/")
    status, body, _ = await exchange.rest(host, f"/{path}", **request.params)
    return status, body


def is_push(message: Any, channel: str = "") -> bool:
    return "data" in message and message["arg"]["channel"].startswith(channel)


# --- our words ------------------------------------------------------------------------------


@pytest.mark.parametrize("market", MARKETS)
async def test_closed_frames_become_the_bodies_of_the_truth(market: Market) -> None:
    streams = [
        Stream("okx", market, "candle", symbol, interval)
        for symbol in SYMBOLS[market]
        for interval in ("1m", "5m")
    ]
    seen: set[Stream] = set()
    async with simulator(speed=SPEED) as exchange, dial(exchange, BUSINESS) as wire:
        await wire.say(OKX.subscribe(market, [OKX.topics(s)[0] for s in streams], 7).text)
        while seen != set(streams):
            (said,) = OKX.parse(market, msgspec.json.encode(await wire.message()), {})
            assert not isinstance(said, Unreadable | Refusal)
            if isinstance(said, Candle) and said.closed:
                assert msgspec.to_builtins(said) == await true_candle(exchange, "okx", said)
                seen.add(said.stream)


@pytest.mark.parametrize("market", MARKETS)
async def test_tickers_become_what_the_truth_says(market: Market) -> None:
    topics = [f"tickers:{symbol}" for symbol in SYMBOLS[market]]
    async with simulator(speed=SPEED) as exchange, dial(exchange, PUBLIC) as wire:
        instruments = await catalog_of(exchange, OKX, market)
        await wire.say(OKX.subscribe(market, topics, 1).text)
        seen: dict[str, int] = dict.fromkeys(SYMBOLS[market], 0)
        while min(seen.values()) < 2:
            (said,) = OKX.parse(market, msgspec.json.encode(await wire.message()), instruments)
            if isinstance(said, Ack):
                continue
            assert isinstance(said, Ticker)
            (truth,) = await exchange.truth(
                "tickers", exchange="okx", market=market, symbol=said.symbol, at=said.event_ms
            )
            assert msgspec.to_builtins(said) == truth
            seen[said.symbol] += 1


@pytest.mark.parametrize("market", MARKETS)
async def test_the_history_is_the_truth_page_by_page_with_both_ends_exact(market: Market) -> None:
    stream = Stream("okx", market, "candle", SYMBOLS[market][-1], "1m")
    async with simulator() as exchange:
        end_ms = start_of("1m", exchange.clock.now_ms()) - MINUTE_MS
        first_ms = end_ms - 700 * MINUTE_MS
        page_ms = OKX.markets[market].rest.candles_per_request * MINUTE_MS
        got: list[Candle] = []
        for start_ms in range(first_ms, end_ms, page_ms):
            request = OKX.candles_request(stream, start_ms, min(start_ms + page_ms, end_ms))
            _, body = await call(exchange, request)
            now_ms = exchange.clock.now_ms()
            got += OKX.parse_candles(stream, json.dumps(body).encode(), {}, now_ms)
        truth = await exchange.truth(
            "candles", exchange="okx", market=market, symbol=stream.symbol, interval="1m",
            from_=first_ms, to=end_ms,
        )  # fmt: skip
        assert len(truth) == 700
        assert msgspec.to_builtins(got) == truth


async def test_every_native_interval_is_served_by_socket_and_rest() -> None:
    async with simulator(speed=60) as exchange, dial(exchange, BUSINESS) as wire:
        topics = [OKX.topics(Stream("okx", "spot", "candle", "BTC-USDT", i))[0] for i in INTERVALS]
        answers = await ask(wire, "subscribe", *topics)
        assert {answer["event"] for answer in answers} == {"subscribe"}
        seen: set[str] = set()
        while seen != set(INTERVALS):
            frame = msgspec.json.encode(await wire.message())
            (said,) = OKX.parse("spot", frame, {})
            assert isinstance(said, Candle)
            seen.add(said.interval)
        now_ms = exchange.clock.now_ms()
        for interval in ("6h", "12h", "1d"):
            stream = Stream("okx", "spot", "candle", "BTC-USDT", interval)
            request = OKX.candles_request(stream, now_ms - 48 * HOUR_MS, now_ms)
            _, body = await call(exchange, request)
            candles = OKX.parse_candles(stream, json.dumps(body).encode(), {}, now_ms)
            assert [c.interval for c in candles if c.closed]
            for candle in candles:
                assert msgspec.to_builtins(candle) == await true_candle(exchange, "okx", candle)


async def test_instruments_are_told_for_all_markets_in_the_spelling_of_ccxt() -> None:
    async with simulator() as exchange:
        unified = {
            market: {i.unified: i for i in (await catalog_of(exchange, OKX, market)).values()}
            for market in MARKETS
        }
    assert {"BTC/USDT", "LUNC/BTC", "币安人生/USDT"} <= unified["spot"].keys()
    assert unified["spot"]["LUNC/BTC"].trading == "halted"
    assert {"BTC/USDT:USDT", "1000PEPE/USDT:USDT"} <= unified["linear"].keys()
    assert unified["linear"]["BTC/USDT:USDT"].contract_size == "0.001"
    assert unified["linear"]["BTC/USDT:USDT"].contract_unit == "BTC"
    assert unified["inverse"]["BTC/USD:BTC"].contract_size == "100"
    for market, pair in (("linear", "BTC/USDT:USDT-"), ("inverse", "BTC/USD:BTC-")):
        (dated,) = [i for name, i in unified[market].items() if name.startswith(pair)]
        assert dated.kind == "delivery"
        assert dated.expiry_ms > 0


# --- subscribing ----------------------------------------------------------------------------


async def test_every_argument_is_answered_by_itself() -> None:
    topics = ("candle1m:BTC-USDT", "candle1m:NO-SUCH", "candle5m:BTC-USDT-SWAP")
    async with simulator(speed=SPEED) as exchange, dial(exchange, BUSINESS) as wire:
        first, second, third = await ask(wire, "subscribe", *topics, id_="17")
        assert first["arg"] == {"channel": "candle1m", "instId": "BTC-USDT"}
        assert third["arg"] == {"channel": "candle5m", "instId": "BTC-USDT-SWAP"}
        assert OKX.parse("spot", msgspec.json.encode(first), {}) == (Ack(17, (topics[0],)),)
        (said,) = OKX.parse("spot", msgspec.json.encode(second), {})
        assert isinstance(said, Refusal)
        assert (said.request_id, said.reason, said.topics) == (17, "unsupported", (topics[1],))
        symbols = set()
        while symbols != {"BTC-USDT", "BTC-USDT-SWAP"}:
            symbols.add((await wire.until(is_push))["arg"]["instId"])


@pytest.mark.parametrize(
    ("path", "topic"),
    [
        (PUBLIC, "candle1m:BTC-USDT"),  # moved to /business
        (BUSINESS, "tickers:BTC-USDT"),
        (PUBLIC, "tickers:NO-SUCH"),
        (PUBLIC, "nonsense:BTC-USDT"),
        (BUSINESS, "candle8H:BTC-USDT"),
        (BUSINESS, "candle1h:BTC-USDT"),  # case matters
    ],
)
async def test_what_is_not_served_here_is_refused_by_name(path: str, topic: str) -> None:
    async with simulator() as exchange, dial(exchange, path) as wire:
        (answer,) = await ask(wire, "subscribe", topic)
        assert (answer["event"], answer["code"]) == ("error", "60018")
        (said,) = OKX.parse("spot", msgspec.json.encode(answer), {})
        assert isinstance(said, Refusal)
        assert said.topics == (topic,)


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("not json", "60012"),
        ([], "60012"),
        ({"op": "subscribe"}, "60012"),
        ({"op": "subscribe", "args": []}, "60012"),
        ({"op": "subscribe", "argss": [{"channel": "tickers", "instId": "BTC-USDT"}]}, "60012"),
        ({"op": "subscribe", "args": ["tickers"]}, "60012"),
        ({"op": "shout", "args": [{"channel": "tickers", "instId": "BTC-USDT"}]}, "60019"),
        ({"op": "login", "args": []}, "60009"),
    ],
)
async def test_what_is_no_request_is_an_error(message: Any, code: str) -> None:
    async with simulator() as exchange, dial(exchange, PUBLIC) as wire:
        await wire.say(message)
        answer = await wire.message()
        assert (answer["event"], answer["code"]) == ("error", code)
        assert len(answer["connId"]) == 8


async def test_an_unsubscribed_topic_is_silent() -> None:
    async with simulator(speed=SPEED) as exchange, dial(exchange, PUBLIC) as wire:
        await ask(wire, "subscribe", "tickers:BTC-USDT", id_="1")
        await wire.until(is_push)
        (answer,) = await ask(wire, "unsubscribe", "tickers:BTC-USDT", id_="2")
        assert answer["event"] == "unsubscribe"
        assert await wire.silent_for(0.8)


async def test_a_ticker_is_told_as_soon_as_it_is_subscribed() -> None:
    async with simulator() as exchange, dial(exchange, PUBLIC) as wire:
        await ask(wire, "subscribe", "tickers:QUIET-USDT")
        assert (await wire.message())["data"][0]["instId"] == "QUIET-USDT"


async def test_faults_name_symbols_of_okx() -> None:
    async with simulator(speed=SPEED) as exchange, dial(exchange, PUBLIC) as wire:
        names = {"exchange": "okx", "market": "spot"}
        await exchange.control("fault", kind="reject", symbol="ETH-USDT", **names)
        await exchange.control("fault", kind="silence", symbol="SOL-USDT", **names)
        refused, silenced = await ask(wire, "subscribe", "tickers:ETH-USDT", "tickers:SOL-USDT")
        assert (refused["code"], silenced["event"]) == ("60018", "subscribe")
        assert await wire.silent_for(0.8)


@pytest.mark.parametrize(
    ("path", "topic"), [(BUSINESS, "candle1m:BTC-USDT"), (PUBLIC, "tickers:BTC-USDT")]
)
@pytest.mark.parametrize(
    ("spoil", "kind"),
    [
        ("unknown_type", "unknown_type"),
        ("missing_field", "wrong_shape"),
        ("wrong_type", "wrong_shape"),
    ],
)
async def test_spoiled_pushes_are_named(path: str, topic: str, spoil: str, kind: str) -> None:
    async with simulator(speed=SPEED) as exchange, dial(exchange, path) as wire:
        await ask(wire, "subscribe", topic)
        await wire.until(is_push)
        await exchange.control("fault", kind="garble", spoil=spoil, where={"exchange": "okx"})
        async with asyncio.timeout(10):
            while True:
                (said,) = OKX.parse("spot", msgspec.json.encode(await wire.message()), {})
                if isinstance(said, Unreadable):
                    break
        assert said.kind == kind


# --- limits ---------------------------------------------------------------------------------


async def test_a_ping_is_a_word() -> None:
    async with simulator() as exchange, dial(exchange, BUSINESS) as wire:
        assert OKX.ping is not None
        await wire.say(OKX.ping(1))
        received = await wire.raw()
        assert OKX.parse("spot", received.data.encode(), {}) == (Pong(),)


async def test_a_socket_without_a_push_is_dropped_and_pings_keep_it() -> None:
    async with simulator() as exchange:
        await exchange.control("limits", host="ws.okx.com", idleS=1.0, firstTopicS=60)
        async with dial(exchange, BUSINESS) as pinging, dial(exchange, BUSINESS) as quiet:
            closed = asyncio.create_task(quiet.closed())
            while not closed.done():
                await pinging.say("ping")
                assert (await pinging.raw()).data == "pong"
                await asyncio.wait({closed}, timeout=0.3)
            assert closed.result().code == 4004
            await pinging.say("ping")
            assert (await pinging.raw()).data == "pong"


async def test_a_socket_without_a_subscription_is_dropped() -> None:
    async with simulator() as exchange:
        await exchange.control("limits", host="ws.okx.com", firstTopicS=0.5)
        async with dial(exchange, PUBLIC) as subscribed, dial(exchange, PUBLIC) as idle:
            await ask(subscribed, "subscribe", "tickers:BTC-USDT")
            await idle.closed()
            (answer,) = await ask(subscribed, "subscribe", "tickers:ETH-USDT", id_="2")
            assert answer["event"] == "subscribe"
            assert len(await exchange.connections()) == 1


async def test_480_requests_an_hour_whatever_their_size() -> None:
    async with simulator() as exchange:
        await exchange.control("limits", host="ws.okx.com", answerS=0, messagesPerS=10_000)
        async with dial(exchange, BUSINESS) as wire:
            for number in range(480):
                await wire.say({"id": str(number), "op": "unsubscribe", "args": [
                    {"channel": "candle1m", "instId": "BTC-USDT"},
                    {"channel": "candle3m", "instId": "BTC-USDT"},
                ]})  # fmt: skip
            answers = await wire.collect(lambda m: True, 960)
            assert {answer["event"] for answer in answers} == {"unsubscribe"}
            (answer,) = await ask(wire, "subscribe", "candle1m:BTC-USDT", id_="last")
            (said,) = OKX.parse("spot", msgspec.json.encode(answer), {})
            assert isinstance(said, Refusal)
            assert (answer["code"], said.reason) == ("60014", "rate")


async def test_channels_of_more_than_64_kb_end_the_socket() -> None:
    names = [{"channel": "candle1m", "instId": f"NOBODY{n:06}-USDT"} for n in range(1500)]
    async with simulator() as exchange, dial(exchange, BUSINESS) as wire:
        await wire.say({"id": "1", "op": "subscribe", "args": names})
        assert (await wire.closed()).code == 4009


def test_what_we_put_on_a_connection_fits_into_64_kb() -> None:
    for market, rules in OKX.markets.items():
        longest = [
            f"candle12Hutc:1000000MOGWAI-USDT-{'9' * 6}"
        ] * rules.limits.topics_per_connection
        assert len(OKX.subscribe(market, longest, 1).text) < 64 * 1024 * 0.6


async def test_three_connections_a_second() -> None:
    async with simulator() as exchange:
        for _ in range(3):
            async with dial(exchange, PUBLIC):
                pass
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            async with dial(exchange, PUBLIC):
                pass
        assert refused.value.status == 429


@pytest.mark.parametrize("path", ["/ws.okx.com/ws/v5/nowhere", "/ws.okx.com/", "/openapi.okx.com/"])
async def test_other_paths_are_not_there(path: str) -> None:
    async with simulator() as exchange:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            async with dial(exchange, path):
                pass
        assert refused.value.status == 404


async def test_an_upgrade_is_announced_on_public_only() -> None:
    async with simulator() as exchange:
        async with dial(exchange, PUBLIC) as public, dial(exchange, BUSINESS) as business:
            await ask(public, "subscribe", "tickers:QUIET-USDT")
            await public.until(is_push)
            await exchange.control("fault", kind="shutdown", after_s=0.5)
            notice = await public.until(lambda m: m.get("event") == "notice")
            (said,) = OKX.parse("spot", msgspec.json.encode(notice), {})
            assert isinstance(said, Notice)
            assert said.kind == "closing"
            assert (await business.closed()).code == 1001


# --- REST -----------------------------------------------------------------------------------


async def rows(exchange: RunningSimulator, name: str, **query: Any) -> Sequence[Any]:
    _, body, _ = await exchange.rest(REST, f"/api/v5/market/{name}", **query)
    assert body["code"] == "0", body
    return body["data"]


async def test_recent_candles_have_the_running_bar_first_and_reach_back_1440_rows() -> None:
    async with simulator() as exchange:
        query = {"instId": "BTC-USDT", "bar": "1m"}
        newest = await rows(exchange, "candles", **query)
        assert len(newest) == 100
        assert [row[-1] for row in newest[:2]] == ["0", "1"]
        assert [int(row[0]) for row in newest] == sorted((int(r[0]) for r in newest), reverse=True)
        old_ms = int(newest[0][0]) - 1500 * MINUTE_MS
        assert await rows(exchange, "candles", after=old_ms, **query) == []
        found = await rows(exchange, "history-candles", after=old_ms, limit=900, **query)
        assert len(found) == 300
        assert int(found[0][0]) == old_ms - MINUTE_MS, "after is exclusive"
        newer = await rows(exchange, "candles", before=newest[5][0], **query)
        assert [int(row[0]) for row in newer][-5:] == [int(row[0]) for row in newest[:5]]


@pytest.mark.parametrize(
    ("path", "query", "code", "reason"),
    [
        ("/market/candles", {"instId": "NO-SUCH"}, "51001", "unsupported"),
        ("/market/candles", {"instId": "BTC-USDT", "bar": "8H"}, "51000", "config"),
        ("/market/candles", {"instId": "BTC-USDT", "after": "soon"}, "51000", "config"),
        ("/market/candles", {}, "50014", "config"),
        ("/public/instruments", {"instType": "NONE"}, "51000", "config"),
        ("/nowhere", {}, "404", "config"),
    ],
)
async def test_failures_have_a_code(path: str, query: Any, code: str, reason: str) -> None:
    async with simulator() as exchange:
        status, body, headers = await exchange.rest(REST, f"/api/v5{path}", **query)
        assert body["code"] == code
        failure = OKX.rest_failure(status, headers, json.dumps(body).encode())
        assert failure is not None
        assert failure.reason == reason


async def test_an_endpoint_is_limited_by_two_seconds() -> None:
    async with simulator() as exchange:
        for _ in range(10):
            status, body, _ = await exchange.rest(REST, "/api/v5/public/time")
            assert (status, body["code"]) == (200, "0")
        status, body, _ = await exchange.rest(REST, "/api/v5/public/time")
        assert (status, body["code"]) == (429, "50011")
        status, _, _ = await exchange.rest(REST, "/api/v5/market/ticker", instId="BTC-USDT")
        assert status == 200


async def test_the_clock_and_the_tickers_of_a_market() -> None:
    async with simulator(speed=60) as exchange:
        _, body = await call(exchange, OKX.time_request("spot"))
        told_ms = OKX.parse_time("spot", json.dumps(body).encode())
        assert abs(told_ms - exchange.clock.now_ms()) < 60_000
        found = await rows(exchange, "tickers", instType="SWAP")
        names = {row["instId"] for row in found}
        assert {"BTC-USDT-SWAP", "BTC-USD-SWAP"} <= names
        assert "SRM-USDT-SWAP" not in names, "it is listed, but does not trade"
