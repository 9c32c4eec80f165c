"""KuCoin's lists: pairs, contracts, currencies, complete enough for the strictest clients."""

from __future__ import annotations

from typing import Any

from simulator.digits import decimal_text
from simulator.exchanges.kucoin.frames import change_rate, market_group
from simulator.exchanges.kucoin.names import (
    asset,
    base_and_quote,
    multiplier,
    number,
    price,
    size,
    symbol_of,
)
from simulator.listing import Listed
from simulator.market import Day
from simulator.world import World

Fields = dict[str, Any]


def pair(entry: Listed) -> Fields:
    """A row of ``/api/v2/symbols``."""
    listing = entry.listing
    symbol, lot = symbol_of(listing), size(listing, 1)
    return {
        "symbol": symbol,
        "name": symbol,
        "baseCurrency": listing.base,
        "quoteCurrency": listing.quote,
        "feeCurrency": listing.quote,
        "market": market_group(listing),
        "baseMinSize": lot,
        "quoteMinSize": "0.1",
        "baseMaxSize": "10000000000",
        "quoteMaxSize": "99999999",
        "baseIncrement": lot,
        "quoteIncrement": decimal_text(1, listing.value_decimals),
        "priceIncrement": price(listing, listing.tick),
        "priceLimitRate": "0.1",
        "minFunds": "0.1",
        "isMarginEnabled": False,
        "enableTrading": entry.trading,
        "feeCategory": 1,
        "makerFeeCoefficient": "1.00",
        "takerFeeCoefficient": "1.00",
        "st": False,
        "callauctionIsEnabled": False,
        "callauctionPriceFloor": None,
        "callauctionPriceCeiling": None,
        "callauctionFirstStageStartTime": None,
        "callauctionSecondStageStartTime": None,
        "callauctionThirdStageStartTime": None,
        "tradingStartTime": None,
    }


def contract(world: World, entry: Listed) -> Fields:
    """A row of ``/api/v1/contracts/active``."""
    listing, dated = entry.listing, entry.listing.expiry_ms is not None
    inverse, symbol = listing.market == "inverse", symbol_of(entry.listing)
    day = world.market.day(entry, world.clock.now_ms())
    base, quote = base_and_quote(listing, day.bar)
    last = number(price(listing, day.bar.close))
    return {
        "symbol": symbol,
        "rootSymbol": asset(listing.settle),
        "type": "FFICSX" if dated else "FFWCSX",
        "firstOpenDate": entry.begins_ms,
        "expireDate": listing.expiry_ms,
        "settleDate": listing.expiry_ms,
        "baseCurrency": asset(listing.base),
        "quoteCurrency": listing.quote,
        "settleCurrency": asset(listing.settle),
        "maxOrderQty": 1_000_000,
        "maxPrice": number(price(listing, listing.price * 1000)),
        "lotSize": 1,
        "tickSize": number(price(listing, listing.tick)),
        "indexPriceTickSize": number(price(listing, 1)),
        "multiplier": number(multiplier(listing)),
        "initialMargin": number("0.01"),
        "maintainMargin": number("0.005"),
        "maxRiskLimit": 100_000,
        "minRiskLimit": 100_000,
        "riskStep": 50_000,
        "makerFeeRate": number("2.0E-4"),
        "takerFeeRate": number("6.0E-4"),
        "isDeleverage": True,
        "isQuanto": False,
        "isInverse": inverse,
        "markMethod": "FairPrice",
        "fairMethod": None if dated else "FundingRate",
        "status": "Open" if entry.trading else "Paused",
        "fundingFeeRate": None if dated else number("1.0E-4"),
        "fundingRateGranularity": None if dated else 28_800_000,
        "openInterest": "0",
        "turnoverOf24h": number(base if inverse else quote),
        "volumeOf24h": number(quote if inverse else base),
        "markPrice": last,
        "indexPrice": last,
        "lastTradePrice": last,
        # A countdown, whatever its name says.
        "nextFundingRateTime": None if dated else 28_800_000 - world.clock.now_ms() % 28_800_000,
        "maxLeverage": 100,
        "lowPrice": number(price(listing, day.bar.low)),
        "highPrice": number(price(listing, day.bar.high)),
    }


def spot_ticker(entry: Listed, day: Day) -> Fields:
    """A row of ``/api/v1/market/allTickers``; ``/market/stats`` is one with its time."""
    listing, bar, book = entry.listing, day.bar, day.book
    base, quote = base_and_quote(listing, bar)
    return {
        "symbol": symbol_of(listing),
        "symbolName": symbol_of(listing),
        "buy": price(listing, book.bid),
        "bestBidSize": size(listing, book.bid_lots),
        "sell": price(listing, book.ask),
        "bestAskSize": size(listing, book.ask_lots),
        "changeRate": change_rate(bar),
        "changePrice": price(listing, bar.close - bar.open),
        "high": price(listing, bar.high),
        "low": price(listing, bar.low),
        "vol": base,
        "volValue": quote,
        "last": price(listing, bar.close),
        "averagePrice": price(listing, bar.close),
        "takerFeeRate": "0.001",
        "makerFeeRate": "0.001",
        "takerCoefficient": "1",
        "makerCoefficient": "1",
    }


def currency(name: str) -> Fields:
    """A row of ``/api/v3/currencies``."""
    return {
        "currency": name,
        "name": name,
        "fullName": name,
        "precision": 8,
        "confirms": None,
        "contractAddress": None,
        "isMarginEnabled": False,
        "isDebitEnabled": False,
        "chains": [],
    }
