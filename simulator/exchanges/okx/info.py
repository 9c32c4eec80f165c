"""OKX's instruments, complete enough for the strictest clients."""

from __future__ import annotations

from typing import Any

from simulator.digits import decimal_text
from simulator.exchanges.okx.names import price, size, symbol_of, type_of, underlying_of
from simulator.listing import Listed, Listing


def instrument(entry: Listed) -> dict[str, Any]:
    """A row of ``/public/instruments``; what does not apply is empty."""
    listing = entry.listing
    lot = size(listing, 1)
    most = size(listing, 9_000_000 * 10 ** (listing.lot_decimals if _is_spot(listing) else 0))
    return {
        "alias": "",
        "auctionEndTime": "",
        "baseCcy": listing.base if _is_spot(listing) else "",
        "category": "1",
        "contTdSwTime": str(entry.begins_ms),
        **_contract(listing),
        "expTime": "" if listing.expiry_ms is None else str(listing.expiry_ms),
        "futureSettlement": False,
        "groupId": "1",
        "instCategory": "1",
        "instFamily": "" if _is_spot(listing) else underlying_of(listing),
        "instId": symbol_of(listing),
        "instType": type_of(listing),
        "lever": "10" if _is_spot(listing) else "100",
        "listTime": str(entry.begins_ms),
        "lotSz": lot,
        "maxIcebergSz": most,
        "maxLmtAmt": "20000000",
        "maxLmtSz": most,
        "maxMktAmt": "1000000",
        "maxMktSz": most,
        "maxStopSz": most,
        "maxTriggerSz": most,
        "maxTwapSz": most,
        "minSz": lot,
        "openType": "",
        "optType": "",
        "preMktSwTime": "",
        "quoteCcy": listing.quote if _is_spot(listing) else "",
        "ruleType": "normal",
        "settleCcy": "" if _is_spot(listing) else listing.settle,
        "state": "live" if entry.trading else "suspend",
        "stk": "",
        "tickSz": price(listing, listing.tick),
        "tradeQuoteCcyList": [listing.quote] if _is_spot(listing) else [],
        "uly": "" if _is_spot(listing) else underlying_of(listing),
        "upcChg": [],
    }


def contract_value(listing: Listing) -> str:
    """What one contract (one lot) stands for."""
    if listing.contract_size is not None:
        return str(listing.contract_size)
    return decimal_text(1, listing.lot_decimals)


def _contract(listing: Listing) -> dict[str, str]:
    if _is_spot(listing):
        return dict.fromkeys(("ctMult", "ctType", "ctVal", "ctValCcy"), "")
    inverse = listing.contract_size is not None
    return {
        "ctMult": "1",
        "ctType": "inverse" if inverse else "linear",
        "ctVal": contract_value(listing),
        "ctValCcy": listing.quote if inverse else listing.base,
    }


def _is_spot(listing: Listing) -> bool:
    return listing.market == "spot"
