"""The topic exchanges and default queues, as data, and how they come to be on a broker.

Every queue has a bound, and at the bound the oldest message leaves (``drop-head``) rather than the
newest being refused (``reject-publish``): one queue that nobody reads must not stop the publisher,
and with it every other consumer. What falls out of ``candles`` passes through ``candles.dead`` and
is in ``candles.replay`` as long as that reaches back.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, Literal

from aio_pika.abc import AbstractConnection
from aiormq.abc import AbstractChannel
from aiormq.exceptions import (
    ChannelLockedResource,
    ChannelNotFoundEntity,
    ChannelPreconditionFailed,
)
from loguru import logger
from msgspec import Struct

from common.publish.connection import NotReady, within
from common.publish.messages import (
    ACCOUNT_EXCHANGE,
    DEAD_EXCHANGE,
    FLEET_EXCHANGE,
    MARKET_EXCHANGE,
)

# full: exchanges, queues and bindings. exchanges: those only, consumers bring their queues.
# passive: nothing is declared, for brokers where somebody else does that; all must be there.
Mode = Literal["full", "exchanges", "passive"]
Arguments = dict[str, str | int]

# A stream or quorum queue elects a leader before it answers.
DECLARE_TIMEOUT_S = 15.0
# Far from the numbers that publishing and consuming use.
DECLARE_CHANNEL = 100

COMMANDS_EXCHANGE = "gainium"
CANDLES_REQUESTS = "candlesRequests"
CANDLES_REQUESTS_DEAD = "candlesRequests.dead"
USERS_STREAM_ACTION = "usersStreamAction"
USERS_STREAM_ACTION_DEAD = "usersStreamAction.dead"


class AmqpExchange(Struct, frozen=True):
    """An exchange of the broker's; all are durable."""

    name: str
    kind: Literal["topic", "direct"]


class Binding(Struct, frozen=True):
    """What of an exchange a queue gets."""

    amqp_exchange: str
    key: str


class Queue(Struct, frozen=True):
    """A durable queue."""

    name: str
    bindings: tuple[Binding, ...]
    arguments: Arguments = {}


class Topology(Struct, frozen=True):
    """What one connection needs on the broker."""

    exchanges: tuple[AmqpExchange, ...]
    queues: tuple[Queue, ...]


class TopologyError(NotReady):
    """The broker is not as we need it. The message names everything that is missing."""


def _dead(name: str, most: int) -> Queue:
    # Dead letters are for a person to look at: the newest of them, never without end.
    return Queue(
        name,
        (Binding(DEAD_EXCHANGE, name),),
        {"x-queue-type": "classic", "x-max-length": most, "x-overflow": "drop-head"},
    )


def _quorum(name: str, binding: Binding, most: int, most_bytes: int) -> Queue:
    arguments: Arguments = {
        "x-queue-type": "quorum",
        "x-max-length": most,
        "x-max-length-bytes": most_bytes,
        "x-overflow": "drop-head",
        "x-dead-letter-exchange": DEAD_EXCHANGE,
        "x-dead-letter-routing-key": f"{name}.dead",
    }
    return Queue(name, (binding,), arguments)


_DEAD = AmqpExchange(DEAD_EXCHANGE, "direct")

EVENTS = Topology(
    exchanges=(
        AmqpExchange(MARKET_EXCHANGE, "topic"),
        AmqpExchange(ACCOUNT_EXCHANGE, "topic"),
        AmqpExchange(FLEET_EXCHANGE, "topic"),
        _DEAD,
    ),
    queues=(
        # The places of the dead come first, so that nothing falls between.
        _dead("candles.dead", 10_000),
        _dead("account-events.dead", 100_000),
        # Some hours of a large fleet: 400 symbols close 24,000 one-minute candles an hour.
        _quorum("candles", Binding(MARKET_EXCHANGE, "candle.closed.#"), 250_000, 250_000_000),
        _quorum("account-events", Binding(ACCOUNT_EXCHANGE, "#"), 500_000, 500_000_000),
        # A price is worth something for seconds; who comes late gets the present, not the past.
        Queue(
            "tickers",
            (Binding(MARKET_EXCHANGE, "ticker.#"),),
            {
                "x-queue-type": "classic",
                "x-max-length": 10_000,
                "x-message-ttl": 10_000,
                "x-overflow": "drop-head",
            },
        ),
        # Read from any offset, by many, as often as they like; segments drop off its far end.
        Queue(
            "candles.replay",
            (Binding(MARKET_EXCHANGE, "candle.closed.#"),),
            {
                "x-queue-type": "stream",
                "x-max-age": "7D",
                "x-max-length-bytes": 2_000_000_000,
                "x-stream-max-segment-size-bytes": 50_000_000,
            },
        ),
    ),
)


