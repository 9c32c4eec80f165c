"""What the session tests share: a sink that remembers, and a connection to a scripted exchange."""

from __future__ import annotations

from typing import Any

from common.exchanges.place import Place
from common.exchanges.protocol import Refusal, Topic, Unreadable
from common.exchanges.registry import EXCHANGES
from common.model.events import MarketEvent
from common.model.streams import Channel, Market, Stream

BINANCE = EXCHANGES["binance"]


def place(channel: Channel = "candle", market: Market = "spot") -> Place:
    return Place(BINANCE.name, market, channel)


class Memory:
    """A sink for the given streams."""

    def __init__(self, *streams: Stream) -> None:
        self._topics = {(s.symbol, s.interval): BINANCE.topics(s)[-1] for s in streams}
        self.events: list[MarketEvent] = []
        self.problems: list[Unreadable] = []
        self.rejections: dict[Topic, str] = {}
        self.quiet: list[Topic] = []
        self.ends: list[tuple[str, bool]] = []
        self.acks: list[Topic] = []
        self.refusals: list[Refusal] = []

    def event(self, event: MarketEvent) -> Topic | None:
        topic = self._topics.get((event.symbol, getattr(event, "interval", None)))
        if topic is not None:
            self.events.append(event)
        return topic

    def accepted(self, topic: Topic) -> None:
        self.acks.append(topic)

    def unreadable(self, problem: Unreadable) -> None:
        self.problems.append(problem)

    def refused(self, refusal: Refusal) -> None:
        self.refusals.append(refusal)

    def ended(self, reason: str, *, parked: bool) -> None:
        self.ends.append((reason, parked))

    def rejected(self, topic: Topic, reason: str) -> None:
        self.rejections[topic] = reason

    def silent(self, topic: Topic) -> None:
        self.quiet.append(topic)


def candles(*symbols: str, market: Market = "spot") -> tuple[Stream, ...]:
    return tuple(Stream("binance", market, "candle", symbol, "1m") for symbol in symbols)


def kline(symbol: str, minute: int = 0, *, closed: bool = False) -> dict[str, Any]:
    start_ms = 1_700_000_040_000 + minute * 60_000
    return {
        "stream": f"{symbol.lower()}@kline_1m",
        "data": {
            "e": "kline",
            "E": start_ms + 30_000,
            "s": symbol,
            "k": {
                "t": start_ms,
                "T": start_ms + 59_999,
                "s": symbol,
                "i": "1m",
                "o": "1",
                "c": "2",
                "h": "3",
                "l": "0.5",
                "v": "10",
                "n": 3,
                "x": closed,
                "q": "15",
            },
        },
    }


def mini_tickers(*symbols: str) -> dict[str, Any]:
    rows = [
        {
            "e": "24hrMiniTicker",
            "E": 1_700_000_040_000,
            "s": symbol,
            "c": "2",
            "o": "1",
            "h": "3",
            "l": "0.5",
            "v": "10",
            "q": "15",
        }
        for symbol in symbols
    ]
    return {"stream": "!miniTicker@arr", "data": rows}
