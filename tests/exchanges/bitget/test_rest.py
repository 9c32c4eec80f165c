"""Bitget's REST: requests as data, answers parsed."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from common.exchanges.bitget import BITGET, rest
from common.exchanges.bitget.describe import ERRORS
from common.exchanges.bitget.parse import parse
from common.model.intervals import DAY_MS, INTERVALS, end_of, source_of
from common.model.streams import MARKETS, Market, Stream
from tests.exchanges.bitget.test_parse import LATER, ROW, SENT_MS, frame


def stream(market: Market = "spot", interval: str = "1m") -> Stream:
    return Stream("bitget", market, "candle", "BTCUSDT", interval)


def body(data: Any, **changes: Any) -> bytes:
    answer = {"code": "00000", "msg": "success", "requestTime": SENT_MS, "data": data, **changes}
    return json.dumps(answer).encode()


# --- candles --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("market", "product"), [("linear", "USDT-FUTURES"), ("inverse", "COIN-FUTURES")]
)
def test_futures_are_asked_for_both_ends_and_one_bar_more_than_they_hold(
    market: Market, product: str
) -> None:
    """Should ``endTime`` be inclusive after all, the row too many pushes out none."""
    request = rest.candles_request(stream(market), 1786540380000, 1786540560000)
    assert request.url == "https://api.bitget.com/api/v2/mix/market/history-candles"
    assert request.params == {
        "symbol": "BTCUSDT",
        "productType": product,
        "granularity": "1m",
        "startTime": "1786540380000",
        "endTime": "1786540560000",
        "limit": "4",
    }


def test_spot_is_asked_for_as_many_bars_as_the_range_holds() -> None:
    request = rest.candles_request(stream("spot"), 1786540380000, 1786540560000)
    assert request.url == "https://api.bitget.com/api/v2/spot/market/history-candles"
    assert request.params == {
        "symbol": "BTCUSDT",
        "granularity": "1min",
        "endTime": "1786540560000",
        "limit": "3",
    }


@pytest.mark.parametrize("market", MARKETS)
def test_no_answer_is_asked_to_be_longer_than_it_can_be(market: Market) -> None:
    most = BITGET.markets[market].rest.candles_per_request
    request = rest.candles_request(stream(market), 0, most * 60_000)
    assert request.params["limit"] == "200"


@pytest.mark.parametrize(
    ("interval", "start_ms", "end_ms", "limit"),
    [
        ("1m", 0, 60_000, "1"),
        ("1m", 0, 60_001, "2"),
        ("1m", 1, 60_000, "1"),  # nothing starts there; fewer than one cannot be asked for
        ("1m", 1, 60_001, "1"),
        ("1m", 0, DAY_MS, "200"),
        ("1d", 0, 90 * DAY_MS, "90"),
        ("1w", 4 * DAY_MS, 18 * DAY_MS, "2"),
        ("1M", 0, 90 * DAY_MS, "3"),  # January, February and March of 1970
    ],
)
def test_no_more_bars_are_asked_for_than_the_range_has(
    interval: str, start_ms: int, end_ms: int, limit: str
) -> None:
    """Spot's history has no start: more would reach back beyond it."""
    assert rest.candles_request(stream("spot", interval), start_ms, end_ms).params["limit"] == limit


def test_the_names_of_spot_and_futures_differ_and_count_from_utc() -> None:
    asked = {
        market: [
            rest.candles_request(stream(market, interval), 0, end_of(interval, 0)).params[
                "granularity"
            ]
            for interval in ("30m", "1h", "4h", "6h", "12h", "1d", "1w", "1M")
        ]
        for market in MARKETS
    }
    utc = ["6Hutc", "12Hutc", "1Dutc", "1Wutc", "1Mutc"]
    assert asked["spot"] == ["30min", "1h", "4h", *utc]
    assert asked["linear"] == asked["inverse"] == ["30m", "1H", "4H", *utc]


@pytest.mark.parametrize(
    ("market", "built"),
    [
        ("spot", {"3m": "1m", "2h": "1h", "8h": "4h", "3d": "1d"}),
        ("linear", {"8h": "4h", "3d": "1d"}),
        ("inverse", {"8h": "4h", "3d": "1d"}),
    ],
)
def test_what_is_built_and_of_what(market: Market, built: dict[str, str]) -> None:
    native = BITGET.markets[market].rest.intervals
    assert {one: source_of(one, native) for one in INTERVALS if one not in native} == built


@pytest.mark.parametrize("market", MARKETS)
@pytest.mark.parametrize("columns", [7, 8])
def test_an_ended_row_is_the_bar_of_the_live_frame_closed(market: Market, columns: int) -> None:
    row = [*ROW, ROW[6]][:columns]
    (live,) = parse(market, frame([row], market), {})
    (closed,) = rest.parse_candles(stream(market), body([row]), {}, 1786540440000)
    assert closed == msgspec.structs.replace(live, closed=True, event_ms=UNSET)
    assert closed.volume == "82.2307"


