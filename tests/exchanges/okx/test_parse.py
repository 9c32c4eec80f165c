"""OKX frames in, exact values out. Samples are those of the exchange's documents and of captures."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from common.exchanges.okx.describe import ERRORS, INTERVALS, MARKETS
from common.exchanges.okx.parse import parse, ping, subscribe, topics, unsubscribe
from common.exchanges.protocol import Ack, Notice, Parsed, Pong, Refusal, TickerPart, Unreadable
from common.exchanges.registry import by_seed_name
from common.model.events import Candle, Ticker
from common.model.ids import value_id
from common.model.instruments import Instrument
from common.model.intervals import INTERVALS as OURS
from common.model.intervals import source_of
from common.model.streams import MARKETS as MARKET_NAMES
from common.model.streams import Market, Stream

BAR = ["1786540440000", "63913.0", "63951.8", "63912.5", "63951.8", "1803.61", "18.0361",
       "1153203.99426000", "0"]  # fmt: skip
DAY = {
    "instType": "SWAP", "instId": "BTC-USDT-SWAP", "last": "63921", "lastSz": "0.4",
    "askPx": "63921.1", "askSz": "1871.75", "bidPx": "63921", "bidSz": "779.3",
    "open24h": "64297.6", "high24h": "64466", "low24h": "63162.7", "sodUtc0": "63566",
    "sodUtc8": "63584.6", "volCcy24h": "73998.8786", "vol24h": "7399887.86",
    "ts": "1786540471710",
}  # fmt: skip
SWAP = Instrument(
    "okx", "linear", "BTC-USDT-SWAP", "perpetual", "BTC", "USDT", "USDT", "trading",
    contract_size="0.01", contract_unit="BTC",
)  # fmt: skip


def push(*rows: Any, channel: str = "candle1m", symbol: str = "BTC-USDT-SWAP") -> bytes:
    return json.dumps({"arg": {"channel": channel, "instId": symbol}, "data": rows}).encode()


def bar(**changes: str) -> list[str]:
    names = ("start", "open", "high", "low", "close", "vol", "vol_ccy", "vol_ccy_quote", "confirm")
    return [changes.get(name, value) for name, value in zip(names, BAR, strict=True)]


def only(market: Market, frame: bytes, *instruments: Instrument) -> Any:
    (said,) = parse(market, frame, {one.symbol: one for one in instruments})
    return said


def answer(**fields: Any) -> Any:
    return only("spot", json.dumps(fields).encode())


# --- candles --------------------------------------------------------------------------------


def test_an_open_candle_bears_no_time_for_none_is_stamped_on_it() -> None:
    candle = only("linear", push(BAR))
    assert candle == Candle(
        exchange="okx",
        market="linear",
        symbol="BTC-USDT-SWAP",
        interval="1m",
        start_ms=1786540440000,
        end_ms=1786540500000,
        open="63913.0",
        high="63951.8",
        low="63912.5",
        close="63951.8",
        volume="18.0361",
        quote_volume="1153203.99426000",
        contracts="1803.61",
        closed=False,
    )
    later = only("linear", push(bar(vol="1803.74")))
    names = {value_id(state, msgspec.json.encode(state)) for state in (candle, later)}
    assert len(names) == 2, "two states of one bar are two events"


def test_the_flag_closes_a_candle() -> None:
    assert only("linear", push(bar(confirm="1"))).closed
    assert only("linear", push(bar(confirm="1"))).event_ms is UNSET


@pytest.mark.parametrize(
    ("market", "volume", "quote_volume", "contracts"),
    [
        ("spot", "1803.61", "1153203.99426000", UNSET),
        ("linear", "18.0361", "1153203.99426000", "1803.61"),
        ("inverse", "18.0361", "1153203.99426000", "1803.61"),
    ],
)
def test_what_the_three_sizes_of_a_bar_count(
    market: Market, volume: str, quote_volume: str, contracts: Any
) -> None:
    candle = only(market, push(BAR))
    assert (candle.volume, candle.quote_volume) == (volume, quote_volume)
    assert candle.contracts == contracts


@pytest.mark.parametrize(
    ("interval", "channel", "start_ms", "end_ms"),
    [
        ("6h", "candle6Hutc", 1786536000000, 1786557600000),
        ("12h", "candle12Hutc", 1786536000000, 1786579200000),
        ("1d", "candle1Dutc", 1786492800000, 1786579200000),
        ("1w", "candle1Wutc", 1786320000000, 1786924800000),
        ("1M", "candle1Mutc", 1785542400000, 1788220800000),
    ],
)
def test_long_bars_are_those_of_utc(
    interval: str, channel: str, start_ms: int, end_ms: int
) -> None:
    candle = only("spot", push(bar(start=str(start_ms)), channel=channel))
    assert (candle.interval, candle.start_ms, candle.end_ms) == (interval, start_ms, end_ms)
    eastern = only("spot", push(bar(start=str(start_ms - 8 * 3_600_000)), channel=channel))
    assert isinstance(eastern, Unreadable)


def test_a_day_that_opens_at_utc_8_is_never_taken_for_one_of_ours() -> None:
    plain = only("spot", push(bar(start="1786464000000"), channel="candle1D"))
    assert plain == Unreadable("unknown_type", "channel candle1D")
    mixed_up = only("spot", push(bar(start="1786464000000"), channel="candle1Dutc"))
    assert mixed_up.kind == "wrong_shape"


def test_intervals_that_are_doubtful_or_missing_are_built() -> None:
    assert source_of("8h", INTERVALS) == "4h"
    assert source_of("3d", INTERVALS) == "1d"
    assert all(source_of(interval, INTERVALS) for interval in OURS)


# --- tickers --------------------------------------------------------------------------------


def test_a_linear_ticker_has_its_offers_in_base_and_no_quote_volume() -> None:
    assert only("linear", push(DAY, channel="tickers"), SWAP) == Ticker(
        exchange="okx",
        market="linear",
        symbol="BTC-USDT-SWAP",
        event_ms=1786540471710,
        last="63921",
        open="64297.6",
        high="64466",
        low="63162.7",
        volume="73998.8786",
        contracts="7399887.86",
        bid="63921",
        bid_size="7.793",
        ask="63921.1",
        ask_size="18.7175",
    )


@pytest.mark.parametrize(
    "instrument",
    [
        None,
        msgspec.structs.replace(SWAP, contract_size=None),
        # a contract of something else than its base
        msgspec.structs.replace(SWAP, contract_unit="USD"),
    ],
)
def test_without_a_contract_size_in_base_the_sizes_are_left_out(instrument: Any) -> None:
    known = () if instrument is None else (instrument,)
    ticker = only("linear", push(DAY, channel="tickers"), *known)
    assert (ticker.bid, ticker.ask) == ("63921", "63921.1")
    assert (ticker.bid_size, ticker.ask_size) == (UNSET, UNSET)


def test_on_inverse_offers_stay_contracts() -> None:
    ticker = only("inverse", push(DAY, channel="tickers"))
    assert (ticker.bid_size, ticker.ask_size) == ("779.3", "1871.75")
    assert (ticker.volume, ticker.contracts) == ("73998.8786", "7399887.86")
    assert ticker.quote_volume is UNSET


def test_on_spot_the_sizes_are_base_and_quote() -> None:
    ticker = only("spot", push(DAY, channel="tickers"))
    assert (ticker.volume, ticker.quote_volume) == ("7399887.86", "73998.8786")
    assert ticker.contracts is UNSET
    assert ticker.bid_size == "779.3"


def test_what_there_is_not_is_left_out() -> None:
    empty = {**DAY, "askPx": "", "askSz": "", "open24h": "", "vol24h": "", "volCcy24h": ""}
    ticker = only("spot", push(empty, channel="tickers"))
    assert (ticker.ask, ticker.ask_size, ticker.open) == (UNSET, UNSET, UNSET)
    assert (ticker.volume, ticker.quote_volume) == (UNSET, UNSET)
    assert ticker.bid == "63921"


def test_what_was_never_traded_has_best_prices_and_is_no_ticker_yet() -> None:
    part = only("spot", push({**DAY, "last": ""}, channel="tickers"))
    assert isinstance(part, TickerPart)
    assert (part.last, part.bid) == (UNSET, DAY["bidPx"])
    assert only("spot", push({**DAY, "last": "-"}, channel="tickers")).kind == "wrong_shape"


@pytest.mark.parametrize("arg", [{"channel": "candle1m"}, {"channel": "tickers", "instId": ""}])
def test_a_push_about_no_symbol_is_not_passed_on(arg: Any) -> None:
    frame = json.dumps({"arg": arg, "data": [BAR if arg["channel"] == "candle1m" else DAY]})
    assert only("spot", frame.encode()).kind == "wrong_shape"


# --- answers --------------------------------------------------------------------------------


def test_an_ack_names_its_request_and_its_topic() -> None:
    arg = {"channel": "candle1m", "instId": "BTC-USDT"}
    assert answer(id="15", event="subscribe", arg=arg, connId="a4d3ae55") == Ack(
        15, ("candle1m:BTC-USDT",)
    )
    assert answer(event="unsubscribe", arg=arg) == Ack(None, ("candle1m:BTC-USDT",))
    assert answer(event="subscribe", arg={"channel": "status"}) == Ack(None, ("status",))
    assert answer(id="req-7", event="subscribe", arg=arg).request_id is None
    assert answer(event="subscribe", args=arg).kind == "wrong_shape"


@pytest.mark.parametrize(
    "message",
    [
        "Wrong URL or channel:candle1m,instId:BTC-USDT doesn't exist. Please use the correct URL",
        "Subscribe failed, wrong URL or channel:candle1m,instId:BTC-USDT doesn't exist. Please",
        "Wrong URL or channel:candle1m, instId:BTC-USDT doesn't exist.",
        "channel:candle1m,instId:BTC-USDT doesn't exist",
    ],
)
def test_a_refusal_names_its_topic_in_its_message(message: str) -> None:
    refusal = answer(id="1", event="error", code="60018", msg=message, connId="a")
    assert refusal == Refusal(1, "unsupported", f"60018 {message}", ("candle1m:BTC-USDT",))


def test_a_refusal_that_repeats_the_request_names_nothing() -> None:
    """It is about all of it: the topics are found out by halves."""
    message = 'Invalid request: {"op": "subscribe", "argss":[{ "channel" : "tickers"}]}'
    assert answer(id="3", event="error", code="60012", msg=message) == Refusal(
        3, "config", f"60012 {message}"
    )


@pytest.mark.parametrize("code", [*ERRORS, "99999", "", "x"])
def test_error_codes_have_a_meaning_and_unknown_ones_are_transient(code: str) -> None:
    assert answer(event="error", code=code, msg="m").reason == ERRORS.get(code, "transient")


def test_the_codes_that_decide_what_follows() -> None:
    for code, reason in {
        "60014": "rate",
        "60018": "unsupported",
        "60012": "config",
        "64001": "config",
        "60009": "auth",
        "63999": "transient",
    }.items():
        assert ERRORS[code] == reason


def test_a_coming_upgrade_is_announced() -> None:
    msg = "The connection will soon be closed for a service upgrade. Please reconnect."
    assert answer(event="notice", code="64008", msg=msg, connId="a").kind == "closing"
    assert answer(event="notice", code="64999", msg="?").kind == "other"
    assert isinstance(answer(event="channel-conn-count", channel="orders", connCount="2"), Notice)


def test_a_pong_is_a_word() -> None:
    assert only("spot", b"pong") == Pong()
    assert ping(7) == "ping"
    assert only("spot", b"pang").kind == "not_json"


# --- what is not the protocol ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        (b"", "not_json"),
        (b"hello", "not_json"),
        (push(BAR)[:-20], "not_json"),
        (b"\x89PNG\r\n\x1a\n\x00\xff", "not_json"),
        (b'"text"', "wrong_shape"),
        (b"17", "wrong_shape"),
        (b"[]", "wrong_shape"),
        (b"{}", "unknown_type"),
        (b'{"event":"login","code":"0"}', "unknown_type"),
        (b'{"id":"1","op":"order","code":"0","data":[]}', "unknown_type"),
        (b'{"arg":{"channel":"candle1m"},"data":{}}', "wrong_shape"),
        (b'{"arg":"candle1m","data":[]}', "wrong_shape"),
        (push(BAR, channel="mark-price-candle1m"), "unknown_type"),
        (push(BAR, channel="candle1s"), "unknown_type"),
        (push(BAR, channel="candle1M"), "unknown_type"),
        (push(BAR[:7]), "wrong_shape"),
        (push(bar(confirm="2")), "wrong_shape"),
        (push(bar(confirm="")), "wrong_shape"),
        (push(bar(close="x")), "wrong_shape"),
        (push(bar(close="")), "wrong_shape"),
        (push(bar(close="1e5")), "wrong_shape"),
        (push(bar(close="NaN")), "wrong_shape"),
        (push(bar(close="1\n")), "wrong_shape"),
        (push(bar(close="\u0661")), "wrong_shape"),
        (push(bar(close="-1")), "wrong_shape"),
        (push(bar(start="1786540440001")), "wrong_shape"),
        (push(bar(start="17865404400000000")), "wrong_shape"),
        (push(bar(start="soon")), "wrong_shape"),
        (push([63913.0, *BAR[1:]]), "wrong_shape"),
        (push({**DAY, "ts": 1786540471710}, channel="tickers"), "wrong_shape"),
        (push({k: v for k, v in DAY.items() if k != "vol24h"}, channel="tickers"), "wrong_shape"),
    ],
)
def test_what_is_not_the_protocol_is_named_and_never_raises(raw: bytes, kind: str) -> None:
    said = only("spot", raw)
    assert isinstance(said, Unreadable)
    assert said.kind == kind


def test_one_strange_row_does_not_cost_the_others() -> None:
    start = [str(1786540440000 + number * 60_000) for number in range(4)]
    rows = [bar(start=start[0]), BAR[:7], bar(start=start[2], close="x"), bar(start=start[3])]
    first, short, wrong, last = parse("spot", push(*rows), {})
    assert (first.start_ms, last.start_ms) == (1786540440000, 1786540620000)
    assert (short.kind, wrong.kind) == ("wrong_shape", "wrong_shape")


def test_a_size_that_cannot_be_told_exactly_costs_only_its_row() -> None:
    long = {**DAY, "bidSz": "1" * 40 + "." + "1" * 40}
    strange, good = parse("linear", push(long, DAY, channel="tickers"), {SWAP.symbol: SWAP})
    assert strange.kind == "wrong_shape"
    assert isinstance(good, Ticker)


def test_a_frame_nested_without_end_is_unreadable() -> None:
    deep = b"[" * 100_000 + b"]" * 100_000
    for raw in (deep, b'{"arg":{"channel":"tickers"},"data":' + deep + b"}"):
        assert isinstance(only("spot", raw), Unreadable)


@given(st.binary(max_size=200), st.sampled_from(MARKET_NAMES))
def test_no_bytes_raise(raw: bytes, market: Market) -> None:
    assert all(isinstance(said, Parsed) for said in parse(market, raw, {}))


NAMES = ["event", "arg", "data", "id", "code", "msg", "channel", "instId", "last", "ts", "op"]
WORDS = ["subscribe", "error", "notice", "tickers", "candle1m", "candle1Mutc", "1", "pong", *BAR]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from(WORDS),
    lambda inner: (
        st.lists(inner, max_size=9) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=5)
    ),
    max_leaves=20,
)


@given(JSON, st.sampled_from(MARKET_NAMES))
def test_no_json_raises(value: Any, market: Market) -> None:
    said = parse(market, json.dumps(value).encode(), {SWAP.symbol: SWAP})
    assert all(isinstance(one, Parsed) for one in said)


@given(
    st.sampled_from(["tickers", *(f"candle{name}" for name in INTERVALS.values())]),
    st.lists(JSON | st.lists(st.sampled_from(BAR) | st.text(max_size=4), min_size=9, max_size=9)),
    st.sampled_from(MARKET_NAMES),
)
def test_every_row_of_a_push_is_told_or_named(channel: str, rows: Any, market: Market) -> None:
    said = parse(market, push(*rows, channel=channel), {})
    assert len(said) == len(rows)
    assert all(isinstance(one, Candle | Ticker | Unreadable) for one in said)


# --- requests -------------------------------------------------------------------------------


def test_topics_and_requests() -> None:
    candle = Stream("okx", "inverse", "candle", "BTC-USD-SWAP", "1M")
    assert topics(candle) == ("candle1Mutc:BTC-USD-SWAP",)
    assert topics(Stream("okx", "spot", "ticker", "BTC-USDT")) == ("tickers:BTC-USDT",)
    asked = subscribe("spot", ["candle1H:BTC-USDT", "tickers:BTC-USDT"], 3)
    assert asked.request_id == 3
    assert json.loads(asked.text) == {
        "id": "3",
        "op": "subscribe",
        "args": [
            {"channel": "candle1H", "instId": "BTC-USDT"},
            {"channel": "tickers", "instId": "BTC-USDT"},
        ],
    }
    given_up = json.loads(unsubscribe("spot", ["tickers:BTC-USDT"], 4).text)
    assert (given_up["op"], given_up["id"]) == ("unsubscribe", "4")


@pytest.mark.parametrize(
    ("name", "market"), [("okx", "spot"), ("okxLinear", "linear"), ("paperOkxInverse", "inverse")]
)
def test_older_backends_know_the_markets_by_these_names(name: str, market: str) -> None:
    found = by_seed_name(name)
    assert found is not None
    assert (found[0].name, found[1]) == ("okx", market)


def test_each_channel_has_its_own_address_without_the_retired_port() -> None:
    for rules in MARKETS.values():
        urls = {name: channel.url for name, channel in rules.channels.items()}
        assert urls == {
            "candle": "wss://ws.okx.com/ws/v5/business",
            "ticker": "wss://ws.okx.com/ws/v5/public",
        }
        assert rules.channels["candle"].closes == "flag"


def test_requests_and_pings_stay_within_the_limits() -> None:
    for rules in MARKETS.values():
        assert rules.limits.requests_per_s * 3600 < 480
        assert rules.limits.ping_s is not None
        assert rules.limits.ping_s < 30
