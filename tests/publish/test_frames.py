"""Frames built here are read by pamqp exactly as if it had written them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pamqp import frame
from pamqp.body import ContentBody
from pamqp.commands import Basic
from pamqp.header import ContentHeader

from common.publish.frames import Envelope


def unpack(data: bytes) -> list[tuple[int, object]]:
    frames: list[tuple[int, object]] = []
    while data:
        used, channel, value = frame.unmarshal(data)
        frames.append((channel, value))
        data = data[used:]
    return frames


def envelope(**changed: object) -> Envelope:
    given: dict[str, object] = {
        "kind": "ticker.v1",
        "headers": {"exchange": "binance", "symbol": "币", "epoch": 70_000},
        "app_id": "app",
        "persistent": True,
        "mandatory": True,
    }
    return Envelope(7, "market", "ticker.binance.spot.X", **(given | changed))  # type: ignore[arg-type]


def test_method_header_and_body_say_what_was_meant() -> None:
    data = envelope(correlation_id="c-1").pack("id-1", 1_700_000_000, b'{"a":1}')
    (a, method), (b, header), (c, body) = unpack(data)
    assert (a, b, c) == (7, 7, 7)
    assert isinstance(method, Basic.Publish)
    assert (method.exchange, method.routing_key) == ("market", "ticker.binance.spot.X")
    assert (method.mandatory, method.immediate) == (True, False)
    assert isinstance(header, ContentHeader)
    assert header.body_size == 7
    assert dict(header.properties) == {
        "content_type": "application/json",
        "content_encoding": None,
        "headers": {"exchange": "binance", "symbol": "币", "epoch": 70_000},
        "delivery_mode": 2,
        "priority": None,
        "correlation_id": "c-1",
        "reply_to": None,
        "expiration": None,
        "message_id": "id-1",
        "timestamp": datetime.fromtimestamp(1_700_000_000, UTC),
        "message_type": "ticker.v1",
        "user_id": None,
        "app_id": "app",
        "cluster_id": "",
    }
    assert isinstance(body, ContentBody)
    assert body.value == b'{"a":1}'


def test_latest_wins_is_transient_and_optional() -> None:
    (_, method), (_, header), _ = unpack(
        envelope(persistent=False, mandatory=False).pack("i", 0, b"{}")
    )
    assert isinstance(method, Basic.Publish)
    assert not method.mandatory
    assert isinstance(header, ContentHeader)
    assert header.properties.delivery_mode == 1


@given(st.binary(max_size=64), st.integers(1, 16))
def test_a_body_is_split_where_a_frame_is_full(body: bytes, most: int) -> None:
    (_, _), (_, header), *pieces = unpack(envelope().pack("id", 5, body, most))
    assert isinstance(header, ContentHeader)
    assert header.body_size == len(body)
    values = [piece.value for _, piece in pieces if isinstance(piece, ContentBody)]
    assert b"".join(values) == body
    assert all(0 < len(value) <= most for value in values)


def test_names_longer_than_amqp_has_room_for_are_refused() -> None:
    with pytest.raises(ValueError, match="longer than AMQP has room for"):
        envelope(correlation_id="c" * 256)
    with pytest.raises(ValueError, match="bytes must be in range"):
        envelope().pack("i" * 256, 0, b"")