def _commands(name: str, dead: str) -> Topology:
    """A queue of commands.

    Older backends assert it themselves, durable and without arguments: any argument of ours would make
    their declaration fail (406). So it has none (a policy of the broker's can bound it), and its dead
    letters are written by us instead of by the broker.
    """
    return Topology(
        exchanges=(AmqpExchange(COMMANDS_EXCHANGE, "direct"), _DEAD),
        queues=(Queue(name, (Binding(COMMANDS_EXCHANGE, name),)), _dead(dead, 10_000)),
    )


COMMANDS = _commands(CANDLES_REQUESTS, CANDLES_REQUESTS_DEAD)
ACCOUNT_COMMANDS = _commands(USERS_STREAM_ACTION, USERS_STREAM_ACTION_DEAD)


async def declare(connection: AbstractConnection, topology: Topology, mode: Mode) -> None:
    """Make the broker as ``topology`` says, as far as ``mode`` allows, or see that it is so.

    A queue that exists with other arguments is somebody's decision: it is used as it is, with a
    warning. An exchange of another kind would route differently, so that is an error.

    Raises:
        TopologyError: names what is missing or of the wrong kind.
    """
    session = _Session(connection)
    try:
        if mode == "passive":
            await _check(session, topology)
            return
        for exchange in topology.exchanges:
            await _declare_exchange(session, exchange)
        if mode == "full":
            for queue in topology.queues:
                await _declare_queue(session, queue)
    finally:
        await session.close()


class _Session:
    """A channel for declarations: the broker closes it with every refusal, so it is replaced."""

    def __init__(self, connection: AbstractConnection) -> None:
        self._connection = connection
        self._channel: AbstractChannel | None = None

    async def channel(self) -> AbstractChannel:
        if self._channel is None or self._channel.is_closed:
            transport = self._connection.transport
            if transport is None:
                raise ConnectionError("connection closed while declaring")
            opening = transport.connection.channel(DECLARE_CHANNEL, publisher_confirms=False)
            self._channel = await within(DECLARE_TIMEOUT_S, opening)
        return self._channel

    async def close(self) -> None:
        if self._channel is not None and not self._channel.is_closed:
            await within(DECLARE_TIMEOUT_S, self._channel.close(None))


async def _declare_exchange(session: _Session, exchange: AmqpExchange) -> None:
    channel = await session.channel()
    try:
        await within(
            DECLARE_TIMEOUT_S,
            channel.exchange_declare(exchange.name, exchange_type=exchange.kind, durable=True),
        )
    except ChannelPreconditionFailed as error:
        raise TopologyError(f"exchange {exchange.name!r} is not ours: {error}") from error


async def _declare_queue(session: _Session, queue: Queue) -> None:
    channel = await session.channel()
    arguments: dict[str, Any] = dict(queue.arguments)
    try:
        await within(
            DECLARE_TIMEOUT_S,
            channel.queue_declare(queue.name, durable=True, arguments=arguments or None),
        )
    except (ChannelPreconditionFailed, ChannelLockedResource) as error:
        logger.bind(queue=queue.name, reason=str(error)).warning("queue differs, used as it is")
        channel = await session.channel()
    for binding in queue.bindings:
        binds = channel.queue_bind(queue.name, binding.amqp_exchange, binding.key)
        await within(DECLARE_TIMEOUT_S, binds)


async def _check(session: _Session, topology: Topology) -> None:
    missing = []
    for exchange in topology.exchanges:
        channel = await session.channel()
        if not await _answers(channel.exchange_declare(exchange.name, passive=True)):
            missing.append(f"exchange {exchange.name!r} ({exchange.kind})")
    for queue in topology.queues:
        channel = await session.channel()
        if not await _answers(channel.queue_declare(queue.name, passive=True)):
            missing.append(f"queue {queue.name!r}")
    if missing:
        raise TopologyError(f"missing on the broker: {', '.join(missing)}")


async def _answers(look: Awaitable[object]) -> bool:
    try:
        await within(DECLARE_TIMEOUT_S, look)
    except ChannelNotFoundEntity:
        return False
    return True
