"""What all exchanges read alike: bodies, rows, listings, bars, failures."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from common.exchanges.answers import failure, seconds
from common.exchanges.bars import Volumes, bar, bars_within, next_start, rest_bar, worth
from common.exchanges.protocol import Exchange, Unreadable
from common.exchanges.registry import EXCHANGES
from common.exchanges.wire import decoded, integer, read_listings, read_rows
from common.model.instruments import Instrument
from common.model.intervals import INTERVALS, end_of, is_start
from common.model.streams import Market, Stream

PLACES = [
    pytest.param(exchange, market, id=f"{exchange.name}-{market}")
    for exchange in EXCHANGES.values()
    for market in exchange.markets
]
# Not UTF-8, in a name, a text and outside of both; nested without end; no JSON; another shape.
HOSTILE = [
    b"",
    b"\xff",
    b'{"\xff":1}',
    b'{"data":[["\xff"]],"list":"\xff","code":"\xff"}',
    b'[["\xff"]]',
    b"[" * 100_000,
    b'{"data":' * 100_000,
    b'{"result":{"list":' + b"[" * 100_000,
    b"null",
    b"17",
    b'"text"',
    b"{}",
    b"[[]]",
    b'{"data":[[]],"result":{"list":[[]]},"candles":[{}],"symbols":[{}],"products":[{}]}',
    b'{"data":[[9e99,"1","1","1","1","1","1","1","1"]]}',
    b'[[99999999999999999999,"1","1","1","1","1","1","1","1"]]',
]


def readers(exchange: Exchange, market: Market) -> list[Callable[[bytes], Any]]:
    stream = Stream(exchange.name, market, "candle", "X", "1m")
    found: list[Callable[[bytes], Any]] = [
        lambda body: exchange.parse_candles(stream, body, {}, 0),
        lambda body: exchange.parse_instruments(market, body),
        lambda body: exchange.parse_time(market, body),
    ]
    if exchange.parse_address is not None:
        parse_address = exchange.parse_address
        found.append(lambda body: parse_address(market, body))
    return found


def is_container(body: bytes) -> bool:
    """Whether it is a JSON object or list at all."""
    try:
        return isinstance(msgspec.json.decode(body), dict | list)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False


@pytest.mark.parametrize(("exchange", "market"), PLACES)
def test_a_body_that_is_not_the_protocol_is_a_decode_error(
    exchange: Exchange, market: Market
) -> None:
    for read in readers(exchange, market):
        accepted = []
        for body in HOSTILE:
            try:
                read(body)
            except msgspec.DecodeError:
                continue
            accepted.append(body)
        # At most an answer without rows can be made of them.
        assert set(accepted) <= {body for body in HOSTILE if is_container(body)}


@pytest.mark.parametrize(("exchange", "market"), PLACES)
def test_no_failure_and_no_frame_raises(exchange: Exchange, market: Market) -> None:
    for body in HOSTILE:
        for status in (200, 400, 403, 418, 429, 502):
            for wait in ("", "5", "-5", "²", "٣", "soon", "9" * 400):
                exchange.rest_failure(status, {"retry-after": wait}, body)
        for said in exchange.parse(market, body, {}):
            assert isinstance(said, Unreadable)


@pytest.mark.parametrize(("exchange", "market"), PLACES)
@pytest.mark.parametrize("status", [418, 429])
def test_a_limit_is_a_limit_whatever_the_body_says(
    exchange: Exchange, market: Market, status: int
) -> None:
    refused = exchange.rest_failure(status, {"retry-after": "7"}, b'{"code":"40404","msg":"x"}')
    assert refused is not None
    assert (refused.reason, refused.retry_after_s) == ("rate", 7.0)


@pytest.mark.parametrize("body", [b"<html>blocked</html>", b""])
@pytest.mark.parametrize(("exchange", "market"), PLACES)
def test_a_firewall_is_waited_out(exchange: Exchange, market: Market, body: bytes) -> None:
    refused = exchange.rest_failure(403, {}, body)
    assert refused is not None
    assert refused.reason == "rate"


@pytest.mark.parametrize(("exchange", "market"), PLACES)
@pytest.mark.parametrize("status", [400, 404, 410, 500, 502, 503])
def test_without_a_word_of_the_exchange_nothing_is_given_up(
    exchange: Exchange, market: Market, status: int
) -> None:
    """A proxy's page, for a moment: bars that are asked for in vain three times are lost."""
    refused = exchange.rest_failure(status, {}, b"<html>not here</html>")
    assert refused is not None
    assert refused.reason == "transient"


# --- rows and listings ----------------------------------------------------------------------

_many, _one = msgspec.json.Decoder(list[int]), msgspec.json.Decoder(int)


def inverse(number: int) -> str:
    return str(1 / Decimal(number))


