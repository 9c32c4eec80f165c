"""Binance's pushes: bars, days, books and trades in its letters, digits and field order."""

from __future__ import annotations

from typing import Any

import msgspec

from common.model.intervals import end_of
from simulator.digits import decimal_text, ratio
from simulator.exchanges.binance.names import (
    SYMBOL_TYPE,
    contract_type,
    pair_of,
    price,
    size,
    symbol_of,
    value,
)
from simulator.listing import Listed, Listing
from simulator.market import Bar, Day
from simulator.trades import Trade

Fields = dict[str, Any]


def text_of(fields: Fields | list[Fields]) -> str:
    """As it goes over the wire."""
    return msgspec.json.encode(fields).decode()


# --- candles --------------------------------------------------------------------------------


def kline(
    listed: Listed, interval: str, start_ms: int, bar: Bar, closed: bool, now_ms: int
) -> Fields:
    """``<symbol>@kline_<interval>``."""
    symbol = symbol_of(listed.listing)
    body = _kline_body(listed.listing, interval, start_ms, bar, closed)
    body = {"t": body.pop("t"), "T": body.pop("T"), "s": symbol, **body}
    return {"e": "kline", "E": now_ms, "s": symbol, "k": body}


def continuous_kline(
    listed: Listed, interval: str, start_ms: int, bar: Bar, closed: bool, now_ms: int
) -> Fields:
    """``<pair>_<contract type>@continuousKline_<interval>`` (futures)."""
    return {
        "e": "continuous_kline",
        "E": now_ms,
        "ps": pair_of(listed.listing),
        "ct": contract_type(listed.listing),
        "k": _kline_body(listed.listing, interval, start_ms, bar, closed),
    }


def _kline_body(listing: Listing, interval: str, start_ms: int, bar: Bar, closed: bool) -> Fields:
    return {
        "t": start_ms,
        "T": end_of(interval, start_ms) - 1,
        "i": interval,
        "f": bar.first_id,
        "L": bar.last_id,
        "o": price(listing, bar.open),
        "c": price(listing, bar.close),
        "h": price(listing, bar.high),
        "l": price(listing, bar.low),
        "v": size(listing, bar.lots),
        "n": bar.trades,
        "x": closed,
        "q": value(listing, bar.value),
        "V": size(listing, bar.taker_lots),
        "Q": value(listing, bar.taker_value),
        "B": "0",
    }


# --- the rolling day ------------------------------------------------------------------------


def mini_ticker(listed: Listed, day: Day) -> Fields:
    """``@miniTicker``; futures add the pair and the symbol type."""
    listing, bar = listed.listing, day.bar
    fields: Fields = {"e": "24hrMiniTicker", "E": day.as_of_ms, "s": symbol_of(listing)}
    if listing.market != "spot":
        fields["ps"] = pair_of(listing)
    fields |= {
        "c": price(listing, bar.close),
        "o": price(listing, bar.open),
        "h": price(listing, bar.high),
        "l": price(listing, bar.low),
        "v": size(listing, bar.lots),
        "q": value(listing, bar.value),
    }
    if listing.market != "spot":
        fields["st"] = SYMBOL_TYPE[listing.market]
    return fields


def ticker(listed: Listed, day: Day, previous_close: int) -> Fields:
    """``@ticker``; only spot tells the previous close and the best prices."""
    listing, bar, spot = listed.listing, day.bar, listed.listing.market == "spot"
    fields: Fields = {
        "e": "24hrTicker",
        "E": day.as_of_ms,
        "s": symbol_of(listing),
        "p": price(listing, bar.close - bar.open),
        "P": percent(bar),
        "w": average(listing, bar),
    }
    if spot:
        fields["x"] = price(listing, previous_close)
    fields |= {"c": price(listing, bar.close), "Q": size(listing, day.last.lots if day.last else 0)}
    if spot:
        fields |= {
            "b": price(listing, day.book.bid),
            "B": size(listing, day.book.bid_lots),
            "a": price(listing, day.book.ask),
            "A": size(listing, day.book.ask_lots),
        }
    fields |= {
        "o": price(listing, bar.open),
        "h": price(listing, bar.high),
        "l": price(listing, bar.low),
        "v": size(listing, bar.lots),
        "q": value(listing, bar.value),
        "O": day.start_ms,
        "C": close_ms(listing, day),
        "F": bar.first_id,
        "L": bar.last_id,
        "n": bar.trades,
    }
    if not spot:
        fields |= {"ps": pair_of(listing), "st": SYMBOL_TYPE[listing.market]}
    return fields


def percent(bar: Bar) -> str:
    """The change of the day in percent, three decimals."""
    return decimal_text(ratio((bar.close - bar.open) * 100_000, bar.open), 3)


def average(listing: Listing, bar: Bar) -> str:
    """The volume-weighted price of the day."""
    if listing.contract_size is not None:
        return decimal_text(ratio(bar.lots * listing.contract_size * 10**16, bar.value), 8)
    extra = 8 - listing.price_decimals if listing.market == "spot" else 0
    return decimal_text(ratio(bar.value * 10**extra, bar.lots), listing.price_decimals + extra)


def close_ms(listing: Listing, day: Day) -> int:
    """The end of the day: now on spot, the last trade on futures."""
    if listing.market == "spot" or day.last is None:
        return day.as_of_ms
    return day.last.time_ms


# --- books and trades -----------------------------------------------------------------------


def book_ticker(listed: Listed, day: Day) -> Fields:
    """``@bookTicker``; on spot without a type and without a time."""
    listing, book = listed.listing, day.book
    best = {
        "b": price(listing, book.bid),
        "B": size(listing, book.bid_lots),
        "a": price(listing, book.ask),
        "A": size(listing, book.ask_lots),
    }
    if listing.market == "spot":
        return {"u": book.update_id, "s": symbol_of(listing), **best}
    moved_ms = day.last.time_ms if day.last else day.as_of_ms
    return {
        "e": "bookTicker",
        "u": book.update_id,
        "s": symbol_of(listing),
        **best,
        "T": moved_ms,
        "E": day.as_of_ms,
        "ps": pair_of(listing),
        "st": SYMBOL_TYPE[listing.market],
    }


def agg_trade(listed: Listed, trade: Trade, now_ms: int) -> Fields:
    """``@aggTrade``: here every trade is an aggregate of one."""
    listing = listed.listing
    fields: Fields = {
        "e": "aggTrade",
        "E": now_ms,
        "s": symbol_of(listing),
        "a": trade.trade_id,
        "p": price(listing, trade.price),
        "q": size(listing, trade.lots),
        "f": trade.trade_id,
        "l": trade.trade_id,
        "T": trade.time_ms,
        "m": not trade.taker_buys,
    }
    return fields | (
        {"M": True} if listing.market == "spot" else {"st": SYMBOL_TYPE[listing.market]}
    )


def single_trade(listed: Listed, trade: Trade, now_ms: int) -> Fields:
    """``@trade``."""
    listing = listed.listing
    return {
        "e": "trade",
        "E": now_ms,
        "s": symbol_of(listing),
        "t": trade.trade_id,
        "p": price(listing, trade.price),
        "q": size(listing, trade.lots),
        "T": trade.time_ms,
        "m": not trade.taker_buys,
        "M": True,
    }
