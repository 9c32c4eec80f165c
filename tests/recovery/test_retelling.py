"""An order that is told again says the same of itself, whoever tells it, and however late."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import UNSET

from common.model.account import ExecutionReport, Fill
from common.recovery.orders import Orders
from tests.recovery.test_orders import COINS, ME, T0, averages, fill, in_dollars, of_dollars, state


def words(said: Sequence[ExecutionReport | Fill]) -> list[tuple[str, Any, Any, Any]]:
    """Of each report, what only that state of the order has: its raw word, its time, its cause."""
    return [
        (one.status, one.raw_status, one.order_ms, one.reason)
        for one in said
        if isinstance(one, ExecutionReport)
    ]


def test_a_state_has_the_words_of_whoever_told_of_that_very_state() -> None:
    orders = Orders(ME)
    said = orders.take([state("NEW")])
    said += orders.take([fill(1, "0.4", 1), state("PARTIALLY_FILLED", "0.4", 1)])
    said += orders.take([state("CANCELED", "0.4", 2, reason="by its owner")])
    assert words(said) == [
        ("NEW", UNSET, T0, UNSET),
        ("PARTIALLY_FILLED", "partially_filled", T0 + 1, UNSET),
        ("CANCELED", "canceled", T0 + 2, "by its owner"),
    ]


def test_earlier_states_do_not_have_the_words_of_a_later_one() -> None:
    """REST tells of the order as it ended, after its owner died and Redis lost what was known of it."""
    row = state("CANCELED", "0.6", 3, reason="by its owner")
    said = Orders(ME).take([fill(1, "0.4", 1), fill(2, "0.2", 2), row])
    assert words(said) == [
        ("NEW", UNSET, UNSET, UNSET),
        ("PARTIALLY_FILLED", UNSET, UNSET, UNSET),
        ("PARTIALLY_FILLED", UNSET, UNSET, UNSET),
        ("CANCELED", "canceled", T0 + 3, "by its owner"),
    ]


def test_a_state_that_only_its_fill_has_told_of_has_no_words_of_the_one_before() -> None:
    orders = Orders(ME)
    orders.take([state("NEW")])
    orders.take([fill(1, "0.4", 1), state("PARTIALLY_FILLED", "0.4", 1)])
    said = orders.take([fill(2, "0.2", 2)]) + orders.take([fill(3, "0.4", 3)])
    assert words(said) == [
        ("PARTIALLY_FILLED", UNSET, UNSET, UNSET),
        ("FILLED", UNSET, UNSET, UNSET),
    ]


def test_a_fill_says_of_its_order_what_that_says_of_itself() -> None:
    """Trades by REST leave it out, and who hears one knows no less than before."""
    orders = Orders(ME)
    heard = fill(1, "0.4", 1, client_order_id="mine", position_side="LONG", liquidation=False)
    (_, first, _) = orders.take([state("NEW", quantity="1.0"), heard])
    about = {"position_side": "LONG", "liquidation": False}
    (_, again, _) = Orders(ME).take([fill(1, "0.4", 1), state("NEW", **about)])
    assert first == again
    (other,) = (
        one
        for one in orders.take([fill(2, "0.1", 2, client_order_id="its own", liquidation=True)])
        if isinstance(one, Fill)
    )
    assert (other.client_order_id, other.liquidation) == ("its own", True)


def test_an_order_is_new_when_it_was_created_or_first_heard_of_not_when_it_is_told() -> None:
    heard_at_once = [state("NEW", created_ms=UNSET), fill(1, "1.0", 15)]
    (new, *_) = Orders(ME).take([*heard_at_once, state("FILLED", "1.0", 15, created_ms=UNSET)])
    (again, *_) = Orders(ME).take([fill(1, "1.0", 15), state("FILLED", "1.0", 15, created_ms=T0)])
    assert (new.event_ms, new.message_id) == (again.event_ms, again.message_id)


def test_earlier_steps_of_an_inverse_order_do_not_have_its_last_average() -> None:
    """Its row by REST tells of all of it; each step's average is that of its fills."""
    row = of_dollars("FILLED", "200", 3, average_price="33333.333333333333")
    trades = [in_dollars(1, "100", "50000", "0.002"), in_dollars(2, "100", "25000", "0.004")]
    for told in ([*trades, row], [row, *trades]):
        assert averages(Orders(COINS).take(told)) == [UNSET, "50000", "33333.333333333333"]
    unfetched = Orders(COINS)
    said = unfetched.take([row]) + unfetched.take(trades[:1]) + unfetched.take(trades[1:])
    assert averages(said) == [UNSET, "50000", "33333.333333333333"]


def test_nor_where_what_is_paid_in_coins_is_not_counted_in_contracts() -> None:
    """Ten dollars each: what they are in coins was rounded, their price was not."""
    trades = [
        fill(1, "0.00314432", 1, price="3180.33", quote_quantity="10"),
        fill(2, "0.00314366", 2, price="3181.00", quote_quantity="10"),
        fill(3, "0.00314432", 3, price="3180.33", quote_quantity="10"),
    ]
    row = state("FILLED", "0.0094323", 3, quantity="0.0094323", average_price="3180.55")
    told = averages(Orders(COINS).take([*trades, row]))
    assert told == [UNSET, "3180.33", "3180.664964716498", "3180.55"]
    unknown = [fill(1, "0.00314432", 1, price="3180.33", quote_quantity=UNSET), *trades[1:]]
    assert averages(Orders(COINS).take([*unknown, row])) == [UNSET, UNSET, UNSET, "3180.55"]
