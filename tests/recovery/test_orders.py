"""An account's orders: however they are told, one true path of each goes out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from common.exchanges.told import FillTold, OrderTold
from common.model.account import TERMINAL, ExecutionReport, Fill
from common.recovery.order import Order
from common.recovery.orders import LOOK_EVERY, MOST_ENDED, MOST_KEPT, Orders
from common.recovery.reports import Account

ME = Account("binance", "spot", "acc")
T0 = 1_700_000_000_000
Said = list[tuple[str, str]]


def state(status: Any, filled: str = "0", at: int = 0, **more: Any) -> OrderTold:
    fields: dict[str, Any] = {
        "symbol": "ETHUSDT", "order_id": "1", "status": status, "raw_status": status.lower(),
        "time_ms": T0 + at, "seq": at, "side": "BUY", "order_type": "LIMIT", "price": "2500",
        "quantity": "1.0", "filled": filled, "created_ms": T0, "client_order_id": "mine",
    }  # fmt: skip
    return OrderTold(**fields | more)


def fill(trade: int, quantity: str, at: int = 0, **more: Any) -> FillTold:
    fields: dict[str, Any] = {
        "symbol": "ETHUSDT", "order_id": "1", "trade_id": str(trade), "side": "BUY",
        "price": "2500", "quantity": quantity, "quote_quantity": "1", "time_ms": T0 + at, "seq": at,
    }  # fmt: skip
    return FillTold(**fields | more)


def path(said: Sequence[ExecutionReport | Fill]) -> Said:
    """Status and total of each report, and ``fill`` with its size."""
    return [
        (one.status, str(one.cumulative_quantity))
        if isinstance(one, ExecutionReport)
        else ("fill", str(one.quantity))
        for one in said
    ]


# --- one order ----------------------------------------------------------------------------------


def test_an_order_is_told_from_its_beginning_to_its_end() -> None:
    orders = Orders(ME)
    said = orders.take([state("NEW")])
    said += orders.take([fill(1, "0.4", 1), state("PARTIALLY_FILLED", "0.4", 1)])
    said += orders.take([fill(2, "0.6", 2), state("FILLED", "1.0", 2)])
    assert path(said) == [
        ("NEW", "0"),
        ("fill", "0.4"),
        ("PARTIALLY_FILLED", "0.4"),
        ("fill", "0.6"),
        ("FILLED", "1.0"),
    ]
    report = said[2]
    assert isinstance(report, ExecutionReport)
    assert (report.side, report.client_order_id, report.created_ms) == ("BUY", "mine", T0)
    assert report.message_id == "order:binance:spot:acc:ETHUSDT:1:PARTIALLY_FILLED:0.4"
    assert said[1].message_id == "fill:binance:spot:acc:ETHUSDT:1:1"


APART = Account("bybit", "spot", "acc", fills_apart=True)


def test_a_fill_waits_for_the_state_that_says_whether_it_is_the_next() -> None:
    """What was not heard before it is told before it, though it is found later."""
    orders = Orders(APART)
    said = orders.take([state("NEW")])
    said += orders.take([fill(1, "0.3", 1)])
    assert path(said) == [("NEW", "0")]
    said += orders.take([state("PARTIALLY_FILLED", "0.3", 1)])
    assert path(said)[1:] == [("fill", "0.3"), ("PARTIALLY_FILLED", "0.3")]
    # The second was missed with its state.
    assert orders.take([fill(3, "0.2", 3)]) == []
    assert [order.about.order_id for order in orders.owed] == ["1"]
    assert orders.take([state("PARTIALLY_FILLED", "0.6", 3)]) == []
    said = orders.take([fill(2, "0.1", 2)])
    assert path(said) == [
        ("fill", "0.1"),
        ("PARTIALLY_FILLED", "0.4"),
        ("fill", "0.2"),
        ("PARTIALLY_FILLED", "0.6"),
    ]
    assert orders.owed == []


def test_where_fills_tell_the_total_themselves_or_nobody_does_none_waits() -> None:
    assert len(Orders(ME).take([state("NEW"), fill(1, "0.3", 1)])) == 3
    by_worth = state("NEW", filled=UNSET, quantity=UNSET)
    assert len(Orders(APART).take([by_worth, fill(1, "0.3", 1)])) == 3


def test_an_order_that_is_met_in_the_middle_has_a_beginning_all_the_same() -> None:
    said = Orders(ME).take([fill(1, "1.0", 5), state("FILLED", "1.0", 5)])
    assert path(said) == [("NEW", "0"), ("fill", "1.0"), ("FILLED", "1.0")]
    assert said[0].event_ms == T0


def test_an_order_that_never_was_is_rejected_and_nothing_else() -> None:
    said = Orders(ME).take([state("REJECTED", at=1, reason="LOT_SIZE")])
    assert path(said) == [("REJECTED", "0")]
    assert isinstance(said[0], ExecutionReport)
    assert said[0].reason == "LOT_SIZE"


def test_a_cancel_behind_a_part_is_no_fill_and_a_cancel_behind_all_is_no_cancel() -> None:
    part = Orders(ME).take([fill(1, "0.4"), state("CANCELED", "0.4", 1)])
    assert path(part)[-2:] == [("PARTIALLY_FILLED", "0.4"), ("CANCELED", "0.4")]
    whole = Orders(ME).take([fill(1, "1.0"), state("CANCELED", "1.0", 1)])
    assert path(whole)[-1] == ("FILLED", "1.0")


def test_what_a_state_says_is_filled_waits_for_its_fills() -> None:
    """Two channels, in whichever order."""
    orders = Orders(ME)
    assert orders.take([state("FILLED", "1.0", 2)]) == []
    assert [order.about.order_id for order in orders.owed] == ["1"]
    assert orders.take([fill(2, "0.6", 2)]) == []
    said = orders.take([fill(1, "0.4", 1)])
    assert path(said) == [
        ("NEW", "0"),
        ("fill", "0.4"),
        ("PARTIALLY_FILLED", "0.4"),
        ("fill", "0.6"),
        ("FILLED", "1.0"),
    ]
    assert orders.owed == []


def test_an_order_that_is_filled_in_part_is_new_before_its_fills_are_there() -> None:
    orders = Orders(ME)
    assert path(orders.take([state("PARTIALLY_FILLED", "0.4", 2)])) == [("NEW", "0")]
    assert [order.about.order_id for order in orders.owed] == ["1"]


def test_a_missed_fill_holds_up_what_came_after_it() -> None:
    orders = Orders(ME)
    orders.take([state("NEW")])
    assert orders.take([fill(2, "0.3", 2), state("PARTIALLY_FILLED", "0.7", 2)]) == []
    assert path(orders.take([fill(1, "0.4", 1)])) == [
        ("fill", "0.4"),
        ("PARTIALLY_FILLED", "0.4"),
        ("fill", "0.3"),
        ("PARTIALLY_FILLED", "0.7"),
    ]


def test_a_market_order_by_its_worth_is_filled_when_it_is_said_to_be() -> None:
    orders = Orders(ME)
    market: dict[str, Any] = {"order_type": "MARKET", "price": UNSET, "quantity": UNSET}
    orders.take([state("NEW", **market)])
    said = orders.take([fill(1, "0.4"), state("FILLED", "0.4", 1, **market)])
    assert path(said) == [("fill", "0.4"), ("FILLED", "0.4")]


def test_contracts_are_what_is_added_up_where_it_is_counted_in_them() -> None:
    orders = Orders(ME)
    told = msgspec.structs.replace(
        state("FILLED", at=2), contracts="12", filled_contracts="12", quantity=UNSET, filled=UNSET
    )
    rows = [
        msgspec.structs.replace(fill(n, "0.01", n), contracts="6", quantity="0.01") for n in (1, 2)
    ]
    said = orders.take([*rows, told])
    reports = [one for one in said if isinstance(one, ExecutionReport)]
    assert [one.cumulative_contracts for one in reports] == ["0", "6", "12"]
    assert [one.cumulative_quantity for one in reports] == ["0", "0.01", "0.02"]
    assert reports[-1].status == "FILLED"


def test_an_amended_order_says_its_new_terms_once() -> None:
    orders = Orders(ME)
    orders.take([state("NEW")])
    said = orders.take([state("NEW", at=1, price="2600")])
    assert path(said) == [("NEW", "0")]
    assert isinstance(said[0], ExecutionReport)
    assert said[0].price == "2600"
    assert orders.take([state("NEW", at=1, price="2600")]) == []
    assert orders.take([state("NEW")]) == [], "a late frame changes nothing"


def test_a_status_that_nobody_documents_is_said_aloud_and_ends_nothing() -> None:
    orders = Orders(ME)
    orders.take([state("NEW")])
    (said,) = orders.take([state("UNKNOWN", at=1, raw_status="half_baked")])
    assert isinstance(said, ExecutionReport)
    assert (said.status, said.raw_status) == ("UNKNOWN", "half_baked")
    assert path(orders.take([fill(1, "1.0", 2), state("FILLED", "1.0", 2)]))[-1][0] == "FILLED"


def test_what_cannot_be_had_is_concluded_and_says_so() -> None:
    orders = Orders(ME)
    orders.take([state("NEW"), state("FILLED", "1.0", 1)])
    (order,) = orders.owed
    new, said = orders.conclude(order, T0 + 9)
    assert isinstance(new, ExecutionReport)
    assert isinstance(said, ExecutionReport)
    assert new.status == "NEW"
    assert (said.status, said.inferred, said.cumulative_quantity) == ("FILLED", True, "0")
    orders.take([state("NEW", order_id="2")])
    (gone,) = orders.conclude(orders.open[0], T0 + 9)
    assert isinstance(gone, ExecutionReport)
    assert (gone.status, gone.inferred, gone.event_ms) == ("CANCELED", True, T0 + 9)


# --- however it is told -------------------------------------------------------------------------


class Truth:
    """An order's real life, and the frames that tell it."""

    def __init__(self, sizes: Sequence[int], end: str, *, two_channels: bool) -> None:
        self.sizes, self.end = sizes, end
        total = sum(sizes) + (0 if end == "FILLED" else 1)
        asked = {"quantity": str(total)}
        self.frames: list[list[OrderTold | FillTold]] = [[state("NEW", **asked)]]
        done = 0
        for number, size in enumerate(sizes, start=1):
            done += size
            last = end == "FILLED" and number == len(sizes)
            status = "FILLED" if last else "PARTIALLY_FILLED"
            parts = [fill(number, str(size), number), state(status, str(done), number, **asked)]
            self.frames += [[part] for part in parts] if two_channels else [parts]
        if end != "FILLED":
            self.frames.append([state(end, str(done), len(sizes) + 1, **asked)])

    @property
    def path(self) -> Said:
        said: Said = [("NEW", "0")]
        done = 0
        for number, size in enumerate(self.sizes, start=1):
            done += size
            last = self.end == "FILLED" and number == len(self.sizes)
            said += [("fill", str(size)), ("FILLED" if last else "PARTIALLY_FILLED", str(done))]
        return said if self.end == "FILLED" else [*said, (self.end, str(done))]


