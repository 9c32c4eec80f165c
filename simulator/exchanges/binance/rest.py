"""Binance's public REST: paging per market, weights per pool, errors as on the wire."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from common.model.events import Candle
from common.model.intervals import DAY_MS, INTERVALS, end_of, start_of
from common.model.streams import Market
from simulator.exchanges.binance import frames
from simulator.exchanges.binance.info import exchange_info
from simulator.exchanges.binance.names import (
    POOLS,
    REST_HOSTS,
    pair_of,
    price,
    size,
    symbol_of,
    value,
)
from simulator.exchanges.binance.topics import find
from simulator.exchanges.protocol import HttpAnswer, HttpCall, json_answer
from simulator.listing import Listed
from simulator.world import World

_PREFIX: Mapping[Market, str] = {"spot": "/api/v3", "linear": "/fapi/v1", "inverse": "/dapi/v1"}
_MOST_ROWS: Mapping[Market, int] = {"spot": 1000, "linear": 1500, "inverse": 1500}
_INVERSE_SPAN_MS = 200 * DAY_MS
_SYMBOL = re.compile(r"^[^\sa-z]{1,50}$")

_Answer = tuple[int, Callable[[], object]]


class Refused(Exception):  # noqa: N818 - an answer, not a failure of ours
    """An error as the exchange words it."""

    def __init__(self, code: int, message: str, status: int = 400) -> None:
        super().__init__(code, message)
        self.code, self.message, self.status = code, message, status


def answer(world: World, call: HttpCall) -> HttpAnswer:
    """One call: charged first, then carried out."""
    market = REST_HOSTS.get(call.host)
    prefix = _PREFIX.get(market, "") if market else ""
    name = call.path.removeprefix(prefix)
    route = _ROUTES.get(name) if call.path.startswith(prefix) and market else None
    if market is None or route is None or call.method not in ("GET", "HEAD"):
        message = f"Path {call.path}, Method {call.method} is invalid"
        return json_answer({"code": -5000, "msg": message}, 404)
    pool, limit = POOLS[market]
    limit = world.weight_limits.get(pool, limit)
    weight, carry_out = route(world, market, call.query)
    status, used, wait_s = world.meters.weights(pool).charge(call.address, weight, limit)
    headers = {"X-MBX-USED-WEIGHT": str(used), "X-MBX-USED-WEIGHT-1M": str(used)}
    if status != 200:
        message = f"Too many requests; current limit is {limit} request weight per 1 MINUTE."
        headers["Retry-After"] = str(wait_s)
        return json_answer({"code": -1003, "msg": message}, status, **headers)
    try:
        return json_answer(carry_out(), 200, **headers)
    except Refused as refused:
        body = {"code": refused.code, "msg": refused.message}
        return json_answer(body, refused.status, **headers)


# --- parameters -----------------------------------------------------------------------------


def _listed(world: World, market: Market, query: Mapping[str, str]) -> Listed:
    symbol = query.get("symbol", "")
    if not symbol:
        raise Refused(
            -1102, "Mandatory parameter 'symbol' was not sent, was empty/null, or malformed."
        )
    if not _SYMBOL.match(symbol):
        raise Refused(-1100, "Illegal characters found in parameter 'symbol'.")
    listed = find(world, market, symbol)
    if listed is None:
        raise Refused(-1121, "Invalid symbol.")
    return listed


def _integer(query: Mapping[str, str], name: str) -> int | None:
    text = query.get(name)
    if text is None or text == "":
        return None
    if not text.isdecimal():
        raise Refused(-1100, f"Illegal characters found in parameter '{name}'.")
    return int(text)


def _selected(world: World, market: Market, query: Mapping[str, str]) -> list[Listed]:
    """The listings that ``symbol``, ``symbols`` or neither names."""
    if "symbol" in query:
        return [_listed(world, market, query)]
    if "symbols" in query:
        try:
            symbols = msgspec.json.decode(query["symbols"], type=list[str])
        except msgspec.DecodeError:
            raise Refused(-1100, "Illegal characters found in parameter 'symbols'.") from None
        return [_listed(world, market, {"symbol": symbol}) for symbol in symbols]
    return world.catalog.of(market)


# --- candles --------------------------------------------------------------------------------


def _klines(world: World, market: Market, query: Mapping[str, str]) -> _Answer:
    limit = query.get("limit", "500")
    rows = int(limit) if limit.isdecimal() else 500
    weight = 2
    if market != "spot":
        weight = 1 if rows < 100 else 2 if rows < 500 else 5 if rows <= 1000 else 10
    return weight, lambda: _kline_rows(world, market, query)


def _kline_rows(world: World, market: Market, query: Mapping[str, str]) -> list[list[Any]]:
    listed = _listed(world, market, query)
    interval = query.get("interval", "")
    if interval not in INTERVALS:
        raise Refused(-1120, "Invalid interval.")
    limit = _integer(query, "limit")
    limit = 500 if limit is None else limit
    if limit < 1 or (market != "spot" and limit > _MOST_ROWS[market]):
        raise Refused(-1130, "Data sent for parameter 'limit' is not valid.")
    limit = min(limit, _MOST_ROWS[market])
    start_ms, end_ms = _integer(query, "startTime"), _integer(query, "endTime")
    span_ms = 0 if start_ms is None or end_ms is None else end_ms - start_ms
    if market == "inverse" and span_ms > _INVERSE_SPAN_MS:
        raise Refused(-1127, "More than 4800 hours between startTime and endTime.")
    if world.replay is not None:
        candles = world.replay.sent_candles(symbol_of(listed.listing), interval)
        bars = [_recorded_row(candle) for candle in candles]
        bars = [row for row in bars if (start_ms or 0) <= row[0] <= (end_ms or row[0])]
        return bars[:limit] if market != "inverse" and start_ms is not None else bars[-limit:]
    return _rows(world, listed, interval, limit, start_ms, end_ms)


def _rows(
    world: World, listed: Listed, interval: str, limit: int, start_ms: int | None,
    end_ms: int | None,
) -> list[list[Any]]:  # fmt: skip
    """Forward from ``startTime`` where it is given, on COIN-M always back from ``endTime``."""
    now_ms = world.clock.now_ms()
    last_ms = now_ms if end_ms is None else min(end_ms, now_ms)
    first_ms = max(start_ms or 0, start_of(interval, listed.begins_ms))
    starts = list(world.market.starts(interval, first_ms, last_ms))
    starts = [moment for moment in starts if world.market.exists(listed, interval, moment)]
    forward = start_ms is not None and listed.listing.market != "inverse"
    starts = starts[:limit] if forward else starts[-limit:]
    return [_row(world, listed, interval, moment, now_ms) for moment in starts]


def _row(world: World, listed: Listed, interval: str, start_ms: int, now_ms: int) -> list[Any]:
    listing, bar = listed.listing, world.market.candle(listed, interval, start_ms, now_ms)
    return [
        start_ms,
        *(price(listing, units) for units in (bar.open, bar.high, bar.low, bar.close)),
        size(listing, bar.lots),
        end_of(interval, start_ms) - 1,
        value(listing, bar.value),
        bar.trades,
        size(listing, bar.taker_lots),
        value(listing, bar.taker_value),
        "0",
    ]


def _recorded_row(candle: Candle) -> list[Any]:
    """A recorded bar as a row; a recording does not keep what takers bought."""
    inverse = candle.market == "inverse"
    size_text, value_text = candle.volume, candle.quote_volume
    if inverse:
        size_text, value_text = str(candle.contracts), candle.volume
    prices = (candle.open, candle.high, candle.low, candle.close)
    head = [candle.start_ms, *prices, size_text, candle.end_ms - 1, value_text, candle.trades]
    return [*head, "0", "0", "0"]


# --- tickers --------------------------------------------------------------------------------


def _trading(world: World, market: Market, query: Mapping[str, str]) -> list[Listed]:
    if world.replay is not None:
        return []
    return [listed for listed in _selected(world, market, query) if listed.trading]


def _one_or_all(market: Market, query: Mapping[str, str], rows: Sequence[object]) -> object:
    """One symbol is answered bare, except on COIN-M, which always answers a list."""
    if "symbol" in query and market != "inverse":
        return rows[0] if rows else {}
    return rows


def _day(world: World, market: Market, query: Mapping[str, str]) -> _Answer:
    weight = 1 if "symbol" in query else 40
    if market == "spot":
        named = query.get("symbols", "").count(",") + 1
        some = 2 if named <= 20 else 40 if named <= 100 else 80
        weight = 2 if "symbol" in query else some if "symbols" in query else 80
    return weight, lambda: _one_or_all(
        market, query, [_day_row(world, listed) for listed in _trading(world, market, query)]
    )


def _day_row(world: World, listed: Listed) -> dict[str, Any]:
    listing, now_ms = listed.listing, world.clock.now_ms()
    day = world.market.day(listed, now_ms)
    bar, spot = day.bar, listing.market == "spot"
    row: dict[str, Any] = {"symbol": symbol_of(listing)}
    if listing.market == "inverse":
        row["pair"] = pair_of(listing)
    row |= {
        "priceChange": price(listing, bar.close - bar.open),
        "priceChangePercent": frames.percent(bar),
        "weightedAvgPrice": frames.average(listing, bar),
    }
    if spot:
        previous = world.market.last_price(listed, day.start_ms)
        row["prevClosePrice"] = price(listing, previous)
    row |= {
        "lastPrice": price(listing, bar.close),
        "lastQty": size(listing, day.last.lots if day.last else 0),
    }
    if spot:
        row |= _best(listed, day.book)
    return row | {
        "openPrice": price(listing, bar.open),
        "highPrice": price(listing, bar.high),
        "lowPrice": price(listing, bar.low),
        "volume": size(listing, bar.lots),
        "baseVolume" if listing.market == "inverse" else "quoteVolume": value(listing, bar.value),
        "openTime": day.start_ms,
        "closeTime": frames.close_ms(listing, day),
        "firstId": bar.first_id,
        "lastId": bar.last_id,
        "count": bar.trades,
    }


def _best(listed: Listed, book: Any) -> dict[str, str]:
    return {
        "bidPrice": price(listed.listing, book.bid),
        "bidQty": size(listed.listing, book.bid_lots),
        "askPrice": price(listed.listing, book.ask),
        "askQty": size(listed.listing, book.ask_lots),
    }


def _price(world: World, market: Market, query: Mapping[str, str]) -> _Answer:
    weight = (1 if "symbol" in query else 2) * (2 if market == "spot" else 1)

    def rows() -> object:
        now_ms = world.clock.now_ms()
        return _one_or_all(
            market, query,
            [
                {
                    "symbol": symbol_of(listed.listing),
                    **({"ps": pair_of(listed.listing)} if market == "inverse" else {}),
                    "price": price(listed.listing, world.market.last_price(listed, now_ms)),
                    **({} if market == "spot" else {"time": now_ms}),
                }
                for listed in _trading(world, market, query)
            ],
        )  # fmt: skip

    return weight, rows


def _book(world: World, market: Market, query: Mapping[str, str]) -> _Answer:
    single = "symbol" in query
    weight = (2 if single else 4) if market == "spot" else (2 if single else 5)

    def rows() -> object:
        now_ms = world.clock.now_ms()
        return _one_or_all(
            market, query,
            [
                {
                    "symbol": symbol_of(listed.listing),
                    **({"pair": pair_of(listed.listing)} if market == "inverse" else {}),
                    **_best(listed, world.market.book(listed, now_ms)),
                    **({} if market == "spot" else {"time": now_ms}),
                }
                for listed in _trading(world, market, query)
            ],
        )  # fmt: skip

    return weight, rows


# --- the rest -------------------------------------------------------------------------------


def _info(world: World, market: Market, query: Mapping[str, str]) -> _Answer:
    def info() -> object:
        entries = _selected(world, market, query if market == "spot" else {})
        status = query.get("symbolStatus")
        if market == "spot" and status is not None:
            if "symbol" in query or "symbols" in query:
                raise Refused(-1128, "Combination of optional parameters invalid.")
            entries = [entry for entry in entries if entry.trading == (status == "TRADING")]
        return exchange_info(market, entries, world.clock.now_ms())

    return (20 if market == "spot" else 1), info


def _time(world: World, market: Market, query: Mapping[str, str]) -> _Answer:
    return 1, lambda: {"serverTime": world.clock.now_ms()}


def _ping(world: World, market: Market, query: Mapping[str, str]) -> _Answer:
    return 1, dict


_ROUTES: Mapping[str, Callable[[World, Market, Mapping[str, str]], _Answer]] = {
    "/ping": _ping,
    "/time": _time,
    "/exchangeInfo": _info,
    "/klines": _klines,
    "/ticker/24hr": _day,
    "/ticker/price": _price,
    "/ticker/bookTicker": _book,
}
