"""OKX's REST: requests as data, answers parsed."""

import json
from typing import Any

import msgspec
import pytest

from common.exchanges.okx import rest
from common.exchanges.okx.parse import parse
from common.model.streams import MARKETS, Market, Stream
from tests.exchanges.okx.test_parse import BAR, bar, push

STREAM = Stream("okx", "linear", "candle", "BTC-USDT-SWAP", "1m")


def body(*data: Any, **fields: Any) -> bytes:
    return json.dumps({"code": "0", "msg": "", "data": data, **fields}).encode()


# --- candles --------------------------------------------------------------------------------


@pytest.mark.parametrize("market", MARKETS)
def test_candles_are_asked_for_with_both_ends_which_are_exclusive(market: Market) -> None:
    stream = Stream("okx", market, "candle", "BTC-USDT", "1d")
    request = rest.candles_request(stream, 1786492800000, 1786579200000)
    assert request.url == "https://openapi.okx.com/api/v5/market/history-candles"
    assert request.params == {
        "instId": "BTC-USDT",
        "bar": "1Dutc",
        "before": "1786492799999",
        "after": "1786579200000",
        "limit": "300",
    }


@pytest.mark.parametrize("market", MARKETS)
def test_a_closed_row_is_the_same_candle_as_the_closed_frame(market: Market) -> None:
    stream = msgspec.structs.replace(STREAM, market=market)
    (live,) = parse(market, push(bar(confirm="1")), {})
    (row,) = rest.parse_candles(stream, body(bar(confirm="1")), {}, 0)
    assert row == live
    assert msgspec.json.encode(row) == msgspec.json.encode(live)


def test_rows_come_newest_first_and_leave_oldest_first() -> None:
    starts = [1786540440000 + number * 60_000 for number in (2, 1, 0)]
    rows = [bar(start=str(start_ms), confirm="1") for start_ms in starts]
    candles = rest.parse_candles(STREAM, body(*rows), {}, 0)
    assert [candle.start_ms for candle in candles] == sorted(starts)


def test_the_flag_closes_a_row_and_not_the_clock() -> None:
    (running,) = rest.parse_candles(STREAM, body(BAR), {}, 1786540450000)
    (late,) = rest.parse_candles(STREAM, body(BAR), {}, 1786540509000)
    assert (running.closed, running.event_ms) == (False, 1786540450000)
    assert (late.closed, late.event_ms) == (False, 1786540509000)


@pytest.mark.parametrize("row", [BAR[:7], bar(close="x"), bar(start="1786540440001"), {}, "row"])
def test_a_row_that_is_not_the_protocol_raises(row: Any) -> None:
    with pytest.raises(msgspec.ValidationError):
        rest.parse_candles(STREAM, body(bar(confirm="1"), row), {}, 0)


# --- instruments ----------------------------------------------------------------------------


def contract(**changes: Any) -> dict[str, Any]:
    listing = {
        "instType": "SWAP", "instId": "BTC-USDT-SWAP", "uly": "BTC-USDT", "baseCcy": "",
        "quoteCcy": "", "settleCcy": "USDT", "ctVal": "0.01", "ctMult": "1", "ctValCcy": "BTC",
        "ctType": "linear", "tickSz": "0.1", "lotSz": "0.01", "state": "live", "expTime": "",
    }  # fmt: skip
    return {**listing, **changes}


INVERSE = contract(
    instId="BTC-USD-SWAP", uly="BTC-USD", settleCcy="BTC", ctVal="100", ctValCcy="USD",
    ctType="inverse", lotSz="1",
)  # fmt: skip
SPOT = contract(
    instType="SPOT", instId="BTC-USDT", uly="", baseCcy="BTC", quoteCcy="USDT", settleCcy="",
    ctVal="", ctMult="", ctValCcy="", ctType="", lotSz="0.00000001",
)  # fmt: skip


def listed(market: Market, *listings: Any) -> Any:
    page = rest.parse_instruments(market, body(*listings))
    assert page.next_page is None
    return page.instruments


def test_contracts_are_listed_in_two_parts() -> None:
    def types(market: Market) -> list[str]:
        requests = rest.instruments_requests(market)
        assert {r.url for r in requests} == {"https://openapi.okx.com/api/v5/public/instruments"}
        return [request.params["instType"] for request in requests]

    assert types("spot") == ["SPOT"]
    assert types("linear") == types("inverse") == ["SWAP", "FUTURES"]


def test_instruments_of_spot() -> None:
    btc, halted = listed("spot", SPOT, {**SPOT, "instId": "X-Y", "state": "suspend"})
    assert (btc.symbol, btc.kind, btc.unified) == ("BTC-USDT", "spot", "BTC/USDT")
    assert (btc.trading, btc.settle) == ("trading", "USDT")
    assert (btc.tick_size, btc.step_size) == ("0.1", "0.00000001")
    assert (btc.contract_size, btc.contract_unit, btc.expiry_ms) == (None, None, None)
    assert halted.trading == "halted"


