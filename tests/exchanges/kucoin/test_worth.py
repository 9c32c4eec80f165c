"""KuCoin's orders by their worth, of unified accounts: they end with their last trade, however frames come."""

from __future__ import annotations

import json
from itertools import permutations
from typing import Any

import pytest
from msgspec import UNSET

from common.exchanges.kucoin import worth
from common.exchanges.kucoin.conversation import UnifiedConversation
from common.exchanges.kucoin.inquiries import order, since
from common.exchanges.private import Known, Said
from common.exchanges.told import FillTold, OrderTold, Told
from common.model.account import AccountEvent, ExecutionReport, Fill
from common.model.decimals import same
from common.recovery.book import Book
from common.recovery.orders import Account
from tests.exchanges.asking import answered
from tests.exchanges.kucoin.test_inquiries import ACCOUNT, UNIFIED, body, found

BEGUN_NS = 10**18
# 10 USDT for a cheap coin, whose price has fewer digits than would tell a third of it.
TRADES = (("1", "600000"), ("2", "350000"), ("3", "50000"))


def state(state: str = "3", spent: str = "10", **changes: Any) -> tuple[str, dict[str, Any]]:
    row = {
        "s": "PEPE-USDT", "oi": "o", "S": "BUY", "oT": "MARKET", "os": state, "U": BEGUN_NS + 9,
        "fS": spent, "q": "10", "qU": "QUOTECCY", "aP": "0.00001", "O": BEGUN_NS,
    }  # fmt: skip
    return "orderAll.UNIFIED", row | changes


def trade(number: str, size: str) -> tuple[str, dict[str, Any]]:
    return "execution.UNIFIED", {
        "s": "PEPE-USDT", "oi": "o", "ti": number, "S": "BUY", "p": "0.00001", "q": size,
        "E": BEGUN_NS + int(number), "lR": "TAKER",
    }  # fmt: skip


class Socket:
    """A unified account's socket, and what its owner has folded of it."""

    def __init__(self) -> None:
        self.it = UnifiedConversation("spot")
        self.book = Book(Account("kucoin", "spot", "a"))
        self.events: list[AccountEvent] = []

    def hear(self, push: tuple[str, dict[str, Any]]) -> list[Said]:
        frame = json.dumps({"T": push[0], "d": push[1]}).encode()
        said = list(self.it.receive(frame, {}, 0).said)
        self.take([one.what for one in said if isinstance(one.what, OrderTold | FillTold)])
        return said

    def take(self, told: list[Told]) -> None:
        self.events += self.book.take(told)

    @property
    def trades(self) -> set[str]:
        return {event.trade_id for event in self.events if isinstance(event, Fill)}

    @property
    def ended(self) -> ExecutionReport | None:
        last = self.events[-1] if self.events else None
        return last if isinstance(last, ExecutionReport) and last.status == "FILLED" else None

    def is_told_whole(self) -> bool:
        """All of its trades, then its end, with all that is filled."""
        end = self.ended
        if end is None or end.cumulative_quantity is UNSET:
            return False
        whole = self.trades == {"1", "2", "3"} and same(end.cumulative_quantity, "1000000")
        return whole and not self.book.orders.owed


@pytest.mark.parametrize(
    "pushes", list(permutations((state(), *(trade(*each) for each in TRADES))))
)
def test_no_trade_is_lost_in_whichever_order_the_two_channels_come(
    pushes: tuple[tuple[str, dict[str, Any]], ...],
) -> None:
    socket = Socket()
    for push in pushes[:-1]:
        socket.hear(push)
        assert socket.ended is None, "its last word has not come"
    socket.hear(pushes[-1])
    assert socket.is_told_whole()


def test_frames_that_come_again_change_nothing() -> None:
    socket = Socket()
    for push in (trade(*TRADES[0]), trade(*TRADES[0]), state(), state(), trade(*TRADES[1])):
        socket.hear(push)
    assert socket.ended is None
    socket.hear(trade(*TRADES[2]))
    assert socket.is_told_whole()
    socket.hear(state())
    assert socket.is_told_whole()


def test_a_trade_that_never_comes_is_asked_for() -> None:
    socket = Socket()
    for push in (trade(*TRADES[0]), state(), trade(*TRADES[1])):
        socket.hear(push)
        assert socket.ended is None
    assert [each.about.order_id for each in socket.book.orders.owed] == ["o"]
    told, _ = answered(order("spot", ACCOUNT, {}, "PEPE-USDT", "o"), [UNIFIED, body(ROW), ALL])
    socket.take(list(told))
    assert socket.is_told_whole()


