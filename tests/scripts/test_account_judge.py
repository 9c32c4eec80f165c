"""What the judge of accounts holds against a delivery, and what it does not."""

from __future__ import annotations

from typing import Any

import pytest

from scripts.quick.account_verdict import Told
from tests.scripts.told_accounts import (
    BALANCE,
    BODIES,
    FILLS,
    POSITION,
    T0,
    balances,
    counts,
    fill,
    position,
    report,
    told,
    truth,
    verdict,
)

ALL = tuple(BODIES)


def without(*names: str) -> list[Told]:
    return told(*(name for name in ALL if name not in names))


def test_what_was_told_as_it_was_is_clean() -> None:
    found = verdict(told(), truth())
    assert found.reasons == []
    assert found.clean
    assert (found.accounts, found.orders, found.fills) == (1, 1, 2)


# --- the path of an order -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "wrong"),
    [
        (("fill 1", "part", "fill 2", "end"), {"pathsWrong": 1}),
        (("new", "fill 1", "fill 2", "end"), {"pathsWrong": 1}),
        (("fill 1", "fill 2", "end"), {"pathsWrong": 1}),
        (("new", "part", "fill 1", "fill 2", "end"), {"pathsWrong": 1}),
        (("new", "fill 1", "part", "end", "fill 2"), {"pathsWrong": 1}),
        (("new", "fill 1", "part", "fill 2"), {"ordersNotTerminal": 1}),
        (("new", "fill 1", "part", "end"), {"pathsWrong": 1, "fillsMissing": 1}),
        (("fill 1", "fill 2"), {"ordersMissing": 1}),
        ((), {"ordersMissing": 1, "fillsMissing": 2}),
    ],
)
def test_every_step_is_told_and_no_report_before_the_fill_it_counts(
    names: tuple[str, ...], wrong: dict[str, int]
) -> None:
    assert counts(verdict(told(*names, "balances", "position"), truth())) == wrong


def test_a_step_that_never_was_or_comes_twice_is_wrong() -> None:
    for step in (report("PARTIALLY_FILLED", "0.7"), report("PARTIALLY_FILLED", "0.5", price="100")):
        messages = told()
        messages.insert(4, Told("once more", step))
        assert counts(verdict(messages, truth()))["pathsWrong"] >= 1


def test_a_request_to_cancel_may_come_between() -> None:
    messages = told()
    messages.insert(3, Told("pending", report("PENDING_CANCEL", "0.5")))
    assert verdict(messages, truth()).clean


def test_fills_of_the_same_moment_have_no_order_of_their_own() -> None:
    names = ("new", "fill 2", "part", "fill 1", "end", "balances", "position")
    part = report("PARTIALLY_FILLED", "1.5")
    at_once = {f"fill_{nth + 1}": fill(nth, eventTime=T0) for nth in (0, 1)}
    same = truth(fills=[{**one, "timeMs": T0} for one in FILLS])
    assert verdict(told(*names, part=part, **at_once), same).clean
    assert counts(verdict(told(*names, part=part), truth())) == {"pathsWrong": 1}


def test_an_order_that_never_was_may_only_be_told_as_rejected_but_has_to_be() -> None:
    rejected = {"status": "REJECTED", "cumulative": "0", "value": "0"}
    about = truth(order=rejected, fills=[])
    end = report("REJECTED", "0")
    for names in (("end",), ("new", "end")):
        assert verdict(told(*names, "balances", "position", end=end), about).clean
    assert counts(verdict(told("balances", "position"), about)) == {"ordersMissing": 1}


def test_an_end_is_the_true_one_and_the_last_word() -> None:
    other_end = told(end=report("CANCELED", "2"))
    assert counts(verdict(other_end, truth())) == {"endsWrong": 1}
    assert counts(verdict(told(end=report("FILLED", "1.5")), truth()))["endsWrong"] == 1
    after = [*told(), Told("after", report("CANCELED", "2"))]
    assert counts(verdict(after, truth())) == {"terminalTwice": 1, "endsWrong": 1}
    assert counts(verdict(told(end=report("FILLED", "0.4")), truth()))["cumulativeFell"] == 1


def test_an_order_that_lives_has_no_end() -> None:
    about = truth(
        order={"status": "PARTIALLY_FILLED", "cumulative": "0.5", "value": "50"}, fills=FILLS[:1]
    )
    assert verdict(told("new", "fill 1", "part", "balances", "position"), about).clean
    ended = report("CANCELED", "0.5", inferred=True)
    messages = told("new", "fill 1", "part", "end", "balances", "position", end=ended)
    assert counts(verdict(messages, about)) == {"endsWrong": 1}