def test_a_list_of_contracts_holds_both_markets_and_each_takes_its_own() -> None:
    (linear,) = listed("linear", contract(), INVERSE, {**INVERSE, "instType": "OPTION"})
    (inverse,) = listed("inverse", contract(), INVERSE)
    assert listed("spot", contract(), INVERSE) == []
    assert (linear.unified, linear.kind) == ("BTC/USDT:USDT", "perpetual")
    assert (linear.contract_size, linear.contract_unit) == ("0.01", "BTC")
    assert (inverse.unified, inverse.settle) == ("BTC/USD:BTC", "BTC")
    assert (inverse.contract_size, inverse.contract_unit) == ("100", "USD")


def test_a_dated_contract_bears_its_expiry() -> None:
    dated = {**INVERSE, "instType": "FUTURES", "instId": "BTC-USD-261225"}
    (quarterly,) = listed("inverse", {**dated, "expTime": "1798185600000"})
    assert (quarterly.kind, quarterly.expiry_ms) == ("delivery", 1798185600000)
    assert quarterly.unified == "BTC/USD:BTC-261225"
    # Perpetuals are listed among the dated ones as well.
    (perpetual,) = listed("inverse", {**dated, "ruleType": "xperp"})
    assert (perpetual.kind, perpetual.expiry_ms) == ("perpetual", None)


def test_the_multiplier_is_part_of_the_size_exactly() -> None:
    (one,) = listed("linear", contract(ctVal="0.1", ctMult="0.01"))
    assert one.contract_size == "0.001"
    (other,) = listed("linear", contract(ctVal="1000", ctMult=""))
    assert other.contract_size == "1000"


@pytest.mark.parametrize(
    ("state", "trading"),
    [
        ("live", "trading"),
        ("suspend", "halted"),
        ("preopen", "halted"),
        ("test", "halted"),
        ("rebase", "halted"),
        ("post_only", "halted"),
        ("something new", "halted"),
        ("expired", "closed"),
    ],
)
def test_only_what_is_live_trades(state: str, trading: str) -> None:
    (one,) = listed("linear", contract(state=state))
    assert one.trading == trading


@pytest.mark.parametrize(
    "strange",
    [
        {"instId": "ETH-USD_UM-SWAP", "instType": "SWAP", "state": "preopen"},
        contract(ctType="", state="preopen"),
        contract(ctVal=""),
        contract(ctVal="x"),
        contract(uly=""),
        contract(expTime="soon"),
        "a word",
    ],
)
def test_one_strange_listing_does_not_cost_the_others(strange: Any) -> None:
    (btc,) = listed("linear", strange, contract())
    assert btc.symbol == "BTC-USDT-SWAP"
    with pytest.raises(msgspec.ValidationError):
        listed("linear", strange, strange)


def test_an_empty_list_is_no_failure() -> None:
    assert listed("linear") == []


# --- time and failures ----------------------------------------------------------------------


def test_the_exchange_clock() -> None:
    assert rest.time_request("linear").url == "https://openapi.okx.com/api/v5/public/time"
    assert rest.parse_time("linear", body({"ts": "1597026383085"})) == 1597026383085


@pytest.mark.parametrize("raw", [b"<html>", b"[]", body(), body({"ts": "soon"}), body({"ts": 1})])
def test_a_body_that_is_not_the_protocol_raises(raw: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        rest.parse_time("spot", raw)
    if raw != body():
        with pytest.raises(msgspec.DecodeError):
            rest.parse_candles(STREAM, raw, {}, 0)
        with pytest.raises(msgspec.DecodeError):
            rest.parse_instruments("spot", raw)


@pytest.mark.parametrize(
    ("status", "headers", "raw", "reason", "wait_s"),
    [
        (429, {}, b'{"code":"50011","msg":"Too Many Requests","data":[]}', "rate", 2.0),
        (200, {}, b'{"code":"50011","msg":"Rate limit","data":[]}', "rate", 2.0),
        (429, {"retry-after": "7"}, b"", "rate", 7.0),
        (429, {}, b'{"code":"50013","msg":"Systems are busy"}', "rate", 2.0),
        (503, {}, b'{"code":"50001","msg":"Service temporarily unavailable"}', "transient", None),
        (500, {}, b'{"code":"50026","msg":"System error"}', "transient", None),
        (200, {}, b'{"code":"51001","msg":"Instrument ID does not exist"}', "unsupported", None),
        (400, {}, b'{"code":"51000","msg":"Parameter bar error"}', "config", None),
        (401, {}, b'{"code":"50101","msg":"env"}', "auth", None),
        (401, {}, b"", "auth", None),
        (404, {}, b"", "transient", None),
        (403, {}, b"<html>firewall</html>", "rate", 2.0),
        (200, {}, b'{"code":"70000","msg":"never heard of"}', "transient", None),
        (200, {}, b'{"code":1,"msg":""}', "transient", None),
        (502, {"retry-after": "soon"}, b"\xff\xfe", "transient", None),
    ],
)
def test_failures_have_a_meaning_whatever_their_status(
    status: int, headers: dict[str, str], raw: bytes, reason: str, wait_s: float | None
) -> None:
    failure = rest.rest_failure(status, headers, raw)
    assert failure is not None
    assert (failure.reason, failure.retry_after_s) == (reason, wait_s)


def test_success_is_no_failure() -> None:
    assert rest.rest_failure(200, {}, body(BAR)) is None
    # What is no answer of this protocol at all is for the reader of the body to refuse.
    assert rest.rest_failure(200, {}, b"<html>") is None