def test_the_running_row_is_open_and_the_oldest_comes_first() -> None:
    first, last = rest.parse_candles(stream(), body([LATER, ROW]), {}, 1786540499999)
    assert (first.start_ms, last.start_ms) == (1786540380000, 1786540440000)
    assert (first.closed, last.closed) == (True, False)
    assert (first.event_ms, last.event_ms) == (UNSET, 1786540499999)


def test_no_bars_are_no_bars() -> None:
    assert rest.parse_candles(stream(), body([]), {}, 0) == []


@pytest.mark.parametrize(
    "data",
    [None, "", {}, [ROW[:6]], [[*ROW[:4], 63905.8, *ROW[5:]]], [["1786540380001", *ROW[1:]]]],
)
def test_an_answer_of_another_kind_raises(data: Any) -> None:
    with pytest.raises(msgspec.ValidationError):
        rest.parse_candles(stream(), body(data), {}, 0)


def test_days_that_count_from_utc_plus_8_raise() -> None:
    with pytest.raises(msgspec.ValidationError, match="no 1d bar starts"):
        rest.parse_candles(stream("spot", "1d"), body([["1786464000000", *ROW[1:]]]), {}, 0)


# --- instruments ----------------------------------------------------------------------------


def pair(**changes: Any) -> dict[str, Any]:
    return {
        "symbol": "BTCUSDT",
        "baseCoin": "BTC",
        "quoteCoin": "USDT",
        "pricePrecision": "4",
        "quantityPrecision": "8",
        "status": "online",
        **changes,
    }


def contract(**changes: Any) -> dict[str, Any]:
    return {
        "symbol": "BTCUSDT",
        "baseCoin": "BTC",
        "quoteCoin": "USDT",
        "supportMarginCoins": ["USDT"],
        "priceEndStep": "1",
        "pricePlace": "1",
        "volumePlace": "2",
        "sizeMultiplier": "0.01",
        "symbolType": "perpetual",
        "symbolStatus": "normal",
        "deliveryTime": "",
        **changes,
    }


def instruments(market: Market, *rows: dict[str, Any]) -> Any:
    page = rest.parse_instruments(market, body(rows))
    assert page.next_page is None
    return page.instruments


def test_one_request_lists_a_market() -> None:
    asked = {market: rest.instruments_requests(market) for market in MARKETS}
    assert [len(requests) for requests in asked.values()] == [1, 1, 1]
    spot, linear, inverse = (requests[0] for requests in asked.values())
    assert spot.url == "https://api.bitget.com/api/v2/spot/public/symbols"
    assert linear.url == inverse.url == "https://api.bitget.com/api/v2/mix/market/contracts"
    assert linear.params == {"productType": "USDT-FUTURES"}
    assert inverse.params == {"productType": "COIN-FUTURES"}


def test_instruments_of_spot() -> None:
    (btc,) = instruments("spot", pair())
    assert (btc.kind, btc.unified, btc.trading) == ("spot", "BTC/USDT", "trading")
    assert (btc.tick_size, btc.step_size) == ("0.0001", "0.00000001")
    assert (btc.contract_size, btc.expiry_ms) == (None, None)


def test_instruments_of_the_futures() -> None:
    (linear,) = instruments("linear", contract())
    assert (linear.unified, linear.tick_size, linear.step_size) == ("BTC/USDT:USDT", "0.1", "0.01")
    perpetual, dated = instruments(
        "inverse",
        contract(symbol="BTCUSD", quoteCoin="USD", supportMarginCoins=["BTC", "ETH", "USDC"]),
        contract(
            symbol="BTCUSDZ26",
            quoteCoin="USD",
            supportMarginCoins=["ETH"],
            symbolType="delivery",
            deliveryTime="1798185600000",
        ),
    )
    assert (perpetual.unified, perpetual.expiry_ms) == ("BTC/USD:BTC", None)
    assert (dated.kind, dated.unified) == ("delivery", "BTC/USD:BTC-261225")
    # sizes are in the base coin: there is nothing to multiply
    assert (perpetual.contract_size, perpetual.contract_unit) == (None, None)


@pytest.mark.parametrize(
    ("step", "places", "tick"),
    [
        ("1", "1", "0.1"),
        ("5", "2", "0.05"),
        ("5", "0", "5"),
        ("10", "1", "1.0"),
        ("1", "10", "0.0000000001"),
        ("25", "4", "0.0025"),
    ],
)
def test_ticks_are_exact_and_plain_digits(step: str, places: str, tick: str) -> None:
    (one,) = instruments("linear", contract(priceEndStep=step, pricePlace=places))
    assert one.tick_size == tick


@pytest.mark.parametrize(
    ("status", "trading"),
    [("online", "trading"), ("offline", "closed"), ("gray", "halted"), ("halt", "halted"),
     ("new word", "halted")],
)  # fmt: skip
def test_what_trades_on_spot(status: str, trading: str) -> None:
    assert instruments("spot", pair(status=status))[0].trading == trading


