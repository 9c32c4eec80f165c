"""Faults on demand: each happens where it was asked for, and nowhere else."""

from __future__ import annotations

import asyncio
import json
from itertools import pairwise
from typing import Any

import aiohttp
import pytest

from tests.simulator.wire import LINEAR, SPOT, bar_of, dial, is_kline
from tests.support.simulator import RunningSimulator, simulator

# Four minutes of the market a second: something closes all the time.
SPEED = 240
CANDLES = f"{SPOT}/stream?streams=btcusdt@kline_1m"
SPOT_HOST = {"host": "stream.binance.com"}


async def refused(exchange: RunningSimulator, path: str = f"{SPOT}/ws") -> Any:
    """The handshake's error, or None if it was accepted."""
    try:
        async with dial(exchange, path):
            return None
    except aiohttp.WSServerHandshakeError as error:
        return error


async def test_a_cut_is_without_a_word_and_hits_only_where_it_was_meant() -> None:
    async with (
        simulator(speed=SPEED) as exchange,
        dial(exchange, CANDLES) as spot,
        dial(exchange, f"{LINEAR}/market/ws/btcusdt@kline_1m") as linear,
    ):
        (one, two) = await exchange.sockets(2)
        assert (one["market"], two["market"]) == ("spot", "linear")
        answer = await exchange.control("fault", kind="cut", where={"market": "spot"})
        assert answer == {"hit": [one["id"]]}
        assert (await spot.closed()).code == 1006
        assert is_kline(await linear.message())
        assert [c["id"] for c in await exchange.sockets(1)] == [two["id"]]


async def test_a_close_has_its_code_and_reason() -> None:
    async with simulator() as exchange, dial(exchange, f"{SPOT}/ws") as wire:
        (one,) = await exchange.sockets(1)
        where = {"connection": one["id"]}
        await exchange.control("fault", kind="close", code=1008, reason="bye", where=where)
        closed = await wire.closed()
        assert closed.code == 1008


async def test_a_frozen_socket_takes_everything_and_says_nothing() -> None:
    async with simulator(speed=SPEED) as exchange, dial(exchange, CANDLES) as wire:
        assert is_kline(await wire.message())
        await exchange.control("fault", kind="freeze", where=SPOT_HOST)
        while not await wire.silent_for(0.6):
            pass  # what had already left
        await wire.socket.ping()
        await wire.say({"method": "LIST_SUBSCRIPTIONS", "id": 1})
        assert await wire.silent_for(0.8)
        (one,) = await exchange.connections()
        assert one["frozen"] is True
        await exchange.control("heal")
        assert is_kline(await wire.message())


async def test_a_refusal_holds_so_many_times() -> None:
    async with simulator() as exchange:
        await exchange.control(
            "fault", kind="refuse", status=429, times=2, retry_after_s=7, where=SPOT_HOST
        )
        for _ in range(2):
            error = await refused(exchange)
            assert (error.status, error.headers["Retry-After"]) == (429, "7")
        assert await refused(exchange) is None


async def test_a_refusal_holds_so_long_and_elsewhere_nothing_is_refused() -> None:
    async with simulator() as exchange:
        await exchange.control("fault", kind="refuse", status=403, for_s=0.5, where=SPOT_HOST)
        assert (await refused(exchange)).status == 403
        assert await refused(exchange, f"{LINEAR}/market/ws") is None
        assert (await exchange.rest("api.binance.com", "/api/v3/time"))[0] == 200
        async with asyncio.timeout(5):
            while await refused(exchange) is not None:  # noqa: ASYNC110 - a condition, no event
                await asyncio.sleep(0.05)


async def test_a_refusal_may_be_for_one_path_and_for_requests() -> None:
    async with simulator() as exchange:
        await exchange.control(
            "fault", kind="refuse", status=503, on="rest", where={"path": "*/klines"}
        )
        query = {"symbol": "BTCUSDT", "interval": "1m"}
        status, body, _ = await exchange.rest("api.binance.com", "/api/v3/klines", **query)
        assert (status, body["code"]) == (503, -1000)  # a failure, not a limit
        assert (await exchange.rest("api.binance.com", "/api/v3/time"))[0] == 200


async def test_a_ban_is_418_for_sockets_and_requests_alike() -> None:
    async with simulator() as exchange:
        await exchange.control("fault", kind="ban", for_s=60, where={"market": "spot"})
        error = await refused(exchange)
        assert (error.status, error.headers["Retry-After"]) == (418, "61")
        status, body, headers = await exchange.rest("api.binance.com", "/api/v3/time")
        assert (status, body["code"], headers["Retry-After"]) == (418, -1003, "61")
        assert (await exchange.rest("fapi.binance.com", "/fapi/v1/time"))[0] == 200


