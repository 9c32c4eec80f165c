"""A place: one channel of one market of one exchange, where streams are alike."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from common.exchanges.protocol import ChannelRules, Exchange, Limits, Reason
from common.exchanges.registry import EXCHANGES
from common.model.streams import Channel, Market


class Place(Struct, frozen=True, order=True):
    """Where streams are alike enough to share a connection."""

    exchange: str
    market: Market
    channel: Channel

    @property
    def key(self) -> str:
        """``binance:spot:candle``."""
        return f"{self.exchange}:{self.market}:{self.channel}"

    @property
    def protocol(self) -> Exchange:
        """What the exchange offers."""
        return EXCHANGES[self.exchange]

    @property
    def limits(self) -> Limits:
        """What a connection is allowed."""
        return self.protocol.markets[self.market].limits

    @property
    def close_codes(self) -> Mapping[int, Reason]:
        """What a close code means where it is not just an end."""
        return self.protocol.markets[self.market].close_codes

    @property
    def rules(self) -> ChannelRules:
        """How the channel is served."""
        return self.protocol.markets[self.market].channels[self.channel]
