"""Binance's REST: requests as data, answers parsed."""

import json
from typing import Any

import msgspec
import pytest

from common.exchanges.binance import rest
from common.exchanges.binance.parse import parse
from common.exchanges.budget import Used
from common.model.streams import Market, Stream
from tests.exchanges.binance.test_parse import CONTRACT, KLINE, frame

ROW = [
    1672515780000,
    "0.0010",
    "0.0025",
    "0.0015",
    "0.0020",
    "1000",
    1672515839999,
    "1.0000",
    100,
    "500",
    "0.500",
    "0",
]


@pytest.mark.parametrize(
    ("market", "url"),
    [
        ("spot", "https://api.binance.com/api/v3/klines"),
        ("linear", "https://fapi.binance.com/fapi/v1/klines"),
        ("inverse", "https://dapi.binance.com/dapi/v1/klines"),
    ],
)
def test_candles_are_asked_for_with_both_ends(market: Market, url: str) -> None:
    stream = Stream("binance", market, "candle", "BTCUSDT", "1m")
    request = rest.candles_request(stream, 1672515780000, 1672515840000)
    assert request.url == url
    assert request.params["startTime"] == "1672515780000"
    assert request.params["endTime"] == "1672515839999"
    assert request.params["interval"] == "1m"


@pytest.mark.parametrize("market", ["spot", "inverse"])
def test_a_closed_row_is_the_same_candle_as_the_closed_frame(market: Market) -> None:
    catalog = {"BNBBTC": CONTRACT}
    stream = Stream("binance", market, "candle", "BNBBTC", "1m")
    live = parse(market, frame({**KLINE, "k": {**KLINE["k"], "x": True}}), catalog)[0]
    row = rest.parse_candles(stream, json.dumps([ROW]).encode(), catalog, 1672515840000)
    assert list(row) == [live]
    assert msgspec.json.encode(row[0]) == msgspec.json.encode(live)


def test_the_running_row_is_open() -> None:
    stream = Stream("binance", "spot", "candle", "BNBBTC", "1m")
    (candle,) = rest.parse_candles(stream, json.dumps([ROW]).encode(), {}, 1672515839999)
    assert not candle.closed


def spot_symbol(**changes: Any) -> dict[str, Any]:
    symbol = {
        "symbol": "BTCUSDT",
        "status": "TRADING",
        "baseAsset": "BTC",
        "quoteAsset": "USDT",
        "filters": [
            {"filterType": "PRICE_FILTER", "tickSize": "0.01"},
            {"filterType": "LOT_SIZE", "stepSize": "0.00001"},
            {"filterType": "NOTIONAL", "minNotional": "5"},
        ],
    }
    return {**symbol, **changes}


def instruments(market: Market, *symbols: dict[str, Any]) -> Any:
    return rest.parse_instruments(market, json.dumps({"symbols": symbols}).encode()).instruments


def test_instruments_of_spot() -> None:
    btc, halted = instruments("spot", spot_symbol(), spot_symbol(symbol="X", status="BREAK"))
    assert (btc.kind, btc.unified, btc.trading) == ("spot", "BTC/USDT", "trading")
    assert (btc.tick_size, btc.step_size, btc.contract_size) == ("0.01", "0.00001", None)
    assert halted.trading == "halted"


def test_a_contract_without_a_type_yet_is_perpetual_if_it_never_ends() -> None:
    (pending,) = instruments(
        "linear",
        {
            "symbol": "BTCSTUSDT",
            "status": "PENDING_TRADING",
            "contractType": "",
            "baseAsset": "BTCST",
            "quoteAsset": "USDT",
            "marginAsset": "USDT",
            "deliveryDate": 4133404800000,
        },
    )
    assert (pending.kind, pending.unified) == ("perpetual", "BTCST/USDT:USDT")
    assert (pending.trading, pending.expiry_ms) == ("halted", None)


