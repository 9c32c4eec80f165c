"""KuCoin's REST: requests as data, answers parsed."""

import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from common.exchanges.budget import Used
from common.exchanges.kucoin import rest
from common.exchanges.kucoin.describe import ERRORS
from common.exchanges.kucoin.parse import parse
from common.model.events import Candle
from common.model.streams import MARKETS, Market, Stream
from tests.exchanges.kucoin.answers import body
from tests.exchanges.kucoin.test_parse import CONTRACT_BAR, SPOT_BAR, contract, frame

MINUTE_MS = 60_000


def stream(market: Market, interval: str = "1m") -> Stream:
    symbol = "BTC-USDT" if market == "spot" else "XBTUSDTM"
    return Stream("kucoin", market, "candle", symbol, interval)


# --- where to dial --------------------------------------------------------------------------


def bullet(*endpoints: str, token: str = "2neA-_==.gJE==") -> bytes:
    servers = [{"endpoint": endpoint, "protocol": "websocket"} for endpoint in endpoints]
    return body({"token": token, "instanceServers": servers})


@pytest.mark.parametrize(
    ("market", "host"),
    [
        ("spot", "api.kucoin.com"),
        ("linear", "api-futures.kucoin.com"),
        ("inverse", "api-futures.kucoin.com"),
    ],
)
def test_where_to_dial_is_asked_of_the_product(market: Market, host: str) -> None:
    request = rest.address_request(market)
    assert (request.method, request.url) == ("POST", f"https://{host}/api/v1/bullet-public")


def test_the_token_arrives_as_it_is() -> None:
    url = urlsplit(rest.parse_address("spot", bullet("wss://ws-api-spot.kucoin.com/")))
    assert (url.scheme, url.netloc, url.path) == ("wss", "ws-api-spot.kucoin.com", "/")
    assert parse_qs(url.query) == {"token": ["2neA-_==.gJE=="]}
    older = rest.parse_address("spot", bullet("wss://push-private.kucoin.com/endpoint"))
    assert older.startswith("wss://push-private.kucoin.com/endpoint?token=")


