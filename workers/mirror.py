"""The same events once more, on the Redis channels of older backends: best effort, beside RabbitMQ.

Whoever publishes is never held up: a ticker or an open candle replaces the one before it that has not
left yet; account events, closed candles and notices wait in order, and where there is no room for
another, the oldest is dropped and counted. One task sends. While Redis is away what waits goes on
waiting, which is said once.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice

from loguru import logger
from redis.asyncio import Redis

from common.clocks import machine_s, wall_ms
from common.fleet.client import RedisAway, answered, connect, drop_idle, jittered
from common.model.account import AccountEvent
from common.model.events import Candle, MarketEvent, Ticker
from common.model.streams import Stream
from common.publish import compat
from common.publish.compat import Message
from common.publish.compat_account import OnPaper, account_message
from common.publish.seldom import Seldom
from config.settings import Settings

# Some minutes of account events of thousands of accounts, or of closed candles while Redis restarts.
ROOM = 20_000
# Messages of one round trip, and what it may take.
BATCH = 500
SEND_S = 2.0
# New values wait so long for company: a price worker hears thousands a second.
LINGER_S = 0.02
AWAY_S = 1.0
# A new bar waits so long for the close of the one before, which may have to be fetched. They look a
# bar up themselves 8 s after they should have had it.
HOLD_S = 5.0
# For what is left when the worker stops.
CLOSE_S = 2.0

Waiting = AccountEvent | OnPaper | Candle | Message
_Item = Waiting | MarketEvent


class Outbox:
    """What has not left yet. No socket.

    Args:
        room: how many events may wait in order.
        now_s: machine time.

    Attributes:
        dropped: of these, how many found no room in the end.
        outdated: candles of a bar before the newest one of their stream. A backend takes every candle
            for the present one, and what it has of a bar for its end when the next begins: so the past
            does not come after the present, and a bar not before the close of the last one.
    """

    def __init__(self, room: int = ROOM, now_s: Callable[[], float] = machine_s) -> None:
        self.dropped = 0
        self.outdated = 0
        self._room = room
        self._queue: deque[Waiting] = deque()
        self._now_s = now_s
        # All bounded by the streams of this worker: what waits, the newest bar that was told, and the
        # one after it whose time has not come, with the time since when it waits.
        self._latest: dict[Stream, MarketEvent] = {}
        self._bars: dict[Stream, Candle] = {}
        self._held: dict[Stream, tuple[Candle, float]] = {}

    def __len__(self) -> int:
        return len(self._queue) + len(self._latest)

    def price(self, event: MarketEvent) -> None:
        """Take a ticker or candle."""
        stream = event.stream
        if not isinstance(event, Candle):
            self._latest[stream] = event
            return
        newest = self._bars.get(stream)
        if newest is not None and _state(event) < _state(newest):
            self.outdated += 1
        elif event.closed:
            self._latest.pop(stream, None)
            self._bars[stream] = event
            self.put(event)
            self._release(stream, event)
        elif newest is None or _follows(event, newest) or self._has_waited(stream, event):
            self._bars[stream] = event
            self._latest[stream] = event

    def _has_waited(self, stream: Stream, candle: Candle) -> bool:
        """Whether a bar, whose last one has not been closed, has waited long enough for that."""
        now_s = self._now_s()
        _, since_s = self._held.pop(stream, (candle, now_s))
        if now_s - since_s >= HOLD_S:
            return True
        self._held[stream] = (candle, since_s)
        return False

    def _release(self, stream: Stream, closed: Candle) -> None:
        held, _ = self._held.get(stream, (closed, 0.0))
        if held.start_ms <= closed.end_ms:
            self._held.pop(stream, None)
        if held.start_ms == closed.end_ms:
            self._bars[stream] = self._latest[stream] = held

    def put(self, event: Waiting) -> None:
        """Take what waits in order."""
        if len(self._queue) >= self._room:
            self._queue.popleft()
            self.dropped += 1
        self._queue.append(event)

    def take(self, most: int = BATCH) -> list[_Item]:
        """What leaves next: first what waits in order."""
        taken: list[_Item] = []
        while self._queue and len(taken) < most:
            taken.append(self._queue.popleft())
        streams = list(islice(self._latest, most - len(taken)))
        return taken + [self._latest.pop(stream) for stream in streams]

    def put_back(self, items: list[_Item]) -> None:
        """It did not leave: as if it had never been taken."""
        for item in reversed(items):
            if isinstance(item, Ticker) or (isinstance(item, Candle) and not item.closed):
                self._restore(item)
            elif len(self._queue) < self._room:
                self._queue.appendleft(item)
            else:
                self.dropped += 1

    def _restore(self, event: MarketEvent) -> None:
        """A newer value, or the bar's close, has made it worthless."""
        stream = event.stream
        if isinstance(event, Candle) and _state(self._bars[stream]) != _state(event):
            return
        self._latest.setdefault(stream, event)


