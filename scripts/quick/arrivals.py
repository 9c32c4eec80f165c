"""What arrives from RabbitMQ, by a queue of the demo's own that is there before the fleet is."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aio_pika
from aio_pika.abc import AbstractConnection, AbstractIncomingMessage

from scripts.quick.account_verdict import Told
from scripts.quick.compare import Body, LatestCheck, Score, StreamCheck
from scripts.quick.recording import closed_key, stream_key

TIMEOUT_S = 15.0


@dataclass
class Place:
    """One market of one exchange: how much came, and how right it was."""

    exchange: str
    market: str
    closed: int = 0
    open: int = 0
    tickers: int = 0
    orders: int = 0
    fills: int = 0
    balances: int = 0
    positions: int = 0
    last_s: float | None = None
    score: Score = field(default_factory=Score)
    streams: dict[str, StreamCheck] = field(default_factory=dict)
    # Kept only for a recording, which is small: what it is compared with at the end.
    closed_bodies: dict[str, Body] = field(default_factory=dict)
    open_bodies: dict[str, Body] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.latest = LatestCheck(self.score)

    @property
    def key(self) -> tuple[str, str]:
        """Exchange and market."""
        return self.exchange, self.market

    def stream(self, symbol: str, interval: str) -> StreamCheck:
        """The check of one candle stream."""
        key = f"{symbol}:{interval}"
        return self.streams.setdefault(key, StreamCheck(key, self.score))


class Arrivals:
    """Everything that came so far."""

    def __init__(self, *, keep_bodies: bool) -> None:
        self.places: dict[tuple[str, str], Place] = {}
        # What came of each account, in order.
        self.accounts: defaultdict[str, list[Told]] = defaultdict(list)
        self._keep_bodies = keep_bodies

    def place(self, exchange: str, market: str) -> Place:
        """The counts of one market."""
        return self.places.setdefault((exchange, market), Place(exchange, market))

    def age_s(self) -> float | None:
        """Machine seconds since anything came."""
        last = [place.last_s for place in self.places.values() if place.last_s is not None]
        return time.monotonic() - max(last) if last else None

    def take_account(self, kind: str, message_id: str, body: Body) -> None:
        """One message of the account exchange."""
        place = self.place(body["exchange"], body["market"])
        place.orders += kind == "order.v1"
        place.fills += kind == "fill.v1"
        place.balances += kind.startswith("balance.")
        place.positions += kind == "position.v1"
        self.accounts[body["accountId"]].append(Told(message_id, body))

    def take(self, kind: str, message_id: str, body: Body) -> None:
        """One message of the market exchange."""
        place = self.place(body["exchange"], body["market"])
        place.last_s = time.monotonic()
        if kind == "candle.closed.v1":
            self._closed(place, message_id, body)
        elif kind == "candle.open.v1":
            place.open += 1
            # Not every exchange says when it said it.
            told_ms = body.get("eventMs", body["startMs"])
            place.latest.arrived(stream_key(body), message_id, told_ms)
            if self._keep_bodies:
                place.open_bodies[stream_key(body)] = body
        elif kind == "ticker.v1":
            place.tickers += 1
            place.latest.arrived(body["symbol"], message_id, body["eventMs"])
        else:
            place.score.blame("wrong", f"{message_id} is of unknown type {kind!r}")

    def _closed(self, place: Place, message_id: str, body: Body) -> None:
        place.closed += 1
        place.stream(body["symbol"], body["interval"]).arrived(message_id, body)
        if self._keep_bodies:
            place.closed_bodies[closed_key(body)] = body
            latest = place.open_bodies.get(stream_key(body))
            if latest is not None and latest["startMs"] <= body["startMs"]:
                del place.open_bodies[stream_key(body)]


@asynccontextmanager
async def listening(rabbit_url: str, arrivals: Arrivals) -> AsyncIterator[AbstractConnection]:
    """Take all that the fleet publishes of markets and accounts as long as it lasts; gives the connection."""
    connection = await aio_pika.connect(rabbit_url, timeout=TIMEOUT_S)
    async with connection:
        for name, take in (("market", arrivals.take), ("account", arrivals.take_account)):
            await _listen(connection, name, take)
        yield connection


async def _listen(
    connection: AbstractConnection, name: str, take: Callable[[str, str, Body], None]
) -> None:
    channel = await connection.channel()
    amqp_exchange = await channel.declare_exchange(
        name, aio_pika.ExchangeType.TOPIC, durable=True, timeout=TIMEOUT_S
    )
    queue = await channel.declare_queue(exclusive=True, timeout=TIMEOUT_S)
    await queue.bind(amqp_exchange, "#", timeout=TIMEOUT_S)

    async def taken(message: AbstractIncomingMessage) -> None:
        take(message.type or "", message.message_id or "", json.loads(message.body))

    await queue.consume(taken, no_ack=True, timeout=TIMEOUT_S)
