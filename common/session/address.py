"""Where to dial: a fixed place, or what the exchange tells by REST; never more than it allows."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import msgspec

from common.exchanges.budget import Cost, refused_s
from common.exchanges.place import Place
from common.exchanges.protocol import Exchange, RestFailure, RestRequest
from common.exchanges.spending import Spending
from common.gateway import through
from common.session.outcome import of_dial
from common.session.transport import Dial, DialFailed, Socket

# A connection asks this, once for each attempt; raises ``DialFailed``.
Address = Callable[[], Awaitable[str]]
# REST, as far as it is needed here: the body of an answer, or what a failure means.
Ask = Callable[[Exchange, RestRequest], Awaitable[bytes | RestFailure]]


class Addresses:
    """The addresses of one process's connections, and the way there.

    Args:
        gateway: see ``common.gateway``; None dials the exchanges themselves.
        ask: REST.
        spending: the budgets of the address that they are dialled from.
    """

    def __init__(self, gateway: str | None, ask: Ask, spending: Spending) -> None:
        self._gateway = gateway
        self._ask = ask
        self._spending = spending

    def of(self, place: Place) -> Address:
        """How a connection of this place learns where to dial, as soon as it is its turn."""

        async def address() -> str:
            await self._turn(place.protocol, place.limits.dial_cost, f"dial {place.key}")
            return through(self._gateway, await self._find(place))

        return address

    def at(self, exchange: Exchange, url: str, cost: Cost, what: str) -> Address:
        """A fixed address, as soon as it may be dialled; ``what`` it is for is told to people."""

        async def address() -> str:
            await self._turn(exchange, cost, f"dial {what}")
            return through(self._gateway, url)

        return address

    def dialling(self, exchange: Exchange, dial: Dial) -> Dial:
        """``dial``, but all processes on this address are told when the exchange refuses it."""

        async def telling(url: str) -> Socket:
            try:
                return await dial(url)
            except DialFailed as failure:
                if of_dial(failure).reason == "rate":
                    wait_s = refused_s(failure.retry_after_s, exchange.budgets)
                    failure.retry_after_s = wait_s
                    await self._spending.ban(exchange, wait_s, failure.detail)
                raise

        return telling

    async def _turn(self, exchange: Exchange, cost: Cost, what: str) -> None:
        """Wait until the exchange may be dialled."""
        pause = await self._spending.spend(exchange, cost, what)
        if pause is not None:
            raise DialFailed(pause.detail, reason="rate", retry_after_s=pause.wait_s)

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
