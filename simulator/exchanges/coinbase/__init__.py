"""Coinbase Advanced Trade as a server: spot, and its accounts."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import msgspec

from common.model.events import Candle, Ticker
from common.model.intervals import end_of
from common.model.streams import Market
from simulator.exchanges.coinbase import names, rest
from simulator.exchanges.coinbase.accounts import CoinbaseAccounts
from simulator.exchanges.coinbase.sockets import CoinbaseSocket, open_socket
from simulator.exchanges.common import final_candles
from simulator.exchanges.protocol import HttpAnswer, HttpCall
from simulator.faults import Spoiling
from simulator.listing import Listed
from simulator.world import World


class Coinbase:
    """The exchange, as the simulator's server sees it."""

    name = names.NAME
    hosts: Collection[str] = (names.SOCKET_HOST, names.USER_HOST, names.REST_HOST)
    markets: Collection[Market] = names.MARKETS

    def __init__(self, world: World) -> None:
        self._world = world
        self.private = CoinbaseAccounts(world)

    def market_of(self, call: HttpCall) -> Market | None:  # noqa: ARG002 - as all exchanges
        """There is one market."""
        return "spot"

    def open(self, call: HttpCall) -> CoinbaseSocket | HttpAnswer:
        """A handshake."""
        return open_socket(self._world, self.private, call)

    def rest(self, call: HttpCall) -> HttpAnswer:
        """A REST call."""
        return rest.answer(self._world, call)

    def symbol(self, listed: Listed) -> str:
        """How it spells a listing."""
        return names.product_of(listed.listing)

    def find(self, market: Market, symbol: str) -> Listed | None:
        """The listing it spells so."""
        listed = names.find(self._world, symbol) if market == "spot" else None
        return listed if listed and self.symbol(listed) == symbol else None

    def candles(
        self, market: Market, symbol: str, interval: str, from_ms: int, to_ms: int
    ) -> Sequence[Candle]:
        """The final bars with ``from_ms <= start < to_ms``."""
        listed = self.find(market, symbol)
        return final_candles(self._world, listed, interval, from_ms, to_ms, self._candle)

    def _candle(self, listed: Listed, interval: str, start_ms: int) -> Candle:
        """A bar that nobody is told of, because nothing was traded, has no digits of its own: 0."""
        listing, end_ms = listed.listing, end_of(interval, start_ms)
        bar = self._world.market.candle(listed, interval, start_ms, end_ms)
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
            volume="0" if bar.flat else names.size(listing, bar.lots),
            closed=True,
        )

    def ticker(self, listed: Listed, at_ms: int) -> Ticker:
        """The ticker as of a time; the open and the quote volume are not told."""
        listing = listed.listing
        day = self._world.market.day(listed, at_ms)
        return Ticker(
            exchange=self.name,
            market=listing.market,
            symbol=self.symbol(listed),
            event_ms=at_ms,
            last=names.price(listing, day.bar.close),
            high=names.price(listing, day.bar.high),
            low=names.price(listing, day.bar.low),
            volume=names.size(listing, day.bar.lots),
            bid=names.price(listing, day.book.bid),
            bid_size=names.size(listing, day.book.bid_lots),
            ask=names.price(listing, day.book.ask),
            ask_size=names.size(listing, day.book.ask_lots),
        )

    def spoil(self, kind: Spoiling, text: str) -> str:
        """A push of an unknown channel, without a product's name, or with a word for a number."""
        message = msgspec.json.decode(text)
        rows = [
            row
            for event in message["events"]
            for name in ("candles", "tickers", "trades", "orders")
            for row in event.get(name, ())
        ]
        if kind == "unknown_type" or not rows:
            message["channel"] = "something_new"
        elif kind == "missing_field":
            del rows[0]["product_id"]
        else:
            number = next(one for one in ("close", "price", "avg_price") if one in rows[0])
            rows[0][number] = "soon"
        return msgspec.json.encode(message).decode()
