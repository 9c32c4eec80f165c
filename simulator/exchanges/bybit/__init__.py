"""Bybit v5 as a server: spot, linear and inverse."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import msgspec
from msgspec import UNSET, UnsetType

from common.model.events import Candle, Ticker
from common.model.intervals import end_of
from common.model.streams import MARKETS, Market
from simulator.exchanges.bybit import frames, names, rest
from simulator.exchanges.bybit.accounts import BybitAccounts
from simulator.exchanges.bybit.accounts.sockets import PrivateSocket
from simulator.exchanges.bybit.sockets import BybitSocket, open_socket
from simulator.exchanges.common import final_candles
from simulator.exchanges.protocol import HttpAnswer, HttpCall
from simulator.faults import Spoiling
from simulator.listing import Listed
from simulator.world import World


class Bybit:
    """The exchange, as the simulator's server sees it."""

    name = names.NAME
    hosts: Collection[str] = (names.SOCKET_HOST, *names.REST_HOSTS)
    markets: Collection[Market] = MARKETS

    def __init__(self, world: World) -> None:
        self._world = world
        self.private = BybitAccounts(world)

    def market_of(self, call: HttpCall) -> Market | None:
        """The market a call is about."""
        return names.market_of(call)

    def open(self, call: HttpCall) -> BybitSocket | PrivateSocket | HttpAnswer:
        """A handshake: an account's, or a market's."""
        if call.path == names.PRIVATE_PATH:
            return self.private.open(call)
        return open_socket(self._world, call)

    def rest(self, call: HttpCall) -> HttpAnswer:
        """A REST call."""
        return rest.answer(self._world, call)

    def symbol(self, listed: Listed) -> str:
        """How it spells a listing."""
        return names.symbol_of(listed.listing)

    def find(self, market: Market, symbol: str) -> Listed | None:
        """The listing it spells so."""
        return names.find(self._world, market, symbol)

    def candles(
        self, market: Market, symbol: str, interval: str, from_ms: int, to_ms: int
    ) -> Sequence[Candle]:
        """The final bars with ``from_ms <= start < to_ms``."""
        listed = self.find(market, symbol)
        return final_candles(self._world, listed, interval, from_ms, to_ms, self._candle)

    def _candle(self, listed: Listed, interval: str, start_ms: int) -> Candle:
        end_ms = end_of(interval, start_ms)
        bar = self._world.market.candle(listed, interval, start_ms, end_ms)
        _, open_, high, low, close, size, value = frames.kline_row(listed, start_ms, bar)
        volume, quote_volume, contracts = _volumes(listed, size, value)
        return Candle(
            exchange=self.name,
            market=listed.listing.market,
            symbol=self.symbol(listed),
            interval=interval,
            start_ms=start_ms,
            end_ms=end_ms,
            open=open_,
            high=high,
            low=low,
            close=close,
            volume=volume,
            quote_volume=quote_volume,
            contracts=contracts,
            closed=True,
        )

    def ticker(self, listed: Listed, at_ms: int) -> Ticker:
        """The ticker as of a time."""
        day = frames.rest_day(listed, self._world.market.day(listed, at_ms))
        volume, quote_volume, contracts = _volumes(listed, day["volume24h"], day["turnover24h"])
        return Ticker(
            exchange=self.name,
            market=listed.listing.market,
            symbol=self.symbol(listed),
            event_ms=at_ms,
            last=day["lastPrice"],
            open=day["prevPrice24h"],
            high=day["highPrice24h"],
            low=day["lowPrice24h"],
            bid=day["bid1Price"],
            bid_size=day["bid1Size"],
            ask=day["ask1Price"],
            ask_size=day["ask1Size"],
            volume=volume,
            quote_volume=quote_volume,
            contracts=contracts,
        )

    def spoil(self, kind: Spoiling, text: str) -> str:
        """A push with an unknown topic, a missing field, or a word where a time was."""
        message = msgspec.json.decode(text)
        data = message["data"]
        inner = data[0] if isinstance(data, list) else data
        if kind == "unknown_type":
            message["topic"] = f"somethingNew.{message['topic']}"
        elif kind == "missing_field":
            for name in ("close", "symbol", "s", "coin"):
                inner.pop(name, None)
        elif "start" in inner:
            inner["start"] = "soon"
        else:
            message["creationTime" if "creationTime" in message else "ts"] = "soon"
        return msgspec.json.encode(message).decode()


def _volumes(listed: Listed, size: str, value: str) -> tuple[str, str, str | UnsetType]:
    """Base and quote volume; on inverse the contracts are of one quote unit each."""
    if listed.listing.market == "inverse":
        return value, size, size
    return size, value, UNSET
