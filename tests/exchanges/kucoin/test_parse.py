"""KuCoin's WebSocket, frame by frame: what is asked, what is understood, what is not."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from common.exchanges.kucoin import KUCOIN
from common.exchanges.kucoin.describe import ERRORS
from common.exchanges.kucoin.describe import MARKETS as RULES
from common.exchanges.kucoin.parse import family, parse, ping, subscribe, topics, unsubscribe
from common.exchanges.protocol import (
    Ack,
    Notice,
    Parsed,
    Pong,
    Refusal,
    TickerPart,
    Unreadable,
    Welcome,
)
from common.model.events import Candle
from common.model.instruments import Instrument
from common.model.intervals import INTERVALS, source_of
from common.model.streams import MARKETS, Market, Stream

SPOT_BAR: dict[str, Any] = {
    "topic": "/market/candles:BTC-USDT_1min",
    "type": "message",
    "subject": "trade.candles.update",
    "data": {
        "symbol": "BTC-USDT",
        "candles": ["1729839600", "10", "11", "14", "9", "2.5", "27.75"],
        "time": 1729839612785164840,
    },
}
CONTRACT_BAR: dict[str, Any] = {
    "topic": "/contractMarket/limitCandle:XBTUSDTM_1min",
    "type": "message",
    "subject": "candle.stick",
    "data": {
        "symbol": "XBTUSDTM",
        "candles": ["1731898200", "10", "11", "14", "9", "99.0", "21"],
        "time": 1731898208357,
    },
}


def frame(message: Any) -> bytes:
    return json.dumps(message).encode()


def contract(market: Market, size: str | None = "0.001") -> Instrument:
    return Instrument(
        "kucoin", market, "XBTUSDTM", "perpetual", "BTC", "USDT", "USDT", "trading",
        contract_size=size, contract_unit="BTC" if market == "linear" else "USDT",
    )  # fmt: skip


def with_row(bar: dict[str, Any], **changes: Any) -> dict[str, Any]:
    row = list(bar["data"]["candles"])
    for column, value in changes.items():
        row[int(column.removeprefix("c"))] = value
    return {**bar, "data": {**bar["data"], "candles": row}}


def only(market: Market, message: Any, catalog: Any = None) -> Parsed:
    (said,) = parse(market, frame(message), catalog or {})
    return said


# --- candles --------------------------------------------------------------------------------


def test_the_columns_are_open_close_high_low_and_no_frame_closes_a_bar() -> None:
    candle = only("spot", SPOT_BAR)
    assert isinstance(candle, Candle)
    assert (candle.open, candle.high, candle.low, candle.close) == ("10", "14", "9", "11")
    assert (candle.volume, candle.quote_volume, candle.contracts) == ("2.5", "27.75", UNSET)
    assert (candle.start_ms, candle.end_ms) == (1729839600000, 1729839660000)
    assert (candle.closed, candle.event_ms) == (False, 1729839612785)


@pytest.mark.parametrize("subject", ["trade.candles.update", "trade.candles.add", "another"])
def test_the_subject_changes_nothing_of_a_bar(subject: str) -> None:
    assert only("spot", {**SPOT_BAR, "subject": subject}) == only("spot", SPOT_BAR)


@pytest.mark.parametrize(
    ("market", "size", "base", "quote"),
    [
        ("linear", "0.001", "0.021", UNSET),
        ("linear", "10", "210", UNSET),
        ("inverse", "1", UNSET, "21"),
        ("inverse", "100", UNSET, "2100"),
        ("linear", None, UNSET, UNSET),
        ("inverse", None, UNSET, UNSET),
    ],
)
def test_contracts_become_what_they_stand_for_and_the_wrong_column_is_not_used(
    market: Market, size: str | None, base: Any, quote: Any
) -> None:
    candle = only(market, CONTRACT_BAR, {"XBTUSDTM": contract(market, size)})
    assert isinstance(candle, Candle)
    assert (candle.volume, candle.quote_volume, candle.contracts) == (base, quote, "21")
    assert candle.event_ms == 1731898208357, "milliseconds here, nanoseconds on spot"


def test_an_unlisted_contract_keeps_its_count() -> None:
    candle = only("linear", CONTRACT_BAR)
    assert isinstance(candle, Candle)
    assert (candle.volume, candle.contracts) == (UNSET, "21")


def test_every_native_interval_is_told_apart() -> None:
    for market in MARKETS:
        bar = SPOT_BAR if market == "spot" else CONTRACT_BAR
        for interval in RULES[market].channels["candle"].intervals:
            # 2024-10-01 00:00 UTC starts a bar of every interval there is.
            (topic,) = topics(Stream("kucoin", market, "candle", "A_B", interval))
            candle = only(market, {**with_row(bar, c0="1727740800"), "topic": topic})
            assert isinstance(candle, Candle)
            assert (candle.symbol, candle.interval) == ("A_B", interval)


def test_a_bar_that_starts_where_none_does_is_refused() -> None:
    # Recorded: weeks of spot start on Thursdays, which is why they are built.
    week = {**with_row(SPOT_BAR, c0="1653523200"), "topic": "/market/candles:BTC-USDT_1week"}
    assert isinstance(only("spot", week), Unreadable)
    said = only("spot", with_row(SPOT_BAR, c0="1729839601"))
    assert isinstance(said, Unreadable)
    assert "no 1m bar starts at" in said.detail


def test_what_is_not_native_is_built() -> None:
    assert source_of("1w", RULES["spot"].channels["candle"].intervals) == "1d"
    assert source_of("3d", RULES["spot"].channels["candle"].intervals) == "1d"
    assert source_of("6h", RULES["linear"].channels["candle"].intervals) == "2h"
    assert source_of("3m", RULES["inverse"].rest.intervals) == "1m"
    assert source_of("1M", RULES["inverse"].rest.intervals) == "1d"
    for rules in RULES.values():
        for natives in (rules.channels["candle"].intervals, rules.rest.intervals):
            assert all(source_of(interval, natives) for interval in INTERVALS)


# --- tickers --------------------------------------------------------------------------------


def snapshot(number: str) -> bytes:
    return (
        b'{"type":"message","topic":"/contractMarket/snapshot:XBTUSDTM","subject":"snapshot.24h",'
        b'"data":{"symbol":"XBTUSDTM","volume":%s,"turnover":2.50,"lastPrice":"3","ts":5000000}}'
    ) % number.encode()


@pytest.mark.parametrize(
    ("number", "digits"),
    [
        ("5834.46", "5834.46"),
        ("31610.00000000000000000000", "31610.00000000000000000000"),
        ("-1.0e-5", "-0.000010"),
        ("5.94135187191124e8", "594135187.191124"),
        ("1E+3", "1000"),
        ("0e-8", "0.00000000"),
        ("526928331.04821777341234567890123456789", "526928331.04821777341234567890123456789"),
        ('"58142.397"', "58142.397"),
    ],
)
def test_json_numbers_come_out_as_exactly_their_digits(number: str, digits: str) -> None:
    (part,) = parse("linear", snapshot(number), {})
    assert isinstance(part, TickerPart)
    assert (part.volume, part.quote_volume, part.last) == (digits, "2.50", "3")


@pytest.mark.parametrize("number", ["1e99999999", '"NaN"', '"Infinity"', '""', '"x"', "[]", "null"])
def test_a_number_that_is_none_is_a_wrong_shape(number: str) -> None:
    (said,) = parse("linear", snapshot(number), {})
    assert isinstance(said, Unreadable)
    assert said.kind == "wrong_shape"


@pytest.mark.parametrize("count", ["", "x", "NaN", "1e9999", "1" * 100])
def test_a_count_that_is_none_is_a_wrong_shape(count: str) -> None:
    said = only("linear", with_row(CONTRACT_BAR, c6=count), {"XBTUSDTM": contract("linear")})
    assert isinstance(said, Unreadable)


def test_volume_and_turnover_change_places_on_inverse() -> None:
    (linear,), (inverse,) = (parse(m, snapshot("7"), {}) for m in ("linear", "inverse"))
    assert isinstance(linear, TickerPart)
    assert isinstance(inverse, TickerPart)
    assert (linear.volume, linear.quote_volume) == ("7", "2.50")
    assert (inverse.volume, inverse.quote_volume) == ("2.50", "7")


@pytest.mark.parametrize(
    ("market", "listed", "size"),
    [("linear", True, "0.713"), ("linear", False, UNSET), ("inverse", True, "713")],
)
def test_sizes_are_in_base_and_stay_contracts_on_inverse(
    market: Market, listed: bool, size: Any
) -> None:
    best = {"bestBidPrice": "88987.4", "bestBidSize": 713, "bestAskPrice": 88987.50, "ts": 9000000}
    message = {"topic": "/contractMarket/tickerV2:XBTUSDTM", "type": "message", "data": best}
    part = only(market, message, {"XBTUSDTM": contract(market)} if listed else {})
    assert isinstance(part, TickerPart)
    assert (part.source, part.bid, part.bid_size, part.ask_size) == (0, "88987.4", size, UNSET)
    assert part.event_ms == 9


def test_missing_and_null_fields_are_left_out() -> None:
    message = {
        "topic": "/market/ticker:all",
        "type": "message",
        "subject": "NEW-USDT",
        "data": {"bestAsk": None, "price": None, "bestBid": "1", "time": 7},
    }
    assert only("spot", message) == TickerPart(symbol="NEW-USDT", event_ms=7, bid="1")


def test_best_prices_of_no_symbol_are_not_passed_on() -> None:
    message = {"topic": "/market/ticker:all", "type": "message", "data": {"price": "1", "time": 7}}
    said = only("spot", message)
    assert isinstance(said, Unreadable)
    assert said.kind == "wrong_shape"


def test_tickers_of_one_symbol_are_named_by_their_topic() -> None:
    message = {
        "topic": "/market/ticker:BTC-USDT",
        "type": "message",
        "subject": "trade.ticker",
        "data": {"price": "1", "time": 7},
    }
    assert only("spot", message) == TickerPart(symbol="BTC-USDT", event_ms=7, last="1")


# --- replies --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ({"id": "hQvf8jkno", "type": "welcome"}, Welcome()),
        ({"id": "1545910660739", "type": "ack"}, Ack(1545910660739)),
        ({"id": 2, "type": "ack"}, Ack(2)),
        ({"id": "3", "type": "pong"}, Pong()),
        (
            {"code": 404, "data": "topic /market/x:A-B is not found", "id": "4", "type": "error"},
            Refusal(4, "unsupported", "404 topic /market/x:A-B is not found", ("/market/x:A-B",)),
        ),
        (
            {"code": 400, "data": "topic /market/x:A,B is invalid", "id": "4", "type": "error"},
            Refusal(4, "config", "400 topic /market/x:A,B is invalid"),
        ),
        (
            {"id": "1", "type": "error", "code": 404, "data": "topic does not exist"},
            Refusal(1, "unsupported", "404 topic does not exist"),
        ),
        (
            {
                "id": "u-u-i-d",
                "type": "error",
                "code": 509,
                "data": "exceed max permits per second",
            },
            Refusal(None, "rate", "509 exceed max permits per second"),
        ),
        (
            {"id": "1", "type": "error", "code": 999, "data": {"why": "?"}},
            Refusal(1, "transient", '999 {"why": "?"}'),
        ),
        (
            {"id": "1", "type": "error", "code": "401", "data": "token is invalid"},
            Refusal(1, "transient", "401 token is invalid"),
        ),
        ({"code": 400, "data": "ping timeout"}, Notice("closing", "400 ping timeout")),
    ],
)
def test_replies(message: dict[str, Any], said: Parsed) -> None:
    for market in MARKETS:
        assert only(market, message) == said


@pytest.mark.parametrize(("code", "reason"), [(c, r) for c, r in ERRORS.items() if c < 1000])
def test_every_code_of_the_table_has_its_reason(code: int, reason: str) -> None:
    said = only("spot", {"id": "1", "type": "error", "code": code, "data": "it"})
    assert isinstance(said, Refusal)
    assert said.reason == reason


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ({"id": "u-u-i-d", "type": "ack"}, "wrong_shape"),
        ({"id": "9" * 40, "type": "ack"}, "wrong_shape"),
        ({"type": "notice", "data": "?"}, "unknown_type"),
        ({"id": "1", "type": "message"}, "unknown_type"),
        ({}, "unknown_type"),
        ([], "wrong_shape"),
        (7, "wrong_shape"),
        ({**SPOT_BAR, "topic": "/market/somethingNew:BTC-USDT"}, "unknown_type"),
        ({**SPOT_BAR, "topic": "/market/candles"}, "unknown_type"),
        ({**SPOT_BAR, "topic": "/market/candles:BTC-USDT"}, "wrong_shape"),
        ({**SPOT_BAR, "topic": "/market/candles:BTC-USDT_7min"}, "wrong_shape"),
        ({**SPOT_BAR, "data": {}}, "wrong_shape"),
        ({**SPOT_BAR, "data": {"candles": ["1729839600"], "time": 1}}, "wrong_shape"),
        (with_row(SPOT_BAR, c0="soon"), "wrong_shape"),
        (with_row(SPOT_BAR, c0="99999999999999"), "wrong_shape"),
        (with_row(SPOT_BAR, c1=10), "wrong_shape"),
        (CONTRACT_BAR, "unknown_type"),
    ],
)
def test_what_is_not_the_protocol_is_named(message: Any, kind: str) -> None:
    said = only("spot", message)
    assert isinstance(said, Unreadable)
    assert said.kind == kind


def test_what_is_no_json_is_named_and_depth_does_no_harm() -> None:
    for raw in (b"", b"<html>", b"\xff\xfe", b'{"type":"ack"'):
        (said,) = parse("spot", raw, {})
        assert isinstance(said, Unreadable)
        assert said.kind == "not_json"
    deep = b'{"type":"message","topic":"/market/candles:A_1min","data":' + b"[" * 100_000
    (said,) = parse("spot", deep, {})
    assert isinstance(said, Unreadable)


# --- any bytes ------------------------------------------------------------------------------


@given(st.binary(max_size=200), st.sampled_from(MARKETS))
def test_no_bytes_raise(raw: bytes, market: Market) -> None:
    assert all(isinstance(said, Parsed) for said in parse(market, raw, {}))


NAMES = ["type", "topic", "subject", "id", "code", "data", "candles", "time", "ts", "symbol",
         "datetime", "volume", "turnover", "price", "bestBidSize"]  # fmt: skip
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.decimals().map(str)
    | st.sampled_from(["message", "ack", "error", "1729839600"]),
    lambda inner: st.lists(inner, max_size=7) | st.dictionaries(st.sampled_from(NAMES), inner),
    max_leaves=12,
)
TOPICS = st.sampled_from(
    [topic for market in MARKETS for channel, interval in (("candle", "1M"), ("ticker", None))
     for topic in topics(Stream("kucoin", market, channel, "XBTUSDTM", interval))]
)  # fmt: skip


@given(JSON, TOPICS, st.sampled_from(MARKETS))
def test_no_json_raises(value: Any, topic: str, market: Market) -> None:
    catalog = {"XBTUSDTM": contract(market)}
    push = {"type": "message", "topic": topic, "data": value}
    for message in (value, push, {"type": "error", "code": 404, "data": value}):
        said = parse(market, json.dumps(message).encode(), catalog)
        assert all(isinstance(one, Parsed) for one in said)


@given(st.lists(JSON, min_size=7, max_size=7), st.sampled_from(MARKETS))
def test_no_row_raises(row: list[Any], market: Market) -> None:
    for bar in (SPOT_BAR, CONTRACT_BAR):
        message = {**bar, "data": {"candles": ["1727740800", *row[1:]], "time": row[0]}}
        said = parse(market, json.dumps(message).encode(), {"XBTUSDTM": contract(market)})
        assert all(isinstance(one, Parsed) for one in said)


@given(st.decimals(min_value=0, max_value=10**12, places=0), st.sampled_from(["1", "0.001"]))
def test_products_are_exact(count: Decimal, size: str) -> None:
    said = only(
        "linear", with_row(CONTRACT_BAR, c6=str(count)), {"XBTUSDTM": contract("linear", size)}
    )
    assert isinstance(said, Candle)
    assert Decimal(str(said.volume)) == count * Decimal(size)


# --- requests -------------------------------------------------------------------------------


def test_topics() -> None:
    assert topics(Stream("kucoin", "spot", "ticker", "BTC-USDT")) == (
        "/market/ticker:all",
        "/market/snapshot:BTC-USDT",
    )
    assert topics(Stream("kucoin", "inverse", "ticker", "XBTUSDM")) == (
        "/contractMarket/tickerV2:XBTUSDM",
        "/contractMarket/snapshot:XBTUSDM",
    )
    assert topics(Stream("kucoin", "spot", "candle", "BTC-USDT", "1M")) == (
        "/market/candles:BTC-USDT_1month",
    )


def test_one_message_lists_what_follows_one_prefix() -> None:
    wanted = ["/market/candles:A-B_1min", "/market/candles:C-D_1hour"]
    assert {family(topic) for topic in wanted} == {"/market/candles"}
    assert family("/market/ticker:all") != family("/market/snapshot:A-B")
    expected = {
        "id": "3",
        "type": "subscribe",
        "topic": "/market/candles:A-B_1min,C-D_1hour",
        "privateChannel": False,
        "response": True,
    }
    assert json.loads(subscribe("spot", wanted, 3).text) == expected
    given_up = json.loads(unsubscribe("spot", wanted, 4).text)
    assert given_up == {**expected, "id": "4", "type": "unsubscribe"}


def test_pings_are_messages_and_come_well_within_the_interval() -> None:
    assert json.loads(ping(5)) == {"id": "5", "type": "ping"}
    assert KUCOIN.ping is ping
    for rules in RULES.values():
        assert rules.limits.ping_s is not None
        assert rules.limits.ping_s < 18