@pytest.mark.parametrize(("early_ms", "wrong"), [(0, {}), (2_000, {}), (2_001, {"endsWrong": 1})])
def test_an_inferred_end_is_not_before_the_true_one(early_ms: int, wrong: dict[str, int]) -> None:
    about = truth(order={"status": "CANCELED", "cumulative": "0.5", "value": "50"}, fills=FILLS[:1])
    end = report("CANCELED", "0.5", inferred=True, eventTime=T0 + 2_000 - early_ms)
    messages = told("new", "fill 1", "part", "end", "balances", "position", end=end)
    assert counts(verdict(messages, about)) == wrong


# --- what reports and fills say -------------------------------------------------------------


@pytest.mark.parametrize(
    "changed",
    [
        {"side": "BUY"},
        {"symbol": "ETH-USDT"},
        {"price": "101"},
        {"quantity": "3"},
        {"newClientOrderId": "bot-8"},
        {"liquidation": True},
        {"positionSide": "SHORT"},
    ],
)
def test_the_terms_of_every_report_are_the_orders(changed: dict[str, Any]) -> None:
    for name, status, total in (("new", "NEW", "0"), ("end", "FILLED", "2")):
        messages = told(**{name: report(status, total, **changed)})
        assert counts(verdict(messages, truth())) == {"ordersWrong": 1}


def test_numbers_are_compared_as_numbers() -> None:
    end = report("FILLED", "2.000", price="100.00", quantity="2.0")
    assert verdict(told(end=end), truth()).clean


@pytest.mark.parametrize("name", ["side", "newClientOrderId", "price", "quantity"])
def test_what_every_exchange_tells_of_an_order_is_told(name: str) -> None:
    end = {key: value for key, value in BODIES["end"].items() if key != name}
    assert counts(verdict(told(end=end), truth())) == {"ordersWrong": 1}


def test_a_market_order_has_no_price_and_may_be_asked_for_in_the_quote_asset() -> None:
    about = truth(order={"price": None})
    bare = {
        name: {key: value for key, value in body.items() if key not in ("price", "quantity")}
        for name, body in BODIES.items()
        if body["eventType"] == "executionReport"
    }
    assert verdict(told(**bare), about).clean
    assert counts(verdict(told(), about)) == {"ordersWrong": 3}


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("end", {"averagePrice": "9999"}),
        ("end", {"averagePrice": "100.51"}),
        ("end", {"totalQuoteTradeQuantity": "7"}),
        ("part", {"averagePrice": "100.5"}),
        ("part", {"totalQuoteTradeQuantity": "201"}),
    ],
)
def test_averages_are_those_of_the_fills_that_a_report_counts(
    name: str, said: dict[str, str]
) -> None:
    messages = told(**{name: {**BODIES[name], **said}})
    assert counts(verdict(messages, truth())) == {"averagesWrong": 1}


def test_an_average_may_be_off_by_what_its_parts_were_rounded_by() -> None:
    for average, quote, wrong in (
        ("100.5", "201", 0),
        ("100.50000001", "201.00000001", 0),
        ("100.5000001", "201", 1),
        ("100.5", "201.0000001", 1),
    ):
        end = report("FILLED", "2", averagePrice=average, totalQuoteTradeQuantity=quote)
        assert verdict(told(end=end), truth()).averages_wrong == wrong


@pytest.mark.parametrize(
    "changed",
    [
        {"price": "1"},
        {"quantity": "1"},
        {"fee": "99"},
        {"feeAsset": "BTC"},
        {"side": "BUY"},
        {"maker": False},
        {"symbol": "ETH-USDT"},
        {"quoteQuantity": "1"},
        {"liquidation": True},
        {"eventTime": T0},
    ],
)
def test_a_fill_says_what_was_traded(changed: dict[str, Any]) -> None:
    assert counts(verdict(told(fill_1=fill(0, **changed)), truth())) == {"fillsWrong": 1}


def test_a_fill_that_never_was_or_has_two_names_is_wrong() -> None:
    never = Told("never", fill(0, tradeId="t9"))
    assert counts(verdict([*told(), never], truth())) == {"fillsWrong": 1}
    renamed = Told("once more", fill(0))
    assert counts(verdict([*told(), renamed], truth())) == {"fillsWrong": 1}


