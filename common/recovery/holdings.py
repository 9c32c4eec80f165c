"""What an account holds, folded: balances and positions as frames and snapshots tell them. Pure.

The newest word on each asset and each position goes out once; what is older, or says nothing new, does
not. A snapshot also says what is not there: a balance or position that it does not name is none any
more.
"""

from __future__ import annotations

from collections.abc import Mapping
from zlib import crc32

import msgspec
from msgspec import UNSET, Struct

from common.exchanges.told import BalancesTold, DeltaTold, Position, PositionsTold
from common.model.account import (
    AccountPosition,
    Balance,
    BalanceUpdate,
    PositionSide,
    PositionUpdate,
)
from common.recovery.reports import Account
from common.recovery.standing import AMOUNTS, STANDS, differs, is_none, is_open

HoldingsEvent = AccountPosition | BalanceUpdate | PositionUpdate

# Deltas that are remembered, so that one that is told again is not said again.
MOST_DELTAS = 200

_encode = msgspec.json.Encoder().encode


class KeptBalance(Struct, frozen=True):
    """The newest word on an asset; ``said``: how many others of that time went out before it.

    ``named_ms``: the time by which it was named, the exchange's own of a snapshot's.
    """

    balance: Balance
    time_ms: int
    named_ms: int = 0
    said: int = 0


class KeptPosition(Struct, frozen=True):
    """The newest word on a position; ``said``, ``named_ms``: see ``KeptBalance``."""

    position: Position
    time_ms: int
    said: int = 0
    named_ms: int = 0


class Kept(Struct, frozen=True):
    """What a new owner has to know.

    ``entire``: as of when all balances were said last, and how often they were before.
    """

    balances: tuple[KeptBalance, ...] = ()
    positions: tuple[KeptPosition, ...] = ()
    entire: tuple[int, int] = (0, 0)


