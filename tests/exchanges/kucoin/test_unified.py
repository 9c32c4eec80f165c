"""KuCoin's account events, of unified accounts: frames in, exact events out."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET, Raw

from common.exchanges.kucoin.unified import told
from common.exchanges.kucoin.words import STATES
from common.exchanges.private import Heard
from common.exchanges.protocol import Notice, Unreadable
from common.exchanges.told import BalancesTold, FillTold, OrderTold, Position, PositionsTold
from common.model.account import Balance
from common.model.instruments import Catalog
from common.model.streams import Market
from tests.exchanges.kucoin.pushes import COIN, LINEAR, NONE

ORDER: dict[str, Any] = {
    "O": 1770107561253000000, "S": "BUY", "U": 1770107561263000123, "f": "0.000788236", "p": "0",
    "q": "0.00001", "s": "BTC-USDT", "t": "0", "aP": "78823.6", "cS": "0",
    "ci": "9a1840ed0b5746459ede8e6f222daf2d", "eT": "FILL", "fC": "USDT", "fS": "0.00001",
    "oT": "MARKET", "oi": "6981b2a91c6fcb0007422784", "os": 3, "pO": False, "qU": "BASECCY",
    "rS": "0", "ti": "21002796345212928", "tIF": "GTC",
}  # fmt: skip
CONTRACTS: dict[str, Any] = {
    "tT": "FUTURES", "oi": "427737326394129559", "ci": "", "os": 5, "eT": "CANCEL",
    "s": "ETHUSDTM", "S": "SELL", "oT": "MARKET", "p": "", "q": "3", "qU": "UNIT", "fS": "0",
    "aP": "0", "f": "0", "fC": "USDT", "cS": "3", "rS": "0", "tP": "0.01", "rO": True,
    "tIF": "GTC", "O": "1774793727626043888", "U": 1774794309608959200,
}  # fmt: skip
TRADE: dict[str, Any] = {
    "E": 1770107561258000000, "S": "BUY", "f": "0.00078823600000000000", "p": "78823.6",
    "q": "0.00001", "s": "BTC-USDT", "fC": "USDT", "lR": "TAKER", "oT": "MARKET",
    "oi": "6981b2a91c6fcb0007422784", "ti": "21002796345212928",
}  # fmt: skip
BALANCE: dict[str, Any] = {
    "c": "USDT", "e": "100.0030439507", "b": "100.0030439507", "a": "89.9930439507",
    "h": "10.0100000000", "U": "1774982552505000000", "l": "0.0000000000",
}  # fmt: skip
POSITION: dict[str, Any] = {
    "O": 1768876415683000000, "U": 1770113826318000000, "l": "0.8050565291", "q": "-1",
    "s": "XBTUSDTM", "bP": "9.51343735", "eP": "4.786", "iM": "0.4786", "lP": "9.395059599",
    "mM": "ISOLATED", "mP": "4.243", "pV": "0.4786", "pi": "400000000002223506", "mmr": "0.012",
    "mtM": "0.0053461800", "rPL": "0.16057928", "uPL": "0.0543",
}  # fmt: skip


def hear(market: Market, topic: str, data: Any, catalog: Catalog = LINEAR) -> tuple[Heard, ...]:
    return tuple(told(market, topic, Raw(json.dumps(data).encode()), catalog))


def order(market: Market = "spot", topic: str = "orderAll.SPOT", **changes: Any) -> Any:
    return hear(market, topic, (ORDER if market == "spot" else CONTRACTS) | changes)


def test_an_order_tells_how_it_stands() -> None:
    assert order() == (
        OrderTold(
            symbol="BTC-USDT",
            order_id="6981b2a91c6fcb0007422784",
            status="FILLED",
            raw_status="3",
            time_ms=1770107561263,
            seq=123,
            side="BUY",
            order_type="MARKET",
            time_in_force="GTC",
            client_order_id="9a1840ed0b5746459ede8e6f222daf2d",
            quantity="0.00001",
            filled="0.00001",
            filled_quote="0.788236",
            average_price="78823.6",
            created_ms=1770107561253,
        ),
    )


def test_futures_count_contracts() -> None:
    (told_,) = order("linear", "orderAll.UNIFIED", fS="2", aP="2000", os=4, pS="LONG")
    assert (told_.status, told_.contracts, told_.quantity) == ("PARTIALLY_FILLED", "3", "0.03")
    assert (told_.filled_contracts, told_.filled, told_.filled_quote) == ("2", "0.02", "40.00")
    assert (told_.reduce_only, told_.stop_price, told_.position_side) == (True, "0.01", "LONG")
    assert told_.client_order_id is UNSET


@pytest.mark.parametrize(
    ("state", "filled", "status"),
    [
        (0, "0", "NEW"),
        (1, "0", "NEW"),
        (2, "0", "NEW"),
        (2, "0.000001", "PARTIALLY_FILLED"),
        ("4", "0.000001", "PARTIALLY_FILLED"),
        (3, "0.00001", "FILLED"),
        (5, "0", "CANCELED"),
        (6, "0.000001", "CANCELED"),
    ],
)
def test_every_documented_state_has_a_word(state: int | str, filled: str, status: str) -> None:
    """One that was filled in part and canceled is canceled."""
    (told_,) = order(os=state, fS=filled)
    assert (told_.status, told_.raw_status) == (status, str(state))
    assert str(state) in STATES


def test_an_undocumented_state_is_told_as_what_it_is() -> None:
    (told_,) = order(os=7)
    assert (told_.status, told_.raw_status) == ("UNKNOWN", "7")


def test_of_a_size_in_the_quote_asset_the_average_tells_nothing() -> None:
    """It is rounded: what is filled in the base asset its trades tell."""
    (told_,) = order(qU="QUOTECCY", q="10", fS="9.9", aP="76153.8")
    assert (told_.quantity, told_.filled, told_.filled_quote) == (UNSET, UNSET, "9.9")
    (told_,) = order(qU="QUOTECCY", q="10", fS="0", os=2)
    assert (told_.quantity, told_.filled, told_.filled_quote) == (UNSET, "0", "0")
    (told_,) = order(qU="QUOTECCY", q="10", fS="")
    assert (told_.filled, told_.filled_quote) == (UNSET, UNSET)


def test_a_trade_has_its_fee() -> None:
    assert hear("spot", "execution.UNIFIED", TRADE) == (
        FillTold(
            symbol="BTC-USDT",
            order_id="6981b2a91c6fcb0007422784",
            trade_id="21002796345212928",
            side="BUY",
            price="78823.6",
            quantity="0.00001",
            quote_quantity="0.788236",
            time_ms=1770107561258,
            fee="0.00078823600000000000",
            fee_asset="USDT",
            maker=False,
        ),
    )


def test_a_trade_of_contracts_may_earn_and_be_a_makers() -> None:
    changes = {"s": "XBTUSDM", "q": "50", "p": "50000", "f": "-0.0000001", "fC": "XBT"}
    changes |= {"lR": "MAKER", "ti": 20801647764195330}
    (fill,) = hear("inverse", "execution.FUTURES", TRADE | changes, COIN)
    assert isinstance(fill, FillTold)
    assert (fill.contracts, fill.quote_quantity, fill.quantity) == ("50", "50", "0.00100000")
    assert (fill.fee, fill.fee_asset, fill.maker) == ("-0.0000001", "BTC", True)
    assert fill.trade_id == "20801647764195330"


def test_each_market_is_told_of_its_own() -> None:
    assert order("linear", "orderAll.SPOT", **ORDER) == ()
    assert hear("spot", "orderAll.UNIFIED", CONTRACTS) == ()
    assert hear("inverse", "orderAll.UNIFIED", CONTRACTS, COIN) == ()
    assert hear("linear", "execution.UNIFIED", TRADE) == ()
    assert hear("inverse", "positionAll.UNIFIED", POSITION, COIN) == ()


@pytest.mark.parametrize("product", ["MARGIN", "CROSS", "ISOLATED"])
def test_margin_is_another_product(product: str) -> None:
    assert order(tT=product) == ()
    assert order(topic=f"orderAll.{product}") == ()
    assert hear("spot", f"execution.{product}", TRADE) == ()


def test_the_wallet_is_one_for_all_markets() -> None:
    expected = BalancesTold(
        balances=(Balance("USDT", "89.9930439507", "10.0100000000", "100.0030439507"),),
        time_ms=1774982552505,
    )
    for market in ("spot", "linear", "inverse"):
        assert hear(market, "balance.UNIFIED", BALANCE) == (expected,)  # type: ignore[arg-type]


def test_other_wallets_are_not_told() -> None:
    assert hear("spot", "balance.FUNDING", BALANCE) == (
        Notice("other", "a balance of another account: FUNDING"),
    )


def test_a_position_is_counted_in_contracts_and_in_the_base_asset() -> None:
    assert hear("linear", "positionAll.UNIFIED", POSITION) == (
        PositionsTold(
            positions=(
                Position(
                    symbol="XBTUSDTM",
                    position_side="BOTH",
                    quantity="-0.001",
                    contracts="-1",
                    entry_price="4.786",
                    mark_price="4.243",
                    liquidation_price="9.395059599",
                    unrealized_pnl="0.0543",
                    realized_pnl="0.16057928",
                    leverage="0.8050565291",
                    margin_type="isolated",
                    margin="0.4786",
                ),
            ),
            time_ms=1770113826318,
        ),
    )


def test_a_side_has_no_sign_and_a_closed_position_is_zero() -> None:
    (short,) = hear("linear", "position.UNIFIED", POSITION | {"pS": "SHORT"})
    (closed,) = hear("linear", "position.UNIFIED", POSITION | {"q": "0", "eP": ""})
    assert isinstance(short, PositionsTold)
    assert isinstance(closed, PositionsTold)
    assert (short.positions[0].contracts, short.positions[0].position_side) == ("1", "SHORT")
    assert (closed.positions[0].quantity, closed.positions[0].contracts) == ("0", "0")


def test_what_is_not_known_is_said() -> None:
    for topic in ("lw.UNIFIED", "execution.lite.UNIFIED", "ticker"):
        assert hear("spot", topic, {}) == (Unreadable("unknown_type", topic),)
    for changes in (
        {"U": "soon"},
        {"qU": "DOZEN"},
        {"U": -5},
        {"fS": None},
        {"S": "NEITHER"},
        {"p": 3},
    ):
        (problem,) = order(**changes)
        assert isinstance(problem, Unreadable), changes
        assert problem.kind == "wrong_shape"


CHANNELS = ["orderAll.UNIFIED", "execution.SPOT", "balance.UNIFIED", "positionAll.UNIFIED"]


@given(st.binary(max_size=60), st.sampled_from(CHANNELS))
def test_no_bytes_raise(data: bytes, topic: str) -> None:
    for market in ("spot", "linear", "inverse"):
        assert told(market, topic, Raw(data), NONE)
