"""Binance's exchangeInfo, complete enough for the strictest clients."""

from __future__ import annotations

from typing import Any

from common.model.streams import Market
from simulator.exchanges.binance.names import POOLS, contract_type, pair_of, price, size, symbol_of
from simulator.listing import Listed, Listing

_NEVER_MS = 4_133_404_800_000
_SPOT_ORDERS = ["LIMIT", "LIMIT_MAKER", "MARKET", "STOP_LOSS", "STOP_LOSS_LIMIT", "TAKE_PROFIT",
                "TAKE_PROFIT_LIMIT"]  # fmt: skip
_FUTURES_ORDERS = ["LIMIT", "MARKET", "STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET",
                   "TRAILING_STOP_MARKET"]  # fmt: skip


def exchange_info(market: Market, entries: list[Listed], now_ms: int) -> dict[str, Any]:
    """The answer for these listings."""
    describe = _spot if market == "spot" else _futures
    info = {
        "timezone": "UTC",
        "serverTime": now_ms,
        "rateLimits": _rate_limits(market),
        "exchangeFilters": [],
        "symbols": [describe(entry) for entry in entries],
    }
    if market == "spot":
        info["sors"] = []
    else:
        settles = dict.fromkeys(entry.listing.settle for entry in entries)
        info["assets"] = [
            {"asset": asset, "marginAvailable": True, "autoAssetExchange": "0"} for asset in settles
        ]
    if market == "linear":
        info["futuresType"] = "U_MARGINED"
    return info


def status(entry: Listed) -> str:
    """TRADING, or BREAK for what is listed without trading."""
    return "TRADING" if entry.trading else "BREAK"


def _rate_limits(market: Market) -> list[dict[str, Any]]:
    _, weight = POOLS[market]
    limits = [("REQUEST_WEIGHT", "MINUTE", 1, weight)]
    if market == "spot":
        limits += [("ORDERS", "SECOND", 10, 100), ("ORDERS", "DAY", 1, 200_000)]
        limits += [("RAW_REQUESTS", "MINUTE", 5, 300_000)]
    else:
        limits += [("ORDERS", "MINUTE", 1, 1200), ("ORDERS", "SECOND", 10, 300)]
    return [
        {"rateLimitType": kind, "interval": interval, "intervalNum": number, "limit": limit}
        for kind, interval, number, limit in limits
    ]


def _steps(listing: Listing) -> list[dict[str, Any]]:
    tick, lot = price(listing, listing.tick), size(listing, 1)
    most = size(listing, 9_000_000 * 10**listing.lot_decimals)
    return [
        {
            "filterType": "PRICE_FILTER",
            "minPrice": tick,
            "maxPrice": price(listing, listing.price * 1000),
            "tickSize": tick,
        },
        {"filterType": "LOT_SIZE", "minQty": lot, "maxQty": most, "stepSize": lot},
    ]


def _spot(entry: Listed) -> dict[str, Any]:
    listing = entry.listing
    return {
        "symbol": symbol_of(listing),
        "status": status(entry),
        "baseAsset": listing.base,
        "baseAssetPrecision": 8,
        "quoteAsset": listing.quote,
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "baseCommissionPrecision": 8,
        "quoteCommissionPrecision": 8,
        "orderTypes": _SPOT_ORDERS,
        "icebergAllowed": True,
        "ocoAllowed": True,
        "otoAllowed": True,
        "opoAllowed": True,
        "quoteOrderQtyMarketAllowed": True,
        "allowTrailingStop": True,
        "cancelReplaceAllowed": True,
        "amendAllowed": True,
        "pegInstructionsAllowed": True,
        "isSpotTradingAllowed": entry.trading,
        "isMarginTradingAllowed": False,
        "filters": [
            *_steps(listing),
            {"filterType": "ICEBERG_PARTS", "limit": 100},
            {
                "filterType": "MARKET_LOT_SIZE",
                "minQty": "0.00000000",
                "maxQty": size(listing, 1_000 * 10**listing.lot_decimals),
                "stepSize": "0.00000000",
            },
            {"filterType": "TRAILING_DELTA", "minTrailingAboveDelta": 10,
             "maxTrailingAboveDelta": 2000, "minTrailingBelowDelta": 10,
             "maxTrailingBelowDelta": 2000},
            {"filterType": "PERCENT_PRICE_BY_SIDE", "bidMultiplierUp": "5",
             "bidMultiplierDown": "0.2", "askMultiplierUp": "5", "askMultiplierDown": "0.2",
             "avgPriceMins": 5},
            {"filterType": "NOTIONAL", "minNotional": "5.00000000", "applyMinToMarket": True,
             "maxNotional": "9000000.00000000", "applyMaxToMarket": False, "avgPriceMins": 5},
            {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": 200},
            {"filterType": "MAX_NUM_ALGO_ORDERS", "maxNumAlgoOrders": 5},
        ],
        "permissions": [],
        "permissionSets": [["SPOT"]],
        "defaultSelfTradePreventionMode": "EXPIRE_MAKER",
        "allowedSelfTradePreventionModes": ["NONE", "EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH"],
    }  # fmt: skip


def _futures(entry: Listed) -> dict[str, Any]:
    listing = entry.listing
    lot = size(listing, 1)
    fields: dict[str, Any] = {
        "symbol": symbol_of(listing),
        "pair": pair_of(listing),
        "contractType": contract_type(listing),
        "deliveryDate": listing.expiry_ms or _NEVER_MS,
        "onboardDate": entry.begins_ms,
        "status" if listing.market == "linear" else "contractStatus": status(entry),
        "maintMarginPercent": "2.5000",
        "requiredMarginPercent": "5.0000",
        "baseAsset": listing.base,
        "quoteAsset": listing.quote,
        "marginAsset": listing.settle,
        "pricePrecision": listing.price_decimals,
        "quantityPrecision": listing.lot_decimals,
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "underlyingType": "COIN",
        "underlyingSubType": [],
        "triggerProtect": "0.0500",
        "liquidationFee": "0.012500",
        "marketTakeBound": "0.05",
        "filters": [
            *_steps(listing),
            {"filterType": "MARKET_LOT_SIZE", "minQty": lot,
             "maxQty": size(listing, 1_000 * 10**listing.lot_decimals), "stepSize": lot},
            {"filterType": "MAX_NUM_ORDERS", "limit": 200},
            {"filterType": "MAX_NUM_ALGO_ORDERS", "limit": 10},
            {"filterType": "PERCENT_PRICE", "multiplierUp": "1.0500", "multiplierDown": "0.9500",
             "multiplierDecimal": "4"},
        ],
        "orderTypes": _FUTURES_ORDERS,
        "timeInForce": ["GTC", "IOC", "FOK", "GTX", "GTD"],
    }  # fmt: skip
    if listing.market == "linear":
        fields["settlePlan"] = 0
        fields["filters"].append({"filterType": "MIN_NOTIONAL", "notional": "5"})
    else:
        fields |= {
            "contractSize": listing.contract_size,
            "equalQtyPrecision": 4,
            "maxMoveOrderLimit": 10_000,
        }
    return fields
