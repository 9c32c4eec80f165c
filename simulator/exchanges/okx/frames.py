"""OKX's rows: bars, days, best prices, trades. All numbers are text, in its field order."""

from __future__ import annotations

from typing import Any

import msgspec

from simulator.exchanges.okx.names import base, price, quote, size, symbol_of, type_of
from simulator.listing import Listed, Listing
from simulator.market import Bar, Day
from simulator.trades import Trade

# The names of a candle row's places, oldest form first: REST and push are one.
Row = list[str]


def push(channel: str, symbol: str, rows: list[Any]) -> str:
    """A push as it goes over the wire."""
    arg = {"channel": channel, "instId": symbol}
    return msgspec.json.encode({"arg": arg, "data": rows}).decode()


def candle(listing: Listing, start_ms: int, bar: Bar, closed: bool) -> Row:
    """``[ts, o, h, l, c, vol, volCcy, volCcyQuote, confirm]``; of spot volCcy is in quote."""
    in_quote = quote(listing, bar.lots, bar.value)
    spot = listing.market == "spot"
    return [
        str(start_ms),
        *(price(listing, units) for units in (bar.open, bar.high, bar.low, bar.close)),
        size(listing, bar.lots),
        in_quote if spot else base(listing, bar.lots, bar.value),
        in_quote,
        "1" if closed else "0",
    ]


def ticker(listed: Listed, day: Day, opens: tuple[int, int]) -> dict[str, str]:
    """A row of ``tickers``; ``opens``: the prices at midnight UTC and UTC+8."""
    listing, bar, book = listed.listing, day.bar, day.book
    lots, value = bar.lots, bar.value
    spot = listing.market == "spot"
    return {
        "instType": type_of(listing),
        "instId": symbol_of(listing),
        "last": price(listing, bar.close),
        "lastSz": size(listing, day.last.lots if day.last else 0),
        "askPx": price(listing, book.ask),
        "askSz": size(listing, book.ask_lots),
        "bidPx": price(listing, book.bid),
        "bidSz": size(listing, book.bid_lots),
        "open24h": price(listing, bar.open),
        "high24h": price(listing, bar.high),
        "low24h": price(listing, bar.low),
        "sodUtc0": price(listing, opens[0]),
        "sodUtc8": price(listing, opens[1]),
        "volCcy24h": quote(listing, lots, value) if spot else base(listing, lots, value),
        "vol24h": size(listing, lots),
        "ts": str(day.as_of_ms),
    }


def best(listed: Listed, day: Day) -> dict[str, Any]:
    """A row of ``bbo-tbt``: price, size, a retired field, orders."""
    listing, book = listed.listing, day.book
    return {
        "asks": [[price(listing, book.ask), size(listing, book.ask_lots), "0", "1"]],
        "bids": [[price(listing, book.bid), size(listing, book.bid_lots), "0", "1"]],
        "ts": str(day.as_of_ms),
        "seqId": book.update_id,
    }


def trade(listed: Listed, one: Trade) -> dict[str, Any]:
    """A row of ``trades``: here every trade is an aggregate of one."""
    listing = listed.listing
    return {
        "instId": symbol_of(listing),
        "tradeId": str(one.trade_id),
        "px": price(listing, one.price),
        "sz": size(listing, one.lots),
        "side": "buy" if one.taker_buys else "sell",
        "ts": str(one.time_ms),
        "count": "1",
        "source": "0",
        "seqId": one.trade_id,
    }
