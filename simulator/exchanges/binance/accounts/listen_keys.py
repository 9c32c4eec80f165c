"""Listen keys of Binance's futures: one for each account and market, good for an hour."""

from __future__ import annotations

from hashlib import sha256
from typing import NamedTuple

from common.clocks import machine_s
from common.model.streams import Market
from simulator.accounts.account import Account
from simulator.exchanges.common import Refused

LIFETIME_S = 3600.0


class ListenKey(NamedTuple):
    """A key, and until when it is good (machine time)."""

    text: str
    account: str
    market: Market
    until_s: float


class ListenKeys:
    """Those that are good."""

    def __init__(self) -> None:
        self._keys: dict[tuple[str, Market], ListenKey] = {}
        self._made = 0

    def make(self, account: Account, market: Market) -> str:
        """The account's key: the one it has, good for an hour again, or a new one."""
        live = self.live(account.name, market)
        if live is None:
            self._made += 1
            text = sha256(f"{account.key.key}:{market}:{self._made}".encode()).hexdigest()
        else:
            text = live.text
        until_s = machine_s() + LIFETIME_S
        self._keys[account.name, market] = ListenKey(text, account.name, market, until_s)
        return text

    def keep(self, account: Account, market: Market) -> str:
        """The same one, good for an hour again.

        Raises:
            Refused: there is none.
        """
        if self.live(account.name, market) is None:
            raise Refused(-1125, "This listenKey does not exist.")
        return self.make(account, market)

    def live(self, account: str, market: Market) -> ListenKey | None:
        """The key that is good now."""
        key = self._keys.get((account, market))
        return key if key is not None and key.until_s > machine_s() else None

    def find(self, market: Market, text: str) -> ListenKey | None:
        """The good key that reads so."""
        found = (key for key in self._keys.values() if (key.market, key.text) == (market, text))
        return next((key for key in found if key.until_s > machine_s()), None)

    def drop(self, account: str, market: Market) -> ListenKey | None:
        """End a key for all who use it; the one it was."""
        live = self.live(account, market)
        self._keys.pop((account, market), None)
        return live

    def run_out(self) -> list[ListenKey]:
        """Those whose hour has passed; each is told once."""
        gone = [key for key in self._keys.values() if key.until_s <= machine_s()]
        for key in gone:
            del self._keys[key.account, key.market]
        return gone
