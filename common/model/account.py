"""What a backend receives of an account: the message bodies, as msgspec Structs.

JSON is camelCase, but for the names that older backends know (``newClientOrderId``,
``totalTradeQuantity``, ``eventTime``, …). Amounts are decimal strings, ids are strings, times are
integer milliseconds UTC. ``quantity`` is in the base asset on every market; ``contracts`` keeps the
raw count where the exchange trades contracts (on inverse markets a contract is so much of the quote
asset: what it is in the base asset follows from the price, to eight decimals). A field an exchange
does not give is left out.

Totals and parts are told apart by type: an ``ExecutionReport`` says how far an order has come in all,
a ``Fill`` says one trade of it. No field means one on one exchange and the other elsewhere.
"""

from __future__ import annotations

from typing import Literal
from urllib.parse import quote

from msgspec import UNSET, Struct, UnsetType, field

from common.model.streams import Market

Side = Literal["BUY", "SELL"]
PositionSide = Literal["LONG", "SHORT", "BOTH"]
OrderStatus = Literal[
    "NEW",
    "PARTIALLY_FILLED",
    "FILLED",
    "CANCELED",
    "REJECTED",
    "EXPIRED",
    "PENDING_CANCEL",
    "UNKNOWN",  # a value that the exchange does not document: ``raw_status`` has it
]
# Nothing follows one of these.
TERMINAL: frozenset[OrderStatus] = frozenset({"FILLED", "CANCELED", "REJECTED", "EXPIRED"})

# The name of an account is part of routing keys and message ids, which have room for 255 bytes.
LONGEST_ID_BYTES = 100


def id_fits(account_id: str) -> bool:
    """Whether everything of an account of this name can be told: with all that is escaped in it."""
    return len(quote(account_id, safe="")) <= LONGEST_ID_BYTES


class _Event(Struct, frozen=True, kw_only=True, rename="camel", tag_field="eventType"):
    """What all events of an account have in common."""

    exchange: str
    market: Market
    account_id: str
    event_ms: int = field(name="eventTime")


class ExecutionReport(_Event, frozen=True, kw_only=True, tag="executionReport"):
    """How an order stands.

    Attributes:
        status: in our words; ``raw_status`` is the exchange's, ``order_ms`` its time of it and ``reason``
            its cause: where whoever told of the order told of this very state, not of a later one.
        client_order_id: the order's own, also on a cancel; ``original_client_order_id`` only where a
            request (cancel, replace) has an id of its own and this is the order's.
        price: the limit; ``average_price`` what was paid so far.
        cumulative_quantity: filled so far, never falling; ``cumulative_quote`` what that was worth.
        liquidation: the exchange itself made it to end a position; left out where it does not tell.
        inferred: the exchange has forgotten the order, or has a status for it that nobody documents; its
            end was concluded, not told.
        message_id: see ``common.model.ids.order_id``.
    """

    symbol: str
    order_id: str
    status: OrderStatus = field(name="orderStatus")
    raw_status: str | UnsetType = UNSET
    side: Side | UnsetType = UNSET
    order_type: str | UnsetType = UNSET
    time_in_force: str | UnsetType = UNSET
    client_order_id: str | UnsetType = field(name="newClientOrderId", default=UNSET)
    original_client_order_id: str | UnsetType = UNSET
    price: str | UnsetType = UNSET
    stop_price: str | UnsetType = UNSET
    quantity: str | UnsetType = UNSET
    contracts: str | UnsetType = UNSET
    cumulative_quantity: str | UnsetType = field(name="totalTradeQuantity", default=UNSET)
    cumulative_contracts: str | UnsetType = UNSET
    cumulative_quote: str | UnsetType = field(name="totalQuoteTradeQuantity", default=UNSET)
    average_price: str | UnsetType = UNSET
    reduce_only: bool | UnsetType = UNSET
    position_side: PositionSide | UnsetType = UNSET
    liquidation: bool | UnsetType = UNSET
    reason: str | UnsetType = UNSET
    created_ms: int | UnsetType = field(name="creationTime", default=UNSET)
    order_ms: int | UnsetType = field(name="orderTime", default=UNSET)
    inferred: bool = False
    message_id: str = field(name="uniqueMessageId", default="")


class Fill(_Event, frozen=True, kw_only=True, tag="fill"):
    """One trade of an order. ``fee`` is positive where it was paid, negative where it was earned."""

    symbol: str
    order_id: str
    trade_id: str
    side: Side
    price: str
    quantity: str | UnsetType = UNSET
    contracts: str | UnsetType = UNSET
    quote_quantity: str | UnsetType = UNSET
    client_order_id: str | UnsetType = UNSET
    fee: str | UnsetType = UNSET
    fee_asset: str | UnsetType = UNSET
    maker: bool | UnsetType = UNSET
    position_side: PositionSide | UnsetType = UNSET
    realized_pnl: str | UnsetType = UNSET
    liquidation: bool | UnsetType = UNSET
    message_id: str = field(name="uniqueMessageId", default="")


class Balance(Struct, frozen=True, rename="camel"):
    """One asset: what can be used, what orders hold, and what there is in all, as far as told."""

    asset: str
    free: str | UnsetType = UNSET
    locked: str | UnsetType = UNSET
    total: str | UnsetType = UNSET


class AccountPosition(_Event, frozen=True, kw_only=True, tag="outboundAccountPosition"):
    """Balances as they are now. ``whole``: an asset that is not named has none."""

    balances: tuple[Balance, ...]
    whole: bool = False
    updated_ms: int = field(name="lastAccountUpdate", default=0)
    message_id: str = field(name="uniqueMessageId", default="")


class BalanceUpdate(_Event, frozen=True, kw_only=True, tag="balanceUpdate"):
    """A balance changed by this much, for another reason than a trade."""

    asset: str
    delta: str = field(name="balanceDelta")
    cleared_ms: int | UnsetType = field(name="clearTime", default=UNSET)
    message_id: str = field(name="uniqueMessageId", default="")


class PositionUpdate(_Event, frozen=True, kw_only=True, tag="positionUpdate"):
    """A position as it is now. ``quantity`` is signed where ``position_side`` is ``BOTH``; 0: closed.

    ``position_id`` where there can be several of one symbol and side (one of each margin).
    """

    symbol: str
    position_side: PositionSide
    position_id: str | UnsetType = UNSET
    quantity: str | UnsetType = UNSET
    contracts: str | UnsetType = UNSET
    entry_price: str | UnsetType = UNSET
    break_even_price: str | UnsetType = UNSET
    mark_price: str | UnsetType = UNSET
    liquidation_price: str | UnsetType = UNSET
    unrealized_pnl: str | UnsetType = UNSET
    realized_pnl: str | UnsetType = UNSET
    leverage: str | UnsetType = UNSET
    margin_type: Literal["cross", "isolated"] | UnsetType = UNSET
    margin: str | UnsetType = UNSET
    message_id: str = field(name="uniqueMessageId", default="")


AccountEvent = ExecutionReport | Fill | AccountPosition | BalanceUpdate | PositionUpdate
