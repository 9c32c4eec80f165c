"""What the paper service says, in our words: frames in, exact words out."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from common.exchanges.paper import SUBSCRIPTIONS, PaperConversation, paper
from common.exchanges.paper_rows import STATUSES
from common.exchanges.private import Alive, Credentials, Denied, Heard, Opened
from common.exchanges.protocol import Unreadable
from common.exchanges.registry import EXCHANGES
from common.exchanges.sizes import Contract
from common.exchanges.told import BalancesTold, OrderTold, Totals
from common.model.account import Balance
from common.model.instruments import Catalog, Instrument
from common.model.secret import Secret
from common.model.streams import Market

NOW_MS = 1_790_000_000_000
KEY = Credentials(Secret("the-key"), Secret("the-secret"))
ORDER: dict[str, Any] = {
    "_id": "665f1c", "externalId": "bot-7-1", "symbol": "BTCUSDT", "exchange": "binance",
    "status": "PARTIALLY_FILLED", "type": "LIMIT", "side": "BUY", "price": 60000,
    "avgFilledPrice": "59999.5", "amount": 1, "filledAmount": "0.4", "filledQuoteAmount": "23999.8",
    "quoteAmount": 60000, "fee": "0.0004", "feePerc": "0.001", "user": "665f00", "id": "665f1c",
    "createdAt": "2026-09-21T10:00:00.250Z", "updatedAt": "2026-09-21T10:00:01.125Z",
}  # fmt: skip


def listed(market: Market, symbol: str, contract: str | None = None) -> Catalog:
    quote = "USD" if market == "inverse" else "USDT"
    one = Instrument(
        "binance", market, symbol, "perpetual", "BTC", quote, quote, "trading",
        contract_size=contract, contract_unit=None if contract is None else quote,
    )  # fmt: skip
    return {symbol: one}


SPOT = listed("spot", "BTCUSDT")


def talk(exchange: str = "binance", market: Market = "spot") -> PaperConversation:
    conversation = PaperConversation(market, EXCHANGES[exchange].markets[market])
    conversation.join("a1", KEY, NOW_MS)
    return conversation


def hear(
    conversation: PaperConversation, event: str, message: Any, catalog: Catalog = SPOT
) -> Heard | None:
    turn = conversation.receive(json.dumps([event, message]).encode(), catalog, NOW_MS)
    assert not turn.send
    assert all(said.account == "a1" for said in turn.said)
    assert len(turn.said) <= 1
    return turn.said[0].what if turn.said else None


def order(
    row: dict[str, Any], conversation: PaperConversation | None = None, catalog: Catalog = SPOT
) -> OrderTold:
    told = hear(conversation or talk(), "order", {"type": "update", "data": row}, catalog)
    assert isinstance(told, OrderTold), told
    return told


# --- subscribing --------------------------------------------------------------------------------


def test_both_are_subscribed_and_the_account_is_open_when_both_are_said_to_be() -> None:
    conversation = PaperConversation("spot", EXCHANGES["binance"].markets["spot"])
    sent = [json.loads(text) for text in conversation.join("a1", KEY, NOW_MS)]
    keys = {"key": "the-key", "secret": "the-secret"}
    assert sent == [["subscribeOrder", keys], ["subscribeOutboundAccountInfo", keys]]
    info = {"type": "info", "info": "subscribed"}
    assert hear(conversation, "order", {"type": "info", "info": "hello"}) is None
    assert hear(conversation, "order", info) is None
    assert hear(conversation, "order", info) is None
    assert hear(conversation, "outboundAccountInfo", info) == Opened()
    assert [json.loads(text) for text in conversation.probe()] == sent
    assert hear(conversation, "order", info) == Alive()


@pytest.mark.parametrize("event", SUBSCRIPTIONS)
@pytest.mark.parametrize(
    ("error", "trouble"),
    [
        ("User not found", "key"),
        ("Too Many Requests", "rate"),
        ("the database is away", "transient"),
        ({"code": 11000}, "transient"),
    ],
)
def test_an_error_is_told_by_what_it_means(event: str, error: Any, trouble: str) -> None:
    denied = hear(talk(), event, {"type": "error", "error": error})
    assert isinstance(denied, Denied)
    assert denied.trouble == trouble


def test_what_an_error_quotes_of_the_credentials_is_not_told() -> None:
    denied = hear(talk(), "order", {"type": "error", "error": "no user the-key/the-secret"})
    assert denied == Denied("transient", "no user ***/***")


# --- orders -------------------------------------------------------------------------------------


def test_an_order_is_told_with_its_totals() -> None:
    assert order(ORDER) == OrderTold(
        symbol="BTCUSDT",
        order_id="665f1c",
        status="PARTIALLY_FILLED",
        raw_status="PARTIALLY_FILLED",
        time_ms=1_789_984_801_125,
        side="BUY",
        order_type="LIMIT",
        client_order_id="bot-7-1",
        price="60000",
        quantity="1",
        filled="0.4",
        average_price="59999.5",
        created_ms=1_789_984_800_250,
        totals=Totals(size="0.4", worth="23999.8", fee="0.0004", fee_asset="BTC"),
    )


@pytest.mark.parametrize("raw", [*STATUSES, "HELD"])
def test_every_status_is_known_or_said_to_be_unknown(raw: str) -> None:
    told = order(ORDER | {"status": raw})
    assert (told.status, told.raw_status) == (raw if raw in STATUSES else "UNKNOWN", raw)


def test_numbers_are_as_they_were_written_and_never_have_an_exponent() -> None:
    told = order(ORDER | {"amount": "1e-7", "filledAmount": 0, "filledQuoteAmount": 0, "fee": 0})
    assert (told.quantity, told.filled) == ("0.0000001", "0")
    told = order(ORDER | {"filledAmount": "0.30000000000000004"})
    assert told.filled == "0.30000000000000004"


def test_a_market_order_has_no_limit() -> None:
    assert order(ORDER | {"type": "MARKET"}).price is UNSET


def test_what_was_not_filled_has_no_average() -> None:
    told = order(ORDER | {"filledAmount": 0, "filledQuoteAmount": 0, "avgFilledPrice": 0})
    assert told.average_price is UNSET


def test_what_it_was_worth_follows_from_the_average_where_it_is_not_told() -> None:
    row = {name: value for name, value in ORDER.items() if name != "filledQuoteAmount"}
    totals = order(row).totals
    assert totals is not UNSET
    assert totals.worth == "23999.80"


def test_orders_of_other_exchanges_of_the_same_user_are_not_this_accounts() -> None:
    row = ORDER | {"exchange": "binanceUsdm"}
    assert hear(talk(), "order", {"type": "update", "data": row}) == Alive()
    assert order(row, talk("binance", "linear")).order_id == "665f1c"


def test_a_symbol_is_the_exchanges_own() -> None:
    row = ORDER | {"exchange": "okxLinear", "symbol": "BTC-USDT"}
    assert order(row, talk("okx", "linear")).symbol == "BTC-USDT-SWAP"


def test_on_inverse_contracts_are_counted() -> None:
    row = ORDER | {
        "exchange": "binanceCoinm", "symbol": "BTCUSD_PERP", "amount": 10, "filledAmount": 4,
        "filledQuoteAmount": 240000, "side": "SELL", "reduceOnly": True, "positionSide": "SHORT",
    }  # fmt: skip
    told = order(row, talk("binance", "inverse"), listed("inverse", "BTCUSD_PERP", "100"))
    assert (told.contracts, told.filled_contracts) == ("10", "4")
    assert (told.quantity, told.filled) == (UNSET, UNSET)
    assert (told.reduce_only, told.position_side) == (True, "SHORT")
    assert told.totals == Totals(
        size="4",
        worth="240000",
        fee="0.0004",
        fee_asset="BTC",
        by_contracts=True,
        contract=Contract("100", in_base=False),
    )


@pytest.mark.parametrize(
    ("market", "name", "side", "told", "asset"),
    [
        ("spot", "binance", "BUY", {}, "BTC"),
        ("spot", "binance", "SELL", {}, "USDT"),
        ("spot", "binance", "SELL", {"feeSide": "base", "feePaid": "0.5"}, "BTC"),
        ("spot", "binance", "SELL", {"feeAsset": "BNB", "feePaid": "0.5"}, "BNB"),
        ("linear", "binanceUsdm", "BUY", {}, "USDT"),
    ],
)
def test_a_fee_is_paid_in_what_is_told_or_in_what_the_service_takes(
    market: Market, name: str, side: str, told: dict[str, str], asset: str
) -> None:
    row = ORDER | {"exchange": name, "side": side} | told
    totals = order(row, talk("binance", market), listed(market, "BTCUSDT")).totals
    assert totals is not UNSET
    assert (totals.fee, totals.fee_asset) == (told.get("feePaid", "0.0004"), asset)


def test_of_an_unknown_symbol_it_is_not_guessed_what_the_fee_was_paid_in() -> None:
    totals = order(ORDER, catalog={}).totals
    assert totals is not UNSET
    assert totals.fee_asset is UNSET


# --- balances -----------------------------------------------------------------------------------


def test_balances_are_those_that_have_changed() -> None:
    rows = [{"asset": "USDT", "free": "940.5", "locked": 60}]
    told = hear(talk(), "outboundAccountInfo", {"type": "update", "data": {"balance": rows}})
    assert told == BalancesTold(balances=(Balance("USDT", "940.5", "60"),), time_ms=NOW_MS)


# --- what is strange ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "message",
    [
        ["order", {"type": "update", "data": {}}],
        ["order", {"type": "update", "data": ORDER | {"filledAmount": "soon"}}],
        ["order", {"type": "update", "data": ORDER | {"updatedAt": "today"}}],
        ["order", {"type": "update", "data": ORDER | {"side": "HOLD"}}],
        ["order", {"type": "news"}],
        ["order"],
        ["gossip", {"type": "info"}],
        {},
    ],
)
def test_what_is_not_understood_is_said_so(message: Any) -> None:
    turn = talk().receive(json.dumps(message).encode(), SPOT, NOW_MS)
    (said,) = turn.said
    assert isinstance(said.what, Unreadable)


@given(st.binary())
def test_no_bytes_are_too_strange(frame: bytes) -> None:
    (said,) = talk().receive(frame, SPOT, NOW_MS).said
    assert isinstance(said.what, Unreadable)


# --- the record ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", EXCHANGES)
def test_every_market_can_be_traded_on_paper_and_nothing_is_asked(name: str) -> None:
    private = paper(EXCHANGES[name], "ws://paper:7506")
    assert private.markets.keys() == EXCHANGES[name].markets.keys()
    for market, rules in private.markets.items():
        assert not rules.asked
        assert not rules.dial_cost
        inquiry = private.open(market, KEY)
        with pytest.raises(StopIteration) as found:
            next(inquiry)
        assert found.value.value == "ws://paper:7506"
        with pytest.raises(StopIteration) as nothing:
            next(private.snapshot(market, KEY, {}))
        assert nothing.value.value == ()