truths = st.builds(
    Truth,
    st.lists(st.integers(1, 5), min_size=1, max_size=5),
    st.sampled_from(["FILLED", "CANCELED", "EXPIRED"]),
    two_channels=st.booleans(),
)


@given(truths, st.data())
def test_reordered_and_repeated_frames_make_the_same_path(
    truth: Truth, data: st.DataObject
) -> None:
    again = data.draw(st.lists(st.sampled_from(truth.frames), max_size=4))
    frames = data.draw(st.permutations([*truth.frames, *again]))
    orders, said = Orders(ME), list[ExecutionReport | Fill]()
    for frame in frames:
        said += orders.take(frame)
    reports = [one for one in said if isinstance(one, ExecutionReport)]
    totals = [int(str(one.cumulative_quantity)) for one in reports]
    assert totals == sorted(totals), "what is filled in all never falls"
    ends = [one for one in reports if one.status in TERMINAL]
    assert ends == said[-1:], "one end, and it is the last word"
    fills = [one.trade_id for one in said if isinstance(one, Fill)]
    assert sorted(fills) == [str(n + 1) for n in range(len(truth.sizes))], "each fill once"
    assert path(said)[-1] == truth.path[-1]
    assert orders.owed == []
    assert len({one.message_id for one in said}) == len(said)


