"""Bybit's pushes: bars, days, best prices and trades in its words, digits and field order."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec

from common.model.intervals import end_of
from common.model.streams import Market
from simulator.digits import decimal_text, ratio
from simulator.exchanges.bybit.names import INTERVALS, price, short, size, symbol_of, value
from simulator.listing import Listed
from simulator.market import Bar, Book, Day
from simulator.trades import Trade

Fields = dict[str, Any]
_THEIRS = {ours: theirs for theirs, ours in INTERVALS.items()}


def push(market: Market, topic: str, kind: str, data: object, now_ms: int, **more: int) -> str:
    """A push as it goes over the wire; the order of its fields differs between the markets."""
    if market == "spot":
        message = {"topic": topic, "ts": now_ms, "type": kind, **more, "data": data}
    else:
        message = {"topic": topic, "type": kind, "data": data, **more, "ts": now_ms}
    return msgspec.json.encode(message).decode()


# --- candles --------------------------------------------------------------------------------


def kline(
    listed: Listed, interval: str, start_ms: int, bar: Bar, closed: bool, now_ms: int
) -> Fields:
    """One element of ``kline.<interval>.<symbol>``."""
    row = kline_row(listed, start_ms, bar)
    return {
        "start": start_ms,
        "end": end_of(interval, start_ms) - 1,
        "interval": _THEIRS[interval],
        "open": row[1],
        "close": row[4],
        "high": row[2],
        "low": row[3],
        "volume": row[5],
        "turnover": row[6],
        "confirm": closed,
        "timestamp": now_ms,
    }


def kline_row(listed: Listed, start_ms: int, bar: Bar) -> list[str]:
    """One row of REST: start, open, high, low, close, volume, turnover."""
    listing = listed.listing
    prices = [short(price(listing, units)) for units in (bar.open, bar.high, bar.low, bar.close)]
    return [
        str(start_ms),
        *prices,
        short(size(listing, bar.lots)),
        short(value(listing, bar.value)),
    ]


# --- the rolling day ------------------------------------------------------------------------


def day_fields(listed: Listed, day: Day) -> dict[str, str]:
    """``tickers.<symbol>``, whole. Only contracts tell the best prices in it."""
    return _spot_day(listed, day) if listed.listing.market == "spot" else _contract_day(listed, day)


def _spot_day(listed: Listed, day: Day) -> dict[str, str]:
    listing, bar = listed.listing, day.bar
    return {
        "symbol": symbol_of(listing),
        "lastPrice": short(price(listing, bar.close)),
        "highPrice24h": short(price(listing, bar.high)),
        "lowPrice24h": short(price(listing, bar.low)),
        "prevPrice24h": short(price(listing, bar.open)),
        "volume24h": short(size(listing, bar.lots)),
        "turnover24h": short(value(listing, bar.value)),
        "price24hPcnt": short(_change(bar, 4)),
        "usdIndexPrice": short(price(listing, bar.close)),
    }


def _contract_day(listed: Listed, day: Day) -> dict[str, str]:
    """Every field a contract has; those without a truth of ours follow the last price."""
    listing, bar = listed.listing, day.bar
    # The mark moves with the time, as it does without a trade.
    mark = max(bar.close + (day.as_of_ms // 1000 % 3 - 1) * listing.tick, listing.tick)
    fields = {
        "symbol": symbol_of(listing),
        "tickDirection": "PlusTick" if day.last and day.last.taker_buys else "MinusTick",
        "price24hPcnt": _change(bar, 6),
        "lastPrice": price(listing, bar.close),
        "prevPrice24h": price(listing, bar.open),
        "highPrice24h": price(listing, bar.high),
        "lowPrice24h": price(listing, bar.low),
        "prevPrice1h": price(listing, bar.open),
        "markPrice": price(listing, mark),
        "indexPrice": price(listing, mark),
        "openInterest": size(listing, 1_000 * listing.typical_lots),
        "openInterestValue": price(listing, bar.close),
        "turnover24h": value(listing, bar.value),
        "volume24h": size(listing, bar.lots),
    }
    if listing.expiry_ms is not None:
        delivery = datetime.fromtimestamp(listing.expiry_ms / 1000, UTC)
        dated = {"deliveryTime": f"{delivery:%Y-%m-%dT%H:%M:%SZ}", **_DATED}
        return fields | dated | _best(listed, day.book)
    return fields | _PERPETUAL | _best(listed, day.book)


_PERPETUAL = {
    "nextFundingTime": "1760342400000",
    "fundingRate": "0.0001",
    "fundingIntervalHour": "8",
    "fundingCap": "0.005",
}
_DATED = {
    "basisRate": "0.01",
    "deliveryFeeRate": "0",
    "predictedDeliveryPrice": "0.00",
    "basis": "1.00",
    "basisRateYear": "0.04",
    "nextFundingTime": "",
    "fundingRate": "",
}


def _best(listed: Listed, book: Book) -> dict[str, str]:
    listing = listed.listing
    return {
        "bid1Price": price(listing, book.bid),
        "bid1Size": size(listing, book.bid_lots),
        "ask1Price": price(listing, book.ask),
        "ask1Size": size(listing, book.ask_lots),
    }


def rest_day(listed: Listed, day: Day) -> dict[str, str]:
    """A row of ``/v5/market/tickers``: there spot tells the best prices too."""
    best = {name: short(text) for name, text in _best(listed, day.book).items()}
    return day_fields(listed, day) | (best if listed.listing.market == "spot" else {})


def _change(bar: Bar, decimals: int) -> str:
    """The change of the day as a fraction."""
    return decimal_text(ratio((bar.close - bar.open) * 10**decimals, bar.open), decimals)


# --- books and trades -----------------------------------------------------------------------


def book_fields(listed: Listed, book: Book) -> Fields:
    """``orderbook.1.<symbol>``."""
    best, spell = _best(listed, book), short if listed.listing.market == "spot" else str
    return {
        "s": symbol_of(listed.listing),
        "b": [[spell(best["bid1Price"]), spell(best["bid1Size"])]],
        "a": [[spell(best["ask1Price"]), spell(best["ask1Size"])]],
        "u": book.update_id,
        "seq": book.update_id,
    }


def trade_fields(listed: Listed, trade: Trade) -> Fields:
    """One element of ``publicTrade.<symbol>``."""
    listing = listed.listing
    spot, spell = listing.market == "spot", short if listing.market == "spot" else str
    fields: Fields = {
        "T": trade.time_ms,
        "s": symbol_of(listing),
        "S": "Buy" if trade.taker_buys else "Sell",
        "v": spell(size(listing, trade.lots)),
        "p": spell(price(listing, trade.price)),
        "L": "PlusTick" if trade.taker_buys else "MinusTick",
        "i": str(trade.trade_id) if spot else str(UUID(int=trade.trade_id)),
        "BT": False,
        "RPI": False,
        "seq": trade.trade_id,
    }
    if spot:
        del fields["L"]
    return fields
