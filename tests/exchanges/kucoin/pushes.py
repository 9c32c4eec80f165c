"""Pushes to KuCoin's classic accounts that tests are made of, as the documents have them."""

from __future__ import annotations

import json
from typing import Any

from msgspec import Raw

from common.exchanges.kucoin.told import TOPICS, told
from common.exchanges.private import Heard
from common.model.instruments import Catalog, Instrument
from common.model.streams import Market

NONE: Catalog = {}
LINEAR: Catalog = {
    "ETHUSDTM": Instrument(
        "kucoin", "linear", "ETHUSDTM", "perpetual", "ETH", "USDT", "USDT", "trading",
        contract_size="0.01", contract_unit="ETH",
    ),
    "XBTUSDTM": Instrument(
        "kucoin", "linear", "XBTUSDTM", "perpetual", "BTC", "USDT", "USDT", "trading",
        contract_size="0.001", contract_unit="BTC",
    ),
}  # fmt: skip
COIN: Catalog = {
    "XBTUSDM": Instrument(
        "kucoin", "inverse", "XBTUSDM", "perpetual", "BTC", "USD", "BTC", "trading",
        contract_size="1", contract_unit="USD",
    )
}  # fmt: skip

SPOT_ORDERS, BALANCES = TOPICS["spot"]
FUTURES_ORDERS, WALLET, POSITIONS = TOPICS["linear"]

SPOT: dict[str, Any] = {
    "symbol": "KCS-USDT", "orderType": "limit", "side": "sell",
    "orderId": "5efab07953bdea00089965fa", "liquidity": "taker", "type": "match",
    "feeType": "takerFee", "orderTime": 1593487482038606180, "size": "0.1", "filledSize": "0.04",
    "price": "0.938", "matchPrice": "0.96738", "matchSize": "0.04",
    "tradeId": "5efab07a4ee4c7000a82d6d9", "clientOid": "1593487481000313", "remainSize": "0.06",
    "status": "match", "originSize": "0.1", "ts": 1593487482038606180,
}  # fmt: skip
FUTURES: dict[str, Any] = {
    "symbol": "ETHUSDTM", "orderType": "market", "side": "buy", "canceledSize": "0",
    "orderId": "416204113500479490", "positionSide": "LONG", "liquidity": "taker",
    "marginMode": "ISOLATED", "type": "match", "feeType": "takerFee",
    "orderTime": "1772043995356345762", "size": "3", "filledSize": "2", "price": "0",
    "matchPrice": "2068.55", "matchSize": "2", "remainSize": "1", "tradeId": "1815302608109",
    "clientOid": "9f7a2be0-effe-45bd-bdc8-1614715a583a", "tradeType": "trade", "status": "match",
    "ts": 1772043995362000000,
}  # fmt: skip
BALANCE: dict[str, Any] = {
    "accountId": "548674591753", "currency": "USDT", "total": "21.133773386762",
    "available": "20.132773386762", "hold": "1.001", "availableChange": "-0.5005",
    "holdChange": "0.5005", "relationEvent": "trade.hold",
    "relationEventId": "354689988084000", "time": "1730269283892",
}  # fmt: skip
WALLET_NOW: dict[str, Any] = {
    "crossPosMargin": "0", "isolatedOrderMargin": "18.1188", "holdBalance": "0",
    "equity": "81.273621258", "version": "1337", "availableBalance": "26.144281178",
    "isolatedPosMargin": "36.80984008", "walletBalance": "81.072921258", "currency": "USDT",
    "isolatedUnPnl": "0.2007", "crossOrderMargin": "0", "timestamp": "1731916996764",
}  # fmt: skip
POSITION: dict[str, Any] = {
    "symbol": "XBTUSDTM", "realLeverage": 4.9685590767, "crossMode": False,
    "currentTimestamp": 1731924561514, "currentQty": 1, "isOpen": True, "markPrice": 91839.79,
    "markValue": 91.83979, "posMargin": 18.40492004, "avgEntryPrice": 91694.5,
    "liquidationPrice": 73853.0426625, "settleCurrency": "USDT",
    "changeReason": "positionChange", "realisedPnl": 0.07210716, "unrealisedPnl": 0.14529,
    "leverage": 4.9685590767, "marginMode": "ISOLATED", "positionSide": "BOTH",
}  # fmt: skip


def hear(
    market: Market, topic: str, data: Any, catalog: Catalog = NONE, subject: str = ""
) -> tuple[Heard, ...]:
    return tuple(told(market, topic, subject, Raw(json.dumps(data).encode()), catalog))


def spot(*without: str, **changes: Any) -> Any:
    row = {name: value for name, value in (SPOT | changes).items() if name not in without}
    return hear("spot", SPOT_ORDERS, row, subject="orderChange")


def futures(market: Market = "linear", catalog: Catalog = LINEAR, **changes: Any) -> Any:
    return hear(market, FUTURES_ORDERS, FUTURES | changes, catalog, "symbolOrderChange")


def balance(**changes: Any) -> tuple[Heard, ...]:
    return hear("spot", BALANCES, BALANCE | changes, subject="account.balance")


def position(
    market: Market = "linear", catalog: Catalog = LINEAR, **changes: Any
) -> tuple[Heard, ...]:
    topic = f"/contract/position:{(POSITION | changes)['symbol']}"
    return hear(market, topic, POSITION | changes, catalog, "position.change")
