"""OKX's private pushes: frames in, exact events out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from common.exchanges.okx.rows import ORDER_TYPES, STATUSES, is_ours
from common.exchanges.okx.told import Frame, told
from common.exchanges.private import Heard
from common.exchanges.protocol import Unreadable
from common.exchanges.told import BalancesTold, FillTold, OrderTold, Position, PositionsTold
from common.exchanges.wire import BROKEN
from common.model.account import Balance
from common.model.instruments import Catalog, Instrument
from common.model.streams import Market

NONE: Catalog = {}
LINEAR: Catalog = {
    "BTC-USDT-SWAP": Instrument(
        "okx", "linear", "BTC-USDT-SWAP", "perpetual", "BTC", "USDT", "USDT", "trading",
        contract_size="0.01", contract_unit="BTC",
    )
}  # fmt: skip
INVERSE: Catalog = {
    "BTC-USD-SWAP": Instrument(
        "okx", "inverse", "BTC-USD-SWAP", "perpetual", "BTC", "USD", "BTC", "trading",
        contract_size="100", contract_unit="USD",
    )
}  # fmt: skip
CATALOGS: dict[Market, Catalog] = {"spot": NONE, "linear": LINEAR, "inverse": INVERSE}

SPOT: dict[str, Any] = {
    "accFillSz": "0.001", "amendResult": "", "avgPx": "31527.1", "cancelSource": "",
    "category": "normal", "ccy": "", "clOrdId": "", "code": "0", "cTime": "1654084334977",
    "execType": "M", "fee": "-0.02522168", "feeCcy": "USDT", "fillFee": "-0.02522168",
    "fillFeeCcy": "USDT", "fillPx": "31527.1", "fillSz": "0.001", "fillPnl": "0.01",
    "fillTime": "1654084353263", "instId": "BTC-USDT", "instType": "SPOT", "lever": "0",
    "ordId": "452197707845865472", "ordType": "limit", "pnl": "0", "posSide": "", "px": "31527.1",
    "rebate": "0", "rebateCcy": "BTC", "reduceOnly": "false", "reqId": "", "side": "sell",
    "source": "", "state": "filled", "sz": "0.001", "tdMode": "cash", "tgtCcy": "",
    "tradeId": "242589207", "uTime": "1654084353264",
}  # fmt: skip
# As captured before each push had the fee of its fill.
SWAP: dict[str, Any] = {
    "instType": "SWAP", "instId": "BTC-USDT-SWAP", "ordId": "2497956918703120384",
    "clOrdId": "001BTCUSDT20250106001", "side": "buy", "posSide": "long", "ordType": "market",
    "px": "", "sz": "0.03", "state": "filled", "accFillSz": "0.03", "avgPx": "103698.9",
    "fillPx": "103698.9", "fillSz": "0.03", "fillTime": "1746947317402", "tradeId": "1518905529",
    "execType": "M", "fee": "-0.021776769", "feeCcy": "USDT", "rebate": "0", "rebateCcy": "USDT",
    "pnl": "0", "reduceOnly": "false", "tdMode": "isolated", "lever": "2.0", "category": "normal",
    "cTime": "1746947317401", "uTime": "1746947317402",
}  # fmt: skip
NO_FILL = {"tradeId": "", "fillSz": "0", "fillPx": "", "fillTime": "", "execType": ""}


def heard(market: Market, frame: Any, catalog: Catalog | None = None) -> Sequence[Heard]:
    decoded = msgspec.json.decode(json.dumps(frame).encode(), type=Frame)
    return told(market, decoded, CATALOGS[market] if catalog is None else catalog)


def push(channel: str, *rows: Any, **around: Any) -> dict[str, Any]:
    return {"arg": {"channel": channel, "uid": "7"}, **around, "data": rows}


def spot(**changes: Any) -> Any:
    return heard("spot", push("orders", SPOT | changes))


def swap(market: Market = "linear", catalog: Catalog | None = None, **changes: Any) -> Any:
    return heard(market, push("orders", SWAP | changes), catalog)


# --- orders and fills ---------------------------------------------------------------------------


def test_one_row_is_a_fill_and_the_state_that_it_led_to() -> None:
    assert spot() == [
        FillTold(
            symbol="BTC-USDT",
            order_id="452197707845865472",
            trade_id="242589207",
            side="SELL",
            price="31527.1",
            time_ms=1654084353263,
            seq=242589207,
            quantity="0.001",
            quote_quantity="31.5271",
            fee="0.02522168",
            fee_asset="USDT",
            maker=True,
            liquidation=False,
        ),
        OrderTold(
            symbol="BTC-USDT",
            order_id="452197707845865472",
            status="FILLED",
            raw_status="filled",
            time_ms=1654084353264,
            side="SELL",
            order_type="LIMIT",
            time_in_force="GTC",
            price="31527.1",
            quantity="0.001",
            filled="0.001",
            filled_quote="31.5271",
            average_price="31527.1",
            reduce_only=False,
            created_ms=1654084334977,
            liquidation=False,
        ),
    ]


def test_contracts_are_the_base_asset_and_their_count_and_the_quote_by_their_size() -> None:
    fill, order = swap()
    assert (fill.contracts, fill.quantity, fill.quote_quantity) == ("0.03", "0.0003", "31.10967")
    assert (order.contracts, order.quantity) == ("0.03", "0.0003")
    assert (order.filled_contracts, order.filled, order.filled_quote) == (
        "0.03", "0.0003", "31.10967",
    )  # fmt: skip
    assert (order.client_order_id, order.position_side) == ("001BTCUSDT20250106001", "LONG")
    assert (order.order_type, order.price, order.average_price) == ("MARKET", UNSET, "103698.9")


def test_inverse_contracts_are_of_the_quote_asset() -> None:
    fill, order = swap(
        "inverse", instId="BTC-USD-SWAP", sz="12", accFillSz="5", avgPx="31000", fillSz="3",
        fillPx="30000", posSide="net",
    )  # fmt: skip
    assert (fill.contracts, fill.quote_quantity, fill.quantity) == ("3", "300", "0.01000000")
    assert (order.filled_contracts, order.filled_quote, order.filled) == ("5", "500", "0.01612903")
    assert (fill.position_side, order.position_side) == ("BOTH", "BOTH")


def test_contracts_of_an_unknown_size_are_told_as_contracts() -> None:
    fill, order = swap(catalog=NONE)
    assert (fill.contracts, fill.quantity, fill.quote_quantity) == ("0.03", UNSET, UNSET)
    assert (order.filled_contracts, order.filled, order.quantity) == ("0.03", UNSET, UNSET)


def test_a_fee_is_a_cost_and_a_rebate_is_one_below_zero() -> None:
    paid, _ = spot(fillFee="-0.5", fillFeeCcy="USDT")
    earned, _ = spot(fillFee="0.25", fillFeeCcy="BTC")
    free, _ = spot(fillFee="0", fillFeeCcy="BTC")
    assert [(fill.fee, fill.fee_asset) for fill in (paid, earned, free)] == [
        ("0.5", "USDT"), ("-0.25", "BTC"), ("0", "BTC"),
    ]  # fmt: skip


def test_a_fee_of_the_whole_order_is_not_that_of_a_fill() -> None:
    """``fee`` adds up over the order, in its own asset."""
    fill, _ = swap()
    assert (fill.fee, fill.fee_asset) == (UNSET, UNSET)
    first, _ = spot(fee="-0.9", fillFee="-0.3")
    assert first.fee == "0.3"


def test_the_last_fill_is_not_the_total() -> None:
    fill, order = spot(state="partially_filled", sz="1", accFillSz="0.7", fillSz="0.2", avgPx="2")
    assert (fill.quantity, order.filled, order.quantity) == ("0.2", "0.7", "1")
    assert (order.status, order.filled_quote, order.average_price) == (
        "PARTIALLY_FILLED", "1.4", "2",
    )  # fmt: skip


def test_an_order_without_a_fill_is_none_of_what_is_empty() -> None:
    (order,) = spot(**NO_FILL, state="live", accFillSz="0", avgPx="0", fillFee="0", px="60000")
    assert (order.status, order.filled, order.filled_quote) == ("NEW", "0", "0")
    assert (order.price, order.average_price, order.reason) == ("60000", UNSET, UNSET)
    assert (order.client_order_id, order.position_side) == (UNSET, UNSET)


def test_a_market_order_may_end_in_a_row_without_a_trade() -> None:
    (order,) = spot(**NO_FILL, ordType="market", px="")
    assert (order.status, order.filled) == ("FILLED", "0.001")


@pytest.mark.parametrize(
    ("unit", "side", "quantity"),
    [
        ("quote_ccy", "sell", UNSET),
        ("quote_ccy", "buy", UNSET),
        ("", "buy", UNSET),
        ("", "sell", "10"),
        ("base_ccy", "buy", "10"),
    ],
)
def test_a_market_order_by_its_worth_has_no_quantity(unit: str, side: str, quantity: Any) -> None:
    _, order = spot(ordType="market", sz="10", tgtCcy=unit, side=side, px="")
    assert order.quantity == quantity


def test_only_spot_market_orders_are_by_worth() -> None:
    assert spot(ordType="ioc", side="buy", tgtCcy="")[-1].quantity == "0.001"
    assert swap(ordType="market", side="buy")[-1].contracts == "0.03"


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("live", "NEW"),
        ("partially_filled", "PARTIALLY_FILLED"),
        ("filled", "FILLED"),
        ("canceled", "CANCELED"),
        ("mmp_canceled", "CANCELED"),
    ],
)
def test_every_documented_state_has_a_word(raw: str, expected: str) -> None:
    order = spot(state=raw)[-1]
    assert (order.status, order.raw_status) == (expected, raw)
    assert set(STATUSES) == {"live", "partially_filled", "filled", "canceled", "mmp_canceled"}


@given(st.text(max_size=12).filter(lambda raw: raw not in STATUSES))
def test_any_other_state_is_told_as_what_it_is(raw: str) -> None:
    order = spot(state=raw)[-1]
    assert (order.status, order.raw_status) == ("UNKNOWN", raw)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("limit", ("LIMIT", "GTC")),
        ("market", ("MARKET", UNSET)),
        ("post_only", ("LIMIT", "POST_ONLY")),
        ("fok", ("LIMIT", "FOK")),
        ("ioc", ("LIMIT", "IOC")),
        ("optimal_limit_ioc", ("MARKET", "IOC")),
        ("rpi", ("LIMIT", "RPI")),
        ("elp", ("LIMIT", "RPI")),
        ("mmp", ("MMP", UNSET)),
    ],
)
def test_a_type_says_how_long_as_well(raw: str, expected: Any) -> None:
    order = spot(ordType=raw)[-1]
    assert (order.order_type, order.time_in_force) == expected
    assert raw in ORDER_TYPES or raw == "mmp"


def test_reduce_only_is_a_text() -> None:
    flags = [swap(reduceOnly=text)[-1].reduce_only for text in ("true", "false", "")]
    assert flags == [True, False, UNSET]


@pytest.mark.parametrize(
    ("category", "liquidation"),
    [
        ("full_liquidation", True),
        ("partial_liquidation", True),
        ("adl", True),
        ("delivery", False),
        ("twap", False),
        ("normal", False),
        ("", UNSET),
    ],
)
def test_orders_that_the_exchange_makes_itself_to_end_a_position(
    category: str, *, liquidation: Any
) -> None:
    fill, order = swap(category=category, execType="")
    assert (fill.liquidation, order.liquidation, fill.maker) == (liquidation, liquidation, UNSET)


def test_trades_of_a_liquidation_have_no_number_here_and_are_asked_for() -> None:
    (order,) = swap(category="full_liquidation", tradeId="0")
    assert (order.filled_contracts, order.liquidation) == ("0.03", True)


def test_a_gain_is_of_a_position_which_spot_has_not() -> None:
    fill, _ = swap(fillPnl="-1.5")
    assert (fill.realized_pnl, spot()[0].realized_pnl) == ("-1.5", UNSET)


def test_a_cancel_says_why() -> None:
    order = spot(**NO_FILL, state="canceled", cancelSource="32")[-1]
    assert (order.status, order.reason) == ("CANCELED", "32")


def test_fills_of_one_millisecond_are_in_the_order_of_their_numbers() -> None:
    assert spot(tradeId="999")[0].seq < spot(tradeId="1000")[0].seq


def test_a_strange_row_costs_no_other() -> None:
    rows = heard("spot", push("orders", SPOT | {"state": None}, SPOT, SPOT | {"sz": "1e5"}))
    kinds = [type(row).__name__ for row in rows]
    assert kinds == ["Unreadable", "FillTold", "OrderTold", "Unreadable"]


# --- whose they are -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "symbol", "market"),
    [
        ("SPOT", "BTC-USDT", "spot"),
        ("SPOT", "BTC-USD", "spot"),
        ("SWAP", "BTC-USDT-SWAP", "linear"),
        ("SWAP", "BTC-USD-SWAP", "inverse"),
        ("FUTURES", "BTC-USDT-241227", "linear"),
        ("FUTURES", "BTC-USD-241227", "inverse"),
        ("FUTURES", "BTC-USD_UM_XPERP-310404", "linear"),
        ("SWAP", "BTC-USD_UM-SWAP", "linear"),
        ("MARGIN", "BTC-USDT", None),
        ("OPTION", "BTC-USD-220114-25000-C", None),
        ("EVENTS", "BTC-USD-1", None),
    ],
)
def test_every_kind_of_contract_is_of_one_market(kind: str, symbol: str, market: str) -> None:
    """Perpetuals that are listed as futures too: both types are subscribed."""
    ours = [one for one in CATALOGS if is_ours(one, kind, symbol, CATALOGS[one])]
    assert ours == ([market] if market else [])
    for one in CATALOGS:
        row = SWAP | {"instType": kind, "instId": symbol}
        assert bool(heard(one, push("orders", row))) == (one == market)


# --- balances -----------------------------------------------------------------------------------

ACCOUNT: dict[str, Any] = {
    "uTime": "1705564223311", "totalEq": "55868.06403501676", "adjEq": "55444.12216906034",
    "details": [
        {"ccy": "USDT", "cashBal": "4750.426970691436", "availBal": "4734.371190691436",
         "availEq": "4734.371190691435", "frozenBal": "158.57998", "ordFrozen": "0",
         "eq": "4892.951170691435", "upl": "-7.475800000000003", "uTime": "1705564213903"},
        {"ccy": "BTC", "cashBal": "-1", "availBal": "", "availEq": "0.5", "frozenBal": "0",
         "eq": "1", "uTime": "1705564213903"},
    ],
}  # fmt: skip
BALANCES = (
    Balance("USDT", "4734.371190691436", "158.57998", "4750.426970691436"),
    Balance("BTC", "0.5", "0", "-1"),
)


def account(**around: Any) -> Sequence[Heard]:
    return heard("spot", push("account", ACCOUNT, **around))


def test_balances_are_free_locked_and_booked() -> None:
    assert account(eventType="snapshot", curPage=1, lastPage=True) == [
        BalancesTold(balances=BALANCES, time_ms=1705564223311, whole=True)
    ]


@pytest.mark.parametrize(
    "around",
    [
        {"eventType": "event_update"},
        {"eventType": "snapshot", "curPage": 1, "lastPage": False},
        {"eventType": "snapshot", "curPage": 2, "lastPage": True},
        {"eventType": "snapshot", "curPage": 1, "lastPage": True,
         "arg": {"channel": "account", "ccy": "BTC"}},
        {},
    ],
)  # fmt: skip
def test_what_a_part_does_not_name_is_not_nothing(around: dict[str, Any]) -> None:
    frame = {**push("account", ACCOUNT), **around}
    (balances,) = heard("spot", frame)
    assert balances == BalancesTold(balances=BALANCES, time_ms=1705564223311)


def test_every_row_of_an_account_is_read() -> None:
    both = heard("spot", push("account", ACCOUNT, ACCOUNT | {"uTime": "1705564223312"}))
    assert [one.time_ms for one in both if isinstance(one, BalancesTold)] == [
        1705564223311,
        1705564223312,
    ]


# --- positions ----------------------------------------------------------------------------------

POSITION: dict[str, Any] = {
    "instId": "BTC-USD-SWAP", "instType": "SWAP", "mgnMode": "isolated",
    "posId": "307173036051017730", "posSide": "long", "pos": "3", "availPos": "1",
    "avgPx": "30000", "upl": "-0.0000009932766034", "lever": "10", "liqPx": "2352.8496681818233",
    "markPx": "29000", "bePx": "30010", "margin": "0.0003896645377994", "ccy": "BTC",
    "realizedPnl": "0.001", "cTime": "1619507758793", "uTime": "1619507761462",
}  # fmt: skip


def positions(market: Market = "inverse", **changes: Any) -> Any:
    return heard(market, push("positions", POSITION | changes, eventType="snapshot"))


def test_a_position_is_as_of_its_own_time() -> None:
    assert positions() == [
        PositionsTold(
            positions=(
                Position(
                    symbol="BTC-USD-SWAP",
                    position_side="LONG",
                    position_id="307173036051017730",
                    quantity="0.01000000",
                    contracts="3",
                    entry_price="30000",
                    break_even_price="30010",
                    mark_price="29000",
                    liquidation_price="2352.8496681818233",
                    unrealized_pnl="-0.0000009932766034",
                    realized_pnl="0.001",
                    leverage="10",
                    margin_type="isolated",
                    margin="0.0003896645377994",
                ),
            ),
            time_ms=1619507761462,
        )
    ]


@pytest.mark.parametrize(
    ("side", "pos", "expected"),
    [
        ("net", "-3", ("BOTH", "-3", "-0.01000000")),
        ("net", "3", ("BOTH", "3", "0.01000000")),
        ("long", "3", ("LONG", "3", "0.01000000")),
        ("short", "3", ("SHORT", "3", "0.01000000")),
        ("short", "-3", ("SHORT", "3", "0.01000000")),
        ("net", "0", ("BOTH", "0", "0")),
    ],
)
def test_a_sign_is_that_of_a_net_position(side: str, pos: str, expected: Any) -> None:
    (one,) = positions(posSide=side, pos=pos)
    (position,) = one.positions
    assert (position.position_side, position.contracts, position.quantity) == expected


def test_a_closed_position_has_nothing_but_that() -> None:
    empty = dict.fromkeys(
        ("avgPx", "upl", "lever", "liqPx", "markPx", "bePx", "margin", "realizedPnl", "mgnMode"), ""
    )
    (one,) = positions(pos="0", posSide="net", **empty)
    assert one.positions == (
        Position(
            symbol="BTC-USD-SWAP",
            position_side="BOTH",
            position_id="307173036051017730",
            quantity="0",
            contracts="0",
        ),
    )


def test_a_cross_and_an_isolated_position_of_one_instrument_are_two() -> None:
    rows = [POSITION | {"posSide": "net", "posId": name} for name in ("1", "2")]
    told = [one.positions[0] for row in rows for one in positions(**row)]
    assert [(one.position_side, one.position_id) for one in told] == [("BOTH", "1"), ("BOTH", "2")]


def test_positions_of_other_markets_say_nothing() -> None:
    assert positions("linear") == []
    assert positions("inverse", instType="MARGIN", instId="BTC-USDT") == []


def test_a_side_that_is_not_known_is_not_guessed() -> None:
    (problem,) = positions(posSide="both")
    assert isinstance(problem, Unreadable)
    assert problem.kind == "wrong_shape"


# --- the rest -----------------------------------------------------------------------------------


def test_what_is_subscribed_to_for_a_sign_of_life_says_nothing() -> None:
    row = {"pTime": "1597026383085", "eventType": "snapshot", "balData": [], "posData": []}
    assert list(heard("spot", push("balance_and_position", row))) == []


def test_what_is_not_known_is_said() -> None:
    assert heard("spot", push("fills", {})) == (Unreadable("unknown_type", "channel fills"),)
    assert heard("spot", {"op": "order"}) == (
        Unreadable("unknown_type", "neither a push nor an answer"),
    )


@given(st.sampled_from(["orders", "account", "positions", "balance_and_position"]), st.binary())
def test_no_row_raises(channel: str, data: bytes) -> None:
    frame = b'{"arg":{"channel":"%s"},"data":%s}' % (channel.encode(), data or b"[]")
    try:
        decoded = msgspec.json.decode(frame, type=Frame)
    except BROKEN:
        return
    for market in CATALOGS:
        assert isinstance(told(market, decoded, NONE), Sequence)


@given(
    st.dictionaries(
        st.sampled_from(sorted(SPOT)),
        st.text(max_size=6) | st.decimals(allow_nan=False).map(str) | st.none() | st.integers(),
    )
)
def test_no_value_raises(changes: dict[str, Any]) -> None:
    for market in CATALOGS:
        for said in heard(market, push("orders", SWAP | changes)):
            assert isinstance(said, FillTold | OrderTold | Unreadable)
