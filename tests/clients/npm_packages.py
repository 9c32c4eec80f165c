"""What npm packages call the parts of an account, and where they say something else than the truth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple

from common.model.streams import MARKETS, Market

# By field: ``a.b`` is a part of what is called ``a``, ``-a`` has the other sign, ``a+b`` and ``a/b`` are
# computed.
Names = Mapping[str, str]


class Client(NamedTuple):
    """An npm package with an account of an exchange.

    Attributes:
        symbols: what it trades.
        topics: how many it has subscribed to when it hears everything.
        names: what it calls the fields of what it hears, by kind: ``order``, ``fill``, ``balance``,
            ``position``; of what it reads (``orderRow`` …) where that has other names, and of one market
            (``order.spot`` …) where that has its own. ``fillLite`` tells a fill ahead, in short.
        words: its words for states and sides of a position.
        measures: what a size is in the truth where the exchange counts no contracts.
    """

    exchange: str
    program: str
    symbols: Mapping[Market, str]
    topics: int
    names: Mapping[str, Names]
    words: Mapping[str, str]
    mode: str = ""
    key_kind: str = "hmac"
    measures: Mapping[Market, str] = {}

    def names_of(self, kind: str, place: str) -> Names | None:
        """Those of a kind on a market or of a wallet; None where there is nothing of it."""
        heard = kind.removesuffix("Row")
        for name in (f"{kind}.{place}", kind, f"{heard}.{place}", heard):
            if name in self.names:
                return self.names[name]
        return None


class Difference(NamedTuple):
    """A field of which a program's package says something else than the truth: this, or nothing."""

    program: str
    markets: tuple[Market, ...]
    field: str
    says: Decimal | None
    reason: str


OKX = Client(
    exchange="okx",
    program="npm_okx_account.mjs",
    symbols={"spot": "BTC-USDT", "linear": "BTC-USDT-SWAP", "inverse": "BTC-USD-SWAP"},
    topics=3,
    names={
        "order": {"id": "ordId", "status": "state", "filled": "accFillSz", "average": "avgPx",
                  "fee": "-fee", "feeAsset": "feeCcy"},
        "fill": {"id": "tradeId", "order": "ordId", "quantity": "fillSz", "price": "fillPx",
                 "fee": "-fillFee", "feeAsset": "fillFeeCcy"},
        "fillRow": {"id": "tradeId", "order": "ordId", "quantity": "fillSz", "price": "fillPx",
                    "fee": "-fee", "feeAsset": "feeCcy"},
        "balance": {"id": "ccy", "total": "cashBal", "free": "availBal", "locked": "frozenBal"},
        "position": {"id": "instId", "size": "pos", "entryPrice": "avgPx"},
    },
    words={"live": "NEW", "partially_filled": "PARTIALLY_FILLED", "filled": "FILLED",
           "canceled": "CANCELED"},
)  # fmt: skip

