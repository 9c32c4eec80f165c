"""Plays a transcript: what we must send, what the exchange answers, and the events that come out.

@ linear candle BTCUSDT:1m ETHUSDT:5m   the streams of the connection
+ BTCUSD_PERP {"contractSize":"100"}    an instrument the parser is told of
> {"method":"SUBSCRIBE",…}              what we must send, compared as JSON
< {"result":null,"id":1}                the exchange's reply
= {"e":"kline",…}                       a push
! {"exchange":"binance",…}              the event that must come out, whole, in order
# a remark; the first ones name the source
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import msgspec

from common.exchanges.place import Place
from common.exchanges.protocol import Exchange, Refusal, TickerPart, Told, Topic, Unreadable
from common.model.events import Trade
from common.model.instruments import Instrument
from common.model.streams import Channel, Market, Stream
from common.session.connection import Connection
from tests.support.scripted import ScriptedExchange, ScriptedSocket


class _Sink:
    def __init__(self, exchange: Exchange, streams: list[Stream]) -> None:
        self._topics = {(s.symbol, s.interval): exchange.topics(s) for s in streams}
        self.events: asyncio.Queue[Any] = asyncio.Queue()
        self.problems: list[str] = []

    def event(self, event: Told) -> Topic | None:
        interval = "1m" if isinstance(event, Trade) else getattr(event, "interval", None)
        topics = self._topics.get((event.symbol, interval))
        if topics is None:
            return None
        self.events.put_nowait(json.loads(msgspec.json.encode(event)))
        return topics[event.source if isinstance(event, TickerPart) else -1]

    def accepted(self, topic: Topic) -> None:
        """What matters is what comes of it."""

    def unreadable(self, problem: Unreadable) -> None:
        self.problems.append(f"{problem.kind}: {problem.detail}")

    def refused(self, refusal: Refusal) -> None:
        """Halved batches are part of the dialogue; what matters is what comes of them."""

    def ended(self, reason: str, *, parked: bool) -> None:
        self.events.put_nowait({"ended": reason, "parked": parked})

    def rejected(self, topic: Topic, reason: str) -> None:
        self.events.put_nowait({"rejected": topic, "reason": reason})

    def silent(self, topic: Topic) -> None:
        self.events.put_nowait({"silent": topic})


def _streams(
    exchange: Exchange, market: Market, channel: Channel, names: list[str]
) -> list[Stream]:
    streams = []
    for name in names:
        symbol, _, interval = name.rpartition(":") if channel == "candle" else (name, "", None)
        streams.append(Stream(exchange.name, market, channel, symbol, interval))
    return streams


def _instrument(exchange: Exchange, market: Market, line: str) -> Instrument:
    symbol, _, facts = line.partition(" ")
    blank = Instrument(exchange.name, market, symbol, "perpetual", "B", "Q", "B", "trading")
    return msgspec.structs.replace(blank, **json.loads(facts or "{}"))


async def play(exchange: Exchange, path: Path) -> None:
    """Run one transcript; anything that differs from it is an assertion error with its line."""
    text = path.read_text()  # noqa: ASYNC240 - a small file, before anything runs
    lines = [line for line in text.splitlines() if line and line[0] != "#"]
    market, channel, *names = lines.pop(0).removeprefix("@ ").split()
    streams = _streams(exchange, market, channel, names)  # type: ignore[arg-type]
    catalog = {}
    while lines and lines[0].startswith("+ "):
        instrument = _instrument(exchange, market, lines.pop(0)[2:])  # type: ignore[arg-type]
        catalog[instrument.symbol] = instrument
    scripted, sink = ScriptedExchange(), _Sink(exchange, streams)
    place = Place(exchange.name, market, channel)  # type: ignore[arg-type]
    connection = Connection(place, scripted.address, scripted.dial, lambda: catalog, sink)
    connection.want({topic: 60.0 for s in streams for topic in place.topics(s)})
    task = asyncio.create_task(connection.run())
    socket = await scripted.accepted()
    for number, line in enumerate(lines):
        await _step(socket, sink, line, f"{path.name}, step {number + 1}: {line:.80}")
    await asyncio.sleep(0)
    assert sink.events.empty(), f"{path.name}: more came out: {sink.events.get_nowait()}"
    assert sink.problems == [], f"{path.name}: {sink.problems}"
    task.cancel()
    await asyncio.wait({task})


def _read(text: str) -> Any:
    """A message to compare: JSON where it is JSON, else as it is (``ping``)."""
    try:
        return json.loads(text)
    except ValueError:
        return text


async def _step(socket: ScriptedSocket, sink: _Sink, line: str, where: str) -> None:
    mark, text = line[0], line[2:]
    if mark == ">":
        assert _read(await socket.said()) == _read(text), where
    elif mark in "<=":
        socket.push(text.encode())
    elif mark == "!":
        async with asyncio.timeout(5):
            assert await sink.events.get() == json.loads(text), where
    else:
        raise AssertionError(f"{where}: unknown mark")
