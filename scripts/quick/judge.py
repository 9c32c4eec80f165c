"""Asks the simulator what was true, the fleet how it is, and judges what arrived."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import aiohttp

from common.clocks import MarketClock
from scripts.quick.arrivals import Arrivals, Place
from scripts.quick.compare import Body, compare_recording
from scripts.quick.recording import read_recording

INTERVALS = ("1m", "5m")
# A candle that closed this long ago, in machine time, must have come. (Where the exchange does not mark
# a close, a quiet candle is closed some seconds after its end, and the machine may be a busy one.)
SETTLED_S = 15.0


class Judge:
    """Over a running demo. ``http`` is the caller's."""

    def __init__(
        self, http: aiohttp.ClientSession, simulator_url: str, health_url: str, clock: MarketClock
    ) -> None:
        self._http = http
        self._simulator_url = simulator_url
        self._health_url = health_url
        self._clock = clock
        self.health: dict[str, Any] = {}
        self.up_ms: int | None = None  # market time at which all of it flowed for the first time

    async def truth(self, name: str, **query: str | int) -> Any:
        """One page of the simulator's truth."""
        url = f"{self._simulator_url}/truth/{name}"
        async with self._http.get(url, params=query, raise_for_status=True) as answer:
            return await answer.json()

    async def ask_health(self) -> None:
        """What the fleet says about itself now."""
        try:
            async with self._http.get(self._health_url) as answer:
                self.health = await answer.json()
                if answer.status == 200 and self.up_ms is None:
                    self.up_ms = self._clock.now_ms()
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            self.health = {"status": "no answer", "reasons": [f"health server: {error}"]}

    async def markets(self) -> dict[tuple[str, str], list[str]]:
        """The symbols that trade, by exchange and market."""
        found: dict[tuple[str, str], list[str]] = {}
        for row in await self.truth("symbols"):
            if row["trading"]:
                found.setdefault((row["exchange"], row["market"]), []).append(row["symbol"])
        return found

    async def judge(self, arrivals: Arrivals) -> None:
        """Hold what came against the truth, as far as it is old enough."""
        settled_ms = self._clock.now_ms() - int(SETTLED_S * self._clock.speed * 1000)
        markets = await self.markets()
        for (exchange, market), symbols in markets.items():
            place = arrivals.place(exchange, market)
            for symbol in symbols:
                for interval in INTERVALS:
                    await self._judge_stream(place, symbol, interval, settled_ms)
        for name, place in arrivals.places.items():
            _refuse_unwanted(place, markets.get(name, []))

    async def _judge_stream(
        self, place: Place, symbol: str, interval: str, settled_ms: int
    ) -> None:
        check = place.stream(symbol, interval)
        from_ms = check.owed_from_ms(self.up_ms)
        if from_ms is None or from_ms >= settled_ms:
            return
        rows: list[Body] = await self.truth(
            "candles",
            exchange=place.exchange,
            market=place.market,
            symbol=symbol,
            interval=interval,
            **{"from": from_ms, "to": settled_ms},
        )
        check.judge(rows, flowing_from_ms=self.up_ms, settled_ms=settled_ms)


def _refuse_unwanted(place: Place, symbols: list[str]) -> None:
    """Candles of what is not traded, or not wanted, have no truth to be held against."""
    wanted = {f"{symbol}:{interval}" for symbol in symbols for interval in INTERVALS}
    for key in place.streams.keys() - wanted:
        place.score.blame("wrong", f"{place.exchange} {place.market} {key} is not wanted")
        del place.streams[key]


def judge_recording(arrivals: Arrivals, file: Path, exchange: str, market: str) -> None:
    """Hold what came against an independent reading of the recording."""
    with file.open(encoding="utf-8") as lines:
        expected = read_recording(lines, exchange, market)
    place = arrivals.place(exchange, market)
    compare_recording(place.score, "closed", place.closed_bodies, expected.closed)
    compare_recording(place.score, "open", place.open_bodies, expected.open)
    for other in arrivals.places.values():
        if other is not place:
            other.score.blame("wrong", f"{other.exchange} {other.market} is not in the recording")
