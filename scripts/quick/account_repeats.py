"""What came again under the same ``message_id`` against what was said before. Pure.

Whoever tells something again (by REST, after its owner died or Redis lost what was known) may know less or
more of it than who told it first: some fields may be missing or come to it, and no others. What is there
both times is the same: ``docs/account-events.md``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from scripts.quick.account_case import RELATIVE, UNIT
from scripts.quick.account_verdict import Body
from scripts.quick.compare import difference

# The fields that not everybody knows who tells of it.
KNOWN_TO_SOME: Mapping[str, frozenset[str]] = {
    "executionReport": frozenset({
        "rawStatus", "orderTime", "reason", "creationTime", "originalClientOrderId", "timeInForce",
        "reduceOnly", "liquidation", "averagePrice", "totalQuoteTradeQuantity",
    }),
    "fill": frozenset({"fee", "feeAsset", "quoteQuantity", "realizedPnl", "liquidation"}),
}  # fmt: skip
TIMES = frozenset({"eventTime", "orderTime"})
# Of an order without a limit, which may be asked for by its worth.
SIZES = frozenset({"quantity", "contracts"})
# Of a liquidation, whose type some call by that name.
TYPE = frozenset({"orderType"})


def judge_repeat(known: Body, again: Body, *, dated: bool = True) -> tuple[str, bool]:
    """What is wrong with a copy, if anything, and whether it says less; ``known``: of all before it.

    ``dated``: everybody who tells of an order knows when it changed.
    """
    optional = KNOWN_TO_SOME.get(known["eventType"], frozenset())
    if known["eventType"] == "executionReport":
        optional |= SIZES if "price" not in known else frozenset()
        optional |= TYPE if known.get("liquidation") else frozenset()
    gone, more = known.keys() - again.keys(), again.keys() - known.keys()
    wrong = [f"no {name}" for name in sorted(gone - optional)]
    wrong += [f"{name} {again[name]!r} as well" for name in sorted(more - optional)]
    undated = () if dated or known["eventType"] != "executionReport" else TIMES
    shared = [
        name
        for name in again
        if name in known and name not in undated and not _agrees(name, known, again)
    ]
    if other := difference(_only(shared, again), _only(shared, known)):
        wrong.append(other)
    return ", ".join(wrong), bool(gone & optional)


def known_of(known: Body, again: Body) -> Body:
    """What is known with another copy."""
    both = {**again, **known}
    if "creationTime" in again.keys() - known.keys():
        both["eventTime"] = again["eventTime"]
    return both


def _agrees(name: str, known: Body, again: Body) -> bool:
    """Whether it is the same, or need not be."""
    if name == "averagePrice":
        before, after = Decimal(known[name]), Decimal(again[name])
        return abs(before - after) <= UNIT + RELATIVE * before
    if name == "eventTime":
        return _is_found(known, again)
    return False


def _is_found(known: Body, again: Body) -> bool:
    """Whether nobody has told when it happened: it has the time at which it was noticed."""
    if known["eventType"] == "positionUpdate":
        return not any(Decimal(known.get(name, "0")) for name in SIZES)
    created = known.get("creationTime"), again.get("creationTime")
    return known.get("orderStatus") == "NEW" and None in created


def _only(names: Sequence[str], body: Body) -> Body:
    return {name: body[name] for name in names}
