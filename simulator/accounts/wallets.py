"""What an account owns. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal

from common.model.streams import Market
from simulator.accounts.model import ZERO, Balance


class Wallets:
    """Balances by wallet and asset.

    Args:
        wallet_of: the wallet that a market draws on; an exchange may have one for all of them.
    """

    def __init__(self, wallet_of: Callable[[Market], str]) -> None:
        self._wallet_of = wallet_of
        self._balances: dict[tuple[str, str], Balance] = {}

    def __iter__(self) -> Iterator[tuple[str, Balance]]:
        """Every balance with the name of its wallet."""
        return ((wallet, balance) for (wallet, _), balance in tuple(self._balances.items()))

    def balance(self, market: Market, asset: str) -> Balance:
        """What the market's wallet has of an asset."""
        return self._balances.get((self._wallet_of(market), asset), Balance(asset))

    def of(self, market: Market) -> list[Balance]:
        """Everything in the market's wallet."""
        wallet = self._wallet_of(market)
        return [balance for name, balance in self if name == wallet]

    def pay(
        self, market: Market, asset: str, total: Decimal, locked: Decimal, time_ms: int
    ) -> None:
        """There is so much more of an asset, and so much more of it is locked."""
        now = self.balance(market, asset)
        self._balances[self._wallet_of(market), asset] = Balance(
            asset, now.total + total, now.locked + locked, time_ms
        )

    def hold(
        self, market: Market, asset: str, locked: Decimal, time_ms: int
    ) -> tuple[Balance, ...]:
        """So much more of an asset is locked; the balance if that changes it."""
        if not locked:
            return ()
        self.pay(market, asset, ZERO, locked, time_ms)
        return (self.balance(market, asset),)