@pytest.mark.parametrize("answer", [bullet(), bullet("https://elsewhere/"), body({}), b"<html>"])
def test_an_answer_without_a_server_raises(answer: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        rest.parse_address("spot", answer)


# --- candles --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start_ms", "end_ms", "first_ms", "last_ms"),
    [
        (60_000, 180_000, 60_000, 120_000),
        (60_001, 180_000, 120_000, 120_000),
        (60_000, 120_001, 60_000, 120_000),
        (1, 60_001, 60_000, 60_000),
    ],
)
def test_both_ends_are_asked_for_so_that_inclusiveness_does_not_matter(
    start_ms: int, end_ms: int, first_ms: int, last_ms: int
) -> None:
    """The bars wanted are the same whether the exchange counts its end in or out."""
    for market in MARKETS:
        params = rest.candles_request(stream(market), start_ms, end_ms).params
        unit = 1000 if market == "spot" else 1
        names = ("startAt", "endAt") if market == "spot" else ("from", "to")
        begin, end = (int(params[name]) for name in names)
        starts = range(0, 300_000, MINUTE_MS)
        inclusive = [ms for ms in starts if begin <= ms // unit <= end]
        exclusive = [ms for ms in starts if begin <= ms // unit < end]
        assert inclusive == exclusive == list(range(first_ms, last_ms + 1, MINUTE_MS))


def test_candles_are_asked_for_by_the_markets_own_names() -> None:
    spot = rest.candles_request(stream("spot", "1h"), 0, 3_600_000)
    assert spot.url == "https://api.kucoin.com/api/v1/market/candles"
    assert (spot.params["symbol"], spot.params["type"]) == ("BTC-USDT", "1hour")
    futures = rest.candles_request(stream("inverse", "1h"), 0, 3_600_000)
    assert futures.url == "https://api-futures.kucoin.com/api/v1/kline/query"
    assert (futures.params["symbol"], futures.params["granularity"]) == ("XBTUSDTM", "60")


def test_a_spot_row_is_the_same_candle_as_the_frame_and_the_oldest_comes_first() -> None:
    row = SPOT_BAR["data"]["candles"]
    older = ["1729839540", *row[1:]]
    (live,) = parse("spot", frame(SPOT_BAR), {})
    first, last = rest.parse_candles(stream("spot"), body([row, older]), {}, 1729839660000)
    assert isinstance(live, Candle)
    assert (first.start_ms, last.start_ms) == (1729839540000, 1729839600000)
    assert last == msgspec.structs.replace(live, closed=True, event_ms=UNSET)


@pytest.mark.parametrize("market", ["linear", "inverse"])
def test_a_futures_row_has_another_order_and_is_the_same_candle(market: Market) -> None:
    """Open, high, low, close; as numbers, of which every digit counts."""
    catalog = {"XBTUSDTM": contract(market)}
    row = '{"code":"200000","data":[[1731898200000,10,14,9,11,21]]}'
    (live,) = parse(market, frame(CONTRACT_BAR), catalog)
    (candle,) = rest.parse_candles(stream(market), row.encode(), catalog, 1731898260000)
    assert isinstance(live, Candle)
    assert candle == msgspec.structs.replace(live, closed=True, event_ms=UNSET)
    precise = row.replace(",14,", ",14.10,").replace(",9,", ",9e-1,")
    (candle,) = rest.parse_candles(stream(market), precise.encode(), catalog, 0)
    assert (candle.high, candle.low) == ("14.10", "0.9")


def test_the_running_row_is_open() -> None:
    rows = body([SPOT_BAR["data"]["candles"]])
    (candle,) = rest.parse_candles(stream("spot"), rows, {}, 1729839659999)
    assert (candle.closed, candle.event_ms) == (False, 1729839659999)


@pytest.mark.parametrize(
    ("market", "rows"),
    [
        ("spot", [["1729839601", "1", "1", "1", "1", "1", "1"]]),
        ("spot", [["soon", "1", "1", "1", "1", "1", "1"]]),
        ("spot", [["1729839600", "1"]]),
        ("linear", [[1731898200000, 1, 1, 1, 1, "NaN"]]),
        ("linear", [[1731898200001, 1, 1, 1, 1, 1]]),
        ("linear", {}),
    ],
)
def test_rows_that_are_not_the_protocol_raise(market: Market, rows: Any) -> None:
    with pytest.raises(msgspec.DecodeError):
        rest.parse_candles(stream(market), body(rows), {"XBTUSDTM": contract(market)}, 0)


# --- instruments ----------------------------------------------------------------------------


def pair(**changes: Any) -> dict[str, Any]:
    fields = {
        "symbol": "BTC-USDT", "name": "BTC-USDT", "baseCurrency": "BTC", "quoteCurrency": "USDT",
        "baseIncrement": "0.00000001", "priceIncrement": "0.1", "enableTrading": True,
    }  # fmt: skip
    return fields | changes


def future(**changes: Any) -> dict[str, Any]:
    fields = {
        "symbol": "XBTUSDTM", "type": "FFWCSX", "baseCurrency": "XBT", "quoteCurrency": "USDT",
        "settleCurrency": "USDT", "lotSize": 1, "tickSize": 0.1, "multiplier": 0.001,
        "isInverse": False, "status": "Open", "expireDate": None,
    }  # fmt: skip
    return fields | changes


INVERSE = {
    "symbol": "XBTUSDM",
    "quoteCurrency": "USD",
    "settleCurrency": "XBT",
    "multiplier": -1,
    "isInverse": True,
}
DATED = INVERSE | {"symbol": "XBTMZ26", "type": "FFICSX", "expireDate": 1798185600000}


def instruments(market: Market, *rows: Any) -> Any:
    return rest.parse_instruments(market, body(rows)).instruments


def test_instruments_of_spot() -> None:
    btc, halted = instruments("spot", pair(), pair(symbol="X-Y", enableTrading=False))
    assert (btc.kind, btc.unified, btc.trading) == ("spot", "BTC/USDT", "trading")
    assert (btc.tick_size, btc.step_size, btc.contract_size) == ("0.1", "0.00000001", None)
    assert halted.trading == "halted"
    # After a coin was renamed: the symbol is the key, whatever its name says.
    (renamed,) = instruments("spot", pair(symbol="GALAX-USDT", name="GALA-USDT"))
    assert renamed.symbol == "GALAX-USDT"


def test_one_list_holds_both_futures_markets() -> None:
    rows = (future(), future(**INVERSE), future(**DATED))
    (linear,) = instruments("linear", *rows)
    assert (linear.unified, linear.base, linear.settle) == ("BTC/USDT:USDT", "BTC", "USDT")
    assert (linear.contract_size, linear.contract_unit) == ("0.001", "BTC")
    assert (linear.tick_size, linear.step_size, linear.expiry_ms) == ("0.1", "1", None)
    perpetual, dated = instruments("inverse", *rows)
    assert (perpetual.unified, perpetual.settle) == ("BTC/USD:BTC", "BTC")
    assert (perpetual.contract_size, perpetual.contract_unit) == ("1", "USD"), "never negative"
    assert (dated.kind, dated.unified) == ("delivery", "BTC/USD:BTC-261225")
    assert dated.expiry_ms == 1798185600000


@pytest.mark.parametrize(
    ("status", "trading"),
    [
        ("Open", "trading"), ("Init", "halted"), ("Paused", "halted"), ("CancelOnly", "halted"),
        ("BeingSettled", "halted"), ("Settled", "closed"), ("Closed", "closed"), ("New", "halted"),
    ],
)  # fmt: skip
def test_states_of_contracts(status: str, trading: str) -> None:
    (one,) = instruments("linear", future(status=status))
    assert one.trading == trading


def test_small_numbers_are_plain_digits() -> None:
    raw = body([future()]).replace(b'"tickSize": 0.1', b'"tickSize": 1.0E-7')
    (one,) = rest.parse_instruments("linear", raw).instruments
    assert one.tick_size == "0.00000010"


def test_one_strange_listing_does_not_cost_the_others() -> None:
    rows = ({}, 7, future(type="FFXYZ"), future(multiplier="NaN"), future(expireDate=""))
    (one,) = instruments("linear", *rows)
    assert one.symbol == "XBTUSDTM"
    with pytest.raises(msgspec.ValidationError):
        instruments("linear", {}, 7)
    assert list(instruments("inverse", future())) == [], "none of this market is no mistake"


# --- time and failures ----------------------------------------------------------------------


def test_the_exchange_clock() -> None:
    assert rest.time_request("inverse").url == "https://api-futures.kucoin.com/api/v1/timestamp"
    assert rest.parse_time("spot", b'{"code":"200000","data":1729100692873}') == 1729100692873
    with pytest.raises(msgspec.ValidationError):
        rest.parse_time("spot", body("soon"))


@pytest.mark.parametrize(
    ("status", "headers", "answer", "reason", "wait"),
    [
        (200, {}, b'{"code":"400100","msg":"symbol is required"}', "config", None),
        (200, {}, b'{"code":"400100","msg":"Unsupported trading pair."}', "unsupported", None),
        (200, {}, b'{"code":"429000","msg":"m"}', "rate", None),
        (200, {}, b'{"code":"777777","msg":"m"}', "transient", None),
        (200, {}, b'{"code":429000,"data":1}', "rate", None),
        (200, {}, b"<html>", "transient", None),
        (200, {}, b'{"code":"' + b"9" * 5000 + b'"}', "transient", None),
        (429, {"gw-ratelimit-reset": "2500"}, b'{"code":"429000"}', "rate", 2.5),
        (429, {"retry-after": "7"}, b"", "rate", 7),
        (429, {"gw-ratelimit-reset": "soon"}, b"", "rate", None),
        (403, {}, b"<html>1015</html>", "rate", None),
        (401, {}, b'{"code":"400003","msg":"key"}', "auth", None),
        (404, {}, b"", "transient", None),
        (502, {}, b"bad gateway", "transient", None),
        (500, {}, b'{"code":"500000","msg":"m"}', "transient", None),
    ],
)
def test_failures_have_a_meaning_whatever_the_status(
    status: int, headers: dict[str, str], answer: bytes, reason: str, wait: float | None
) -> None:
    failure = rest.rest_failure(status, headers, answer)
    assert failure is not None
    assert (failure.reason, failure.retry_after_s) == (reason, wait)


@pytest.mark.parametrize(("code", "reason"), ERRORS.items())
def test_every_code_of_the_table_has_its_reason(code: int, reason: str) -> None:
    failure = rest.rest_failure(200, {}, json.dumps({"code": str(code)}).encode())
    assert failure is not None
    assert failure.reason == reason


def test_success_is_no_failure() -> None:
    assert rest.rest_failure(200, {}, body([])) is None


@given(st.binary(max_size=100), st.sampled_from(MARKETS), st.sampled_from([200, 429, 500]))
def test_no_body_raises_anything_but_what_is_promised(
    raw: bytes, market: Market, status: int
) -> None:
    rest.rest_failure(status, {}, raw)
    readers = (
        lambda: rest.parse_address(market, raw),
        lambda: rest.parse_time(market, raw),
        lambda: rest.parse_instruments(market, raw),
        lambda: rest.parse_candles(stream(market), raw, {}, 0),
    )
    for read in readers:
        with pytest.raises(msgspec.DecodeError):
            read()


@pytest.mark.parametrize(
    ("left", "reset_ms", "used"),
    [("1500", "10000", Used("public", 500, 20.0)), ("4000", "30000", Used("public", 0, 0.0)),
     ("0", "99000", Used("public", 2000, 0.0))],
)  # fmt: skip
def test_what_is_left_of_a_window_tells_what_was_used(left: str, reset_ms: str, used: Used) -> None:
    headers = {"gw-ratelimit-remaining": left, "gw-ratelimit-reset": reset_ms}
    assert rest.used(rest.time_request("spot"), headers) == used
    assert rest.used(rest.time_request("spot"), {"gw-ratelimit-remaining": left}) is None
