"""An account's book: what a new owner finds in it, and what it makes of a snapshot."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from common.exchanges.told import BalancesTold, Position, PositionsTold, Told
from common.model.account import AccountPosition, Balance, ExecutionReport, PositionUpdate
from common.model.instruments import Instrument
from common.recovery.book import HELD, HOLDINGS, PAST, REMEMBERED_MS, SINCE, UNLISTED_MS, Book
from common.recovery.orders import OVERLAP_MS
from common.recovery.unheard import MOST_SYMBOLS
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
    assert changes.keys() == {"ETHUSDT 1", SINCE, HELD, PAST}
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
    assert set(book.symbols([], CATALOG, entire=False)) == symbols
    # A frame that was heard since may have told the balances, and another of the trade been missed.
    book.take([holds(**after)], T0 + 2)
    assert set(book.symbols([], CATALOG, entire=False)) == symbols
    book.told_until(T0 + 2)
    assert set(book.symbols([], CATALOG, entire=False)) == set()


def test_what_a_dead_owner_said_of_a_snapshot_has_moved_unheard_still() -> None:
    """It died, or its limits were used up, before it knew what had led to that."""
    book = Book(ME)
    book.take([holds(ETH="1", USDT="100")], T0)
    book.told_until(T0)
    book.take([holds(ETH="2", USDT="50")], T0 + 1)
    successor = Book(ME, pieces(book))
    assert set(successor.symbols([], CATALOG, entire=True)) == {"ETHUSDT"}


def test_where_what_was_known_is_lost_whatever_is_held_may_have_been_traded() -> None:
    book = Book(ME)
    book.begin(T0)
    book.was_lost()
    book.take([holds(ETH="2", USDT="50")], T0 + 1)
    successor = Book(ME, pieces(book))
    assert set(successor.symbols([], CATALOG, entire=True)) == {"ETHUSDT"}


def test_what_a_new_account_holds_at_the_first_look_was_not_traded_since() -> None:
    book = Book(ME)
    book.begin(T0)
    book.take([holds(ETH="2", USDT="50")], T0 + 1)
    assert set(book.symbols([], CATALOG, entire=True)) == set()
    book.take([holds(ETH="3", USDT="0")], T0 + 2)
    successor = Book(ME, pieces(book))
    assert set(successor.symbols([], CATALOG, entire=True)) == {"ETHUSDT"}


def test_what_had_moved_is_known_again_when_redis_has_lost_it() -> None:
    book = Book(ME)
    book.take([holds(ETH="1", USDT="100")], T0)
    book.told_until(T0)
    book.take([holds(ETH="2", USDT="50")], T0 + 1)
    everything = {name: body for name, body in book.everything().items() if body is not None}
    assert set(Book(ME, everything).symbols([], CATALOG, entire=False)) == {"ETHUSDT"}


def traded(book: Book, *symbols: str, since: int = 0) -> None:
    """An order in each of them, ended so long ago that it is not known any more."""
    for at, symbol in enumerate(symbols, start=since):
        names = {"symbol": symbol, "order_id": symbol}
        book.take([state("NEW", at=at, **names), state("CANCELED", at=at, **names)])
    book.told_until(T0 + REMEMBERED_MS + since + len(symbols))
    assert book.orders.symbols() == []


def test_a_round_trip_in_what_was_traded_long_ago_is_found() -> None:
    """Bought and sold again, fees in a third asset: the base is what it was."""
    book = Book(ME)
    book.take([holds(ETH="1", USDT="100", BNB="5")], T0)
    traded(book, "ETHUSDT")
    successor = Book(ME, pieces(book))
    successor.take([holds(ETH="1", USDT="103", BNB="4.9")], T0 + 1)
    assert set(successor.symbols([], CATALOG, entire=True)) == {"ETHUSDT"}
    assert set(successor.symbols([], CATALOG, entire=False)) == {"ETHUSDT"}


def test_where_nobody_has_listened_what_was_traded_long_ago_is_asked_for() -> None:
    book = Book(ME)
    traded(book, "ETHUSDT", "GONEUSDT")
    assert set(book.symbols([], CATALOG, entire=False)) == set()
    assert set(book.symbols([], CATALOG, entire=True)) == {"ETHUSDT"}, "but not what is not listed"
    everything = {name: body for name, body in book.everything().items() if body is not None}
    assert set(Book(ME, everything).symbols([], CATALOG, entire=True)) == {"ETHUSDT"}


def test_of_what_was_traded_long_ago_the_latest_are_known() -> None:
    many = [f"A{number}USDT" for number in range(MOST_SYMBOLS + 2)]
    book = Book(ME)
    traded(book, *many)
    catalog = {symbol: listed(symbol, symbol.removesuffix("USDT"), "USDT") for symbol in many}
    assert set(book.symbols([], catalog, entire=True)) == set(many[2:])
    traded(book, "A0USDT", since=len(many))
    assert set(book.symbols([], catalog, entire=True)) == {*many[3:], "A0USDT"}


def test_the_likeliest_come_first() -> None:
    """Open orders, then what was traded, then what has moved, then what was traded once and has not."""
    book = Book(ME)
    traded(book, "XRPBTC", "ETHUSDT")
    book.take([state("NEW", symbol="OPENUSDT", order_id="9", at=REMEMBERED_MS * 2)])
    names: dict[str, Any] = {"symbol": "LATEUSDT", "order_id": "8", "at": REMEMBERED_MS * 2}
    book.take([state("NEW", **names), state("CANCELED", **names)])
    book.take([holds(USDT="1", SOL="1")], T0 + REMEMBERED_MS * 3)
    pairs = [("SOL", "USDT"), ("ETH", "USDT"), ("XRP", "BTC"), ("LATE", "USDT"), ("OPEN", "USDT")]
    catalog = {base + quote: listed(base + quote, base, quote) for base, quote in pairs}
    expected = ["OPENUSDT", "LATEUSDT", "ETHUSDT", "SOLUSDT", "XRPBTC"]
    assert book.symbols([], catalog, entire=True) == expected


def test_what_was_heard_explains_what_has_moved() -> None:
    """Else each trade in one symbol would have all others asked for at every beat."""
    book = Book(ME)
    book.take([holds(ETH="1", BTC="1", USDT="100")], T0)
    traded(book, "ETHUSDT", "BTCUSDT")
    names: dict[str, Any] = {"symbol": "BTCUSDT", "order_id": "8", "at": REMEMBERED_MS * 2}
    book.take([state("NEW", **names), holds(ETH="1", BTC="2", USDT="50")], T0 + 1)
    assert book.symbols([state("NEW", **names)], CATALOG, entire=False) == ["BTCUSDT"]


def test_of_what_was_heard_differences_and_what_is_traded_are_asked_for() -> None:
    book = Book(ME)
    book.take([state("NEW"), state("NEW", symbol="BTCUSDT", order_id="2")])
    book.told_until(T0 + 5)
    book.take([state("NEW", symbol="ADAUSDT", order_id="4", at=5)])
    snapshot: list[Told] = [state("NEW"), state("NEW", symbol="XRPUSDT", order_id="9")]
    found = set(book.symbols(snapshot, {}, entire=False))
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
    assert set(book.symbols(snapshot, {}, entire=True)) == {
        "ETHUSDT", "BTCUSDT", "XRPUSDT", "SOLUSDT",
    }  # fmt: skip


# --- what nobody has told of --------------------------------------------------------------------


def held(*positions: tuple[str, Any]) -> list[Told]:
    rows = tuple(
        Position(symbol=symbol, position_side=side, quantity="1") for symbol, side in positions
    )
    return [PositionsTold(positions=rows, time_ms=0, whole=True)]


def compared(
    book: Book, snapshot: list[Told], happened: list[Told], asked_ms: int = T0 + 100
) -> list[tuple[str, str, str]]:
    """What is said of positions: symbol, side and size."""
    said = book.take(snapshot, asked_ms, entire=True)
    said += book.take(happened)
    said += book.close_unnamed(snapshot, happened, asked_ms)
    return [
        (one.symbol, one.position_side, str(one.quantity))
        for one in said
        if isinstance(one, PositionUpdate)
    ]


def test_a_position_that_was_closed_before_anybody_knew_of_it_is_said_to_be_closed() -> None:
    """Who told of it is dead, and Redis has lost it: backends know it still."""
    book = Book(ME)
    happened: list[Told] = [fill(1, "1", 5), fill(2, "1", 7), fill(3, "1", 9, symbol="SOLUSDT")]
    said = compared(book, held(("SOLUSDT", "BOTH")), happened)
    assert said == [("SOLUSDT", "BOTH", "1"), ("ETHUSDT", "BOTH", "0")]
    assert book.close_unnamed(held(), happened, T0 + 100) == [], "it is said once"


def test_who_says_that_again_says_it_by_the_same_name() -> None:
    closes = [
        book.close_unnamed(held(), [fill(1, "1", 5), fill(2, "1", 7)], T0 + at)
        for at, book in ((100, Book(ME)), (200, Book(ME)))
    ]
    assert {event.message_id for said in closes for event in said} == {
        closes[0][0].message_id,
    }
    (later,) = Book(ME).close_unnamed(held(), [fill(3, "1", 8)], T0 + 100)
    assert later.message_id != closes[0][0].message_id, "it was traded since: it is another close"


@pytest.mark.parametrize(
    ("side", "named", "closed"),
    [
        ("LONG", "SHORT", ["LONG"]),
        ("LONG", "LONG", []),
        ("LONG", "BOTH", []),
        ("BOTH", "SHORT", []),
    ],
)
def test_sides_are_closed_as_far_as_their_trades_tell_of_them(
    side: Any, named: Any, closed: list[str]
) -> None:
    by_fill = [fill(1, "1", position_side=side)]
    by_order: list[Told] = [fill(1, "1"), state("FILLED", "1", position_side=side)]
    for happened in (by_fill, by_order):
        said = compared(Book(ME), held(("ETHUSDT", named)), happened)
        assert [one for _, one, size in said if size == "0"] == closed


def test_what_was_traded_after_the_snapshot_was_asked_for_is_not_closed_by_it() -> None:
    assert compared(Book(ME), held(), [fill(1, "1", 101)]) == []


def test_where_there_are_no_positions_none_is_closed() -> None:
    assert compared(Book(ME), [holds(ETH="1")], [fill(1, "1", 5)]) == []


def test_a_trade_is_known_when_it_was_said() -> None:
    book = Book(ME)
    one = fill(1, "1", 5)
    assert not book.orders.knows(one)
    book.take([one])
    assert not book.orders.knows(one), "nobody has told of its order"
    book.take([state("FILLED", "1", 5)])
    assert book.orders.knows(one)


def test_where_an_asset_has_moved_that_nothing_is_listed_of_all_is_not_told_yet() -> None:
    book = Book(ME)
    book.take([holds(ETH="1", USDT="100")], T0)
    book.told_until(T0)
    book.take([holds(NEWS="5", USDT="90")], T0 + 1)
    now = book.holdings.amounts()
    assert book.unlisted(now, CATALOG) == {"NEWS"}
    book.told_until(T0 + 2, now, book.unlisted(now, CATALOG))
    assert book.since_ms == T0, "when it is listed it can be asked for"
    book.told_until(T0 + UNLISTED_MS + 1, now, book.unlisted(now, CATALOG))
    assert book.since_ms == T0 + UNLISTED_MS + 1
    assert book.unlisted(now, CATALOG) == frozenset()


def test_what_was_not_listed_is_asked_for_when_it_is_whatever_it_was_traded_for() -> None:
    """The other asset has been looked at since, and has not moved again."""
    first = Book(ME)
    first.take([holds(ETH="1", USDT="100")], T0)
    first.told_until(T0)
    first.take([holds(ETH="1", NEWS="5", USDT="90")], T0 + 1)
    now = dict(first.holdings.amounts())
    first.told_until(T0 + 2, now, first.unlisted(now, CATALOG))
    assert "NEWSUSDT" not in first.symbols([], CATALOG, entire=False)
    renewed = {**CATALOG, "NEWSUSDT": listed("NEWSUSDT", "NEWS", "USDT")}
    for book in (first, Book(ME, pieces(first))):
        assert book.symbols([], renewed, entire=False) == ["NEWSUSDT"]
        book.told_until(T0 + 3, now, book.unlisted(now, renewed))
        assert book.symbols([], renewed, entire=False) == []


def test_of_a_ledger_that_lacks_what_was_held_all_may_have_moved() -> None:
    """Redis had lost it, and its owner died before he had kept all of it again."""
    kept = {SINCE: str(T0).encode()}
    for was_lost, asked in ((False, []), (True, ["ETHUSDT"])):
        book = Book(ME, kept)
        if was_lost:
            book.was_lost()
        book.take([holds(ETH="1", USDT="90")], T0 + 1)
        assert book.symbols([], CATALOG, entire=True) == asked
    whole = Book(ME, {**kept, HELD: b"[]"})
    whole.was_lost()
    assert whole.changes() == {}