async def test_delayed_frames_come_later_and_in_order() -> None:
    async with simulator(speed=SPEED) as exchange, dial(exchange, f"{SPOT}/ws") as wire:
        await exchange.control("fault", kind="delay", ms=700, where=SPOT_HOST)
        loop = asyncio.get_running_loop()
        began = loop.time()
        assert await wire.ask("LIST_SUBSCRIPTIONS") == {"result": [], "id": 1}
        assert loop.time() - began >= 0.7


async def test_duplicates_are_exact() -> None:
    async with simulator(speed=SPEED) as exchange, dial(exchange, CANDLES) as wire:
        await exchange.control("fault", kind="duplicate", frames=2, where=SPOT_HOST)
        texts = [(await wire.raw()).data for _ in range(6)]
        repeated = sum(first == second for first, second in pairwise(texts))
        assert repeated == 2


async def test_reordered_frames_are_all_there() -> None:
    async with simulator(speed=SPEED) as exchange:
        path = f"{SPOT}/ws/btcusdt@trade"
        async with dial(exchange, path) as wire:
            await exchange.control("fault", kind="reorder", frames=4, where=SPOT_HOST)
            ids = [(await wire.message())["t"] for _ in range(40)]
        swaps = sum(first > second for first, second in pairwise(ids))
        assert swaps == 2
        trades = sorted(ids)
        assert len(set(trades)) == len(trades)


@pytest.mark.parametrize(
    ("spoil", "check"),
    [
        ("not_json", lambda text: not text.startswith("{")),
        ("truncated", lambda text: text.startswith('{"stream"') and not text.endswith("}")),
        ("unknown_type", lambda text: json.loads(text)["data"]["e"] == "somethingNew"),
        ("missing_field", lambda text: "c" not in bar_of(json.loads(text))),
        ("wrong_type", lambda text: bar_of(json.loads(text))["t"] == "soon"),
        ("huge", lambda text: len(text) > 20_000_000),
    ],
)
async def test_garbled_frames_are_spoiled_as_asked_and_the_good_one_may_follow(
    spoil: str, check: Any
) -> None:
    async with simulator(speed=SPEED) as exchange, dial(exchange, CANDLES) as wire:
        assert is_kline(await wire.message())
        await exchange.control(
            "fault", kind="garble", spoil=spoil, frames=1, insert=True, where=SPOT_HOST
        )
        async with asyncio.timeout(20):
            while not check(text := (await wire.raw()).data):
                assert is_kline(json.loads(text))
        assert is_kline(await wire.message())


async def test_a_binary_frame_is_binary() -> None:
    async with simulator(speed=SPEED) as exchange, dial(exchange, CANDLES) as wire:
        await exchange.control("fault", kind="garble", spoil="binary", where=SPOT_HOST)
        kinds = set()
        async with asyncio.timeout(10):
            while aiohttp.WSMsgType.BINARY not in kinds:
                kinds.add((await wire.raw()).type)
        assert kinds <= {aiohttp.WSMsgType.BINARY, aiohttp.WSMsgType.TEXT}


async def test_a_rejected_symbol_is_refused_and_the_others_are_not() -> None:
    async with simulator(speed=SPEED) as exchange, dial(exchange, f"{SPOT}/ws") as wire:
        await exchange.control(
            "fault", kind="reject", exchange="binance", market="spot", symbol="ETHUSDT"
        )
        answer = await wire.ask("SUBSCRIBE", "btcusdt@kline_1m", "ethusdt@kline_1m")
        assert answer["error"]["code"] == -1121
        assert (await wire.ask("LIST_SUBSCRIPTIONS", id_=2))["result"] == []
        assert "result" in await wire.ask("SUBSCRIBE", "btcusdt@kline_1m", id_=3)


async def test_one_rule_may_be_lifted_alone() -> None:
    async with simulator(speed=SPEED) as exchange, dial(exchange, f"{SPOT}/ws") as wire:
        rules = [
            {"kind": "reject", "exchange": "binance", "market": "spot", "symbol": symbol}
            for symbol in ("BTCUSDT", "ETHUSDT")
        ]
        for rule in rules:
            await exchange.control("fault", **rule)
        await exchange.control("heal", **rules[0])
        assert "result" in await wire.ask("SUBSCRIBE", "btcusdt@kline_1m")
        assert (await wire.ask("SUBSCRIBE", "ethusdt@kline_1m", id_=2))["error"]["code"] == -1121


async def test_a_silenced_symbol_is_acked_and_never_speaks() -> None:
    path = f"{SPOT}/stream?streams=btcusdt@kline_1m/ethusdt@kline_1m/!miniTicker@arr"
    async with simulator(speed=SPEED) as exchange:
        await exchange.control(
            "fault", kind="silence", exchange="binance", market="spot", symbol="BTCUSDT"
        )
        async with dial(exchange, path) as wire:
            for _ in range(12):
                message = await wire.message()
                assert "BTCUSDT" not in json.dumps(message)


