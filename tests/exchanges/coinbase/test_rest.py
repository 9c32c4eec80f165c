"""Coinbase's REST: requests as data, answers parsed."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from common.exchanges.budget import Used
from common.exchanges.coinbase import rest
from common.exchanges.coinbase.describe import MARKETS
from common.exchanges.protocol import RestRequest
from common.model.events import Candle
from common.model.intervals import INTERVALS, end_of, source_of
from common.model.streams import Stream

MINUTES = Stream("coinbase", "spot", "candle", "BTC-USD", "1m")
# From the documents' example of an hour.
HOURS = Stream("coinbase", "spot", "candle", "BTC-USD", "1h")
ROWS = [
    {
        "start": "1712192400",
        "low": "66055.14",
        "high": "66331.99",
        "open": "66312.4",
        "close": "66181.6",
        "volume": "355.82896243",
    },
    {
        "start": "1712188800",
        "low": "65857.35",
        "high": "66387.77",
        "open": "65984.18",
        "close": "66314.59",
        "volume": "358.74851052",
    },
]
PRODUCT: dict[str, Any] = {
    "product_id": "BTC-USD",
    "base_increment": "0.00000001",
    "quote_increment": "0.01",
    "is_disabled": False,
    "status": "online",
    "cancel_only": False,
    "limit_only": False,
    "post_only": False,
    "trading_disabled": False,
    "auction_mode": False,
    "product_type": "SPOT",
    "quote_currency_id": "USD",
    "base_currency_id": "BTC",
    "alias": "",
    "alias_to": ["BTC-USDC"],
    "view_only": False,
    "price_increment": "0.01",
}


# --- candles --------------------------------------------------------------------------------


def test_candles_are_asked_for_in_seconds_with_both_ends() -> None:
    request = rest.candles_request(HOURS, 1712188800000, 1712196000000)
    assert request.url == (
        "https://api.coinbase.com/api/v3/brokerage/market/products/BTC-USD/candles"
    )
    assert request.params == {
        "granularity": "ONE_HOUR",
        "start": "1712188800",
        "end": "1712195999",
        "limit": "300",
    }


def test_a_symbol_is_a_part_of_a_path_whatever_it_holds() -> None:
    request = rest.candles_request(msgspec.structs.replace(HOURS, symbol="币/A-USD"), 0, 3_600_000)
    assert request.url.endswith("/market/products/%E5%B8%81%2FA-USD/candles")


@given(
    st.sampled_from(sorted(MARKETS["spot"].rest.intervals)),
    st.integers(1_700_000_000_000, 1_800_000_000_000),
    st.integers(1, 300),
    st.booleans(),
    st.booleans(),
)
def test_exactly_the_bars_that_start_in_the_range_whatever_the_ends_mean(
    interval: str, start_ms: int, bars: int, end_counts: bool, early: bool
) -> None:
    """An exchange that counts the end, or not, or begins with the bar that holds the start."""
    length_ms = end_of(interval, 0)
    end_ms = start_ms + bars * length_ms
    stream = msgspec.structs.replace(MINUTES, interval=interval)
    params = rest.candles_request(stream, start_ms, end_ms).params
    first_ms, last_ms = int(params["start"]) * 1000, int(params["end"]) * 1000
    if early:
        first_ms = first_ms // length_ms * length_ms
    first_ms = -(-first_ms // length_ms) * length_ms
    given_ = range(first_ms, last_ms + end_counts, length_ms)
    wanted = range(-(-start_ms // length_ms) * length_ms, end_ms, length_ms)
    assert list(given_) == list(wanted)
    assert len(given_) <= 300


def test_bars_come_out_oldest_first_and_closed_once_they_have_ended() -> None:
    body = json.dumps({"candles": ROWS}).encode()
    older, newer = rest.parse_candles(HOURS, body, {}, 1712195999999)
    assert older == Candle(
        exchange="coinbase",
        market="spot",
        symbol="BTC-USD",
        interval="1h",
        start_ms=1712188800000,
        end_ms=1712192400000,
        open="65984.18",
        high="66387.77",
        low="65857.35",
        close="66314.59",
        volume="358.74851052",
        closed=True,
    )
    assert (newer.start_ms, newer.closed, newer.event_ms) == (1712192400000, False, 1712195999999)
    (_, ended) = rest.parse_candles(HOURS, body, {}, 1712196000000)
    assert ended.closed
    assert (ended.event_ms, ended.quote_volume, ended.trades) == (UNSET, UNSET, UNSET)


def test_minutes_without_trades_have_no_row() -> None:
    rows = [{**ROWS[0], "start": start} for start in ("180", "60")]
    candles = rest.parse_candles(MINUTES, json.dumps({"candles": rows}).encode(), {}, 240_000)
    assert [candle.start_ms for candle in candles] == [60_000, 180_000]
    assert rest.parse_candles(MINUTES, b'{"candles":[]}', {}, 240_000) == []


@pytest.mark.parametrize(
    "row",
    [
        {**ROWS[0], "open": 66312.4},
        {**ROWS[0], "open": "6.6e4"},
        {**ROWS[0], "start": 1712192400},
        {**ROWS[0], "start": "soon"},
        {name: value for name, value in ROWS[0].items() if name != "volume"},
    ],
)
def test_a_row_that_is_not_the_protocol_raises(row: Any) -> None:
    with pytest.raises(msgspec.ValidationError):
        rest.parse_candles(HOURS, json.dumps({"candles": [row]}).encode(), {}, 0)


def test_every_interval_is_native_or_built() -> None:
    sources = {
        interval: source_of(interval, rest.MARKETS["spot"].rest.intervals) for interval in INTERVALS
    }
    assert sources == {
        "1m": "1m", "3m": "1m", "5m": "5m", "15m": "15m", "30m": "30m", "1h": "1h", "2h": "2h",
        "4h": "2h", "6h": "6h", "8h": "2h", "12h": "6h", "1d": "1d", "3d": "1d", "1w": "1d",
        "1M": "1d",
    }  # fmt: skip


# --- instruments ----------------------------------------------------------------------------


def instruments(*products: Any) -> Any:
    body = json.dumps({"products": products, "num_products": len(products)}).encode()
    page = rest.parse_instruments("spot", body)
    assert page.next_page is None
    return page.instruments


def test_products_are_asked_for_in_one_list() -> None:
    (request,) = rest.instruments_requests("spot")
    assert request.url == "https://api.coinbase.com/api/v3/brokerage/market/products"
    assert request.params == {"product_type": "SPOT"}


def test_a_product() -> None:
    (btc,) = instruments(PRODUCT)
    assert (btc.symbol, btc.unified, btc.kind, btc.trading) == (
        "BTC-USD",
        "BTC/USD",
        "spot",
        "trading",
    )
    assert (btc.settle, btc.tick_size, btc.step_size) == ("USD", "0.01", "0.00000001")
    assert btc.contract_size is None


def test_a_second_name_of_a_book_is_no_stream_of_its_own() -> None:
    alias = {**PRODUCT, "product_id": "BTC-USDC", "alias": "BTC-USD", "alias_to": []}
    own = {**PRODUCT, "product_id": "EURC-USDC", "alias": "", "alias_to": []}
    assert [one.symbol for one in instruments(PRODUCT, alias, own)] == ["BTC-USD", "EURC-USDC"]


def test_futures_are_another_market() -> None:
    future = {**PRODUCT, "product_id": "BIP-20DEC30-CDE", "product_type": "FUTURE", "status": ""}
    assert [one.symbol for one in instruments(future, PRODUCT)] == ["BTC-USD"]
    assert list(instruments(future)) == []


@pytest.mark.parametrize(
    ("change", "trading"),
    [
        ({}, "trading"),
        ({"limit_only": True}, "trading"),
        ({"view_only": True}, "trading"),
        ({"status": ""}, "trading"),
        ({"status": "offline"}, "halted"),
        ({"status": "something new"}, "halted"),
        ({"status": "delisted"}, "closed"),
        ({"is_disabled": True}, "halted"),
        ({"trading_disabled": True}, "halted"),
        ({"cancel_only": True}, "halted"),
        ({"auction_mode": True}, "halted"),
    ],
)
def test_whether_it_trades(change: Any, trading: str) -> None:
    (product,) = instruments({**PRODUCT, **change})
    assert product.trading == trading


def test_the_step_of_the_price_is_the_quote_increment_where_no_other_is_given() -> None:
    (product,) = instruments({**PRODUCT, "price_increment": None, "quote_increment": "0.001"})
    assert product.tick_size == "0.001"


def test_one_strange_listing_does_not_cost_the_others() -> None:
    for rows in ([PRODUCT, {"product_id": "NEW"}], [{"product_id": "NEW"}, PRODUCT]):
        assert [one.symbol for one in instruments(*rows)] == ["BTC-USD"]
    with pytest.raises(msgspec.ValidationError):
        instruments({"product_id": "NEW"}, {"product_id": "NEWER"})


def test_a_body_that_is_not_the_protocol_raises() -> None:
    for body in (b"<html>", b"[]", b'{"products":7}'):
        with pytest.raises(msgspec.DecodeError):
            rest.parse_instruments("spot", body)
        with pytest.raises(msgspec.DecodeError):
            rest.parse_candles(MINUTES, body, {}, 0)


# --- the clock and failures -----------------------------------------------------------------


@pytest.mark.parametrize("told", ["1700000000123", 1700000000123])
def test_the_exchange_clock(told: Any) -> None:
    assert rest.time_request("spot").url == "https://api.coinbase.com/api/v3/brokerage/time"
    body = json.dumps({"iso": "2023-11-14T22:13:20Z", "epochSeconds": "1", "epochMillis": told})
    assert rest.parse_time("spot", body.encode()) == 1700000000123
    with pytest.raises(msgspec.ValidationError):
        rest.parse_time("spot", b'{"epochMillis":"soon"}')


LIMITED = b'{"errors":[{"id":"rate_limit_exceeded","message":"Too many requests"}]}'


@pytest.mark.parametrize(
    ("status", "headers", "body", "reason", "wait"),
    [
        (429, {"retry-after": "7"}, LIMITED, "rate", 7.0),
        (429, {}, b"", "rate", None),
        (429, {"x-ratelimit-reset": "1795219200"}, LIMITED, "rate", None),
        (429, {"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}, LIMITED, "rate", None),
        (400, {}, b'{"error":"INVALID_ARGUMENT","message":"start"}', "config", None),
        (400, {}, b'{"error":"INVALID_ARGUMENT","message":"valid product_id is required"}',
         "unsupported", None),
        (404, {}, b'{"error":"NOT_FOUND","error_details":"x"}', "unsupported", None),
        (404, {}, b"", "transient", None),
        (401, {}, b"Unauthorized", "auth", None),
        (403, {}, b'{"error":"PERMISSION_DENIED"}', "auth", None),
        (403, {}, b"rate limit", "rate", None),
        (500, {}, b'{"error":"unknown","message":"not_found"}', "transient", None),
        (502, {}, b"<html>bad gateway", "transient", None),
        (403, {}, b"<html>blocked", "rate", None),
        (418, {}, b"", "rate", None),
    ],
)  # fmt: skip
def test_failures_have_a_meaning(
    status: int, headers: dict[str, str], body: bytes, reason: str, wait: float | None
) -> None:
    failure = rest.rest_failure(status, headers, body)
    assert failure is not None
    assert (failure.reason, failure.retry_after_s) == (reason, wait)
    assert failure.detail.startswith(f"HTTP {status}")


def test_success_is_no_failure() -> None:
    assert rest.rest_failure(200, {}, b"{}") is None


@given(st.integers(400, 599), st.binary(max_size=100))
def test_no_body_of_a_failure_raises(status: int, body: bytes) -> None:
    assert rest.rest_failure(status, {}, body) is not None


def test_what_is_left_is_believed_of_the_limit_that_we_know() -> None:
    request = rest.time_request("spot")
    headers = {"x-ratelimit-limit": "10", "x-ratelimit-remaining": "3"}
    assert rest.used(request, headers) == Used("requests", 7)
    assert rest.used(request, headers | {"x-ratelimit-limit": "10000"}) is None
    assert rest.used(request, {}) is None


def test_what_is_left_to_one_account_says_nothing_of_the_others() -> None:
    request = RestRequest("https://api.coinbase.com/api/v3/brokerage/accounts", cost={"private": 1})
    headers = {"x-ratelimit-limit": "30", "x-ratelimit-remaining": "0"}
    assert rest.used(request, headers) is None
