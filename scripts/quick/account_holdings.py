"""The last word on what an account holds against the truth, from both sides. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal

from scripts.quick.account_case import Case
from scripts.quick.account_verdict import Body

ZERO = Decimal(0)
NOTHING = {"free": "0", "locked": "0", "total": "0"}


def judge_holdings(case: Case, bodies: Sequence[Body]) -> None:
    """``bodies``: those that no newer owner of the account has spoken before."""
    _judge_balances(case, [one for one in bodies if one["eventType"] == "outboundAccountPosition"])
    _judge_positions(case, [one for one in bodies if one["eventType"] == "positionUpdate"])


def _judge_balances(case: Case, bodies: Sequence[Body]) -> None:
    last: dict[str, Body] = defaultdict(dict)
    for body in bodies:
        if body["whole"]:
            last.clear()
        for row in body["balances"]:
            # A word on the total alone says nothing of the parts any more.
            last[row["asset"]] = {name: row[name] for name in NOTHING if name in row}
    # A market has a wallet of its name, or shares one with others.
    rows = case.truth["balances"]
    own = [row for row in rows if row["wallet"] == case.market]
    # What spot orders leave free of a shared wallet, contracts may hold, and what is called locked of it
    # may be what spot orders hold alone: exchanges differ on that.
    shared = ("total",) if case.market == "spot" else ("free", "total")
    names = tuple(NOTHING) if own else shared
    true = {row["asset"]: row for row in own or rows}
    for asset in sorted(true.keys() | last.keys()):
        said, is_ = last.get(asset, NOTHING), true.get(asset, NOTHING)
        for name in names:
            if name in said and Decimal(said[name]) != Decimal(is_.get(name, said[name])):
                case.blame("balances_wrong", f"{asset} {name} {said[name]}, and is {is_[name]}")
                break


def _judge_positions(case: Case, bodies: Sequence[Body]) -> None:
    said = {(one["symbol"], one["positionSide"]): _size(one, case.sized) for one in bodies}
    sized = "value" if case.by_value else "size"
    true = {
        (row["symbol"], row["side"]): Decimal(row[sized]).copy_sign(Decimal(row["size"]))
        for row in case.truth["positions"]
        if row["market"] == case.market
    }
    for symbol, side in sorted(true.keys() | said.keys()):
        told, size = said.get((symbol, side), ZERO), true.get((symbol, side), ZERO)
        # A side of its own says by its name which way it goes.
        if told != size if side == "BOTH" else abs(told) != abs(size):
            case.blame("positions_wrong", f"{symbol} {side} {told}, and is {size}")


def _size(body: Body, name: str) -> Decimal:
    return Decimal(body.get(name) or body.get("quantity") or "0")
