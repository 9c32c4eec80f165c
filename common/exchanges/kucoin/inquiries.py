"""What KuCoin's REST knows of an account, asked in the way of the mode that it is in. Pure.

The mode is asked every time: an account that is moved to the other one needs nobody to say so.
"""

from __future__ import annotations

from common.exchanges.kucoin import classic_asked
from common.exchanges.kucoin.account import mode_of
from common.exchanges.kucoin.asking import Asking
from common.exchanges.kucoin.unified_asked import Unified
from common.exchanges.private import Credentials, Known
from common.model.instruments import Catalog
from common.model.streams import Market


def snapshot(market: Market, credentials: Credentials, catalog: Catalog) -> Asking:
    """Balances, positions and open orders, as they are now."""
    if (yield from mode_of(credentials)) == "unified":
        return (yield from Unified(market, credentials, catalog).snapshot())
    return (yield from classic_asked.snapshot(market, credentials, catalog))


def since(market: Market, credentials: Credentials, catalog: Catalog, known: Known) -> Asking:
    """Orders and fills since then. ``known.until_ms`` is the exchange's now."""
    if (yield from mode_of(credentials)) == "unified":
        return (yield from Unified(market, credentials, catalog).since(known))
    return (yield from classic_asked.since(market, credentials, catalog, known))


def order(
    market: Market, credentials: Credentials, catalog: Catalog, symbol: str, order_id: str
) -> Asking:
    """One order and its fills; nothing if the exchange has forgotten it."""
    if (yield from mode_of(credentials)) == "unified":
        return (yield from Unified(market, credentials, catalog).order(symbol, order_id))
    return (yield from classic_asked.order(market, credentials, catalog, symbol, order_id))
