"""Binance's accounts: spot by signature on the WebSocket API, futures by listen key."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from decimal import Decimal

from common.model.streams import MARKETS, Market
from simulator.accounts.account import Account
from simulator.accounts.keys import Key, KeyKind, make_key
from simulator.accounts.model import Fact, Fill, Order, Status
from simulator.exchanges.binance.accounts import calls, events
from simulator.exchanges.binance.accounts.listen_keys import ListenKey, ListenKeys
from simulator.exchanges.binance.frames import text_of
from simulator.exchanges.binance.names import NAME
from simulator.exchanges.protocol import HttpCall
from simulator.feeds import Push, SilentFeed, Wanted
from simulator.listing import Listing
from simulator.world import World

_FUTURES: tuple[Market, ...] = ("linear", "inverse")


class BinanceAccounts:
    """The private side of the exchange."""

    key_kinds: Sequence[KeyKind] = ("hmac", "ed25519")
    modes: Sequence[str] = ("",)
    fees_in_quote = False
    inverse_in_base = False

    def __init__(self, world: World) -> None:
        self._world = world
        self._keys = ListenKeys()
        # How often what was subscribed on spot has ended: a new subscription hears what comes after.
        self._ended: Counter[str] = Counter()

    # --- what the simulator asks ------------------------------------------------------------

    def wallet(self, market: Market, mode: str) -> str:  # noqa: ARG002 - as all of them
        """Each market has a wallet of its own."""
        return market

    def key(self, seed: int, account: str, kind: KeyKind) -> Key:
        """64 letters and digits."""
        return make_key(seed, account, kind)

    def order_id(self, order: Order) -> str:
        """The number."""
        return str(order.number)

    def client_id(self, order: Order) -> str:
        """Its own; the exchange's orders have a prefix that says why."""
        return events.client_id(order)

    def trade_id(self, fill: Fill) -> str:
        """The number."""
        return str(fill.trade)

    def status(self, status: Status) -> Status:
        """It has them all."""
        return status

    def size(self, listing: Listing, size: Decimal) -> Decimal:  # noqa: ARG002 - as all of them
        """Its contracts are the listing's."""
        return size

    def pushes(self, account: Account, fact: Fact) -> Sequence[Push]:
        """On spot for who has subscribed the account, on futures for who listens by its key."""
        now_ms = self._world.time_of(NAME)
        if fact.market == "spot":
            told, key = events.spot_events(fact, now_ms), self._spot(account)
        else:
            live = self._keys.live(account.name, fact.market)
            if live is None:
                return ()
            told, key = events.futures_events(account, fact, now_ms), _feed(live)
        return [Push(key, text_of(event)) for event in told]

    def feeds(self, account: Account) -> Sequence[str]:
        """The subscription's, and those of its listen keys."""
        keys = [self._keys.live(account.name, market) for market in MARKETS]
        return [self._spot(account), *(_feed(key) for key in keys if key is not None)]

    def expire(self, account: Account, told: bool) -> Sequence[Push]:
        """The subscription and both listen keys end."""
        end = {"e": "eventStreamTerminated", "E": self._world.time_of(NAME)}
        said = [Push(self._spot(account), text_of(end))]
        self._ended[account.name] += 1
        gone = [self._keys.drop(account.name, market) for market in _FUTURES]
        said += [self._expired(key) for key in gone if key is not None]
        return said if told else ()

    def due(self) -> Sequence[Push]:
        """Listen keys whose hour has passed."""
        return [self._expired(key) for key in self._keys.run_out()]

    # --- what the exchange's own parts ask --------------------------------------------------

    def call(self, market: Market, call: HttpCall) -> calls.Weighed | None:
        """A REST call about an account; None if this is none."""
        return calls.listen_key_call(
            self._world, market, self._keys, self._close, call
        ) or calls.signed_call(self._world, market, call)

    def subscription(self, account: Account) -> Wanted:
        """What is heard on spot from now on."""
        return Wanted(self._spot(account), SilentFeed)

    def listening(self, market: Market, text: str) -> Wanted | None:
        """What a listen key brings; nothing ever by one that is not good."""
        key = self._keys.find(market, text)
        return None if key is None else Wanted(_feed(key), SilentFeed)

    def _close(self, account: Account, market: Market) -> None:
        key = self._keys.drop(account.name, market)
        if key is not None:
            self._world.hub.publish(*self._expired(key))

    def _expired(self, key: ListenKey) -> Push:
        # The time is a string here, in the documents' own sample.
        now = str(self._world.time_of(NAME))
        event = {"e": "listenKeyExpired", "E": now, "listenKey": key.text}
        return Push(_feed(key), text_of(event))

    def _spot(self, account: Account) -> str:
        return f"{NAME}:spot:account:{account.name}:{self._ended[account.name]}"


def _feed(key: ListenKey) -> str:
    return f"{NAME}:{key.market}:listen:{key.text}"
