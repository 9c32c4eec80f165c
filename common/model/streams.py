"""What can be wanted: a stream, the shard that carries it, and the pattern that names many."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from hashlib import sha256
from typing import Literal, get_args

from msgspec import Struct

from common.model.intervals import INTERVALS

Market = Literal["spot", "linear", "inverse"]
# What a stream tells. ``account`` is all that is told of one account: its ``symbol`` is the account's id.
Channel = Literal["candle", "ticker", "account"]
Origin = Literal["live", "backfill", "reconcile", "snapshot", "filled"]

# What a worker serves; ``SERVED`` says which channels that is. ``user`` is not a price worker's.
Role = Literal["all", "candle", "ticker", "user"]

MARKETS: tuple[Market, ...] = get_args(Market)
# Those of prices, and the roles of price workers.
CHANNELS: tuple[Channel, ...] = ("candle", "ticker")
ROLES: tuple[Role, ...] = ("all", "candle", "ticker")
SERVED: Mapping[Role, tuple[Channel, ...]] = {
    "all": CHANNELS,
    "user": ("account",),
    "candle": ("candle",),
    "ticker": ("ticker",),
}


class Stream(Struct, frozen=True, order=True):
    """One (exchange, market, channel, symbol[, interval]) somebody wants.

    ``symbol`` is the exchange's own id, untouched. ``interval`` is set for candles only.
    """

    exchange: str
    market: Market
    channel: Channel
    symbol: str
    interval: str | None = None

    @property
    def key(self) -> str:
        """``binance:spot:candle:BTCUSDT:1m``: the stream's name in Redis, logs and health."""
        head = f"{self.exchange}:{self.market}:{self.channel}:{self.symbol}"
        return f"{head}:{self.interval}" if self.interval else head


class Pattern(Struct, frozen=True, order=True):
    """Many streams by one line: any part may be ``*``; the symbol may hold ``*`` and ``?``."""

    exchange: str
    market: str
    channel: str
    symbol: str
    interval: str | None = None

    @property
    def key(self) -> str:
        """The line it was read from, in canonical form."""
        head = f"{self.exchange}:{self.market}:{self.channel}:{self.symbol}"
        return f"{head}:{self.interval}" if self.interval else head

    def covers(self, exchange: str, market: Market, channel: Channel) -> bool:
        """Whether streams of this place are meant at all."""
        return (
            self.exchange in ("*", exchange)
            and self.market in ("*", market)
            and self.channel == channel
        )

    def takes(self, symbol: str) -> bool:
        """Whether this symbol is meant. ``[`` is not special: symbols are matched as written."""
        return fnmatchcase(symbol, self.symbol.replace("[", "[[]"))


def parse_pattern(text: str) -> Pattern:
    """Read ``exchange:market:channel:symbol[:interval]``.

    A symbol may itself hold a colon, so a candle's interval is what follows the last one.

    Raises:
        ValueError: names the part that is wrong and what is allowed.
    """
    parts = text.strip().split(":", 3)
    if len(parts) < 4 or not all(parts):
        raise ValueError(f"{text!r} is not exchange:market:channel:symbol[:interval]")
    exchange, market, channel, symbol = parts
    if market != "*" and market not in MARKETS:
        raise ValueError(f"{text!r}: market {market!r} is none of {', '.join(MARKETS)}, *")
    if channel not in CHANNELS:
        raise ValueError(f"{text!r}: channel {channel!r} is none of {', '.join(CHANNELS)}")
    if channel != "candle":
        return Pattern(exchange, market, channel, symbol)
    symbol, _, interval = symbol.rpartition(":")
    if not symbol or interval not in INTERVALS:
        raise ValueError(
            f"{text!r}: interval {interval!r} is none of {' '.join(INTERVALS)} "
            "(a candle pattern ends in one)"
        )
    return Pattern(exchange, market, channel, symbol, interval)


class Shard(Struct, frozen=True, order=True):
    """The unit of ownership: bucket ``index`` of the streams of one (exchange, market, channel).

    An account is a shard of its own: ``index`` is its id.
    """

    exchange: str
    market: Market
    channel: Channel
    index: int | str

    @property
    def key(self) -> str:
        """``binance:spot:candle:0``: the shard's name in Redis and health."""
        return f"{self.exchange}:{self.market}:{self.channel}:{self.index}"

    @property
    def label(self) -> str:
        """Its name in logs, where no account is named: ``binance:spot:account:#1f3870be``."""
        if not isinstance(self.index, str):
            return self.key
        hashed = sha256(self.index.encode()).hexdigest()[:8]
        return f"{self.exchange}:{self.market}:{self.channel}:#{hashed}"
