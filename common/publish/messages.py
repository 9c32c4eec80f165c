"""What a message is called: routing keys, types, ids, bodies of our own. Pure.

A routing key is made of words joined by dots, so a symbol that holds a dot, a wildcard or anything
outside printable ASCII is percent-encoded; what a consumer decodes is the symbol, untouched.
"""

from __future__ import annotations

from typing import Literal
from urllib.parse import quote

from msgspec import UNSET, Struct, UnsetType

from common.model.events import Candle, MarketEvent
from common.model.ids import candle_id, value_id
from common.model.streams import Channel, Market, Stream

# What became of a durable message. ``refused``: there was no room for it, or it cannot be named;
# it was not kept and will not be sent. ``returned``: no queue wanted it.
Outcome = Literal["confirmed", "returned", "refused"]

MARKET_EXCHANGE = "market"
ACCOUNT_EXCHANGE = "account"
FLEET_EXCHANGE = "fleet"
DEAD_EXCHANGE = "dead"

CANDLE_CLOSED = "candle.closed.v1"
CANDLE_OPEN = "candle.open.v1"
TICKER = "ticker.v1"
STREAM_STATUS = "stream.status.v1"

APP_ID = "streaming-fleet"

# AMQP writes routing keys and ids with one byte of length.
SHORT_STRING_BYTES = 255

_SAFE = "".join(chr(code) for code in range(0x20, 0x7F) if chr(code) not in "*#%")


class StreamStatus(Struct, frozen=True, gc=False, rename="camel"):
    """A stream changed its state. ``from_ms`` and ``to_ms`` bound a gap; ``to_ms`` is exclusive.

    ``code``: of an account, the reason in one word for machines (``common.exchanges.private.Trouble``).
    """

    exchange: str
    market: Market
    channel: Channel
    symbol: str
    state: str
    epoch: int
    event_ms: int
    interval: str | UnsetType = UNSET
    reason: str | UnsetType = UNSET
    code: str | UnsetType = UNSET
    from_ms: int | UnsetType = UNSET
    to_ms: int | UnsetType = UNSET


def escape(symbol: str) -> str:
    """A symbol as one word of a routing key: ``BTC.P`` becomes ``BTC%2EP``."""
    # quote() never touches a dot, so that is done after it.
    return quote(symbol, safe=_SAFE).replace(".", "%2E")


def routing_key(event: MarketEvent) -> str:
    """``candle.closed.binance.spot.BTCUSDT.1m``, ``candle.open.…``, ``ticker.binance.spot.BTCUSDT``.

    Raises:
        ValueError: the symbol is too long for a routing key.
    """
    place = f"{event.exchange}.{event.market}.{escape(event.symbol)}"
    if not isinstance(event, Candle):
        return _checked(f"ticker.{place}")
    if event.closed:
        return _checked(closed_routing_key(event.stream))
    return _checked(f"candle.open.{place}.{event.interval}")


def closed_routing_key(stream: Stream) -> str:
    """Of a candle stream's closed candles, however long it is."""
    symbol = escape(stream.symbol)
    return f"candle.closed.{stream.exchange}.{stream.market}.{symbol}.{stream.interval}"


def status_routing_key(stream: Stream, state: str) -> str:
    """``stream.live.binance.spot.candle.BTCUSDT.1m``.

    Raises:
        ValueError: the symbol is too long for a routing key.
    """
    place = f"{stream.exchange}.{stream.market}.{stream.channel}.{escape(stream.symbol)}"
    tail = f".{stream.interval}" if stream.interval else ""
    return _checked(f"stream.{state}.{place}{tail}")


def type_of(event: MarketEvent) -> str:
    """The versioned name of an event's body."""
    if not isinstance(event, Candle):
        return TICKER
    return CANDLE_CLOSED if event.closed else CANDLE_OPEN


def id_of(event: MarketEvent, body: bytes) -> str:
    """The event's own name (DESIGN P4)."""
    if isinstance(event, Candle) and event.closed:
        return candle_id(event)
    return value_id(event, body)


def time_ms_of(event: MarketEvent) -> int:
    """The event's own time: a closed candle's end, else what the exchange stamped on it."""
    if not isinstance(event, Candle):
        return event.event_ms
    if event.closed:
        return event.end_ms
    return event.start_ms if event.event_ms is UNSET else event.event_ms


def status_id(status: StreamStatus, stream: Stream) -> str:
    """``stream:binance:spot:candle:BTCUSDT:1m:live:e7:1700000000123``."""
    return f"stream:{stream.key}:{status.state}:e{status.epoch}:{status.event_ms}"


def _checked(key: str) -> str:
    if len(key) > SHORT_STRING_BYTES:
        raise ValueError(f"routing key of {len(key)} bytes, AMQP has room for {SHORT_STRING_BYTES}")
    return key
