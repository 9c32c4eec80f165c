"""What can be done to one account on demand, as it is asked for."""

from __future__ import annotations

from decimal import Decimal

from msgspec import Struct

from common.model.streams import Market
from simulator.accounts.model import PositionSide, Side


class _Doing(
    Struct, frozen=True, forbid_unknown_fields=True, rename="camel", tag_field="action", kw_only=True
):  # fmt: skip
    account: str
    market: Market


class Place(_Doing, frozen=True, tag="place", kw_only=True):
    """A new order; without a price a market order."""

    symbol: str
    side: Side
    quantity: Decimal
    price: Decimal | None = None
    client_id: str = ""
    reduce_only: bool = False
    position_side: PositionSide = "BOTH"
    time_in_force: str = "GTC"


class FillOrder(_Doing, frozen=True, tag="fill", kw_only=True):
    """A trade: of all that is left where no quantity is given, at the limit or the last price."""

    order: int
    quantity: Decimal | None = None
    price: Decimal | None = None
    maker: bool = False


class CancelOrder(_Doing, frozen=True, tag="cancel", kw_only=True):
    """It is canceled."""

    order: int


class RejectOrder(_Doing, frozen=True, tag="reject", kw_only=True):
    """It is rejected, for a reason in the exchange's words."""

    order: int
    reason: str = ""


class ExpireOrder(_Doing, frozen=True, tag="expire", kw_only=True):
    """It expires, for a reason in the exchange's words."""

    order: int
    reason: str = ""


class Liquidate(_Doing, frozen=True, tag="liquidate", kw_only=True):
    """The exchange ends a position, at this price or the last one."""

    symbol: str
    price: Decimal | None = None
    position_side: PositionSide = "BOTH"


class Deposit(_Doing, frozen=True, tag="deposit", kw_only=True):
    """Money comes."""

    asset: str
    amount: Decimal


class Withdraw(_Doing, frozen=True, tag="withdraw", kw_only=True):
    """Money goes."""

    asset: str
    amount: Decimal


Doing = Place | FillOrder | CancelOrder | RejectOrder | ExpireOrder | Liquidate | Deposit | Withdraw