@given(truths, st.integers(0, 12), st.data())
def test_an_owner_that_dies_anywhere_costs_nothing(
    truth: Truth, kept: int, data: st.DataObject
) -> None:
    """What the next one is told again is what was said already, by the same names."""
    first, before = Orders(ME), list[ExecutionReport | Fill]()
    for frame in truth.frames[:kept]:
        before += first.take(frame)
    saved = msgspec.msgpack.encode(list(first.changes().values()))
    after: list[ExecutionReport | Fill] = []
    if data.draw(st.booleans()):
        for frame in truth.frames[kept:]:
            after += first.take(frame)  # said, and not kept
    second = Orders(ME, msgspec.msgpack.decode(saved, type=list[Order]))
    again: list[ExecutionReport | Fill] = []
    for frame in truth.frames:
        again += second.take(frame)
    assert path([*before, *again]) == truth.path
    if after:
        assert [one.message_id for one in after] == [one.message_id for one in again]


@pytest.mark.parametrize("frames", [1, 2, 3])
def test_a_path_in_order_is_said_as_it_is_told(frames: int) -> None:
    truth = Truth([1] * frames, "CANCELED", two_channels=False)
    orders = Orders(ME)
    assert path([one for frame in truth.frames for one in orders.take(frame)]) == truth.path


