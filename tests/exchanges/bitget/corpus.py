"""How the collection of real messages maps to our markets, and what in it is not for us, and why.

The collection's ``mix`` holds both futures markets below one folder: see ``market_of``. Its
``common`` holds what is of no market (errors, pong); ``uta`` is v3, another protocol. One of the
instrument lists is of margin pairs: it has all that spot's own has, and is read as one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from common.exchanges.bitget.describe import INST_TYPES, MARKETS
from common.model.streams import Market, Stream

FOLDERS: Mapping[str, Market] = {"spot": "spot", "mix": "linear", "common": "spot"}

_MARKETS: Mapping[str, Market] = {name: market for market, name in INST_TYPES.items()}
_CHANNELS = {
    f"candle{name}"
    for rules in MARKETS.values()
    for name in rules.channels["candle"].intervals.values()
}


def market_of(folder: str, message: Any) -> Market:
    """The market that a line names; that of its folder where it names none, or none of ours."""
    arg = message.get("arg", {}) if isinstance(message, dict) else {}
    return _MARKETS.get(arg.get("instType"), FOLDERS[folder])


def explain(folder: str, channel: str, message: Any) -> str | None:
    """Why a line yields nothing for us on purpose; None: it must be understood."""
    if not isinstance(message, dict):
        return None
    arg = message.get("arg", {})
    name = str(arg.get("channel", ""))
    if arg.get("instType") == "USDC-FUTURES":
        return "USDC-FUTURES: a product type that is not one of our markets"
    if name.startswith("candle") and name not in _CHANNELS:
        return f"{name}: counts from UTC+8, never subscribed"
    return None


def stream_of(folder: str, raw: bytes) -> Stream:
    """Which stream the rows of a ``rest_klines`` line are read as.

    They are of several intervals (one counts its months from UTC+8); all start on whole minutes.
    """
    return Stream("bitget", FOLDERS[folder], "candle", "BTCUSDT", "1m")
