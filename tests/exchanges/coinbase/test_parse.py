"""Coinbase frames in, exact values out. Samples are those of its documents and of recordings."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from common.exchanges.coinbase import COINBASE
from common.exchanges.coinbase.describe import ERRORS, MARKETS
from common.exchanges.coinbase.parse import (
    family,
    parse,
    subscribe,
    time_ms,
    topics,
    unsubscribe,
)
from common.exchanges.place import Place
from common.exchanges.protocol import Ack, Parsed, Refusal, Unreadable
from common.model.events import Candle, Ticker, Trade
from common.model.intervals import INTERVALS
from common.model.streams import Stream

BAR = {
    "start": "1775521800",
    "high": "68950.00",
    "low": "68850.00",
    "open": "68900.00",
    "close": "68920.50",
    "volume": "42.15000000",
    "product_id": "BTC-USD",
}
DAY = {
    "type": "ticker",
    "product_id": "BTC-USD",
    "price": "63320.73",
    "volume_24_h": "6629.927726",
    "low_24_h": "63235.88",
    "high_24_h": "64416.3",
    "low_52_w": "57717.55",
    "high_52_w": "126296",
    "price_percent_chg_24_h": "0.03813791548644",
    "best_bid": "63320.73",
    "best_ask": "63320.74",
    "best_bid_quantity": "0.12636254",
    "best_ask_quantity": "0.49679101",
}
TRADE = {
    "product_id": "ETH-USDT",
    "trade_id": "22381691",
    "price": "2375.56",
    "size": "0.5",
    "time": "2024-10-04T07:13:31.088388Z",
    "side": "BUY",
}
LISTS = {
    "candles": ("candles", BAR),
    "ticker": ("tickers", DAY),
    "market_trades": ("trades", TRADE),
}


def frame(channel: str, *rows: Any, kind: Any = "update", **changes: Any) -> bytes:
    message = {
        "channel": channel,
        "timestamp": "2026-04-07T14:30:05.123456789Z",
        "sequence_num": 3,
        "events": [{"type": kind, LISTS[channel][0]: list(rows)}],
    }
    return json.dumps({**message, **changes}).encode()


def said(channel: str, *rows: Any, **changes: Any) -> Any:
    return parse("spot", frame(channel, *rows, **changes), {})


# --- what comes out -------------------------------------------------------------------------


def test_a_bar_is_open_whatever_it_says_and_five_minutes_long() -> None:
    assert said("candles", BAR) == [
        Candle(
            exchange="coinbase",
            market="spot",
            symbol="BTC-USD",
            interval="5m",
            start_ms=1775521800000,
            end_ms=1775522100000,
            open="68900.00",
            high="68950.00",
            low="68850.00",
            close="68920.50",
            volume="42.15000000",
            closed=False,
            event_ms=1775572205123,
        )
    ]


def test_a_snapshot_of_bars_comes_out_oldest_first() -> None:
    older = {**BAR, "start": "1775521500"}
    bars = said("candles", BAR, {**BAR, "product_id": "ETH-USD"}, older, kind="snapshot")
    assert [(bar.start_ms, bar.symbol) for bar in bars] == [
        (1775521500000, "BTC-USD"),
        (1775521800000, "BTC-USD"),
        (1775521800000, "ETH-USD"),
    ]
    assert not any(bar.closed for bar in bars)


def test_a_ticker_tells_everything_but_the_open_and_the_quote_volume() -> None:
    (ticker,) = said("ticker", DAY)
    assert ticker == Ticker(
        exchange="coinbase",
        market="spot",
        symbol="BTC-USD",
        event_ms=1775572205123,
        last="63320.73",
        high="64416.3",
        low="63235.88",
        volume="6629.927726",
        bid="63320.73",
        bid_size="0.12636254",
        ask="63320.74",
        ask_size="0.49679101",
    )
    # The change in percent would give an open of 63296.58…: a number nobody has traded at.
    assert ticker.open is UNSET
    assert ticker.quote_volume is UNSET


def test_what_a_quiet_product_has_not_is_left_out() -> None:
    empty = dict.fromkeys(("best_bid", "best_ask", "best_bid_quantity", "volume_24_h"), "")
    rest = {name: value for name, value in DAY.items() if name != "best_ask_quantity"}
    (ticker,) = said("ticker", {**rest, **empty})
    assert {ticker.bid, ticker.ask, ticker.bid_size, ticker.ask_size, ticker.volume} == {UNSET}
    assert ticker.last == "63320.73"


def test_trades_of_snapshots_and_updates_come_out_oldest_first() -> None:
    before = {**TRADE, "trade_id": "22381690", "time": "2024-10-04T07:13:31.084859Z"}
    for kind in ("snapshot", "update"):
        assert said("market_trades", TRADE, before, kind=kind) == [
            Trade("coinbase", "spot", "ETH-USDT", "22381690", "2375.56", "0.5", 1728026011084),
            Trade("coinbase", "spot", "ETH-USDT", "22381691", "2375.56", "0.5", 1728026011088),
        ]


def test_trades_are_ordered_by_their_ids_as_numbers_over_all_events_of_a_frame() -> None:
    ten, nine, eight = ({**TRADE, "trade_id": number} for number in ("10", "9", "8"))
    events = [{"type": "update", "trades": [ten]}, {"type": "update", "trades": [nine, eight]}]
    trades = said("market_trades", events=events)
    assert [trade.trade_id for trade in trades] == ["8", "9", "10"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("2024-10-04T07:13:31.088388Z", 1728026011088),
        ("2019-08-14T20:42:27.265Z", 1565815347265),
        ("2021-05-31T09:59:59Z", 1622455199000),
        ("2023-06-09T20:19:35.39625135Z", 1686341975396),
        ("2026-11-21T00:00:00.9Z", 1795219200900),
        # Never rounded up: this trade belongs to the minute before.
        ("2026-11-21T00:00:59.999999999Z", 1795219259999),
    ],
)
def test_times_with_nanoseconds_are_cut_to_milliseconds(text: str, expected: int) -> None:
    assert time_ms(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "", "soon", "0001-01-01T00:00:00Z", "2026-02-30T00:00:00Z", "2026-11-21T25:00:00Z",
        "2026-11-21T00:00:00", "2026-11-21T00:00:00+02:00", "2026-11-21 00:00:00Z",
        "2026-11-21T00:00:00.1234567890Z", "1969-12-31T23:59:59Z", "２026-11-21T00:00:00Z",
    ],
)  # fmt: skip
def test_times_that_are_none_are_no_times(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a time|before 1970|month|day|hour"):
        time_ms(text)
    (row,) = said("market_trades", {**TRADE, "time": text})
    assert row.kind == "wrong_shape"
    (whole,) = said("candles", BAR, timestamp=text)
    assert whole.kind == "wrong_shape"


# --- answers --------------------------------------------------------------------------------


@pytest.mark.parametrize("counter", [66987, "66987"])
def test_heartbeats_are_no_events(counter: Any) -> None:
    event = {"current_time": "2024-10-04 07:04:40.82 +0000 UTC", "heartbeat_counter": counter}
    message = {"channel": "heartbeats", "timestamp": "x", "sequence_num": 1, "events": [event]}
    assert parse("spot", json.dumps(message).encode(), {}) == ()


@pytest.mark.parametrize("current", [{}, {"candles": ["BTC-USD"], "heartbeats": ["heartbeats"]}])
def test_the_list_of_subscriptions_answers_the_oldest_request(current: Any) -> None:
    message = {"channel": "subscriptions", "events": [{"subscriptions": current}]}
    assert parse("spot", json.dumps(message).encode(), {}) == (Ack(),)


@pytest.mark.parametrize(
    ("message", "reason", "detail", "about"),
    [
        ({"message": "failure to subscribe"}, "unsupported", "failure to subscribe", ()),
        ({"message": "authentication failure"}, "auth", "authentication failure", ()),
        ({"message": "rate limit exceeded"}, "rate", "rate limit exceeded", ()),
        ({"message": "something new"}, "transient", "something new", ()),
        (
            {"message": "Failed to subscribe", "reason": "GIBBERISH-USD is not a valid product"},
            "unsupported",
            "Failed to subscribe: GIBBERISH-USD is not a valid product",
            ("market_trades:GIBBERISH-USD", "candles:GIBBERISH-USD", "ticker:GIBBERISH-USD"),
        ),
        (
            {"message": "Failed to subscribe", "reason": " is not a valid product"},
            "unsupported",
            "Failed to subscribe:  is not a valid product",
            (),
        ),
    ],
)
def test_errors_name_no_request_and_a_product_only_by_their_words(
    message: Any, reason: Any, detail: str, about: tuple[str, ...]
) -> None:
    raw = json.dumps({"type": "error", **message}).encode()
    assert parse("spot", raw, {}) == (Refusal(None, reason, detail, about),)


def test_every_text_of_the_error_table_is_found() -> None:
    for word, reason in ERRORS:
        raw = json.dumps({"type": "error", "message": f"Sorry: {word.upper()}!"}).encode()
        (refusal,) = parse("spot", raw, {})
        assert isinstance(refusal, Refusal)
        assert refusal.reason == reason


# --- what is not the protocol ---------------------------------------------------------------


@pytest.mark.parametrize("channel", LISTS)
def test_one_strange_row_does_not_cost_the_others(channel: str) -> None:
    good = LISTS[channel][1]
    lost = {name: value for name, value in good.items() if name != "product_id"}
    other = {**good, "product_id": "ETH-USD"}
    first, second, *problems = said(channel, good, lost, 7, other)
    assert {first.symbol, second.symbol} == {good["product_id"], "ETH-USD"}
    assert [problem.kind for problem in problems] == ["wrong_shape", "wrong_shape"]


@pytest.mark.parametrize("channel", LISTS)
@pytest.mark.parametrize("kind", ["moo", False, None, 3])
def test_an_unknown_type_of_event_is_never_accepted(channel: str, kind: Any) -> None:
    (problem,) = said(channel, LISTS[channel][1], kind=kind)
    assert isinstance(problem, Unreadable)
    assert problem.kind == "wrong_shape"


def test_one_strange_event_does_not_cost_the_others() -> None:
    good = {"type": "update", "trades": [TRADE]}
    for strange in ({"type": "moo", "trades": [TRADE]}, {"type": "update"}, "x", []):
        trade, problem = said("market_trades", events=[strange, good])
        assert isinstance(trade, Trade)
        assert isinstance(problem, Unreadable)


@pytest.mark.parametrize(
    ("channel", "name"),
    [
        ("candles", "open"), ("candles", "volume"), ("market_trades", "price"),
        ("market_trades", "size"), ("ticker", "price"), ("ticker", "best_bid"),
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    "number", ["x", "-1", "1e3", "1.", ".5", "NaN", "1\n", "٣", 1.5, 7, "1" * 31]
)
def test_a_number_that_is_none_is_a_wrong_shape(channel: str, name: str, number: Any) -> None:
    (problem,) = said(channel, {**LISTS[channel][1], name: number})
    assert isinstance(problem, Unreadable)
    assert problem.kind == "wrong_shape"


@pytest.mark.parametrize("trade_id", ["", "-1", "a", "1.0", 22381691, "9" * 19])
def test_a_trade_id_that_does_not_count_is_a_wrong_shape(trade_id: Any) -> None:
    (problem,) = said("market_trades", {**TRADE, "trade_id": trade_id})
    assert isinstance(problem, Unreadable)


@pytest.mark.parametrize("start", ["1775521860", "1775521801", "", "soon", "-300", 1775521800])
def test_a_bar_that_does_not_start_with_five_minutes_is_another_bar(start: Any) -> None:
    (problem,) = said("candles", {**BAR, "start": start})
    assert isinstance(problem, Unreadable)


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        (b"", "not_json"),
        (b"hello", "not_json"),
        (frame("candles", BAR)[:-20], "not_json"),
        (b"\x89PNG\r\n\x1a\n\x00\xff", "not_json"),
        (b'{"channel":"candles\xff"}', "not_json"),
        (b'"text"', "wrong_shape"),
        (b"17", "wrong_shape"),
        (b"[]", "wrong_shape"),
        (b"{}", "unknown_type"),
        (b'{"channel":"l2_data","events":[]}', "unknown_type"),
        (b'{"channel":"ticker_batch","timestamp":"x","events":[]}', "unknown_type"),
        (b'{"channel":7}', "wrong_shape"),
        (b'{"channel":[]}', "wrong_shape"),
        (b'{"type":"match","trade_id":280232}', "unknown_type"),
        (b'{"channel":"error","message":"x"}', "unknown_type"),
        (b'{"type":"error"}', "wrong_shape"),
        (b'{"channel":"candles"}', "wrong_shape"),
        (b'{"channel":"subscriptions","events":[{}]}', "wrong_shape"),
        (frame("candles", BAR, timestamp=7), "wrong_shape"),
        (frame("candles", BAR, events="none"), "wrong_shape"),
    ],
)
def test_what_is_not_the_protocol_is_named_and_never_raises(raw: bytes, kind: str) -> None:
    (problem,) = parse("spot", raw, {})
    assert isinstance(problem, Unreadable)
    assert problem.kind == kind


@pytest.mark.parametrize("where", [b'{"channel":"candles","timestamp":"x","events":%b}', b"%b"])
def test_a_frame_nested_without_end_is_unreadable(where: bytes) -> None:
    (problem,) = parse("spot", where % (b"[" * 100_000 + b"]" * 100_000), {})
    assert isinstance(problem, Unreadable)


@given(st.binary(max_size=200))
def test_no_bytes_raise(raw: bytes) -> None:
    assert all(isinstance(one, Parsed) for one in parse("spot", raw, {}))


WORDS = ["channel", "candles", "ticker", "tickers", "market_trades", "trades", "events", "type"]
KNOWN = [*WORDS, "error", "update", "snapshot", "subscriptions", "heartbeats", "timestamp"]
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=5)
    | st.sampled_from([*KNOWN, "2026-04-07T14:30:05Z"])
    | st.sampled_from([BAR, DAY, TRADE]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*KNOWN, "message", "reason"]), inner)
    ),
    max_leaves=12,
)


@given(JSON)
def test_no_json_raises(value: Any) -> None:
    assert all(isinstance(one, Parsed) for one in parse("spot", json.dumps(value).encode(), {}))


@given(st.sampled_from(list(LISTS)), st.lists(JSON, max_size=4))
def test_no_rows_raise_and_none_is_dropped(channel: str, rows: list[Any]) -> None:
    parsed = said(channel, *rows)
    assert all(isinstance(one, Parsed) for one in parsed)
    assert len(parsed) == len(rows)


# --- what goes out --------------------------------------------------------------------------


def test_minutes_come_by_trades_and_everything_longer_by_bars() -> None:
    place = Place("coinbase", "spot", "candle")
    by = {
        interval: place.topics(Stream("coinbase", "spot", "candle", "BTC-USD", interval))
        for interval in INTERVALS
    }
    assert {interval for interval in by if by[interval] == ("market_trades:BTC-USD",)} == {
        "1m",
        "3m",
    }
    assert {by[interval] for interval in INTERVALS[2:]} == {("candles:BTC-USD",)}
    assert topics(Stream("coinbase", "spot", "ticker", "BTC-USD")) == ("ticker:BTC-USD",)


def test_a_message_names_one_channel() -> None:
    assert family("market_trades:BTC-USD") == "market_trades"
    assert family("heartbeats") == "heartbeats"
    both = ["candles:BTC-USD", "candles:ETH-USD"]
    assert json.loads(subscribe("spot", both, 3).text) == {
        "type": "subscribe",
        "channel": "candles",
        "product_ids": ["BTC-USD", "ETH-USD"],
    }
    assert json.loads(unsubscribe("spot", ["ticker:BTC-USD"], 4).text) == {
        "type": "unsubscribe",
        "channel": "ticker",
        "product_ids": ["BTC-USD"],
    }
    alone = json.loads(subscribe("spot", ["heartbeats"], 1).text)
    assert alone == {"type": "subscribe", "channel": "heartbeats"}
    assert subscribe("spot", both, 3).request_id == 3


def test_heartbeats_stand_on_every_connection_and_messages_keep_below_eight_a_second() -> None:
    rules = MARKETS["spot"]
    assert all(channel.standing_topics == ("heartbeats",) for channel in rules.channels.values())
    # A new connection says at most three things: heartbeats, trades, bars.
    assert rules.limits.dial_cost["messages"] == 3
    messages = COINBASE.budgets["messages"]
    assert messages.burst + messages.per_s * messages.window_s <= 5, "three are left for the others"
    assert COINBASE.ping is None
