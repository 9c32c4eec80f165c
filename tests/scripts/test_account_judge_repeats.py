"""What the judge of accounts holds against a message that comes again."""

from __future__ import annotations

from typing import Any

import pytest

from scripts.quick.account_verdict import Told
from tests.scripts.told_accounts import (
    BODIES,
    POSITION,
    T0,
    counts,
    fill,
    position,
    told,
    truth,
    verdict,
)


def anything(*_: Any) -> bool:
    return True


def test_what_comes_again_needs_a_cause() -> None:
    again = [*told(), *told("fill 1", "end")]
    found = verdict(again, truth(), explains=anything)
    assert found.clean
    assert found.repeated == 2
    assert counts(verdict(again, truth())) == {"repeatedUnexplained": 2}


def less(name: str, *fields: str, **more: Any) -> dict[str, Any]:
    """Who tells it again knows nothing of these, but more of others."""
    body = {key: value for key, value in BODIES[name].items() if key not in fields}
    return {**body, **more}


def repeated(first: dict[str, Any], *again: dict[str, Any]) -> tuple[int, int]:
    """How often an order's report, or a trade, that comes again says something else, and how often less."""
    kind = "fill 1" if first["eventType"] == "fill" else "end"
    messages = told(**{kind.replace(" ", "_"): first})
    messages += [Told(kind, body) for body in again]
    found = verdict(messages, truth(), explains=anything, fees=False)
    assert found.clean is (not found.told_otherwise)
    return found.told_otherwise, found.told_less


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("fill 1", fill(0, price="1")),
        ("fill 1", fill(0, fee="99")),
        ("fill 1", less("fill 1", "price")),
        ("fill 1", less("fill 1", "quantity")),
        ("fill 1", less("fill 1", "maker")),
        ("fill 1", fill(0, clientOrderId="bot-7")),
        ("end", less("end", averagePrice="100.6")),
        ("end", less("end", eventTime=T0)),
        ("end", less("end", "quantity")),
        ("end", less("end", "side")),
        ("end", less("end", "newClientOrderId")),
        ("end", less("end", "totalTradeQuantity")),
        ("end", less("end", inferred=True)),
        ("end", less("end", stopPrice="99")),
    ],
)
def test_what_comes_again_says_the_same_of_all_that_everybody_knows(
    name: str, body: dict[str, Any]
) -> None:
    assert repeated(BODIES[name], body) == (1, 0)
    assert repeated(body, BODIES[name])[0] == 1


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("fill 1", {"fee": "0.01", "feeAsset": "USDT"}),
        ("fill 1", {"realizedPnl": "0"}),
        ("fill 1", {"quoteQuantity": "50"}),
        ("fill 1", {"liquidation": False}),
        ("end", {"rawStatus": "filled", "orderTime": T0, "reason": "by its owner"}),
        ("end", {"creationTime": T0, "timeInForce": "GTC", "reduceOnly": False}),
        ("end", {"originalClientOrderId": "bot-7", "liquidation": False}),
        ("end", {"averagePrice": "100.5", "totalQuoteTradeQuantity": "201"}),
    ],
)
def test_what_only_some_know_may_be_missing_or_be_added_but_is_the_same_where_it_is(
    name: str, known: dict[str, Any]
) -> None:
    more, bare = less(name, **known), less(name, *known)
    assert repeated(more, bare) == (0, 1)
    assert repeated(bare, more) == (0, 0)
    assert repeated(bare, more, bare) == (0, 1)
    other = dict.fromkeys(known, "7")
    assert repeated(more, bare, {**more, **other}) == (1, 1)


def test_numbers_that_come_again_are_the_same_numbers() -> None:
    assert repeated(fill(0), fill(0, fee="0.0100", price="100.0")) == (0, 0)
    assert repeated(BODIES["end"], less("end", averagePrice="100.50000001")) == (0, 0)


def test_the_size_of_an_order_without_a_limit_may_be_known_only_in_the_end() -> None:
    bare = less("new", "price", "quantity")
    about = truth(order={"price": None})
    others = {name: less(name, "price") for name in ("part", "end")}
    messages = [*told(new=bare, **others), Told("new", less("new", "price"))]
    assert verdict(messages, about, explains=anything).clean


@pytest.mark.parametrize(("liquidation", "wrong"), [(True, 0), (False, 1)])
def test_of_which_type_a_liquidation_is_only_some_know(*, liquidation: bool, wrong: int) -> None:
    typed = less("end", liquidation=liquidation, orderType="LIMIT")
    bare = less("end", "orderType", liquidation=liquidation)
    for first, again in ((typed, bare), (bare, typed)):
        messages = [*told(end=first), Told("end", again)]
        assert verdict(messages, truth(), explains=anything).told_otherwise == wrong


def test_when_an_order_was_made_may_not_be_told() -> None:
    """Then it is new when it was first heard of."""
    for created, wrong in (({}, 0), ({"creationTime": T0}, 1)):
        new = less("new", eventTime=T0 + 5, **created)
        again = less("new", eventTime=T0, creationTime=T0)
        messages = [*told(new=new), Told("new", again), Told("new", again)]
        assert verdict(messages, truth(), explains=anything).told_otherwise == 2 * wrong
    messages = [*told(new=less("new", eventTime=T0 + 5)), Told("new", again)]
    messages.append(Told("new", less("new", eventTime=T0 + 9, creationTime=T0)))
    assert verdict(messages, truth(), explains=anything).told_otherwise == 1


def test_a_close_that_nobody_heard_has_the_time_at_which_it_was_found() -> None:
    for size, wrong in (("0", 0), ("-2", 1)):
        about = truth(positions=[{**POSITION, "size": size}])
        first, again = ({**position(size), "eventTime": T0 + at} for at in (0, 5))
        messages = [*told(position=first), Told("position", again)]
        assert verdict(messages, about, explains=anything).told_otherwise == wrong


def test_where_rest_does_not_say_when_an_order_changed_its_times_need_not_agree() -> None:
    again = {**BODIES["end"], "eventTime": T0 + 999, "orderTime": T0 + 999}
    messages = [*told(), Told("end", again)]
    for dated, wrong in ((True, 1), (False, 0)):
        found = verdict(messages, truth(), explains=anything, dated=dated)
        assert found.told_otherwise == wrong
