"""Bars in our words: where they start, what their volumes mean, when REST's are over. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal, TypeVar

import msgspec
from msgspec import UNSET, Struct, UnsetType

from common.exchanges.protocol import Parsed, Unreadable
from common.model.decimals import product
from common.model.events import Candle, Trade
from common.model.instruments import Catalog
from common.model.intervals import end_of, is_start, start_of
from common.model.streams import Stream

Amount = str | UnsetType
_Row = TypeVar("_Row")
# Open, high, low, close.
Prices = tuple[str, str, str, str]


class Volumes(Struct, frozen=True, gc=False):
    """One volume in the units that are known: base asset, quote asset, contracts."""

    base: Amount = UNSET
    quote: Amount = UNSET
    contracts: Amount = UNSET


def worth(contracts: str, symbol: str, catalog: Catalog, unit: Literal["base", "quote"]) -> Amount:
    """What so many contracts stand for, where each is a fixed amount of the base or quote asset.

    Left out while that is not known, and where a contract is of something else.

    Raises:
        ArithmeticError: the count is no number of an exchange.
    """
    instrument = catalog.get(symbol)
    if instrument is None or instrument.contract_size is None:
        return UNSET
    if instrument.contract_unit != (instrument.base if unit == "base" else instrument.quote):
        return UNSET
    return product(contracts, instrument.contract_size)


def bar(
    stream: Stream,
    start_ms: int,
    prices: Prices,
    volumes: Volumes,
    *,
    closed: bool = False,
    event_ms: int | UnsetType = UNSET,
    trades: int | UnsetType = UNSET,
) -> Candle:
    """A bar of a stream. A closed one has no ``event_ms``: it is the same whoever tells it.

    Raises:
        msgspec.ValidationError: no bar of the stream starts then. Plain names of long bars count
            from UTC+8 on some exchanges.
    """
    interval = stream.interval or ""
    if not is_start(interval, start_ms):
        raise msgspec.ValidationError(f"no {interval} bar starts at {start_ms}")
    return Candle(
        stream.exchange,
        stream.market,
        stream.symbol,
        interval,
        start_ms,
        end_of(interval, start_ms),
        *prices,
        volume=volumes.base,
        quote_volume=volumes.quote,
        contracts=volumes.contracts,
        trades=trades,
        closed=closed,
        event_ms=UNSET if closed else event_ms,
    )


def rest_bar(
    stream: Stream,
    start_ms: int,
    prices: Prices,
    volumes: Volumes,
    now_ms: int,
    trades: int | UnsetType = UNSET,
) -> Candle:
    """A bar of REST, whose rows have no flag: it is closed once it has ended.

    Raises:
        msgspec.ValidationError: see ``bar``.
    """
    read = bar(stream, start_ms, prices, volumes, event_ms=now_ms, trades=trades)
    if read.end_ms > now_ms:
        return read
    return msgspec.structs.replace(read, closed=True, event_ms=UNSET)


def read_bars(rows: Iterable[_Row], read: Callable[[_Row], Candle]) -> list[Candle]:
    """The bars of a REST answer, oldest first, in whatever order it has them.

    Raises:
        msgspec.ValidationError: one of them cannot be read. It is not left out, for that would
            mean that nobody traded.
    """
    try:
        return sorted(map(read, rows), key=lambda candle: candle.start_ms)
    except ArithmeticError as error:
        raise msgspec.ValidationError(f"a number: {type(error).__name__}") from error


def oldest_first(said: Iterable[Parsed]) -> list[Parsed]:
    """What a frame says with its bars and trades in order, and what cannot be read after them.

    Trades of a millisecond are told apart by their ids, which count up.
    """
    return sorted(said, key=_age)


def _age(said: Parsed) -> tuple[bool, int]:
    if isinstance(said, Trade):
        return False, int(said.trade_id)
    return isinstance(said, Unreadable), said.start_ms if isinstance(said, Candle) else 0


def next_start(interval: str, time_ms: int) -> int:
    """The first start of a bar that is not before ``time_ms``."""
    return end_of(interval, start_of(interval, time_ms - 1))


def bars_within(interval: str, start_ms: int, end_ms: int, most: int) -> int:
    """How many bars start in ``[start_ms, end_ms)``: at least one, ``most`` at most."""
    first_ms, count = next_start(interval, start_ms), 0
    while first_ms < end_ms and count < most:
        first_ms, count = end_of(interval, first_ms), count + 1
    return max(count, 1)
