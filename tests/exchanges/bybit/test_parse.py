"""Bybit frames in, exact values out. Samples are those of the exchange's documents."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from common.exchanges.bybit.describe import ARGS_PER_CONNECTION, INTERVALS, MARKETS
from common.exchanges.bybit.parse import parse, ping, subscribe, topics, unsubscribe
from common.exchanges.protocol import Ack, Parsed, Pong, Refusal, TickerPart, Unreadable
from common.model.events import Candle
from common.model.streams import MARKETS as ALL_MARKETS
from common.model.streams import Market, Stream

BAR: dict[str, Any] = {
    "start": 1672324800000,
    "end": 1672325099999,
    "interval": "5",
    "open": "16649.5",
    "close": "16677",
    "high": "16678",
    "low": "16608",
    "volume": "2.081",
    "turnover": "34666.4005",
    "confirm": False,
    "timestamp": 1672324988882,
}
DAY = {
    "symbol": "BTCUSDT",
    "tickDirection": "PlusTick",
    "lastPrice": "17216.00",
    "prevPrice24h": "16926.50",
    "highPrice24h": "17281.50",
    "lowPrice24h": "16915.00",
    "markPrice": "17217.33",
    "turnover24h": "1570383121.943499",
    "volume24h": "91705.276",
    "bid1Price": "17215.50",
    "bid1Size": "84.489",
    "ask1Price": "17216.00",
    "ask1Size": "83.020",
}
BOOK = {"s": "BTCUSDT", "b": [["63705.3", "2.04"]], "a": [["63705.4", "2.33"]], "u": 7, "seq": 8}


def kline(*bars: Any, topic: str = "kline.5.BTCUSDT") -> bytes:
    message = {"topic": topic, "data": bars, "ts": 1672324988882, "type": "snapshot"}
    return json.dumps(message).encode()


def push(topic: str, data: Any, kind: str = "snapshot", ts: Any = 1673272861686) -> bytes:
    return json.dumps({"topic": topic, "type": kind, "ts": ts, "data": data}).encode()


def answer(**fields: Any) -> bytes:
    return json.dumps({"conn_id": "cejreaspqfh3sjdnldmg-p", **fields}).encode()


def only(market: Market, raw: bytes) -> Any:
    (said,) = parse(market, raw, {})
    return said


# --- candles --------------------------------------------------------------------------------


def test_an_open_candle() -> None:
    assert only("linear", kline(BAR)) == Candle(
        exchange="bybit",
        market="linear",
        symbol="BTCUSDT",
        interval="5m",
        start_ms=1672324800000,
        end_ms=1672325100000,
        open="16649.5",
        high="16678",
        low="16608",
        close="16677",
        volume="2.081",
        quote_volume="34666.4005",
        closed=False,
        event_ms=1672324988882,
    )


def test_a_closed_candle_is_known_by_its_flag_and_bears_no_frame_time() -> None:
    closed = only("spot", kline({**BAR, "confirm": True}))
    assert closed.closed
    assert closed.event_ms is UNSET


def test_a_close_and_the_bar_after_it_come_in_one_frame() -> None:
    next_bar = {**BAR, "start": 1672325100000, "end": 1672325399999}
    first, second = parse("linear", kline({**BAR, "confirm": True}, next_bar), {})
    assert (first.closed, second.closed) == (True, False)
    assert first.end_ms == second.start_ms


def test_on_inverse_the_volume_counts_contracts_of_one_unit_and_the_turnover_is_in_coin() -> None:
    bar = {**BAR, "volume": "268611", "turnover": "15.74462667"}
    candle = only("inverse", kline(bar, topic="kline.5.BTCUSD"))
    assert (candle.volume, candle.quote_volume, candle.contracts) == (
        "15.74462667",
        "268611",
        "268611",
    )


@pytest.mark.parametrize(
    ("theirs", "interval", "start_ms", "end_ms"),
    [
        ("1", "1m", 1672324860000, 1672324920000),
        ("D", "1d", 1672272000000, 1672358400000),
        ("W", "1w", 1672012800000, 1672617600000),  # a Monday
        ("M", "1M", 1669852800000, 1672531200000),  # December 2022
    ],
)
def test_the_end_follows_from_start_and_interval(
    theirs: str, interval: str, start_ms: int, end_ms: int
) -> None:
    raw = kline({**BAR, "start": start_ms}, topic=f"kline.{theirs}.BTCUSDT")
    candle = only("linear", raw)
    assert (candle.interval, candle.start_ms, candle.end_ms) == (interval, start_ms, end_ms)


def test_a_bar_off_the_grid_is_not_believed() -> None:
    sunday = kline({**BAR, "start": 1671926400000}, topic="kline.W.BTCUSDT")
    assert only("linear", sunday).kind == "wrong_shape"


def test_a_symbol_may_hold_dashes() -> None:
    assert only("linear", kline(BAR, topic="kline.5.BTCUSDT-26DEC25")).symbol == "BTCUSDT-26DEC25"


def test_one_strange_bar_does_not_cost_the_others() -> None:
    bars = [BAR, {**BAR, "open": 16649.5}, "bar", {**BAR, "start": 10**30}, BAR]
    first, number, text, late, last = parse("spot", kline(*bars), {})
    assert isinstance(first, Candle)
    assert [said.kind for said in (number, text, late)] == ["wrong_shape"] * 3
    assert last == first


# --- tickers --------------------------------------------------------------------------------


def test_a_snapshot_replaces_and_a_delta_adds() -> None:
    snapshot = only("linear", push("tickers.BTCUSDT", DAY))
    assert snapshot == TickerPart(
        symbol="BTCUSDT",
        event_ms=1673272861686,
        source=0,
        whole=True,
        last="17216.00",
        open="16926.50",
        high="17281.50",
        low="16915.00",
        volume="91705.276",
        quote_volume="1570383121.943499",
        bid="17215.50",
        bid_size="84.489",
        ask="17216.00",
        ask_size="83.020",
    )
    changed = {"symbol": "BTCUSDT", "bid1Price": "61873.90", "bid1Size": "3.543"}
    delta = only("linear", push("tickers.BTCUSDT", changed, "delta"))
    assert delta == TickerPart(
        symbol="BTCUSDT", event_ms=1673272861686, whole=False, bid="61873.90", bid_size="3.543"
    )


def test_on_inverse_the_day_counts_contracts_too_and_sizes_stay_contracts() -> None:
    day = {**DAY, "volume24h": "661543991", "turnover24h": "23389.1894", "bid1Size": "340549"}
    part = only("inverse", push("tickers.BTCUSD", day))
    assert (part.volume, part.quote_volume, part.contracts) == (
        "23389.1894",
        "661543991",
        "661543991",
    )
    assert part.bid_size == "340549"


def test_an_empty_text_is_left_out() -> None:
    part = only("linear", push("tickers.X", {**DAY, "ask1Price": "", "ask1Size": ""}))
    assert (part.ask, part.ask_size) == (UNSET, UNSET)
    assert part.bid == "17215.50"


def test_spot_has_its_best_prices_from_the_book() -> None:
    part = only("spot", push("orderbook.1.BTCUSDT", BOOK))
    assert (part.source, part.whole, part.last) == (1, True, UNSET)
    assert (part.bid, part.bid_size, part.ask, part.ask_size) == (
        "63705.3",
        "2.04",
        "63705.4",
        "2.33",
    )


@pytest.mark.parametrize(("side", "bid", "ask"), [("b", UNSET, "63705.4"), ("a", "63705.3", UNSET)])
def test_an_empty_side_is_left_out(side: str, bid: Any, ask: Any) -> None:
    part = only("spot", push("orderbook.1.BTCUSDT", {**BOOK, side: []}))
    assert (part.bid, part.ask) == (bid, ask)


def test_sizes_and_prices_are_not_mixed_up() -> None:
    for raw in (push("tickers.BTCUSDT", DAY), push("orderbook.1.BTCUSDT", BOOK)):
        part = only("spot", raw)
        assert float(part.bid) < float(part.ask)
        assert float(part.bid_size) < 1000 < float(part.bid)
        assert float(part.ask_size) < 1000 < float(part.ask)


# --- answers --------------------------------------------------------------------------------


@pytest.mark.parametrize("op", ["subscribe", "unsubscribe"])
@pytest.mark.parametrize("text", ["", "subscribe", "unsubscribe"])
def test_acks_are_matched_by_a_number_that_is_text(op: str, text: str) -> None:
    raw = answer(success=True, ret_msg=text, req_id="7", op=op)
    assert parse("linear", raw, {}) == (Ack(7),)


def test_an_ack_without_a_number_is_for_the_oldest_and_one_to_somebody_else_for_nothing() -> None:
    assert parse("spot", answer(success=True, ret_msg="", op="subscribe"), {}) == (Ack(),)
    other = only("spot", answer(success=True, ret_msg="", req_id="sub-book-1", op="subscribe"))
    assert other.kind == "wrong_shape"


@pytest.mark.parametrize(
    "raw",
    [
        answer(success=True, ret_msg="pong", op="ping"),
        answer(success=True, ret_msg="pong", req_id="", op="ping"),
        answer(success=True, ret_msg="pong", req_id="3", op="ping"),
        answer(success=True, ret_msg="pong", request={"op": "ping", "args": None}),
        answer(op="pong", args=["1675418560633"], req_id="test"),
    ],
)
def test_every_spelling_of_a_pong(raw: bytes) -> None:
    assert parse("linear", raw, {}) == (Pong(),)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("error:already subscribed", "benign"),
        ("error:handler not found", "unsupported"),
        ("Invalid symbol", "unsupported"),
        ("Invalid topic: invalid.topic.BTCUSDT", "unsupported"),
        ("args size >10", "config"),
        ("Params Error", "config"),
        ("error:invalid op", "config"),
        ("Failed to decode incoming data:readObjectStart: expect { or n", "config"),
        ("error:handler timeout", "transient"),
        ("Too many visits!", "rate"),
        ("something new", "transient"),
        ("", "transient"),
    ],
)
def test_refusals_are_told_by_their_text_and_unknown_ones_are_transient(
    text: str, reason: Any
) -> None:
    raw = answer(success=False, ret_msg=text, req_id="7", op="subscribe")
    assert parse("spot", raw, {}) == (Refusal(7, reason, text),)


@pytest.mark.parametrize(
    ("text", "topic", "reason"),
    [
        ("Invalid symbol :[kline.1.NOPEUSDC]", "kline.1.NOPEUSDC", "unsupported"),
        ("Invalid kline type :[kline.7.BTCUSDC]", "kline.7.BTCUSDC", "config"),
        ("error:handler not found,topic:tickers.NOPE", "tickers.NOPE", "unsupported"),
        ("error:already subscribed,topic:orderbook.1.ETHUSDT", "orderbook.1.ETHUSDT", "benign"),
        ("Invalid topic: kline.1.BTC-26DEC25", "kline.1.BTC-26DEC25", "unsupported"),
    ],
)
def test_a_topic_that_is_named_is_at_fault_and_the_rest_is_to_be_asked_for_again(
    text: str, topic: str, reason: Any
) -> None:
    raw = answer(success=False, ret_msg=text, req_id="7", op="subscribe")
    named, rest = parse("spot", raw, {})
    assert named == Refusal(7, reason, text, (topic,))
    assert rest == Refusal(7, "transient", f"refused with {topic}")
    # Without a number nobody knows what the rest is.
    nameless = answer(success=False, ret_msg=text, op="subscribe")
    assert parse("spot", nameless, {}) == (Refusal(None, reason, text, (topic,)),)


# --- what is not the protocol -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("market", "raw", "kind"),
    [
        ("spot", b"", "not_json"),
        ("spot", b"pong", "not_json"),
        ("spot", kline(BAR)[:-20], "not_json"),
        ("spot", b"\x89PNG\r\n\x1a\n\x00\xff", "not_json"),
        ("spot", b'"text"', "wrong_shape"),
        ("spot", b"[]", "wrong_shape"),
        ("spot", b"{}", "unknown_type"),
        ("spot", push("publicTrade.BTCUSDT", []), "unknown_type"),
        ("spot", push("kline_lt.5.EOS3LUSDT", []), "unknown_type"),
        ("linear", push("orderbook.1.BTCUSDT", BOOK), "unknown_type"),
        ("spot", push("orderbook.50.BTCUSDT", BOOK), "unknown_type"),
        ("spot", push("orderbook.1.BTCUSDT", BOOK, "delta"), "unknown_type"),
        ("linear", push("tickers.BTCUSDT", DAY, "update"), "unknown_type"),
        ("linear", push("tickers.BTCUSDT", DAY, ts="soon"), "wrong_shape"),
        ("linear", push("tickers.BTCUSDT", DAY, ts=10**20), "wrong_shape"),
        ("linear", b'{"topic":"tickers.X","type":"snapshot","data":{}}', "wrong_shape"),
        ("linear", push("tickers.BTCUSDT", {**DAY, "lastPrice": 17216.0}), "wrong_shape"),
        ("linear", push("tickers.BTCUSDT", {"lastPrice": "1"}), "wrong_shape"),
        ("linear", push("tickers.BTCUSDT", None), "wrong_shape"),
        ("spot", push("orderbook.1.BTCUSDT", {**BOOK, "b": [["1"]]}), "wrong_shape"),
        ("spot", kline(BAR, topic="kline.7.BTCUSDT"), "wrong_shape"),
        ("spot", kline(BAR, topic="kline.8h.BTCUSDT"), "wrong_shape"),
        ("spot", kline(BAR, topic="kline.5."), "wrong_shape"),
        ("spot", push("kline.5.BTCUSDT", BAR), "wrong_shape"),
        ("spot", answer(success=True, ret_msg="", op="auth"), "unknown_type"),
        ("spot", answer(success=False, ret_msg="no", req_id="1", op="ping"), "unknown_type"),
        (
            "spot",
            answer(success=True, data={"failTopics": []}, type="COMMAND_RESP"),
            "unknown_type",
        ),
        ("spot", answer(success="yes", op="subscribe"), "wrong_shape"),
    ],
)
def test_what_is_not_the_protocol_is_named_and_never_raises(
    market: Market, raw: bytes, kind: str
) -> None:
    said = only(market, raw)
    assert isinstance(said, Unreadable)
    assert said.kind == kind


@pytest.mark.parametrize("inside", [b'"\xff"', b'"\\ud800"', b"1" * 5000])
def test_bytes_that_break_off_the_decoding_of_a_bar_are_unreadable(inside: bytes) -> None:
    raw = kline(BAR).replace(b'"16649.5"', inside)
    assert all(isinstance(said, Unreadable) for said in parse("spot", raw, {}))


def test_a_frame_nested_without_end_is_unreadable() -> None:
    deep = b'{"data":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    assert isinstance(only("spot", deep), Unreadable)


@given(st.binary(max_size=200), st.sampled_from(ALL_MARKETS))
def test_no_bytes_raise(raw: bytes, market: Market) -> None:
    assert all(isinstance(said, Parsed) for said in parse(market, raw, {}))


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=5)
    | st.sampled_from(
        ["kline.1.X", "kline.M.X", "tickers.X", "orderbook.1.X", "snapshot", "delta"]
    ),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["topic", "type", "ts", "data", "success", "op", "req_id", "ret_msg"]),
            inner,
        )
    ),
    max_leaves=12,
)


@given(VALUES, st.sampled_from(ALL_MARKETS))
def test_no_json_raises(value: Any, market: Market) -> None:
    said = parse(market, json.dumps(value).encode(), {})
    assert all(isinstance(one, Parsed) for one in said)


@given(
    st.sampled_from(sorted(INTERVALS.values())),
    st.fixed_dictionaries({"start": st.integers(), "timestamp": st.integers()}),
    st.sampled_from(ALL_MARKETS),
)
def test_no_time_raises(theirs: str, times: dict[str, int], market: Market) -> None:
    raw = kline({**BAR, **times}, topic=f"kline.{theirs}.BTCUSDT")
    assert isinstance(only(market, raw), Candle | Unreadable)


# --- requests -------------------------------------------------------------------------------


def test_topics_and_requests() -> None:
    assert topics(Stream("bybit", "inverse", "candle", "BTCUSDZ25", "1M")) == ("kline.M.BTCUSDZ25",)
    assert topics(Stream("bybit", "linear", "ticker", "BTCPERP")) == ("tickers.BTCPERP",)
    assert topics(Stream("bybit", "spot", "ticker", "BTCUSDT")) == (
        "tickers.BTCUSDT",
        "orderbook.1.BTCUSDT",
    )
    asked = json.loads(subscribe("spot", ["kline.1.A", "kline.1.B"], 3).text)
    assert asked == {"req_id": "3", "op": "subscribe", "args": ["kline.1.A", "kline.1.B"]}
    given_up = json.loads(unsubscribe("spot", ["kline.1.A"], 4).text)
    assert given_up == {"req_id": "4", "op": "unsubscribe", "args": ["kline.1.A"]}
    assert json.loads(ping(5)) == {"req_id": "5", "op": "ping"}


@pytest.mark.parametrize("market", ALL_MARKETS)
def test_the_topics_of_a_connection_fit_its_argument_limit(market: Market) -> None:
    longest = '"orderbook.1.1000000BABYDOGEUSDT",'
    limits = MARKETS[market].limits
    assert limits.topics_per_connection * len(longest) < 0.85 * ARGS_PER_CONNECTION
    assert market != "spot" or limits.topics_per_request == 10
