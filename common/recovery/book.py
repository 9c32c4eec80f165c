"""All that is known of one account: its orders, what it holds, and since when that is whole. Pure.

What is told comes in, from a socket or by REST; what goes out to backends comes out, in order. What a new
owner has to know of it can be had in pieces, to be kept when what they led to is confirmed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

import msgspec

from common.exchanges.told import FillTold, OrderTold, PositionsTold, Told
from common.model.account import AccountEvent, Balance, PositionSide
from common.model.instruments import Catalog
from common.recovery.holdings import Holdings, Kept
from common.recovery.order import Order
from common.recovery.orders import OVERLAP_MS, Orders
from common.recovery.reports import Account
from common.recovery.unheard import Past, Signs, likeliest

# Ended orders are known so long after the moment up to which all is told: REST may tell them again.
REMEMBERED_MS = 6 * 3_600_000
# And so long after their end, though nothing could be compared since: that may fail by one of them.
KEPT_MS = 24 * 3_600_000
# An asset that no instrument is known of will not be known to be traded after so long either.
UNLISTED_MS = 6 * 3_600_000
# The pieces that are no orders: those are named by symbol and id, with a space between.
HOLDINGS, SINCE, HELD, BEGUN, PAST = "holdings", "since", "held", "begun", "past"
UNLISTED = "unlisted"

_encode = msgspec.json.Encoder().encode
_order = msgspec.json.Decoder(Order)
_kept = msgspec.json.Decoder(Kept)
_held = msgspec.json.Decoder(list[Balance])
_past = msgspec.json.Decoder(dict[str, int])
_assets = msgspec.json.Decoder(frozenset[str])

# What is kept of an account, by name; None: not any more.
Pieces = Mapping[str, bytes | None]


class Book:
    """One account's book.

    Args:
        account: whose.
        pieces: what an owner before has kept.

    Raises:
        msgspec.DecodeError: that cannot be read.
    """

    def __init__(self, account: Account, pieces: Mapping[str, bytes] | None = None) -> None:
        pieces = pieces or {}
        held = pieces.get(HOLDINGS)
        self.holdings = Holdings(account, None if held is None else _kept.decode(held))
        self.orders = Orders(
            account,
            [_order.decode(body) for name, body in pieces.items() if " " in name],
            Past(_past.decode(pieces[PAST])) if PAST in pieces else None,
        )
        # The exchange's time up to which all has been told; None: not even once.
        self.since_ms = int(pieces[SINCE]) if SINCE in pieces else None
        # Where to look back to until then; None: nobody has begun.
        self.begun_ms = int(pieces[BEGUN]) if BEGUN in pieces else None
        self._look_back()
        self._changed: set[str] = set()
        # What there was when all had been told: what has moved since may have moved unheard. Not what
        # there is: an owner may have said a snapshot's balances, and died before it knew what led to them.
        held = pieces.get(HELD)
        # None: nobody has looked yet; what there is at the first look is nobody's.
        self._held: Mapping[str, Balance] | None = (
            None if held is None else {each.asset: each for each in _held.decode(held)}
        )
        # What had moved by then, and was in no symbol.
        names = pieces.get(UNLISTED)
        self._unlisted = frozenset[str]() if names is None else _assets.decode(names)

    def take(
        self, told: Iterable[Told], at_ms: int = 0, *, entire: bool = False
    ) -> list[AccountEvent]:
        """What goes out. ``at_ms``, ``entire``: see ``Holdings.take``."""
        of_orders: list[OrderTold | FillTold] = []
        rest = []
        for one in told:
            if isinstance(one, OrderTold | FillTold):
                of_orders.append(one)
            else:
                rest.append(one)
        out: list[AccountEvent] = [*self.orders.take(of_orders)]
        for one in rest:
            out += self.holdings.take(one, at_ms, entire=entire)
            self._changed.add(HOLDINGS)
        return out

    def close_unnamed(
        self, snapshot: Iterable[Told], happened: Iterable[Told], asked_ms: int
    ) -> list[AccountEvent]:
        """Positions that were closed before anybody who knew them could say so.

        An owner before may have told of them and died before that was kept, or Redis have lost it: what was
        traded by when a snapshot was asked for, and is not in it, is closed. ``happened``: the trades that
        are news, and all of them as long as all has never been told.
        """
        if not any(isinstance(one, PositionsTold) for one in snapshot):
            return []
        traded: dict[tuple[str, PositionSide], int] = {}
        for one in happened:
            if isinstance(one, FillTold) and one.time_ms <= asked_ms:
                place = one.symbol, self.orders.position_side(one)
                traded[place] = max(one.time_ms, traded.get(place, 0))
        self._changed.add(HOLDINGS)
        return [*self.holdings.closed(traded, asked_ms)]

    def conclude(self, order: Order, at_ms: int) -> list[AccountEvent]:
        """See ``Orders.conclude``."""
        return [*self.orders.conclude(order, at_ms)]

    @property
    def from_ms(self) -> int | None:
        """From when on something may not have been told; None: nobody has begun."""
        return self.begun_ms if self.since_ms is None else self.since_ms

    def begin(self, at_ms: int) -> None:
        """Where nothing is known, all since then is to be told, however late it can be asked for."""
        if self.from_ms is not None:
            return
        self.begun_ms = at_ms
        self._look_back()
        self._changed.add(BEGUN)

    def was_lost(self) -> None:
        """More was known once: what is held now may all have come since then, if that is all that is known.

        Somebody may have kept what has changed since it was lost, and died before he kept the rest.
        """
        if self._held is None:
            self._held = {}
            self._changed.add(HELD)

    def unlisted(self, held: Mapping[str, Balance], catalog: Catalog) -> frozenset[str]:
        """Assets that have moved, and that no instrument is known of: what was traded cannot be asked for.

        It may just have been listed: the list of instruments is not always the newest.
        """
        before = self._held or {}
        moved = {name for name in before.keys() | held.keys() if before.get(name) != held.get(name)}
        return frozenset(
            moved - {name for each in catalog.values() for name in (each.base, each.quote)}
        )

    def told_until(
        self,
        at_ms: int,
        held: Mapping[str, Balance] | None = None,
        unlisted: frozenset[str] = frozenset(),
    ) -> None:
        """All that happened before then has been told; ``held``: all that led to these holdings too.

        But for assets that are ``unlisted``: for so long as something may come to light, it is asked for.
        """
        if unlisted != self._unlisted:
            self._unlisted = unlisted
            self._changed.add(UNLISTED)
        held = dict(self.holdings.amounts() if held is None else held)
        before = self._held or {}
        if unlisted and self.from_ms is not None and at_ms - self.from_ms <= UNLISTED_MS:
            at_ms = self.from_ms
            held = {name: row for name, row in held.items() if name not in unlisted}
            held |= {name: row for name, row in before.items() if name in unlisted}
        if held != self._held:
            self._held = held
            self._changed.add(HELD)
        if self.begun_ms is not None:
            self._changed.add(BEGUN)
        self.since_ms, self.begun_ms = at_ms, None
        self._look_back()
        self._changed.add(SINCE)
        self.orders.forget(at_ms - REMEMBERED_MS)

    def forget(self, now_ms: int) -> None:
        """What ended long ago is not known any more, even if it should be told again."""
        self.orders.forget(now_ms - KEPT_MS)

    def _look_back(self) -> None:
        self.orders.again_ms = 0 if self.from_ms is None else self.from_ms - OVERLAP_MS

    def changes(self) -> Pieces:
        """What a new owner has to know, as far as it has changed since this was asked."""
        pieces: dict[str, bytes | None] = {}
        for (symbol, order_id), order in self.orders.changes().items():
            pieces[f"{symbol} {order_id}"] = None if order is None else _encode(order)
        if HOLDINGS in self._changed:
            pieces[HOLDINGS] = _encode(self.holdings.kept)
        if SINCE in self._changed:
            pieces[SINCE] = str(self.since_ms).encode()
        if BEGUN in self._changed:
            pieces[BEGUN] = None if self.begun_ms is None else str(self.begun_ms).encode()
        if HELD in self._changed:
            pieces[HELD] = None if self._held is None else _encode(list(self._held.values()))
        if UNLISTED in self._changed:
            pieces[UNLISTED] = _encode(self._unlisted) if self._unlisted else None
        if PAST in self._changed or self.orders.past.changed:
            pieces[PAST] = _encode(self.orders.past.known)
            self.orders.past.changed = False
        self._changed.clear()
        return pieces

    def everything(self) -> Pieces:
        """All that a new owner has to know: Redis has lost it."""
        self.orders.touch()
        self._changed |= {HOLDINGS, HELD, PAST, UNLISTED}
        if self.since_ms is not None:
            self._changed.add(SINCE)
        if self.begun_ms is not None:
            self._changed.add(BEGUN)
        return self.changes()

    def vanished(self, listed: Collection[Told], before: Sequence[Order]) -> list[Order]:
        """Orders that were open ``before`` a snapshot, are open still, and are not ``listed`` in it.

        Those that are listed are not missed any more.
        """
        there = {(one.symbol, one.order_id) for one in listed if isinstance(one, OrderTold)}
        for order in before:
            if order.key in there:
                self.orders.found(order)
        return [order for order in before if not order.is_over and order.key not in there]

    def symbols(
        self, snapshot: Collection[Told], catalog: Catalog, *, entire: bool
    ) -> Sequence[str]:
        """Symbols that something may have happened in unheard, the likeliest first: see ``likeliest``."""
        if self._held is None:
            self._held = dict(self.holdings.amounts())
            self._changed.add(HELD)
        listed = {(one.symbol, one.order_id) for one in snapshot if isinstance(one, OrderTold)}
        known = {order.key for order in self.orders.open}
        traded = (*self.orders.symbols(), *self.orders.past.symbols)
        signs = Signs(
            differing={symbol for symbol, _ in listed ^ known},
            told=self.orders.symbols(0 if entire else self.since_ms or 0),
            traded=list(dict.fromkeys(traded)),
            standing={symbol for symbol, _ in listed | known} | self.holdings.symbols,
            before=self._held,
            after=self.holdings.amounts(),
            new=self._unlisted,
        )
        return likeliest(signs, catalog, entire=entire)
