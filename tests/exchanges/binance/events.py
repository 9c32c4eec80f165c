"""Events of Binance's accounts that tests are made of, as the documents have them."""

from __future__ import annotations

import json
from typing import Any

from common.exchanges.binance.told import told
from common.model.instruments import Catalog, Instrument

NONE: Catalog = {}
COIN: Catalog = {
    "BTCUSD_PERP": Instrument(
        "binance", "inverse", "BTCUSD_PERP", "perpetual", "BTC", "USD", "BTC", "trading",
        contract_size="100", contract_unit="USD",
    )
}  # fmt: skip

SPOT: dict[str, Any] = {
    "e": "executionReport", "E": 1709654401001, "s": "ETHUSDT", "c": "mine", "S": "BUY",
    "o": "LIMIT", "f": "GTC", "q": "1.00000000", "p": "2500.00000000", "P": "0.00000000",
    "F": "0.00000000", "g": -1, "C": "", "x": "TRADE", "X": "PARTIALLY_FILLED", "r": "NONE",
    "i": 9223372036854775807, "l": "0.40000000", "z": "0.60000000", "L": "2499.50000000",
    "n": "0.00040000", "N": "ETH", "T": 1709654401000, "t": 98765432, "I": 8641984, "w": True,
    "m": True, "M": False, "O": 1709654400000, "Z": "1499.70000000", "Y": "999.80000000",
    "Q": "0.00000000", "V": "NONE",
}  # fmt: skip
FUTURES: dict[str, Any] = {
    "s": "BTCUSDT", "c": "TEST", "S": "BUY", "o": "LIMIT", "f": "GTC", "q": "0.002",
    "p": "7100.50", "ap": "7100.50", "sp": "0", "x": "TRADE", "X": "PARTIALLY_FILLED",
    "i": 8886774, "l": "0.001", "z": "0.001", "L": "7100.50", "N": "USDT", "n": "0.01000000",
    "T": 1568879465650, "t": 12345678, "b": "0", "a": "0", "m": True, "R": False,
    "wt": "CONTRACT_PRICE", "ot": "LIMIT", "ps": "LONG", "cp": False, "rp": "12.34", "er": "0",
}  # fmt: skip


def spot(**changes: Any) -> Any:
    return told("spot", json.dumps(SPOT | changes).encode(), NONE)


def futures(market: Any = "linear", catalog: Catalog = NONE, **changes: Any) -> Any:
    event = {"e": "ORDER_TRADE_UPDATE", "E": 1, "T": 2, "o": FUTURES | changes}
    return told(market, json.dumps(event).encode(), catalog)
