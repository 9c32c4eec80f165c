"""Instruments that are not in the list (yet): what is read by their help has to wait until they are.

A list is renewed every few minutes, and a contract may be traded in the minute it is listed. What its sizes
are is not to be guessed, and not to be left out: who reads is stopped, the list is renewed, and it is read
again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Protocol, TypeVar, overload

from common.model.instruments import Catalog, Instrument
from common.model.streams import Market

_T = TypeVar("_T")


class Unlisted(Exception):  # noqa: N818 - what happened, as its reader sees it
    """An instrument is needed that the list does not have."""

    def __init__(self, symbol: str) -> None:
        super().__init__(symbol)
        self.symbol = symbol


class Strict(Mapping[str, Instrument]):
    """A catalog that says so where an instrument is needed (``get``) and not there.

    Whether it is there can be asked as ever: other markets' symbols are told in the same streams.

    Args:
        catalog: the list.
        is_unlisted: whether a symbol is known not to be in any list; of these nothing can be known.
    """

    def __init__(
        self, catalog: Catalog, is_unlisted: Callable[[str], bool] = lambda _symbol: False
    ) -> None:
        self._catalog = catalog
        self._is_unlisted = is_unlisted

    def __getitem__(self, symbol: str) -> Instrument:
        return self._catalog[symbol]

    def __contains__(self, symbol: object) -> bool:
        return symbol in self._catalog

    def __iter__(self) -> Iterator[str]:
        return iter(self._catalog)

    def __len__(self) -> int:
        return len(self._catalog)

    @overload
    def get(self, key: str, /) -> Instrument | None: ...
    @overload
    def get(self, key: str, /, default: Instrument | _T) -> Instrument | _T: ...
    def get(self, key: str, /, default: Instrument | _T | None = None) -> Instrument | _T | None:
        """The instrument; ``default`` only for what no list has.

        Raises:
            Unlisted: it may be in a newer list.
        """
        found = self._catalog.get(key)
        if found is None and not self._is_unlisted(key):
            raise Unlisted(key)
        return default if found is None else found


class Listings(Protocol):
    """The lists of all markets, for readers that can wait."""

    def known(self, exchange: str, market: Market) -> Catalog:
        """The list as it is known now."""

    def strict(self, exchange: str, market: Market) -> Catalog:
        """The same, which raises ``Unlisted`` for what a newer one may have."""

    async def learn(self, exchange: str, market: Market, symbol: str) -> None:
        """Renew the list for the sake of an instrument; after that ``strict`` does not raise for it.

        Takes a minute at most: what cannot be learned is taken not to be listed, for a while.
        """
