"""Binance's account events of all markets: their ends, and what is not known."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.exchanges.binance.told import told
from common.exchanges.private import Denied
from common.exchanges.protocol import Notice, Unreadable
from tests.exchanges.binance.events import NONE, spot


@pytest.mark.parametrize(
    "event",
    [
        {"e": "listenKeyExpired", "E": "1736996475556", "listenKey": "WsCMN0"},
        {"e": "eventStreamTerminated", "E": 1728973001334},
    ],
)
def test_what_was_opened_can_run_out(event: dict[str, Any]) -> None:
    (denied,) = told("linear", json.dumps(event).encode(), NONE)
    assert isinstance(denied, Denied)
    assert denied.trouble == "expired"
    assert "WsCMN0" not in denied.detail


def test_the_same_fill_told_twice_is_taken_from_the_event_with_its_fee() -> None:
    assert told("linear", b'{"e":"TRADE_LITE","E":1,"s":"X"}', NONE) == (
        Notice("other", "TRADE_LITE"),
    )


def test_what_is_not_known_is_said() -> None:
    assert told("spot", b'{"e":"somethingNew"}', NONE) == (
        Unreadable("unknown_type", "somethingNew"),
    )
    (problem,) = spot(z=None)
    assert problem.kind == "wrong_shape"


@given(st.binary(max_size=60))
def test_no_bytes_raise(data: bytes) -> None:
    for market in ("spot", "linear", "inverse"):
        assert told(market, data, NONE)
