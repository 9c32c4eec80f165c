"""KuCoin's REST: every answer ``{"code","data"}``, errors likewise.

What is public takes of one budget of weight for an address, what is signed of several for an account.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from common.clocks import machine_s
from simulator.exchanges.common import Refused, integer_in, starts_between
from simulator.exchanges.kucoin import info
from simulator.exchanges.kucoin.accounts import KucoinAccounts
from simulator.exchanges.kucoin.accounts.asking import Asked
from simulator.exchanges.kucoin.accounts.calls import FUTURES, SPOT, Pool, Route, route_of
from simulator.exchanges.kucoin.accounts.signing import signer
from simulator.exchanges.kucoin.frames import futures_last
from simulator.exchanges.kucoin.names import (
    GRANULARITIES,
    MARKETS,
    NAME,
    POOL,
    POOL_S,
    POOL_WEIGHT,
    REST_HOSTS,
    SPOT_INTERVALS,
    Product,
    base_and_quote,
    find,
    number,
    price,
)
from simulator.exchanges.kucoin.tokens import Tokens
from simulator.exchanges.protocol import HttpAnswer, HttpCall, json_answer
from simulator.listing import Listed
from simulator.market import Bar
from simulator.world import World

_PUBLIC = Pool(POOL, POOL_WEIGHT, POOL_S)
_MOST_SPOT_ROWS, _MOST_FUTURES_ROWS = 1500, 500


def _refused(message: str) -> Refused:
    """One code stands for whatever is wrong with a parameter."""
    return Refused("400100", message)


def answer(world: World, tokens: Tokens, private: KucoinAccounts, call: HttpCall) -> HttpAnswer:
    """One call: charged first, then carried out."""
    product = REST_HOSTS.get(call.host)
    if product is None:
        return json_answer({"code": "404", "msg": f"{call.path} is not found"}, 404)
    if (call.method, call.path) == ("POST", "/api/v1/bullet-public"):
        return _public(world, call, 10, lambda: tokens.issue(product, call.door))
    signed = _signed_route(tokens, private, product, call)
    if signed is not None:
        return _signed(world, product, call, signed)
    route = _ROUTES[product].get(call.path)
    if route is None or call.method not in ("GET", "HEAD"):
        return json_answer({"code": "404", "msg": f"{call.path} is not found"}, 404)
    weight, carry_out = route
    return _public(world, call, weight, lambda: carry_out(world, product, call.query))


def _signed_route(
    tokens: Tokens, private: KucoinAccounts, product: Product, call: HttpCall
) -> Route | None:
    if (call.method, call.path) != ("POST", "/api/v1/bullet-private"):
        return route_of(product, call.method, call.path)

    def issue(asked: Asked) -> object:
        access = private.access(asked.account)
        return tokens.issue(product, call.door, asked.account, access)

    return Route(SPOT if product == "spot" else FUTURES, 10, issue)


def _signed(world: World, product: Product, call: HttpCall, route: Route) -> HttpAnswer:
    """One call about an account; who it is comes before what it costs."""
    try:
        account = signer(world, call)
    except Refused as refused:
        return json_answer({"code": refused.code, "msg": refused.message}, refused.status)

    def carry_out() -> object:
        if route.mode not in ("", account.mode):
            raise _refused(f"The account is not in {route.mode} mode.")
        return route.answer(Asked(world, product, account, call))

    return _charged(world, route.pool, account.name, route.weight, carry_out)


def _public(
    world: World, call: HttpCall, weight: int, carry_out: Callable[[], object]
) -> HttpAnswer:
    return _charged(world, _PUBLIC, call.address, weight, carry_out)


def _charged(
    world: World, pool: Pool, who: str, weight: int, carry_out: Callable[[], object]
) -> HttpAnswer:
    limit = world.weight_limits.get(pool.name, pool.weight)
    window, now_s = world.meters.window(pool.name, who, pool.seconds), machine_s()
    # A refused request costs nothing.
    over = window.used(now_s) + weight > limit
    for _ in range(0 if over else weight):
        window.exceeds(limit, now_s)
    headers = {
        "gw-ratelimit-limit": str(limit),
        "gw-ratelimit-remaining": str(max(0, limit - window.used(now_s))),
        "gw-ratelimit-reset": str(int(window.frees_in_s(now_s) * 1000)),
    }
    if over:
        message = "Too many requests in a short period of time, please retry later"
        return json_answer({"code": "429000", "msg": message}, 429, headers=headers)
    try:
        return json_answer({"code": "200000", "data": carry_out()}, 200, headers=headers)
    except Refused as refused:
        # Errors come with status 200 here: the code tells.
        return json_answer({"code": refused.code, "msg": refused.message}, 200, headers=headers)


def _entries(world: World, product: Product) -> list[Listed]:
    return [entry for market in MARKETS[product] for entry in world.catalog.of(market)]


def _listed(world: World, product: Product, query: Mapping[str, str]) -> Listed:
    found = find(world, product, query.get("symbol", ""))
    if found is None:
        raise _refused("Unsupported trading pair.")
    return found


# --- candles --------------------------------------------------------------------------------


def _time(query: Mapping[str, str], name: str) -> int:
    """A bound; 0 where it is not given, as on the exchange."""
    return integer_in(query, name, _refused(f"{name} is invalid")) or 0


def _spot_candles(world: World, product: Product, query: Mapping[str, str]) -> list[list[str]]:
    """Newest first, the running bar too; seconds, and the end is not counted in."""
    listed, interval = _listed(world, product, query), SPOT_INTERVALS.get(query.get("type", ""))
    if interval is None:
        raise _refused("This type of Candlestick is currently not provided.")
    start_ms, end_ms = _time(query, "startAt") * 1000, _time(query, "endAt") * 1000
    bars = _bars(world, listed, interval, start_ms, end_ms)[-_MOST_SPOT_ROWS:]
    listing = listed.listing
    return [
        [
            str(moment // 1000),
            *(price(listing, units) for units in (bar.open, bar.close, bar.high, bar.low)),
            *base_and_quote(listing, bar),
        ]
        for moment, bar in reversed(bars)
    ]


def _futures_candles(world: World, product: Product, query: Mapping[str, str]) -> list[list[Any]]:
    """Oldest first, numbers, milliseconds: open, high, low, close, contracts."""
    listed = _listed(world, product, query)
    interval = GRANULARITIES.get(query.get("granularity", ""))
    if interval is None:
        raise _refused("granularity is invalid")
    start_ms, end_ms = _time(query, "from"), _time(query, "to")
    bars = _bars(world, listed, interval, start_ms, end_ms)[:_MOST_FUTURES_ROWS]
    listing = listed.listing
    return [
        [
            moment,
            *(number(price(listing, units)) for units in (bar.open, bar.high, bar.low, bar.close)),
            bar.lots,
        ]
        for moment, bar in bars
    ]


def _bars(
    world: World, listed: Listed, interval: str, start_ms: int, end_ms: int
) -> list[tuple[int, Bar]]:
    """Those that were traded in: others do not exist in an answer."""
    if world.replay is not None:
        return []
    now_ms = world.clock.now_ms()
    found = [
        (moment, world.market.candle(listed, interval, moment, now_ms))
        for moment in starts_between(world, listed, interval, start_ms, end_ms - 1)
    ]
    return [(moment, bar) for moment, bar in found if not bar.flat]


# --- lists and tickers ----------------------------------------------------------------------


def _symbols(world: World, product: Product, query: Mapping[str, str]) -> object:
    return [info.pair(entry) for entry in _entries(world, product)]


def _contracts(world: World, product: Product, query: Mapping[str, str]) -> object:
    return [info.contract(world, entry) for entry in _entries(world, product)]


def _currencies(world: World, product: Product, query: Mapping[str, str]) -> object:
    assets = {name for entry in world.catalog for name in (entry.listing.base, entry.listing.quote)}
    return [info.currency(name) for name in sorted(assets)]


def _spot_tickers(world: World, product: Product, query: Mapping[str, str]) -> object:
    now_ms = world.clock.now_ms()
    rows = [
        info.spot_ticker(entry, world.market.day(entry, now_ms))
        for entry in _entries(world, product)
        if entry.trading
    ]
    return {"time": now_ms, "ticker": rows}


def _stats(world: World, product: Product, query: Mapping[str, str]) -> object:
    now_ms, entry = world.clock.now_ms(), _listed(world, product, query)
    return {"time": now_ms} | info.spot_ticker(entry, world.market.day(entry, now_ms))


def _futures_tickers(world: World, product: Product, query: Mapping[str, str]) -> object:
    return [_best(world, entry) for entry in _entries(world, product) if entry.trading]


def _futures_ticker(world: World, product: Product, query: Mapping[str, str]) -> object:
    return _best(world, _listed(world, product, query))


def _best(world: World, entry: Listed) -> object:
    day = world.market.day(entry, world.clock.now_ms())
    if day.last is None:
        raise _refused("nothing was traded")
    return futures_last(entry, day)["data"]


def _timestamp(world: World, product: Product, query: Mapping[str, str]) -> object:
    return world.time_of(NAME)


def _status(world: World, product: Product, query: Mapping[str, str]) -> object:
    return {"status": "open", "msg": ""}


_Route = tuple[int, Callable[[World, Product, Mapping[str, str]], object]]
_BOTH: Mapping[str, _Route] = {
    "/api/v1/timestamp": (3, _timestamp),
    "/api/v1/status": (3, _status),
}
_ROUTES: Mapping[Product, Mapping[str, _Route]] = {
    "spot": {
        **_BOTH,
        "/api/v2/symbols": (4, _symbols),
        "/api/v3/currencies": (3, _currencies),
        "/api/v1/market/allTickers": (15, _spot_tickers),
        "/api/v1/market/stats": (15, _stats),
        "/api/v1/market/candles": (3, _spot_candles),
    },
    "futures": {
        **_BOTH,
        "/api/v1/contracts/active": (3, _contracts),
        "/api/v1/allTickers": (5, _futures_tickers),
        "/api/v1/ticker": (2, _futures_ticker),
        "/api/v1/kline/query": (3, _futures_candles),
    },
}
