"""KuCoin's accounts, of both modes.

Classic ones have a wallet for each market, and a socket for each product that a token opens; unified ones
have one of each, on which they log in.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from hashlib import sha256
from uuid import UUID

from common.model.streams import Market
from simulator.accounts.account import Account
from simulator.accounts.keys import Key, KeyKind, make_key
from simulator.accounts.model import Fact, Fill, Order, Status
from simulator.exchanges.kucoin.accounts import topics, words
from simulator.exchanges.kucoin.accounts.pushes import events
from simulator.exchanges.kucoin.accounts.unified import CHANNELS as UNIFIED_CHANNELS
from simulator.exchanges.kucoin.accounts.unified import unified_events
from simulator.exchanges.kucoin.frames import text_of
from simulator.exchanges.kucoin.names import NAME, Product
from simulator.feeds import Push, SilentFeed, Wanted
from simulator.listing import Listing


class KucoinAccounts:
    """The private side of the exchange."""

    key_kinds: Sequence[KeyKind] = ("hmac",)
    modes: Sequence[str] = ("classic", "unified")
    fees_in_quote = True
    inverse_in_base = False

    def __init__(self) -> None:
        # How often an account's access has ended: what was subscribed before hears nothing more.
        self._ended: Counter[str] = Counter()

    # --- what the simulator asks ------------------------------------------------------------

    def wallet(self, market: Market, mode: str) -> str:
        """Classic: each market its own, for futures' wallets are told apart by what settles in them."""
        return "unified" if mode == "unified" else market

    def key(self, seed: int, account: str, kind: KeyKind) -> Key:
        """24 hex digits, a UUID for a secret, and a passphrase."""
        made = make_key(seed, account, kind)
        digest = sha256(made.secret.encode()).digest()
        return Key(
            sha256(made.key.encode()).hexdigest()[:24],
            str(UUID(bytes=digest[:16])),
            made.passphrase,
        )

    def order_id(self, order: Order) -> str:
        """In hex on spot, in decimals on futures."""
        return words.order_id(order)

    def client_id(self, order: Order) -> str:
        """The client's own; the exchange's orders have none."""
        return words.client_id(order)

    def trade_id(self, fill: Fill) -> str:
        """A number."""
        return str(words.trade_id(fill))

    def status(self, status: Status) -> Status:
        """Whatever ends an order that is not filled cancels it."""
        return "CANCELED" if status in ("REJECTED", "EXPIRED") else status

    def size(self, listing: Listing, size: Decimal) -> Decimal:  # noqa: ARG002 - as all of them
        """Its inverse contracts are the listing's."""
        return size

    def pushes(self, account: Account, fact: Fact) -> Sequence[Push]:
        """For whoever listens to that kind of thing."""
        told = unified_events(fact) if account.mode == "unified" else events(account, fact)
        return [Push(self._feed(account, event.heard_by), event.text) for event in told]

    def feeds(self, account: Account) -> Sequence[str]:
        """One for each kind of thing."""
        kinds = {*UNIFIED_CHANNELS, *(kind for some in topics.ALL.values() for kind in some)}
        return [self._feed(account, kind) for kind in sorted(kinds)]

    def expire(self, account: Account, told: bool) -> Sequence[Push]:
        """The tokens are good no more, nor is what was subscribed with them."""
        error = {"id": "", "type": "error", "code": 401, "data": "token is expired"}
        said = [Push(feed, text_of(error)) for feed in self.feeds(account)]
        self._ended[account.name] += 1
        return said if told else ()

    def due(self) -> Sequence[Push]:
        """Nothing: it speaks of what happened only."""
        return ()

    # --- what the exchange's own parts ask --------------------------------------------------

    def access(self, account: Account) -> int:
        """The number of an account's access now; a token of an older one is good no more."""
        return self._ended[account.name]

    def wanted(self, account: Account, product: Product, topic: str) -> Wanted | None:
        """What is heard on a private topic from now on."""
        kind = topics.heard_by(product, topic)
        return None if kind is None else self.unified_wanted(account, kind)

    def unified_wanted(self, account: Account, channel: str) -> Wanted:
        """What is heard on a channel of a unified account from now on."""
        return Wanted(self._feed(account, channel), SilentFeed)

    def _feed(self, account: Account, kind: str) -> str:
        return f"{NAME}:account:{account.name}:{self._ended[account.name]}:{kind}"