def test_a_fill_of_an_order_that_nobody_has_described_waits_for_it() -> None:
    """Its report would say neither price nor size, under another name than whoever tells it next."""
    orders = Orders(ME)
    assert orders.take([fill(1, "0.4", 1)]) == []
    assert [order.about.order_id for order in orders.owed] == ["1"]
    said = orders.take([state("PARTIALLY_FILLED", "0.4", 1)])
    assert path(said) == [("NEW", "0"), ("fill", "0.4"), ("PARTIALLY_FILLED", "0.4")]
    assert {str(one.price) for one in said if isinstance(one, ExecutionReport)} == {"2500"}
    again = Orders(ME).take([fill(1, "0.4", 1), state("PARTIALLY_FILLED", "0.4", 1)])
    assert [one.message_id for one in again] == [one.message_id for one in said]
    assert orders.owed == []


def test_the_average_is_of_as_much_as_a_report_says_is_filled() -> None:
    """Told of two fills at once by a state that knows both, the first report says the first price."""
    orders = Orders(ME)
    said = orders.take(
        [
            fill(1, "0.4", 1, price="10", quote_quantity="4.0"),
            fill(2, "0.6", 2, price="20", quote_quantity="12.0"),
            state("FILLED", "1.0", 2, average_price="16.00"),
        ]
    )
    averages = [one.average_price for one in said if isinstance(one, ExecutionReport)]
    assert averages == [UNSET, "10", "16.00"]


def test_an_average_that_the_exchange_does_not_tell_follows_from_the_fills() -> None:
    orders = Orders(ME)
    said = orders.take(
        [
            fill(1, "0.3", 1, price="10", quote_quantity="3.0"),
            fill(2, "0.6", 2, price="11", quote_quantity="6.6"),
            state("PARTIALLY_FILLED", "0.9", 2),
        ]
    )
    last = said[-1]
    assert isinstance(last, ExecutionReport)
    assert last.average_price == "10.666666666667"


