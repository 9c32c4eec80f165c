"""What Binance's REST knows of an account: balances, positions, orders and fills. Pure.

Histories are asked by symbol, a day at a time on spot and a week on futures, oldest first.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence

import msgspec
from msgspec import UNSET, Struct, UnsetType, field

from common.exchanges.binance.account import hosts_of
from common.exchanges.binance.describe import REST_BUDGET
from common.exchanges.binance.told import is_liquidation, margin_of, size_of, status_of
from common.exchanges.private import (
    BalancesTold,
    Credentials,
    FillTold,
    InquiryFailed,
    Known,
    OrderTold,
    Position,
    PositionsTold,
    Told,
)
from common.exchanges.protocol import RestRequest
from common.exchanges.sizes import Amount, Size
from common.exchanges.wire import Millis, Number, Signed, decoded
from common.model.account import Balance, PositionSide, Side
from common.model.decimals import absolute
from common.model.instruments import Catalog
from common.model.streams import Market

Asking = Generator[RestRequest, bytes, Sequence[Told]]

DAY_MS = 86_400_000
# The most rows of one answer, and the longest stretch of one request.
ROWS = 1000
_SPANS_MS: Mapping[Market, int] = {"spot": DAY_MS, "linear": 7 * DAY_MS, "inverse": 7 * DAY_MS}
_NO_SUCH_ORDER = "-2013"


class _Calls(Struct, frozen=True):
    """Paths of one market, each with its weight."""

    account: tuple[str, int]
    open_orders: tuple[str, int]
    all_orders: tuple[str, int]
    trades: tuple[str, int]
    order: tuple[str, int]
    positions: tuple[str, int] | None = None


_CALLS: Mapping[Market, _Calls] = {
    "spot": _Calls(
        account=("/api/v3/account", 20),
        open_orders=("/api/v3/openOrders", 80),
        all_orders=("/api/v3/allOrders", 20),
        trades=("/api/v3/myTrades", 20),
        order=("/api/v3/order", 4),
    ),
    "linear": _Calls(
        account=("/fapi/v3/balance", 5),
        open_orders=("/fapi/v1/openOrders", 40),
        all_orders=("/fapi/v1/allOrders", 5),
        trades=("/fapi/v1/userTrades", 5),
        order=("/fapi/v1/order", 1),
        positions=("/fapi/v3/positionRisk", 5),
    ),
    "inverse": _Calls(
        account=("/dapi/v1/balance", 1),
        open_orders=("/dapi/v1/openOrders", 40),
        all_orders=("/dapi/v1/allOrders", 5),
        trades=("/dapi/v1/userTrades", 5),
        order=("/dapi/v1/order", 1),
        positions=("/dapi/v1/positionRisk", 1),
    ),
}


def _request(
    market: Market,
    credentials: Credentials,
    call: tuple[str, int],
    params: Mapping[str, str] | None = None,
) -> RestRequest:
    path, weight = call
    return RestRequest(
        url=hosts_of(market, credentials).rest + path,
        params=params or {},
        cost={REST_BUDGET[market]: weight},
        signed=True,
    )


# --- orders -------------------------------------------------------------------------------------


class _Order(Struct):
    symbol: str
    order_id: int | str = field(name="orderId")
    client_id: str = field(name="clientOrderId")
    price: Number
    quantity: Number = field(name="origQty")
    filled: Number = field(name="executedQty")
    status: str
    time_in_force: str = field(name="timeInForce")
    order_type: str = field(name="type")
    side: Side
    updated_ms: Millis = field(name="updateTime")
    created_ms: Millis | UnsetType = field(name="time", default=UNSET)
    stop_price: Number = field(name="stopPrice", default="0")
    filled_quote: Signed | UnsetType = field(name="cummulativeQuoteQty", default=UNSET)
    average_price: Number = field(name="avgPrice", default="0")
    reduce_only: bool | UnsetType = field(name="reduceOnly", default=UNSET)
    position_side: PositionSide | UnsetType = field(name="positionSide", default=UNSET)


_order = msgspec.json.Decoder(_Order)
_orders = msgspec.json.Decoder(list[_Order])


def _order_told(market: Market, row: _Order, catalog: Catalog) -> OrderTold:
    asked = size_of(market, row.symbol, row.quantity, row.price, catalog)
    done = size_of(market, row.symbol, row.filled, row.average_price, catalog)
    nothing = not row.filled.strip("0.")
    quote = row.filled_quote if market == "spot" else done.quote
    return OrderTold(
        symbol=row.symbol,
        order_id=str(row.order_id),
        status=status_of(row.status),
        raw_status=row.status,
        time_ms=row.updated_ms,
        side=row.side,
        order_type=row.order_type,
        time_in_force=row.time_in_force,
        client_order_id=row.client_id,
        price=_given(row.price),
        stop_price=_given(row.stop_price),
        quantity=_given(asked.base) if market == "spot" else asked.base,
        contracts=asked.contracts,
        filled="0" if nothing else done.base,
        filled_contracts=done.contracts,
        filled_quote="0" if nothing else _not_below_zero(quote),
        average_price=_given(row.average_price),
        reduce_only=row.reduce_only,
        position_side=row.position_side,
        liquidation=is_liquidation(row.client_id),
        created_ms=row.created_ms,
    )


# --- fills --------------------------------------------------------------------------------------


class _Trade(Struct):
    symbol: str
    trade_id: int = field(name="id")
    order_id: int | str = field(name="orderId")
    price: Number
    quantity: Number = field(name="qty")
    fee: Signed = field(name="commission")
    fee_asset: str = field(name="commissionAsset")
    time_ms: Millis = field(name="time")
    quote_quantity: Number | UnsetType = field(name="quoteQty", default=UNSET)
    is_buyer: bool | UnsetType = field(name="isBuyer", default=UNSET)
    is_maker: bool | UnsetType = field(name="isMaker", default=UNSET)
    side: Side | UnsetType = UNSET
    maker: bool | UnsetType = UNSET
    position_side: PositionSide | UnsetType = field(name="positionSide", default=UNSET)
    realized_pnl: Signed | UnsetType = field(name="realizedPnl", default=UNSET)


_trades = msgspec.json.Decoder(list[_Trade])


def _fill_told(market: Market, row: _Trade, catalog: Catalog) -> FillTold:
    if market == "spot":
        size = Size(row.quantity, row.quote_quantity)
    else:
        size = size_of(market, row.symbol, row.quantity, row.price, catalog)
    side: Side = "BUY" if row.is_buyer else "SELL"
    return FillTold(
        symbol=row.symbol,
        order_id=str(row.order_id),
        trade_id=str(row.trade_id),
        side=side if row.side is UNSET else row.side,
        price=row.price,
        time_ms=row.time_ms,
        quantity=size.base,
        contracts=size.contracts,
        quote_quantity=size.quote,
        # The documents have what was paid below zero on futures, recordings above.
        fee=row.fee if market == "spot" else absolute(row.fee),
        fee_asset=row.fee_asset,
        maker=row.is_maker if row.maker is UNSET else row.maker,
        position_side=row.position_side,
        realized_pnl=row.realized_pnl,
    )


# --- balances and positions ---------------------------------------------------------------------


class _SpotBalance(Struct):
    asset: str
    free: Number
    locked: Number


class _Account(Struct):
    balances: list[_SpotBalance]
    updated_ms: Millis = field(name="updateTime", default=0)


class _Wallet(Struct):
    asset: str
    total: Signed = field(name="balance")
    free: Signed = field(name="availableBalance")
    updated_ms: Millis = field(name="updateTime", default=0)


class _Position(Struct):
    symbol: str
    amount: Signed = field(name="positionAmt")
    entry_price: Number = field(name="entryPrice")
    unrealized_pnl: Signed = field(name="unRealizedProfit")
    position_side: PositionSide = field(name="positionSide")
    mark_price: Number | UnsetType = field(name="markPrice", default=UNSET)
    break_even_price: Number | UnsetType = field(name="breakEvenPrice", default=UNSET)
    liquidation_price: Number = field(name="liquidationPrice", default="0")
    leverage: Number | UnsetType = UNSET
    margin_type: str = field(name="marginType", default="")
    margin: Signed | UnsetType = field(name="isolatedMargin", default=UNSET)
    updated_ms: Millis = field(name="updateTime", default=0)


_account = msgspec.json.Decoder(_Account)
_wallets = msgspec.json.Decoder(list[_Wallet])
_positions = msgspec.json.Decoder(list[_Position])


def _balances_told(market: Market, body: bytes) -> BalancesTold:
    """Of futures only what can be used and what there is: what orders hold is not told."""
    if market == "spot":
        account = decoded(_account, body)
        rows = tuple(Balance(row.asset, row.free, row.locked) for row in account.balances)
        return BalancesTold(balances=rows, time_ms=account.updated_ms, whole=True)
    wallets = decoded(_wallets, body)
    rows = tuple(Balance(row.asset, row.free, total=row.total) for row in wallets)
    newest_ms = max((row.updated_ms for row in wallets), default=0)
    return BalancesTold(balances=rows, time_ms=newest_ms, whole=True)


def _positions_told(market: Market, body: bytes, catalog: Catalog) -> PositionsTold:
    rows = [row for row in decoded(_positions, body) if row.amount.strip("-0.")]
    newest_ms = max((row.updated_ms for row in rows), default=0)
    positions = tuple(_position(market, row, catalog) for row in rows)
    return PositionsTold(positions=positions, time_ms=newest_ms, whole=True)


def _position(market: Market, row: _Position, catalog: Catalog) -> Position:
    size = size_of(market, row.symbol, row.amount, row.entry_price, catalog)
    return Position(
        symbol=row.symbol,
        position_side=row.position_side,
        quantity=size.base,
        contracts=size.contracts,
        entry_price=_given(row.entry_price),
        break_even_price=row.break_even_price,
        mark_price=row.mark_price,
        liquidation_price=_given(row.liquidation_price),
        unrealized_pnl=row.unrealized_pnl,
        leverage=row.leverage,
        margin_type=margin_of(row.margin_type),
        margin=row.margin,
    )


# --- the inquiries ------------------------------------------------------------------------------


def snapshot(market: Market, credentials: Credentials, catalog: Catalog) -> Asking:
    """Balances, positions and open orders, as they are now."""
    calls = _CALLS[market]
    told: list[Told] = [
        _balances_told(market, (yield _request(market, credentials, calls.account)))
    ]
    if calls.positions is not None:
        body = yield _request(market, credentials, calls.positions)
        told.append(_positions_told(market, body, catalog))
    rows = decoded(_orders, (yield _request(market, credentials, calls.open_orders)))
    return [*told, *(_order_told(market, row, catalog) for row in rows)]


def since(market: Market, credentials: Credentials, catalog: Catalog, known: Known) -> Asking:
    """Orders and fills of the symbols since then. ``known.until_ms`` is the exchange's now."""
    told: list[OrderTold | FillTold] = []
    for symbol in sorted(known.symbols):
        told += yield from _trades_since(market, credentials, catalog, known, symbol)
        told += yield from _orders_since(market, credentials, catalog, known, symbol)
    return sorted(told, key=_when)


