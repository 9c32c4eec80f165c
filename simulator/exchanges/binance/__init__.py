"""Binance as a server: spot, USD-M (linear) and COIN-M (inverse)."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import msgspec
from msgspec import UNSET, UnsetType

from common.model.events import Candle, Ticker
from common.model.intervals import end_of
from common.model.streams import MARKETS, Market
from simulator.digits import decimal_text
from simulator.exchanges.binance import names, rest, topics
from simulator.exchanges.binance.accounts import BinanceAccounts
from simulator.exchanges.binance.accounts.api import ApiSocket, open_api
from simulator.exchanges.binance.sockets import BinanceSocket, open_socket
from simulator.exchanges.common import final_candles
from simulator.exchanges.protocol import HttpAnswer, HttpCall
from simulator.faults import Spoiling
from simulator.listing import Listed
from simulator.market import Bar
from simulator.world import World


class Binance:
    """The exchange, as the simulator's server sees it."""

    name = names.NAME
    hosts: Collection[str] = tuple(names.HOSTS)
    markets: Collection[Market] = MARKETS

    def __init__(self, world: World) -> None:
        self._world = world
        self.private = BinanceAccounts(world)

    def market_of(self, call: HttpCall) -> Market | None:
        """The market a call is about."""
        return names.HOSTS[call.host]

    def open(self, call: HttpCall) -> BinanceSocket | ApiSocket | HttpAnswer:
        """A handshake."""
        if call.host == names.API_HOST:
            return open_api(self._world, self.private, call)
        return open_socket(self._world, self.private, call)

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
        if self._world.replay is not None:
            recorded = self._world.replay.recording.candles(symbol, interval)
            return [candle for candle in recorded if from_ms <= candle.start_ms < to_ms]
        listed = self.find(market, symbol)
        return final_candles(self._world, listed, interval, from_ms, to_ms, self._candle)

    def _candle(self, listed: Listed, interval: str, start_ms: int) -> Candle:
        listing, end_ms = listed.listing, end_of(interval, start_ms)
        bar = self._world.market.candle(listed, interval, start_ms, end_ms)
        volume, quote_volume, contracts = _volumes(listed, bar)
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
            contracts=contracts,
            trades=bar.trades,
            closed=True,
        )

    def ticker(self, listed: Listed, at_ms: int) -> Ticker:
        """The ticker as of a time."""
        listing = listed.listing
        day = self._world.market.day(listed, at_ms)
        volume, quote_volume, contracts = _volumes(listed, day.bar)
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
            bid_size=names.size(listing, day.book.bid_lots),
            ask=names.price(listing, day.book.ask),
            ask_size=names.size(listing, day.book.ask_lots),
            volume=volume,
            quote_volume=quote_volume,
            contracts=contracts,
        )

    def spoil(self, kind: Spoiling, text: str) -> str:
        """A push with an unknown type, a missing field, or a word where a time was."""
        message = msgspec.json.decode(text)
        event = message
        if isinstance(message, dict):
            event = message.get("data", message.get("event", message))
        event = event[0] if isinstance(event, list) else event
        inner = event.get("k", event.get("o"))
        inner = inner if isinstance(inner, dict) else event
        if kind == "unknown_type":
            event["e"] = "somethingNew"
        elif kind == "missing_field":
            inner.pop(next((name for name in ("c", "B", "a") if name in inner), ""), None)
        elif "k" in event:
            inner["t"] = "soon"
        else:
            for part, name in ((event, "E"), (event, "T"), (event, "u"), (inner, "T")):
                if name in part:
                    part[name] = "soon"
        return msgspec.json.encode(message).decode()


def _volumes(listed: Listed, bar: Bar) -> tuple[str, str, str | UnsetType]:
    """Base and quote volume; on inverse also the contracts that both come from."""
    listing = listed.listing
    first, second = names.size(listing, bar.lots), names.value(listing, bar.value)
    if listing.contract_size is None:
        return first, second, UNSET
    return second, decimal_text(bar.lots * listing.contract_size, 0), first
