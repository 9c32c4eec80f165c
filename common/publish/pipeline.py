"""The one door to RabbitMQ: stamp, sort into the two classes, conflate, encode, send, confirm.

Closed candles go to the durable class, open candles and tickers to latest-wins; what a stream's
state is goes to the durable class too, but nobody has to want it (not ``mandatory``) and it may
fill no more than half the room. Everything here is synchronous and bounded: a caller that parses
frames is never held up by the broker, and learns of a full buffer by the outcome ``refused``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from struct import error as StructError  # noqa: N812

from loguru import logger
from msgspec import UNSET

from common.clocks import machine_s, wall_ms
from common.model.account import AccountEvent
from common.model.events import Candle, MarketEvent
from common.model.streams import Origin, Stream
from common.publish import messages
from common.publish.account import account_message
from common.publish.durable import Message, OnOutcome, Subject
from common.publish.latest import Slot, Value
from common.publish.messages import Outcome, StreamStatus
from common.publish.publisher import Publisher
from common.publish.routes import (
    Letter,
    Route,
    candle_message,
    durable_lane,
    encode,
    letter_message,
    status_message,
    time_s,
)
from common.publish.seldom import Seldom
from common.publish.topology import EVENTS, Mode, declare

# Of the durable room, what statuses, answers and dead letters may see filled.
_STATUS_SHARE = 0.5
# A full buffer is over when this much of it is free again: the log says so once, not per message.
_FULL_UNTIL = 0.9
# What an event out of a garbled frame can fail with: a name or a number beyond AMQP or JSON.
_UNWRITABLE = (ValueError, OverflowError, StructError)


class Pipeline:
    """Publishes what one process has to say. ``on_outcome`` is told of every durable message.

    Args:
        url: ``amqp://`` or ``amqps://``, with user, password and vhost.
        topology: what may be declared on the broker (``topology.Mode``).
        on_outcome: called with the event (or the id of a status) and what became of it.
        durable_limit: unconfirmed durable messages that are kept; beyond, they are refused.
        streams_limit: streams whose newest value is kept.
        durable_window, latest_window: unconfirmed messages on their way, per class.
        linger_s: wait this long for more before a write; saves CPU, costs latency.
        retry_s: least and most seconds between attempts to connect.
    """

    def __init__(
        self,
        url: str,
        *,
        topology: Mode = "full",
        on_outcome: OnOutcome | None = None,
        app_id: str = messages.APP_ID,
        name: str = "publish",
        durable_limit: int = 20_000,
        streams_limit: int = 100_000,
        durable_window: int = 1_000,
        latest_window: int = 1_000,
        linger_s: float = 0.0,
        retry_s: tuple[float, float] = (1.0, 10.0),
        now_ms: Callable[[], int] = wall_ms,
    ) -> None:
        self._publisher = Publisher(
            url,
            name=name,
            prepare=partial(declare, topology=EVENTS, mode=topology),
            pack=self._pack,
            durable_limit=durable_limit,
            latest_limit=streams_limit,
            durable_window=durable_window,
            latest_window=latest_window,
            linger_s=linger_s,
            retry_s=retry_s,
        )
        self._on_outcome = on_outcome
        self._app_id = app_id
        self._now_ms = now_ms
        self._durable_limit = durable_limit
        self._streams_limit = streams_limit
        self._routes: dict[tuple[str, ...], Route] = {}
        self._full: set[float] = set()
        self._complaints = Seldom()
        self._published = 0
        self._refused = 0
        self._candles_returned = 0
        self._account_events_returned = 0

    async def start(self) -> None:
        """Begin to connect. Returns at once: a broker that is away is waited for, not died of."""
        self._publisher.start()

    async def flush(self, timeout_s: float, *, durable_only: bool = False) -> bool:
        """Wait until everything is confirmed; False if it was not within ``timeout_s``.

        ``durable_only`` leaves out the newest values, which never rest while streams go on.
        """
        try:
            async with asyncio.timeout(timeout_s):
                await self._publisher.settle(durable_only=durable_only)
        except TimeoutError:
            return False
        return True

    async def close(self) -> None:
        """End the connection. What is unconfirmed is not checkpointed, so nothing is lost by it."""
        await self._publisher.close()

    def publish(self, event: MarketEvent, *, epoch: int, origin: Origin) -> bool:
        """Send an event in its class. Never blocks and never raises for the broker's sake.

        False: there is no room for a closed candle. What can never be written is dropped, counted
        and complained of: trying again would not help.
        """
        try:
            route = self._route(event)
            if isinstance(event, Candle) and event.closed:
                return self._publish_closed(route, event, epoch, origin)
        except _UNWRITABLE as error:
            self._refuse(event, error)
            return True
        self._published += 1
        if self._publisher.latest.offer(route.slot, Value(event, epoch, origin)):
            self._publisher.wake()
        return True

    def publish_account(self, event: AccountEvent, *, epoch: int, origin: Origin) -> bool:
        """Send an event of an account; as ``publish``, but all of them are durable."""
        try:
            message = account_message(event, epoch, origin, self._app_id, self._report)
        except _UNWRITABLE as error:
            self._refuse(event, error)
            return True
        accepted = self._submit(message)
        self._published += accepted
        return accepted

    def status(
        self,
        stream: Stream,
        state: str,
        *,
        epoch: int,
        reason: str = "",
        code: str = "",
        from_ms: int | None = None,
        to_ms: int | None = None,
    ) -> bool:
        """Tell the fleet's topic exchange that a stream changed its state; False: no room."""
        status = StreamStatus(
            exchange=stream.exchange,
            market=stream.market,
            channel=stream.channel,
            symbol=stream.symbol,
            state=state,
            epoch=epoch,
            event_ms=self._now_ms(),
            interval=stream.interval or UNSET,
            reason=reason or UNSET,
            code=code or UNSET,
            from_ms=UNSET if from_ms is None else from_ms,
            to_ms=UNSET if to_ms is None else to_ms,
        )
        try:
            message = status_message(stream, status, self._app_id, self._report)
        except _UNWRITABLE as error:
            self._refuse(f"stream:{stream.key}:{state}", error)
            return True
        return self._submit(message, share=_STATUS_SHARE)

    def withdraw(self, stream: Stream) -> int:
        """Forget what is durable of a stream and has not left yet; how many messages that were.

        It is another owner's now, who publishes them himself; no outcome is told of these.
        """
        return self._publisher.withdraw(durable_lane(stream))

    def is_under_way(self, stream: Stream) -> bool:
        """Whether something durable of a stream waits to leave, or to be confirmed."""
        return self._publisher.durable.holds(durable_lane(stream))

    async def post(self, letter: Letter) -> Outcome:
        """Send a letter and wait what becomes of it; the caller sets the limit.

        Raises:
            ValueError: routing key, message or correlation id are longer than AMQP has room for.
        """
        settled: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()

        def on_outcome(_: Subject, outcome: Outcome) -> None:
            if not settled.done():
                settled.set_result(outcome)

        message = letter_message(letter, self._app_id, on_outcome)
        self._submit(message, share=_STATUS_SHARE)
        return await settled

    @property
    def has_room(self) -> bool:
        """Whether closed candles would be taken now; while a full buffer empties they are not."""
        return not self._refusing and self._publisher.durable.size < self._durable_limit

    @property
    def stats(self) -> dict[str, int | float | bool | None]:
        """Counters since the start, and how things are.

        ``refusing``: there was no room for a closed candle, and there is none yet.
        ``last_confirm_age_s`` and ``durable_waiting_s`` (the age of the oldest message that is
        unconfirmed on this connection) are about the durable class alone.
        """
        publisher = self._publisher
        durable, latest = publisher.durable, publisher.latest
        now_s = machine_s()
        return {
            "published": self._published,
            "confirmed": durable.confirmed + latest.confirmed,
            "confirmed_durable": durable.confirmed,
            "returned": durable.returned,
            "refused": durable.refused + self._refused,
            "nacked": durable.nacked + latest.nacked,
            "conflated": latest.conflated,
            "outdated": latest.outdated,
            "unconfirmed": durable.size,
            "latest_pending": latest.pending,
            "latest_unconfirmed": latest.in_flight,
            "connected": publisher.connected,
            "blocked": publisher.blocked,
            "blocked_times": publisher.blocked_times,
            "reconnects": publisher.reconnects,
            "candles_returned": self._candles_returned,
            "account_events_returned": self._account_events_returned,
            "refusing": self._refusing,
            "last_confirm_age_s": _age_s(publisher.last_confirm_s, now_s),
            "durable_waiting_s": _age_s(durable.oldest_sent_s, now_s),
        }

    # --- inside -------------------------------------------------------------------------------

    def _route(self, event: MarketEvent) -> Route:
        if isinstance(event, Candle):
            key: tuple[str, ...] = (event.exchange, event.market, event.symbol, event.interval)
        else:
            key = (event.exchange, event.market, event.symbol)
        route = self._routes.get(key)
        if route is None:
            if len(self._routes) >= self._streams_limit:
                # The stream known longest is made anew when it next speaks.
                del self._routes[next(iter(self._routes))]
            route = self._routes[key] = Route(event, self._app_id)
        return route

    def _publish_closed(self, route: Route, candle: Candle, epoch: int, origin: Origin) -> bool:
        envelope = route.envelope(candle, epoch, origin)
        message = candle_message(envelope, candle, self._report)
        self._publisher.latest.close_bar(route.slot, candle.start_ms)
        accepted = self._submit(message)
        self._published += accepted
        return accepted

    def _submit(self, message: Message, *, share: float = 1.0) -> bool:
        durable = self._publisher.durable
        accepted = durable.submit(message, share=share)
        if not accepted:
            if share not in self._full:
                self._full.add(share)
                logger.bind(unconfirmed=durable.size, room=share).error(
                    "durable buffer full, refusing"
                )
            return False
        if share in self._full and durable.size < self._durable_limit * share * _FULL_UNTIL:
            self._full.discard(share)
            logger.bind(unconfirmed=durable.size, room=share).info("durable buffer has room again")
        self._publisher.wake()
        return True

    @property
    def _refusing(self) -> bool:
        """Asked for, not only noted: nothing may be published while the buffer empties."""
        return (
            1.0 in self._full and self._publisher.durable.size >= self._durable_limit * _FULL_UNTIL
        )

    def _pack(self, slot: Slot, value: Value, most_bytes: int) -> bytes | None:
        event = value.event
        route = slot.owner
        if not isinstance(route, Route):
            raise TypeError("a slot that is not a route's")
        try:
            envelope = route.envelope(event, value.epoch, value.origin)
            stamp_s = time_s(messages.time_ms_of(event))
            body = encode(event)
            return envelope.pack(messages.id_of(event, body), stamp_s, body, most_bytes)
        except _UNWRITABLE as error:
            self._complain(event, error)
            return None

    def _refuse(self, subject: Subject, error: Exception) -> None:
        self._complain(subject, error)
        if not isinstance(subject, MarketEvent) or (isinstance(subject, Candle) and subject.closed):
            self._report(subject, "refused")

    def _complain(self, subject: Subject, error: Exception) -> None:
        self._refused += 1
        name = _name_of(subject)
        if self._complaints.now(name):
            logger.bind(subject=name[:300], reason=str(error)).error("message cannot be written")

    def _report(self, subject: Subject, outcome: Outcome) -> None:
        if outcome == "returned":
            self._candles_returned += isinstance(subject, Candle)
            self._account_events_returned += isinstance(subject, AccountEvent)
        if self._on_outcome is None:
            return
        try:
            self._on_outcome(subject, outcome)
        except Exception as error:  # noqa: BLE001
            # A listener's defect must not stop the reading of confirms.
            logger.opt(exception=error).error("outcome listener failed")


def _name_of(subject: Subject) -> str:
    """For the log, where no account is named."""
    if isinstance(subject, str):
        return subject
    if isinstance(subject, MarketEvent):
        return subject.stream.key
    return f"{subject.exchange}:{subject.market}:account"


def _age_s(since_s: float | None, now_s: float) -> float | None:
    return None if since_s is None else now_s - since_s
