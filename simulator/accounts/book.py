"""All accounts of one simulator, by name and by key."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from itertools import product

from common.clocks import wall_ms
from common.model.streams import Market
from simulator.accounts.account import Account, Impossible
from simulator.accounts.keys import Key
from simulator.accounts.model import Numbers
from simulator.accounts.wallets import Wallets

# More accounts than any test needs; a control client cannot fill the memory.
MAX_ACCOUNTS = 10_000
FUNDS: Mapping[str, Decimal] = {
    "USDT": Decimal(1_000_000),
    "BTC": Decimal(50),
    "ETH": Decimal(1_000),
    "SOL": Decimal(20_000),
    "BNB": Decimal(5_000),
}


class Accounts:
    """Who there is."""

    def __init__(self) -> None:
        self._by_name: dict[str, Account] = {}
        self._by_key: dict[tuple[str, str], Account] = {}
        self._numbers: defaultdict[str, Numbers] = defaultdict(Numbers)

    def __iter__(self) -> Iterator[Account]:
        return iter(tuple(self._by_name.values()))

    def __len__(self) -> int:
        return len(self._by_name)

    def get(self, name: str) -> Account | None:
        """The account of this name."""
        return self._by_name.get(name)

    def of_key(self, exchange: str, key: str) -> Account | None:
        """The account that a key of an exchange opens, revoked or not; the key has been shown now."""
        account = self._by_key.get((exchange, key))
        if account is not None:
            account.key.shown_ms = wall_ms()
        return account

    def renew(self, account: Account, key: Key) -> Key:
        """Give an account another key; the one before is nobody's from now on, and is answered.

        Raises:
            Impossible: there is such a key already.
        """
        if (account.exchange, key.key) in self._by_key:
            raise Impossible(f"{account.name} has that key already")
        before = account.key
        del self._by_key[account.exchange, before.key]
        self._by_key[account.exchange, key.key] = account
        account.key = key
        return before

    def open(
        self, name: str, exchange: str, key: Key, *, markets: Iterable[Market],
        wallet_of: Callable[[Market], str], time_ms: int, funds: Mapping[str, Decimal] = FUNDS,
        mode: str = "", hedged: bool = False, fees_in_quote: bool = False, inverse_in_base: bool = False,
        holds: Callable[[Market, str], bool] = lambda _market, _asset: True,
    ) -> Account:  # fmt: skip
        """A new account with so much in each of its wallets, as far as it ``holds`` that asset.

        Raises:
            Impossible: there is one of this name or key, or there are too many.
        """
        if name in self._by_name or (exchange, key.key) in self._by_key:
            raise Impossible(f"there is an account {name} already")
        if len(self._by_name) >= MAX_ACCOUNTS:
            raise Impossible(f"no more than {MAX_ACCOUNTS} accounts")
        account = Account(
            name=name, exchange=exchange, key=key, user=key.key, numbers=self._numbers[exchange],
            wallets=Wallets(wallet_of), mode=mode, hedged=hedged, fees_in_quote=fees_in_quote,
            inverse_in_base=inverse_in_base,
        )  # fmt: skip
        given: set[tuple[str, str]] = set()
        for market, (asset, amount) in product(markets, funds.items()):
            if (wallet_of(market), asset) not in given and holds(market, asset):
                given.add((wallet_of(market), asset))
                account.transfer(market, asset, amount, time_ms)
        self._by_name[name] = account
        self._by_key[exchange, key.key] = account
        return account
