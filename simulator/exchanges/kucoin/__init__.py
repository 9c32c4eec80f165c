"""KuCoin as a server, the classic generation and accounts of both: spot, and the futures of both kinds."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import msgspec
from msgspec import UNSET

from common.model.events import Candle, Ticker
from common.model.intervals import end_of
from common.model.streams import MARKETS, Market
from simulator.exchanges.common import final_candles
from simulator.exchanges.kucoin import names, rest
from simulator.exchanges.kucoin.accounts import KucoinAccounts
from simulator.exchanges.kucoin.accounts.unified_socket import UnifiedSocket
from simulator.exchanges.kucoin.sockets import KucoinSocket, open_socket
from simulator.exchanges.kucoin.tokens import Tokens
from simulator.exchanges.protocol import HttpAnswer, HttpCall
from simulator.faults import Spoiling
from simulator.listing import Listed
from simulator.world import World

# Where the time of a push is.
_TIMES = ("time", "datetime", "ts", "timestamp", "currentTimestamp", "U", "E")


class Kucoin:
    """The exchange, as the simulator's server sees it."""

    name = names.NAME
    hosts: Collection[str] = (*names.HOSTS, names.UNIFIED_HOST)
    markets: Collection[Market] = MARKETS

    def __init__(self, world: World) -> None:
        self._world = world
        self._tokens = Tokens()
        self.private = KucoinAccounts()

    def market_of(self, call: HttpCall) -> Market | None:
        """The market a call is about; the futures share one host."""
        return "spot" if names.HOSTS.get(call.host) == "spot" else None

    def open(self, call: HttpCall) -> KucoinSocket | UnifiedSocket | HttpAnswer:
        """A handshake."""
        if call.host == names.UNIFIED_HOST:
            return UnifiedSocket(self._world, self.private, call.address)
        return open_socket(self._world, self._tokens, self.private, call)

    def rest(self, call: HttpCall) -> HttpAnswer:
        """A REST call."""
        return rest.answer(self._world, self._tokens, self.private, call)

    def symbol(self, listed: Listed) -> str:
        """How it spells a listing."""
        return names.symbol_of(listed.listing)

    def find(self, market: Market, symbol: str) -> Listed | None:
        """The listing it spells so."""
        listed = names.find(self._world, names.product_of(market), symbol)
        return listed if listed is not None and listed.listing.market == market else None

    def candles(
        self, market: Market, symbol: str, interval: str, from_ms: int, to_ms: int
    ) -> Sequence[Candle]:
        """The final bars with ``from_ms <= start < to_ms``."""
        listed = self.find(market, symbol)
        return final_candles(self._world, listed, interval, from_ms, to_ms, self._candle)

    def _candle(self, listed: Listed, interval: str, start_ms: int) -> Candle:
        """Futures tell contracts only: of base and quote, the one a contract is fixed in."""
        listing, end_ms = listed.listing, end_of(interval, start_ms)
        bar = self._world.market.candle(listed, interval, start_ms, end_ms)
        base, quote = names.base_and_quote(listing, bar)
        return Candle(
            exchange=self.name,
            market=listing.market,
            symbol=self.symbol(listed),
            interval=interval,
            start_ms=start_ms,
            end_ms=end_ms,
            open=names.price(listing, bar.open),
            high=names.price(listing, bar.high),
            low=names.price(listing, bar.low),
            close=names.price(listing, bar.close),
            volume=UNSET if listing.market == "inverse" else base,
            quote_volume=UNSET if listing.market == "linear" else quote,
            contracts=names.contracts_of(listing, bar),
            closed=True,
        )

    def ticker(self, listed: Listed, at_ms: int) -> Ticker:
        """The ticker as of a time."""
        listing = listed.listing
        day = self._world.market.day(listed, at_ms)
        base, quote = names.base_and_quote(listing, day.bar)
        return Ticker(
            exchange=self.name,
            market=listing.market,
            symbol=self.symbol(listed),
            event_ms=at_ms,
            last=names.price(listing, day.bar.close),
            open=names.price(listing, day.bar.open),
            high=names.price(listing, day.bar.high),
            low=names.price(listing, day.bar.low),
            volume=base,
            quote_volume=quote,
            bid=names.price(listing, day.book.bid),
            bid_size=names.book_size(listing, day.book.bid_lots),
            ask=names.price(listing, day.book.ask),
            ask_size=names.book_size(listing, day.book.ask_lots),
        )

    def spoil(self, kind: Spoiling, text: str) -> str:
        """A push of an unknown topic, without its time, or with a word where its time was."""
        message = msgspec.json.decode(text)
        if "d" in message:
            return _spoiled(kind, message, "T", message["d"])
        inner = message["data"].get("data", message["data"])
        return _spoiled(kind, message, "topic", inner)


def _spoiled(kind: Spoiling, message: dict[str, Any], topic: str, inner: dict[str, Any]) -> str:
    time = next(name for name in _TIMES if name in inner)
    if kind == "unknown_type":
        message[topic] = "/market/somethingNew:BTC-USDT"
    elif kind == "missing_field":
        del inner[time]
    else:
        inner[time] = "soon"
    return msgspec.json.encode(message).decode()
