"""Bitget's REST: one envelope, a budget per path and address, errors by code.

What is asked of accounts counts per account instead, and is answered by ``accounts``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from common.clocks import machine_s
from common.model.intervals import DAY_MS
from common.model.streams import Market
from simulator.exchanges.bitget import frames, info
from simulator.exchanges.bitget.accounts import BitgetAccounts
from simulator.exchanges.bitget.names import EMPTY_TYPES, GRANULARITIES, INST_TYPES, NAME, REST_HOST
from simulator.exchanges.bitget.topics import find
from simulator.exchanges.common import Refused, integer_in, needed_in, starts_between
from simulator.exchanges.protocol import HttpAnswer, HttpCall, json_answer
from simulator.listing import Listed
from simulator.world import World

_PER_SECOND = 20
_PER_MINUTE = 6000
_MIX_SPAN_MS = 90 * DAY_MS
_TOO_MANY = Refused("429", "Too Many Requests", 429)

Query = Mapping[str, str]


def answer(world: World, private: BitgetAccounts, call: HttpCall) -> HttpAnswer:
    """One call: counted first, then carried out."""
    if call.host != REST_HOST:
        return _envelope(world, "40404", "Request URL NOT FOUND", None, 404)
    of_all = world.meters.window(f"{NAME}:rest", call.address, 60.0)
    try:
        if of_all.exceeds(_PER_MINUTE, machine_s()):
            raise _TOO_MANY
        of_account = private.call(call)
        if of_account is not None:
            return _envelope(world, "00000", "success", of_account(), 200)
        return _envelope(world, "00000", "success", _public(world, call), 200)
    except Refused as refused:
        return _envelope(world, str(refused.code), refused.message, None, refused.status)


def _public(world: World, call: HttpCall) -> object:
    route = _ROUTES.get(call.path)
    if route is None or call.method not in ("GET", "HEAD"):
        raise Refused("40404", "Request URL NOT FOUND", 404)
    of_path = world.meters.window(f"{NAME}:{call.path}", call.address, 1.0)
    if of_path.exceeds(_PER_SECOND, machine_s()):
        raise _TOO_MANY
    return route(world, call.query)


def _envelope(world: World, code: str, message: str, data: object, status: int) -> HttpAnswer:
    body = {"code": code, "msg": message, "requestTime": world.clock.now_ms(), "data": data}
    return json_answer(body, status)


# --- parameters -----------------------------------------------------------------------------


def _needed(query: Query, name: str) -> str:
    return needed_in(query, name, Refused("40019", f"Parameter {name} cannot be empty"))


def _product(query: Query) -> Market | None:
    """The futures market of a product type; None for one that lists nothing here."""
    name = _needed(query, "productType").upper()
    if name in EMPTY_TYPES:
        return None
    market = INST_TYPES.get(name)
    if market is None or market == "spot":
        raise Refused("40020", "Parameter productType error")
    return market


def _listed(world: World, market: Market | None, query: Query) -> Listed:
    symbol = _needed(query, "symbol")
    listed = None if market is None else find(world, market, symbol)
    if listed is None:
        raise Refused("40034", f"Parameter {symbol} does not exist")
    return listed


def _number(query: Query, name: str) -> int | None:
    return integer_in(query, name, Refused("400172", "Parameter verification failed"))


# --- candles --------------------------------------------------------------------------------


def _candles(folder: str, most: int) -> Callable[[World, Query], object]:
    """``candles`` (1000 rows) or ``history-candles`` (200 rows, ended bars only)."""
    history = most == 200

    def rows(world: World, query: Query) -> object:
        market: Market | None = "spot" if folder == "spot" else _product(query)
        listed = _listed(world, market, query)
        interval = GRANULARITIES[folder].get(_needed(query, "granularity"))
        limit = _number(query, "limit")
        limit = 100 if limit is None else limit
        if interval is None:
            raise Refused("400172", "Parameter verification failed")
        if not 1 <= limit <= most:
            within = f"limit should be between 1~{most}"
            raise Refused("40053", f"Value range verification failed: {within}")
        start_ms, end_ms = _number(query, "startTime"), _number(query, "endTime")
        if history and folder == "spot":
            start_ms = None  # its documents do not know it
            _needed(query, "endTime")
        span_ms = 0 if start_ms is None or end_ms is None else end_ms - start_ms
        if folder == "mix" and span_ms > _MIX_SPAN_MS:
            raise Refused("400172", "Parameter verification failed")
        last_ms = None if end_ms is None else end_ms - 1
        starts = starts_between(world, listed, interval, start_ms, last_ms, ended=history)
        bars = frames.rows(world.market, listed, interval, starts[-limit:], world.clock.now_ms())
        return bars if folder == "spot" else [bar[:7] for bar in bars]

    return rows


# --- the rest -------------------------------------------------------------------------------


def _time(world: World, query: Query) -> object:
    return {"serverTime": str(world.clock.now_ms())}


def _symbols(world: World, query: Query) -> object:
    entries = world.catalog.of("spot")
    if query.get("symbol"):
        entries = [_listed(world, "spot", query)]
    return [info.pair(entry) for entry in entries]


def _contracts(world: World, query: Query) -> object:
    market = _product(query)
    if query.get("symbol"):
        return [info.contract(_listed(world, market, query))]
    return [] if market is None else [info.contract(entry) for entry in world.catalog.of(market)]


def _coins(world: World, query: Query) -> object:
    listings = [entry.listing for entry in world.catalog]
    names = dict.fromkeys(name for one in listings for name in (one.base, one.quote))
    return [info.coin(name) for name in names if query.get("coin", name) == name]


def _nothing(world: World, query: Query) -> object:
    return []


def _tickers(folder: str) -> Callable[[World, Query], object]:
    def rows(world: World, query: Query) -> object:
        market: Market | None = "spot" if folder == "spot" else _product(query)
        entries = [] if market is None else world.catalog.of(market)
        if query.get("symbol"):
            entries = [_listed(world, market, query)]
        return [_ticker(world, entry) for entry in entries if entry.trading]

    return rows


def _ticker(world: World, listed: Listed) -> dict[str, Any]:
    """As it is pushed, but named by ``symbol``, and the opening on spot by ``open``."""
    fields = frames.ticker(listed, world.market.day(listed, world.clock.now_ms()))
    fields["symbol"] = fields.pop("instId")
    if listed.listing.market == "spot":
        fields["open"] = fields.pop("open24h")
    return fields | {"usdtVolume": fields["quoteVolume"]}


_ROUTES: Mapping[str, Callable[[World, Query], object]] = {
    "/api/v2/public/time": _time,
    "/api/v2/spot/public/symbols": _symbols,
    "/api/v2/spot/public/coins": _coins,
    "/api/v2/margin/currencies": _nothing,
    "/api/v2/mix/market/contracts": _contracts,
    "/api/v2/spot/market/tickers": _tickers("spot"),
    "/api/v2/mix/market/tickers": _tickers("mix"),
    "/api/v2/mix/market/ticker": _tickers("mix"),
    "/api/v2/spot/market/candles": _candles("spot", 1000),
    "/api/v2/spot/market/history-candles": _candles("spot", 200),
    "/api/v2/mix/market/candles": _candles("mix", 1000),
    "/api/v2/mix/market/history-candles": _candles("mix", 200),
}
