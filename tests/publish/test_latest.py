"""The latest-wins class on its own: the newest value leaves, an old one never."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from common.model.events import Candle, MarketEvent, Ticker
from common.publish.latest import Latest, Slot, Value
from tests.publish.examples import START_MS, open_candle, ticker


class Scene:
    """A ``Latest`` with what it has sent."""

    def __init__(self, *, limit: int = 100, window: int = 10) -> None:
        self.latest = Latest(limit=limit, window=window)
        self.slots: dict[str, Slot] = {}
        self.sent: list[MarketEvent] = []

    def slot(self, name: str) -> Slot:
        return self.slots.setdefault(name, Slot(name))

    def offer(self, event: MarketEvent) -> bool:
        return self.latest.offer(self.slot(event.symbol), Value(event, 1, "live"))

    def take(self) -> list[MarketEvent]:
        before = len(self.sent)

        def pack(_: Slot, value: Value) -> bytes:
            self.sent.append(value.event)
            return b"frames"

        assert list(self.latest.take(pack)) == [b"frames"] * (len(self.sent) - before)
        return self.sent[before:]


def test_only_the_newest_value_of_a_stream_leaves() -> None:
    scene = Scene()
    for event_ms in (1, 2, 3):
        scene.offer(ticker("A", event_ms=event_ms))
    scene.offer(ticker("B", event_ms=1))
    assert scene.take() == [ticker("A", event_ms=3), ticker("B", event_ms=1)]
    assert scene.latest.conflated == 2


def test_beyond_the_window_values_wait_and_are_replaced_by_newer_ones() -> None:
    scene = Scene(window=1)
    scene.offer(ticker("A", event_ms=1))
    scene.take()
    scene.offer(ticker("B", event_ms=1))
    scene.offer(ticker("B", event_ms=2))
    assert scene.take() == []
    assert scene.latest.pending == 1
    scene.latest.settle(1, multiple=False, ok=True)
    assert scene.take() == [ticker("B", event_ms=2)]


def test_a_value_older_than_the_last_one_sent_is_dropped() -> None:
    scene = Scene()
    scene.offer(ticker("A", event_ms=5))
    scene.take()
    assert not scene.offer(ticker("A", event_ms=4))
    assert scene.offer(ticker("A", event_ms=5, last="9"))
    assert scene.latest.outdated == 1
    assert scene.take() == [ticker("A", event_ms=5, last="9")]


def test_a_value_older_than_the_one_waiting_is_dropped() -> None:
    scene = Scene()
    scene.offer(ticker("A", event_ms=5))
    assert not scene.offer(ticker("A", event_ms=4))
    assert scene.take() == [ticker("A", event_ms=5)]


def test_a_closed_bar_removes_its_open_state_and_older_ones() -> None:
    scene = Scene()
    scene.offer(open_candle("A", 0, at_ms=10))
    scene.latest.close_bar(scene.slot("A"), START_MS)
    assert scene.take() == []
    scene.offer(open_candle("B", 0, at_ms=10))
    scene.latest.close_bar(scene.slot("B"), START_MS + 60_000)
    assert scene.take() == []


def test_a_closed_bar_leaves_the_next_ones_open_state_alone() -> None:
    scene = Scene()
    scene.offer(open_candle("A", 1, at_ms=10))
    scene.latest.close_bar(scene.slot("A"), START_MS)
    assert scene.take() == [open_candle("A", 1, at_ms=10)]


def test_an_open_state_that_comes_after_its_bar_closed_is_dropped() -> None:
    scene = Scene()
    scene.latest.close_bar(scene.slot("A"), START_MS)
    assert not scene.offer(open_candle("A", 0, at_ms=59_999))
    assert scene.offer(open_candle("A", 1, at_ms=0))
    # A correction of an older bar does not reopen anything.
    scene.latest.close_bar(scene.slot("A"), START_MS - 600_000)
    assert not scene.offer(open_candle("A", 0, at_ms=59_999))


def test_after_a_lost_connection_the_last_value_under_way_leaves_again() -> None:
    scene = Scene()
    scene.offer(ticker("A", event_ms=1))
    scene.take()
    scene.offer(ticker("A", event_ms=2))
    scene.take()
    scene.latest.lost()
    assert scene.take() == [ticker("A", event_ms=2)]


def test_after_a_lost_connection_a_newer_value_leaves_instead() -> None:
    scene = Scene(window=1)
    scene.offer(ticker("A", event_ms=1))
    scene.take()
    scene.offer(ticker("A", event_ms=2))
    scene.latest.lost()
    assert scene.take() == [ticker("A", event_ms=2)]


def test_after_a_lost_connection_a_bar_closed_meanwhile_stays_closed() -> None:
    scene = Scene()
    scene.offer(open_candle("A", 0, at_ms=1))
    scene.take()
    scene.latest.close_bar(scene.slot("A"), START_MS)
    scene.latest.lost()
    assert scene.take() == []


def test_a_confirmed_value_does_not_leave_again() -> None:
    scene = Scene()
    for symbol in "ABC":
        scene.offer(ticker(symbol))
    scene.take()
    scene.latest.settle(2, multiple=True, ok=True)
    scene.latest.lost()
    assert scene.take() == [ticker("C")]


def test_a_nacked_value_is_not_sent_again() -> None:
    scene = Scene()
    scene.offer(ticker("A"))
    scene.take()
    scene.latest.settle(1, multiple=False, ok=False)
    assert scene.take() == []
    assert scene.latest.nacked == 1


def test_more_streams_than_the_bound_push_out_the_oldest_value() -> None:
    scene = Scene(limit=2)
    for symbol in "ABC":
        scene.offer(ticker(symbol))
    assert scene.latest.pending == 2
    assert scene.take() == [ticker("B"), ticker("C")]
    assert scene.offer(ticker("A"))
    assert scene.take() == [ticker("A")]


def test_a_value_that_cannot_be_written_takes_no_delivery_tag() -> None:
    scene = Scene()
    scene.offer(ticker("A"))
    assert list(scene.latest.take(lambda _slot, _value: None)) == []
    scene.offer(ticker("B"))
    scene.take()
    scene.latest.settle(1, multiple=False, ok=True)
    assert scene.latest.in_flight == 0


_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("ticker"), st.sampled_from("AB"), st.integers(0, 9)),
        st.tuples(st.just("open"), st.sampled_from("CD"), st.integers(0, 300)),
        st.tuples(st.just("close"), st.sampled_from("CD"), st.integers(0, 3)),
        st.tuples(st.sampled_from(["take", "ack", "lost"]), st.just(""), st.just(0)),
    ),
    max_size=60,
)


@given(_STEPS)
def test_whatever_happens_values_leave_in_order_and_the_last_one_leaves(
    steps: list[tuple[str, str, int]],
) -> None:
    scene = Scene(window=2)
    newest: dict[str, MarketEvent] = {}
    for what, symbol, number in steps:
        if what == "ticker":
            event: MarketEvent = ticker(symbol, event_ms=number)
            if scene.offer(event):
                newest[symbol] = event
        elif what == "open":
            bar, second = divmod(number, 60)
            event = open_candle(symbol, bar, at_ms=second * 1000)
            if scene.offer(event):
                newest[symbol] = event
        elif what == "close":
            start_ms = START_MS + number * 60_000
            scene.latest.close_bar(scene.slot(symbol), start_ms)
            value = newest.get(symbol)
            if isinstance(value, Candle) and value.start_ms <= start_ms:
                del newest[symbol]
        elif what == "take":
            scene.take()
        elif what == "ack":
            scene.latest.settle(0, multiple=True, ok=True)
        else:
            scene.latest.lost()
        assert scene.latest.in_flight <= 2
    while scene.latest.waiting or scene.latest.in_flight:
        scene.latest.settle(0, multiple=True, ok=True)
        scene.take()
    for symbol in "ABCD":
        sent = [event for event in scene.sent if event.symbol == symbol]
        times = [
            event.event_ms if isinstance(event, Ticker) else int(event.event_ms or 0)
            for event in sent
        ]
        assert times == sorted(times)
        if symbol in newest:
            assert sent[-1] == newest[symbol]