def test_what_was_spent_in_part_and_canceled_has_ended_with_its_trades() -> None:
    socket = Socket()
    socket.hear(state("6", spent="9.5"))
    socket.hear(trade(*TRADES[0]))
    (_, said) = socket.hear(trade(*TRADES[1]))
    assert isinstance(said.what, OrderTold)
    assert (said.what.status, said.what.filled) == ("CANCELED", "950000")


def test_an_order_that_spent_nothing_has_no_trades_to_wait_for() -> None:
    (said,) = Socket().hear(state("5", spent="0"))
    assert isinstance(said.what, OrderTold)
    assert (said.what.status, said.what.filled) == ("CANCELED", "0")


def test_what_is_remembered_of_trades_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worth, "MOST_ORDERS", 1)
    socket = Socket()
    socket.hear(trade(*TRADES[0]))
    topic, other = trade("9", "1")
    socket.hear((topic, other | {"oi": "p"}))
    (said,) = socket.hear(state(spent="6"))
    assert isinstance(said.what, OrderTold)
    # Its trade is forgotten: it is not known to be whole, and is asked for.
    assert said.what.status == "PARTIALLY_FILLED"


def test_a_number_that_no_exchange_writes_is_said() -> None:
    socket = Socket()
    socket.hear(trade("1", f"{'9' * 50}"))
    (said,) = socket.hear(trade("2", f"0.{'1' * 50}"))
    assert type(said.what).__name__ in ("Unreadable",)


# --- asked for ----------------------------------------------------------------------------------

ROW: dict[str, Any] = {
    "orderId": "o", "symbol": "PEPE-USDT", "orderType": "MARKET", "side": "BUY", "size": "10",
    "sizeUnit": "QUOTECCY", "filledSize": "10", "avgPrice": "0.00001", "status": 3,
    "orderTime": BEGUN_NS, "updatedTime": BEGUN_NS + 9,
}  # fmt: skip
ROWS = [
    {"symbol": "PEPE-USDT", "orderId": "o", "side": "BUY", "tradeId": number, "size": size,
     "price": "0.00001", "executionTime": BEGUN_NS + int(number)}
    for number, size in TRADES
]  # fmt: skip
ALL = found(*ROWS)


def the_order(told: Any) -> OrderTold:
    (one,) = (one for one in told if isinstance(one, OrderTold))
    return one


def test_asked_for_with_all_its_trades_it_is_filled_by_what_they_are() -> None:
    told, _ = answered(order("spot", ACCOUNT, {}, "PEPE-USDT", "o"), [UNIFIED, body(ROW), ALL])
    assert (the_order(told).status, the_order(told).filled) == ("FILLED", "1000000")


def test_while_trades_are_not_listed_yet_it_has_not_ended() -> None:
    told, _ = answered(
        order("spot", ACCOUNT, {}, "PEPE-USDT", "o"), [UNIFIED, body(ROW), found(*ROWS[:2])]
    )
    assert the_order(told).status == "PARTIALLY_FILLED"
    filled = the_order(told).filled
    assert filled is not UNSET
    assert filled.startswith("950000.000"), "more than what is known, by less than any trade"
    assert not same(filled, "950000")


def test_what_may_be_rounding_keeps_no_order_open_for_ever() -> None:
    rounded = ROW | {"filledSize": "10.0009"}
    told, _ = answered(order("spot", ACCOUNT, {}, "PEPE-USDT", "o"), [UNIFIED, body(rounded), ALL])
    assert the_order(told).status == "FILLED"
    assert not same(str(the_order(told).filled), "1000000"), "first it is asked for again"


def test_in_a_history_its_trades_may_be_of_before() -> None:
    known = Known(since_ms=BEGUN_NS // 10**6 - 1, until_ms=BEGUN_NS // 10**6 + 1)
    told, asked = answered(since("spot", ACCOUNT, {}, known), [UNIFIED, ALL, found(ROW)])
    assert (the_order(told).filled, len(asked)) == ("1000000", 3)
    told, asked = answered(
        since("spot", ACCOUNT, {}, known),
        [UNIFIED, found(ROWS[2]), found(ROW), body(ROW), ALL],
    )
    assert the_order(told).filled == "1000000"
    assert asked[3].params["orderId"] == "o"