async def test_a_shutdown_is_announced_and_then_happens() -> None:
    async with (
        simulator() as exchange,
        dial(exchange, f"{SPOT}/stream") as combined,
        dial(exchange, f"{SPOT}/ws") as raw,
    ):
        await exchange.sockets(2)
        await exchange.control("fault", kind="shutdown", after_s=0.5, where=SPOT_HOST)
        message = await combined.message()
        assert message["stream"] == "!serverShutdown"
        assert message["data"]["e"] == "serverShutdown"
        assert (await raw.message())["e"] == "serverShutdown"
        assert (await combined.closed()).code == 1001
        assert (await raw.closed()).code == 1001


async def test_a_fault_for_new_sockets_hits_those_that_come_later_until_healed() -> None:
    async with simulator(speed=SPEED) as exchange:
        await exchange.control("fault", kind="freeze", new=True, where=SPOT_HOST)
        async with dial(exchange, CANDLES) as wire:
            assert await wire.silent_for(0.8)
        await exchange.control("heal")
        async with dial(exchange, CANDLES) as wire:
            assert is_kline(await wire.message())


async def test_a_listed_symbol_can_be_subscribed_and_a_halted_or_delisted_one_falls_silent() -> (
    None
):
    async with simulator(speed=SPEED) as exchange, dial(exchange, f"{SPOT}/stream") as wire:
        place = {"exchange": "binance", "market": "spot"}
        answer = await exchange.control("symbol", action="list", base="NEW", quote="USDT", **place)
        assert answer == {"symbol": "NEWUSDT"}
        assert "result" in await wire.ask("SUBSCRIBE", "newusdt@kline_1m", "ethusdt@kline_1m")
        first = await wire.until(lambda m: is_kline(m, closed=True) and bar_of(m)["s"] == "NEWUSDT")
        (truth,) = await exchange.truth(
            "candles", symbol="NEWUSDT", interval="1m", from_=bar_of(first)["t"],
            to=bar_of(first)["t"] + 1, **place,
        )  # fmt: skip
        assert truth["volume"] == bar_of(first)["v"]
        await exchange.control("symbol", action="delist", symbol="NEWUSDT", **place)
        await exchange.control("symbol", action="halt", symbol="ETHUSDT", **place)
        status, body, _ = await exchange.rest("api.binance.com", "/api/v3/exchangeInfo")
        statuses = {symbol["symbol"]: symbol["status"] for symbol in body["symbols"]}
        assert status == 200
        assert "NEWUSDT" not in statuses
        assert statuses["ETHUSDT"] == "BREAK"
        # The bar in which it stopped still closes; then there are no more.
        last = await wire.until(lambda m: is_kline(m, closed=True) and bar_of(m)["s"] == "ETHUSDT")
        assert bar_of(last)["x"]
        while not await wire.silent_for(1.0):
            pass


@pytest.mark.parametrize(
    ("what", "body", "why"),
    [
        ("fault", {"kind": "explode"}, "Invalid value 'explode'"),
        ("fault", {"kind": "cut", "where": {"planet": "mars"}}, "planet"),
        ("fault", {"kind": "delay"}, "missing required field `ms`"),
        ("fault", {"kind": "close", "code": 1}, "code"),
        ("fault", {"kind": "shutdown", "new": True}, "open sockets only"),
        ("limits", {"host": "nobody.example.com", "lifetimeS": 1}, "nobody.example.com"),
        ("limits", {"weightPerMinute": 5}, "go together"),
        ("symbol", {"action": "delist", "exchange": "binance", "market": "spot",
                    "symbol": "NOPE"}, "NOPE"),
        ("symbol", {"action": "list", "exchange": "binance", "market": "spot", "base": "BTC",
                    "quote": "USDT"}, "listed already"),
        ("symbol", {"action": "list", "exchange": "mtgox", "market": "spot", "base": "BTC",
                    "quote": "USDT"}, "mtgox"),
        ("replay/start", {}, "no recording"),
        ("nothing", {}, "GET /control"),
    ],
)  # fmt: skip
async def test_a_request_that_makes_no_sense_is_told_why(
    what: str, body: dict[str, Any], why: str
) -> None:
    async with simulator() as exchange:
        with pytest.raises(AssertionError, match=r"error") as told:
            await exchange.control(what, **body)
        assert why in str(told.value)


async def test_control_describes_itself() -> None:
    async with simulator() as exchange, exchange._http.get(f"{exchange.url}/control") as answer:
        described = await answer.json()
        text = "\n".join(described["help"])
        for kind in ("cut", "freeze", "garble", "refuse", "silence", "shutdown"):
            assert kind in text
        assert {"Cut", "Garble", "Limits"} <= described["schemas"].keys()
