"""KuCoin's pushes, without the topic they are sent under: its fields, digits, units and times."""

from __future__ import annotations

from typing import Any

import msgspec

from simulator.digits import decimal_text, ratio
from simulator.exchanges.kucoin.names import base_and_quote, number, price, size, symbol_of
from simulator.listing import Listed, Listing
from simulator.market import Bar, Day
from simulator.trades import Trade

Fields = dict[str, Any]


def text_of(fields: Fields) -> str:
    """As it goes over the wire, but for the envelope."""
    return msgspec.json.encode(fields).decode()


# --- candles --------------------------------------------------------------------------------


def kline(listed: Listed, start_ms: int, bar: Bar, first: bool, now_ms: int) -> Fields:
    """``/market/candles`` and ``/contractMarket/limitCandle``.

    Open, close, high, low. The futures' sixth column looks like a number of contracts and is
    documented as wrong; the seventh is one.
    """
    listing = listed.listing
    prices = [price(listing, units) for units in (bar.open, bar.close, bar.high, bar.low)]
    if listing.market == "spot":
        volumes, subject = [*base_and_quote(listing, bar)], "update"
        subject, time = f"trade.candles.{'add' if first else 'update'}", now_ms * 1_000_000
    else:
        volumes, subject, time = [f"{bar.lots // 2}.0", str(bar.lots)], "candle.stick", now_ms
    row = [str(start_ms // 1000), *prices, *volumes]
    return {
        "subject": subject,
        "data": {"symbol": symbol_of(listing), "candles": row, "time": time},
    }


# --- best prices ----------------------------------------------------------------------------


def spot_best(listed: Listed, day: Day, subject: str) -> Fields:
    """``/market/ticker``; its subject is the symbol where the topic is ``all``."""
    listing, book = listed.listing, day.book
    return {
        "subject": subject,
        "data": {
            "bestAsk": price(listing, book.ask),
            "bestAskSize": size(listing, book.ask_lots),
            "bestBid": price(listing, book.bid),
            "bestBidSize": size(listing, book.bid_lots),
            "price": price(listing, day.bar.close),
            "sequence": str(book.update_id),
            "size": size(listing, day.last.lots if day.last else 0),
            "time": day.as_of_ms,
        },
    }


def futures_best(listed: Listed, day: Day) -> Fields:
    """``/contractMarket/tickerV2``: sizes are numbers of contracts, no last price."""
    listing, book = listed.listing, day.book
    return {
        "subject": "tickerV2",
        "sn": book.update_id,
        "data": {
            "symbol": symbol_of(listing),
            "sequence": book.update_id,
            "bestBidSize": book.bid_lots,
            "bestBidPrice": price(listing, book.bid),
            "bestAskPrice": price(listing, book.ask),
            "bestAskSize": book.ask_lots,
            "ts": day.as_of_ms * 1_000_000,
        },
    }


def futures_last(listed: Listed, day: Day) -> Fields:
    """``/contractMarket/ticker``, the first version: with the last trade."""
    fields, last = futures_best(listed, day), day.last
    assert last is not None
    fields["subject"] = "ticker"
    fields["data"] |= {
        "side": "buy" if last.taker_buys else "sell",
        "size": last.lots,
        "price": price(listed.listing, last.price),
        "tradeId": str(last.trade_id),
    }
    return fields


# --- the day --------------------------------------------------------------------------------


def spot_day(listed: Listed, day: Day) -> Fields:
    """``/market/snapshot``: everything is a JSON number."""
    listing, bar, book = listed.listing, day.bar, day.book
    base, quote = base_and_quote(listing, bar)
    return {
        "subject": "trade.snapshot",
        "data": {
            "sequence": str(book.update_id),
            "data": {
                "askSize": number(size(listing, book.ask_lots)),
                "averagePrice": number(_average(listing, bar)),
                "baseCurrency": listing.base,
                "bidSize": number(size(listing, book.bid_lots)),
                "board": 1,
                "buy": number(price(listing, book.bid)),
                "changePrice": number(price(listing, bar.close - bar.open)),
                "changeRate": number(change_rate(bar)),
                "close": number(price(listing, bar.close)),
                "datetime": day.as_of_ms,
                "high": number(price(listing, bar.high)),
                "lastTradedPrice": number(price(listing, bar.close)),
                "low": number(price(listing, bar.low)),
                "makerCoefficient": number("1.000000"),
                "makerFeeRate": number("0.001"),
                "marginTrade": False,
                "mark": 0,
                "market": market_group(listing),
                "markets": [market_group(listing)],
                "open": number(price(listing, bar.open)),
                "quoteCurrency": listing.quote,
                "sell": number(price(listing, book.ask)),
                "sort": 100,
                "symbol": symbol_of(listing),
                "symbolCode": symbol_of(listing),
                "takerCoefficient": number("1.000000"),
                "takerFeeRate": number("0.001"),
                "trading": True,
                "vol": number(base),
                "volValue": number(quote),
            },
        },
    }


def futures_day(listed: Listed, day: Day) -> Fields:
    """``/contractMarket/snapshot``: the volume in base on linear and in quote on inverse."""
    listing, bar = listed.listing, day.bar
    base, quote = base_and_quote(listing, bar)
    if listing.market == "inverse":
        base, quote = quote, base
    return {
        "subject": "snapshot.24h",
        "id": f"{day.as_of_ms:024x}",
        "data": {
            "highPrice": number(price(listing, bar.high)),
            "lastPrice": number(price(listing, bar.close)),
            "lowPrice": number(price(listing, bar.low)),
            "price24HoursBefore": number(price(listing, bar.open)),
            "priceChg": number(price(listing, bar.close - bar.open)),
            "priceChgPct": number(change_rate(bar)),
            "symbol": symbol_of(listing),
            "ts": day.as_of_ms * 1_000_000,
            "turnover": number(quote),
            "volume": number(base),
        },
    }


def market_group(listing: Listing) -> str:
    """The trading area of a pair."""
    return "USDS" if listing.quote == "USDT" else listing.quote


def change_rate(bar: Bar) -> str:
    """The change of the day as a fraction of four decimals."""
    return decimal_text(ratio((bar.close - bar.open) * 10_000, bar.open), 4)


def _average(listing: Listing, bar: Bar) -> str:
    """The mean price by volume; the last price where nothing was traded."""
    return price(listing, ratio(bar.value, bar.lots) if bar.lots else bar.close)


# --- trades ---------------------------------------------------------------------------------


def trade(listed: Listed, one: Trade) -> Fields:
    """``/market/match`` and ``/contractMarket/execution``."""
    listing, number_ = listed.listing, str(one.trade_id)
    side = "buy" if one.taker_buys else "sell"
    orders = {"makerOrderId": f"m{number_}", "takerOrderId": f"t{number_}", "tradeId": number_}
    data = {"symbol": symbol_of(listing), "price": price(listing, one.price), "side": side}
    time_ns = one.time_ms * 1_000_000
    if listing.market == "spot":
        data |= orders | {"sequence": number_, "size": size(listing, one.lots), "type": "match"}
        return {"subject": "trade.l3match", "data": data | {"time": str(time_ns)}}
    numbers = {"sequence": one.trade_id, "size": one.lots, "ts": time_ns}
    return {"subject": "match", "sn": one.trade_id, "data": data | orders | numbers}