BITGET = Client(
    exchange="bitget",
    mode="classic",
    program="npm_bitget_account.mjs",
    symbols={"spot": "BTCUSDT", "linear": "BTCUSDT", "inverse": "BTCUSD"},
    topics=11,
    names={
        "order": {"id": "orderId", "status": "status", "filled": "accBaseVolume",
                  "average": "priceAvg", "fee": "-feeDetail.0.fee",
                  "feeAsset": "feeDetail.0.feeCoin"},
        "orderRow": {"id": "orderId", "status": "status", "filled": "baseVolume",
                     "average": "priceAvg", "fee": "-fee"},
        "orderRow.spot": {"id": "orderId", "status": "status", "filled": "baseVolume",
                          "average": "priceAvg"},
        "fill": {"id": "tradeId", "order": "orderId", "quantity": "baseVolume", "price": "price",
                 "fee": "-feeDetail.0.totalFee", "feeAsset": "feeDetail.0.feeCoin"},
        "fill.spot": {"id": "tradeId", "order": "orderId", "quantity": "size", "price": "priceAvg",
                      "fee": "feeDetail.0.totalFee", "feeAsset": "feeDetail.0.feeCoin"},
        "fillRow.spot": {"id": "tradeId", "order": "orderId", "quantity": "size",
                         "price": "priceAvg", "fee": "-feeDetail.totalFee",
                         "feeAsset": "feeDetail.feeCoin"},
        "balance": {"id": "marginCoin", "total": "equity", "free": "available",
                    "locked": "frozen"},
        "balanceRow": {"id": "marginCoin", "total": "accountEquity", "free": "available",
                       "locked": "locked"},
        "balance.spot": {"id": "coin", "total": "available+frozen", "free": "available",
                         "locked": "frozen"},
        "balanceRow.spot": {"id": "coin", "total": "available+frozen", "free": "available",
                            "locked": "frozen"},
        "position": {"id": "instId", "size": "total", "side": "holdSide",
                     "entryPrice": "openPriceAvg"},
        "positionRow": {"id": "symbol", "size": "total", "side": "holdSide",
                     "entryPrice": "openPriceAvg"},
    },
    words={"live": "NEW", "partially_filled": "PARTIALLY_FILLED", "filled": "FILLED",
           "canceled": "CANCELED", "cancelled": "CANCELED", "long": "LONG", "short": "SHORT"},
    measures={"inverse": "value"},
)  # fmt: skip

UNIFIED_BITGET = Client(
    exchange="bitget",
    mode="unified",
    program="npm_bitget_unified.mjs",
    symbols=BITGET.symbols,
    topics=4,
    names={
        "order": {"id": "orderId", "status": "orderStatus", "filled": "cumExecQty",
                  "average": "avgPrice", "fee": "feeDetail.0.fee",
                  "feeAsset": "feeDetail.0.feeCoin"},
        "fill": {"id": "execId", "order": "orderId", "quantity": "execQty", "price": "execPrice",
                 "fee": "feeDetail.0.fee", "feeAsset": "feeDetail.0.feeCoin"},
        "balance": {"id": "coin", "total": "balance", "free": "available", "locked": "locked"},
        "position": {"id": "symbol", "size": "size", "side": "posSide", "entryPrice": "avgPrice"},
        "positionRow": {"id": "symbol", "size": "total", "side": "posSide",
                        "entryPrice": "avgPrice"},
    },
    words=BITGET.words,
    measures=BITGET.measures,
)  # fmt: skip

BINANCE = Client(
    exchange="binance",
    program="npm_binance_account.mjs",
    symbols={"spot": "BTCUSDT", "linear": "BTCUSDT", "inverse": "BTCUSD_PERP"},
    topics=3,
    names={
        "order": {"id": "orderId", "status": "orderStatus", "average": "averagePrice",
                  "filled": "orderFilledAccumulatedQuantity"},
        "order.spot": {"id": "orderId", "status": "orderStatus", "filled": "accumulatedQuantity",
                       "average": "cummulativeQuoteAssetTransactedQty/accumulatedQuantity"},
        "orderRow": {"id": "orderId", "status": "status", "filled": "executedQty",
                     "average": "avgPrice"},
        "orderRow.spot": {"id": "orderId", "status": "status", "filled": "executedQty",
                          "average": "cummulativeQuoteQty/executedQty"},
        "fill": {"id": "tradeId", "order": "orderId", "quantity": "lastFilledQuantity",
                 "price": "lastFilledPrice", "fee": "commissionAmount",
                 "feeAsset": "commissionAsset"},
        "fill.spot": {"id": "tradeId", "order": "orderId", "quantity": "lastTradeQuantity",
                      "price": "lastTradePrice", "fee": "commission",
                      "feeAsset": "commissionAsset"},
        "fillLite.linear": {"id": "tradeId", "order": "orderId", "price": "lastFilledPrice",
                            "quantity": "lastFilledQuantity"},
        "fillRow": {"id": "id", "order": "orderId", "quantity": "qty", "price": "price",
                    "fee": "commission", "feeAsset": "commissionAsset"},
        "balance": {"id": "asset", "total": "walletBalance"},
        "balanceRow": {"id": "asset", "total": "balance", "free": "availableBalance"},
        "balance.spot": {"id": "asset", "total": "availableBalance+onOrderBalance",
                         "free": "availableBalance", "locked": "onOrderBalance"},
        "balanceRow.spot": {"id": "asset", "total": "free+locked", "free": "free",
                            "locked": "locked"},
        "position": {"id": "symbol", "size": "positionAmount", "entryPrice": "entryPrice"},
        "positionRow": {"id": "symbol", "size": "positionAmt", "entryPrice": "entryPrice"},
    },
    words={word: word for word in ("NEW", "PARTIALLY_FILLED", "FILLED", "CANCELED", "EXPIRED",
                                   "REJECTED")},
)  # fmt: skip

