"""The parameters of Bybit's REST calls, and its errors for what is wrong with them."""

from __future__ import annotations

from collections.abc import Mapping

from common.model.streams import Market
from simulator.exchanges.bybit.names import find
from simulator.listing import Listed
from simulator.world import World

PARAMS = 10001


class Refused(Exception):  # noqa: N818 - an answer, not a failure of ours
    """An error as the exchange words it; its HTTP status is 200 all the same."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(code, text)
        self.code, self.text = code, text


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


def integer_in(query: Mapping[str, str], name: str) -> int | None:
    """A parameter that is a number, if it is given.

    Raises:
        Refused: it is none.
    """
    text = query.get(name)
    if text is None or text == "":
        return None
    if not text.isdecimal():
        raise Refused(PARAMS, f"Request parameter error: {name} is invalid")
    return int(text)


def limit_in(query: Mapping[str, str], default: int) -> int:
    """How many rows are wanted: 1 to 1000."""
    limit = integer_in(query, "limit")
    return min(max(default if limit is None else limit, 1), 1000)
