"""The simulator's control and truth, as the demo and a chaos run ask for them. Never through a proxy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import aiohttp

from scripts.quick.compare import Body

Place = tuple[str, str]


class Socket(NamedTuple):
    """An open socket, what people call it, and what it serves: all markets where none is named."""

    id: str
    name: str
    place: Mapping[str, str]


class Exchanges:
    """A running simulator. ``http`` is the caller's, and has a timeout."""

    def __init__(self, http: aiohttp.ClientSession, url: str) -> None:
        self._http = http
        self._url = url

    async def control(self, what: str, body: Mapping[str, Any] | None = None) -> Any:
        """``POST /control/<what>``.

        Raises:
            aiohttp.ClientError: it was refused, or the simulator is gone.
        """
        url = f"{self._url}/control/{what}"
        async with self._http.post(url, json=body, raise_for_status=True) as answer:
            return await answer.json()

    async def socket(self, place: Place, pick: float) -> Socket | None:
        """One of the open sockets of a place, or else of its exchange, or else of any; or None."""
        exchange, market = place
        url = f"{self._url}/control/connections"
        async with self._http.get(url, raise_for_status=True) as answer:
            rows = await answer.json()
        ours = [row for row in rows if row["exchange"] == exchange]
        here = [row for row in ours if row["market"] in (market, None)]
        chosen = here or ours or rows
        if not chosen:
            return None
        row = chosen[int(pick * len(chosen))]
        at = {name: row[name] for name in ("exchange", "market") if row[name] is not None}
        return Socket(row["id"], f"socket {row['id']} of {' '.join(at.values())}", at)

    async def answered(self, exchange: str, status: int) -> int:
        """How many handshakes and REST calls of an exchange were answered so by now."""
        url = f"{self._url}/control/meters"
        async with self._http.get(url, raise_for_status=True) as answer:
            answers = (await answer.json())["answers"]
        return sum(
            answers.get(f"{exchange}:{on}", {}).get(str(status), 0) for on in ("rest", "socket")
        )

    async def symbols(self) -> list[dict[str, Any]]:
        """Every listing of every exchange."""
        rows: list[dict[str, Any]] = await self._truth("symbols")
        return rows

    async def symbol(self, place: Place, pick: float) -> str | None:
        """One of the symbols that trade at a place; None if there is none."""
        rows = await self._truth("symbols", exchange=place[0], market=place[1])
        trading = sorted(row["symbol"] for row in rows if row["trading"])
        return trading[int(pick * len(trading))] if trading else None

    async def candles(self, stream: str, from_ms: int, to_ms: int) -> list[Body]:
        """The true bars of a candle stream with ``from_ms <= start < to_ms``."""
        exchange, market, _, rest = stream.split(":", 3)
        symbol, _, interval = rest.rpartition(":")
        place = {"exchange": exchange, "market": market, "symbol": symbol, "interval": interval}
        rows: list[Body] = await self._truth("candles", **place, **{"from": from_ms, "to": to_ms})
        return rows

    async def accounts(self, exchange: str) -> list[Body]:
        """The truth of all accounts of an exchange."""
        told = await self._truth("accounts", exchange=exchange)
        rows: list[Body] = told["accounts"]
        return rows

    async def _truth(self, name: str, **query: str | int) -> Any:
        url = f"{self._url}/truth/{name}"
        async with self._http.get(url, params=query, raise_for_status=True) as answer:
            return await answer.json()
