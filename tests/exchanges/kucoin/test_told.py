"""KuCoin's account events, of classic accounts: whose they are, and what is not known."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from common.exchanges.kucoin.told import TOPICS, told
from common.exchanges.kucoin.words import is_ours
from common.exchanges.protocol import Unreadable
from common.model.streams import Market
from tests.exchanges.kucoin.pushes import NONE, SPOT_ORDERS, hear, spot


def test_what_is_not_known_is_said() -> None:
    assert hear("spot", "/margin/position", {}) == (Unreadable("unknown_type", "/margin/position"),)
    for changes in ({"filledSize": None}, {"size": 3}, {"ts": "soon"}, {"orderId": 7}):
        (problem,) = spot(**changes)
        assert isinstance(problem, Unreadable), changes
        assert problem.kind == "wrong_shape"
    (broken,) = told("spot", SPOT_ORDERS, "", Raw(b'{"symbol"'), NONE)
    assert isinstance(broken, Unreadable)


@given(st.binary(max_size=60), st.sampled_from([(m, t) for m, ts in TOPICS.items() for t in ts]))
def test_no_bytes_raise(data: bytes, place: tuple[Market, str]) -> None:
    market, topic = place
    assert told(market, topic, "position.change", Raw(data), NONE)
    assert told(market, topic, "walletBalance.change", Raw(data), NONE)


@pytest.mark.parametrize(
    ("symbol", "market"),
    [
        ("SOLUSDTM", "linear"),
        ("SOLUSDCM", "linear"),
        ("SOLUSDM", "inverse"),
        # They expire: the month and the year are at the end.
        ("XBTUSDTMZ26", "linear"),
        ("XBTUSDCMH27", "linear"),
        ("XBTMZ26", "inverse"),
    ],
)
def test_a_contract_that_is_not_listed_is_told_to_its_market_only(
    symbol: str, market: Market
) -> None:
    for asked in ("linear", "inverse"):
        assert is_ours(asked, symbol, NONE) is (asked == market)
