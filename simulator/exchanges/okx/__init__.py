"""OKX (v5) as a server: spot, linear and inverse, on the same hosts and sockets."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import msgspec
from msgspec import UNSET

from common.model.events import Candle, Ticker
from common.model.intervals import end_of
from common.model.streams import MARKETS, Market
from simulator.digits import decimal_text
from simulator.exchanges.common import final_candles
from simulator.exchanges.okx import names, rest
from simulator.exchanges.okx.accounts import OkxAccounts
from simulator.exchanges.okx.sockets import OkxSocket, open_socket
from simulator.exchanges.protocol import HttpAnswer, HttpCall
from simulator.faults import Spoiling
from simulator.listing import Listed, Listing
from simulator.world import World

# What a row of any channel cannot be without, and where its time is.
_VITAL = ("last", "ordId", "details", "pos", "balData")
_TIMES = ("ts", "uTime", "pTime")


class Okx:
    """The exchange, as the simulator's server sees it."""

    name = names.NAME
    hosts: Collection[str] = names.HOSTS
    markets: Collection[Market] = MARKETS

    def __init__(self, world: World) -> None:
        self._world = world
        self.private = OkxAccounts(world)

    def market_of(self, call: HttpCall) -> Market | None:
        """The market of the symbol a REST call names; sockets serve all of them."""
        listed = names.find(self._world, call.query.get("instId", ""))
        return None if listed is None else listed.listing.market

    def open(self, call: HttpCall) -> OkxSocket | HttpAnswer:
        """A handshake."""
        return open_socket(self._world, self.private, call)

    def rest(self, call: HttpCall) -> HttpAnswer:
        """A REST call."""
        return rest.answer(self._world, self.private, call)

    def symbol(self, listed: Listed) -> str:
        """How it spells a listing."""
        return names.symbol_of(listed.listing)

    def find(self, market: Market, symbol: str) -> Listed | None:
        """The listing it spells so."""
        return names.find(self._world, symbol, market)

    def candles(
        self, market: Market, symbol: str, interval: str, from_ms: int, to_ms: int
    ) -> Sequence[Candle]:
        """The final bars with ``from_ms <= start < to_ms``."""
        listed = self.find(market, symbol)
        return final_candles(self._world, listed, interval, from_ms, to_ms, self._candle)

    def _candle(self, listed: Listed, interval: str, start_ms: int) -> Candle:
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
            volume=names.base(listing, bar.lots, bar.value),
            quote_volume=names.quote(listing, bar.lots, bar.value),
            contracts=UNSET if listing.market == "spot" else names.size(listing, bar.lots),
            closed=True,
        )

    def ticker(self, listed: Listed, at_ms: int) -> Ticker:
        """The ticker as of a time; of contracts it tells no quote volume."""
        listing = listed.listing
        day = self._world.market.day(listed, at_ms)
        bar, book, spot = day.bar, day.book, listing.market == "spot"
        return Ticker(
            exchange=self.name,
            market=listing.market,
            symbol=self.symbol(listed),
            event_ms=at_ms,
            last=names.price(listing, bar.close),
            open=names.price(listing, bar.open),
            high=names.price(listing, bar.high),
            low=names.price(listing, bar.low),
            volume=names.base(listing, bar.lots, bar.value),
            quote_volume=names.quote(listing, bar.lots, bar.value) if spot else UNSET,
            contracts=UNSET if spot else names.size(listing, bar.lots),
            bid=names.price(listing, book.bid),
            bid_size=_offer(listing, book.bid_lots),
            ask=names.price(listing, book.ask),
            ask_size=_offer(listing, book.ask_lots),
        )

    def spoil(self, kind: Spoiling, text: str) -> str:
        """A push of an unknown channel, without its last field, or with a word for its time."""
        message = msgspec.json.decode(text)
        if not message.get("data"):
            return msgspec.json.encode(message | {"event": "something-new"}).decode()
        row = message["data"][0]
        if kind == "unknown_type":
            message["arg"]["channel"] = "something-new"
        elif kind == "missing_field" and isinstance(row, list):
            row.pop()
        elif kind == "missing_field":
            for name in _VITAL:
                row.pop(name, None)
        elif isinstance(row, list):
            row[0] = "soon"
        else:
            row[next(name for name in _TIMES if name in row)] = "soon"
        return msgspec.json.encode(message).decode()


def _offer(listing: Listing, lots: int) -> str:
    """The size of an offer in base; on inverse it stays in contracts."""
    return decimal_text(lots, listing.lot_decimals)