def averages(said: Sequence[ExecutionReport | Fill]) -> list[Any]:
    return [one.average_price for one in said if isinstance(one, ExecutionReport)]


def test_an_average_of_less_is_none_of_more() -> None:
    """REST tells one, the frames that follow do not."""

    def contracts(filled: int, at: int, **more: Any) -> OrderTold:
        return state(
            "FILLED" if filled == 3 else "PARTIALLY_FILLED", f"0.00{filled}", at,
            contracts="3", filled_contracts=str(filled), **more,
        )  # fmt: skip

    def trade(number: int, price: str, worth: str) -> FillTold:
        return fill(
            number, "0.001", number, contracts="1", price=price, quote_quantity=worth
        )  # fmt: skip

    orders = Orders(ME)
    said = orders.take([trade(1, "100", "0.1"), contracts(1, 1, average_price="100")])
    said += orders.take([trade(2, "90", "0.09"), contracts(2, 2)])
    said += orders.take([trade(3, "80", "0.08")])
    assert averages(said) == [UNSET, "100", "95", "90"]


def test_an_average_stays_where_the_newest_word_tells_of_as_much_or_of_none() -> None:
    orders = Orders(ME)
    part = {"quantity": "2.0", "average_price": "16.00"}
    orders.take([state("NEW", "0", quantity="2.0")])
    orders.take([state("PARTIALLY_FILLED", "1.0", 1, **part)])
    orders.take([state("PARTIALLY_FILLED", "1.00", 2, quantity="2.0")])
    orders.take([state("PARTIALLY_FILLED", UNSET, 3, quantity="2.0")])
    said = orders.take([fill(1, "1.0", 1, price="15", quote_quantity="15.0")])
    assert averages(said) == ["16.00"]


COINS = Account("bybit", "inverse", "acc")


def in_dollars(number: int, contracts: str, price: str, coins: str) -> FillTold:
    """A trade of contracts of a dollar each."""
    return fill(
        number, coins, number, contracts=contracts, price=price, quote_quantity=contracts
    )  # fmt: skip


def of_dollars(status: Any, filled: str, at: int, **more: Any) -> OrderTold:
    return state(
        status, UNSET, at, quantity=UNSET, contracts="200", filled_contracts=filled, **more
    )  # fmt: skip


def test_the_average_of_what_is_paid_in_coins_is_weighed_by_contracts() -> None:
    """100 dollars at 50000 and 100 at 25000 are 200 dollars for 0.006, also before the order says so."""
    orders = Orders(COINS)
    said = orders.take([of_dollars("NEW", "0", 1)])
    said += orders.take([in_dollars(1, "100", "50000", "0.002")])
    said += orders.take([of_dollars("PARTIALLY_FILLED", "100", 1, average_price="50000")])
    said += orders.take([in_dollars(2, "100", "25000", "0.004")])
    assert averages(said) == [UNSET, "50000", "33333.333333333333"]


def test_it_does_not_come_of_coins_that_were_rounded() -> None:
    said = Orders(COINS).take(
        [
            of_dollars("FILLED", "200", 3),
            in_dollars(1, "100", "60000", "0.00166667"),
            in_dollars(2, "100", "60000", "0.00166667"),
        ]
    )
    assert averages(said) == [UNSET, "60000", "60000"]


def test_an_average_that_nothing_tells_is_left_out() -> None:
    """What a contract is worth is not known yet; the exchange has told of the first part only."""
    orders = Orders(ME)
    unsized: dict[str, Any] = {"quantity": UNSET, "quote_quantity": UNSET, "contracts": "1"}
    asked: dict[str, Any] = {"quantity": UNSET, "contracts": "2"}
    said = orders.take(
        [
            fill(1, **unsized | {"at": 1, "price": "10"}),
            state("PARTIALLY_FILLED", UNSET, 1, filled_contracts="1", average_price="10", **asked),
        ]
    )
    said += orders.take([fill(2, **unsized | {"at": 2, "price": "20"})])
    assert averages(said) == [UNSET, "10", UNSET]


