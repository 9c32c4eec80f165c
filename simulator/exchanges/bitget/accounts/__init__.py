"""Bitget's accounts. Each is of one of two systems, and the other's REST refuses it by a code.

*unified* (v3): one wallet and one set of topics for all markets. *classic* (v2): wallets, channels and
paths of each market. Sockets take a login and every subscription of either system, and are silent on
those of the other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from common.clocks import machine_s
from common.model.streams import Market
from simulator.accounts.account import Account
from simulator.accounts.keys import Key, KeyKind, make_key
from simulator.accounts.model import Fact, Fill, Order, Status
from simulator.exchanges.bitget import frames
from simulator.exchanges.bitget.accounts import words
from simulator.exchanges.bitget.accounts.classic_topics import Classic
from simulator.exchanges.bitget.accounts.signing import CLASSIC, UNIFIED
from simulator.exchanges.bitget.accounts.unified_topics import Unified
from simulator.exchanges.bitget.names import NAME
from simulator.exchanges.bitget.sockets import text_of
from simulator.exchanges.common import Refused
from simulator.exchanges.protocol import HttpCall
from simulator.feeds import Push, SilentFeed, Wanted
from simulator.listing import Listing
from simulator.world import World

Arg = Mapping[str, Any]
System = Unified | Classic
# Of one account and path.
_PER_SECOND = 10
NOT_LOGGED_IN = Refused(30004, "User needs to log in")


class BitgetAccounts:
    """The private side of the exchange."""

    key_kinds: Sequence[KeyKind] = ("hmac",)
    modes: Sequence[str] = (UNIFIED, CLASSIC)
    fees_in_quote = False
    inverse_in_base = True

    def __init__(self, world: World) -> None:
        self._world = world
        self._systems: Mapping[str, System] = {UNIFIED: Unified(world), CLASSIC: Classic(world)}
        # How often an account's logins have ended: those that come after are others.
        self._ended: Counter[str] = Counter()

    # --- what the simulator asks ------------------------------------------------------------

    def wallet(self, market: Market, mode: str) -> str:
        """A unified account has one for all markets."""
        return UNIFIED if mode == UNIFIED else market

    def key(self, seed: int, account: str, kind: KeyKind) -> Key:
        """``bg_`` and 32 letters and digits, with a passphrase."""
        key = make_key(seed, account, kind)
        key.key = f"bg_{key.key[:32].lower()}"
        return key

    def order_id(self, order: Order) -> str:
        """19 digits, unique in all markets."""
        return words.order_id(order)

    def client_id(self, order: Order) -> str:
        """The client's, or what the exchange gave its own order."""
        return order.client_id

    def trade_id(self, fill: Fill) -> str:
        """19 digits."""
        return words.id_of(fill.listing.market, fill.trade)

    def status(self, status: Status) -> Status:
        """What expires, or is rejected after it was taken, is canceled: there is no other word."""
        return "CANCELED" if status in ("EXPIRED", "REJECTED") else status

    def size(self, listing: Listing, size: Decimal) -> Decimal:  # noqa: ARG002
        """As it is; no contracts are told: on COIN-FUTURES what they are worth."""
        return size

    def pushes(self, account: Account, fact: Fact) -> Sequence[Push]:
        """By the channels of the account's own system."""
        told = self._systems[account.mode].told(account, fact)
        return [Push(self._feed(account, arg), self._push(arg, rows)) for arg, rows in told]

    def feeds(self, account: Account) -> Sequence[str]:
        """Those of all its channels."""
        return [self._feed(account, arg) for arg in self._systems[account.mode].args]

    def expire(self, account: Account, told: bool) -> Sequence[Push]:
        """Who has logged in is logged out."""
        arg = self._systems[account.mode].notices
        error = {"event": "error", "code": NOT_LOGGED_IN.code, "msg": NOT_LOGGED_IN.message}
        said = Push(self._feed(account, arg), text_of(error))
        self._ended[account.name] += 1
        return [said] if told else ()

    def due(self) -> Sequence[Push]:
        """Nothing runs out by itself."""
        return ()

    # --- what the exchange's own parts ask --------------------------------------------------

    def call(self, call: HttpCall) -> Callable[[], object] | None:
        """What answers a REST call about an account; None if it is none.

        Raises:
            Refused: it may not be answered.
        """
        if call.method != "GET":
            return None
        found = next(filter(None, (one.call(call) for one in self._systems.values())), None)
        if found is None:
            return None
        account, answer = found
        calls = self._world.meters.window(f"{NAME}:{call.path}", account.name, 1.0)
        if calls.exceeds(_PER_SECOND, machine_s()):
            raise Refused("429", "Too Many Requests", 429)
        return answer

    def system(self, path: str) -> System | None:
        """The system whose private sockets are at this path."""
        return next((one for one in self._systems.values() if one.path == path), None)

    def logins(self, account: Account) -> int:
        """Which of the account's logins are good: those that were made at this number."""
        return self._ended[account.name]

    def listening(self, account: Account, arg: Arg) -> Wanted:
        """What is heard on a channel from now on."""
        return Wanted(self._feed(account, arg), SilentFeed)

    def first_push(self, system: System, account: Account, arg: Arg) -> str | None:
        """What a subscribe is told at once; nothing in the system that is not the account's."""
        rows = system.whole(account, arg) if account.mode == system.mode else None
        return None if rows is None else self._push(arg, rows)

    def _push(self, arg: Arg, rows: Sequence[Any]) -> str:
        return frames.push("snapshot", dict(arg), rows, self._world.time_of(NAME))

    def _feed(self, account: Account, arg: Arg) -> str:
        name = ":".join(str(arg[word]) for word in sorted(arg))
        return f"{NAME}:{name}:{account.name}:{self._ended[account.name]}"
