"""KuCoin's private topics: which there are, and what of a feed is heard on each."""

from __future__ import annotations

from collections.abc import Mapping

from simulator.exchanges.kucoin.accounts.pushes import (
    ORDERS,
    POSITION,
    POSITIONS,
    SPOT_BALANCES,
    SPOT_ORDERS,
    WALLET,
)
from simulator.exchanges.kucoin.names import Product

_OLD_SPOT_ORDERS = "/spotMarket/tradeOrders"
# Topics, and the one by which the same account hears all of it; None where nothing ever happens here.
_TOPICS: Mapping[Product, Mapping[str, str | None]] = {
    "spot": {
        SPOT_ORDERS: SPOT_ORDERS,
        _OLD_SPOT_ORDERS: SPOT_ORDERS,
        SPOT_BALANCES: SPOT_BALANCES,
        "/spotMarket/advancedOrders": None,
    },
    "futures": {
        ORDERS: ORDERS,
        WALLET: WALLET,
        POSITIONS: POSITIONS,
        "/contractMarket/advancedOrders": None,
        "/contract/marginMode": None,
        "/contract/crossLeverage": None,
    },
}
# Those that may be asked for by symbol, or only so.
_BY_SYMBOL: Mapping[str, str] = {ORDERS: ORDERS, POSITION: POSITIONS}
ALL: Mapping[Product, frozenset[str]] = {
    product: frozenset(heard for heard in topics.values() if heard is not None)
    for product, topics in _TOPICS.items()
}


def is_private(product: Product, topic: str) -> bool:
    """Whether there is such a private topic."""
    prefix, _, symbol = topic.partition(":")
    if symbol:
        return product == "futures" and prefix in _BY_SYMBOL
    return topic in _TOPICS[product]


def heard_by(product: Product, topic: str) -> str | None:
    """The topic by which everything of its kind is heard."""
    prefix, _, symbol = topic.partition(":")
    return _BY_SYMBOL[prefix] if symbol else _TOPICS[product][topic]


def as_heard(topic: str, text: str) -> str | None:
    """A push as it is sent on a topic; None where it is not."""
    if topic == _OLD_SPOT_ORDERS:
        # It knows orders from the book on.
        return None if '"type":"received"' in text else text.replace(SPOT_ORDERS, topic, 1)
    if ":" in topic:
        return text if f'"topic":"{topic}"' in text else None
    return text