@pytest.mark.parametrize(
    ("status", "trading"),
    [("normal", "trading"), ("limit_open", "trading"), ("restrictedAPI", "trading"),
     ("maintain", "halted"), ("listed", "halted"), ("off", "closed")],
)  # fmt: skip
def test_what_trades_on_futures(status: str, trading: str) -> None:
    assert instruments("linear", contract(symbolStatus=status))[0].trading == trading


def test_one_strange_listing_does_not_cost_the_others() -> None:
    strange = [{"symbol": "NEW"}, contract(symbolType="option"), contract(pricePlace="-1")]
    (btc,) = instruments("linear", *strange, contract(), *strange)
    assert btc.symbol == "BTCUSDT"
    with pytest.raises(msgspec.ValidationError):
        instruments("linear", *strange)
    assert instruments("linear") == []


# --- time and failures ----------------------------------------------------------------------


def test_the_exchange_clock() -> None:
    assert rest.time_request("linear").url == "https://api.bitget.com/api/v2/public/time"
    assert rest.parse_time("spot", body({"serverTime": "1688008631614"})) == 1688008631614


@pytest.mark.parametrize("told", ["soon", "", "²", 1688008631614, None])
def test_a_clock_that_tells_no_time_raises(told: Any) -> None:
    with pytest.raises(msgspec.ValidationError):
        rest.parse_time("spot", body({"serverTime": told}))


@pytest.mark.parametrize(
    ("status", "headers", "raw", "reason", "wait"),
    [
        (200, {}, body(None, code="40034", msg="Parameter does not exist"), "unsupported", None),
        (400, {}, body(None, code="400172", msg="Parameter verification failed"), "config", None),
        (400, {}, body(None, code="40085", msg="Unified Account mode"), "config", None),
        (200, {}, body([], code="40018", msg="Invalid IP"), "auth", None),
        (200, {}, body(None, code="45001", msg="release"), "transient", None),
        (200, {}, body(None, code="40808", msg="release"), "transient", None),
        (200, {}, body(None, code=1001, msg="too many"), "rate", None),
        (200, {}, b"", "transient", None),
        (200, {}, b"<html>", "transient", None),
        (200, {}, b"[" * 100_000, "transient", None),
        (429, {"retry-after": "7"}, b"", "rate", 7.0),
        (429, {"retry-after": "soon"}, body(None, code="40019"), "rate", None),
        (403, {}, b"<html>WAF</html>", "rate", None),
        (404, {}, body(None, code="40404", msg="Request URL NOT FOUND"), "config", None),
        (404, {}, b"", "transient", None),
        (502, {}, b"\xff bad gateway", "transient", None),
        (500, {}, body([]), "transient", None),
    ],
)
def test_failures_have_a_meaning_whatever_the_status(
    status: int, headers: dict[str, str], raw: bytes, reason: str, wait: float | None
) -> None:
    failure = rest.rest_failure(status, headers, raw)
    assert failure is not None
    assert (failure.reason, failure.retry_after_s) == (reason, wait)


@pytest.mark.parametrize(("code", "reason"), ERRORS.items())
def test_every_code_has_its_meaning_in_rest_too(code: str, reason: str) -> None:
    failure = rest.rest_failure(400, {}, body(None, code=code))
    assert failure is not None
    assert failure.reason == reason


def test_success_is_no_failure() -> None:
    assert rest.rest_failure(200, {}, body([])) is None


@given(st.binary(max_size=200), st.integers(100, 599))
def test_no_answer_raises_when_it_is_judged(raw: bytes, status: int) -> None:
    failure = rest.rest_failure(status, {}, raw)
    assert failure is None or failure.detail.startswith(f"HTTP {status}")


DEEP = b"[" * 100_000 + b"]" * 100_000


@given(
    st.binary(max_size=200)
    | st.sampled_from(
        [b'{"data":[{"symbol":"\xff"}]}', b'{"data":{"serverTime":"\xff"}}',
         b'{"data":[["\xff"]]}', DEEP, b'{"data":' + DEEP + b"}", b'{"data":[{"symbol":' + DEEP]
    ),
    st.sampled_from(MARKETS),
)  # fmt: skip
def test_the_parsers_raise_nothing_but_decode_errors(raw: bytes, market: Market) -> None:
    for read in (
        lambda: rest.parse_instruments(market, raw),
        lambda: rest.parse_candles(stream(market), raw, {}, 0),
        lambda: rest.parse_time(market, raw),
    ):
        with pytest.raises(msgspec.DecodeError):
            read()


def test_a_listing_of_broken_text_does_not_cost_the_others() -> None:
    raw = body([pair(), pair(symbol="BAD")]).replace(b"BAD", b"\xff")
    (btc,) = rest.parse_instruments("spot", raw).instruments
    assert btc.symbol == "BTCUSDT"
