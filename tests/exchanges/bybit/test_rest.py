"""Bybit's REST: requests as data, answers parsed."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.exchanges.bybit import rest
from common.exchanges.bybit.parse import parse
from common.model.streams import MARKETS, Market, Stream
from tests.exchanges.bybit.test_parse import BAR, kline

ROW = ["1672324800000", "16649.5", "16678", "16608", "16677", "2.081", "34666.4005"]
NEXT = ["1672325100000", "16677", "16680", "16670", "16671", "1", "16675"]
FIVE = {market: Stream("bybit", market, "candle", "BTCUSDT", "5m") for market in MARKETS}


def body(result: Any, **fields: Any) -> bytes:
    envelope = {"retCode": 0, "retMsg": "OK", "result": result, "retExtInfo": {}}
    return json.dumps({**envelope, "time": 1672325000000, **fields}).encode()


def klines(*rows: Any) -> bytes:
    return body({"symbol": "BTCUSDT", "category": "linear", "list": rows})


# --- candles --------------------------------------------------------------------------------


@pytest.mark.parametrize("market", MARKETS)
def test_candles_are_asked_for_with_both_ends_inclusive(market: Market) -> None:
    request = rest.candles_request(FIVE[market], 1672324800000, 1672325400000)
    assert request.url == "https://api.bybit.com/v5/market/kline"
    assert request.params == {
        "category": market,
        "symbol": "BTCUSDT",
        "interval": "5",
        "start": "1672324800000",
        "end": "1672325399999",  # the bar that starts at the end is not asked for
        "limit": "1000",
    }


def test_rows_come_newest_first_and_go_out_oldest_first() -> None:
    candles = rest.parse_candles(FIVE["linear"], klines(NEXT, ROW), {}, 1672325400000)
    assert [candle.start_ms for candle in candles] == [1672324800000, 1672325100000]
    assert all(candle.closed for candle in candles)


@pytest.mark.parametrize("market", MARKETS)
def test_a_closed_row_is_the_same_candle_as_the_closed_frame(market: Market) -> None:
    (live,) = parse(market, kline({**BAR, "confirm": True}), {})
    (row,) = rest.parse_candles(FIVE[market], klines(ROW), {}, 1672325100000)
    assert row == live
    assert msgspec.json.encode(row) == msgspec.json.encode(live)


def test_the_running_row_is_open() -> None:
    (candle,) = rest.parse_candles(FIVE["spot"], klines(ROW), {}, 1672325099999)
    assert not candle.closed
    assert candle.event_ms == 1672325099999


def test_nothing_is_no_mistake() -> None:
    assert rest.parse_candles(FIVE["spot"], klines(), {}, 1672325099999) == []


@pytest.mark.parametrize(
    "row",
    [
        ROW[:-1],
        ["soon", *ROW[1:]],
        ["1672324800001", *ROW[1:]],
        ["9" * 40, *ROW[1:]],
        [*ROW[:1], 16649.5, *ROW[2:]],
    ],
)
def test_a_row_that_is_none_raises(row: Any) -> None:
    with pytest.raises(msgspec.ValidationError):
        rest.parse_candles(FIVE["spot"], klines(row), {}, 1672325099999)


# --- instruments ----------------------------------------------------------------------------


def contract(**changes: Any) -> dict[str, Any]:
    symbol = {
        "symbol": "BTCUSDT",
        "contractType": "LinearPerpetual",
        "status": "Trading",
        "baseCoin": "BTC",
        "quoteCoin": "USDT",
        "settleCoin": "USDT",
        "launchTime": "1585526400000",
        "deliveryTime": "0",
        "priceFilter": {"minPrice": "0.10", "maxPrice": "1999999.80", "tickSize": "0.10"},
        "lotSizeFilter": {"maxOrderQty": "1190.000", "qtyStep": "0.001"},
        "isPreListing": False,
        "preListingInfo": None,
    }
    return {**symbol, **changes}


def page(market: Market, *rows: Any, cursor: Any = "") -> Any:
    result = {"category": market, "list": rows, "nextPageCursor": cursor}
    return rest.parse_instruments(market, body(result))


def test_instruments_of_spot() -> None:
    raw = body(
        {
            "category": "spot",
            "list": [
                {
                    "symbol": "BTCUSDT",
                    "baseCoin": "BTC",
                    "quoteCoin": "USDT",
                    "status": "Trading",
                    "lotSizeFilter": {"basePrecision": "0.000001", "minOrderQty": "0.000048"},
                    "priceFilter": {"tickSize": "0.01"},
                }
            ],
        }
    )
    (btc,) = rest.parse_instruments("spot", raw).instruments
    assert (btc.kind, btc.unified, btc.trading, btc.settle) == (
        "spot",
        "BTC/USDT",
        "trading",
        "USDT",
    )
    assert (btc.tick_size, btc.step_size, btc.contract_size) == ("0.01", "0.000001", None)


def test_instruments_of_linear() -> None:
    usdc = {"quoteCoin": "USDC", "settleCoin": "USDC"}
    perpetual, other, dated = page(
        "linear",
        contract(),
        contract(symbol="BTCPERP", **usdc),
        contract(
            symbol="BTC-26DEC25",
            contractType="LinearFutures",
            deliveryTime="1766736000000",
            **usdc,
        ),
    ).instruments
    assert perpetual.unified == "BTC/USDT:USDT"
    assert (perpetual.tick_size, perpetual.step_size) == ("0.10", "0.001")
    assert (perpetual.contract_size, perpetual.contract_unit) == (None, None)
    assert other.unified == "BTC/USDC:USDC"
    assert (dated.kind, dated.unified) == ("delivery", "BTC/USDC:USDC-251226")
    assert dated.expiry_ms == 1766736000000


def test_an_inverse_contract_is_one_quote_unit() -> None:
    inverse = {"quoteCoin": "USD", "settleCoin": "BTC"}
    perpetual, dated = page(
        "inverse",
        contract(symbol="BTCUSD", contractType="InversePerpetual", **inverse),
        contract(
            symbol="BTCUSDZ25",
            contractType="InverseFutures",
            deliveryTime="1766736000000",
            **inverse,
        ),
    ).instruments
    assert (perpetual.unified, perpetual.contract_size) == ("BTC/USD:BTC", "1")
    assert perpetual.contract_unit == "USD"
    assert dated.unified == "BTC/USD:BTC-251226"


@pytest.mark.parametrize("delivery", ["0", "", "1702582000000", None])
def test_a_perpetual_does_not_expire_whatever_its_delivery_time(delivery: str | None) -> None:
    (btc,) = page("linear", contract(deliveryTime=delivery)).instruments
    assert btc.expiry_ms is None


@pytest.mark.parametrize(
    ("status", "phase", "trading"),
    [
        ("Trading", None, "trading"),
        ("PreLaunch", "CallAuction", "halted"),
        ("PreLaunch", "ContinuousTrading", "trading"),
        ("Delivering", None, "halted"),
        ("Closed", None, "closed"),
        ("SomethingNew", None, "halted"),
    ],
)
def test_whether_it_trades(status: str, phase: str | None, trading: str) -> None:
    info = None if phase is None else {"curAuctionPhase": phase, "phases": []}
    (btc,) = page("linear", contract(status=status, preListingInfo=info)).instruments
    assert btc.trading == trading


def test_pre_market_contracts_are_asked_for_by_their_own_status() -> None:
    asked = [request.params for request in rest.instruments_requests("linear")]
    assert asked == [
        {"category": "linear", "status": "Trading", "limit": "1000"},
        {"category": "linear", "status": "PreLaunch", "limit": "1000"},
    ]
    (spot,) = rest.instruments_requests("spot")
    assert spot.params == {"category": "spot"}


def test_a_cursor_leads_to_the_next_page_of_the_same_status() -> None:
    following = page("linear", contract(status="PreLaunch"), cursor="first%3D1%26last%3D2")
    assert following.next_page is not None
    assert following.next_page.params == {
        "category": "linear",
        "status": "PreLaunch",
        "limit": "1000",
        "cursor": "first%3D1%26last%3D2",
    }


@pytest.mark.parametrize("cursor", ["", None])
def test_the_last_page_has_no_cursor(cursor: str | None) -> None:
    assert page("linear", contract(), cursor=cursor).next_page is None


def test_an_empty_page_is_the_last_whatever_its_cursor() -> None:
    empty = page("inverse", cursor="more")
    assert (list(empty.instruments), empty.next_page) == ([], None)


def test_one_strange_listing_does_not_cost_the_others() -> None:
    strange = contract(contractType="LinearOption")
    (btc,) = page("linear", strange, contract(), contract(contractType=None), {}).instruments
    assert btc.symbol == "BTCUSDT"
    with pytest.raises(msgspec.ValidationError):
        page("linear", strange, {"symbol": "NEWER"})


# --- time, failures -------------------------------------------------------------------------


def test_the_exchange_clock() -> None:
    assert rest.time_request("linear").url == "https://api.bybit.com/v5/market/time"
    assert rest.parse_time("linear", body({}, time=1672025956592)) == 1672025956592
    assert rest.parse_time("spot", body({}, time="1666879482792")) == 1666879482792
    with pytest.raises(msgspec.ValidationError):
        rest.parse_time("spot", body({}, time="soon"))


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (10000, "transient"),
        (10001, "config"),
        (10002, "transient"),
        (10003, "auth"),
        (10006, "rate"),
        (10009, "rate"),
        (10029, "unsupported"),
        (33004, "auth"),
        (987654, "transient"),
    ],
)
def test_a_code_other_than_zero_is_a_failure_though_the_status_is_200(
    code: int, reason: str
) -> None:
    failure = rest.rest_failure(200, {}, body({}, retCode=code, retMsg="m"))
    assert failure is not None
    assert (failure.reason, failure.detail) == (reason, f"HTTP 200 {code} m")


@pytest.mark.parametrize(
    ("status", "headers", "raw", "reason", "wait"),
    [
        (403, {}, b"access too frequent", "rate", 600.0),
        (403, {}, b'{"retCode":10024,"retMsg":"compliance"}', "rate", 600.0),
        (429, {"retry-after": "7"}, b"", "rate", 7.0),
        (404, {}, b"", "transient", None),
        (502, {}, b"<html>bad gateway</html>", "transient", None),
        (200, {}, b"<html>", "transient", None),
        (200, {}, b"{}", "transient", None),
        (200, {}, b'{"retCode":"zero"}', "transient", None),
    ],
)
def test_failures_have_a_meaning(
    status: int, headers: dict[str, str], raw: bytes, reason: str, wait: float | None
) -> None:
    failure = rest.rest_failure(status, headers, raw)
    assert failure is not None
    assert (failure.reason, failure.retry_after_s) == (reason, wait)


@pytest.mark.parametrize(("reset", "wait"), [("1672325002500", 2.5), ("1672324999000", 1.0)])
def test_a_limit_lasts_until_the_time_it_tells(reset: str, wait: float) -> None:
    headers = {"x-bapi-limit-reset-timestamp": reset}
    failure = rest.rest_failure(200, headers, body({}, retCode=10006, retMsg="Too many visits!"))
    assert failure is not None
    assert (failure.reason, failure.retry_after_s) == ("rate", wait)


@pytest.mark.parametrize("code", [0, "0"])
def test_success_is_no_failure(code: Any) -> None:
    assert rest.rest_failure(200, {}, body({}, retCode=code)) is None


@pytest.mark.parametrize("raw", [b"", b"<html>", b"\xff\xfe", b'{"result":"\xff"}', b"[" * 9999])
def test_a_body_that_is_not_the_protocol_raises_what_the_contract_says(raw: bytes) -> None:
    for read in (
        lambda: rest.parse_instruments("linear", raw),
        lambda: rest.parse_time("linear", raw),
        lambda: rest.parse_candles(FIVE["linear"], raw, {}, 0),
    ):
        with pytest.raises(msgspec.DecodeError):
            read()


@given(st.binary(max_size=100), st.sampled_from([200, 403, 429, 500]))
def test_no_bytes_raise_where_a_failure_is_told(raw: bytes, status: int) -> None:
    assert rest.rest_failure(status, {}, raw) is not None
