"""The parameters of Binance's REST calls, and its errors for what is wrong with them."""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from common.model.streams import Market
from simulator.exchanges.binance.topics import find
from simulator.exchanges.common import Refused, integer_in
from simulator.listing import Listed
from simulator.world import World

_SYMBOL = re.compile(r"^[^\sa-z]{1,50}$")


def listed_in(world: World, market: Market, query: Mapping[str, str]) -> Listed:
    """The listing that ``symbol`` names.

    Raises:
        Refused: as the exchange does.
    """
    symbol = query.get("symbol", "")
    if not symbol:
        raise Refused(
            -1102, "Mandatory parameter 'symbol' was not sent, was empty/null, or malformed."
        )
    if not _SYMBOL.match(symbol):
        raise Refused(-1100, "Illegal characters found in parameter 'symbol'.")
    listed = find(world, market, symbol)
    if listed is None:
        raise Refused(-1121, "Invalid symbol.")
    return listed


def number_in(query: Mapping[str, str], name: str) -> int | None:
    """A parameter that is a number, if it is given.

    Raises:
        Refused: it is none.
    """
    illegal = Refused(-1100, f"Illegal characters found in parameter '{name}'.")
    return integer_in(query, name, illegal)


def selected_in(world: World, market: Market, query: Mapping[str, str]) -> list[Listed]:
    """The listings that ``symbol``, ``symbols`` or neither names."""
    if "symbol" in query:
        return [listed_in(world, market, query)]
    if "symbols" in query:
        try:
            symbols = msgspec.json.decode(query["symbols"], type=list[str])
        except msgspec.DecodeError:
            raise Refused(-1100, "Illegal characters found in parameter 'symbols'.") from None
        return [listed_in(world, market, {"symbol": symbol}) for symbol in symbols]
    return world.catalog.of(market)
