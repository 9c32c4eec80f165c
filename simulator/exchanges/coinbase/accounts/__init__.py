"""Coinbase's accounts: spot, by a token with every request; orders are pushed, balances are not."""

from __future__ import annotations

from base64 import b64encode
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from common.model.streams import Market
from simulator.accounts.account import Account
from simulator.accounts.keys import Key, KeyKind, make_key
from simulator.accounts.model import Fact, Fill, Order, Status
from simulator.exchanges.coinbase.accounts import events, rows
from simulator.exchanges.coinbase.names import NAME
from simulator.feeds import Push, SilentFeed, Wanted
from simulator.listing import Listing
from simulator.world import World


class CoinbaseAccounts:
    """The private side of the exchange."""

    # The documents know the first alone, the exchange's own SDK signs with both.
    key_kinds: Sequence[KeyKind] = ("es256", "ed25519")
    modes: Sequence[str] = ("",)
    fees_in_quote = True
    inverse_in_base = False

    def __init__(self, world: World) -> None:
        self._world = world
        # How often what was subscribed has ended: a new subscription hears what comes after.
        self._ended: Counter[str] = Counter()

    # --- what the simulator asks ------------------------------------------------------------

    def wallet(self, market: Market, mode: str) -> str:  # noqa: ARG002 - as all exchanges
        """There is one."""
        return market

    def key(self, seed: int, account: str, kind: KeyKind) -> Key:
        """A name with the organisation and a SEC1 PEM, or a bare id and 64 bytes in base64."""
        made = make_key(seed, account, kind)
        name, private = (
            rows.uuid_of("key", made.key),
            load_pem_private_key(made.secret.encode(), None),
        )
        if isinstance(private, Ed25519PrivateKey):
            whole = private.private_bytes_raw() + private.public_key().public_bytes_raw()
            return Key(name, b64encode(whole).decode(), kind=kind)
        pem = private.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
        organization = rows.uuid_of("organization", seed)
        return Key(f"organizations/{organization}/apiKeys/{name}", pem.decode(), kind=kind)

    def order_id(self, order: Order) -> str:
        """A UUID."""
        return rows.order_id(order)

    def client_id(self, order: Order) -> str:
        """Its own."""
        return order.client_id

    def trade_id(self, fill: Fill) -> str:
        """A UUID."""
        return rows.trade_id(fill)

    def status(self, status: Status) -> Status:
        """It has a word for each."""
        return status

    def size(self, listing: Listing, size: Decimal) -> Decimal:  # noqa: ARG002 - as all exchanges
        """As it is: there is spot alone."""
        return size

    def pushes(self, account: Account, fact: Fact) -> Sequence[Push]:
        """Orders alone: what comes in or goes out is not told."""
        if fact.order is None:
            return ()
        now_ms = self._world.time_of(NAME)
        return [Push(self.subscription(account).key, events.update(account, fact, now_ms))]

    def feeds(self, account: Account) -> Sequence[str]:
        """The channel."""
        return [self.subscription(account).key]

    def expire(self, account: Account, told: bool) -> Sequence[Push]:
        """The channel ends; who is told sees that it is not listed any more."""
        said = [Push(self.subscription(account).key, events.NOT_LISTED)]
        self._ended[account.name] += 1
        return said if told else ()

    def due(self) -> Sequence[Push]:
        """Nothing: once it is subscribed a channel lives as long as its socket."""
        return ()

    # --- what the exchange's own parts ask --------------------------------------------------

    def subscription(self, account: Account) -> Wanted:
        """What is heard from now on."""
        key = f"{NAME}:account:{account.name}:{self._ended[account.name]}"
        return Wanted(key, SilentFeed)
