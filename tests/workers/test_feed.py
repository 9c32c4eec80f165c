"""From a connection's events to the pipeline: which go on, and what is said of the others."""

import math
from typing import Any
from unittest.mock import patch

import pytest
from msgspec import UNSET
from msgspec.structs import replace

from common.clocks import MarketClock
from common.exchanges.place import Place
from common.exchanges.protocol import TickerPart, Unreadable
from common.model.checkpoints import Checkpoint
from common.model.events import Candle, MarketEvent, Ticker, Trade
from common.model.streams import Origin, Shard, Stream
from common.recovery.settling import MOST_KEPT
from common.recovery.steps import Hole
from tests.recovery.bars import MINUTE_MS, at, bar
from workers.feed import Feed
from workers.voice import Voice

CANDLE = Stream("binance", "spot", "candle", "BTCUSDT", "1m")
KUCOIN = Place("kucoin", "spot", "candle")
# The first minute still runs; its close comes a moment early.
NOW = 0.99
NOW_MS = at(NOW)
TOPIC = "btcusdt@kline_1m"


class Outlet:
    def __init__(self) -> None:
        self.events: list[tuple[MarketEvent, int, str]] = []
        self.states: list[tuple[str, str, Any, Any]] = []
        self.full = False
        self.mute = False

    def publish(self, event: MarketEvent, *, epoch: int, origin: Origin) -> bool:
        if self.full and isinstance(event, Candle) and event.closed:
            return False
        self.events.append((event, epoch, origin))
        return True

    def status(
        self,
        stream: Stream,
        state: str,
        *,
        epoch: int,
        reason: str = "",
        from_ms: int | None = None,
        to_ms: int | None = None,
    ) -> bool:
        if self.mute:
            return False
        self.states.append((stream.symbol, state, reason or from_ms, to_ms))
        return True

    def has_room(self) -> bool:
        return not self.full

    def withdraw(self, stream: Stream) -> None:
        self.events = [told for told in self.events if told[0].stream != stream]

    def is_under_way(self, stream: Stream) -> bool:
        return False

    @property
    def said(self) -> list[tuple[int, str, int]]:
        """Closed candles: minute, origin, revision."""
        return [
            ((event.start_ms - at(0)) // MINUTE_MS, origin, event.revision)
            for event, _, origin in self.events
            if isinstance(event, Candle) and event.closed
        ]


class NoCorrections(Outlet):
    """No room for corrections."""

    def publish(self, event: MarketEvent, *, epoch: int, origin: Origin) -> bool:
        if isinstance(event, Candle) and event.revision:
            return False
        return super().publish(event, epoch=epoch, origin=origin)


def feed_of(place: Place, outlet: Outlet, clock: MarketClock) -> Feed:
    shard = Shard(place.exchange, place.market, place.channel, 0)
    return Feed(shard, Voice(outlet, 7, lambda: True), place, clock)


def make(
    *streams: Stream, begins: float = 0, now: float = NOW
) -> tuple[Feed, Outlet, tuple[str, ...]]:
    """``begins``: the minute of the checkpoint of candles."""
    outlet = Outlet()
    place = Place(streams[0].exchange, "spot", streams[0].channel)
    clock = MarketClock(wall=lambda: at(now))
    feed = feed_of(place, outlet, clock)
    return feed, outlet, tuple(feed.want(streams, from_minute(begins, *streams)))


def from_minute(minute: float, *streams: Stream) -> dict[Stream, Checkpoint]:
    candles = [stream for stream in streams if stream.channel == "candle"]
    return dict.fromkeys(candles, Checkpoint(at(minute)))


def test_streams_that_share_a_topic_are_subscribed_once() -> None:
    _, _, topics = make(
        Stream("binance", "spot", "ticker", "BTCUSDT"), Stream("binance", "spot", "ticker", "X")
    )
    assert topics == ("!miniTicker@arr",)


def test_events_of_wanted_streams_go_on_with_the_epoch_of_the_owner() -> None:
    feed, outlet, topics = make(CANDLE)
    assert topics == (TOPIC,)
    assert feed.event(bar(0)) == TOPIC
    assert outlet.events == [(bar(0), 7, "live")]
    assert outlet.states == [("BTCUSDT", "live", None, None)]


def test_what_nobody_wants_ends_here() -> None:
    feed, outlet, _ = make(CANDLE)
    assert feed.event(Ticker("binance", "spot", "BTCUSDT", 1, "1")) is None
    assert outlet.events == []


def test_a_repeated_close_goes_no_further_but_proves_the_topic_alive() -> None:
    feed, outlet, _ = make(CANDLE)
    feed.event(bar(0))
    assert feed.event(bar(0)) == TOPIC
    assert len(outlet.events) == 1
    assert feed.counts["repeated"] == 1


def test_bars_behind_a_gap_wait_until_it_is_fetched_and_both_are_said() -> None:
    feed, outlet, _ = make(CANDLE)
    feed.event(bar(0))
    feed.event(bar(3))
    assert [event for event, _, _ in outlet.events] == [bar(0)]
    assert outlet.states[-1] == ("BTCUSDT", "gap", at(1), at(3))
    (lane,) = feed.candle_lanes()
    missing = lane.missing
    assert missing == Hole(at(1), at(3))
    feed.fetched(lane, missing, [bar(1), bar(2)])
    assert [(event, origin) for event, _, origin in outlet.events[1:]] == [
        (bar(1), "backfill"),
        (bar(2), "backfill"),
        (bar(3), "live"),
    ]
    assert outlet.states[-1] == ("BTCUSDT", "recovered", at(1), at(3))


def test_only_what_is_missing_is_said_to_be_lost() -> None:
    """It was asked for with bars before it; and the last of it may have come meanwhile."""
    feed, outlet, _ = make(CANDLE, begins=5, now=7.99)
    feed.event(bar(7))
    (lane,) = feed.candle_lanes()
    with patch.object(outlet, "status", return_value=True) as status:
        for _ in range(2):
            feed.lost(lane, Hole(at(2), at(7)), "no such symbol")
    assert outlet.said == [(7, "live", 0)]
    told = [call.kwargs for call in status.call_args_list]
    assert [(lost["from_ms"], lost["to_ms"]) for lost in told] == [(at(5), at(7))]


def test_what_cannot_be_fetched_is_said_and_the_stream_goes_on() -> None:
    feed, outlet, _ = make(CANDLE)
    feed.event(bar(0))
    feed.event(bar(3))
    (lane,) = feed.candle_lanes()
    feed.lost(lane, Hole(at(1), at(3)), "delisted")
    assert [event for event, _, _ in outlet.events] == [bar(0), bar(3)]
    assert outlet.states[-1] == ("BTCUSDT", "gap", "delisted", at(3))


def test_the_parts_of_a_ticker_go_out_as_one_and_not_from_an_older_connection() -> None:
    ticker = Stream("binance", "spot", "ticker", "BTCUSDT")
    feed, outlet, _ = make(ticker)
    feed.event(TickerPart(symbol="BTCUSDT", event_ms=1, last="10"))
    feed.event(TickerPart(symbol="BTCUSDT", event_ms=2, whole=False, bid="9"))
    assert [(event.last, event.bid) for event, _, _ in outlet.events] == [
        ("10", UNSET),
        ("10", "9"),
    ]
    feed.ended("closed: 1006", parked=False)
    feed.event(TickerPart(symbol="BTCUSDT", event_ms=3, whole=False, bid="8"))
    assert len(outlet.events) == 2


def test_closing_state_survives_a_change_of_what_is_wanted() -> None:
    feed, outlet, _ = make(CANDLE)
    feed.event(bar(0))
    other = Stream("binance", "spot", "candle", "ETHUSDT", "1m")
    feed.want([CANDLE, other], from_minute(0, other))
    feed.event(bar(0))
    assert len(outlet.events) == 1


def test_rejected_and_silent_topics_are_told_per_stream() -> None:
    tickers = [Stream("binance", "spot", "ticker", symbol) for symbol in ("A", "B")]
    feed, outlet, (topic,) = make(*tickers)
    feed.rejected(topic, "2 invalid stream")
    assert outlet.states == [
        ("A", "rejected", "2 invalid stream", None),
        ("B", "rejected", "2 invalid stream", None),
    ]


def test_skipped_frames_are_counted_by_kind() -> None:
    feed, _, _ = make(CANDLE)
    for _ in range(3):
        feed.unreadable(Unreadable("not_json", "x"))
    assert feed.counts["not_json"] == 3


def test_the_lag_is_from_the_exchanges_stamp_to_the_arrival() -> None:
    feed, _, _ = make(Stream("binance", "spot", "ticker", "BTCUSDT"))
    assert feed.lag_ms is None
    feed.event(Ticker("binance", "spot", "BTCUSDT", NOW_MS - 250, "1"))
    assert feed.lag_ms == 250


def test_a_candle_topic_may_be_silent_for_two_of_its_intervals_and_some_patience() -> None:
    feed, _, _ = make(CANDLE)
    hour = Stream("binance", "spot", "candle", "BTCUSDT", "1h")
    assert feed.want([CANDLE, hour]) == {
        "btcusdt@kline_1m": 2 * 60 + 60,
        "btcusdt@kline_1h": 2 * 3600 + 60,
    }
    feed, _, _ = make(Stream("binance", "spot", "ticker", "BTCUSDT"))
    assert feed.want([Stream("binance", "spot", "ticker", "BTCUSDT")]) == {"!miniTicker@arr": 10.0}


def test_a_topic_that_speaks_of_changes_only_may_be_silent_for_any_time() -> None:
    place = Place("bybit", "spot", "ticker")
    clock = MarketClock(wall=lambda: NOW_MS)
    feed = feed_of(place, Outlet(), clock)
    assert feed.want([Stream("bybit", "spot", "ticker", "BTCUSDT")]) == {
        "tickers.BTCUSDT": math.inf,
        "orderbook.1.BTCUSDT": place.rules.cadence.stall_s,
    }


def test_who_took_a_stream_over_says_that_it_cannot_connect() -> None:
    """The owner before may have died with the word that it is live."""
    feed, outlet, _ = make(CANDLE)
    feed.ended("refused: HTTP 403", parked=False)
    feed.ended("refused: HTTP 403", parked=False)
    assert outlet.states == [("BTCUSDT", "stale", "refused: HTTP 403", None)]


def test_without_a_connection_every_live_stream_says_so_once() -> None:
    feed, outlet, _ = make(CANDLE)
    feed.event(bar(0))
    feed.ended("closed: 1006", parked=False)
    feed.ended("unreachable: no route", parked=False)
    assert [state for _, state, _, _ in outlet.states] == ["live", "stale"]
    assert not feed.is_live(CANDLE)
    feed.event(bar(1))
    assert outlet.states[-1][1] == "live"
    feed.ended("refused: HTTP 404", parked=True)
    assert outlet.states[-1][1:3] == ("parked", "refused: HTTP 404")


def test_a_bar_of_the_future_is_not_believed() -> None:
    feed, outlet, _ = make(CANDLE)
    feed.event(bar(0))
    assert feed.event(bar(1_000_000)) is None
    feed.event(bar(1))
    assert [event for event, _, _ in outlet.events] == [bar(0), bar(1)]
    assert feed.counts["wrong_shape"] == 1


def test_a_trade_of_the_future_makes_no_bar_late() -> None:
    feed, _, _ = make(Stream("coinbase", "spot", "candle", "BTC-USD", "1m"))
    trade = Trade("coinbase", "spot", "BTC-USD", "1", "5", "1", at(1_000_000))
    assert feed.event(trade) is None
    assert feed.event(replace(trade, time_ms=at(1), trade_id="2")) is not None


def test_a_missing_candle_that_comes_late_ends_the_gap_without_rest() -> None:
    feed, outlet, _ = make(CANDLE)
    for minute in (0, 2, 1):
        feed.event(bar(minute))
    assert [state for _, state, _, _ in outlet.states] == ["live", "gap", "recovered"]
    assert outlet.states[1][2:] == outlet.states[2][2:] == (at(1), at(2))


def test_recovered_tells_the_whole_gap_though_it_was_fetched_in_parts() -> None:
    feed, outlet, _ = make(CANDLE)
    feed.event(bar(0))
    feed.event(bar(5))
    (lane,) = feed.candle_lanes()
    feed.fetched(lane, Hole(at(1), at(3)), [bar(1), bar(2)])
    assert outlet.states[-1][1] == "gap"
    feed.fetched(lane, Hole(at(3), at(5)), [bar(3), bar(4)])
    assert outlet.states[-1][1:] == ("recovered", at(1), at(5))


def test_what_was_read_for_a_stream_that_was_given_up_since_says_nothing() -> None:
    feed, outlet, _ = make(CANDLE)
    feed.event(bar(0))
    feed.event(bar(2))
    (old,) = feed.candle_lanes()
    feed.want([])
    feed.want([CANDLE], from_minute(0, CANDLE))
    count = len(outlet.events)
    feed.fetched(old, Hole(at(1), at(2)), [bar(1)])
    assert len(outlet.events) == count


def test_a_silent_source_takes_nothing_from_what_the_other_has_told() -> None:
    place, outlet = Place("bybit", "spot", "ticker"), Outlet()
    clock = MarketClock(wall=lambda: NOW_MS)
    feed = feed_of(place, outlet, clock)
    feed.want([Stream("bybit", "spot", "ticker", "BTCUSDT")])
    feed.event(TickerPart(symbol="BTCUSDT", event_ms=1, source=0, last="5"))
    feed.silent("orderbook.1.BTCUSDT")
    feed.event(TickerPart(symbol="BTCUSDT", event_ms=2, source=1, bid="4"))
    ticker = outlet.events[-1][0]
    assert isinstance(ticker, Ticker)
    assert (ticker.last, ticker.bid) == ("5", "4")


# --- checkpoints, and what does not arrive ---------------------------------------------------


def test_a_stream_says_at_once_what_it_misses_behind_its_checkpoint() -> None:
    feed, outlet, _ = make(CANDLE, begins=0, now=3.5)
    feed.tick()
    assert outlet.states == [("BTCUSDT", "gap", at(0), at(3))]
    assert feed.event(bar(3)) == TOPIC
    (lane,) = feed.candle_lanes()
    feed.fetched(lane, Hole(at(0), at(3)), [bar(0), bar(1), bar(2)])
    assert outlet.said == [
        (0, "backfill", 0),
        (1, "backfill", 0),
        (2, "backfill", 0),
        (3, "live", 0),
    ]
    assert outlet.states[-1] == ("BTCUSDT", "recovered", at(0), at(3))


def test_a_checkpoint_is_for_a_new_stream_only() -> None:
    feed, outlet, _ = make(CANDLE)
    feed.event(bar(0))
    feed.want([CANDLE], from_minute(0, CANDLE))
    feed.event(bar(0))
    assert outlet.said == [(0, "live", 0)]


def test_what_finds_no_room_is_a_gap_and_comes_by_rest_in_order() -> None:
    feed, outlet, _ = make(CANDLE)
    feed.event(bar(0))
    outlet.full = True
    feed.event(bar(1))
    outlet.full = False
    feed.event(bar(2))
    assert outlet.said == [(0, "live", 0)]
    assert outlet.states[-1] == ("BTCUSDT", "gap", at(1), at(2))
    (lane,) = feed.candle_lanes()
    feed.fetched(lane, Hole(at(1), at(2)), [bar(1)])
    assert outlet.said[1:] == [(1, "backfill", 0), (2, "live", 0)]
    assert outlet.states[-1] == ("BTCUSDT", "recovered", at(1), at(2))


def test_of_what_was_fetched_nothing_goes_out_behind_what_found_no_room() -> None:
    feed, outlet, _ = make(CANDLE)
    feed.event(bar(3))
    (lane,) = feed.candle_lanes()
    outlet.full = True
    feed.fetched(lane, Hole(at(0), at(3)), [bar(0), bar(1), bar(2)])
    assert outlet.said == []
    assert lane.missing == Hole(at(0), at(4))
    outlet.full = False
    feed.fetched(lane, Hole(at(0), at(4)), [bar(0), bar(1), bar(2), bar(3)])
    assert [minute for minute, *_ in outlet.said] == [0, 1, 2, 3]


def test_what_no_queue_wanted_is_a_gap() -> None:
    feed, outlet, _ = make(CANDLE)
    for minute in (0, 1):
        feed.event(bar(minute))
    for minute in (0, 1):
        feed.undelivered(bar(minute))
    assert outlet.states[-1] == ("BTCUSDT", "gap", at(0), at(2))
    (lane,) = feed.candle_lanes()
    assert lane.missing == Hole(at(0), at(2))


def test_an_outcome_of_a_stream_that_is_gone_says_nothing() -> None:
    feed, outlet, _ = make(CANDLE)
    feed.event(bar(0))
    feed.want([])
    feed.undelivered(bar(0))
    assert [state for _, state, _, _ in outlet.states] == ["live"]


def test_what_could_not_be_said_of_a_gap_is_said_at_the_next_look() -> None:
    feed, outlet, _ = make(CANDLE)
    feed.event(bar(0))
    outlet.mute = True
    feed.event(bar(2))
    outlet.mute = False
    feed.tick()
    assert outlet.states[-1] == ("BTCUSDT", "gap", at(1), at(2))
    outlet.mute = True
    feed.event(bar(1))
    outlet.mute = False
    feed.tick()
    assert outlet.states[-1] == ("BTCUSDT", "recovered", at(1), at(2))


def test_a_correction_that_finds_no_room_is_said_when_it_is_compared_again() -> None:
    feed, outlet, _ = make(Stream("kucoin", "spot", "candle", "BTCUSDT", "1m"))
    (lane,) = feed.candle_lanes()
    lane.settling.note(bar(0, "1", volume="1"))
    final = bar(0, "2", volume="1")
    outlet.full = True
    feed.compared(lane, Hole(at(0), at(1)), [final])
    outlet.full = False
    for _ in range(2):  # the second time it is what REST says
        feed.compared(lane, Hole(at(0), at(1)), [final])
    assert outlet.said == [(0, "reconcile", 1)]


def test_a_correction_that_finds_no_room_holds_up_nothing_that_follows() -> None:
    """An owner before may have said otherwise: what it may have said comes as a correction too."""
    kucoin = Stream("kucoin", "spot", "candle", "BTCUSDT", "1m")
    outlet = NoCorrections()
    clock = MarketClock(wall=lambda: at(3.5))
    feed = feed_of(KUCOIN, outlet, clock)
    feed.want([kucoin], from_minute(0, kucoin), {kucoin: at(2)})
    (lane,) = feed.candle_lanes()
    feed.fetched(lane, Hole(at(0), at(3)), [bar(minute, volume="1") for minute in range(3)])
    assert outlet.said == [(0, "backfill", 0), (1, "backfill", 0), (2, "backfill", 0)]
    assert lane.missing is None
    assert lane.settling.due(at(3), 10 * MINUTE_MS) == Hole(at(0), at(2)), "owed"


def test_what_is_unsettled_is_told_as_far_as_it_is_kept() -> None:
    kucoin = Stream("kucoin", "spot", "candle", "BTCUSDT", "1m")
    feed, _, _ = make(kucoin)
    assert feed.unsettled(kucoin) == ()
    (lane,) = feed.candle_lanes()
    for minute in range(MOST_KEPT + 1):
        lane.settling.note(bar(minute))
    assert len(feed.unsettled(kucoin)) == MOST_KEPT
    assert feed.unsettled(CANDLE) == ()


@pytest.mark.parametrize("lost", [False, True])
def test_a_stream_is_listened_to_at_once_where_its_topic_is_subscribed_already(
    *, lost: bool
) -> None:
    """Coinbase sends trades, and bars of every interval are made of them."""
    one, three = (Stream("coinbase", "spot", "candle", "BTC-USD", i) for i in ("1m", "3m"))
    feed, _, (topic,) = make(one)
    feed.accepted(topic)
    if lost:
        feed.ended("cut", parked=False)
    assert tuple(feed.want((one, three), from_minute(0, three))) == (topic,)
    listened = [lane._closing.live_since_ms for lane in feed.candle_lanes() if lane._closing]
    assert listened == ([None] * 2 if lost else [NOW_MS] * 2)


def test_what_is_given_up_before_a_stream_begins_is_said_aloud() -> None:
    feed, outlet, _ = make(CANDLE)
    feed.gave_up(CANDLE, Hole(at(0), at(5)), "older than BACKFILL_BARS")
    assert outlet.states == [("BTCUSDT", "gap", "older than BACKFILL_BARS", at(5))]
    assert feed.counts["lost"] == 1