BYBIT = Client(
    exchange="bybit",
    program="npm_bybit_account.mjs",
    symbols={"spot": "BTCUSDT", "linear": "BTCUSDT", "inverse": "BTCUSD"},
    topics=4,
    names={
        "order": {"id": "orderId", "status": "orderStatus", "filled": "cumExecQty",
                  "average": "avgPrice", "fee": "cumExecFee"},
        "fill": {"id": "execId", "order": "orderId", "quantity": "execQty", "price": "execPrice",
                 "fee": "execFee", "feeAsset": "feeCurrency"},
        "fill.inverse": {"id": "execId", "order": "orderId", "quantity": "execQty",
                         "price": "execPrice", "fee": "execFee"},
        "balance": {"id": "coin", "total": "walletBalance",
                    "locked": "locked+totalOrderIM+totalPositionIM"},
        "position": {"id": "symbol", "size": "size", "side": "side", "entryPrice": "entryPrice"},
        "positionRow": {"id": "symbol", "size": "size", "side": "side", "entryPrice": "avgPrice"},
    },
    words={"New": "NEW", "PartiallyFilled": "PARTIALLY_FILLED", "Filled": "FILLED",
           "Cancelled": "CANCELED", "PartiallyFilledCanceled": "CANCELED",
           "Rejected": "REJECTED", "Buy": "LONG", "Sell": "SHORT"},
)  # fmt: skip

COINBASE = Client(
    exchange="coinbase",
    key_kind="es256",
    program="npm_coinbase_account.mjs",
    symbols={"spot": "BTC-USDT"},
    topics=2,
    names={
        "order": {"id": "order_id", "status": "status", "filled": "cumulative_quantity",
                  "average": "avg_price", "fee": "total_fees"},
        "orderRow": {"id": "order_id", "status": "status", "filled": "filled_size",
                     "average": "average_filled_price", "fee": "total_fees"},
        "fillRow": {"id": "trade_id", "order": "order_id", "quantity": "size", "price": "price",
                    "fee": "commission"},
        "balanceRow": {"id": "currency", "total": "available_balance.value+hold.value",
                       "free": "available_balance.value", "locked": "hold.value"},
    },
    words={"OPEN": "OPEN", "FILLED": "FILLED", "CANCELLED": "CANCELED", "EXPIRED": "EXPIRED",
           "FAILED": "REJECTED"},
)  # fmt: skip

CLIENTS = (
    OKX,
    BITGET,
    UNIFIED_BITGET,
    BINANCE,
    BINANCE._replace(key_kind="ed25519"),
    BYBIT,
    COINBASE,
    COINBASE._replace(key_kind="ed25519"),
)
DIFFERENCES: Sequence[Difference] = (
    Difference(
        "npm_bitget_account.mjs", MARKETS, "order.average", None, "a cancel comes without one",
    ),
    Difference(
        "npm_bitget_account.mjs", ("spot",), "orderRow.average", Decimal(57000),
        "an open order's limit is called its average",
    ),
)  # fmt: skip
