"""An account's book: what a new owner finds in it, and what it makes of a snapshot."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from common.exchanges.private import BalancesTold, Position, PositionsTold, Told
from common.model.account import AccountPosition, Balance, ExecutionReport
from common.model.instruments import Instrument
from common.recovery.book import HELD, HOLDINGS, REMEMBERED_MS, SINCE, Book
from common.recovery.orders import OVERLAP_MS
from tests.recovery.test_orders import ME, T0, fill, state


def holds(**amounts: str) -> BalancesTold:
    rows = tuple(Balance(asset, amount, "0") for asset, amount in amounts.items())
    return BalancesTold(balances=rows, time_ms=T0, whole=True)


def listed(symbol: str, base: str, quote: str) -> Instrument:
    return Instrument("binance", "spot", symbol, "spot", base, quote, quote, "trading")


CATALOG = {
    each.symbol: each
    for each in (
        listed("ETHUSDT", "ETH", "USDT"),
        listed("BTCUSDT", "BTC", "USDT"),
        listed("ETHBTC", "ETH", "BTC"),
    )
}


def pieces(book: Book) -> dict[str, bytes]:
    return {name: body for name, body in book.changes().items() if body is not None}


def test_what_is_kept_piece_by_piece_makes_the_same_book() -> None:
    book = Book(ME)
    book.take([fill(1, "0.4"), state("PARTIALLY_FILLED", "0.4"), holds(ETH="0.4")], T0)
    book.told_until(T0 - 5)
    kept = pieces(book)
    assert kept.keys() == {"ETHUSDT 1", HOLDINGS, SINCE, HELD}
    successor = Book(ME, kept)
    assert successor.since_ms == T0 - 5
    assert successor.take([fill(1, "0.4"), state("PARTIALLY_FILLED", "0.4")]) == []
    assert successor.take([holds(ETH="0.4")], T0 + 1) == []
    said = successor.take([fill(2, "0.6", 1), state("FILLED", "1.0", 1)])
    assert [one.status for one in said if isinstance(one, ExecutionReport)] == ["FILLED"]


def test_only_what_has_changed_is_kept_again() -> None:
    book = Book(ME)
    book.take([state("NEW"), holds(ETH="1")], T0)
    book.changes()
    assert book.changes() == {}
    book.take([state("CANCELED", at=1)])
    assert book.changes().keys() == {"ETHUSDT 1"}
    book.told_until(T0 + REMEMBERED_MS + 2)
    changes = book.changes()
    assert changes.keys() == {"ETHUSDT 1", SINCE, HELD}
    assert changes["ETHUSDT 1"] is None
    assert changes[SINCE] == str(T0 + REMEMBERED_MS + 2).encode()


def test_what_cannot_be_read_is_said() -> None:
    with pytest.raises(msgspec.DecodeError):
        Book(ME, {"ETHUSDT 1": b"{"})


def test_orders_go_out_before_what_they_led_to() -> None:
    said = Book(ME).take([holds(ETH="1"), state("NEW")], T0)
    assert [type(one) for one in said] == [ExecutionReport, AccountPosition]


def test_what_happened_since_all_was_told_or_shortly_before_may_be_told_again() -> None:
    book = Book(ME)
    assert book.orders.again_ms == 0, "nobody knows since when"
    book.begin(T0)
    assert book.orders.again_ms == T0 - OVERLAP_MS
    book.told_until(T0 + 7)
    assert book.orders.again_ms == T0 + 7 - OVERLAP_MS
    assert Book(ME, pieces(book)).orders.again_ms == T0 + 7 - OVERLAP_MS


# --- what a snapshot leaves open ----------------------------------------------------------------


def test_an_open_order_that_a_snapshot_does_not_list_has_vanished() -> None:
    book = Book(ME)
    book.take([state("NEW"), state("NEW", order_id="2"), state("NEW", order_id="3")])
    before = book.orders.open
    book.take([state("CANCELED", at=1, order_id="3"), state("NEW", order_id="4")])
    snapshot: list[Told] = [state("NEW", order_id="2")]
    assert [order.about.order_id for order in book.vanished(snapshot, before)] == ["1"]


@pytest.mark.parametrize(
    ("after", "symbols"),
    [
        ({"ETH": "1", "USDT": "100"}, set()),
        ({"ETH": "2", "USDT": "50"}, {"ETHUSDT"}),
        ({"ETH": "2", "USDT": "100"}, set()),
        ({"ETH": "2", "BTC": "1", "USDT": "50"}, {"ETHUSDT", "BTCUSDT", "ETHBTC"}),
    ],
)
def test_what_was_traded_unheard_is_found_by_what_it_has_moved(
    after: dict[str, str], symbols: set[str]
) -> None:
    book = Book(ME)
    book.take([holds(ETH="1", USDT="100")], T0)
    book.told_until(T0)
    book.take([holds(**after)], T0 + 1)
    assert book.symbols([], CATALOG, all_known=False) == symbols
    # A frame that was heard since may have told the balances, and another of the trade been missed.
    book.take([holds(**after)], T0 + 2)
    assert book.symbols([], CATALOG, all_known=False) == symbols
    book.told_until(T0 + 2)
    assert book.symbols([], CATALOG, all_known=False) == set()


def test_what_a_dead_owner_said_of_a_snapshot_has_moved_unheard_still() -> None:
    """It died, or its limits were used up, before it knew what had led to that."""
    book = Book(ME)
    book.take([holds(ETH="1", USDT="100")], T0)
    book.told_until(T0)
    book.take([holds(ETH="2", USDT="50")], T0 + 1)
    successor = Book(ME, pieces(book))
    assert successor.symbols([], CATALOG, all_known=True) == {"ETHUSDT"}


def test_where_not_even_once_all_was_told_whatever_is_held_may_have_been_traded() -> None:
    book = Book(ME)
    book.take([holds(ETH="2", USDT="50")], T0 + 1)
    successor = Book(ME, pieces(book))
    assert successor.symbols([], CATALOG, all_known=True) == {"ETHUSDT"}


def test_what_had_moved_is_known_again_when_redis_has_lost_it() -> None:
    book = Book(ME)
    book.take([holds(ETH="1", USDT="100")], T0)
    book.told_until(T0)
    book.take([holds(ETH="2", USDT="50")], T0 + 1)
    everything = {name: body for name, body in book.everything().items() if body is not None}
    assert Book(ME, everything).symbols([], CATALOG, all_known=False) == {"ETHUSDT"}


def test_of_what_was_heard_differences_and_what_is_traded_are_asked_for() -> None:
    book = Book(ME)
    book.take([state("NEW"), state("NEW", symbol="BTCUSDT", order_id="2")])
    book.told_until(T0 + 5)
    book.take([state("NEW", symbol="ADAUSDT", order_id="4", at=5)])
    snapshot: list[Told] = [state("NEW"), state("NEW", symbol="XRPUSDT", order_id="9")]
    found = book.symbols(snapshot, {}, all_known=False)
    assert found == {"BTCUSDT", "XRPUSDT", "ADAUSDT"}


def test_where_nobody_has_listened_orders_and_positions_are_asked_for() -> None:
    book = Book(ME)
    position: Any = Position(symbol="BTCUSDT", position_side="BOTH", quantity="1")
    book.take([state("NEW"), PositionsTold(positions=(position,), time_ms=T0)])
    snapshot: list[Told] = [state("NEW", symbol="XRPUSDT", order_id="9")]
    book.take(
        [
            state("NEW", symbol="SOLUSDT", order_id="3"),
            state("CANCELED", symbol="SOLUSDT", order_id="3", at=1),
        ]
    )
    assert book.symbols(snapshot, {}, all_known=True) == {
        "ETHUSDT", "BTCUSDT", "XRPUSDT", "SOLUSDT",
    }  # fmt: skip
