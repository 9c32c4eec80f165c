"""Binance's WebSocket as its sheet says: paths, requests, routes, limits."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import aiohttp
import pytest

from tests.simulator.wire import INVERSE, LINEAR, SPOT, bar_of, dial, is_kline, is_reply
from tests.support.simulator import simulator

# Four minutes of the market a second: something closes all the time.
SPEED = 240


@pytest.mark.parametrize(
    ("path", "topic", "combined"),
    [
        (f"{SPOT}/ws/btcusdt@kline_1m", None, False),
        (f"{SPOT}/ws/ethusdt@kline_1m/btcusdt@kline_1m", None, False),
        (f"{SPOT}/ws", "btcusdt@kline_1m", False),
        (f"{SPOT}/ws/0", "btcusdt@kline_1m", False),
        (f"{SPOT}/stream", "btcusdt@kline_1m", True),
        (f"{SPOT}/stream?streams=btcusdt@kline_1m/ethusdt@kline_1m", None, True),
        (f"{LINEAR}/market/ws/btcusdt@kline_1m", None, False),
        (f"{LINEAR}/market/ws", "btcusdt@kline_1m", False),
        (f"{LINEAR}/market/stream?streams=btcusdt@kline_1m", None, True),
        (f"{LINEAR}/market/stream", "btcusdt@kline_1m", True),
        (f"{INVERSE}/ws/btcusd_perp@kline_1m", None, False),
        (f"{INVERSE}/stream", "btcusd_perp@kline_1m", True),
    ],
)
async def test_every_path_form_delivers(path: str, topic: str | None, combined: bool) -> None:
    async with simulator(speed=SPEED) as exchange, dial(exchange, path) as wire:
        if topic is not None:
            assert await wire.ask("SUBSCRIBE", topic) == {"result": None, "id": 1}
        message = await wire.until(lambda m: is_kline(m) and bar_of(m)["s"].startswith("BTC"))
        assert ("stream" in message) is combined
        if combined:
            assert message["stream"].endswith("@kline_1m")


async def test_what_clients_did_is_counted_beyond_the_life_of_their_sockets() -> None:
    async with simulator() as exchange:
        async with dial(exchange, f"{SPOT}/ws") as wire:
            await wire.ask("SUBSCRIBE", "btcusdt@kline_1m", "ethusdt@kline_1m")
            await wire.ask("UNSUBSCRIBE", "btcusdt@kline_1m")
        counts = await exchange.counts()
        assert counts == {"binance": {"sockets": 1, "subscribed": 2, "unsubscribed": 1}}


async def test_the_host_header_is_enough_without_a_prefix() -> None:
    async with (
        simulator(speed=SPEED) as exchange,
        dial(exchange, "/ws/btcusdt@kline_1m", Host="stream.binance.com:9443") as wire,
    ):
        assert is_kline(await wire.message())


@pytest.mark.parametrize(
    "path", ["/nobody.example.com/ws", f"{SPOT}/elsewhere", f"{INVERSE}/market/ws"]
)
async def test_an_unknown_host_or_path_is_refused(path: str) -> None:
    async with simulator() as exchange:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            async with dial(exchange, path):
                pass
        assert refused.value.status == 404


@pytest.mark.parametrize(
    ("path", "topic", "speaks"),
    [
        (f"{LINEAR}/market/ws", "btcusdt@kline_1m", True),
        (f"{LINEAR}/market/ws", "!ticker@arr", True),
        (f"{LINEAR}/market/ws", "btcusdt@aggTrade", True),
        (f"{LINEAR}/public/ws", "btcusdt@bookTicker", True),
        (f"{LINEAR}/ws", "btcusdt@bookTicker", True),
        (f"{LINEAR}/ws", "btcusdt@kline_1m", False),
        (f"{LINEAR}/stream", "!ticker@arr", False),
        (f"{LINEAR}/public/stream", "btcusdt@kline_1m", False),
        (f"{LINEAR}/private/ws", "btcusdt@ticker", False),
        (f"{LINEAR}/market/ws", "btcusdt@bookTicker", False),
        (f"{SPOT}/ws", "!ticker@arr", False),  # retired 2026-03-26
        (f"{SPOT}/ws", "nothere@kline_1m", False),
        (f"{SPOT}/ws", "BTCUSDT@kline_1m", False),  # names are lower case
        (f"{SPOT}/ws", "btcusdt@kline_7m", False),
        (f"{SPOT}/ws", "luncbtc@kline_1m", False),  # listed, not trading
        (f"{SPOT}/ws", "!miniTicker@arr", True),
    ],
)
async def test_what_is_acked_may_still_be_silent(path: str, topic: str, speaks: bool) -> None:
    async with simulator(speed=SPEED) as exchange, dial(exchange, path) as wire:
        assert await wire.ask("SUBSCRIBE", topic) == {"result": None, "id": 1}
        assert await wire.silent_for(8.0 if speaks else 0.8) is not speaks


async def test_closed_bars_come_once_each_in_order_and_as_the_truth_has_them() -> None:
    """Four minutes a second: several intervals end at once, and some minutes have no trade."""
    topics = [f"quietusdt@kline_{interval}" for interval in ("1m", "3m", "5m")]
    async with (
        simulator(speed=SPEED) as exchange,
        dial(exchange, f"{SPOT}/stream?streams={'/'.join(topics)}/btcusdt@kline_1m") as wire,
    ):
        frames = await wire.collect(lambda m: is_kline(m, closed=True), 18)
        flat = 0
        for symbol, interval in [("QUIETUSDT", "1m"), ("QUIETUSDT", "3m"), ("QUIETUSDT", "5m"),
                                 ("BTCUSDT", "1m")]:  # fmt: skip
            bars = [
                bar_of(m) for m in frames if (bar_of(m)["s"], bar_of(m)["i"]) == (symbol, interval)
            ]
            assert bars
            truth = await exchange.truth(
                "candles", exchange="binance", market="spot", symbol=symbol, interval=interval,
                from_=bars[0]["t"], to=bars[-1]["t"] + 1,
            )  # fmt: skip
            letters = {"t": "startMs", "o": "open", "h": "high", "l": "low", "c": "close",
                       "v": "volume", "q": "quoteVolume", "n": "trades"}  # fmt: skip
            assert [{a: bar[a] for a in letters} for bar in bars] == [
                {a: candle[b] for a, b in letters.items()} for candle in truth
            ]
            flat += sum(bar["n"] == 0 for bar in bars)
        assert flat, "one of these minutes should have been without a trade"


async def test_a_close_is_never_sent_before_its_end_and_open_bars_only_when_changed() -> None:
    async with (
        simulator(speed=SPEED) as exchange,
        dial(exchange, f"{LINEAR}/market/ws/quietusdt@kline_1m/btcusdt@kline_1m") as wire,
    ):
        last: dict[str, object] = {}
        for _ in range(25):
            event = await wire.until(is_kline)
            bar = event["k"]
            assert (event["E"] > bar["T"]) is bar["x"]
            if not bar["x"]:
                assert bar["n"] > 0
                assert last.get(bar["s"]) != bar
            last[bar["s"]] = bar


async def test_futures_arrays_mix_both_futures_markets() -> None:
    async with simulator(speed=SPEED) as exchange:
        for path in (f"{LINEAR}/market/stream", f"{INVERSE}/stream"):
            async with dial(exchange, f"{path}?streams=!ticker@arr") as wire:
                by_symbol: dict[str, dict[str, object]] = {}
                while not {"BTCUSD_PERP", "BTCUSDT"} <= by_symbol.keys():
                    by_symbol |= {row["s"]: row for row in (await wire.message())["data"]}
                assert by_symbol["BTCUSD_PERP"]["st"] == 2
                assert by_symbol["BTCUSD_PERP"]["ps"] == "BTCUSD"
                assert by_symbol["BTCUSDT"]["st"] == 1
                assert "b" not in by_symbol["BTCUSDT"]


async def test_tickers_are_the_truth_as_of_their_own_time() -> None:
    async with (
        simulator(speed=SPEED) as exchange,
        dial(exchange, f"{SPOT}/stream?streams=!miniTicker@arr/btcusdt@ticker") as wire,
    ):
        rows = (await wire.until(lambda m: m["stream"] == "!miniTicker@arr"))["data"]
        rows.append((await wire.until(lambda m: m["stream"] == "btcusdt@ticker"))["data"])
        for row in rows:
            (truth,) = await exchange.truth(
                "tickers", exchange="binance", market="spot", symbol=row["s"], at=row["E"]
            )
            letters = {"c": "last", "o": "open", "h": "high", "l": "low", "v": "volume",
                       "q": "quoteVolume", "b": "bid", "B": "bidSize", "a": "ask", "A": "askSize"}  # fmt: skip
            assert {a: row[a] for a in letters if a in row} == {
                a: truth[b] for a, b in letters.items() if a in row
            }


async def test_subscriptions_are_listed_and_undone() -> None:
    async with simulator(speed=SPEED) as exchange, dial(exchange, f"{SPOT}/ws") as wire:
        topics = ["btcusdt@kline_1m", "币安人生usdt@kline_1m"]
        assert await wire.ask("SUBSCRIBE", *topics, id_="a") == {"result": None, "id": "a"}
        assert await wire.ask("LIST_SUBSCRIPTIONS", id_=2) == {"result": topics, "id": 2}
        assert await wire.ask("UNSUBSCRIBE", *topics, id_=None) == {"result": None, "id": None}
        assert await wire.ask("LIST_SUBSCRIPTIONS", id_=3) == {"result": [], "id": 3}
        assert await wire.silent_for(0.8)


async def test_a_property_changes_raw_into_combined() -> None:
    async with simulator(speed=SPEED) as exchange, dial(exchange, f"{SPOT}/ws") as wire:
        assert (await wire.ask("GET_PROPERTY", "combined"))["result"] is False
        assert await wire.ask("SET_PROPERTY", "combined", True, id_=2) == {"result": None, "id": 2}
        await wire.ask("SUBSCRIBE", "btcusdt@kline_1m", id_=3)
        assert (await wire.until(lambda m: not is_reply(m)))["stream"] == "btcusdt@kline_1m"


@pytest.mark.parametrize(
    ("path", "message", "error", "request_id"),
    [
        ("/ws", "not json", {"code": 3, "msg": "Invalid JSON: expected value at line 1 column 1"}, None),
        ("/ws", {"method": "SUBSCRIBE", "params": ["nonsense"], "id": 1},
         {"code": 2, "msg": "Invalid request: invalid stream"}, 1),
        ("/ws", {"method": "SET_PROPERTY", "params": ["combined", "yes"], "id": 4},
         {"code": 1, "msg": "Invalid value type: expected Boolean"}, 4),
        ("/ws", {"method": "SET_PROPERTY", "params": ["colour", True], "id": 4},
         {"code": 0, "msg": "Unknown property"}, 4),
    ],
)  # fmt: skip
async def test_errors_are_worded_as_on_the_wire(
    path: str, message: object, error: object, request_id: object
) -> None:
    async with simulator() as exchange, dial(exchange, f"{SPOT}{path}") as wire:
        await wire.say(message)
        assert await wire.message() == {"error": error, "id": request_id}


async def test_futures_want_unsigned_integers_for_ids() -> None:
    async with simulator() as exchange, dial(exchange, f"{LINEAR}/market/ws") as wire:
        await wire.say({"method": "LIST_SUBSCRIPTIONS", "id": "one"})
        assert "unsigned integer" in (await wire.message())["error"]["msg"]


async def test_unknown_methods_and_missing_ones_are_errors() -> None:
    async with simulator() as exchange, dial(exchange, f"{SPOT}/ws") as wire:
        await wire.say({"method": "SHOUT", "id": 1})
        assert "unknown variant" in (await wire.message())["error"]["msg"]
        await wire.say({"id": 2})
        assert "missing field `method`" in (await wire.message())["error"]["msg"]


async def test_more_streams_than_allowed_are_refused() -> None:
    async with simulator() as exchange, dial(exchange, f"{SPOT}/ws") as wire:
        names = [f"nobody{number}@trade" for number in range(1024)]
        assert "result" in await wire.ask("SUBSCRIBE", *names)
        assert "too many" in (await wire.ask("SUBSCRIBE", "btcusdt@trade", id_=2))["error"]["msg"]


@pytest.mark.parametrize("payload", [b"", b"are you there"])
async def test_a_ping_of_the_client_is_answered(payload: bytes) -> None:
    async with simulator() as exchange, aiohttp.ClientSession() as session:
        async with session.ws_connect(f"{exchange.ws_url}{SPOT}/ws", autoping=False) as socket:
            await socket.ping(payload)
            answer = await socket.receive(timeout=5)
            assert (answer.type, bytes(answer.data)) == (aiohttp.WSMsgType.PONG, payload)


@pytest.mark.parametrize(("path", "limit"), [(f"{SPOT}/ws", 5), (f"{LINEAR}/market/ws", 10)])
async def test_too_many_messages_a_second_end_the_socket(path: str, limit: int) -> None:
    async with simulator() as exchange, dial(exchange, path) as wire:
        for number in range(limit):
            await wire.ask("LIST_SUBSCRIPTIONS", id_=number)
        # Pings count as well.
        await wire.socket.ping(b"one too many")
        closed = await wire.closed()
        assert closed.code == 1008


async def test_the_server_pings_and_wants_its_pong() -> None:
    async with simulator() as exchange:
        await exchange.control("limits", host="stream.binance.com", pingEveryS=0.1, pongWithinS=0.4)
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(f"{exchange.ws_url}{SPOT}/ws", autoping=False) as socket,
        ):
            ping = await socket.receive(5)
            assert ping.type is aiohttp.WSMsgType.PING
            assert ping.data.isdigit()
            await socket.pong(b"")  # one that was not asked for does not count
            async with asyncio.timeout(5):
                while not socket.closed:
                    await socket.receive()
            assert socket.close_code == 1008


async def test_answered_pings_keep_it_alive_until_its_lifetime() -> None:
    async with simulator() as exchange:
        await exchange.control(
            "limits", host="*", pingEveryS=0.05, pongWithinS=0.3, lifetimeS=1.0, messagesPerS=100
        )
        async with dial(exchange, f"{SPOT}/ws") as wire:
            loop = asyncio.get_running_loop()
            began = loop.time()
            closed = await wire.closed()
            assert closed.code == 1001
            assert 0.9 < loop.time() - began < 2.5


async def test_handshakes_are_counted_per_address() -> None:
    async with simulator() as exchange:
        await exchange.control("limits", handshakes=3)
        for _ in range(3):
            async with dial(exchange, f"{SPOT}/ws"):
                pass
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            async with dial(exchange, f"{SPOT}/ws"):
                pass
        assert refused.value.status == 429
        assert int(refused.value.headers["Retry-After"]) > 200
        await exchange.control("heal")
        async with dial(exchange, f"{SPOT}/ws"):
            pass


async def test_continuous_klines_name_pair_and_contract_type() -> None:
    path = f"{LINEAR}/market/ws/btcusdt_perpetual@continuousKline_1m"
    async with simulator(speed=SPEED) as exchange, dial(exchange, path) as wire:
        event = await wire.until(lambda m: m.get("e") == "continuous_kline")
        assert (event["ps"], event["ct"], event["k"]["i"]) == ("BTCUSDT", "PERPETUAL", "1m")


async def test_trades_add_up_to_the_candle() -> None:
    path = f"{SPOT}/stream?streams=bnbbtc@kline_1m/bnbbtc@trade"
    async with simulator(speed=SPEED) as exchange, dial(exchange, path) as wire:
        # The first bar was under way when we came; the second one we saw whole.
        bar = bar_of((await wire.collect(lambda m: is_kline(m, closed=True), 1))[0])
        first_ms, last_ms = bar["T"] + 1, bar["T"] + 60_000
        trades, closed = [], None
        while closed is None or not trades or trades[-1]["T"] <= last_ms:
            event = (await wire.message())["data"]
            if event["e"] == "trade" and event["T"] >= first_ms:
                trades.append(event)
            elif event["e"] == "kline" and event["k"]["x"] and event["k"]["t"] == first_ms:
                closed = event["k"]
        inside = [trade for trade in trades if trade["T"] <= last_ms]
        assert len(inside) == closed["n"]
        assert Decimal(closed["v"]) == sum(Decimal(trade["q"]) for trade in inside)
        if inside:
            assert (inside[0]["p"], inside[-1]["p"]) == (closed["o"], closed["c"])
