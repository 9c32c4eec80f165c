"""Where things go: the address of a stream's events, and messages ready for the durable class."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from msgspec import Struct
from pamqp.common import FieldValue

from common.model.events import Candle, MarketEvent
from common.model.ids import candle_id
from common.model.streams import Origin, Stream
from common.publish import messages
from common.publish.durable import Message, OnOutcome
from common.publish.frames import Envelope, fits
from common.publish.latest import Slot
from common.publish.messages import StreamStatus

# Fixed, so that frames once built stay right over every reconnect.
DURABLE_CHANNEL = 1
LATEST_CHANNEL = 2

# Epochs and origins change seldom: more envelopes than this per stream are old ones.
_MOST_ENVELOPES = 16
# Bytes that one message id of a stream may be longer than another: times and revisions grow.
_ID_SPARE_BYTES = 10
# AMQP's timestamp is 64 bits of seconds; nothing of ours is later than JSON's exact integers.
_MOST_S = 2**53

encode = msgspec.json.Encoder().encode


class Letter(Struct, frozen=True, kw_only=True):
    """A message that is no event: an answer, a dead letter."""

    amqp_exchange: str
    routing_key: str
    message_id: str
    kind: str
    timestamp_s: int
    body: bytes
    headers: Mapping[str, FieldValue] = {}
    content_type: str = "application/json"
    correlation_id: str | None = None
    mandatory: bool = False


class Route:
    """Where the events of one stream go: keys and envelopes made once, and its slot.

    Raises:
        ValueError: the symbol is too long for AMQP, or is no text.
    """

    __slots__ = ("_app_id", "_envelopes", "slot")

    def __init__(self, event: MarketEvent, app_id: str) -> None:
        messages.routing_key(event)
        check_id(messages.id_of(event, b"") + "0" * _ID_SPARE_BYTES)
        self.slot = Slot(self)
        self._app_id = app_id
        self._envelopes: dict[tuple[bool, int, Origin], Envelope] = {}

    def envelope(self, event: MarketEvent, epoch: int, origin: Origin) -> Envelope:
        """What this event has in common with others of its kind, epoch and origin."""
        closed = isinstance(event, Candle) and event.closed
        envelope = self._envelopes.get((closed, epoch, origin))
        if envelope is None:
            if len(self._envelopes) >= _MOST_ENVELOPES:
                self._envelopes.clear()
            envelope = Envelope(
                DURABLE_CHANNEL if closed else LATEST_CHANNEL,
                messages.MARKET_EXCHANGE,
                messages.routing_key(event),
                kind=messages.type_of(event),
                headers=_headers(event.exchange, event.market, event.symbol, epoch, origin),
                app_id=self._app_id,
                persistent=closed,
                mandatory=closed,
            )
            self._envelopes[closed, epoch, origin] = envelope
        return envelope


def candle_message(envelope: Envelope, candle: Candle, on_outcome: OnOutcome) -> Message:
    """A closed candle for the durable class."""
    return Message(
        lane=lane_of(envelope.amqp_exchange, envelope.routing_key),
        envelope=envelope,
        message_id=candle_id(candle),
        timestamp_s=time_s(messages.time_ms_of(candle)),
        body=encode(candle),
        subject=candle,
        on_outcome=on_outcome,
    )


def status_message(
    stream: Stream, status: StreamStatus, app_id: str, on_outcome: OnOutcome
) -> Message:
    """A stream's state for the durable class.

    Raises:
        ValueError: the symbol is too long for AMQP, or is no text.
    """
    message_id = messages.status_id(status, stream)
    check_id(message_id)
    envelope = Envelope(
        DURABLE_CHANNEL,
        messages.FLEET_EXCHANGE,
        messages.status_routing_key(stream, status.state),
        kind=messages.STREAM_STATUS,
        headers=_headers(stream.exchange, stream.market, stream.symbol, status.epoch, "live"),
        app_id=app_id,
        persistent=True,
    )
    return Message(
        # All states of a stream share a lane: "live" must not overtake "stale".
        lane=stream,
        envelope=envelope,
        message_id=message_id,
        timestamp_s=time_s(status.event_ms),
        body=encode(status),
        subject=message_id,
        on_outcome=on_outcome,
    )


def letter_message(letter: Letter, app_id: str, on_outcome: OnOutcome) -> Message:
    """A letter for the durable class.

    Raises:
        ValueError: routing key, message id or correlation id are longer than AMQP has room for.
    """
    for text in (letter.message_id, letter.routing_key, letter.correlation_id or ""):
        check_id(text)
    envelope = Envelope(
        DURABLE_CHANNEL,
        letter.amqp_exchange,
        letter.routing_key,
        kind=letter.kind,
        headers=letter.headers,
        app_id=app_id,
        persistent=True,
        mandatory=letter.mandatory,
        content_type=letter.content_type,
        correlation_id=letter.correlation_id,
    )
    return Message(
        lane=lane_of(letter.amqp_exchange, letter.routing_key),
        envelope=envelope,
        message_id=letter.message_id,
        timestamp_s=letter.timestamp_s,
        body=letter.body,
        subject=letter.message_id,
        on_outcome=on_outcome,
    )


def lane_of(amqp_exchange: str, routing_key: str) -> tuple[str, str]:
    """The lane of a mandatory message: a return names nothing else of it.

    All that is said of one account is one lane, whatever the first word of its key.
    """
    if amqp_exchange == messages.ACCOUNT_EXCHANGE:
        return amqp_exchange, routing_key.partition(".")[2]
    return amqp_exchange, routing_key


def time_s(time_ms: int) -> int:
    """An event's time as AMQP writes it.

    Raises:
        ValueError: no time at all; such an event came from a garbled frame.
    """
    if not 0 <= time_ms < _MOST_S:
        raise ValueError(f"{time_ms} is not a time")
    return time_ms // 1000


def check_id(text: str) -> None:
    """Refuse what AMQP has no room for.

    Raises:
        ValueError: it is longer than 255 bytes.
    """
    if not fits(text):
        raise ValueError(f"{text[:40]!r}… is longer than AMQP has room for")


def durable_lane(stream: Stream) -> tuple[str, str]:
    """The lane of a stream's closed candles, or of all that is said of an account."""
    if stream.channel == "account":
        key = f"any.{stream.exchange}.{stream.market}.{messages.escape(stream.symbol)}"
        return lane_of(messages.ACCOUNT_EXCHANGE, key)
    return lane_of(messages.MARKET_EXCHANGE, messages.closed_routing_key(stream))


def _headers(
    exchange: str, market: str, symbol: str, epoch: int, origin: Origin
) -> dict[str, FieldValue]:
    return {
        "exchange": exchange,
        "market": market,
        "symbol": symbol,
        "epoch": epoch,
        "origin": origin,
    }
