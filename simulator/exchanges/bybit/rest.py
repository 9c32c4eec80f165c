"""Bybit's REST: bars, days, instruments and time, its limit per address, its ban; accounts elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from common.clocks import machine_s
from common.model.streams import Market
from simulator.exchanges.bybit import frames
from simulator.exchanges.bybit.accounts import calls
from simulator.exchanges.bybit.info import instruments
from simulator.exchanges.bybit.names import (
    BAN_S,
    INTERVALS,
    NAME,
    POOL,
    POOL_LIMIT,
    POOL_WITHIN_S,
    REST_HOSTS,
    market_of,
    symbol_of,
)
from simulator.exchanges.bybit.query import PARAMS, limit_in, listed_in, number_in
from simulator.exchanges.common import Refused, starts_between
from simulator.exchanges.protocol import HttpAnswer, HttpCall, json_answer
from simulator.world import World

_PREFIX = "/v5/market/"


def answer(world: World, call: HttpCall) -> HttpAnswer:
    """One call: counted first, then carried out. A failure has status 200 too."""
    if _banned(world, call.address):
        return json_answer({"error": "access too frequent"}, 403)
    signed = calls.ROUTES.get(call.path)
    if call.host in REST_HOSTS and signed is not None and call.method == "GET":
        return _signed(world, call, signed)
    name = call.path.removeprefix(_PREFIX)
    route = _ROUTES.get(name) if call.path.startswith(_PREFIX) else None
    if call.host not in REST_HOSTS or route is None or call.method not in ("GET", "HEAD"):
        return HttpAnswer(404)
    try:
        return json_answer(_enveloped(world, 0, "OK", route(world, call)))
    except Refused as refused:
        return json_answer(_enveloped(world, refused.code, refused.message, {}))


def _signed(world: World, call: HttpCall, carry_out: calls.Answer) -> HttpAnswer:
    """A call about an account; one with a body does not get that far."""
    if call.body:
        return HttpAnswer(403)
    headers: dict[str, str] = {}
    try:
        result = calls.carry_out(world, call, carry_out, headers)
        return json_answer(_enveloped(world, 0, "OK", result), headers=headers)
    except Refused as refused:
        return json_answer(_enveloped(world, refused.code, refused.message, {}), headers=headers)


def _enveloped(world: World, code: int | str, text: str, result: object) -> dict[str, Any]:
    now_ms = world.time_of(NAME)
    return {"retCode": code, "retMsg": text, "result": result, "retExtInfo": {}, "time": now_ms}


def _banned(world: World, address: str) -> bool:
    """Count a call; one too many in a short time bans the address for a long one."""
    now_s = machine_s()
    ban = world.meters.window("bybit:ban", address, BAN_S)
    if ban.frees_in_s(now_s) > 0:
        return True
    calls = world.meters.window("bybit:calls", address, POOL_WITHIN_S)
    if calls.exceeds(world.weight_limits.get(POOL, POOL_LIMIT), now_s):
        return ban.exceeds(0, now_s)
    return False


def _market(call: HttpCall) -> Market:
    market = market_of(call)
    if market is None:
        raise Refused(PARAMS, "Illegal category")
    return market


# --- candles --------------------------------------------------------------------------------


def _klines(world: World, call: HttpCall) -> object:
    """Newest first, both ends inclusive; with an end the newest rows, else forward from a start."""
    market, query = _market(call), call.query
    listed = listed_in(world, market, query)
    interval = INTERVALS.get(query.get("interval", ""))
    if interval is None:
        raise Refused(PARAMS, "Invalid period!")
    limit, now_ms = limit_in(query, 200), world.clock.now_ms()
    start_ms, end_ms = number_in(query, "start"), number_in(query, "end")
    starts = starts_between(world, listed, interval, start_ms, end_ms)
    forward = start_ms is not None and end_ms is None
    rows = [
        frames.kline_row(listed, moment, world.market.candle(listed, interval, moment, now_ms))
        for moment in (starts[:limit] if forward else starts[-limit:])
    ]
    return {"symbol": symbol_of(listed.listing), "category": market, "list": rows[::-1]}


# --- the rest -------------------------------------------------------------------------------


def _tickers(world: World, call: HttpCall) -> object:
    market, now_ms = _market(call), world.clock.now_ms()
    named = [listed_in(world, market, call.query)] if "symbol" in call.query else None
    rows = [
        frames.rest_day(listed, world.market.day(listed, now_ms))
        for listed in named or world.catalog.of(market)
        if listed.trading
    ]
    return {"category": market, "list": rows}


def _instruments(world: World, call: HttpCall) -> object:
    if call.query.get("category") == "option":
        return {"category": "option", "list": [], "nextPageCursor": ""}
    return instruments(world, _market(call), call.query)


def _time(world: World, call: HttpCall) -> object:
    now_ms = world.time_of(NAME)
    return {"timeSecond": str(now_ms // 1000), "timeNano": str(now_ms * 1_000_000)}


_ROUTES: Mapping[str, Callable[[World, HttpCall], object]] = {
    "kline": _klines,
    "tickers": _tickers,
    "instruments-info": _instruments,
    "time": _time,
}
