"""From one connection's words to the pipeline: which stream, what goes out, and what is said of it.

One feed per owned shard, kept over all its connections: what makes streams whole (closing, order,
joining) survives a reconnect.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence

from loguru import logger
from msgspec import UNSET

from common.clocks import MarketClock
from common.exchanges.place import Place
from common.exchanges.protocol import Refusal, Told, Topic, Unreadable
from common.model.checkpoints import Checkpoint
from common.model.events import Candle, Trade
from common.model.intervals import DAY_MS, length_ms
from common.model.streams import Shard, Stream
from common.recovery.lane import CandleLane
from common.recovery.steps import Hole
from workers.lanes import Lane
from workers.progress import NOTHING_DOUBTED
from workers.voice import Voice

# What cannot be read in one of these ways may have been an event of any stream.
MAY_HIDE_EVENTS = frozenset({"not_json", "wrong_shape", "too_large", "defect"})
NO_CHECKPOINTS: Mapping[Stream, Checkpoint] = {}
# What was sent together comes one after the other: an exchange's stamp is believed a bit later.
STAMPS_BELIEVED_AFTER_TICKS = 3


class Feed:
    """The sink of a shard's session (``common.session.sink.Sink``).

    Attributes:
        counts: kinds of skipped frames and refusals, for metrics and health.
        lag_ms: market time from the exchange's stamp on the last event to its arrival here.

    ``clock`` is market time: it says how late events are and how long an interval lasts here.
    """

    def __init__(self, shard: Shard, voice: Voice, place: Place, clock: MarketClock) -> None:
        self.lag_ms: int | None = None
        self._voice = voice
        self._clock = clock
        self._counts: Counter[str] = Counter()
        self._place = place
        # The intervals that are made of trades are built of the shortest one.
        self._traded_interval = min(place.rules.from_trades, key=length_ms, default=None)
        self._lanes: dict[Stream, Lane] = {}
        self._by_symbol: dict[tuple[str, str | None], list[Lane]] = {}
        self._by_topic: dict[Topic, list[Lane]] = {}
        # The topics that the exchange has accepted on this connection.
        self._accepted: set[Topic] = set()
        self._said: set[str] = set()
        # The exchange's own time: the newest stamp on anything that came, now and at the last ticks.
        self._heard_ms = 0
        self._heard_lately = deque([0], maxlen=STAMPS_BELIEVED_AFTER_TICKS)
        self._log = logger.bind(shard=shard.key)

    # --- what is wanted -----------------------------------------------------------------------

    def want(
        self,
        streams: Iterable[Stream],
        checkpoints: Mapping[Stream, Checkpoint] = NO_CHECKPOINTS,
        doubted_ms: Mapping[Stream, int] = NOTHING_DOUBTED,
    ) -> Mapping[Topic, float]:
        """Make this the wanted set of streams.

        ``checkpoints`` says where new candle streams go on, ``doubted_ms`` which of them were not
        let go of (see ``CandleLane``). Returns the topics that carry all, each with the longest it may
        be silent (machine seconds).
        """
        wanted = {
            s: self._lanes.get(s) or self._lane(s, checkpoints.get(s), doubted_ms.get(s, 0))
            for s in streams
        }
        for stream, lane in self._lanes.items():
            if stream not in wanted:
                self._counts.update(lane.counts)
        added = [lane for stream, lane in wanted.items() if stream not in self._lanes]
        self._lanes, self._by_symbol, self._by_topic = wanted, {}, {}
        quiet: set[Topic] = set()
        for lane in wanted.values():
            self._by_symbol.setdefault((lane.source.symbol, lane.source.interval), []).append(lane)
            for source, topic in enumerate(lane.topics):
                self._by_topic.setdefault(topic, []).append(lane)
                if source in self._place.rules.quiet_sources:
                    quiet.add(topic)
        self._accepted &= self._by_topic.keys()
        for lane in added:
            # What is subscribed already is not accepted once more.
            if not self._accepted.isdisjoint(lane.topics):
                lane.listening(self._clock.now_ms())
        return {
            topic: math.inf if topic in quiet else self._silence_s(lanes)
            for topic, lanes in self._by_topic.items()
        }

    def _lane(self, stream: Stream, checkpoint: Checkpoint | None, doubted_ms: int) -> Lane:
        now_ms, speed = self._clock.now_ms(), self._clock.speed
        return Lane(stream, self._place, checkpoint, now_ms, speed, doubted_ms)

    def _silence_s(self, lanes: Iterable[Lane]) -> float:
        """A candle says at least its close: two intervals of it and the channel's own patience."""
        cadence = self._place.rules.cadence
        if cadence.kind != "trade-driven":
            return cadence.stall_s
        shortest_ms = min(length_ms(lane.source.interval) for lane in lanes)
        return cadence.stall_s + self._clock.machine_delay_s(2 * shortest_ms)

    @property
    def counts(self) -> Counter[str]:
        """Everything counted here: by the feed itself, and by its lanes."""
        counts = Counter(self._counts)
        for lane in self._lanes.values():
            counts.update(lane.counts)
        return counts

    @property
    def streams(self) -> int:
        """How many streams are wanted."""
        return len(self._lanes)

    def is_live(self, stream: Stream) -> bool:
        """Whether a frame of this stream has come and nothing has been said against it since."""
        lane = self._lanes.get(stream)
        return lane is not None and lane.live is True

    def streams_of(self, topic: Topic) -> list[Stream]:
        """The streams a topic carries."""
        return [lane.stream for lane in self._by_topic.get(topic, ())]

    # --- what the connection tells ------------------------------------------------------------

    def event(self, event: Told) -> Topic | None:
        """See ``Sink``. The path of every message: the clock is looked at once."""
        interval, of_ms = None, 0
        if isinstance(event, Candle):
            interval, of_ms = event.interval, event.start_ms
        elif isinstance(event, Trade):
            interval, of_ms = self._traded_interval, event.time_ms
        lanes = self._by_symbol.get((event.symbol, interval))
        if not lanes:
            return None
        now_ms = self._clock.now_ms()
        if of_ms > now_ms + DAY_MS:
            # Believed, a bar of the future would make every real one after it a late one.
            self.unreadable(Unreadable("wrong_shape", f"a bar of the future: {of_ms}"))
            return None
        for lane in lanes:
            self._heard(lane, event, now_ms)
        return lanes[0].topic_of(event)

    def _heard(self, lane: Lane, event: Told, now_ms: int) -> None:
        said = lane.told(event, now_ms)
        if not lane.live:
            lane.live = True
            self._voice.status(lane.stream, "live")
        stamp_ms = event.time_ms if isinstance(event, Trade) else event.event_ms
        if stamp_ms is not UNSET:
            self.lag_ms = now_ms - stamp_ms
            self._heard_ms = max(self._heard_ms, min(stamp_ms, now_ms))
        self._voice.say(lane, said)
        self._voice.say_missing(lane)

    def _candles(self, stream: Stream) -> CandleLane | None:
        lane = self._lanes.get(stream)
        return None if lane is None else lane.candles

    def unsettled(self, stream: Stream) -> tuple[Candle, ...]:
        """What of a stream is still to be compared with REST."""
        candles = self._candles(stream)
        return () if candles is None else candles.settling.kept

    def confirmed(self, candle: Candle) -> None:
        """A closed candle that was published has arrived."""
        candles = self._candles(candle.stream)
        if candles is not None:
            candles.settling.confirmed(candle)

    def undelivered(self, candle: Candle) -> None:
        """A closed candle that was published has not arrived."""
        candles = self._candles(candle.stream)
        if candles is not None:
            candles.undelivered(candle)
            self._voice.say_missing(self._lanes[candle.stream])

    def tick(self) -> None:
        """Time has passed: bars may be over. Called every ``workers.reading.LOOK_S``."""
        heard_ms = self._heard_lately[0]
        self._heard_lately.append(self._heard_ms)
        now_ms = self._clock.now_ms()
        for lane in self._lanes.values():
            if lane.candles is not None:
                self._voice.say(lane, lane.candles.tick(now_ms, heard_ms))
                self._voice.say_missing(lane)

    def accepted(self, topic: Topic) -> None:
        """See ``Sink``."""
        if topic in self._by_topic:
            self._accepted.add(topic)
        for lane in self._by_topic.get(topic, ()):
            lane.listening(self._clock.now_ms())

    def unreadable(self, problem: Unreadable) -> None:
        """See ``Sink``: counted always, logged once of its kind."""
        self._complain(problem.kind, problem.detail, "frame skipped")
        if problem.kind in MAY_HIDE_EVENTS:
            now_ms = self._clock.now_ms()
            for lane in self._lanes.values():
                if lane.candles is not None:
                    lane.candles.missed(now_ms)

    def refused(self, refusal: Refusal) -> None:
        """See ``Sink``: counted always, logged once of its kind."""
        self._complain(f"refused_{refusal.reason}", refusal.detail, "request refused")

    def _complain(self, kind: str, detail: str, what: str) -> None:
        self._counts[kind] += 1
        if kind not in self._said:
            self._said.add(kind)
            self._log.bind(kind=kind, detail=detail[:200]).warning(
                f"{what}; more of this kind are only counted"
            )

    def ended(self, reason: str, *, parked: bool) -> None:
        """See ``Sink``: what was live says that it is not; its next event says that it is again."""
        self._accepted.clear()
        for lane in self._lanes.values():
            lane.interrupted()
            # Of a stream that was taken over somebody else may have said that it is live.
            if lane.live is not False or parked:
                lane.live = False
                self._voice.status(lane.stream, "parked" if parked else "stale", reason)

    def rejected(self, topic: Topic, reason: str) -> None:
        """See ``Sink``."""
        self._tell(topic, "rejected", reason)

    def silent(self, topic: Topic) -> None:
        """See ``Sink``."""
        self._tell(topic, "stale", "nothing comes")

    def _tell(self, topic: Topic, state: str, reason: str) -> None:
        self._accepted.discard(topic)
        lanes = self._by_topic.get(topic, ())
        self._log.bind(topic=topic, streams=len(lanes), reason=reason).warning("topic is {}", state)
        for lane in lanes:
            lane.interrupted(topic)
            lane.live = False
            self._voice.status(lane.stream, state, reason)

    # --- what is read by REST (``workers.reading``) ---------------------------------------------

    def candle_lanes(self) -> list[CandleLane]:
        """The candle streams, for whoever fetches what they miss."""
        return [lane.candles for lane in self._lanes.values() if lane.candles is not None]

    def _lane_of(self, candles: CandleLane) -> Lane | None:
        """Its lane, if it is wanted still: not one that took its place since."""
        lane = self._lanes.get(candles.stream)
        return lane if lane is not None and lane.candles is candles else None

    def fetched(self, candles: CandleLane, stretch: Hole, bars: Sequence[Candle]) -> None:
        """What was missing is here: it goes out before anything else of the stream."""
        lane = self._lane_of(candles)
        if lane is None:
            return
        self._voice.say(lane, candles.fetched(bars, stretch))
        if candles.missing is not None:
            self._log.bind(stream=lane.stream.key, done=stretch, left=candles.missing).debug(
                "closed candles: part of a gap filled"
            )
        self._voice.say_missing(lane)

    def lost(self, candles: CandleLane, stretch: Hole, reason: str) -> None:
        """What is missing cannot be had: the stream goes on behind it."""
        lane, missing = self._lane_of(candles), candles.missing
        if lane is None or missing is None:  # gone, or all of it has come after all
            return
        # It was asked for with bars before it.
        stretch = Hole(max(stretch.from_ms, missing.from_ms), stretch.to_ms)
        self.gave_up(lane.stream, stretch, reason)
        lane.gap = None
        self._voice.say(lane, candles.skip(stretch.to_ms))
        self._voice.say_missing(lane)

    def gave_up(self, stream: Stream, stretch: Hole, reason: str) -> None:
        """Closed candles will not come: said aloud, for nobody else can."""
        self._log.bind(
            stream=stream.key, from_ms=stretch.from_ms, to_ms=stretch.to_ms, reason=reason
        ).error("closed candles are lost")
        self._counts["lost"] += 1
        self._voice.status(stream, "gap", reason, stretch)

    def compared(self, candles: CandleLane, stretch: Hole, bars: Sequence[Candle]) -> None:
        """REST has said finally what the bars of a stretch are: corrections go out."""
        if self._lane_of(candles) is None:
            return
        for candle in candles.settling.compare(stretch, bars):
            self._log.bind(stream=candles.stream.key, start_ms=candle.start_ms).warning(
                "a closed candle is corrected by REST"
            )
            if self._voice.publish(candle, "reconcile"):
                candles.settling.corrected(candle)
