"""Bitget's pushes: bars, tickers and trades in its fields, digits and order."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import msgspec

from common.model.intervals import end_of
from simulator.digits import decimal_text, ratio
from simulator.exchanges.bitget.names import price, size, symbol_of, volumes
from simulator.listing import Listed
from simulator.market import Bar, Day, Market
from simulator.trades import Trade

# The bars of the first push after a subscribe.
HISTORY_BARS = 500
# Far enough back for that many bars of any interval there is history for.
_HISTORY_MS = 400 * 24 * 3_600_000

Arg = dict[str, str]


def push(action: str, arg: Arg, rows: Sequence[Any], now_ms: int) -> str:
    """The envelope of every push, as it goes over the wire."""
    message = {"action": action, "arg": arg, "data": rows, "ts": now_ms}
    return msgspec.json.encode(message).decode()


def row(listed: Listed, start_ms: int, bar: Bar) -> list[str]:
    """A bar as a row of 8: on COIN-FUTURES the volume in quote comes before the one in base.

    The last column is the volume in USDT; here it is the quote volume, whatever the quote.
    """
    listing = listed.listing
    base, quote = volumes(listing, bar)
    prices = [price(listing, units) for units in (bar.open, bar.high, bar.low, bar.close)]
    pair = (quote, base) if listing.market == "inverse" else (base, quote)
    return [str(start_ms), *prices, *pair, quote]


@lru_cache(maxsize=131_072)
def _final_row(market: Market, listed: Listed, interval: str, start_ms: int) -> list[str]:
    return row(listed, start_ms, market.candle(listed, interval, start_ms, 2**62))


def rows(
    market: Market, listed: Listed, interval: str, starts: Sequence[int], now_ms: int
) -> list[list[str]]:
    """The bars of these starts, the running one as it is."""
    return [
        _final_row(market, listed, interval, start_ms)
        if end_of(interval, start_ms) <= now_ms
        else row(listed, start_ms, market.candle(listed, interval, start_ms, now_ms))
        for start_ms in starts
    ]


def history(market: Market, listed: Listed, interval: str, now_ms: int) -> list[list[str]]:
    """The last bars, oldest first; the running one is the last."""
    from_ms = max(now_ms - _HISTORY_MS, listed.begins_ms - 32 * 24 * 3_600_000)
    starts = [
        start_ms
        for start_ms in market.starts(interval, from_ms, now_ms)
        if market.exists(listed, interval, start_ms)
    ]
    return rows(market, listed, interval, starts[-HISTORY_BARS:], now_ms)


def ticker(listed: Listed, day: Day) -> dict[str, Any]:
    """The one row of a ticker push; futures say more."""
    listing, bar, book = listed.listing, day.bar, day.book
    base, quote = volumes(listing, bar)
    last = price(listing, bar.close)
    change = decimal_text(ratio((bar.close - bar.open) * 100_000, bar.open), 5)
    fields: dict[str, Any] = {
        "instId": symbol_of(listing),
        "lastPr": last,
        "open24h": price(listing, bar.open),
        "high24h": price(listing, bar.high),
        "low24h": price(listing, bar.low),
        "change24h": change,
        "bidPr": price(listing, book.bid),
        "askPr": price(listing, book.ask),
        "bidSz": size(listing, book.bid, book.bid_lots),
        "askSz": size(listing, book.ask, book.ask_lots),
        "baseVolume": base,
        "quoteVolume": quote,
        "openUtc": price(listing, bar.open),
    }
    if listing.market == "spot":
        fields["changeUtc24h"] = change
    else:
        dated = listing.kind == "delivery"
        fields |= {
            "fundingRate": "0" if dated else "0.0001",
            "nextFundingTime": "0",
            "markPrice": last,
            "indexPrice": last,
            "holdingAmount": "0",
            "symbolType": "2" if dated else "1",
            "symbol": symbol_of(listing),
            "deliveryPrice": "0",
        }
    return fields | {"ts": str(day.as_of_ms)}


def trade(listed: Listed, one: Trade) -> dict[str, str]:
    """One trade; ``side`` is the taker's."""
    listing = listed.listing
    return {
        "ts": str(one.time_ms),
        "price": price(listing, one.price),
        "size": size(listing, one.price, one.lots),
        "side": "buy" if one.taker_buys else "sell",
        "tradeId": str(one.trade_id),
    }
