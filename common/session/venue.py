"""Where accounts are alike."""

from __future__ import annotations

from msgspec import Struct

from common.exchanges.private import Private
from common.exchanges.protocol import Exchange
from common.model.streams import Market


class Venue(Struct, frozen=True):
    """One market of one exchange, with its private side."""

    exchange: Exchange
    private: Private
    market: Market

    @property
    def name(self) -> str:
        """``binance:spot``."""
        return f"{self.exchange.name}:{self.market}"
