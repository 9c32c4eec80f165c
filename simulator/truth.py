"""The truth by query: what a faultless fleet must have published.

GET /truth/clock      {"nowMs": market time, "clock": "30@1763…", "seed": 1, "beginsMs": …}
GET /truth/symbols    every listing of every exchange (&exchange=, &market=)
GET /truth/candles    ?exchange=&market=&symbol=&interval=&from=MS&to=MS: the final bars with
from <= start < to, as the bodies of our closed candles, digit for digit
GET /truth/tickers    ?exchange=&market=[&symbol=][&at=MS]: as of that market time
GET /truth/replay     {"market", "beginsMs", "symbols", "intervals", "state", "framesTotal", "framesSent"}
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from aiohttp import web

from common.model.intervals import INTERVALS
from common.model.streams import Market
from simulator.exchanges.protocol import Exchange
from simulator.listing import Listed
from simulator.world import World

# The most bars one query may ask for: a month of minutes.
_MOST_MINUTES = 31 * 24 * 60


class _Wrong(Exception):  # noqa: N818 - the caller's, not ours
    pass


def add_routes(app: web.Application, world: World, exchanges: Mapping[str, Exchange]) -> None:
    """Serve ``/truth``."""

    async def answer(request: web.Request) -> web.Response:
        name = request.match_info["name"]
        try:
            value = _answer(world, exchanges, name, request.query)
        except _Wrong as error:
            return web.json_response({"error": str(error)}, status=400)
        return web.Response(body=msgspec.json.encode(value), content_type="application/json")

    app.router.add_get("/truth/{name}", answer)


def _answer(
    world: World, exchanges: Mapping[str, Exchange], name: str, query: Mapping[str, str]
) -> Any:
    match name:
        case "clock":
            return _clock(world)
        case "symbols":
            return _symbols(world, exchanges, query)
        case "candles":
            exchange, market = _place(exchanges, query)
            interval = _needed(query, "interval")
            if interval not in INTERVALS:
                raise _Wrong(f"interval {interval!r} is none of {' '.join(INTERVALS)}")
            from_ms, to_ms = _time(query, "from"), _time(query, "to")
            if to_ms - from_ms > _MOST_MINUTES * 60_000:
                raise _Wrong("no more than 31 days at once")
            return exchange.candles(market, _needed(query, "symbol"), interval, from_ms, to_ms)
        case "tickers":
            return _tickers(world, exchanges, query)
        case "replay":
            return _replay(world)
        case _:
            raise _Wrong("there is /truth/clock, symbols, candles, tickers and replay")


def _clock(world: World) -> dict[str, Any]:
    begins = [listed.begins_ms for listed in world.catalog]
    return {
        "nowMs": world.clock.now_ms(),
        "clock": world.clock.setting,
        "seed": world.market.seed,
        "beginsMs": min(begins, default=None),
    }


def _symbols(
    world: World, exchanges: Mapping[str, Exchange], query: Mapping[str, str]
) -> list[dict[str, Any]]:
    return [
        {
            "exchange": exchange.name,
            "market": market,
            "symbol": exchange.symbol(listed),
            "base": listed.listing.base,
            "quote": listed.listing.quote,
            "kind": listed.listing.kind,
            "trading": listed.trading,
            "beginsMs": listed.begins_ms,
            "endsMs": listed.ends_ms,
        }
        for exchange in exchanges.values()
        if query.get("exchange", exchange.name) == exchange.name
        for market in exchange.markets
        if query.get("market", market) == market
        for listed in world.catalog.of(market)
    ]


def _tickers(
    world: World, exchanges: Mapping[str, Exchange], query: Mapping[str, str]
) -> list[Any]:
    if world.replay is not None:
        raise _Wrong("a replay has no tickers but the recorded ones")
    exchange, market = _place(exchanges, query)
    at_ms = _time(query, "at") if "at" in query else world.clock.now_ms()
    entries: list[Listed] = world.catalog.of(market)
    if "symbol" in query:
        found = exchange.find(market, query["symbol"])
        entries = [] if found is None else [found]
    return [exchange.ticker(listed, at_ms) for listed in entries if listed.trading]


def _replay(world: World) -> dict[str, Any]:
    if world.replay is None:
        raise _Wrong("no recording is being replayed")
    replay = world.replay
    return {
        "exchange": replay.recording.exchange,
        "market": replay.recording.market,
        "beginsMs": int(replay.recording.frames[0].at_s * 1000),
        "symbols": replay.recording.symbols,
        "intervals": replay.recording.intervals,
        "state": replay.state,
        "framesTotal": len(replay.recording.frames),
        "framesSent": replay.sent,
    }


def _place(exchanges: Mapping[str, Exchange], query: Mapping[str, str]) -> tuple[Exchange, Market]:
    exchange = exchanges.get(_needed(query, "exchange"))
    if exchange is None:
        raise _Wrong(f"exchange {query['exchange']!r} is none of {', '.join(exchanges)}")
    wanted = _needed(query, "market")
    for market in exchange.markets:
        if market == wanted:
            return exchange, market
    raise _Wrong(f"market {wanted!r} is none of {', '.join(exchange.markets)}")


def _needed(query: Mapping[str, str], name: str) -> str:
    value = query.get(name)
    if not value:
        raise _Wrong(f"{name} is missing")
    return value


def _time(query: Mapping[str, str], name: str) -> int:
    text = _needed(query, name)
    if not text.isdecimal():
        raise _Wrong(f"{name}={text!r} is not a time in milliseconds")
    return int(text)
