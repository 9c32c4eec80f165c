"""Bitget's lists of what is traded, complete enough for its own clients."""

from __future__ import annotations

from typing import Any

from simulator.digits import decimal_text
from simulator.exchanges.bitget.names import size_decimals, symbol_of
from simulator.listing import Listed


def pair(entry: Listed) -> dict[str, str]:
    """A row of spot's ``symbols``."""
    listing = entry.listing
    return {
        "symbol": symbol_of(listing),
        "baseCoin": listing.base,
        "quoteCoin": listing.quote,
        "minTradeAmount": "0",
        "maxTradeAmount": "10000000000",
        "takerFeeRate": "0.002",
        "makerFeeRate": "0.002",
        "pricePrecision": str(listing.price_decimals),
        "quantityPrecision": str(listing.lot_decimals),
        "quotePrecision": "8",
        "status": "online" if entry.trading else "halt",
        "minTradeUSDT": "1",
        "buyLimitPriceRatio": "0.05",
        "sellLimitPriceRatio": "0.05",
        "areaSymbol": "no",
        "orderQuantity": "200",
        "maxLimitOrderValue": "1000000",
        "maxMarketOrderValue": "1000000",
        "openTime": str(entry.begins_ms),
        "offTime": "",
    }


def contract(entry: Listed) -> dict[str, Any]:
    """A row of the futures' ``contracts``: sizes are steps of the base coin."""
    listing = entry.listing
    step = decimal_text(1, size_decimals(listing))
    return {
        "symbol": symbol_of(listing),
        "baseCoin": listing.base,
        "quoteCoin": listing.quote,
        "buyLimitPriceRatio": "0.05",
        "sellLimitPriceRatio": "0.05",
        "feeRateUpRatio": "0.005",
        "makerFeeRate": "0.0002",
        "takerFeeRate": "0.0006",
        "openCostUpRatio": "0.01",
        "supportMarginCoins": [listing.settle],
        "minTradeNum": step,
        "priceEndStep": str(listing.tick),
        "volumePlace": str(size_decimals(listing)),
        "pricePlace": str(listing.price_decimals),
        "sizeMultiplier": step,
        "symbolType": listing.kind,
        "minTradeUSDT": "5",
        "maxSymbolOrderNum": "200",
        "maxProductOrderNum": "400",
        "maxPositionNum": "150",
        "symbolStatus": "normal" if entry.trading else "maintain",
        "offTime": "-1",
        "limitOpenTime": "-1",
        "deliveryTime": "" if listing.expiry_ms is None else str(listing.expiry_ms),
        "deliveryStartTime": "" if listing.expiry_ms is None else str(entry.begins_ms),
        "deliveryPeriod": "" if listing.expiry_ms is None else "this_quarter",
        "launchTime": str(entry.begins_ms),
        "fundInterval": "8",
        "minLever": "1",
        "maxLever": "125",
        "posLimit": "0.05",
        "maintainTime": "",
        "maxOrderQty": "1200",
        "isRwa": "NO",
    }


def coin(name: str) -> dict[str, Any]:
    """A row of ``coins``; how to deposit it is nobody's business here."""
    return {"coinId": str(sum(name.encode())), "coin": name, "transfer": "true", "chains": []}
