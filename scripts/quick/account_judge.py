"""What was delivered of accounts against the truth of the exchange. Pure.

The counts, and when each is not zero:

- fillsMissing: a trade of the account never came.
- fillsWrong: one came that never was, twice under two names, or says another price, size, fee, side, …
- ordersMissing: an order of which nothing was told.
- ordersBySymbol (no fault): orders without a trade, where the exchange lists orders by symbol only.
- ordersUnheard (no fault): one of these of which nothing was told, where something was done to
  whoever should have heard of it while it was there.
- ordersNotTerminal: an order that has ended there, and whose last word here is no end.
- ordersWrong: a report says another side, symbol, price, quantity, client id.
- pathsWrong: not NEW and one report for every fill, each once; or a report before the fill that it counts.
- endsWrong: the end is another, or its total is; it has none yet; it was inferred while the order lived.
- terminalTwice: something follows an end.
- cumulativeFell: a total is below one before it.
- averagesWrong: a report's average price, or what all was worth, is not that of the fills it counts.
- balancesWrong, positionsWrong: the last word on an asset or position, of the newest owner that has
  spoken, is not how it stands, or there is none. Of a position that has no side of its own, the sign counts.
- misaddressed: a message of another exchange or market.
- toldOtherwise: what came again under the same ``message_id`` says something else, or has other fields.
- toldLess (no fault): it leaves out what not everybody knows who tells of it (``account_repeats``).
- repeatedUnexplained: it came again, and nothing has happened that explains it.

What comes again under the same ``message_id`` is one message. Amounts are compared as numbers, and what an
exchange does not tell is not asked for. Where inverse sizes come in the base asset and not in contracts,
the truth's values are what they have to be.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from scripts.quick.account_case import Case
from scripts.quick.account_fills import judge_fills
from scripts.quick.account_holdings import judge_holdings
from scripts.quick.account_orders import Stretches, judge_orders
from scripts.quick.account_repeats import judge_repeat, known_of
from scripts.quick.account_verdict import AccountVerdict, Body, Told

# Whether there is a reason for which a message came again, given its earlier copies.
Explains = Callable[[Sequence[Told], Told], bool]

# The exchange's time is measured: as good as a slow answer lets it be.
EARLY_MS = 2_000.0


def nothing_has_happened(_before: Sequence[Told], _again: Told) -> bool:
    """Nothing explains that anything comes again."""
    return False


def judge_account(
    verdict: AccountVerdict,
    told: Sequence[Told],
    truth: Body,
    market: str,
    *,
    fees: bool = True,
    lists_all: bool = True,
    dated: bool = True,
    disturbed: Stretches = (),
    early_ms: float = EARLY_MS,
    explains: Explains = nothing_has_happened,
) -> None:
    """Add one account's market to the verdict.

    Args:
        verdict: that of all accounts so far.
        told: all its messages, in the order they came.
        truth: what ``/truth/accounts`` says of it.
        market: which of the account's.
        fees: every trade has to come with its fee; where the exchange does not stream them, one that
            has none is not wrong.
        lists_all: the exchange lists the orders of all symbols at once.
        dated: the exchange tells by REST when an order changed.
        disturbed: when the account may not have been heard, by the exchange's time.
        early_ms: an end may be inferred so long before its time.
        explains: why a message came again.
    """
    verdict.accounts += 1
    firsts: dict[str, list[Told]] = {}
    for one in told:
        firsts.setdefault(one.message_id, []).append(one)
    once = [copies[0] for copies in firsts.values()]
    case = Case(verdict, [one.body for one in once], truth, market)
    for copies in firsts.values():
        _judge_repeats(case, copies, explains, dated=dated)
    for one in once:
        _judge_address(case, one)
    judge_orders(case, lists_all=lists_all, disturbed=disturbed, early_ms=early_ms)
    judge_fills(case, fees=fees)
    judge_holdings(case, _of_newest(once))


def _judge_repeats(case: Case, copies: Sequence[Told], explains: Explains, *, dated: bool) -> None:
    known: Body = copies[0].body
    for nth, again in enumerate(copies[1:], start=1):
        case.verdict.repeated += 1
        wrong, is_less = judge_repeat(known, again.body, dated=dated)
        if wrong:
            case.blame("told_otherwise", f"{again.message_id}: {wrong}")
        case.verdict.told_less += is_less
        if not explains(copies[:nth], again):
            case.blame("repeated_unexplained", again.message_id)
        known = known_of(known, again.body)


def _judge_address(case: Case, one: Told) -> None:
    owed = {"exchange": case.truth.get("exchange"), "market": case.market}
    for name, value in owed.items():
        if value is not None and one.body.get(name, value) != value:
            case.blame("misaddressed", f"{one.message_id}: {name} {one.body[name]}")


def _of_newest(told: Sequence[Told]) -> list[Body]:
    """What came of an owner after a newer one has spoken is not the last word on anything."""
    newest, bodies = 0, []
    for one in told:
        if one.epoch >= newest:
            newest = one.epoch
            bodies.append(one.body)
    return bodies
