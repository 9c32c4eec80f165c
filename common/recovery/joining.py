"""One ticker out of what several frames tell of it. Pure."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET

from common.exchanges.protocol import TickerPart
from common.model.events import Ticker
from common.model.streams import Stream

# What a part may tell of a ticker.
_TOLD = tuple(
    name
    for name in TickerPart.__struct_fields__
    if name not in ("symbol", "event_ms", "source", "whole")
)


class TickerJoin:
    """The latest parts of one ticker stream, by source."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._parts: dict[int, dict[str, Any]] = {}
        self._event_ms = 0
        self._said: Ticker | None = None

    def take(self, part: TickerPart) -> Ticker | None:
        """The ticker with this part; None as long as its last price is not known.

        A part that only amends is of no use before a whole one of its source, and one that changes
        nothing, not even the time, makes no new ticker.
        """
        told = {name: value for name in _TOLD if (value := getattr(part, name)) is not UNSET}
        if part.whole:
            self._parts[part.source] = told
        elif part.source in self._parts:
            self._parts[part.source] |= told
        else:
            return None
        self._event_ms = max(self._event_ms, part.event_ms)
        said, self._said = self._said, self._joined()
        return None if self._said == said else self._said

    def _joined(self) -> Ticker | None:
        fields: dict[str, Any] = {}
        # The first source is the quicker one: where two tell the same, it is right.
        for source in sorted(self._parts, reverse=True):
            fields |= self._parts[source]
        if "last" not in fields:
            return None
        return Ticker(
            exchange=self._stream.exchange,
            market=self._stream.market,
            symbol=self._stream.symbol,
            event_ms=self._event_ms,
            **fields,
        )

    def forget(self, source: int | None = None) -> None:
        """The connection is gone, or one source is silent: what was told there is old."""
        for gone in [source] if source is not None else list(self._parts):
            self._parts.pop(gone, None)
        self._said = None