class Holdings:
    """Balances and positions of one account.

    Args:
        account: whose.
        kept: what an owner before has left.
    """

    def __init__(self, account: Account, kept: Kept | None = None) -> None:
        self._account = account
        kept = kept or Kept()
        self._balances = {each.balance.asset: each for each in kept.balances}
        self._positions = {_key(each.position): each for each in kept.positions}
        self._deltas: dict[str, None] = {}
        self._entire = kept.entire

    @property
    def kept(self) -> Kept:
        """What there is: an asset or position that is none need not be known."""
        return Kept(
            tuple(each for each in self._balances.values() if not is_none(each.balance)),
            tuple(each for each in self._positions.values() if is_open(each.position)),
            self._entire,
        )

    @property
    def symbols(self) -> frozenset[str]:
        """Of the positions that are open."""
        return frozenset(each.position.symbol for each in self.kept.positions)

    def amounts(self) -> Mapping[str, Balance]:
        """The newest word on every asset there is any of."""
        return {each.balance.asset: each.balance for each in self.kept.balances}

    def take(
        self, told: BalancesTold | DeltaTold | PositionsTold, at_ms: int, *, entire: bool = False
    ) -> list[HoldingsEvent]:
        """What goes out.

        Args:
            told: a frame's, or a snapshot's (``whole``).
            at_ms: of a snapshot, the exchange's time when it was asked for; 0: it came unasked.
            entire: say all of a snapshot, changed or not (after a connect).
        """
        match told:
            case BalancesTold():
                return self._take_balances(told, at_ms, entire=entire)
            case PositionsTold():
                return self._take_positions(told, at_ms, entire=entire)
            case DeltaTold():
                return self._take_delta(told)

    # --- balances -----------------------------------------------------------------------------

    def _take_balances(
        self, told: BalancesTold, at_ms: int, *, entire: bool
    ) -> list[HoldingsEvent]:
        time_ms = _as_of(told, at_ms)
        named_ms = told.time_ms or time_ms
        rows = list(told.balances)
        if told.whole:
            named = {row.asset for row in rows}
            gone = (asset for asset in self.amounts() if asset not in named)
            rows += [Balance(asset, "0", "0", "0") for asset in gone]
        changed = []
        for row in rows:
            kept = self._balances.get(row.asset)
            if kept is not None and kept.time_ms > time_ms:
                continue
            if kept is None:
                # A snapshot may list every asset there is.
                says = not (told.whole and is_none(row))
            else:
                says = differs(kept.balance, row, AMOUNTS)
            before = kept.said if kept is not None and kept.named_ms == named_ms else -1
            said = before + 1 if says else max(before, 0)
            self._balances[row.asset] = KeptBalance(row, time_ms, named_ms, said)
            if says:
                changed.append(row)
        if entire and told.whole:
            everything = tuple(self.amounts().values())
            as_of_ms, times = self._entire
            self._entire = named_ms, times + 1 if as_of_ms == named_ms else 0
            return [self._balances_event(everything, "all", named_ms)]
        if not changed:
            return []
        # A snapshot may be ahead of frames that are heard after it: see ``_position_event``.
        word = "found" if told.whole else "some"
        return [self._balances_event(tuple(changed), word, named_ms)]

    def _balances_event(
        self, rows: tuple[Balance, ...], word: str, updated_ms: int
    ) -> AccountPosition:
        """Balances that in one millisecond come back to what they were are another event.

        So are all of them after another connect, though the exchange names the time of their last change.
        """
        body = crc32(_encode(rows))
        named = self._balances if word == "all" else {row.asset for row in rows}
        kept = (self._balances[asset] for asset in named)
        said = sum(each.said for each in kept if each.named_ms == updated_ms)
        _, times = self._entire
        return AccountPosition(
            exchange=self._account.exchange,
            market=self._account.market,
            account_id=self._account.account_id,
            event_ms=updated_ms,
            balances=rows,
            whole=word == "all",
            updated_ms=updated_ms,
            message_id=f"balances:{self._prefix}:{word}:{updated_ms}:{body:08x}"
            + (f":{said}" if said else "")
            + (f":again{times}" if word == "all" and times else ""),
        )

    def _take_delta(self, told: DeltaTold) -> list[HoldingsEvent]:
        name = f"delta:{self._prefix}:{told.asset}:{told.time_ms}:{told.delta}"
        if name in self._deltas:
            return []
        self._deltas[name] = None
        if len(self._deltas) > MOST_DELTAS:
            del self._deltas[next(iter(self._deltas))]
        event = BalanceUpdate(
            exchange=self._account.exchange,
            market=self._account.market,
            account_id=self._account.account_id,
            event_ms=told.time_ms,
            asset=told.asset,
            delta=told.delta,
            cleared_ms=told.cleared_ms,
            message_id=name,
        )
        return [event]

    # --- positions ----------------------------------------------------------------------------

    def _take_positions(
        self, told: PositionsTold, at_ms: int, *, entire: bool
    ) -> list[HoldingsEvent]:
        time_ms = _as_of(told, at_ms)
        named_ms = told.time_ms or time_ms
        rows = list(told.positions)
        named = {_key(row) for row in rows}
        if told.whole:
            rows += [
                _closed(kept.position)
                for key, kept in self._positions.items()
                if key not in named and is_open(kept.position)
            ]
        out: list[HoldingsEvent] = []
        for row in rows:
            kept = self._positions.get(_key(row))
            if kept is not None and kept.time_ms > time_ms:
                continue
            if kept is None:
                says = is_open(row)
            elif told.whole:
                says = differs(kept.position, row, STANDS)
            else:
                says = kept.position != row
            before = kept.said if kept is not None and kept.named_ms == named_ms else -1
            said = before + 1 if says or entire else max(before, 0)
            self._positions[_key(row)] = KeptPosition(row, time_ms, said, named_ms)
            if says or entire:
                gone_ms = kept.time_ms if kept is not None and _key(row) not in named else None
                out.append(self._position_event(row, told, time_ms, said, gone_ms))
        return out

    def closed(
        self, traded: Mapping[tuple[str, PositionSide], int], at_ms: int
    ) -> list[HoldingsEvent]:
        """Positions that were traded, and are none that anybody has told of: they are closed.

        Args:
            traded: when each was traded last, by symbol and side.
            at_ms: the exchange's time when a snapshot was asked for that does not name them.
        """
        known = {(symbol, side) for symbol, side, _ in self._positions}
        out: list[HoldingsEvent] = []
        for (symbol, side), traded_ms in traded.items():
            alike = ("LONG", "SHORT", "BOTH") if side == "BOTH" else (side, "BOTH")
            if any((symbol, one) in known for one in alike):
                continue
            row = Position(symbol=symbol, position_side=side, quantity="0")
            told = PositionsTold(positions=(row,), time_ms=0, whole=True)
            self._positions[_key(row)] = KeptPosition(row, at_ms, named_ms=at_ms)
            out.append(self._position_event(row, told, at_ms, 0, traded_ms))
        return out

    def _position_event(
        self, row: Position, told: PositionsTold, time_ms: int, said: int, gone_ms: int | None
    ) -> PositionUpdate:
        """A position that in one millisecond comes back to what it was is another event.

        ``gone_ms``: of one that is not named any more, as of when it was known, or traded. It is that
        which has ended: the snapshot's own time is another position's, and may be the same the next time.
        """
        event_ms = (told.time_ms or time_ms) if gone_ms is None else time_ms
        named_ms = event_ms if gone_ms is None else gone_ms
        # A snapshot may be ahead of frames that are heard after it: the last of those says what it
        # said already, and must not be taken for it.
        word = "all" if told.whole else "some"
        fields = {name: getattr(row, name) for name in Position.__struct_fields__}
        body = crc32(_encode(row))
        place = ":".join((self._prefix, *filter(None, _key(row))))
        return PositionUpdate(
            exchange=self._account.exchange,
            market=self._account.market,
            account_id=self._account.account_id,
            event_ms=event_ms,
            message_id=f"position:{place}:{word}:{named_ms}:{body:08x}"
            + (f":{said}" if said else ""),
            **fields,
        )

    @property
    def _prefix(self) -> str:
        account = self._account
        return f"{account.exchange}:{account.market}:{account.account_id}"


def _key(position: Position) -> tuple[str, PositionSide, str]:
    name = position.position_id
    return position.symbol, position.position_side, "" if name is UNSET else name


def _closed(position: Position) -> Position:
    return Position(
        symbol=position.symbol,
        position_side=position.position_side,
        position_id=position.position_id,
        quantity="0",
    )


def _as_of(told: BalancesTold | PositionsTold, at_ms: int) -> int:
    """What was asked for was so at the earliest when it was asked; what came unasked has its own time."""
    return at_ms if told.whole and at_ms else told.time_ms