@pytest.mark.parametrize("where", [{"exchange": "bybit"}, {"market": "spot"}])
def test_every_message_is_of_its_market(where: dict[str, str]) -> None:
    assert counts(verdict(told(end=report("FILLED", "2", **where)), truth())) == {"misaddressed": 1}


# --- what is held ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        balances({"asset": "NEVER", "free": "9", "total": "9"}),
        {**balances(), "balances": []},
        {
            **balances(),
            "balances": [{"asset": "USDT", "free": "70", "locked": "88", "total": "90"}],
        },
        {**balances(), "balances": [{"asset": "USDT", "free": "71", "total": "90"}]},
        {**balances(), "balances": [{"asset": "USDT", "total": "91"}]},
    ],
)
def test_balances_are_compared_from_both_sides(body: dict[str, Any]) -> None:
    assert counts(verdict(told(balances=body), truth())) == {"balancesWrong": 1}


def test_what_is_none_need_not_be_told_and_may_be() -> None:
    none = {"asset": "BTC", "free": "0", "locked": "0.00", "total": "0"}
    about = truth(
        balances=[BALANCE, {**BALANCE, "asset": "ETH", "free": "0", "locked": "0", "total": "0"}]
    )
    assert verdict(told(balances=balances(none), position=position("-2.0")), about).clean
    closed = Told("closed", position("0", symbol="ETH-USDT"))
    assert verdict([*told(), closed], truth()).clean


@pytest.mark.parametrize(
    ("said", "wrong"),
    [
        ([position("2")], 1),
        ([position("-1")], 1),
        ([], 1),
        ([position("-2"), position("7", symbol="Z")], 1),
        ([position("7"), position("-2")], 0),
    ],
)
def test_of_a_position_without_a_side_the_sign_counts(
    said: list[dict[str, Any]], wrong: int
) -> None:
    words = [Told(f"position {nth}", body) for nth, body in enumerate(said)]
    assert verdict([*without("position"), *words], truth()).positions_wrong == wrong


def test_a_side_of_its_own_says_which_way_it_goes() -> None:
    about = truth(positions=[{**POSITION, "side": "SHORT"}])
    for quantity in ("2", "-2"):
        assert verdict(told(position=position(quantity, side="SHORT")), about).clean
    other = told(position=position("2", side="LONG"))
    assert counts(verdict(other, about)) == {"positionsWrong": 2}


def test_an_owner_that_is_behind_does_not_have_the_last_word() -> None:
    messages = [one._replace(epoch=2) for one in told()]
    late = Told("late", position("5"), epoch=1)
    assert verdict([*messages, late], truth()).clean
    assert not verdict([*messages, late._replace(epoch=2)], truth()).clean


# --- where orders are listed by symbol ------------------------------------------------------

UNFILLED = {"status": "CANCELED", "cumulative": "0", "value": "0"}


@pytest.mark.parametrize(
    ("disturbed", "unheard"),
    [
        ([], 0),
        ([(T0 - 9_000, T0 - 1)], 0),
        ([(T0 + 2_001, T0 + 9_000)], 0),
        ([(T0 - 9_000, T0)], 1),
        ([(T0 + 2_000, T0 + 9_000)], 1),
    ],
)
def test_an_order_is_unheard_only_if_something_happened_while_it_lived(
    disturbed: list[tuple[float, float]], unheard: int
) -> None:
    about = truth(order=UNFILLED, fills=[])
    silent = told("balances", "position")
    found = verdict(silent, about, lists_all=False, disturbed=disturbed)
    assert (found.orders_unheard, found.orders_missing) == (unheard, 1 - unheard)
    assert found.clean is bool(unheard)
    listed = verdict(silent, about, disturbed=disturbed)
    assert listed.orders_missing == 1


def test_an_order_with_a_fill_is_owed_whatever_happened() -> None:
    always = [(0.0, 2.0 * T0)]
    found = verdict(told("balances", "position"), truth(), lists_all=False, disturbed=always)
    assert counts(found) == {"fillsMissing": 2, "ordersMissing": 1}


def test_what_is_wrong_is_counted_by_place() -> None:
    found = verdict(told(end=report("CANCELED", "2")), truth())
    assert found.accounts_by_place == {"endsWrong": {"okx linear": 1}}
    assert found.reasons == ["ends_wrong: mine linear: order o7: CANCELED 2, and is FILLED 2"]
