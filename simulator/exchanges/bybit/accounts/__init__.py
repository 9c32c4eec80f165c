"""Bybit's accounts: one unified wallet for all markets, told on one private socket."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from itertools import count

from common.model.streams import Market
from simulator.accounts.account import Account
from simulator.accounts.keys import Key, KeyKind, make_key
from simulator.accounts.model import Fact, Fill, Order, Status
from simulator.exchanges.bybit.accounts import rows
from simulator.exchanges.bybit.accounts.calls import UNIFIED
from simulator.exchanges.bybit.accounts.events import KINDS, events
from simulator.exchanges.bybit.accounts.ledger import Ledger
from simulator.exchanges.bybit.accounts.sockets import PrivateSocket
from simulator.exchanges.bybit.names import NAME
from simulator.exchanges.protocol import HttpCall
from simulator.feeds import Push
from simulator.listing import Listing
from simulator.world import World


class BybitAccounts:
    """The private side of the exchange."""

    key_kinds: Sequence[KeyKind] = ("hmac",)
    # The second is retired: the exchange tells what it is, and nothing else of it.
    modes: Sequence[str] = (UNIFIED, "classic")
    fees_in_quote = False
    inverse_in_base = False

    def __init__(self, world: World) -> None:
        self._world = world
        self._sockets = count(1)
        self._ledgers: dict[str, Ledger] = {}
        # How often what was logged in has ended: a new login hears what comes after.
        self._ended: Counter[str] = Counter()

    # --- what the simulator asks ------------------------------------------------------------

    def wallet(self, market: Market, mode: str) -> str:  # noqa: ARG002 - as all of them
        """One for all."""
        return UNIFIED

    def key(self, seed: int, account: str, kind: KeyKind) -> Key:
        """18 letters and digits, and a secret of 36."""
        made = make_key(seed, account, kind)
        return Key(made.key[:18], made.secret[:36])

    def order_id(self, order: Order) -> str:
        """A number on spot, a UUID on contracts."""
        return rows.order_id(order.market, order.number)

    def client_id(self, order: Order) -> str:
        """Its own; none of the exchange's orders."""
        return rows.client_id(order)

    def trade_id(self, fill: Fill) -> str:
        """As orders."""
        return rows.trade_id(fill.listing.market, fill.trade)

    def status(self, status: Status) -> Status:
        """What expires is canceled here."""
        return "CANCELED" if status == "EXPIRED" else status

    def size(self, listing: Listing, size: Decimal) -> Decimal:
        """Inverse contracts are of one USD each."""
        return rows.contracts(listing, size)

    def pushes(self, account: Account, fact: Fact) -> Sequence[Push]:
        """Topic by topic, for who has logged in."""
        ledger = self._ledgers.setdefault(account.name, Ledger(account)).upto(fact.number)
        now_ms = self._world.time_of(NAME)
        return [
            Push(self._feed(account, event.kind), event.text(fact, now_ms))
            for event in events(fact, ledger, now_ms)
        ]

    def feeds(self, account: Account) -> Sequence[str]:
        """One for each topic."""
        return [self._feed(account, kind) for kind in KINDS]

    def expire(self, account: Account, told: bool) -> Sequence[Push]:  # noqa: ARG002 - as all of them
        """The login ends; the exchange has no word for it."""
        self._ended[account.name] += 1
        return ()

    def due(self) -> Sequence[Push]:
        """Nothing ends by itself."""
        return ()

    # --- what the exchange's own parts ask --------------------------------------------------

    def open(self, call: HttpCall) -> PrivateSocket:
        """A handshake; who it is for is said on the socket."""
        return PrivateSocket(self._world, call, next(self._sockets), self._feed)

    def _feed(self, account: Account, kind: str) -> str:
        return f"{NAME}:account:{account.name}:{self._ended[account.name]}:{kind}"