class Mirror:
    """Sends what the outbox takes.

    Args:
        redis: where the channels are; closed with the mirror.
        room: see ``Outbox``.
        now_ms: the wall's time.
    """

    def __init__(
        self, redis: Redis, *, room: int = ROOM, now_ms: Callable[[], int] = wall_ms
    ) -> None:
        self._redis = redis
        self._outbox = Outbox(room)
        self._now_ms = now_ms
        self._new = asyncio.Event()
        self._sent = 0
        self._unwritable = 0
        self._away = False
        self._complaints = Seldom()

    # --- taking: returns at once ----------------------------------------------------------------

    def price(self, event: MarketEvent) -> None:
        """A ticker or candle was published."""
        self._outbox.price(event)
        self._new.set()

    def account(self, event: AccountEvent | OnPaper) -> None:
        """An account event was published."""
        self._outbox.put(event)
        self._new.set()

    def say(self, notice: Message) -> None:
        """Something else is to be told."""
        self._outbox.put(notice)
        self._new.set()

    @property
    def counts(self) -> Mapping[str, int]:
        """Since the start."""
        return {
            "mirror_sent": self._sent,
            "mirror_dropped": self._outbox.dropped,
            "mirror_outdated": self._outbox.outdated,
            "mirror_unwritable": self._unwritable,
        }

    # --- sending --------------------------------------------------------------------------------

    async def run(self) -> None:
        """Send for ever."""
        while True:
            await self._new.wait()
            await asyncio.sleep(LINGER_S)
            self._new.clear()
            try:
                await self.flush()
            except RedisAway as away:
                self._tell_away(away)
                await drop_idle(self._redis)
                await asyncio.sleep(jittered(AWAY_S))
                self._new.set()

    async def flush(self) -> None:
        """Send all there is.

        Raises:
            RedisAway: the rest waits for the next time.
        """
        while items := self._outbox.take():
            messages = list(self._written(items))
            if not messages:
                continue
            try:
                await self._send(messages)
            except BaseException:  # a cancelled call leaves them to the last flush
                self._outbox.put_back(items)
                raise
            self._sent += len(messages)
            self._tell_back()

    async def _send(self, messages: list[Message]) -> None:
        pipe = self._redis.pipeline(transaction=False)
        for channel, text in messages:
            pipe.publish(channel, text)
        async with answered(SEND_S):
            await pipe.execute()

    def _written(self, items: list[_Item]) -> Iterator[Message]:
        for item in items:
            try:
                yield from self._write(item)
            except (ValueError, ArithmeticError) as error:
                self._unwritable += 1
                kind = type(item).__name__
                if self._complaints.now(kind):
                    reason = type(error).__name__
                    logger.bind(kind=kind, reason=reason).warning("cannot be said in older words")

    def _write(self, item: _Item) -> Iterable[Message]:
        if isinstance(item, Message):
            return (item,)
        if isinstance(item, AccountEvent | OnPaper):
            told = account_message(item)
            return () if told is None else (told,)
        return compat.price_messages(item, self._now_ms())

    def _tell_away(self, away: RedisAway) -> None:
        if not self._away:
            logger.bind(error=str(away)).warning("older backends' redis is away")
        self._away = True

    def _tell_back(self) -> None:
        if self._away:
            logger.bind(dropped=self._outbox.dropped).info("older backends' redis is back")
        self._away = False

    async def close(self) -> None:
        """Send what is left, if that is quick, and end the connection. ``run`` has been ended."""
        try:
            async with asyncio.timeout(CLOSE_S):
                await self.flush()
        except (RedisAway, TimeoutError) as error:
            logger.bind(error=str(error), left=len(self._outbox)).info(
                "older backends are not told everything"
            )
        await self._redis.aclose()


def mirror_of(settings: Settings) -> Mirror | None:
    """As it is set; None: no older backend listens. Connects to nothing yet."""
    if not settings.compat_redis:
        return None
    url = settings.compat_redis_url or settings.redis_url
    return Mirror(connect(url.reveal()))


def _state(candle: Candle) -> tuple[int, bool]:
    """Grows from bar to bar, and with its close."""
    return candle.start_ms, candle.closed


def _follows(candle: Candle, newest: Candle) -> bool:
    """Whether nothing is missing between them."""
    return candle.start_ms == (newest.end_ms if newest.closed else newest.start_ms)
