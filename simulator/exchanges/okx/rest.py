"""OKX's REST: instruments, tickers, candles, time, and its limits by endpoint; accounts beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from common.clocks import machine_s
from common.model.intervals import end_of
from common.model.streams import MARKETS
from simulator.exchanges.common import Refused, integer_in, needed_in, starts_between
from simulator.exchanges.okx import frames
from simulator.exchanges.okx.accounts import OkxAccounts
from simulator.exchanges.okx.info import instrument
from simulator.exchanges.okx.names import BARS, NAME, REST_HOSTS, WINDOW_S, find, type_of
from simulator.exchanges.okx.topics import ticker_row
from simulator.exchanges.protocol import HttpAnswer, HttpCall, json_answer
from simulator.listing import Listed
from simulator.world import World

_PREFIX = "/api/v5"
_TYPES = ("SPOT", "MARGIN", "SWAP", "FUTURES", "OPTION")
# Rows of one answer, and how far back the endpoint of recent bars goes.
_MOST_ROWS, _USUAL_ROWS, _RECENT_ROWS = 300, 100, 1440


_Query = Mapping[str, str]


def answer(world: World, private: OkxAccounts, call: HttpCall) -> HttpAnswer:
    """One call: counted first, then carried out. Failures have a code, and often status 200."""
    path = call.path.removeprefix(_PREFIX)
    if call.host not in REST_HOSTS or not call.path.startswith(_PREFIX):
        return _envelope([], "404", "Not Found", 404)
    try:
        told = private.call(path, call)
        return _envelope(_public(world, path, call) if told is None else told)
    except Refused as refused:
        return _envelope([], str(refused.code), refused.message, refused.status)


def _public(world: World, path: str, call: HttpCall) -> object:
    route = _ROUTES.get(path)
    if route is None or call.method not in ("GET", "HEAD"):
        raise Refused("404", "Not Found", 404)
    limit, carry_out = route
    meter = world.meters.window(f"{NAME}:{path}", call.address, WINDOW_S)
    if meter.exceeds(limit, machine_s()):
        raise Refused("50011", "Too Many Requests", 429)
    return carry_out(world, call.query)


def _envelope(data: object, code: str = "0", message: str = "", status: int = 200) -> HttpAnswer:
    return json_answer({"code": code, "msg": message, "data": data}, status)


def _needed(query: _Query, name: str) -> str:
    return needed_in(query, name, Refused("50014", f"Parameter {name} can not be empty."))


def _number(query: _Query, name: str) -> int | None:
    return integer_in(query, name, Refused("51000", f"Parameter {name} error"))


def _listed(world: World, query: _Query) -> Listed:
    listed = find(world, _needed(query, "instId"))
    if listed is None:
        raise Refused(
            "51001", "Instrument ID, Instrument ID code, or Spread ID doesn't exist.", 200
        )
    return listed


def _of_type(world: World, query: _Query) -> list[Listed]:
    kind = _needed(query, "instType")
    if kind not in _TYPES:
        raise Refused("51000", "Parameter instType error")
    entries = [entry for market in MARKETS for entry in world.catalog.of(market)]
    return [entry for entry in entries if type_of(entry.listing) == kind]


# --- lists ----------------------------------------------------------------------------------


def _time(world: World, query: _Query) -> object:
    return [{"ts": str(world.time_of(NAME))}]


def _instruments(world: World, query: _Query) -> object:
    entries = _of_type(world, query)
    if "instId" in query:
        entries = [_listed(world, query)]
    return [instrument(entry) for entry in entries]


def _tickers(world: World, query: _Query) -> object:
    now_ms = world.clock.now_ms()
    entries = _of_type(world, query)
    return [ticker_row(world, entry, now_ms) for entry in entries if entry.trading]


def _ticker(world: World, query: _Query) -> object:
    return [ticker_row(world, _listed(world, query), world.clock.now_ms())]


# --- candles --------------------------------------------------------------------------------


def _candles(world: World, query: _Query) -> object:
    """The running bar and those before it, not further back than 1440 of them."""
    listed, interval = _listed(world, query), _interval(query)
    starts = starts_between(world, listed, interval)[-_RECENT_ROWS:]
    return _page(world, listed, interval, starts, query)


def _history(world: World, query: _Query) -> object:
    """The bars that have ended, as far back as there are any."""
    listed, interval = _listed(world, query), _interval(query)
    ended = starts_between(world, listed, interval, ended=True)
    return _page(world, listed, interval, ended, query)


def _interval(query: _Query) -> str:
    interval = BARS.get(query.get("bar", "1m"))
    if interval is None:
        raise Refused("51000", "Parameter bar error")
    return interval


def _page(
    world: World, listed: Listed, interval: str, starts: Sequence[int], query: _Query
) -> list[frames.Row]:
    """Newest first; ``after`` is what rows are older than and ``before`` what they are newer than.

    With too many between the two, the newest are told.
    """
    before_ms, after_ms = _number(query, "before"), _number(query, "after")
    limit = _number(query, "limit")
    limit = _USUAL_ROWS if limit is None else min(limit, _MOST_ROWS)
    now_ms = world.clock.now_ms()
    inside = [
        start_ms
        for start_ms in starts
        if (before_ms is None or start_ms > before_ms) and (after_ms is None or start_ms < after_ms)
    ]
    return [
        frames.candle(
            listed.listing,
            start_ms,
            world.market.candle(listed, interval, start_ms, now_ms),
            end_of(interval, start_ms) <= now_ms,
        )
        for start_ms in reversed(inside[-limit:] if limit else [])
    ]


# What each answers, and its requests within the window.
_ROUTES: Mapping[str, tuple[int, Callable[[World, _Query], Any]]] = {
    "/public/time": (10, _time),
    "/public/instruments": (20, _instruments),
    "/market/tickers": (20, _tickers),
    "/market/ticker": (20, _ticker),
    "/market/candles": (40, _candles),
    "/market/history-candles": (20, _history),
}
