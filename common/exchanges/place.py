"""A place: one channel of one market of one exchange, where streams are alike."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from msgspec import Struct

from common.exchanges.protocol import ChannelRules, Exchange, Limits, Reason, Topic
from common.exchanges.registry import EXCHANGES
from common.model.intervals import source_of
from common.model.streams import Channel, Market, Stream


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

    def has(self, interval: str) -> bool:
        """Whether candles of this interval can be had, native or built."""
        return source_of(interval, self.rules.intervals) is not None

    def source(self, stream: Stream) -> Stream | None:
        """The native stream that ``stream`` is taken or built from; None if it cannot be had."""
        if stream.interval is None:
            return stream
        interval = source_of(stream.interval, self.rules.intervals)
        return None if interval is None else msgspec.structs.replace(stream, interval=interval)

    def topics(self, stream: Stream) -> tuple[Topic, ...]:
        """What is subscribed for a stream, the most specific last."""
        source = self.source(stream)
        return () if source is None else self.protocol.topics(source)