def _trades_since(
    market: Market, credentials: Credentials, catalog: Catalog, known: Known, symbol: str
) -> Generator[RestRequest, bytes, list[FillTold]]:
    told: list[FillTold] = []
    for from_ms, to_ms in _stretches(market, known):
        params = _stretch(symbol, from_ms, to_ms)
        while True:
            body = yield _request(market, credentials, _CALLS[market].trades, params)
            rows = decoded(_trades, body)
            in_time = [row for row in rows if row.time_ms < to_ms]
            told += [_fill_told(market, row, catalog) for row in in_time]
            if len(rows) < ROWS or len(in_time) < len(rows):
                break
            # More of the same stretch: from the next id on, which no time may go with.
            params = {"symbol": symbol, "limit": str(ROWS), "fromId": str(rows[-1].trade_id + 1)}
    return told


def _orders_since(
    market: Market, credentials: Credentials, catalog: Catalog, known: Known, symbol: str
) -> Generator[RestRequest, bytes, list[OrderTold]]:
    """Orders are listed by when they were made: older ones that ended since are asked by id."""
    told: list[OrderTold] = []
    for from_ms, to_ms in _stretches(market, known):
        params = _stretch(symbol, from_ms, to_ms)
        while True:
            body = yield _request(market, credentials, _CALLS[market].all_orders, params)
            rows = decoded(_orders, body)
            in_time = [row for row in rows if row.created_ms is UNSET or row.created_ms < to_ms]
            told += [_order_told(market, row, catalog) for row in in_time]
            if len(rows) < ROWS or len(in_time) < len(rows):
                break
            next_id = str(int(rows[-1].order_id) + 1)
            params = {"symbol": symbol, "limit": str(ROWS), "orderId": next_id}
    return told