def test_one_strange_row_costs_no_other() -> None:
    said = read_rows(b'[1,"two",4,0]', _many, _one, inverse)
    assert [part for part in said if isinstance(part, str)] == ["1", "0.25"]
    word, zero = [part for part in said if isinstance(part, Unreadable)]
    assert word.kind == zero.kind == "wrong_shape"
    assert zero.detail == "a number: DivisionByZero"
    assert read_rows(b"[1,4]", _many, _one, inverse) == ["1", "0.25"]
    (whole,) = read_rows(b'{"no":"list"}', _many, _one, inverse)
    assert isinstance(whole, Unreadable)


def listing(row: msgspec.Raw) -> Instrument | None:
    name = msgspec.json.decode(row, type=str)
    if name == "other":
        return None
    return Instrument("e", "spot", name, "spot", "B", "Q", "Q", "trading")


def test_strange_listings_cost_no_other_and_nothing_but_them_raises() -> None:
    def read(*rows: bytes) -> list[str]:
        return [one.symbol for one in read_listings([msgspec.Raw(row) for row in rows], listing)]

    assert read() == []
    assert read(b'"A"', b"7", b'"\xff"', b'"B"') == ["A", "B"]
    assert read(b"7", b'"other"') == [], "understood, and not ours"
    with pytest.raises(msgspec.ValidationError, match="no listing is understood"):
        read(b"7", b"8")


def test_whatever_is_wrong_with_bytes_is_a_decode_error() -> None:
    for body in (b'["\xff"]', b"[" * 100_000, b"[", b"{}"):
        with pytest.raises(msgspec.DecodeError):
            decoded(msgspec.json.Decoder(list[Any]), body)


@pytest.mark.parametrize(
    ("text", "number"),
    [("12", 12), ("-3", -3), (7, 7), (None, None), ("", None), ("1.5", None), ("²", None),
     ("٣", None), ("9" * 19, None), ("1\n", None)],
)  # fmt: skip
def test_integers(text: str | int | None, number: int | None) -> None:
    assert integer(text) == number


# --- bars -----------------------------------------------------------------------------------

DAYS = Stream("e", "spot", "candle", "X", "1d")
PRICES = ("1", "2", "0.5", "1")
DAY_MS = 86_400_000


def test_a_bar_starts_where_one_of_utc_does() -> None:
    assert bar(DAYS, DAY_MS, PRICES, Volumes()).end_ms == 2 * DAY_MS
    with pytest.raises(msgspec.ValidationError, match="no 1d bar starts at 57600000"):
        bar(DAYS, 57_600_000, PRICES, Volumes())


def test_a_closed_bar_has_no_time_of_its_own() -> None:
    assert bar(DAYS, 0, PRICES, Volumes(), closed=True, event_ms=5).event_ms is UNSET
    running = rest_bar(DAYS, 0, PRICES, Volumes(), DAY_MS - 1)
    ended = rest_bar(DAYS, 0, PRICES, Volumes(), DAY_MS)
    assert (running.closed, running.event_ms) == (False, DAY_MS - 1)
    assert (ended.closed, ended.event_ms) == (True, UNSET)


@given(st.sampled_from(INTERVALS), st.integers(10**11, 2 * 10**12), st.integers(0, 10**10))
def test_bars_within_a_range_are_those_that_start_in_it(
    interval: str, start_ms: int, span_ms: int
) -> None:
    first_ms = next_start(interval, start_ms)
    assert is_start(interval, first_ms)
    assert start_ms <= first_ms < end_of(interval, start_ms if is_start(interval, start_ms)
                                         else first_ms)  # fmt: skip
    count = bars_within(interval, start_ms, start_ms + span_ms, 50)
    at_ms = first_ms
    for _ in range(count - 1):
        at_ms = end_of(interval, at_ms)
        assert at_ms < start_ms + span_ms
    if count < 50:
        assert end_of(interval, at_ms) >= start_ms + span_ms


def test_contracts_are_worth_what_is_known_of_them() -> None:
    known = Instrument(
        "e", "linear", "X", "perpetual", "BTC", "USDT", "USDT", "trading",
        contract_size="0.001", contract_unit="BTC",
    )  # fmt: skip
    assert worth("21", "X", {"X": known}, "base") == "0.021"
    assert worth("21", "X", {"X": known}, "quote") is UNSET
    assert worth("21", "X", {}, "base") is UNSET


# --- failures -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "wait_s"),
    [("7", 7.0), ("0", 0.0), ("-7", None), ("", None), (None, None), ("²", None),
     ("Wed, 21 Oct 2026 07:28:00 GMT", None)],
)  # fmt: skip
def test_waits_are_seconds(text: str | None, wait_s: float | None) -> None:
    assert seconds(text) == wait_s


def test_the_details_of_a_failure_are_for_people_and_short() -> None:
    told = failure(404, {}, (17, "not  found", "x" * 1000), None)
    assert told.detail.startswith("HTTP 404 17 not found xxx")
    assert len(told.detail) == 200
    assert told.reason == "transient"
