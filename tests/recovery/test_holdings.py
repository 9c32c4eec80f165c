"""What an account holds: the newest word goes out once, whatever the order in which it is told."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from common.exchanges.told import BalancesTold, DeltaTold, Position, PositionsTold
from common.model.account import AccountPosition, Balance, BalanceUpdate, PositionUpdate
from common.recovery.holdings import Holdings, HoldingsEvent
from common.recovery.reports import Account

ME = Account("binance", "linear", "acc")
T0 = 1_700_000_000_000


def balances(*rows: tuple[str, str], at: int = 0, whole: bool = False) -> BalancesTold:
    told = tuple(Balance(asset, free, "0") for asset, free in rows)
    return BalancesTold(balances=told, time_ms=T0 + at, whole=whole)


def positions(
    *rows: tuple[str, str], at: int = 0, whole: bool = False, **more: Any
) -> PositionsTold:
    told = tuple(
        Position(symbol=symbol, position_side="BOTH", quantity=size, **more)
        for symbol, size in rows
    )
    return PositionsTold(positions=told, time_ms=T0 + at, whole=whole)


def said(events: list[HoldingsEvent]) -> list[tuple[str, str]]:
    """Asset or symbol, with how much."""
    out = []
    for event in events:
        match event:
            case AccountPosition():
                out += [(row.asset, str(row.free)) for row in event.balances]
            case PositionUpdate():
                out.append((event.symbol, str(event.quantity)))
            case BalanceUpdate():
                out.append((event.asset, event.delta))
    return out


# --- balances -----------------------------------------------------------------------------------


def test_a_balance_that_changes_is_told() -> None:
    holdings = Holdings(ME)
    assert said(holdings.take(balances(("BTC", "1")), T0)) == [("BTC", "1")]
    assert said(holdings.take(balances(("BTC", "2"), at=1), T0)) == [("BTC", "2")]


def test_what_is_told_again_or_later_than_newer_is_not_said() -> None:
    holdings = Holdings(ME)
    holdings.take(balances(("BTC", "1"), at=5), T0)
    assert holdings.take(balances(("BTC", "1.0"), at=5), T0) == []
    assert holdings.take(balances(("BTC", "0.5"), at=4), T0) == []
    assert said(holdings.take(balances(("BTC", "0.7"), at=5), T0)) == [("BTC", "0.7")]


def test_after_a_connect_a_snapshot_is_said_whole() -> None:
    holdings = Holdings(ME)
    snapshot = balances(("BTC", "1"), ("ETH", "0"), at=1, whole=True)
    (first,) = holdings.take(snapshot, T0 + 2, entire=True)
    assert isinstance(first, AccountPosition)
    assert first.whole
    assert said([first]) == [("BTC", "1")]
    # And after the next one once more, though nothing has changed: that is another event.
    successor = Holdings(ME, holdings.kept)
    for owner in (holdings, successor):
        (again,) = owner.take(snapshot, T0 + 9, entire=True)
        assert replace(again, message_id="") == replace(first, message_id="")
        assert again.message_id == f"{first.message_id}:again1"
        assert owner.take(snapshot, T0 + 9) == []
    (later,) = holdings.take(balances(("BTC", "1"), at=2, whole=True), T0 + 9, entire=True)
    assert "again" not in later.message_id


def test_an_account_with_nothing_is_said_to_have_nothing() -> None:
    (event,) = Holdings(ME).take(balances(whole=True), T0, entire=True)
    assert isinstance(event, AccountPosition)
    assert (event.balances, event.whole) == ((), True)


def test_a_later_snapshot_says_what_the_stream_has_missed_and_nothing_else() -> None:
    holdings = Holdings(ME)
    holdings.take(balances(("BTC", "1"), ("ETH", "2"), ("SOL", "3"), whole=True), T0, entire=True)
    later = balances(("BTC", "1"), ("ETH", "5"), ("XRP", "0"), whole=True)
    (event,) = holdings.take(later, T0 + 10)
    assert isinstance(event, AccountPosition)
    assert not event.whole
    assert said([event]) == [("ETH", "5"), ("SOL", "0")]
    assert holdings.take(later, T0 + 20) == []


def test_a_snapshot_that_was_asked_for_before_a_frame_does_not_undo_it() -> None:
    holdings = Holdings(ME)
    holdings.take(balances(("BTC", "1"), whole=True), T0, entire=True)
    holdings.take(balances(("BTC", "2"), at=50), T0)
    assert holdings.take(balances(("BTC", "1"), whole=True), T0 + 49) == []
    assert said(holdings.take(balances(("BTC", "3"), whole=True), T0 + 51)) == [("BTC", "3")]


def test_a_word_on_the_total_alone_is_said_as_it_was_told() -> None:
    """What orders hold is not told with it: the free part from before would be wrong."""
    holdings = Holdings(ME)
    holdings.take(balances(("USDT", "10"), whole=True), T0, entire=True)
    told = BalancesTold(balances=(Balance("USDT", total="12"),), time_ms=T0 + 1)
    (event,) = holdings.take(told, T0)
    assert isinstance(event, AccountPosition)
    assert event.balances == (Balance("USDT", total="12"),)


def test_a_balance_that_comes_back_within_a_millisecond_is_said_each_time() -> None:
    """Else who knows messages by their ids would stay with the one between."""
    holdings = Holdings(ME)
    events = [
        event
        for amount in ("1", "2", "2", "1", "2")
        for event in holdings.take(balances(("BTC", amount), ("ETH", "7"), at=1), T0)
    ]
    successor = Holdings(ME, holdings.kept)
    events += successor.take(balances(("BTC", "1"), at=1), T0)
    assert [size for asset, size in said(events) if asset == "BTC"] == ["1", "2", "1", "2", "1"]
    assert len({event.message_id for event in events}) == 5


def test_whole_balances_that_come_back_within_a_millisecond_are_said_each_time() -> None:
    """However often another asset has changed by then."""
    holdings = Holdings(ME)
    told = [(one, other) for one, other in zip("121212333", "777777878", strict=True)]
    events = [
        event
        for one, other in told
        for event in holdings.take(
            balances(("BTC", one), ("ETH", other), at=1, whole=True), 0, entire=True
        )
    ]
    assert said(events) == [row for one, other in told for row in (("BTC", one), ("ETH", other))]
    changes = [after for before, after in zip([None, *told], told, strict=False) if before != after]
    assert len({event.message_id for event in events}) == len(changes)


def test_who_says_balances_again_says_them_by_the_same_name() -> None:
    holdings = Holdings(ME)
    holdings.take(balances(("BTC", "1"), at=1), T0)
    kept = holdings.kept
    (first,) = holdings.take(balances(("BTC", "2"), at=1), T0)
    (again,) = Holdings(ME, kept).take(balances(("BTC", "2"), at=1), T0)
    assert first == again


def test_the_last_balance_after_a_snapshot_that_was_ahead_is_not_taken_for_it() -> None:
    holdings = Holdings(ME)
    events = holdings.take(balances(("BTC", "1"), whole=True), T0, entire=True)
    events += holdings.take(balances(("BTC", "3"), at=9, whole=True), T0 + 5)
    # Heard while the snapshot was asked for: it had both already.
    for amount, at in (("2", 8), ("3", 9)):
        events += holdings.take(balances(("BTC", amount), at=at), T0)
    once = {event.message_id: event for event in events}
    assert said(list(once.values()))[-1] == ("BTC", "3")


def test_a_delta_is_said_once() -> None:
    holdings = Holdings(ME)
    told = DeltaTold(asset="BTC", delta="-0.5", time_ms=T0)
    (event,) = holdings.take(told, T0)
    assert isinstance(event, BalanceUpdate)
    assert event.message_id == f"delta:binance:linear:acc:BTC:{T0}:-0.5"
    assert holdings.take(told, T0) == []


# --- positions ----------------------------------------------------------------------------------


def test_a_position_is_told_until_it_is_closed() -> None:
    holdings = Holdings(ME)
    events = holdings.take(positions(("BTCUSDT", "1"), at=1), T0)
    events += holdings.take(positions(("BTCUSDT", "-2"), at=2), T0)
    events += holdings.take(positions(("BTCUSDT", "0"), at=3), T0)
    assert said(events) == [("BTCUSDT", "1"), ("BTCUSDT", "-2"), ("BTCUSDT", "0")]
    assert holdings.kept.positions == ()


def test_a_position_that_comes_back_within_a_millisecond_is_said_each_time() -> None:
    """Else who knows messages by their ids would stay with the one between."""
    holdings = Holdings(ME)
    events = [
        event
        for size in ("1", "2", "2", "1", "2")
        for event in holdings.take(positions(("BTCUSDT", size), at=1), T0)
    ]
    successor = Holdings(ME, holdings.kept)
    events += successor.take(positions(("BTCUSDT", "1"), at=1), T0)
    assert [size for _, size in said(events)] == ["1", "2", "1", "2", "1"]
    assert len({event.message_id for event in events}) == 5


def test_a_position_that_was_closed_unheard_is_closed_by_the_snapshot() -> None:
    holdings = Holdings(ME)
    holdings.take(positions(("BTCUSDT", "1"), ("ETHUSDT", "2")), T0)
    successor = Holdings(ME, holdings.kept)
    events = successor.take(positions(("ETHUSDT", "2"), whole=True), T0 + 10, entire=True)
    assert said(events) == [("ETHUSDT", "2"), ("BTCUSDT", "0")]
    assert successor.take(positions(("ETHUSDT", "2"), whole=True), T0 + 20) == []


def test_a_whole_push_is_as_new_as_it_says() -> None:
    """Nobody has asked for it: it has no other time than its own."""
    holdings = Holdings(ME)
    holdings.take(positions(("BTCUSDT", "1"), whole=True), T0, entire=True)
    changed = holdings.take(positions(("BTCUSDT", "2"), at=500, whole=True), 0)
    assert said(changed) == [("BTCUSDT", "2")]
    assert changed[0].event_ms == T0 + 500
    assert holdings.take(positions(("BTCUSDT", "1"), at=499, whole=True), 0) == []
    assert holdings.take(positions(at=499, whole=True), 0) == []
    assert said(holdings.take(positions(at=900, whole=True), 0)) == [("BTCUSDT", "0")]


def test_a_whole_push_of_balances_is_as_new_as_it_says() -> None:
    holdings = Holdings(ME)
    holdings.take(balances(("BTC", "1"), whole=True), T0, entire=True)
    assert said(holdings.take(balances(("BTC", "2"), at=500, whole=True), 0)) == [("BTC", "2")]
    assert holdings.take(balances(("BTC", "1"), at=499, whole=True), 0) == []
    assert said(holdings.take(balances(at=900, whole=True), 0)) == [("BTC", "0")]


def test_what_is_closed_unheard_twice_is_said_twice() -> None:
    """A snapshot has the time of the newest position in it, which another one may be both times."""
    holdings = Holdings(ME)
    other = positions(("ETHUSDT", "2"), at=-5, whole=True)
    said_of = [holdings.take(positions(("BTCUSDT", "1"), ("ETHUSDT", "2")), T0)]
    said_of.append(holdings.take(other, T0 + 10))
    said_of.append(holdings.take(positions(("BTCUSDT", "1"), at=20), T0))
    said_of.append(holdings.take(other, T0 + 30))
    events = [event for events in said_of for event in events]
    assert [size for symbol, size in said(events) if symbol == "BTCUSDT"] == ["1", "0", "1", "0"]
    assert len({event.message_id for event in events}) == len(events)


def test_who_says_a_close_again_says_it_by_the_same_name() -> None:
    holdings = Holdings(ME)
    holdings.take(positions(("BTCUSDT", "1"), ("ETHUSDT", "2")), T0)
    kept = holdings.kept
    other = positions(("ETHUSDT", "2"), whole=True)
    (first,) = holdings.take(other, T0 + 10)
    (again,) = Holdings(ME, kept).take(other, T0 + 20)
    assert first.message_id == again.message_id


def test_a_price_that_moves_is_no_news_of_a_snapshot() -> None:
    holdings = Holdings(ME)
    holdings.take(positions(("BTCUSDT", "1"), mark_price="10", whole=True), T0, entire=True)
    moved = positions(("BTCUSDT", "1.00"), mark_price="11", whole=True)
    assert holdings.take(moved, T0 + 10) == []
    resized = positions(("BTCUSDT", "1.01"), mark_price="11", whole=True)
    assert said(holdings.take(resized, T0 + 20)) == [("BTCUSDT", "1.01")]


def test_the_last_word_after_a_snapshot_that_was_ahead_is_not_taken_for_it() -> None:
    holdings = Holdings(ME)
    events = holdings.take(positions(("BTC", "3"), at=9, whole=True), T0, entire=True)
    # Heard while the snapshot was asked for: it had both already.
    for size, at in (("2", 8), ("3", 9)):
        events += holdings.take(positions(("BTC", size), at=at), T0)
    once = {event.message_id: event for event in events}
    assert said(list(once.values()))[-1] == ("BTC", "3")


def test_sides_are_positions_of_their_own() -> None:
    holdings = Holdings(ME)
    rows = tuple(
        Position(symbol="BTCUSDT", position_side=side, quantity="1") for side in ("LONG", "SHORT")
    )
    events = holdings.take(PositionsTold(positions=rows, time_ms=T0), T0)
    assert len({event.message_id for event in events}) == 2


def of_both_margins(cross: str, isolated: str, at: int) -> PositionsTold:
    """One instrument, held in either way at once; what is 0 is not told."""
    told = tuple(
        Position(symbol="BTC-USDT-SWAP", position_side="BOTH", quantity=size, position_id=name)
        for name, size in (("11", cross), ("22", isolated))
        if size != "0"
    )
    return PositionsTold(positions=told, time_ms=T0 + at, whole=True)


def by_id(events: list[HoldingsEvent]) -> list[tuple[str, str]]:
    return [
        (str(event.position_id), str(event.quantity))
        for event in events
        if isinstance(event, PositionUpdate)
    ]


def test_positions_of_one_symbol_and_side_are_told_apart_by_their_ids() -> None:
    holdings = Holdings(ME)
    first = holdings.take(of_both_margins("5", "3", 1), T0 + 1, entire=True)
    assert by_id(first) == [("11", "5"), ("22", "3")]
    assert len({event.message_id for event in first}) == 2
    assert holdings.take(of_both_margins("5", "3", 2), T0 + 2) == []
    successor = Holdings(ME, holdings.kept)
    assert successor.take(of_both_margins("5", "3", 3), T0 + 3) == []
    assert by_id(successor.take(of_both_margins("5", "0", 4), T0 + 4)) == [("22", "0")]
    assert successor.symbols == {"BTC-USDT-SWAP"}


# --- whatever the order -------------------------------------------------------------------------

WORDS = st.lists(
    st.tuples(st.sampled_from("AB"), st.integers(0, 3), st.integers(0, 20)), max_size=12
)


@given(words=WORDS, data=st.data())
def test_the_newest_word_wins_whatever_the_order(words: Any, data: Any) -> None:
    """Words of the same moment agree: the exchange does not contradict itself."""
    newest = {(asset, at): amount for asset, amount, at in words}
    frames = [balances((asset, str(n)), at=at) for (asset, at), n in newest.items()]
    holdings = Holdings(ME)
    last: dict[str, str] = {}
    for frame in data.draw(st.permutations(frames)):
        last |= dict(said(holdings.take(frame, T0)))
    truth = {
        asset: str(newest[asset, max(at for name, at in newest if name == asset)])
        for asset, _ in newest
    }
    assert last == truth


def test_positions_after_another_connect_are_another_event_though_nothing_has_changed() -> None:
    holdings = Holdings(ME)
    snapshot = positions(("ETHUSDT", "2"), at=1, whole=True)
    (first,) = holdings.take(snapshot, T0 + 5, entire=True)
    for owner in (holdings, Holdings(ME, holdings.kept)):
        (again,) = owner.take(snapshot, T0 + 9, entire=True)
        assert again.message_id != first.message_id
        assert replace(again, message_id="") == replace(first, message_id="")
