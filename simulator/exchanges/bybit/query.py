"""The parameters of Bybit's REST calls, and its errors for what is wrong with them."""

from __future__ import annotations

from collections.abc import Mapping

from common.model.streams import Market
from simulator.exchanges.bybit.names import find
from simulator.exchanges.common import Refused, integer_in
from simulator.listing import Listed
from simulator.world import World

PARAMS = 10001


def listed_in(world: World, market: Market, query: Mapping[str, str]) -> Listed:
    """The listing that ``symbol`` names.

    Raises:
        Refused: as the exchange does.
    """
    listed = find(world, market, query.get("symbol", ""))
    if listed is None:
        text = "Not supported symbols" if market == "spot" else "params error: symbol invalid"
        raise Refused(PARAMS, text)
    return listed


def number_in(query: Mapping[str, str], name: str) -> int | None:
    """A parameter that is a number, if it is given.

    Raises:
        Refused: it is none.
    """
    return integer_in(query, name, Refused(PARAMS, f"Request parameter error: {name} is invalid"))


def limit_in(query: Mapping[str, str], default: int) -> int:
    """How many rows are wanted: 1 to 1000."""
    limit = number_in(query, "limit")
    return min(max(default if limit is None else limit, 1), 1000)
