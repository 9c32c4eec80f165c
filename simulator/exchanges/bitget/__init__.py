"""Bitget as a server: spot, USDT-FUTURES (linear) and COIN-FUTURES (inverse) by its v2 API.

Accounts are served beside it, in ``accounts``.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import msgspec

from common.model.events import Candle, Ticker
from common.model.intervals import end_of
from common.model.streams import MARKETS, Market
from simulator.exchanges.bitget import names, rest, topics
from simulator.exchanges.bitget.accounts import BitgetAccounts
from simulator.exchanges.bitget.accounts.sockets import PrivateSocket, open_private
from simulator.exchanges.bitget.sockets import BitgetSocket, open_socket
from simulator.exchanges.common import final_candles
from simulator.exchanges.protocol import HttpAnswer, HttpCall
from simulator.faults import Spoiling
from simulator.listing import Listed
from simulator.world import World


class Bitget:
    """The exchange, as the simulator's server sees it."""

    name = names.NAME
    hosts: Collection[str] = (names.SOCKET_HOST, names.REST_HOST)
    markets: Collection[Market] = MARKETS

    def __init__(self, world: World) -> None:
        self._world = world
        self.private = BitgetAccounts(world)

    def market_of(self, call: HttpCall) -> Market | None:
        """The market a call is about: futures share their paths, a socket carries all."""
        if call.path.startswith("/api/v2/spot/"):
            return "spot"
        product = call.query.get("productType") or call.query.get("category", "")
        return names.INST_TYPES.get(product.upper())

    def open(self, call: HttpCall) -> BitgetSocket | PrivateSocket | HttpAnswer:
        """A handshake."""
        private = open_private(self._world, self.private, call)
        return open_socket(self._world, call) if private is None else private

    def rest(self, call: HttpCall) -> HttpAnswer:
        """A REST call."""
        return rest.answer(self._world, self.private, call)

    def symbol(self, listed: Listed) -> str:
        """How it spells a listing."""
        return names.symbol_of(listed.listing)

    def find(self, market: Market, symbol: str) -> Listed | None:
        """The listing it spells so."""
        return topics.find(self._world, market, symbol)

    def candles(
        self, market: Market, symbol: str, interval: str, from_ms: int, to_ms: int
    ) -> Sequence[Candle]:
        """The final bars with ``from_ms <= start < to_ms``."""
        listed = self.find(market, symbol)
        return final_candles(self._world, listed, interval, from_ms, to_ms, self._candle)

    def _candle(self, listed: Listed, interval: str, start_ms: int) -> Candle:
        listing, end_ms = listed.listing, end_of(interval, start_ms)
        bar = self._world.market.candle(listed, interval, start_ms, end_ms)
        volume, quote_volume = names.volumes(listing, bar)
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
            volume=volume,
            quote_volume=quote_volume,
            closed=True,
        )

    def ticker(self, listed: Listed, at_ms: int) -> Ticker:
        """The ticker as of a time."""
        listing = listed.listing
        day = self._world.market.day(listed, at_ms)
        volume, quote_volume = names.volumes(listing, day.bar)
        return Ticker(
            exchange=self.name,
            market=listing.market,
            symbol=self.symbol(listed),
            event_ms=at_ms,
            last=names.price(listing, day.bar.close),
            open=names.price(listing, day.bar.open),
            high=names.price(listing, day.bar.high),
            low=names.price(listing, day.bar.low),
            bid=names.price(listing, day.book.bid),
            bid_size=names.size(listing, day.book.bid, day.book.bid_lots),
            ask=names.price(listing, day.book.ask),
            ask_size=names.size(listing, day.book.ask, day.book.ask_lots),
            volume=volume,
            quote_volume=quote_volume,
        )

    def spoil(self, kind: Spoiling, text: str) -> str:
        """A push with an unknown action, a row cut short, or a word where a time was."""
        message = msgspec.json.decode(text)
        row = message["data"][0] if message["data"] else {}
        bar = isinstance(row, list)
        if kind == "unknown_type":
            message["action"] = "somethingNew"
            if not bar and "ts" not in row:  # of an account: its action is always the same
                message["arg"] |= dict.fromkeys({"channel", "topic"} & set(message["arg"]), "new")
        elif kind == "missing_field":
            message["data"] = [row[:4]] if bar else [_without(row)]
        elif bar:
            row[0] = "soon"
        else:
            row |= dict.fromkeys(_NEEDED & set(row), "soon")
        return msgspec.json.encode(message).decode()


# What a row cannot do without: its times, of a balance its coins or what is free.
_NEEDED = frozenset(
    {"ts", "updatedTime", "createdTime", "execTime", "cTime", "uTime", "coin", "available"}
)


def _without(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in _NEEDED}
