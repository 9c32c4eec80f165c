"""What recovery works with: candles with where they come from, and stretches that are missing."""

from __future__ import annotations

from typing import NamedTuple

import msgspec
from msgspec import UNSET, UnsetType

from common.model.decimals import same
from common.model.events import Candle
from common.model.intervals import end_of
from common.model.streams import Origin


class Step(NamedTuple):
    """A candle on its way out."""

    candle: Candle
    origin: Origin = "live"


class Hole(NamedTuple):
    """Closed bars with ``from_ms <= start < to_ms`` are not known."""

    from_ms: int
    to_ms: int


def closed(candle: Candle) -> Candle:
    """The last state of a bar as its final one."""
    return msgspec.structs.replace(candle, closed=True, event_ms=UNSET)


def has_trades(candle: Candle) -> bool:
    """Whether its volume tells of trades."""
    return candle.volume is not UNSET and not same(candle.volume, "0")


def flat(before: Candle, start_ms: int) -> Candle:
    """The bar of an interval in which nothing was traded: the close before it, and no volume."""
    return msgspec.structs.replace(
        before,
        start_ms=start_ms,
        end_ms=end_of(before.interval, start_ms),
        open=before.close,
        high=before.close,
        low=before.close,
        volume=_none_of(before.volume),
        quote_volume=_none_of(before.quote_volume),
        contracts=_none_of(before.contracts),
        trades=UNSET if before.trades is UNSET else 0,
        closed=True,
        revision=0,
        event_ms=UNSET,
    )


def _none_of(amount: str | UnsetType) -> str | UnsetType:
    return UNSET if amount is UNSET else "0"
