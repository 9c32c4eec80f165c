"""Bitget frames in, exact values out. Samples are recorded pushes and those of its documents."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from common.exchanges.bitget import BITGET
from common.exchanges.bitget.describe import ERRORS, INST_TYPES
from common.exchanges.bitget.parse import parse, ping, subscribe, topics, unsubscribe
from common.exchanges.protocol import Ack, Parsed, Pong, Refusal, TickerPart, Unreadable
from common.exchanges.registry import by_seed_name
from common.model.events import Candle, Ticker
from common.model.intervals import INTERVALS, source_of
from common.model.streams import MARKETS, Market, Stream

# Recorded on 2026-08-12.
ROW = ["1786540380000", "63971.8", "63971.8", "63905", "63905.8", "82.2307", "5257017.23501"]
LATER = ["1786540440000", "63905.8", "63954.8", "63905.7", "63954.8", "41.4648", "2650797.33126"]
SENT_MS = 1786540526094
# Recorded on 2026-08-13.
DAY = {
    "instId": "BTCUSDT",
    "lastPr": "63707.42",
    "open24h": "63449.01",
    "high24h": "64481.09",
    "low24h": "63306.48",
    "change24h": "-0.00396",
    "bidPr": "63707.41",
    "askPr": "63707.42",
    "bidSz": "4.00188",
    "askSz": "0.094654",
    "baseVolume": "1891.78125",
    "quoteVolume": "120647061.749114",
    "openUtc": "63488.34",
    "changeUtc24h": "0.00345",
    "ts": "1786613190242",
}


def frame(
    rows: Any, market: Market = "spot", channel: str = "candle1m", symbol: str = "BTCUSDT",
    **changes: Any,
) -> bytes:  # fmt: skip
    arg = {"instType": INST_TYPES[market], "channel": channel, "instId": symbol}
    message = {"action": "update", "arg": arg, "data": rows, "ts": SENT_MS, **changes}
    return json.dumps(message).encode()


def bar(market: Market, *volumes: str, **changes: Any) -> Any:
    """What is said of a bar between 0.16 and 0.17 (or as changed) with these two volumes."""
    prices = {"open": "0.165", "high": "0.17", "low": "0.16", "close": "0.168", **changes}
    row = ["1786540380000", *prices.values(), *volumes]
    (said,) = parse(market, frame([row], market, symbol="DOGEUSD"), {})
    return said


# --- candles --------------------------------------------------------------------------------


@pytest.mark.parametrize("market", ["spot", "linear"])
def test_a_bar_is_always_open_for_no_row_says_that_it_has_ended(market: Market) -> None:
    (said,) = parse(market, frame([[*ROW, "5257017.23501"]], market), {})
    assert said == Candle(
        exchange="bitget",
        market=market,
        symbol="BTCUSDT",
        interval="1m",
        start_ms=1786540380000,
        end_ms=1786540440000,
        open="63971.8",
        high="63971.8",
        low="63905",
        close="63905.8",
        volume="82.2307",
        quote_volume="5257017.23501",
        closed=False,
        event_ms=SENT_MS,
    )


def test_the_first_push_after_a_subscribe_comes_out_whole_and_oldest_first() -> None:
    said = parse("spot", frame([LATER, ROW], action="snapshot"), {})
    assert [candle.start_ms for candle in said] == [1786540380000, 1786540440000]
    assert not any(candle.closed for candle in said)


def test_500_bars_come_out_of_one_frame() -> None:
    starts = range(1786540380000, 1786540380000 + 500 * 60_000, 60_000)
    rows = [[str(start_ms), *ROW[1:], "1"] for start_ms in starts]
    said = parse("linear", frame(rows, "linear", action="snapshot"), {})
    assert [candle.start_ms for candle in said] == list(starts)


@pytest.mark.parametrize(
    ("channel", "interval", "start", "end_ms"),
    [
        ("candle1H", "1h", "1786539600000", 1786543200000),
        ("candle6Hutc", "6h", "1786536000000", 1786557600000),
        ("candle1Dutc", "1d", "1786492800000", 1786579200000),
        ("candle1Wutc", "1w", "1786320000000", 1786924800000),
        ("candle1Mutc", "1M", "1785542400000", 1788220800000),
    ],
)
def test_every_length_ends_where_ours_ends(
    channel: str, interval: str, start: str, end_ms: int
) -> None:
    (said,) = parse("spot", frame([[start, *ROW[1:]]], channel=channel), {})
    assert (said.interval, said.end_ms) == (interval, end_ms)


@pytest.mark.parametrize("channel", ["candle6H", "candle12H", "candle1D", "candle1W", "candle1M"])
def test_names_that_count_from_utc_plus_8_are_not_ours(channel: str) -> None:
    (said,) = parse("spot", frame([ROW], channel=channel), {})
    assert said == Unreadable("unknown_type", f"channel {channel!r}")


def test_a_bar_that_does_not_start_where_an_interval_of_utc_starts_is_refused() -> None:
    rows = [["1786464000000", *ROW[1:]], ["1786492800000", *ROW[1:]]]  # 16:00, then 00:00
    good, bad = sorted(
        parse("spot", frame(rows, channel="candle1Dutc"), {}),
        key=lambda said: isinstance(said, Unreadable),
    )
    assert isinstance(good, Candle)
    assert bad == Unreadable("wrong_shape", "no 1d bar starts at 1786464000000")


# --- units ----------------------------------------------------------------------------------


def test_on_coin_futures_the_quote_volume_comes_first_as_its_prices_prove() -> None:
    said = bar("inverse", "75.2", "447")
    assert (said.volume, said.quote_volume, said.contracts) == ("447", "75.2", UNSET)


def test_the_documented_order_is_read_where_the_prices_prove_that_one() -> None:
    said = bar("inverse", "447", "75.2")
    assert (said.volume, said.quote_volume) == ("447", "75.2")


def test_the_proof_holds_for_prices_below_and_above_one() -> None:
    dear = {"open": "43064.1", "high": "43064.6", "low": "43059", "close": "43059"}
    assert bar("inverse", "3832.53", "0.089", **dear).volume == "0.089"
    assert bar("inverse", "0.089", "3832.53", **dear).volume == "0.089"
    assert bar("inverse", "75.2", "447").volume == "447"


def test_a_bar_that_proves_neither_order_keeps_its_volumes_to_itself() -> None:
    said = bar("inverse", "75.2", "9000")
    assert isinstance(said, Candle)
    assert (said.volume, said.quote_volume) == (UNSET, UNSET)


def test_a_bar_without_a_trade_has_volumes_of_zero() -> None:
    said = bar("inverse", "0", "0")
    assert (said.volume, said.quote_volume) == ("0", "0")


@given(st.integers(1, 10**9), st.integers(1, 10**7))
def test_whatever_the_price_and_the_size_the_base_volume_is_found(ticks: int, lots: int) -> None:
    """Prices of 0.0001 to 100000, sizes in thousandths; one price, so that nothing helps."""
    price, quote = f"{ticks / 10**4:.4f}", f"{ticks * lots / 10**7:.7f}"
    base = f"{lots / 1000:.3f}"
    told = bar("inverse", quote, base, open=price, high=price, low=price, close=price)
    assert (told.volume, told.quote_volume) == (base, quote)


def test_on_linear_nothing_has_to_be_proved() -> None:
    said = bar("linear", "1", "9000")
    assert (said.volume, said.quote_volume) == ("1", "9000")


# --- tickers --------------------------------------------------------------------------------


def ticker(market: Market = "spot", **changes: Any) -> Any:
    (said,) = parse(market, frame([{**DAY, **changes}], market, "ticker"), {})
    return said


def test_a_ticker_is_whole() -> None:
    assert ticker() == Ticker(
        exchange="bitget",
        market="spot",
        symbol="BTCUSDT",
        event_ms=1786613190242,
        last="63707.42",
        open="63449.01",
        high="64481.09",
        low="63306.48",
        volume="1891.78125",
        quote_volume="120647061.749114",
        bid="63707.41",
        bid_size="4.00188",
        ask="63707.42",
        ask_size="0.094654",
    )


@pytest.mark.parametrize("nothing", ["", "0", "0.00", None])
def test_a_price_of_nothing_is_left_out_and_its_size_with_it(nothing: str | None) -> None:
    said = ticker(open24h=nothing, high24h=nothing, low24h=nothing, bidPr=nothing)
    assert (said.open, said.high, said.low) == (UNSET, UNSET, UNSET)
    assert (said.bid, said.bid_size) == (UNSET, UNSET)
    assert said.ask_size == "0.094654"


def test_a_volume_of_zero_is_one_and_an_empty_one_is_none() -> None:
    said = ticker(baseVolume="0.0000", quoteVolume="")
    assert (said.volume, said.quote_volume) == ("0.0000", UNSET)


def test_a_symbol_that_never_traded_has_a_book_but_no_ticker() -> None:
    said = ticker(lastPr="")
    assert isinstance(said, TickerPart)
    assert (said.symbol, said.event_ms, said.last) == ("BTCUSDT", 1786613190242, UNSET)
    assert (said.bid, said.ask, said.whole) == ("63707.41", "63707.42", True)


@pytest.mark.parametrize("name", ["bidPr", "askSz", "baseVolume", "high24h"])
def test_a_field_that_is_not_sent_is_left_out(name: str) -> None:
    day = {key: value for key, value in DAY.items() if key != name}
    (said,) = parse("spot", frame([day], channel="ticker"), {})
    assert isinstance(said, Ticker)


# --- answers --------------------------------------------------------------------------------


def answer(**fields: Any) -> Any:
    (said,) = parse("spot", json.dumps(fields).encode(), {})
    return said


ARG = {"instType": "SPOT", "channel": "candle1m", "instId": "BTCUSDT"}


@pytest.mark.parametrize("event", ["subscribe", "unsubscribe"])
def test_an_ack_names_its_topic(event: str) -> None:
    assert answer(event=event, arg=ARG) == Ack(topics=("candle1m:BTCUSDT",))


def test_a_refusal_names_its_topic_beside_the_text_or_in_it_or_not_at_all() -> None:
    text = "instType:SPOT,channel:candle1m,instId:BTCUSDT doesn't exist"
    beside = answer(event="error", arg=ARG, code=30001, msg="no", op="subscribe")
    inside = answer(event="error", code=30001, msg=text)
    assert beside == Refusal(None, "unsupported", "30001 no", ("candle1m:BTCUSDT",))
    assert inside == Refusal(None, "unsupported", f"30001 {text}", ("candle1m:BTCUSDT",))
    assert answer(event="error", code=30006, msg="too many").topics == ()


def test_a_symbol_with_commas_and_blanks_is_still_found_in_the_text() -> None:
    text = "instType:SPOT,channel:ticker,instId:A,B C doesn't exist"
    assert answer(event="error", code=30001, msg=text).topics == ("ticker:A,B C",)


@pytest.mark.parametrize("code", [30001, "30001"])
def test_a_code_may_be_a_number_or_its_text(code: int | str) -> None:
    assert answer(event="error", code=code).reason == "unsupported"


@pytest.mark.parametrize("code", [0, "", "what", 99999, 30014])
def test_an_unknown_code_is_transient(code: int | str) -> None:
    assert answer(event="error", code=code, msg=None).reason == "transient"


@pytest.mark.parametrize(("code", "reason"), ERRORS.items())
def test_every_known_code_has_its_meaning(code: str, reason: str) -> None:
    assert answer(event="error", code=code).reason == reason


def test_the_pong_is_plain_text() -> None:
    assert parse("linear", b"pong", {}) == (Pong(),)
    assert ping(7) == "ping"


# --- what is not the protocol ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        (b"ping", "not_json"),
        (b"{", "not_json"),
        (b'{"action":"\xff"}', "not_json"),
        (b"[]", "wrong_shape"),
        (b"7", "wrong_shape"),
        (b"{}", "unknown_type"),
        (b'{"event":"login","code":0}', "unknown_type"),
        (b'{"event":"subscribe"}', "wrong_shape"),
        (b'{"event":"subscribe","arg":{"instType":"SPOT","channel":"ticker"}}', "wrong_shape"),
        (frame([ROW], action="delete"), "unknown_type"),
        (frame([ROW], channel="books5"), "unknown_type"),
        (frame([ROW], channel="candle7m"), "unknown_type"),
        (frame([ROW], "linear"), "wrong_shape"),
        (frame("all"), "wrong_shape"),
        (frame({"a": 1}, channel="ticker"), "wrong_shape"),
        (frame([ROW], ts="now"), "wrong_shape"),
        (frame([ROW], arg=None), "wrong_shape"),
        (frame([ROW[:6]]), "wrong_shape"),
        (frame([["soon", *ROW[1:]]]), "wrong_shape"),
        (frame([[1786540380000, *ROW[1:]]]), "wrong_shape"),
        (frame([[ROW[0], 63971.8, *ROW[2:]]]), "wrong_shape"),
        (frame([[ROW[0], "-1", *ROW[2:]]]), "wrong_shape"),
        (frame([[ROW[0], "NaN", *ROW[2:]]]), "wrong_shape"),
        (frame([[ROW[0], "", *ROW[2:]]]), "wrong_shape"),
        (frame([[ROW[0], "1" * 100, *ROW[2:]]]), "wrong_shape"),
        (frame([[ROW[0], "１", *ROW[2:]]]), "wrong_shape"),
        (frame([{**DAY, "ts": None}], channel="ticker"), "wrong_shape"),
        (frame([{**DAY, "lastPr": "much"}], channel="ticker"), "wrong_shape"),
    ],
)
def test_what_is_not_the_protocol_is_named_and_never_raises(raw: bytes, kind: str) -> None:
    (said,) = parse("spot", raw, {})
    assert isinstance(said, Unreadable)
    assert said.kind == kind


def test_the_answer_of_another_market_is_not_ours() -> None:
    arg = {"instType": "USDC-FUTURES", "channel": "ticker", "instId": "BTCPERP"}
    raw = json.dumps({"event": "subscribe", "arg": arg}).encode()
    assert parse("linear", raw, {}) == (
        Unreadable("wrong_shape", "an answer that is not about linear"),
    )


def test_one_strange_row_does_not_cost_the_others() -> None:
    said = parse("spot", frame([ROW, ["x"], LATER, 7]), {})
    assert [one.start_ms for one in said if isinstance(one, Candle)] == [
        1786540380000,
        1786540440000,
    ]
    assert [one.kind for one in said if isinstance(one, Unreadable)] == ["wrong_shape"] * 2


def test_a_frame_nested_without_end_is_unreadable() -> None:
    deep = b"[" * 100_000 + b"]" * 100_000
    for raw in (deep, frame([ROW]).replace(b'"63971.8"', deep, 1)):
        (said,) = parse("spot", raw, {})
        assert isinstance(said, Unreadable)


@given(st.binary(max_size=200), st.sampled_from(MARKETS))
def test_no_bytes_raise(raw: bytes, market: Market) -> None:
    assert all(isinstance(said, Parsed) for said in parse(market, raw, {}))


TEXTS = st.sampled_from(
    ["snapshot", "update", "subscribe", "error", "SPOT", "COIN-FUTURES", "candle1m", "ticker",
     "candle1Mutc", "1786540380000", "9999999999999", "0", "1e5", "0.1"]
)  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | TEXTS,
    lambda inner: (
        st.lists(inner, max_size=8)
        | st.dictionaries(
            st.sampled_from(
                ["action", "event", "arg", "data", "ts", "code", "msg", "instType", "channel",
                 "instId", "lastPr", "bidPr"]
            ),
            inner,
        )
    ),
    max_leaves=20,
)  # fmt: skip


@given(JSON, st.sampled_from(MARKETS))
def test_no_json_raises(value: Any, market: Market) -> None:
    said = parse(market, json.dumps(value).encode(), {})
    assert all(isinstance(one, Parsed) for one in said)


@given(
    st.lists(st.lists(TEXTS | JSON, max_size=9) | JSON, max_size=4),
    st.sampled_from(MARKETS),
    st.sampled_from(["candle1m", "candle1Wutc", "candle1Mutc", "ticker", "books"]),
)
def test_no_rows_raise(rows: Any, market: Market, channel: str) -> None:
    said = parse(market, frame(rows, market, channel), {})
    assert all(isinstance(one, Parsed) for one in said)


# --- requests -------------------------------------------------------------------------------


def test_topics_and_requests() -> None:
    candle = Stream("bitget", "inverse", "candle", "BTCUSD", "1M")
    day = Stream("bitget", "inverse", "ticker", "币安:人生")
    asked = [*topics(candle), *topics(day)]
    assert asked == ["candle1Mutc:BTCUSD", "ticker:币安:人生"]
    args = [
        {"instType": "COIN-FUTURES", "channel": "candle1Mutc", "instId": "BTCUSD"},
        {"instType": "COIN-FUTURES", "channel": "ticker", "instId": "币安:人生"},
    ]
    request = subscribe("inverse", asked, 3)
    assert request.request_id == 3
    assert json.loads(request.text) == {"op": "subscribe", "args": args}
    assert json.loads(unsubscribe("inverse", asked, 4).text) == {"op": "unsubscribe", "args": args}


@pytest.mark.parametrize("market", MARKETS)
def test_the_largest_request_is_within_4096_bytes(market: Market) -> None:
    rules = BITGET.markets[market]
    longest = max(rules.channels["candle"].intervals.values(), key=len)
    asked = [f"candle{longest}:{'币' * 20}"] * rules.limits.topics_per_request
    assert len(subscribe(market, asked, 1).text.encode()) <= 4096


@pytest.mark.parametrize("market", MARKETS)
def test_limits_leave_room_below_the_exchange_s_own(market: Market) -> None:
    limits = BITGET.markets[market].limits
    assert limits.topics_per_connection < 50
    assert limits.ping_s is not None
    assert limits.ping_s <= 30
    # pings and subscribes together within 10 messages a second
    assert limits.requests_per_s + 1 <= 10
    stall_s = BITGET.markets[market].channels["ticker"].cadence.stall_s
    assert limits.topics_per_connection * 3600 / stall_s <= 240


@pytest.mark.parametrize("market", MARKETS)
def test_what_is_built_and_of_what(market: Market) -> None:
    native = BITGET.markets[market].channels["candle"].intervals
    built = {one: source_of(one, native) for one in INTERVALS if one not in native}
    assert built == {"3m": "1m", "2h": "1h", "8h": "4h", "3d": "1d"}


def test_the_names_older_backends_use() -> None:
    names = {"bitget": "spot", "bitgetUsdm": "linear", "paperBitgetCoinm": "inverse"}
    for name, market in names.items():
        found = by_seed_name(name)
        assert found is not None
        assert (found[0].name, found[1]) == ("bitget", market)
