"""What an exchange lists: the facts about a symbol that parsing and people need."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Literal

from msgspec import Struct

from common.model.streams import Market

Kind = Literal["spot", "perpetual", "delivery"]
Trading = Literal["trading", "halted", "closed"]

# The instruments of one market by symbol: the metadata that parsing is given.
Catalog = Mapping[str, "Instrument"]


class Instrument(Struct, frozen=True):
    """One listed symbol of one market.

    ``contract_size`` is what one contract stands for, in ``contract_unit``; both are None where
    sizes are in the base asset already. Steps are decimal strings as the exchange writes them.
    """

    exchange: str
    market: Market
    symbol: str
    kind: Kind
    base: str
    quote: str
    settle: str
    trading: Trading
    tick_size: str | None = None
    step_size: str | None = None
    contract_size: str | None = None
    contract_unit: str | None = None
    expiry_ms: int | None = None

    @property
    def unified(self) -> str:
        """The ccxt spelling, for people: ``BTC/USDT``, ``BTC/USD:BTC``, ``BTC/USD:BTC-261225``."""
        pair = f"{self.base}/{self.quote}"
        if self.kind == "spot":
            return pair
        if self.kind == "perpetual" or self.expiry_ms is None:
            return f"{pair}:{self.settle}"
        return f"{pair}:{self.settle}-{_yymmdd(self.expiry_ms)}"


def _yymmdd(time_ms: int) -> str:
    return datetime.fromtimestamp(time_ms / 1000, UTC).strftime("%y%m%d")
