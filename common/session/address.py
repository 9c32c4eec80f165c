"""Where to dial: a fixed place, or what the exchange tells by REST; never faster than it allows."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import msgspec

from common.clocks import machine_s
from common.exchanges.place import Place
from common.exchanges.protocol import Exchange, RestFailure, RestRequest
from common.gateway import through
from common.session.transport import DialFailed

# A connection asks this, once for each attempt; raises ``DialFailed``.
Address = Callable[[], Awaitable[str]]
# REST, as far as it is needed here: the body of an answer, or what a failure means.
Ask = Callable[[Exchange, RestRequest], Awaitable[bytes | RestFailure]]


class Addresses:
    """The addresses of one process's connections.

    Args:
        gateway: see ``common.gateway``; None dials the exchanges themselves.
        ask: REST.
    """

    def __init__(self, gateway: str | None, ask: Ask) -> None:
        self._gateway = gateway
        self._ask = ask
        self._next_s: dict[str, float] = {}

    def of(self, place: Place) -> Address:
        """How a connection of this place learns where to dial."""

        async def address() -> str:
            await self._turn(place)
            return through(self._gateway, await self._find(place))

        return address

    async def _turn(self, place: Place) -> None:
        """Wait until the exchange may be dialled again."""
        now_s = machine_s()
        turn_s = max(now_s, self._next_s.get(place.exchange, now_s))
        self._next_s[place.exchange] = turn_s + place.limits.dial_gap_s
        await asyncio.sleep(turn_s - now_s)

    async def _find(self, place: Place) -> str:
        exchange, market = place.protocol, place.market
        if exchange.address_request is None or exchange.parse_address is None:
            return place.rules.url
        answer = await self._ask(exchange, exchange.address_request(market))
        if isinstance(answer, RestFailure):
            raise DialFailed(
                answer.detail, reason=answer.reason, retry_after_s=answer.retry_after_s
            )
        try:
            return exchange.parse_address(market, answer)
        except msgspec.DecodeError as error:
            raise DialFailed(f"where to dial was not understood: {error}") from error
