"""Binance frames in, exact values out. Samples are those of the exchange's documents."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from common.exchanges.binance.parse import parse, subscribe, topics, unsubscribe
from common.exchanges.protocol import Ack, Notice, Parsed, Refusal, Unreadable
from common.model.events import Candle, Ticker
from common.model.instruments import Instrument
from common.model.streams import MARKETS, Market, Stream

KLINE: dict[str, Any] = {
    "e": "kline",
    "E": 1672515782136,
    "s": "BNBBTC",
    "k": {
        "t": 1672515780000,
        "T": 1672515839999,
        "s": "BNBBTC",
        "i": "1m",
        "f": 100,
        "L": 200,
        "o": "0.0010",
        "c": "0.0020",
        "h": "0.0025",
        "l": "0.0015",
        "v": "1000",
        "n": 100,
        "x": False,
        "q": "1.0000",
        "V": "500",
        "Q": "0.500",
        "B": "123456",
    },
}
MINI = {
    "e": "24hrMiniTicker",
    "E": 1672515782136,
    "s": "BNBBTC",
    "c": "0.0025",
    "o": "0.0010",
    "h": "0.0030",
    "l": "0.0009",
    "v": "10000",
    "q": "18",
}
CONTRACT = Instrument(
    "binance",
    "inverse",
    "BTCUSD_PERP",
    "perpetual",
    "BTC",
    "USD",
    "BTC",
    "trading",
    contract_size="100",
    contract_unit="USD",
)


def frame(data: Any, stream: str | None = "x") -> bytes:
    return json.dumps({"stream": stream, "data": data} if stream else data).encode()


def only(market: Market, data: Any, catalog: dict[str, Instrument] | None = None) -> Any:
    (said,) = parse(market, frame(data), catalog or {})
    return said


def test_an_open_candle() -> None:
    assert only("spot", KLINE) == Candle(
        exchange="binance",
        market="spot",
        symbol="BNBBTC",
        interval="1m",
        start_ms=1672515780000,
        end_ms=1672515840000,
        open="0.0010",
        high="0.0025",
        low="0.0015",
        close="0.0020",
        volume="1000",
        quote_volume="1.0000",
        trades=100,
        closed=False,
        event_ms=1672515782136,
    )


def test_a_closed_candle_is_known_by_its_flag_and_bears_no_frame_time() -> None:
    closed = only("spot", {**KLINE, "k": {**KLINE["k"], "x": True}})
    assert closed.closed
    assert closed.event_ms is UNSET


def test_on_inverse_the_volume_is_in_coin_and_contracts_stand_beside_it() -> None:
    bar = {**KLINE["k"], "v": "156", "q": "1.61836886"}
    candle = only("inverse", {**KLINE, "s": "BTCUSD_PERP", "k": bar}, {"BTCUSD_PERP": CONTRACT})
    assert (candle.volume, candle.quote_volume, candle.contracts) == ("1.61836886", "15600", "156")


def test_without_the_contract_size_the_quote_volume_is_left_out() -> None:
    candle = only("inverse", {**KLINE, "s": "BTCUSD_PERP"})
    assert candle.quote_volume is UNSET
    assert candle.contracts == "1000"


def test_tickers_of_an_all_market_array() -> None:
    said = parse("spot", frame([MINI, {**MINI, "s": "币安人生USDT"}]), {})
    assert [ticker.symbol for ticker in said] == ["BNBBTC", "币安人生USDT"]
    assert said[0] == Ticker(
        exchange="binance",
        market="spot",
        symbol="BNBBTC",
        event_ms=1672515782136,
        last="0.0025",
        open="0.0010",
        high="0.0030",
        low="0.0009",
        volume="10000",
        quote_volume="18",
    )


def test_a_full_ticker_has_bid_and_ask() -> None:
    full = {**MINI, "e": "24hrTicker", "b": "0.0024", "B": "10", "a": "0.0026", "A": "100"}
    ticker = only("spot", full)
    assert (ticker.bid, ticker.bid_size) == ("0.0024", "10")
    assert (ticker.ask, ticker.ask_size) == ("0.0026", "100")


def test_all_market_arrays_of_the_futures_mix_both_markets() -> None:
    rows = [
        {**MINI, "s": "BTCUSDT", "st": 1, "ps": "BTCUSDT"},
        {**MINI, "s": "BTCUSD_PERP", "st": 2, "ps": "BTCUSD"},
    ]
    assert [t.symbol for t in parse("linear", frame(rows), {})] == ["BTCUSDT"]
    assert [t.symbol for t in parse("inverse", frame(rows), {})] == ["BTCUSD_PERP"]


def test_a_listed_symbol_is_ours_whatever_its_row_says() -> None:
    rows = [{**MINI, "s": "BTCUSD_PERP", "st": 1}]
    assert [t.symbol for t in parse("inverse", frame(rows), {"BTCUSD_PERP": CONTRACT})] != []
    assert parse("inverse", frame(rows), {}) == []


def test_without_the_type_a_row_belongs_where_its_symbol_is_listed() -> None:
    rows = [{**MINI, "s": "BTCUSDT"}, {**MINI, "s": "BTCUSD_PERP"}]
    catalog = {"BTCUSD_PERP": CONTRACT}
    assert [t.symbol for t in parse("inverse", frame(rows), catalog)] == ["BTCUSD_PERP"]


def test_one_strange_row_does_not_silence_the_others() -> None:
    rows = [MINI, {**MINI, "s": "X", "c": 1}, {"e": "somethingNew"}, {**MINI, "s": "ETHBTC"}]
    first, wrong, unknown, last = parse("spot", frame(rows), {})
    assert (first.symbol, last.symbol) == ("BNBBTC", "ETHBTC")
    assert wrong.kind == "wrong_shape"
    assert unknown.kind == "unknown_type"


@pytest.mark.parametrize("bare", [KLINE, [MINI], {**MINI, "e": "24hrTicker"}])
def test_raw_paths_send_the_same_events_unwrapped(bare: Any) -> None:
    assert parse("spot", frame(bare, None), {}) == parse("spot", frame(bare), {})


def test_acks_and_refusals_are_matched_by_id() -> None:
    assert parse("spot", b'{"result":null,"id":7}', {}) == (Ack(7),)
    assert parse("spot", b'{"id":1000,"result":null}', {}) == (Ack(1000),)
    wire = b'{"error":{"code":2,"msg":"Invalid request: invalid stream"},"id":1}'
    documented = b'{"code":2,"msg":"Invalid request: invalid stream","id":1}'
    refusal = Refusal(1, "config", "2 Invalid request: invalid stream")
    assert parse("spot", wire, {}) == (refusal,)
    assert parse("spot", documented, {}) == (refusal,)
    nobody = b'{"error":{"code":3,"msg":"Invalid JSON: expected value at line 1 column 1"}}'
    assert parse("spot", nobody, {})[0].request_id is None


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (-1003, "rate"),
        (-1121, "unsupported"),
        (-2015, "auth"),
        (-1007, "transient"),
        (99, "transient"),
    ],
)
def test_error_codes_have_a_meaning_and_unknown_ones_are_transient(code: int, reason: str) -> None:
    said = parse("spot", json.dumps({"error": {"code": code, "msg": "m"}, "id": 1}).encode(), {})
    assert said[0].reason == reason


@pytest.mark.parametrize("stream", ["!serverShutdown", None])
def test_a_shutdown_is_announced_on_any_socket(stream: str | None) -> None:
    said = parse("spot", frame({"e": "serverShutdown", "E": 1770123456789}, stream), {})
    assert said == (Notice("closing", "serverShutdown"),)


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        (b"", "not_json"),
        (b"hello", "not_json"),
        (frame(KLINE)[:-20], "not_json"),
        (b"\x89PNG\r\n\x1a\n\x00\xff", "not_json"),
        (b'"text"', "wrong_shape"),
        (b"17", "wrong_shape"),
        (b"{}", "unknown_type"),
        (frame({"e": "aggTrade", "s": "BNBBTC"}), "unknown_type"),
        (frame({**KLINE, "k": {**KLINE["k"], "o": 0.001}}), "wrong_shape"),
        (frame({**KLINE, "E": "1672515782136"}), "wrong_shape"),
        (frame({key: value for key, value in KLINE.items() if key != "s"}), "wrong_shape"),
        (frame({**KLINE, "k": {**KLINE["k"], "i": "7m"}}), "wrong_shape"),
    ],
)
def test_what_is_not_the_protocol_is_named_and_never_raises(raw: bytes, kind: str) -> None:
    (said,) = parse("spot", raw, {})
    assert isinstance(said, Unreadable)
    assert said.kind == kind


@pytest.mark.parametrize("number", ["", "x", "1e9999999999", "1" * 100])
def test_a_number_that_is_none_is_a_wrong_shape_and_costs_only_its_row(number: str) -> None:
    catalog = {"BTCUSD_PERP": CONTRACT}
    bar = {**KLINE["k"], "v": number}
    (said,) = parse("inverse", frame({**KLINE, "s": "BTCUSD_PERP", "k": bar}), catalog)
    assert isinstance(said, Unreadable)
    row = {**MINI, "s": "BTCUSD_PERP", "st": 2}
    bad, good = parse("inverse", frame([{**row, "v": number}, row]), catalog)
    assert isinstance(bad, Unreadable)
    assert isinstance(good, Ticker)


@pytest.mark.parametrize("code", ["--5", "\u00b2", "", "9" * 40])
def test_a_code_that_is_none_is_transient(code: str) -> None:
    said = parse("spot", json.dumps({"error": {"code": code, "msg": "m"}, "id": 1}).encode(), {})
    assert said[0].reason == "transient"


def test_a_frame_nested_without_end_is_unreadable() -> None:
    deep = b'{"data":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    (said,) = parse("spot", deep, {})
    assert isinstance(said, Unreadable)


@given(st.binary(max_size=200), st.sampled_from(MARKETS))
def test_no_bytes_raise(raw: bytes, market: Market) -> None:
    assert all(isinstance(said, Parsed) for said in parse(market, raw, {}))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from(["kline"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["e", "data", "id", "k", "s", "error", "code"]), inner)
    ),
    max_leaves=12,
)


@given(JSON, st.sampled_from(MARKETS))
def test_no_json_raises(value: Any, market: Market) -> None:
    said = parse(market, json.dumps(value).encode(), {})
    assert all(isinstance(one, Parsed) for one in said)


def test_topics_and_requests() -> None:
    candle = Stream("binance", "inverse", "candle", "BTCUSD_PERP", "1M")
    assert topics(candle) == ("btcusd_perp@kline_1M",)
    assert topics(Stream("binance", "spot", "ticker", "BTCUSDT")) == ("!miniTicker@arr",)
    assert topics(Stream("binance", "linear", "ticker", "BTCUSDT")) == ("!ticker@arr",)
    asked = json.loads(subscribe("spot", ["a@kline_1m", "b@kline_1m"], 3).text)
    assert asked == {"method": "SUBSCRIBE", "params": ["a@kline_1m", "b@kline_1m"], "id": 3}
    given_up = json.loads(unsubscribe("spot", ["a@kline_1m"], 4).text)
    assert given_up == {"method": "UNSUBSCRIBE", "params": ["a@kline_1m"], "id": 4}
