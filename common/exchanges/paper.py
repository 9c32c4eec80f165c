"""Accounts that are traded on paper: what their service says, in our words. Pure.

The service is none of the exchanges' but one beside us (``PAPER_WS``), spoken to by socket.io: a frame here
is ``["order", {…}]``, its numbers with decimals as texts (``common.session.events``). It follows the prices
of an exchange, and speaks of its markets and symbols as older backends do (``SeedWords``). Nothing can be
asked of it by REST: what nobody has heard is not told again.

Orders come with their totals, fills do not come at all: they are made of what the totals have grown by
(``OrderTold.totals``).
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from math import inf
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType, field

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
from common.exchanges.sizes import contract_of
from common.exchanges.told import BalancesTold, OrderTold, Told, Totals
from common.exchanges.wire import STRANGE, unreadable
from common.model.account import Balance, OrderStatus, PositionSide, Side
from common.model.decimals import EXACT, plain, product
from common.model.instruments import Catalog, Instrument
from common.model.streams import Market

SUBSCRIPTIONS: Mapping[str, str] = {
    "order": "subscribeOrder",
    "outboundAccountInfo": "subscribeOutboundAccountInfo",
}
STATUSES: Mapping[str, OrderStatus] = {
    "NEW": "NEW",
    "PARTIALLY_FILLED": "PARTIALLY_FILLED",
    "FILLED": "FILLED",
    "CANCELED": "CANCELED",
    "EXPIRED": "EXPIRED",
}
# What the words of an error mean; the first that fits. A wrong key is a user who is not found.
TROUBLES: tuple[tuple[str, Trouble], ...] = (
    ("not found", "key"),
    ("unauthorized", "key"),
    ("forbidden", "permission"),
    ("too many", "rate"),
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# A number as it was written, or a whole one.
_Number = str | int
_Time = Annotated[datetime, Meta(tz=True)]


class _Message(Struct, tag_field="type"):
    """What an event says."""


class _Update(_Message, tag="update"):
    data: Raw


class _Info(_Message, tag="info"):
    info: str = ""


class _Error(_Message, tag="error"):
    error: Raw = Raw(b'""')


class _Order(Struct, rename="camel"):
    order_id: str = field(name="_id")
    symbol: str
    exchange: str
    status: str
    side: Side
    type: str
    amount: _Number
    filled_amount: _Number
    created_at: _Time
    updated_at: _Time
    external_id: str = ""
    price: _Number | None = None
    avg_filled_price: _Number | None = None
    filled_quote_amount: _Number | None = None
    fee: _Number | None = None
    fee_paid: _Number | None = None
    fee_side: Literal["base", "quote"] | None = None
    fee_asset: str | None = None
    reduce_only: bool | None = None
    position_side: PositionSide | None = None


class _Balance(Struct):
    asset: str
    free: _Number
    locked: _Number


class _Balances(Struct):
    balance: list[_Balance]


_events = msgspec.json.Decoder(tuple[str, _Update | _Info | _Error])
_order = msgspec.json.Decoder(_Order)
_balances = msgspec.json.Decoder(_Balances)


# --- the conversation ---------------------------------------------------------------------------


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
                return _balances_told(_balances.decode(message.data), now_ms)

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

    def _order_told(self, row: _Order, catalog: Catalog) -> Heard:
        if row.exchange != self._rules.seed_name:
            # One user may have orders at several exchanges; they are told to all of his accounts.
            return Alive()
        symbol = self._rules.seed.own_symbol(row.symbol)
        return order_told(row, self._market, symbol, catalog)


# --- orders -------------------------------------------------------------------------------------


def order_told(row: _Order, market: Market, symbol: str, catalog: Catalog) -> OrderTold:
    """How an order stands.

    Raises:
        ArithmeticError: a number that is none.
    """
    filled, asked = _plain(row.filled_amount), _plain(row.amount)
    average = _plain(row.avg_filled_price)
    by_contracts = market == "inverse"
    return OrderTold(
        symbol=symbol,
        order_id=row.order_id,
        status=STATUSES.get(row.status, "UNKNOWN"),
        raw_status=row.status,
        time_ms=_ms(row.updated_at),
        side=row.side,
        order_type=row.type,
        client_order_id=row.external_id or UNSET,
        # A market order's is what it was filled at.
        price=UNSET if row.type == "MARKET" or row.price is None else _plain(row.price),
        quantity=UNSET if by_contracts else asked,
        contracts=asked if by_contracts else UNSET,
        filled=UNSET if by_contracts else filled,
        filled_contracts=filled if by_contracts else UNSET,
        average_price=average if _is_given(average) else UNSET,
        reduce_only=UNSET if row.reduce_only is None else row.reduce_only,
        position_side=UNSET if row.position_side is None else row.position_side,
        created_ms=_ms(row.created_at),
        totals=_totals(row, market, catalog.get(symbol), filled, average),
    )


def _totals(
    row: _Order, market: Market, instrument: Instrument | None, filled: str, average: str
) -> Totals:
    """What all fills come to. On inverse sizes are contracts, and their worth is no amount of an asset."""
    worth = _plain(row.filled_quote_amount)
    if not _is_given(worth):
        worth = product(filled, average if _is_given(average) else _plain(row.price))
    by_contracts = market == "inverse"
    return Totals(
        size=filled,
        worth=worth,
        fee=_plain(row.fee if row.fee_paid is None else row.fee_paid),
        fee_asset=_fee_asset(row, market, instrument),
        by_contracts=by_contracts,
        contract=contract_of(instrument) if by_contracts and instrument else None,
    )


def _fee_asset(row: _Order, market: Market, instrument: Instrument | None) -> str | UnsetType:
    """What is not told is the service's rule: contracts pay in what they settle in, spot in what is got."""
    if row.fee_asset:
        return row.fee_asset
    if instrument is None:
        return UNSET
    got = "base" if row.side == "BUY" else "quote"
    rule = {"spot": got, "linear": "quote", "inverse": "base"}[market]
    return instrument.base if (row.fee_side or rule) == "base" else instrument.quote


def _balances_told(told: _Balances, now_ms: int) -> BalancesTold:
    """Those that have changed. They have no time of their own."""
    rows = (Balance(row.asset, _plain(row.free), _plain(row.locked)) for row in told.balance)
    return BalancesTold(balances=tuple(rows), time_ms=now_ms)


def _plain(number: _Number | None) -> str:
    """As digits, without an exponent; none is 0."""
    return plain(EXACT.create_decimal(number or 0))


def _is_given(number: str) -> bool:
    return bool(number.strip("-0."))


def _ms(time: datetime) -> int:
    return (time - _EPOCH) // timedelta(milliseconds=1)


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
