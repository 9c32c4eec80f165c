"""What a worker says of its streams: each once, and no better than the worst of its topics."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest

from common.clocks import MarketClock
from common.exchanges.place import Place
from common.exchanges.protocol import TickerPart
from common.model.streams import Stream
from common.session.topics import TopicState, TopicStatus
from tests.workers.test_feed import Outlet, feed_of
from workers.records import _groups

STREAM = Stream("bybit", "spot", "ticker", "BTCUSDT")
DAY, BEST = "tickers.BTCUSDT", "orderbook.1.BTCUSDT"


def groups(day: TopicState, best: TopicState) -> dict[str, list[str]]:
    feed = feed_of(Place("bybit", "spot", "ticker"), Outlet(), MarketClock())
    silences = feed.want([STREAM])
    if TopicState.LIVE in (day, best):
        feed.event(TickerPart(symbol="BTCUSDT", event_ms=1, source=1, bid="4"))
    topics = {
        DAY: TopicStatus(day, 0.0, silences[DAY]),
        BEST: TopicStatus(best, 0.0, silences[BEST]),
    }
    assert math.isinf(silences[DAY])
    owned: Any = SimpleNamespace(feed=feed, session=SimpleNamespace(trade_driven=False))
    return _groups(owned, topics)


@pytest.mark.parametrize(
    ("day", "best", "word"),
    [
        (TopicState.LIVE, TopicState.LIVE, "live"),
        (TopicState.ACKED, TopicState.LIVE, "live"),  # the day speaks of changes only
        (TopicState.LIVE, TopicState.ACKED, "pending"),
        (TopicState.ASKED, TopicState.LIVE, "pending"),
        (TopicState.REJECTED, TopicState.LIVE, "rejected"),
    ],
)
def test_a_stream_of_two_topics_is_counted_once(
    day: TopicState, best: TopicState, word: str
) -> None:
    assert groups(day, best) == {word: [STREAM.key]}
