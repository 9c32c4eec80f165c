"""Bars out of trades, where an exchange sends none of that interval. Pure."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from msgspec import UNSET

from common.model.decimals import total
from common.model.events import Candle, Trade
from common.model.intervals import end_of, start_of


class TradedBar(NamedTuple):
    """A running bar.

    Attributes:
        candle: what it is with the trade.
        whole: whether every trade of it so far was seen.
        seamless: whether nothing was missed between this trade and the one before.
    """

    candle: Candle
    whole: bool
    seamless: bool


class TradeBars:
    """The bars of one interval of one symbol, from trades in order.

    Trade ids count up by one: a step of more means that trades were missed, over however many
    connections, and the bars they may belong to are not whole.
    """

    def __init__(self, interval: str) -> None:
        self._interval = interval
        self._last_id: int | None = None
        self._running: TradedBar | None = None

    def take(self, trade: Trade, live_since_ms: int | None) -> TradedBar | None:
        """The running bar with this trade; None for one that was seen before.

        ``live_since_ms``: since when trades come without an interruption: a bar that began later
        is whole though nothing is known of the trades before it.
        """
        trade_id = int(trade.trade_id)
        if self._last_id is not None and trade_id <= self._last_id:
            return None
        start_ms = start_of(self._interval, trade.time_ms)
        if self._last_id is None:
            seamless = live_since_ms is not None and live_since_ms <= start_ms
        else:
            seamless = trade_id == self._last_id + 1
        self._last_id = trade_id
        running = self._running
        if running is not None and start_ms < running.candle.start_ms:
            # A later id with an earlier time: its own bar is over, and REST will say what it was.
            self._running = running._replace(whole=running.whole and seamless)
            return None
        if running is not None and running.candle.start_ms == start_ms:
            candle, whole = _with(running.candle, trade), running.whole and seamless
        else:
            candle, whole = self._first(trade, start_ms), seamless
        self._running = TradedBar(candle, whole, seamless)
        return self._running

    def _first(self, trade: Trade, start_ms: int) -> Candle:
        return Candle(
            exchange=trade.exchange,
            market=trade.market,
            symbol=trade.symbol,
            interval=self._interval,
            start_ms=start_ms,
            end_ms=end_of(self._interval, start_ms),
            open=trade.price,
            high=trade.price,
            low=trade.price,
            close=trade.price,
            volume=trade.size,
            quote_volume=UNSET,
            trades=UNSET,
            event_ms=trade.time_ms,
        )


def _with(candle: Candle, trade: Trade) -> Candle:
    volume = trade.size if candle.volume is UNSET else total((candle.volume, trade.size))
    return Candle(
        exchange=candle.exchange,
        market=candle.market,
        symbol=candle.symbol,
        interval=candle.interval,
        start_ms=candle.start_ms,
        end_ms=candle.end_ms,
        open=candle.open,
        high=max(candle.high, trade.price, key=Decimal),
        low=min(candle.low, trade.price, key=Decimal),
        close=trade.price,
        volume=volume,
        quote_volume=candle.quote_volume,
        trades=candle.trades,
        event_ms=trade.time_ms,
    )
