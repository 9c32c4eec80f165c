"""Coinbase's ``user`` channel: payloads like those of all channels, and who subscribes to it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Literal

import msgspec

from simulator.accounts.account import Account
from simulator.accounts.model import Fact, Fill, Order
from simulator.exchanges.coinbase.accounts.rows import Row, portfolio_id, told_order
from simulator.exchanges.coinbase.names import NAME, USER, stamp
from simulator.feeds import Wanted
from simulator.world import World

# No push: that the subscription is not there any more, as the list of them tells.
NOT_LISTED = ""
_ORDERS_AT_ONCE = 50


def update(account: Account, fact: Fact, now_ms: int) -> str:
    """What has become of an order."""
    assert fact.order is not None
    return _payload([_told(account, fact.order, fact.number)], now_ms, "update")


def snapshots(account: Account, now_ms: int) -> list[str]:
    """The open orders, fifty a message; one message without any where there is none."""
    rows = [_told(account, order) for order in account.orders.values() if order.open]
    starts = range(0, max(len(rows), 1), _ORDERS_AT_ONCE)
    return [_payload(rows[at : at + _ORDERS_AT_ONCE], now_ms, "snapshot") for at in starts]


def _told(account: Account, order: Order, until: int | None = None) -> Row:
    """An order with its fills, up to a fact."""
    return told_order(account, order, _fills(account, order, until))


def _fills(account: Account, order: Order, until: int | None) -> list[Fill]:
    fills = [fact.fill for fact in account.log[:until] if fact.fill is not None]
    return [fill for fill in fills if fill.order == order.number]


def _payload(orders: Sequence[Row], now_ms: int, kind: Literal["snapshot", "update"]) -> str:
    positions: Row = {"perpetual_futures_positions": [], "expiring_futures_positions": []}
    event = {"type": kind, "orders": orders, "positions": positions}
    return f"{stamp(now_ms)}\n{msgspec.json.encode([event]).decode()}"


class UserChannel:
    """Whose accounts one socket is told of. Whatever products are named, all are told."""

    def __init__(self, world: World, subscription: Callable[[Account], Wanted]) -> None:
        self._world, self._subscription = world, subscription
        self._subscribed: dict[str, tuple[Account, Wanted]] = {}

    def subscribe(self, account: Account) -> tuple[str, list[str]]:
        """A topic for an account, which begins now, and its snapshot."""
        topic = f"{USER}:{portfolio_id(account)}"
        self._subscribed[topic] = account, self._subscription(account)
        return topic, snapshots(account, self._world.time_of(NAME))

    def feed(self, topic: str) -> Wanted | None:
        """What is heard on a topic."""
        found = self._subscribed.get(topic)
        return None if found is None else found[1]

    def live(self, topics: Collection[str]) -> list[str]:
        """Those that have not ended; of other channels all."""
        return [topic for topic in topics if not self._over(topic)]

    def _over(self, topic: str) -> bool:
        found = self._subscribed.get(topic)
        return found is not None and self._subscription(found[0]).key != found[1].key
