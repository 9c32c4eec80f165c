"""AMQP frames of a message, built from parts that are marshalled once. Pure.

A publish is three frames: Basic.Publish (the same for every message of an address), the content
header (the same but for id, time and size) and the body, split where it is larger than a frame.
``pamqp`` writes what stays the same; only what changes is written here.
"""

from __future__ import annotations

from collections.abc import Mapping
from struct import Struct as Packing

from pamqp import encode, frame
from pamqp.commands import Basic
from pamqp.common import FieldValue

from common.publish.messages import SHORT_STRING_BYTES

# Frame type, channel, payload size.
_FRAME = Packing(">BHL")
# The same for a content header, with class 60 (basic), weight 0, body size, property flags.
_HEADER = Packing(">BHLHHQH")
_TIMESTAMP = Packing(">Q")
_END = b"\xce"
_BASIC_CLASS = 60
_HEADER_FIXED_BYTES = 14

_CONTENT_TYPE = 1 << 15
_HEADERS = 1 << 13
_DELIVERY_MODE = 1 << 12
_CORRELATION_ID = 1 << 10
_MESSAGE_ID = 1 << 7
_TIME = 1 << 6
_TYPE = 1 << 5
_APP_ID = 1 << 3

# What a broker that names no limit is sent (``frame_max`` 0), less the frame's own eight bytes.
DEFAULT_BODY_BYTES = 131_072 - 8


class Envelope:
    """Everything that messages of one address have in common, ready for the wire.

    ``channel`` is the AMQP channel they will leave on: it is part of every frame.

    Raises:
        ValueError: the routing key or the correlation id is longer than AMQP has room for.
    """

    __slots__ = (
        "_after",
        "_before",
        "_flags",
        "_publish",
        "amqp_exchange",
        "channel",
        "routing_key",
    )

    def __init__(
        self,
        channel: int,
        amqp_exchange: str,
        routing_key: str,
        *,
        kind: str,
        headers: Mapping[str, FieldValue],
        app_id: str,
        persistent: bool,
        mandatory: bool = False,
        content_type: str = "application/json",
        correlation_id: str | None = None,
    ) -> None:
        for text in (routing_key, correlation_id or ""):
            if not fits(text):
                raise ValueError(f"{text[:40]!r}… is longer than AMQP has room for")
        self.channel = channel
        self.amqp_exchange = amqp_exchange
        self.routing_key = routing_key
        publish = Basic.Publish(
            exchange=amqp_exchange, routing_key=routing_key, mandatory=mandatory
        )
        self._publish = frame.marshal(publish, channel)
        self._flags = (
            _CONTENT_TYPE | _HEADERS | _DELIVERY_MODE | _MESSAGE_ID | _TIME | _TYPE | _APP_ID
        )
        self._before = (
            encode.short_string(content_type)
            + encode.field_table(dict(headers))
            + encode.octet(2 if persistent else 1)
        )
        if correlation_id is not None:
            self._flags |= _CORRELATION_ID
            self._before += encode.short_string(correlation_id)
        self._after = encode.short_string(kind) + encode.short_string(app_id)

    def pack(
        self, message_id: str, timestamp_s: int, body: bytes, most_bytes: int = DEFAULT_BODY_BYTES
    ) -> bytes:
        """The frames of one message. ``most_bytes`` is what one body frame may hold."""
        name = message_id.encode()
        size = _HEADER_FIXED_BYTES + len(self._before) + len(name) + 9 + len(self._after)
        parts = [
            self._publish,
            _HEADER.pack(2, self.channel, size, _BASIC_CLASS, 0, len(body), self._flags),
            self._before,
            bytes((len(name),)),
            name,
            _TIMESTAMP.pack(timestamp_s),
            self._after,
            _END,
        ]
        if len(body) <= most_bytes:
            if body:
                parts += (_FRAME.pack(3, self.channel, len(body)), body, _END)
            return b"".join(parts)
        for start in range(0, len(body), most_bytes):
            piece = body[start : start + most_bytes]
            parts += (_FRAME.pack(3, self.channel, len(piece)), piece, _END)
        return b"".join(parts)


def fits(short_string: str) -> bool:
    """Whether AMQP has room for it as an id or a routing key."""
    return len(short_string.encode()) <= SHORT_STRING_BYTES
