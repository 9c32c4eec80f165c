"""Binance's REST as its sheet says: rows, paging per market, weights, errors."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from common.clocks import wall_ms
from common.exchanges.binance import BINANCE
from common.model.intervals import DAY_MS, INTERVALS, MINUTE_MS
from common.model.streams import MARKETS, Market
from tests.support.simulator import RunningSimulator, simulator

PLACES: dict[Market, tuple[str, str, str]] = {
    "spot": ("api.binance.com", "/api/v3", "BTCUSDT"),
    "linear": ("fapi.binance.com", "/fapi/v1", "BTCUSDT"),
    "inverse": ("dapi.binance.com", "/dapi/v1", "BTCUSD_PERP"),
}


async def get(exchange: RunningSimulator, market: Market, path: str, **query: Any) -> Any:
    host, prefix, _ = PLACES[market]
    status, body, _ = await exchange.rest(host, prefix + path, **query)
    assert status == 200, body
    return body


async def klines(exchange: RunningSimulator, market: Market, **query: Any) -> list[list[Any]]:
    return await get(exchange, market, "/klines", symbol=PLACES[market][2], interval="1m", **query)


@pytest.mark.parametrize("market", MARKETS)
async def test_rows_are_the_truth_and_the_last_one_is_still_running(market: Market) -> None:
    async with simulator() as exchange:
        rows = await klines(exchange, market, limit=5)
        now_ms = exchange.clock.now_ms()
        assert [row[0] for row in rows] == sorted(row[0] for row in rows)
        assert rows[-1][0] <= now_ms <= rows[-1][6] + MINUTE_MS
        assert rows[-2][6] < now_ms
        truth = await exchange.truth(
            "candles", exchange="binance", market=market, symbol=PLACES[market][2], interval="1m",
            from_=rows[0][0], to=rows[-2][0] + 1,
        )  # fmt: skip
        for row, candle in zip(rows, truth, strict=False):
            value = candle["volume"] if market == "inverse" else candle["quoteVolume"]
            size = candle.get("contracts", candle["volume"])
            assert row[:9] == [
                candle["startMs"], candle["open"], candle["high"], candle["low"], candle["close"],
                size, candle["endMs"] - 1, value, candle["trades"],
            ]  # fmt: skip
        assert len(truth) == 4


@pytest.mark.parametrize("interval", INTERVALS)
async def test_every_interval_is_served(interval: str) -> None:
    async with simulator() as exchange:
        for market in MARKETS:
            symbol = PLACES[market][2]
            rows = await get(exchange, market, "/klines", symbol=symbol, interval=interval, limit=3)
            assert rows[-1][0] <= exchange.clock.now_ms() <= rows[-1][6] + MINUTE_MS


async def test_spot_and_linear_page_forward_from_the_start_and_inverse_back_from_the_end() -> None:
    async with simulator() as exchange:
        end_ms = exchange.clock.now_ms() // MINUTE_MS * MINUTE_MS - MINUTE_MS
        start_ms = end_ms - 99 * MINUTE_MS
        for market in MARKETS:
            rows = await klines(exchange, market, startTime=start_ms, endTime=end_ms, limit=10)
            expected = start_ms if market != "inverse" else end_ms - 9 * MINUTE_MS
            assert [row[0] for row in rows] == [expected + i * MINUTE_MS for i in range(10)]
            rows = await klines(exchange, market, endTime=end_ms, limit=3)
            assert [row[0] for row in rows] == [end_ms - 2 * MINUTE_MS, end_ms - MINUTE_MS, end_ms]
        rows = await klines(exchange, "spot", startTime=start_ms, limit=2)
        assert [row[0] for row in rows] == [start_ms, start_ms + MINUTE_MS]
        # Both bounds act on the open time and are inclusive.
        rows = await klines(exchange, "linear", startTime=start_ms + 1, endTime=end_ms)
        assert (rows[0][0], rows[-1][0]) == (start_ms + MINUTE_MS, end_ms)


async def test_defaults_and_most_rows() -> None:
    async with simulator() as exchange:
        assert len(await klines(exchange, "spot")) == 500
        assert len(await klines(exchange, "spot", limit=5000)) == 1000
        assert len(await klines(exchange, "linear", limit=1500)) == 1500
        status, body, _ = await exchange.rest(
            "fapi.binance.com", "/fapi/v1/klines", symbol="BTCUSDT", interval="1m", limit=1501
        )
        assert (status, body["code"]) == (400, -1130)


async def test_nothing_is_told_from_before_the_market_opened() -> None:
    async with simulator() as exchange:
        begins_ms = (await exchange.truth("clock"))["beginsMs"]
        rows = await klines(exchange, "spot", startTime=0, limit=2)
        assert [row[0] for row in rows] == [begins_ms, begins_ms + MINUTE_MS]
        assert await klines(exchange, "spot", startTime=0, endTime=begins_ms - 1) == []


@pytest.mark.parametrize(
    ("market", "path", "query", "code"),
    [
        ("spot", "/klines", {"symbol": "NOPE", "interval": "1m"}, -1121),
        ("spot", "/klines", {"symbol": "btcusdt", "interval": "1m"}, -1100),
        ("spot", "/klines", {"interval": "1m"}, -1102),
        ("linear", "/klines", {"symbol": "BTCUSDT", "interval": "7m"}, -1120),
        ("inverse", "/klines", {"symbol": "BTCUSD_PERP", "interval": "1m", "limit": 0}, -1130),
        ("inverse", "/klines", {"symbol": "BTCUSD_PERP", "interval": "1d", "startTime": 0,
                                "endTime": 201 * DAY_MS}, -1127),
        ("spot", "/klines", {"symbol": "BTCUSDT", "interval": "1m", "startTime": "soon"}, -1100),
        ("spot", "/ticker/24hr", {"symbol": "NOPE"}, -1121),
        ("spot", "/exchangeInfo", {"symbol": "BTCUSDT", "symbolStatus": "TRADING"}, -1128),
    ],
)  # fmt: skip
async def test_errors(market: Market, path: str, query: dict[str, Any], code: int) -> None:
    async with simulator() as exchange:
        host, prefix, _ = PLACES[market]
        status, body, _ = await exchange.rest(host, prefix + path, **query)
        assert (status, body["code"]) == (400, code)


async def test_exchange_info_lists_the_halted_too_and_status_filters_them() -> None:
    async with simulator() as exchange:
        symbols = {
            s["symbol"]: s for s in (await get(exchange, "spot", "/exchangeInfo"))["symbols"]
        }
        assert symbols["LUNCBTC"]["status"] == "BREAK"
        assert symbols["BTCUSDT"]["status"] == "TRADING"
        assert "币安人生USDT" in symbols
        assert {"ocoAllowed", "permissionSets", "defaultSelfTradePreventionMode"} <= symbols[
            "BTCUSDT"
        ].keys()
        trading = await get(exchange, "spot", "/exchangeInfo", symbolStatus="TRADING")
        assert "LUNCBTC" not in {symbol["symbol"] for symbol in trading["symbols"]}
        one = await get(exchange, "spot", "/exchangeInfo", symbol="BTCUSDT")
        assert [symbol["symbol"] for symbol in one["symbols"]] == ["BTCUSDT"]


@pytest.mark.parametrize("market", MARKETS)
async def test_our_own_parser_reads_every_listing(market: Market) -> None:
    async with simulator() as exchange:
        host, prefix, symbol = PLACES[market]
        url = f"{exchange.url}/{host}{prefix}/exchangeInfo"
        async with exchange._http.get(url) as answer:
            instruments = BINANCE.parse_instruments(market, await answer.read()).instruments
        by_symbol = {instrument.symbol: instrument for instrument in instruments}
        listed = await exchange.truth("symbols", exchange="binance", market=market)
        assert {entry["symbol"] for entry in listed} == by_symbol.keys()
        unified = {"spot": "BTC/USDT", "linear": "BTC/USDT:USDT", "inverse": "BTC/USD:BTC"}
        assert by_symbol[symbol].unified == unified[market]
        if market == "inverse":
            assert by_symbol[symbol].contract_size == "100"


async def begin_of_a_minute() -> None:
    """Weights are counted by minutes of the wall: not begun so late that one ends in between."""
    left_ms = MINUTE_MS - wall_ms() % MINUTE_MS
    if left_ms < 5_000:
        await asyncio.sleep(left_ms / 1000)


async def test_weights_are_counted_per_pool_and_both_futures_share_one() -> None:
    await begin_of_a_minute()
    async with simulator() as exchange:

        async def used(market: Market, path: str, **query: Any) -> int:
            host, prefix, _ = PLACES[market]
            _, _, headers = await exchange.rest(host, prefix + path, **query)
            return int(headers["X-MBX-USED-WEIGHT-1M"])

        before = await used("linear", "/time")
        assert await used("inverse", "/time") == before + 1
        assert await used("spot", "/time") == 1
        assert await used("spot", "/exchangeInfo") == 21
        assert await used("spot", "/klines", symbol="BTCUSDT", interval="1m") == 23
        assert await used("linear", "/klines", symbol="BTCUSDT", interval="1m") == before + 1 + 5
        assert await used("inverse", "/ticker/24hr") == before + 1 + 5 + 40


async def test_over_the_weight_is_429_and_going_on_is_418() -> None:
    await begin_of_a_minute()
    async with simulator() as exchange:
        await exchange.control("limits", pool="binance-spot", weightPerMinute=20)
        status, body, headers = await exchange.rest("api.binance.com", "/api/v3/exchangeInfo")
        assert status == 200
        status, body, headers = await exchange.rest("api.binance.com", "/api/v3/time")
        assert (status, body["code"]) == (429, -1003)
        assert 0 < int(headers["Retry-After"]) <= 60
        for _ in range(10):
            status, body, headers = await exchange.rest("api.binance.com", "/api/v3/time")
        assert status == 418
        assert int(headers["Retry-After"]) > 60
        # The other pool is another matter.
        assert (await exchange.rest("fapi.binance.com", "/fapi/v1/time"))[0] == 200
        await exchange.control("heal")
        assert (await exchange.rest("api.binance.com", "/api/v3/time"))[0] == 200


async def test_tickers_agree_with_the_truth() -> None:
    async with simulator() as exchange:
        rows = await get(exchange, "inverse", "/ticker/24hr", symbol="BTCUSD_PERP")
        assert isinstance(rows, list), "COIN-M always answers a list"
        row = await get(exchange, "spot", "/ticker/24hr", symbol="BTCUSDT")
        (truth,) = await exchange.truth(
            "tickers", exchange="binance", market="spot", symbol="BTCUSDT", at=row["closeTime"]
        )
        assert (row["lastPrice"], row["volume"], row["quoteVolume"], row["bidPrice"]) == (
            truth["last"], truth["volume"], truth["quoteVolume"], truth["bid"],
        )  # fmt: skip
        everyone = await get(exchange, "spot", "/ticker/24hr", symbols='["BTCUSDT","ETHUSDT"]')
        assert [row["symbol"] for row in everyone] == ["BTCUSDT", "ETHUSDT"]
        for market in MARKETS:
            prices = await get(exchange, market, "/ticker/price")
            books = await get(exchange, market, "/ticker/bookTicker")
            assert {row["symbol"] for row in prices} == {row["symbol"] for row in books}


async def test_time_is_market_time_and_ping_answers() -> None:
    async with simulator(speed=100) as exchange:
        for market in MARKETS:
            told = (await get(exchange, market, "/time"))["serverTime"]
            assert 0 <= exchange.clock.now_ms() - told < 60_000
            assert await get(exchange, market, "/ping") == {}


async def test_what_is_not_there_is_404() -> None:
    async with simulator() as exchange:
        assert (await exchange.rest("api.binance.com", "/api/v1/klines"))[0] == 404
        assert (await exchange.rest("api.binance.com", "/fapi/v1/time"))[0] == 404
        assert (await exchange.rest("elsewhere.example.com", "/api/v3/time"))[0] == 404