def test_instruments_of_the_futures() -> None:
    perpetual, quarterly = instruments(
        "inverse",
        {
            "symbol": "BTCUSD_PERP",
            "contractStatus": "TRADING",
            "contractType": "PERPETUAL",
            "contractSize": 100,
            "baseAsset": "BTC",
            "quoteAsset": "USD",
            "marginAsset": "BTC",
            "deliveryDate": 4133404800000,
        },
        {
            "symbol": "BTCUSD_261225",
            "contractStatus": "PENDING_TRADING",
            "contractType": "CURRENT_QUARTER",
            "contractSize": 100,
            "baseAsset": "BTC",
            "quoteAsset": "USD",
            "marginAsset": "BTC",
            "deliveryDate": 1798185600000,
        },
    )
    assert perpetual.unified == "BTC/USD:BTC"
    assert (perpetual.contract_size, perpetual.contract_unit) == ("100", "USD")
    assert perpetual.expiry_ms is None
    assert quarterly.unified == "BTC/USD:BTC-261225"
    assert quarterly.trading == "halted"


def test_one_strange_listing_does_not_cost_the_others() -> None:
    (btc,) = instruments("spot", spot_symbol(), {"symbol": "NEW"})
    assert btc.symbol == "BTCUSDT"
    with pytest.raises(msgspec.ValidationError):
        instruments("spot", {"symbol": "NEW"}, {"symbol": "NEWER"})


def test_a_body_that_is_not_the_protocol_raises() -> None:
    with pytest.raises(msgspec.DecodeError):
        rest.parse_instruments("spot", b"<html>")
    with pytest.raises(msgspec.ValidationError):
        rest.parse_time("spot", b'{"serverTime":"soon"}')


def test_the_exchange_clock() -> None:
    assert rest.time_request("linear").url == "https://fapi.binance.com/fapi/v1/time"
    assert rest.parse_time("linear", b'{"serverTime":1499827319559}') == 1499827319559


@pytest.mark.parametrize(
    ("status", "headers", "body", "reason", "wait"),
    [
        (429, {"retry-after": "7"}, b'{"code":-1003,"msg":"Too many"}', "rate", 7.0),
        (418, {"retry-after": "120"}, b"", "rate", 120.0),
        (403, {}, b"<html>WAF</html>", "rate", None),
        (400, {}, b'{"code":-1121,"msg":"Invalid symbol."}', "unsupported", None),
        (404, {}, b"", "transient", None),
        (502, {}, b"bad gateway", "transient", None),
    ],
)
def test_failures_have_a_meaning(
    status: int, headers: dict[str, str], body: bytes, reason: str, wait: float | None
) -> None:
    failure = rest.rest_failure(status, headers, body)
    assert failure is not None
    assert (failure.reason, failure.retry_after_s) == (reason, wait)


def test_success_is_no_failure() -> None:
    assert rest.rest_failure(200, {}, b"{}") is None


@pytest.mark.parametrize(
    ("market", "minutes", "limit", "weight"),
    [("spot", 1000, "1000", 2), ("spot", 1, "1", 2), ("linear", 1, "1", 1), ("linear", 99, "99", 1),
     ("linear", 100, "100", 2), ("inverse", 499, "499", 2), ("inverse", 500, "500", 5),
     ("linear", 1000, "1000", 5)],
)  # fmt: skip
def test_no_more_bars_are_paid_for_than_there_may_be(
    market: Market, minutes: int, limit: str, weight: int
) -> None:
    """Settling a bar asks for one: at the weight of 1500 two markets would use up the address."""
    stream = Stream("binance", market, "candle", "X", "1m")
    request = rest.candles_request(stream, 1_700_000_040_000, 1_700_000_040_000 + minutes * 60_000)
    name = "spot" if market == "spot" else "futures"
    assert (request.params["limit"], request.cost) == (limit, {name: weight})


@pytest.mark.parametrize(("market", "budget"), [("spot", "spot"), ("inverse", "futures")])
def test_the_used_weight_is_of_this_minute_by_the_exchange_clock(
    market: Market, budget: str
) -> None:
    headers = {"x-mbx-used-weight-1m": "1234", "date": "Wed, 21 Oct 2026 07:28:40 GMT"}
    assert rest.used(rest.time_request(market), headers) == Used(budget, 1234, 40.0)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x-mbx-used-weight-1m": "7"},
        {"x-mbx-used-weight-1m": "7", "date": "yesterday"},
        {"x-mbx-used-weight-1m": "many", "date": "Wed, 21 Oct 2026 07:28:40 GMT"},
        {"date": "Wed, 21 Oct 2026 07:28:40 GMT"},
    ],
)
def test_without_weight_and_time_nothing_is_known_to_be_used(headers: dict[str, str]) -> None:
    assert rest.used(rest.time_request("spot"), headers) is None
