"""What Bitget's REST knows of an account: balances, positions, orders and fills. Pure.

An account is asked in the unified system's way first. One of the classic system is refused by a code
of its own, before anything else is looked at, and is asked in its own way then: so an account that is
moved to the other system needs nobody to say so.
"""

from __future__ import annotations

from common.exchanges.bitget.asking import Asking
from common.exchanges.bitget.classic_asked import Classic
from common.exchanges.bitget.unified_asked import Unified
from common.exchanges.private import Credentials, InquiryFailed, Known
from common.model.instruments import Catalog
from common.model.streams import Market


def snapshot(market: Market, credentials: Credentials, _catalog: Catalog) -> Asking:
    """Balances, positions and open orders, as they are now."""
    return _either(Unified(market, credentials).snapshot(), Classic(market, credentials).snapshot())


def since(market: Market, credentials: Credentials, _catalog: Catalog, known: Known) -> Asking:
    """Orders and fills since then, up to 90 days back. ``known.until_ms`` is the exchange's now."""
    return _either(
        Unified(market, credentials).since(known), Classic(market, credentials).since(known)
    )


def order(
    market: Market, credentials: Credentials, _catalog: Catalog, symbol: str, order_id: str
) -> Asking:
    """One order and its fills; nothing if the exchange has forgotten it."""
    return _either(
        Unified(market, credentials).order(order_id),
        Classic(market, credentials).order(symbol, order_id),
    )


def _either(unified: Asking, classic: Asking) -> Asking:
    try:
        return (yield from unified)
    except InquiryFailed as failed:
        if failed.trouble != "mode":
            raise
    return (yield from classic)
