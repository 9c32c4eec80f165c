"""What a backend receives: the message bodies, as msgspec Structs.

JSON is camelCase. Prices and sizes are decimal strings, untouched from the wire; ids are strings;
times are integer milliseconds UTC. A field an exchange does not give is left out, never invented.
"""

from __future__ import annotations

from msgspec import UNSET, Struct, UnsetType

from common.model.streams import Market, Stream


class Candle(Struct, frozen=True, gc=False, rename="camel"):
    """One bar of one stream.

    ``volume`` is in the base asset, ``quote_volume`` in the quote asset, on every market;
    ``contracts`` keeps the raw count where the exchange trades contracts. ``end_ms`` is exclusive.
    A closed candle holds only what any teller of it would say (live frame or REST row), so that
    the same candle always has the same body; the frame's own time is on open ones only, where the
    exchange stamps one.
    """

    exchange: str
    market: Market
    symbol: str
    interval: str
    start_ms: int
    end_ms: int
    open: str
    high: str
    low: str
    close: str
    volume: str | UnsetType = UNSET
    quote_volume: str | UnsetType = UNSET
    contracts: str | UnsetType = UNSET
    trades: int | UnsetType = UNSET
    closed: bool = False
    revision: int = 0
    event_ms: int | UnsetType = UNSET

    @property
    def stream(self) -> Stream:
        """The stream it belongs to."""
        return Stream(self.exchange, self.market, "candle", self.symbol, self.interval)


class Ticker(Struct, frozen=True, gc=False, rename="camel"):
    """The rolling 24 hours and the best prices of one symbol, as far as the exchange tells them.

    ``volume`` is in the base asset and ``quote_volume`` in the quote asset, on every market.
    """

    exchange: str
    market: Market
    symbol: str
    event_ms: int
    last: str
    open: str | UnsetType = UNSET
    high: str | UnsetType = UNSET
    low: str | UnsetType = UNSET
    volume: str | UnsetType = UNSET
    quote_volume: str | UnsetType = UNSET
    contracts: str | UnsetType = UNSET
    bid: str | UnsetType = UNSET
    bid_size: str | UnsetType = UNSET
    ask: str | UnsetType = UNSET
    ask_size: str | UnsetType = UNSET

    @property
    def stream(self) -> Stream:
        """The stream it belongs to."""
        return Stream(self.exchange, self.market, "ticker", self.symbol)


class Trade(Struct, frozen=True, gc=False, rename="camel"):
    """One trade of one symbol; ``size`` is in the base asset.

    ``trade_id`` counts up by one on exchanges whose bars are made of trades.
    """

    exchange: str
    market: Market
    symbol: str
    trade_id: str
    price: str
    size: str
    time_ms: int


MarketEvent = Candle | Ticker
