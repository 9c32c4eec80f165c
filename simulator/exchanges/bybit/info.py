"""Bybit's instrument list: by status, and by pages where there are contracts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from common.model.streams import Market
from simulator.digits import decimal_text
from simulator.exchanges.bybit.names import contract_type, price, size, symbol_of
from simulator.exchanges.bybit.query import limit_in
from simulator.listing import Listed, Listing
from simulator.world import World

# What the cursor looks like is nobody's business but ours; it is escaped as on the wire.
_CURSOR = "page_args%3D"


def status(entry: Listed) -> str:
    """PreLaunch for what is listed without trading, Closed for what has stopped."""
    if entry.listing.halted:
        return "PreLaunch"
    return "Trading" if entry.ends_ms is None else "Closed"


def instruments(world: World, market: Market, query: Mapping[str, str]) -> dict[str, Any]:
    """``result`` of ``/v5/market/instruments-info``. Without a status only what trades is told."""
    wanted = "Trading" if market == "spot" else query.get("status", "Trading")
    entries = [
        entry
        for entry in world.catalog.of(market)
        if status(entry) == wanted
        and query.get("symbol", symbol_of(entry.listing)) == symbol_of(entry.listing)
        and query.get("baseCoin", entry.listing.base) == entry.listing.base
    ]
    if market == "spot":
        return {"category": market, "list": [_spot(entry) for entry in entries]}
    first = int(query.get("cursor", "").removeprefix(_CURSOR) or 0)
    after = first + limit_in(query, 500)
    more = f"{_CURSOR}{after}" if after < len(entries) else ""
    rows = [_contract(entry) for entry in entries[first:after]]
    return {"category": market, "list": rows, "nextPageCursor": more}


def _spot(entry: Listed) -> dict[str, Any]:
    listing = entry.listing
    lot = size(listing, 1)
    return {
        "symbolId": 9,
        "symbol": symbol_of(listing),
        "baseCoin": listing.base,
        "quoteCoin": listing.quote,
        "innovation": "0",
        "status": status(entry),
        "marginTrading": "none",
        "stTag": "0",
        "lotSizeFilter": {
            "basePrecision": lot,
            "quotePrecision": decimal_text(1, listing.value_decimals),
            "minOrderQty": lot,
            "maxOrderQty": "17000",
            "minOrderAmt": "5",
            "maxOrderAmt": "1999999999",
            "maxLimitOrderQty": "17000",
            "maxMarketOrderQty": "8500",
            "postOnlyMaxLimitOrderSize": "60000",
        },
        "priceFilter": {"tickSize": price(listing, listing.tick)},
        "riskParameters": {"priceLimitRatioX": "0.05", "priceLimitRatioY": "0.05"},
        "symbolType": "",
        "isPublicRpi": True,
        "myRpiPermission": True,
    }


def _contract(entry: Listed) -> dict[str, Any]:
    listing = entry.listing
    lot = size(listing, 1)
    fields = {
        "symbol": symbol_of(listing),
        "contractType": contract_type(listing),
        "status": status(entry),
        "baseCoin": listing.base,
        "quoteCoin": listing.quote,
        "launchTime": str(entry.begins_ms),
        "deliveryTime": str(listing.expiry_ms or 0),
        "deliveryFeeRate": "0.0005" if listing.expiry_ms else "",
        "priceScale": str(listing.price_decimals),
        "leverageFilter": {"minLeverage": "1", "maxLeverage": "100.00", "leverageStep": "0.01"},
        "priceFilter": {
            "minPrice": price(listing, listing.tick),
            "maxPrice": price(listing, listing.price * 1000),
            "tickSize": price(listing, listing.tick),
        },
        "lotSizeFilter": {
            "maxOrderQty": size(listing, 1_000_000),
            "minOrderQty": lot,
            "qtyStep": lot,
            "postOnlyMaxOrderQty": size(listing, 1_000_000),
            "maxMktOrderQty": size(listing, 500_000),
            "minNotionalValue": "5",
        },
        "unifiedMarginTrade": True,
        "fundingInterval": 480,
        "settleCoin": listing.settle,
        "copyTrading": "none",
        "upperFundingRate": "0.00375",
        "lowerFundingRate": "-0.00375",
        "displayName": "",
        "symbolType": "",
        "riskParameters": {"priceLimitRatioX": "0.01", "priceLimitRatioY": "0.02"},
    }
    return fields | _pre_listing(listing, entry)


def _pre_listing(listing: Listing, entry: Listed) -> dict[str, Any]:
    """A contract that does not trade yet is in one of the phases before it does."""
    if not listing.halted:
        return {"isPreListing": False, "preListingInfo": None}
    phase = {"phase": "CallAuction", "startTime": str(entry.begins_ms), "endTime": ""}
    fees = {"auctionFeeRate": "0", "takerFeeRate": "0.001", "makerFeeRate": "0.0004"}
    info = {"curAuctionPhase": "CallAuction", "phases": [phase], "auctionFeeInfo": fees}
    return {"isPreListing": True, "preListingInfo": info}
