"""Bodies and ids: what a backend receives."""

import json
from typing import Any

import msgspec

from common.model.events import Candle, Ticker
from common.model.ids import candle_id, value_id
from common.model.instruments import Instrument

CANDLE = Candle(
    exchange="binance",
    market="spot",
    symbol="BTCUSDT",
    interval="1m",
    start_ms=1700000040000,
    end_ms=1700000100000,
    open="1.10",
    high="1.20",
    low="1.00",
    close="1.15",
    volume="12.5000",
    closed=True,
)


def body(event: Any) -> dict[str, Any]:
    return json.loads(msgspec.json.encode(event))


def test_a_candle_is_camel_case_with_its_decimals_untouched() -> None:
    assert body(CANDLE) == {
        "exchange": "binance",
        "market": "spot",
        "symbol": "BTCUSDT",
        "interval": "1m",
        "startMs": 1700000040000,
        "endMs": 1700000100000,
        "open": "1.10",
        "high": "1.20",
        "low": "1.00",
        "close": "1.15",
        "volume": "12.5000",
        "closed": True,
        "revision": 0,
    }


def test_what_an_exchange_does_not_give_is_left_out() -> None:
    ticker = Ticker("binance", "spot", "BTCUSDT", 1700000040123, "1.15")
    assert set(body(ticker)) == {"exchange", "market", "symbol", "eventMs", "last"}


def test_ids_say_what_an_event_is() -> None:
    assert candle_id(CANDLE) == "candle:binance:spot:BTCUSDT:1m:1700000040000:r0"
    corrected = msgspec.structs.replace(CANDLE, revision=2)
    assert candle_id(corrected) == "candle:binance:spot:BTCUSDT:1m:1700000040000:r2"
    running = msgspec.structs.replace(CANDLE, closed=False, event_ms=1700000050000)
    name = "candle:binance:spot:BTCUSDT:1m:1700000040000:open:"
    assert value_id(running, b"what it says") == f"{name}e33e6311"
    assert value_id(running, b"something else").startswith(name)
    assert value_id(running, b"something else") != f"{name}e33e6311"
    ticker = Ticker("binance", "linear", "BTCUSDT", 1700000040123, "1.15")
    assert value_id(ticker, b"what it says") == (
        "ticker:binance:linear:BTCUSDT:1700000040123:e33e6311"
    )


def test_unified_names_are_those_of_ccxt() -> None:
    def unified(kind: Any, base: str, quote: str, settle: str, expiry: int | None = None) -> str:
        return Instrument(
            "binance", "spot", "X", kind, base, quote, settle, "trading", expiry_ms=expiry
        ).unified

    assert unified("spot", "BTC", "USDT", "USDT") == "BTC/USDT"
    assert unified("perpetual", "BTC", "USDT", "USDT") == "BTC/USDT:USDT"
    assert unified("perpetual", "BTC", "USD", "BTC") == "BTC/USD:BTC"
    assert unified("delivery", "BTC", "USD", "BTC", 1798185600000) == "BTC/USD:BTC-261225"
