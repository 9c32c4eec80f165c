"""From a connection's events to the pipeline: which go on, and what is said of the others."""

import math
from typing import Any

from msgspec import UNSET
from msgspec.structs import replace

from common.clocks import MarketClock
from common.exchanges.place import Place
from common.exchanges.protocol import TickerPart, Unreadable
from common.model.events import MarketEvent, Ticker, Trade
from common.model.streams import Shard, Stream
from common.recovery.steps import Hole
from tests.recovery.bars import at, bar
from workers.feed import Feed

CANDLE = Stream("binance", "spot", "candle", "BTCUSDT", "1m")
NOW_MS = at(1) + 250
TOPIC = "btcusdt@kline_1m"


class Outlet:
    def __init__(self) -> None:
        self.events: list[tuple[MarketEvent, int, str]] = []
        self.states: list[tuple[str, str, Any, Any]] = []

    def publish(self, event: MarketEvent, *, epoch: int, origin: str) -> None:
        self.events.append((event, epoch, origin))

    def status(
        self,
        stream: Stream,
        state: str,
        *,
        epoch: int,
        reason: str = "",
        from_ms: int | None = None,
        to_ms: int | None = None,
    ) -> None:
        self.states.append((stream.symbol, state, reason or from_ms, to_ms))


def make(*streams: Stream) -> tuple[Feed, Outlet, tuple[str, ...]]:
    outlet = Outlet()
    channel = streams[0].channel
    place = Place("binance", "spot", channel)
    clock = MarketClock(wall=lambda: NOW_MS)
    feed = Feed(Shard("binance", "spot", channel, 0), 7, place, outlet, clock)
    return feed, outlet, tuple(feed.want(streams))


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
    feed.want([CANDLE, Stream("binance", "spot", "candle", "ETHUSDT", "1m")])
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
    feed = Feed(Shard("bybit", "spot", "ticker", 0), 7, place, Outlet(), clock)
    assert feed.want([Stream("bybit", "spot", "ticker", "BTCUSDT")]) == {
        "tickers.BTCUSDT": math.inf,
        "orderbook.1.BTCUSDT": place.rules.cadence.stall_s,
    }


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
    place, outlet = Place("coinbase", "spot", "candle"), Outlet()
    clock = MarketClock(wall=lambda: NOW_MS)
    feed = Feed(Shard("coinbase", "spot", "candle", 0), 7, place, outlet, clock)
    feed.want([Stream("coinbase", "spot", "candle", "BTC-USD", "1m")])
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
    feed.want([CANDLE])
    count = len(outlet.events)
    feed.fetched(old, Hole(at(1), at(2)), [bar(1)])
    assert len(outlet.events) == count


def test_a_silent_source_takes_nothing_from_what_the_other_has_told() -> None:
    place, outlet = Place("bybit", "spot", "ticker"), Outlet()
    clock = MarketClock(wall=lambda: NOW_MS)
    feed = Feed(Shard("bybit", "spot", "ticker", 0), 7, place, outlet, clock)
    feed.want([Stream("bybit", "spot", "ticker", "BTCUSDT")])
    feed.event(TickerPart(symbol="BTCUSDT", event_ms=1, source=0, last="5"))
    feed.silent("orderbook.1.BTCUSDT")
    feed.event(TickerPart(symbol="BTCUSDT", event_ms=2, source=1, bid="4"))
    ticker = outlet.events[-1][0]
    assert isinstance(ticker, Ticker)
    assert (ticker.last, ticker.bid) == ("5", "4")
