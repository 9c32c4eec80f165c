"""Coinbase's pushes: rows in its words, digits and field order, and events around them.

A payload is what all sockets share, its time and its events on a line each; every socket puts
its own envelope and number around it (``sealed``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from common.model.intervals import DAY_MS, MINUTE_MS, end_of, start_of
from simulator.digits import decimal_text, ratio
from simulator.exchanges.coinbase.names import (
    CANDLES,
    TICKER,
    TICKER_BATCH,
    TRADES,
    go_time,
    price,
    product_of,
    size,
    stamp,
)
from simulator.listing import Listed
from simulator.market import Bar, Day, Market
from simulator.trades import Trade

Row = dict[str, Any]

INTERVAL = "5m"
# How much a snapshot tells.
_BARS, _PRINTS, _PRINTS_WITHIN_MS = 20, 50, 30 * MINUTE_MS
_LISTS = {CANDLES: "candles", TRADES: "trades", TICKER: "tickers", TICKER_BATCH: "tickers"}


def payload(
    channel: str, rows: Sequence[Row], now_ms: int, kind: Literal["snapshot", "update"] = "update"
) -> str:
    """One event of rows, as of a time."""
    event = {"type": kind, _LISTS[channel]: rows}
    return f"{stamp(now_ms)}\n{msgspec.json.encode([event]).decode()}"


def heartbeat(now_ms: int) -> str:
    """The payload of the channel that always speaks."""
    event = {"current_time": go_time(now_ms), "heartbeat_counter": now_ms // 1000}
    return f"{stamp(now_ms)}\n{msgspec.json.encode([event]).decode()}"


def subscriptions(current: dict[str, list[str]], now_ms: int) -> str:
    """The payload that answers a request: everything the socket is subscribed to now."""
    return f"{stamp(now_ms)}\n{msgspec.json.encode([{'subscriptions': current}]).decode()}"


def sealed(channel: str, payload: str, number: int) -> str:
    """A payload as one socket's message of that number."""
    at, _, events = payload.partition("\n")
    return f'{{"channel":"{channel}","timestamp":"{at}","sequence_num":{number},"events":{events}}}'


# --- rows -----------------------------------------------------------------------------------


def candle(listed: Listed, start_ms: int, bar: Bar) -> Row:
    """A bar of five minutes; nothing says whether it is over."""
    listing = listed.listing
    return {
        "start": str(start_ms // 1000),
        "high": price(listing, bar.high),
        "low": price(listing, bar.low),
        "open": price(listing, bar.open),
        "close": price(listing, bar.close),
        "volume": size(listing, bar.lots),
        "product_id": product_of(listing),
    }


def trade(listed: Listed, trade: Trade, number: int) -> Row:
    """One trade, by its number among the product's."""
    return {
        "product_id": product_of(listed.listing),
        "trade_id": str(number),
        "price": price(listed.listing, trade.price),
        "size": size(listed.listing, trade.lots),
        "time": stamp(trade.time_ms, 6),
        "side": "BUY" if trade.taker_buys else "SELL",
    }


def ticker(listed: Listed, day: Day, *, with_book: bool) -> Row:
    """The rolling day; ``ticker_batch`` has no best prices."""
    listing, bar, book = listed.listing, day.bar, day.book
    row = {
        "type": "ticker",
        "product_id": product_of(listing),
        "price": price(listing, bar.close),
        "volume_24_h": size(listing, bar.lots),
        "low_24_h": price(listing, bar.low),
        "high_24_h": price(listing, bar.high),
        "low_52_w": price(listing, bar.low),
        "high_52_w": price(listing, bar.high),
        "price_percent_chg_24_h": decimal_text(
            ratio((bar.close - bar.open) * 10**16, bar.open), 14
        ),
    }
    if with_book:
        row |= {
            "best_bid": price(listing, book.bid),
            "best_ask": price(listing, book.ask),
            "best_bid_quantity": size(listing, book.bid_lots),
            "best_ask_quantity": size(listing, book.ask_lots),
        }
    return row


# --- several of them --------------------------------------------------------------------------


def trades_before(market: Market, listed: Listed, before_ms: int) -> int:
    """How many trades the product has had before a time: what its trades are numbered by."""
    days = range(start_of("1d", listed.begins_ms), before_ms, DAY_MS)
    return sum(market.candle(listed, "1d", day_ms, before_ms).trades for day_ms in days)


def prints(market: Market, listed: Listed, from_ms: int, to_ms: int) -> list[Row]:
    """The trades of a stretch, newest first, numbered without a gap."""
    trades = market.trades(listed, from_ms, to_ms)
    first = trades_before(market, listed, from_ms) + 1
    return [trade(listed, one, first + index) for index, one in enumerate(trades)][::-1]


def recent_prints(market: Market, listed: Listed, now_ms: int, most: int = _PRINTS) -> list[Row]:
    """The newest trades before a time, newest first."""
    return prints(market, listed, now_ms - _PRINTS_WITHIN_MS, now_ms)[:most]


def recent_candles(market: Market, listed: Listed, now_ms: int) -> list[Row]:
    """The newest bars, newest first, the running one included; none without trades."""
    rows = []
    start_ms = start_of(INTERVAL, now_ms)
    for _ in range(_BARS):
        bar = market.candle(listed, INTERVAL, start_ms, now_ms)
        if not bar.flat:
            rows.append(candle(listed, start_ms, bar))
        start_ms -= end_of(INTERVAL, start_ms) - start_ms
    return rows
