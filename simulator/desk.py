"""Where accounts are opened, traded and troubled: what control asks for, carried out.

The desk also drives the trader and hands out what happened; it is looked after by the server's loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from decimal import Decimal
from itertools import count

from msgspec import Struct

from common.clocks import machine_s
from common.model.streams import Market
from simulator.accounts.account import Account, Impossible
from simulator.accounts.book import FUNDS
from simulator.accounts.delivery import Delivery
from simulator.accounts.faults import (
    AccountFault,
    ExpireAccess,
    OneAccountsFault,
    RevokeKey,
    SilenceAccount,
    SkewClock,
    TakeAddress,
    TakePermission,
)
from simulator.accounts.keys import PERMISSIONS, Key, KeyKind, Permission
from simulator.accounts.model import Fact
from simulator.accounts.trader import Trader
from simulator.exchanges.protocol import PrivateSide, Traded
from simulator.feeds import Push
from simulator.world import World

# How long what has happened may wait until it is told.
_TICK_S = 0.03


class Opening(Struct, frozen=True, forbid_unknown_fields=True, rename="camel", kw_only=True):
    """Accounts to open. Keys follow from the simulator's seed and their names.

    ``kind`` and ``mode``: the exchange's usual ones where they are not given. ``funds``: so much in each
    wallet; where they are not given, of the usual ones what is traded with there.
    """

    exchange: str
    count: int = 1
    name: str = ""
    kind: KeyKind | None = None
    permissions: frozenset[Permission] = PERMISSIONS
    addresses: frozenset[str] | None = None
    funds: Mapping[str, Decimal] | None = None
    mode: str = ""
    hedged: bool = False


class Desk:
    """Everything that is done with accounts."""

    def __init__(self, world: World, exchanges: Mapping[str, Traded]) -> None:
        self._world, self._exchanges = world, exchanges
        self._numbers = count(1)
        self._delivery = Delivery(world.hub.publish, self._spell)
        # What a key could do before a fault took it away.
        self._taken: dict[str, tuple[frozenset[Permission], frozenset[str] | None]] = {}
        self.trader: Trader | None = None

    def private(self, exchange: str) -> PrivateSide:
        """The private side of an exchange.

        Raises:
            Impossible: there is none.
        """
        found = self._exchanges.get(exchange)
        if found is None or found.private is None:
            raise Impossible(f"exchange {exchange!r} serves no accounts")
        return found.private

    def account(self, name: str) -> Account:
        """An account by its name.

        Raises:
            Impossible: there is none.
        """
        found = self._world.accounts.get(name)
        if found is None:
            raise Impossible(f"there is no account {name!r}")
        return found

    # --- accounts ---------------------------------------------------------------------------

    def open(self, opening: Opening) -> list[Account]:
        """Open so many accounts; nobody is told of the funds they begin with.

        Raises:
            Impossible: the exchange has no such key or mode, or a name is taken.
        """
        private = self.private(opening.exchange)
        kind = opening.kind or private.key_kinds[0]
        if kind not in private.key_kinds:
            raise Impossible(f"{opening.exchange} has keys of {', '.join(private.key_kinds)} only")
        mode = opening.mode or private.modes[0]
        if mode not in private.modes:
            raise Impossible(f"{opening.exchange} has no accounts of mode {mode!r}")
        return [self._open(opening, private, kind, mode) for _ in range(opening.count)]

    def _open(self, opening: Opening, private: PrivateSide, kind: KeyKind, mode: str) -> Account:
        alone = opening.name and opening.count == 1
        number = next(self._numbers)
        name = opening.name if alone else f"{opening.name or opening.exchange}-{number}"
        key = private.key(self._world.market.seed, name, kind)
        key.permissions, key.addresses = opening.permissions, opening.addresses
        account = self._world.accounts.open(
            name, opening.exchange, key, markets=self._exchanges[opening.exchange].markets,
            wallet_of=lambda market: private.wallet(market, mode),
            time_ms=self._world.clock.now_ms(),
            funds=FUNDS if opening.funds is None else opening.funds,
            holds=self._trades_with if opening.funds is None else _anything,
            mode=mode, hedged=opening.hedged, fees_in_quote=private.fees_in_quote,
            inverse_in_base=private.inverse_in_base,
        )  # fmt: skip
        self._delivery.skip(account)
        return account

    def renew(self, account: Account) -> Key:
        """Give an account another key, which may do what the one before could; that one."""
        private, taken = self.private(account.exchange), self._taken.pop(account.name, None)
        name = f"{account.name}, key {next(self._numbers)}"
        key = private.key(self._world.market.seed, name, account.key.kind)
        key.permissions, key.addresses = taken or (account.key.permissions, account.key.addresses)
        return self._world.accounts.renew(account, key)

    def _trades_with(self, market: Market, asset: str) -> bool:
        for listing in (listed.listing for listed in self._world.catalog.of(market)):
            traded = (listing.base, listing.quote) if market == "spot" else (listing.settle,)
            if asset in traded:
                return True
        return False

    # --- time -------------------------------------------------------------------------------

    def catch_up(self) -> int:
        """Let the trader do what is due by now, so that what follows is later; the market's time."""
        now_ms = self._world.clock.now_ms()
        if self.trader is not None:
            self.trader.run(now_ms)
        return now_ms

    def tick(self) -> None:
        """Do and tell what is due."""
        self.catch_up()
        for exchange in self._exchanges.values():
            if exchange.private is not None:
                self._publish(exchange.private.due())
        for account in self._world.accounts:
            self._delivery.tell(account, machine_s())

    async def run(self) -> None:
        """Tick until cancelled."""
        while True:
            self.tick()
            await asyncio.sleep(_TICK_S)

    def trade(self, orders_per_min: int, exchange: str | None, seed: int | None) -> None:
        """Let a trader begin for all accounts (of an exchange); it takes the place of the one before."""
        now_ms = self.catch_up()
        if self.trader is not None:
            self.trader.settle(now_ms)
        world = self._world

        def accounts() -> Sequence[Account]:
            return [one for one in world.accounts if exchange in (None, one.exchange)]

        self.trader = Trader(
            world.market.seed if seed is None else seed, orders_per_min, now_ms, world.market,
            world.catalog, accounts, self._markets,
        )  # fmt: skip

    def _markets(self, account: Account) -> Sequence[Market]:
        return tuple(self._exchanges[account.exchange].markets)

    # --- trouble ----------------------------------------------------------------------------

    def trouble(self, fault: AccountFault) -> list[str]:
        """Let a fault happen; the names of the accounts that it hits.

        Raises:
            Impossible: there is no such account, or no accounts on that exchange.
        """
        self.private(fault.exchange)
        if isinstance(fault, SkewClock):
            self._world.skews[fault.exchange] = fault.ms
            return []
        hit = [self.account(fault.account)] if fault.account else list(self._world.accounts)
        hit = [account for account in hit if account.exchange == fault.exchange]
        self.tick()
        for account in hit:
            self._hit(account, fault)
        return [account.name for account in hit]

    def _hit(self, account: Account, fault: OneAccountsFault) -> None:
        private, key = self.private(account.exchange), account.key
        match fault:
            case RevokeKey():
                key.revoked = True
            case TakePermission():
                self._taken.setdefault(account.name, (key.permissions, key.addresses))
                key.permissions -= {fault.permission}
            case TakeAddress():
                self._taken.setdefault(account.name, (key.permissions, key.addresses))
                key.addresses = frozenset()
            case SilenceAccount():
                for feed in private.feeds(account):
                    self._world.hub.deafen(feed)
            case ExpireAccess():
                self._publish(private.expire(account, fault.told))
            case _:
                self._delivery.spoil(account, fault)

    def heal(self) -> None:
        """Every fault is over; what is revoked, expired or missed stays so."""
        self._world.skews.clear()
        self._delivery.heal()
        for name, (permissions, addresses) in self._taken.items():
            key = self.account(name).key
            key.permissions, key.addresses = permissions, addresses
        self._taken.clear()

    # --- parts ------------------------------------------------------------------------------

    def _spell(self, account: Account, fact: Fact) -> Sequence[Push]:
        return self.private(account.exchange).pushes(account, fact)

    def _publish(self, pushes: Sequence[Push]) -> None:
        for push in pushes:
            self._world.hub.publish(*push)


def _anything(_market: Market, _asset: str) -> bool:
    return True
