"""Coinbase's REST: products, candles, trades, time; ten requests a second and address.

What is asked of accounts is carried out and counted elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from common.clocks import machine_s
from common.model.intervals import end_of
from simulator.exchanges.coinbase import frames
from simulator.exchanges.coinbase.accounts import calls
from simulator.exchanges.coinbase.names import NAME, REST_HOST, find, price, stamp
from simulator.exchanges.coinbase.products import currencies, product, products
from simulator.exchanges.common import Refused, starts_between
from simulator.exchanges.protocol import HttpAnswer, HttpCall, json_answer
from simulator.listing import Listed
from simulator.world import World

# The pool of requests that control may change, and what a minute of it holds.
POOL, PER_MINUTE = "coinbase-public", 600
_PREFIX = "/api/v3/brokerage"
_MOST_BARS = 350
_GRANULARITIES = {
    "ONE_MINUTE": "1m", "FIVE_MINUTE": "5m", "FIFTEEN_MINUTE": "15m", "THIRTY_MINUTE": "30m",
    "ONE_HOUR": "1h", "TWO_HOUR": "2h", "SIX_HOUR": "6h", "ONE_DAY": "1d",
}  # fmt: skip
_PRODUCT = re.compile(r"/market/products/([^/]+)(/candles|/ticker)?")


def answer(world: World, call: HttpCall) -> HttpAnswer:
    """One call: counted first, then carried out."""
    private = calls.answer(world, call)
    if private is not None:
        return private
    limit = world.weight_limits.get(POOL, PER_MINUTE) // 60
    window = world.meters.window(POOL, call.address, 1.0)
    if window.exceeds(limit, machine_s()):
        return calls.TOO_MANY
    if call.host != REST_HOST or call.method not in ("GET", "HEAD"):
        return json_answer({"message": "not found"}, 404)
    try:
        return json_answer(_answer(world, call))
    except Refused as refused:
        return calls.refusal(refused)


def _answer(world: World, call: HttpCall) -> object:
    plain = _PLAIN.get(call.path)
    if plain is not None:
        return plain(world, call.query)
    found = _PRODUCT.fullmatch(call.path.removeprefix(_PREFIX))
    if found is None or not call.path.startswith(_PREFIX):
        raise Refused("NOT_FOUND", "not found", 404)
    name, what = found.groups()
    listed = find(world, name)
    if listed is None:
        raise Refused("NOT_FOUND", "valid product_id is required", 404)
    if what is None:
        return product(world, listed, name)
    return (_candles if what == "/candles" else _ticker)(world, listed, call.query)


# --- candles --------------------------------------------------------------------------------


def _candles(world: World, listed: Listed, query: Mapping[str, str]) -> object:
    """Newest first, both ends included, the running bar too; none for bars without trades."""
    interval = _GRANULARITIES.get(query.get("granularity", ""))
    if interval is None:
        raise Refused("INVALID_ARGUMENT", "unsupported granularity")
    from_ms, to_ms = _seconds(query, "start") * 1000, _seconds(query, "end") * 1000
    most = _limit(query, _MOST_BARS)
    length_ms = end_of(interval, 0)
    if to_ms < from_ms:
        raise Refused("INVALID_ARGUMENT", "start must be before end")
    if (to_ms - from_ms) // length_ms >= _MOST_BARS:
        most_bars = f"number of candles requested should be less than {_MOST_BARS}"
        raise Refused("INVALID_ARGUMENT", most_bars)
    market, now_ms = world.market, world.clock.now_ms()
    bars = [
        (start_ms, market.candle(listed, interval, start_ms, now_ms))
        for start_ms in starts_between(world, listed, interval, from_ms, to_ms)
    ]
    rows = [frames.candle(listed, start_ms, bar) for start_ms, bar in bars if not bar.flat]
    for row in rows:
        del row["product_id"]
    return {"candles": rows[::-1][:most]}


def _seconds(query: Mapping[str, str], name: str) -> int:
    text = query.get(name, "")
    if not text.isdecimal() or len(text) > 11:
        raise Refused("INVALID_ARGUMENT", f"{name} must be a time in seconds")
    return int(text)


def _limit(query: Mapping[str, str], most: int) -> int:
    text = query.get("limit") or str(most)
    if not text.isdecimal() or not 1 <= int(text) <= most:
        raise Refused("INVALID_ARGUMENT", f"limit must be between 1 and {most}")
    return int(text)


# --- the rest -------------------------------------------------------------------------------


def _ticker(world: World, listed: Listed, query: Mapping[str, str]) -> object:
    """The newest trades and the best prices."""
    now_ms = world.clock.now_ms()
    book = world.market.book(listed, now_ms)
    rows = frames.recent_prints(world.market, listed, now_ms, _limit(query, 1000))
    for row in rows:
        row |= {"bid": "", "ask": "", "exchange": "coinbase"}
    return {
        "trades": rows,
        "best_bid": price(listed.listing, book.bid),
        "best_ask": price(listed.listing, book.ask),
    }


def _products(world: World, query: Mapping[str, str]) -> object:
    """All of them, or those of one type: there are no futures here."""
    if query.get("product_type", "SPOT") != "SPOT":
        return {"products": [], "num_products": 0}
    rows = [row for listed in world.catalog.of("spot") for row in products(world, listed)]
    return {"products": rows, "num_products": len(rows)}


def _time(world: World, query: Mapping[str, str]) -> object:
    now_ms = world.time_of(NAME)
    return {
        "iso": stamp(now_ms, 3),
        "epochSeconds": str(now_ms // 1000),
        "epochMillis": str(now_ms),
    }


def _rates(world: World, query: Mapping[str, str]) -> object:
    rates = {coin["code"]: "1.0" for coin in currencies(world)[1]}
    return {"data": {"currency": "USD", "rates": {"USD": "1.0", **rates}}}


_PLAIN: Mapping[str, Callable[[World, Mapping[str, str]], Any]] = {
    f"{_PREFIX}/time": _time,
    f"{_PREFIX}/market/products": _products,
    "/v2/currencies": lambda world, _: {"data": currencies(world)[0]},
    "/v2/currencies/crypto": lambda world, _: {"data": currencies(world)[1]},
    "/v2/exchange-rates": _rates,
}
