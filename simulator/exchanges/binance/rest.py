"""Binance's REST: weights per pool, tickers, times, errors as on the wire; accounts are next door."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from common.model.streams import Market
from simulator.exchanges.binance import frames
from simulator.exchanges.binance.accounts import BinanceAccounts
from simulator.exchanges.binance.info import exchange_info
from simulator.exchanges.binance.klines import klines
from simulator.exchanges.binance.names import (
    NAME,
    POOLS,
    REST_HOSTS,
    pair_of,
    price,
    size,
    symbol_of,
    value,
)
from simulator.exchanges.binance.query import selected_in
from simulator.exchanges.common import Refused
from simulator.exchanges.protocol import HttpAnswer, HttpCall, json_answer
from simulator.listing import Listed
from simulator.world import World

_PREFIX: Mapping[Market, str] = {"spot": "/api/v3", "linear": "/fapi/v1", "inverse": "/dapi/v1"}

_Answer = tuple[int, Callable[[], object]]


def answer(world: World, private: BinanceAccounts, call: HttpCall) -> HttpAnswer:
    """One call: charged first, then carried out."""
    market = REST_HOSTS.get(call.host)
    weighed = None
    if market is not None:
        weighed = private.call(market, call) or _public(world, market, call)
    if market is None or weighed is None:
        message = f"Path {call.path}, Method {call.method} is invalid"
        return json_answer({"code": -5000, "msg": message}, 404)
    pool, limit = POOLS[market]
    limit = world.weight_limits.get(pool, limit)
    weight, carry_out = weighed
    status, used, wait_s = world.meters.weights(pool).charge(call.address, weight, limit)
    headers = {"X-MBX-USED-WEIGHT": str(used), "X-MBX-USED-WEIGHT-1M": str(used)}
    if status != 200:
        message = f"Too many requests; current limit is {limit} request weight per 1 MINUTE."
        headers["Retry-After"] = str(wait_s)
        return json_answer({"code": -1003, "msg": message}, status, headers=headers)
    try:
        return json_answer(carry_out(), 200, headers=headers)
    except Refused as refused:
        body = {"code": refused.code, "msg": refused.message}
        return json_answer(body, refused.status, headers=headers)


def _public(world: World, market: Market, call: HttpCall) -> _Answer | None:
    prefix = _PREFIX[market]
    if not call.path.startswith(prefix) or call.method not in ("GET", "HEAD"):
        return None
    route = _ROUTES.get(call.path.removeprefix(prefix))
    return None if route is None else route(world, market, call.query)


# --- tickers --------------------------------------------------------------------------------


def _trading(world: World, market: Market, query: Mapping[str, str]) -> list[Listed]:
    if world.replay is not None:
        return []
    return [listed for listed in selected_in(world, market, query) if listed.trading]


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
        entries = selected_in(world, market, query if market == "spot" else {})
        status = query.get("symbolStatus")
        if market == "spot" and status is not None:
            if "symbol" in query or "symbols" in query:
                raise Refused(-1128, "Combination of optional parameters invalid.")
            entries = [entry for entry in entries if entry.trading == (status == "TRADING")]
        return exchange_info(market, entries, world.clock.now_ms())

    return (20 if market == "spot" else 1), info


def _time(world: World, market: Market, query: Mapping[str, str]) -> _Answer:
    return 1, lambda: {"serverTime": world.time_of(NAME)}


def _ping(world: World, market: Market, query: Mapping[str, str]) -> _Answer:
    return 1, dict


_ROUTES: Mapping[str, Callable[[World, Market, Mapping[str, str]], _Answer]] = {
    "/ping": _ping,
    "/time": _time,
    "/exchangeInfo": _info,
    "/klines": klines,
    "/ticker/24hr": _day,
    "/ticker/price": _price,
    "/ticker/bookTicker": _book,
}
