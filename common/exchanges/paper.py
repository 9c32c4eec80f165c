"""Accounts that are traded on paper: what is said on their connections, and what the house knows of them. Pure.

The service is none of the exchanges' but one beside us (``PAPER_WS``), spoken to by socket.io. It follows the
prices of an exchange, and speaks of its markets and symbols as older backends do (``SeedWords``). Nothing can
be asked of it by REST: what nobody has heard is not told again.

A frame is ``["order", {…}]``, its numbers with decimals as texts (``common.session.events``).
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from math import inf

import msgspec
from msgspec import Raw, Struct

from common.exchanges.paper_rows import Balances, Order, balances_told, order_told
from common.exchanges.private import (
    Alive,
    Credentials,
    Denied,
    Heard,
    Hosts,
    Opened,
    Private,
    PrivateRules,
    Said,
    Trouble,
    Turn,
)
from common.exchanges.protocol import Exchange, MarketRules, RestRequest, Unreadable
from common.exchanges.told import Told
from common.exchanges.wire import STRANGE, unreadable
from common.model.instruments import Catalog
from common.model.streams import Market

SUBSCRIPTIONS: Mapping[str, str] = {
    "order": "subscribeOrder",
    "outboundAccountInfo": "subscribeOutboundAccountInfo",
}
# What the words of an error mean; the first that fits. A wrong key is a user who is not found.
TROUBLES: tuple[tuple[str, Trouble], ...] = (
    ("not found", "key"),
    ("unauthorized", "key"),
    ("forbidden", "permission"),
    ("too many", "rate"),
)


class _Message(Struct, tag_field="type"):
    """What an event says."""


class _Update(_Message, tag="update"):
    data: Raw


class _Info(_Message, tag="info"):
    info: str = ""


class _Error(_Message, tag="error"):
    error: Raw = Raw(b'""')


_events = msgspec.json.Decoder(tuple[str, _Update | _Info | _Error])
_order = msgspec.json.Decoder(Order)
_balances = msgspec.json.Decoder(Balances)


class PaperConversation:
    """A connection that carries one account. Subscribing twice is subscribing once, so it is also the probe.

    Args:
        market: which.
        rules: that market's of the exchange whose prices are followed.
    """

    def __init__(self, market: Market, rules: MarketRules) -> None:
        self._market: Market = market
        self._rules = rules
        self._account: str | None = None
        self._secrets: tuple[str, ...] = ()
        self._subscribe: Sequence[str] = ()
        self._subscribed: set[str] = set()

    def join(self, account: str, credentials: Credentials, now_ms: int) -> Sequence[str]:  # noqa: ARG002
        """See ``Conversation``."""
        self._account = account
        key, secret = credentials.key.reveal(), credentials.secret.reveal()
        self._secrets = (key, secret)
        self._subscribe = [
            msgspec.json.encode((event, {"key": key, "secret": secret})).decode()
            for event in SUBSCRIPTIONS.values()
        ]
        return self._subscribe

    def leave(self, account: str) -> Sequence[str]:  # noqa: ARG002
        """See ``Conversation``: the connection is this account's alone."""
        return ()

    def probe(self) -> Sequence[str]:
        """See ``Conversation``."""
        return self._subscribe

    def receive(self, frame: bytes, catalog: Catalog, now_ms: int) -> Turn:
        """See ``Conversation``."""
        try:
            heard = self._read(frame, catalog, now_ms)
        except STRANGE as error:
            heard = unreadable(error)
        return Turn([] if heard is None else [Said(self._account, heard)])

    def _read(self, frame: bytes, catalog: Catalog, now_ms: int) -> Heard | None:
        event, message = _events.decode(frame)
        if event not in SUBSCRIPTIONS:
            return Unreadable("unknown_type", f"event {event!r:.40}")
        match message:
            case _Info():
                return self._informed(event, message.info)
            case _Error():
                return self._refused(message.error)
            case _Update() if event == "order":
                return self._order_told(_order.decode(message.data), catalog)
            case _:
                return balances_told(_balances.decode(message.data), now_ms)

    def _informed(self, event: str, info: str) -> Heard | None:
        if info != "subscribed":
            return None
        if len(self._subscribed) == len(SUBSCRIPTIONS):
            return Alive()
        self._subscribed.add(event)
        return Opened() if len(self._subscribed) == len(SUBSCRIPTIONS) else None

    def _refused(self, error: Raw) -> Denied:
        text = bytes(error).decode(errors="replace").strip('"')
        for secret in self._secrets:
            # It may be quoted by what it was refused by.
            text = text.replace(secret, "***")
        lower = text.lower()
        known = next((meant for words, meant in TROUBLES if words in lower), None)
        return Denied(known or "transient", text[:200])

    def _order_told(self, row: Order, catalog: Catalog) -> Heard:
        if row.exchange != self._rules.seed_name:
            # One user may have orders at several exchanges; they are told to all of his accounts.
            return Alive()
        symbol = self._rules.seed.own_symbol(row.symbol)
        return order_told(row, self._market, symbol, catalog)


# --- as the rest of the house sees it -----------------------------------------------------------


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