def order(
    market: Market, credentials: Credentials, catalog: Catalog, symbol: str, order_id: str
) -> Asking:
    """One order and its fills; nothing if the exchange has forgotten it."""
    params = {"symbol": symbol, "orderId": order_id}
    try:
        body = yield _request(market, credentials, _CALLS[market].order, params)
    except InquiryFailed as failed:
        if _NO_SUCH_ORDER in failed.failure.detail:
            return []
        raise
    told = _order_told(market, decoded(_order, body), catalog)
    rows = decoded(_trades, (yield _request(market, credentials, _CALLS[market].trades, params)))
    return [*(_fill_told(market, row, catalog) for row in rows), told]


def _stretches(market: Market, known: Known) -> list[tuple[int, int]]:
    """From then to now in pieces that one request may span."""
    span_ms = _SPANS_MS[market]
    starts = range(known.since_ms, known.until_ms, span_ms)
    return [(start, min(start + span_ms, known.until_ms)) for start in starts]


def _stretch(symbol: str, from_ms: int, to_ms: int) -> dict[str, str]:
    return {
        "symbol": symbol,
        "startTime": str(from_ms),
        "endTime": str(to_ms - 1),
        "limit": str(ROWS),
    }


def _when(told: OrderTold | FillTold) -> tuple[int, int, bool]:
    """Fills before the state that they led to."""
    return told.time_ms, told.seq, isinstance(told, OrderTold)


def _given(number: Amount) -> Amount:
    return number if number is not UNSET and number.strip("-0.") else UNSET


def _not_below_zero(number: Amount) -> Amount:
    """Below zero: not known (very old orders)."""
    return UNSET if number is UNSET or number.startswith("-") else number
