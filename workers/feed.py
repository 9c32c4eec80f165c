"""From one connection's events to the pipeline: which stream, may it go on, and what it says of it.

One feed per owned shard, kept over all its connections: closing state survives a reconnect.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Protocol

from loguru import logger
from msgspec import UNSET

from common.clocks import MarketClock
from common.exchanges.place import Place
from common.exchanges.protocol import Refusal, TickerPart, Told, Topic, Unreadable
from common.model.events import Candle, MarketEvent, Trade
from common.model.intervals import DAY_MS, end_of, start_of
from common.model.streams import Origin, Shard, Stream
from common.recovery.closing import CandleGate

# What a gate says of a candle that goes on; the other verdicts are counted and end here.
_GOES_ON = frozenset({"open", "closed", "after_gap"})


class Outlet(Protocol):
    """Where events go: the pipeline, as far as a feed needs it."""

    def publish(self, event: MarketEvent, *, epoch: int, origin: Origin) -> None:
        """Send an event; returns at once."""

    def status(
        self,
        stream: Stream,
        state: str,
        *,
        epoch: int,
        reason: str = "",
        from_ms: int | None = None,
        to_ms: int | None = None,
    ) -> None:
        """Say that a stream changed its state; returns at once."""


class _Lane:
    """One stream of the shard."""

    __slots__ = ("gate", "live", "stream", "topic")

    def __init__(self, stream: Stream, topic: Topic) -> None:
        self.stream = stream
        self.topic = topic
        self.gate = CandleGate() if stream.channel == "candle" else None
        self.live = False


class Feed:
    """The sink of a shard's session (``common.session.connection.Sink``).

    Attributes:
        counts: verdicts and kinds of skipped frames, for metrics and health.
        events: how many went on.
        lag_ms: market time from the exchange's stamp on the last event to its arrival here.

    ``clock`` is market time: it says how late events are and how long an interval lasts here.
    """

    def __init__(
        self,
        shard: Shard,
        epoch: int,
        place: Place,
        outlet: Outlet,
        clock: MarketClock,
    ) -> None:
        self.epoch = epoch
        self.lag_ms: int | None = None
        self._clock = clock
        self.counts: Counter[str] = Counter()
        self.events = 0
        self._place = place
        self._outlet = outlet
        self._lanes: dict[tuple[str, str | None], _Lane] = {}
        self._by_topic: dict[Topic, list[_Lane]] = {}
        self._said: set[str] = set()
        self._log = logger.bind(shard=shard.key)

    def want(self, streams: Iterable[Stream]) -> Mapping[Topic, float]:
        """Make this the wanted set of streams.

        Returns the topics that carry it, each with the longest it may be silent (machine seconds).
        """
        lanes: dict[tuple[str, str | None], _Lane] = {}
        by_topic: dict[Topic, list[_Lane]] = {}
        for stream in streams:
            key = (stream.symbol, stream.interval)
            lane = self._lanes.get(key) or _Lane(stream, self._place.topics(stream)[-1])
            lanes[key] = lane
            by_topic.setdefault(lane.topic, []).append(lane)
        self._lanes, self._by_topic = lanes, by_topic
        return {topic: self._silence_s(lanes_of) for topic, lanes_of in by_topic.items()}

    def _silence_s(self, lanes: Iterable[_Lane]) -> float:
        """A candle says at least its close: two intervals of it and the channel's own patience."""
        cadence = self._place.rules.cadence
        if cadence.kind != "trade-driven":
            return cadence.stall_s
        shortest_ms = min(_length_ms(lane.stream) for lane in lanes)
        return cadence.stall_s + self._clock.machine_delay_s(2 * shortest_ms)

    @property
    def streams(self) -> int:
        """How many streams are wanted."""
        return len(self._lanes)

    def is_live(self, stream: Stream) -> bool:
        """Whether a frame of this stream has come and nothing has been said against it since."""
        lane = self._lanes.get((stream.symbol, stream.interval))
        return lane is not None and lane.live and lane.stream == stream

    def streams_of(self, topic: Topic) -> list[Stream]:
        """The streams a topic carries."""
        return [lane.stream for lane in self._by_topic.get(topic, ())]

    # --- what the connection tells ------------------------------------------------------------

    def event(self, event: Told) -> Topic | None:
        """See ``Sink``."""
        if isinstance(event, TickerPart | Trade):
            return None
        if not isinstance(event, Candle):
            lane = self._lanes.get((event.symbol, None))
        else:
            lane = self._lanes.get((event.symbol, event.interval))
            if lane is not None and not self._passes(lane, event):
                return lane.topic
        if lane is None:
            return None
        if not lane.live:
            lane.live = True
            self._outlet.status(lane.stream, "live", epoch=self.epoch)
        self.events += 1
        if event.event_ms is not UNSET:
            self.lag_ms = self._clock.now_ms() - event.event_ms
        self._outlet.publish(event, epoch=self.epoch, origin="live")
        return lane.topic

    def _passes(self, lane: _Lane, candle: Candle) -> bool:
        gate = lane.gate
        if gate is None:
            return False
        if candle.start_ms > self._clock.now_ms() + DAY_MS:
            # Believed, it would make every real bar after it a late one.
            self.unreadable(Unreadable("wrong_shape", f"a bar of the future: {candle.start_ms}"))
            return False
        verdict = gate.take(candle)
        self.counts[verdict] += 1
        if verdict == "after_gap" and gate.gap is not None:
            self._log.bind(
                stream=lane.stream.key, from_ms=gate.gap.from_ms, to_ms=gate.gap.to_ms
            ).warning("closed candles are missing")
            self._outlet.status(
                lane.stream,
                "gap",
                epoch=self.epoch,
                from_ms=gate.gap.from_ms,
                to_ms=gate.gap.to_ms,
            )
        elif verdict == "conflicting":
            self._log.bind(stream=lane.stream.key, start_ms=candle.start_ms).error(
                "a closed candle came again and differs; the first one stands"
            )
        return verdict in _GOES_ON

    def unreadable(self, problem: Unreadable) -> None:
        """See ``Sink``: counted always, logged once of its kind."""
        self.counts[problem.kind] += 1
        if problem.kind not in self._said:
            self._said.add(problem.kind)
            self._log.bind(kind=problem.kind, detail=problem.detail[:200]).warning(
                "frame skipped; more of this kind are only counted"
            )

    def refused(self, refusal: Refusal) -> None:
        """See ``Sink``: counted always, logged once of its kind."""
        kind = f"refused_{refusal.reason}"
        self.counts[kind] += 1
        if kind not in self._said:
            self._said.add(kind)
            self._log.bind(reason=refusal.reason, detail=refusal.detail[:200]).warning(
                "request refused; more of this kind are only counted"
            )

    def ended(self, reason: str, *, parked: bool) -> None:
        """See ``Sink``: what was live says that it is not; its next event says that it is again."""
        for lane in self._lanes.values():
            if lane.live or parked:
                lane.live = False
                state = "parked" if parked else "stale"
                self._outlet.status(lane.stream, state, epoch=self.epoch, reason=reason)

    def rejected(self, topic: Topic, reason: str) -> None:
        """See ``Sink``."""
        self._tell(topic, "rejected", reason)

    def silent(self, topic: Topic) -> None:
        """See ``Sink``."""
        self._tell(topic, "stale", "nothing comes")

    def _tell(self, topic: Topic, state: str, reason: str) -> None:
        lanes = self._by_topic.get(topic, ())
        self._log.bind(topic=topic, streams=len(lanes), reason=reason).warning("topic is {}", state)
        for lane in lanes:
            lane.live = False
            self._outlet.status(lane.stream, state, epoch=self.epoch, reason=reason)


def _length_ms(stream: Stream) -> int:
    """How long an interval of a candle stream lasts, in market time."""
    if stream.interval is None:
        return 0
    start_ms = start_of(stream.interval, 0)
    return end_of(stream.interval, start_ms) - start_ms
