"""OKX's accounts: one wallet for all markets, and a socket of its own for each, after a login."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from functools import partial

import msgspec

from common.clocks import machine_s
from common.model.streams import Market
from simulator.accounts.account import Account
from simulator.accounts.keys import Key, KeyKind
from simulator.accounts.model import Fact, Fill, Order, Status
from simulator.exchanges.okx.accounts import calls, channels, rows
from simulator.exchanges.okx.accounts.session import Session
from simulator.exchanges.okx.accounts.signing import key_of
from simulator.exchanges.okx.names import NAME
from simulator.exchanges.protocol import HttpCall
from simulator.feeds import Feed, Pace, Push, SilentFeed, Wanted
from simulator.listing import Listing
from simulator.world import Connection, World

# How many connections may have subscribed to one private channel of an account.
MOST_CONNECTIONS = 30
_KEY_CHANGED = 4007, "API key has been updated or deleted. Please reconnect."
# How soon a key that was changed is noticed on the sockets that it has opened.
_NOTICED_S = 0.25


class OkxAccounts:
    """The private side of the exchange. Modes are its ``acctLv``: futures, and multi-currency margin."""

    key_kinds: Sequence[KeyKind] = ("hmac",)
    modes: Sequence[str] = ("2", "3")
    fees_in_quote = False
    inverse_in_base = False

    def __init__(self, world: World) -> None:
        self._world = world
        self._rows = rows.Rows(world)
        # How often what was subscribed has ended: a new subscription hears what comes after.
        self._ended: Counter[str] = Counter()
        self._look = Pace(_NOTICED_S)

    # --- what the simulator asks ------------------------------------------------------------

    def wallet(self, market: Market, mode: str) -> str:  # noqa: ARG002 - as all exchanges
        """One for all markets."""
        return "trading"

    def key(self, seed: int, account: str, kind: KeyKind) -> Key:
        """A UUID, a secret and a passphrase."""
        return key_of(seed, account, kind)

    def order_id(self, order: Order) -> str:
        """One of 19 digits that are one more for every later order."""
        return rows.order_id(order)

    def client_id(self, order: Order) -> str:
        """The client's; of the exchange's own orders none."""
        return rows.client_id(order)

    def trade_id(self, fill: Fill) -> str:
        """The number; of a liquidation below zero."""
        return rows.trade_id(fill)

    def status(self, status: Status) -> Status:
        """What is rejected is no order, and what runs out is cancelled."""
        return "CANCELED" if status in ("REJECTED", "EXPIRED") else status

    def size(self, listing: Listing, size: Decimal) -> Decimal:  # noqa: ARG002 - as all exchanges
        """As it is."""
        return size

    def pushes(self, account: Account, fact: Fact) -> Sequence[Push]:
        """For who has subscribed the channel; what nobody hears is not made."""
        now_ms = self._world.time_of(NAME)
        return [
            Push(key, payload)
            for channel, payload in channels.told(self._rows, account, fact, now_ms)
            for key in self._keys(account, channel)
            if self._world.hub.subscribed(key)
        ]

    def feeds(self, account: Account) -> Sequence[str]:
        """Those of every channel at every pace."""
        return [key for channel in channels.PACES for key in self._keys(account, channel)]

    def expire(self, account: Account, told: bool) -> Sequence[Push]:
        """Its subscriptions end, as if too many connections had them."""
        said = [
            Push(key, msgspec.json.encode(crowded(channel)).decode())
            for channel in channels.PACES
            for key in self._keys(account, channel)
        ]
        self._ended[account.name] += 1
        return said if told else ()

    def due(self) -> Sequence[Push]:
        """Nothing; but a key that was changed ends the sockets that it has opened."""
        if self._look.due(machine_s()):
            for connection, account in self._logged_in():
                if not account.key.allows("read", connection.call.address):
                    connection.end(*_KEY_CHANGED)
        return ()

    # --- what the exchange's own parts ask --------------------------------------------------

    def call(self, path: str, call: HttpCall) -> object | None:
        """What is answered to a call about an account; None if this is none."""
        return calls.answer(self._world, self._rows, path, call)

    def wanted(self, account: Account, arg: channels.Arg) -> Wanted:
        """What a subscription hears from now on."""
        channel, pace = arg["channel"], channels.pace_of(arg)
        key = self._key(account, channel, pace)
        if pace == channels.ON_CHANGE:
            return Wanted(key, SilentFeed)
        return Wanted(key, lambda: _Regular(self, account, channel, int(pace) / 1000))

    def standing(self, account: Account, channel: str) -> str | None:
        """How a channel stands, which is told as soon as it is subscribed."""
        return channels.standing(self._rows, account, channel, self._world.time_of(NAME))

    def connections(self, account: Account, channel: str) -> int:
        """How many have subscribed to this."""
        return sum(
            any(topic_channel(topic) == channel for topic in connection.topics)
            for connection, owner in self._logged_in()
            if owner is account
        )

    def _logged_in(self) -> list[tuple[Connection, Account]]:
        found = []
        for connection in tuple(self._world.connections.values()):
            session = getattr(connection.dialect, "session", None)
            if isinstance(session, Session) and session.account is not None:
                found.append((connection, session.account))
        return found

    def _keys(self, account: Account, channel: str) -> list[str]:
        return [self._key(account, channel, pace) for pace in channels.PACES[channel]]

    def _key(self, account: Account, channel: str, pace: str) -> str:
        return f"{NAME}:account:{account.name}:{self._ended[account.name]}:{channel}:{pace}"


class _Regular(Feed):
    """Tells everything of a channel every so many seconds, but for the first time: that is its own."""

    def __init__(
        self, private: OkxAccounts, account: Account, channel: str, every_s: float
    ) -> None:
        self._tell = partial(private.standing, account, channel)
        self._pace = Pace(every_s)
        self._pace.due(machine_s())

    def collect(self, now_ms: int, now_s: float) -> list[str]:  # noqa: ARG002 - as all feeds
        """How it stands, if it is time."""
        told = self._tell() if self._pace.due(now_s) else None
        return [] if told is None else [told]


def crowded(channel: str) -> dict[str, str]:
    """What is said where too many connections have subscribed."""
    count = str(MOST_CONNECTIONS)
    return {"event": "channel-conn-count-error", "channel": channel, "connCount": count}


def topic_channel(topic: str) -> str:
    """The private channel that a topic is of."""
    return channels.arg_of(topic)["channel"] if channels.is_private(topic) else ""
