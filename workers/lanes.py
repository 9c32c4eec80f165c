"""One stream of a shard: what it is carried by, and what makes it whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from common.exchanges.place import Place
from common.exchanges.protocol import TickerPart, Told, Topic
from common.model.checkpoints import Checkpoint
from common.model.events import MarketEvent, Ticker, Trade
from common.model.streams import Origin, Stream
from common.recovery.joining import TickerJoin
from common.recovery.lane import CandleLane
from common.recovery.steps import Hole

# An event on its way out, and how it came; a ``Step`` is one.
Said = tuple[MarketEvent, Origin]


class Lane:
    """A stream while its shard is owned.

    Args:
        checkpoint: where its candles go on; None where there are none.
        doubted_ms: see ``CandleLane``.

    Attributes:
        source: the exchange's own stream that carries it.
        topics: what is subscribed for it.
        live: whether something of it has come and nothing has been said against it since; None
            while nothing at all has been said of it here.
        candles: its closing and order, for candles.
        gap: the stretch that was said to be missing; None while nothing is.
    """

    def __init__(
        self,
        stream: Stream,
        place: Place,
        checkpoint: Checkpoint | None,
        now_ms: int,
        speed: float,
        doubted_ms: int = 0,
    ) -> None:
        self.stream = stream
        self.source = place.source(stream) or stream
        self.topics = place.topics(stream)
        self.live: bool | None = None
        self.gap: Hole | None = None
        self.candles: CandleLane | None = None
        if checkpoint is not None:
            self.candles = CandleLane(stream, place, checkpoint, now_ms, speed, doubted_ms)
        self._join = TickerJoin(stream)

    def told(self, told: Told, now_ms: int) -> Sequence[Said]:
        """What goes out of it."""
        if isinstance(told, Ticker):
            return ((told, "live"),)
        if isinstance(told, TickerPart):
            ticker = self._join.take(told)
            return () if ticker is None else ((ticker, "live"),)
        if self.candles is None:
            return ()
        if isinstance(told, Trade):
            return self.candles.trade(told, now_ms)
        return self.candles.candle(told, now_ms)

    def topic_of(self, told: Told) -> Topic:
        """The topic it came by."""
        return self.topics[told.source if isinstance(told, TickerPart) else -1]

    @property
    def missing(self) -> Hole | None:
        """Closed candles that have to be fetched first."""
        return None if self.candles is None else self.candles.missing

    @property
    def counts(self) -> Counter[str]:
        """What became of its candles."""
        return Counter() if self.candles is None else self.candles.counts

    def listening(self, now_ms: int) -> None:
        """The exchange has accepted it."""
        if self.candles is not None:
            self.candles.listening(now_ms)

    def interrupted(self, topic: Topic | None = None) -> None:
        """Nothing is heard of it now, or nothing by this one of its topics."""
        self._join.forget(None if topic is None else self.topics.index(topic))
        if self.candles is not None:
            self.candles.interrupted()
