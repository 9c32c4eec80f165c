"""Where something may have happened to an account that nobody has heard: symbols to ask for. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from msgspec import Struct

from common.model.account import Balance
from common.model.instruments import Catalog

# More symbols than so many are more than can be asked for, and more than are remembered.
MOST_SYMBOLS = 50


class Past:
    """Symbols of orders that are not known any more: where it has traded once, it may again.

    Args:
        known: each with the time of the last word on it, the exchange's.
    """

    def __init__(self, known: Mapping[str, int] | None = None) -> None:
        self.known = dict(known or {})
        self.changed = False

    @property
    def symbols(self) -> Sequence[str]:
        """The latest first."""
        return sorted(self.known, key=lambda symbol: self.known[symbol], reverse=True)

    def add(self, symbol: str, at_ms: int) -> None:
        """An order in it is not known any more."""
        if at_ms <= self.known.get(symbol, 0):
            return
        self.changed = True
        self.known[symbol] = at_ms
        for oldest in self.symbols[MOST_SYMBOLS:]:
            del self.known[oldest]


class Signs(Struct, frozen=True):
    """What says where something may have happened since all had been told.

    Attributes:
        differing: symbols of open orders that are known here or listed there, but not both.
        told: those of orders that something was told of since, the latest first.
        traded: those of all orders that were ever told of, as far as is remembered, the latest first.
        standing: those of orders and positions that are open.
        before, after: what was held then, and is now, by asset.
        new: assets that had moved by then, and were in no symbol: what they were traded for is not known.
    """

    differing: Collection[str]
    told: Sequence[str]
    traded: Sequence[str]
    standing: Collection[str]
    before: Mapping[str, Balance]
    after: Mapping[str, Balance]
    new: Collection[str] = ()


def likeliest(signs: Signs, catalog: Catalog, *, entire: bool) -> Sequence[str]:
    """Symbols that something may have happened in unheard, the likeliest first.

    Where much happens, some of it may have been missed; and what has moved, something has moved. Where
    the account has traded before, one of the two assets is enough: what was bought and sold again leaves
    the other as it was. So it is where an asset has moved before anybody knew what it is traded for: the other
    one has been looked at since. ``entire`` (nobody has listened): wherever it has traded.
    """
    return list(dict.fromkeys(_in_turn(signs, catalog, entire=entire)))


def _in_turn(signs: Signs, catalog: Catalog, *, entire: bool) -> Iterator[str]:
    yield from sorted(signs.differing)
    if entire:
        yield from sorted(signs.standing)
    yield from signs.told
    before, after = signs.before, signs.after
    moved = {
        asset for asset in before.keys() | after.keys() if before.get(asset) != after.get(asset)
    }
    assets = {symbol: (each.base, each.quote) for symbol, each in catalog.items()}
    explained = {asset for symbol in signs.told for asset in assets.get(symbol, ())}
    odd = moved if entire else moved - explained
    yield from (symbol for symbol in signs.traded if odd.intersection(assets.get(symbol, ())))
    new = moved.intersection(signs.new)
    yield from (symbol for symbol, (base, _) in assets.items() if base in new)
    yield from (symbol for symbol, pair in assets.items() if moved.issuperset(pair))
    if entire:
        # What is not listed any more cannot be asked for.
        yield from (symbol for symbol in signs.traded if symbol in assets)
