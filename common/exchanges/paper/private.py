"""Accounts that are traded on paper, as the rest of the house sees them.

The service is none of the exchanges' but one beside us (``PAPER_WS``), spoken to by socket.io. It follows the
prices of an exchange, and speaks of its markets and symbols as older backends do (``SeedWords``). Nothing can
be asked of it by REST: what nobody has heard is not told again.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from math import inf

from common.exchanges.paper.conversation import PaperConversation
from common.exchanges.private import (
    Credentials,
    Hosts,
    Private,
    PrivateRules,
)
from common.exchanges.protocol import Exchange, RestRequest
from common.exchanges.told import Told
from common.model.streams import Market


def _nothing(*_: object) -> Generator[RestRequest, bytes, Sequence[Told]]:
    """Nothing can be asked."""
    yield from ()
    return ()


def paper(exchange: Exchange, url: str) -> Private:
    """The accounts that are traded on paper at an exchange's prices, by the service at that address."""

    def opening(market: Market, credentials: Credentials) -> Generator[RestRequest, bytes, str]:
        yield from ()
        return url

    def converse(market: Market, _address: str) -> PaperConversation:
        return PaperConversation(market, exchange.markets[market])

    rules = PrivateRules(
        hosts={("live", ""): Hosts("", url)},
        asked=False,
        # Each end of a connection is a gap that nothing fills.
        lifetime_s=inf,
        # It costs an exchange nothing.
        dial_cost={},
    )
    return Private(
        markets=dict.fromkeys(exchange.markets, rules),
        transport="socket.io",
        sign=lambda request, credentials, now_ms: request,  # noqa: ARG005
        open=opening,
        converse=converse,
        snapshot=_nothing,
        since=_nothing,
        order=_nothing,
        trouble=lambda status, headers, body: None,  # noqa: ARG005
    )