def test_terms_that_were_only_not_known_yet_are_no_amendment() -> None:
    orders = Orders(ME)
    orders.take([state("NEW", price=UNSET)])
    assert orders.take([state("NEW", at=1)]) == []
    (said,) = orders.take([state("NEW", at=2, price="2600")])
    assert said.message_id.endswith(":NEW:0:2600@1")


def test_whether_it_is_a_liquidation_is_said_once_it_is_known_and_then_of_all_that_follows() -> (
    None
):
    orders = Orders(ME)
    said = orders.take([state("NEW")])
    said += orders.take([state("PARTIALLY_FILLED", "0.4", 1, liquidation=True)])
    said += orders.take([fill(1, "0.4", 1)])
    said += orders.take([state("CANCELED", "0.4", 2)])
    reports = [one.liquidation for one in said if isinstance(one, ExecutionReport)]
    assert reports == [UNSET, True, True]
    (new,) = Orders(ME).take([state("NEW", liquidation=False)])
    assert isinstance(new, ExecutionReport)
    assert new.liquidation is False


# --- what is kept -------------------------------------------------------------------------------


def test_what_has_changed_is_told_once() -> None:
    orders = Orders(ME)
    orders.take([state("NEW")])
    orders.take([state("NEW", order_id="2")])
    assert orders.changes().keys() == {("ETHUSDT", "1"), ("ETHUSDT", "2")}
    assert orders.changes() == {}
    orders.take([state("CANCELED", at=1)])
    (changed,) = orders.changes().values()
    assert changed is not None
    assert changed.is_over


def test_an_order_that_ended_long_ago_is_forgotten_and_one_that_is_open_never() -> None:
    orders = Orders(ME)
    orders.take([state("NEW"), state("NEW", order_id="2"), state("CANCELED", at=5, order_id="2")])
    orders.changes()
    orders.forget(T0 + 5)
    assert orders.changes() == {}
    orders.forget(T0 + 6)
    assert orders.changes() == {("ETHUSDT", "2"): None}
    assert [order.about.order_id for order in orders.open] == ["1"]


def lived(orders: Orders, number: int, at: int) -> None:
    """An order that was placed and canceled."""
    names = {"order_id": f"{number}"}
    orders.take([state("NEW", at=at, **names), state("CANCELED", at=at, **names)])


def forgotten(orders: Orders) -> list[int]:
    return sorted(int(name) for (_, name), order in orders.changes().items() if order is None)


def test_beyond_so_many_those_that_ended_first_are_forgotten_not_those_that_began_first() -> None:
    """A long resting order that fills is told of until its end, and once."""
    orders = Orders(ME)
    orders.again_ms = T0 + MOST_ENDED * 2
    orders.take([state("NEW", order_id="old")])
    for number in range(MOST_ENDED + 2 * LOOK_EVERY):
        lived(orders, number, 1 + number)
    end = [
        fill(1, "1.0", MOST_ENDED * 3, order_id="old"),
        state("FILLED", "1.0", MOST_ENDED * 3, order_id="old"),
    ]
    assert path(orders.take(end)) == [("fill", "1.0"), ("FILLED", "1.0")]
    assert orders.take(end) == []
    gone = forgotten(orders)
    assert gone == list(range(len(gone)))
    assert len(gone) >= LOOK_EVERY


def test_what_may_be_told_again_is_not_forgotten_however_many_there_are() -> None:
    orders = Orders(ME)
    orders.again_ms = T0 + 5
    for number in range(MOST_ENDED + 2 * LOOK_EVERY):
        lived(orders, number, number)
    assert forgotten(orders) == [0, 1, 2, 3, 4]


def test_there_is_an_end_to_that_too() -> None:
    orders = Orders(ME)
    many = MOST_KEPT + 2 * LOOK_EVERY
    orders.take([state("CANCELED", at=number, order_id=f"{number}") for number in range(many)])
    assert forgotten(orders) == list(range(2 * LOOK_EVERY))
