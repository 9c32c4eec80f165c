"""The orders of one account against the truth: the path of each, its end, its terms and averages. Pure.

The true path follows from the fills: NEW, PARTIALLY_FILLED with what is filled after each of them, and the
end. Fills of the same millisecond have no order of their own: they are expected as they were told.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from scripts.quick.account_case import RELATIVE, UNIT, Case, differences
from scripts.quick.account_verdict import TERMINAL, Body

# From when to when, by the exchange's time.
Stretches = Sequence[tuple[float, float]]

ZERO = Decimal(0)
# What a request to cancel is answered with; it changes nothing.
BETWEEN = frozenset({"PENDING_CANCEL"})
TERMS = (
    ("symbol", "symbol"),
    ("side", "side"),
    ("newClientOrderId", "clientOrderId"),
    ("positionSide", "positionSide"),
    ("liquidation", "liquidation"),
    ("price", "price"),
)
# What every exchange tells of every order that has it.
OWED = (("side", "side"), ("newClientOrderId", "clientOrderId"), ("price", "price"))
AMOUNTS = frozenset({"price", "quantity", "contracts"})


class Reached(NamedTuple):
    """How far an order has come after a fill: how much is filled, and what for.

    ``average_within``, ``quote_within``: as much as the rounding of their parts may have moved them.
    """

    total: Decimal
    average: Decimal
    average_within: Decimal
    quote: Decimal
    quote_within: Decimal


def judge_orders(case: Case, *, lists_all: bool, disturbed: Stretches, early_ms: float) -> None:
    """All of a case's orders.

    Args:
        case: one market of an account.
        lists_all: the exchange lists the orders of all symbols at once.
        disturbed: where it does not, an order without a fill that lived then may never be found.
        early_ms: an end may be inferred so long before its time, as clocks are only measured.
    """
    told: dict[str, list[Body]] = defaultdict(list)
    for body in case.bodies:
        if body["eventType"] in ("executionReport", "fill"):
            told[body["orderId"]].append(body)
    fills: dict[int, list[Body]] = defaultdict(list)
    for fill in case.fills:
        fills[fill["order"]].append(fill)
    for order in case.orders:
        case.verdict.orders += 1
        hidden = not lists_all and not Decimal(order["cumulative"])
        case.verdict.orders_by_symbol += hidden
        words = told.pop(order["orderId"], [])
        if any(body["eventType"] == "executionReport" for body in words):
            _Path(case, order, words, fills[order["order"]]).judge(early_ms)
        elif hidden and _was(order, disturbed):
            case.verdict.orders_unheard += 1
        else:
            case.blame("orders_missing", f"order {order['orderId']} ({order['status']})")
    for order_id, words in told.items():
        if any(body["eventType"] == "executionReport" for body in words):
            case.blame("ends_wrong", f"order {order_id} never was")


def _was(order: Body, stretches: Stretches) -> bool:
    """Whether it lived in one of these stretches."""
    if "createdMs" not in order:
        return False
    return any(at <= order["updatedMs"] and order["createdMs"] <= to for at, to in stretches)


class _Path:
    """One order."""

    def __init__(
        self, case: Case, order: Body, words: Sequence[Body], fills: Sequence[Body]
    ) -> None:
        self._case, self._order, self._words = case, order, words
        self._reports = [body for body in words if body["eventType"] == "executionReport"]
        self._name = f"order {order['orderId']}"
        told = [body["tradeId"] for body in words if body["eventType"] == "fill"]
        self._fills = _in_order(fills, told)
        self._reached = list(self._reach())

    def judge(self, early_ms: float) -> None:
        self._judge_steps()
        self._judge_counted()
        self._judge_end()
        self._judge_inferred(early_ms)
        for report in self._reports:
            self._judge_terms(report)
            self._judge_average(report)

    def _blame(self, name: str, reason: str) -> None:
        self._case.blame(name, f"{self._name}: {reason}")

    # --- the path -----------------------------------------------------------------------------

    def _reach(self) -> Sequence[Reached]:
        inverse, reached = self._case.market == "inverse", []
        total = counted = base = quote = rounding = ZERO
        for fill in self._fills:
            price, quantity = Decimal(fill["price"]), Decimal(fill["quantity"])
            total += self._case.size(fill)
            # Of contracts, so much a price: their size in the quote asset cancels out of an average.
            counted += quantity if inverse else price * quantity
            base += quantity / price if inverse else quantity
            worth = Decimal(fill["value"]) * price if inverse else price * quantity
            quote += worth
            rounding += UNIT * (price if inverse else 1)
            average = counted / base
            near = UNIT + RELATIVE * average + (ZERO if inverse else rounding / base)
            reached.append(Reached(total, average, near, quote, rounding + RELATIVE * quote))
        return reached

    def _judge_steps(self) -> None:
        """Every step on the way is told once."""
        told = [
            (report["orderStatus"], _number(report.get(self._case.total)))
            for report in self._reports
            if report["orderStatus"] not in TERMINAL | BETWEEN
        ]
        owed = [("NEW", ZERO)]
        owed += [("PARTIALLY_FILLED", one.total) for one in self._reached]
        if self._order["status"] == "FILLED":
            owed = owed[:-1]
        # One that never was need not have been.
        if told != owed and not (self._order["status"] == "REJECTED" and not told):
            self._blame("paths_wrong", f"{_steps(told)}; owed {_steps(owed)}")

    def _judge_counted(self) -> None:
        """A fill is told before, or with, the report that counts it."""
        sizes = {fill["tradeId"]: self._case.size(fill) for fill in self._fills}
        counted = ZERO
        for body in self._words:
            if body["eventType"] == "fill":
                counted += sizes.pop(body["tradeId"], ZERO)
            elif (total := _number(body.get(self._case.total))) > counted:
                self._blame("paths_wrong", f"{total} was reported when fills told of {counted}")
                return

    def _judge_end(self) -> None:
        total, before = ZERO, None
        for report in self._reports:
            if before in TERMINAL:
                self._blame("terminal_twice", f"{report['orderStatus']} after {before}")
            now = _number(report[self._case.total]) if self._case.total in report else total
            if now < total:
                self._blame("cumulative_fell", f"{total}, then {now}")
            total, before = now, report["orderStatus"]
        status = self._order["status"]
        owed = Decimal(self._order["value" if self._case.by_value else "cumulative"])
        if status in TERMINAL and before not in TERMINAL:
            self._blame("orders_not_terminal", f"{before}, and is {status}")
        elif (before in TERMINAL or status in TERMINAL) and (before, total) != (status, owed):
            self._blame("ends_wrong", f"{before} {total}, and is {status} {owed}")

    def _judge_inferred(self, early_ms: float) -> None:
        """An end that was concluded: not while the order lived on."""
        for report in self._reports:
            if not report.get("inferred") or self._order["status"] not in TERMINAL:
                continue
            at_ms, ended_ms = report["eventTime"], self._order["updatedMs"]
            if report["orderStatus"] in TERMINAL and at_ms < ended_ms - early_ms:
                words = f"{report['orderStatus']} inferred {ended_ms - at_ms} ms before its end"
                self._blame("ends_wrong", words)

    # --- what each report says ----------------------------------------------------------------

    def _judge_terms(self, report: Body) -> None:
        order, sized = self._order, self._case.sized
        asked = () if self._case.by_value else ((sized, "quantity"),)
        wrong = differences(report, order, (*TERMS, *asked), AMOUNTS)
        wrong += [f"no {here}" for here, there in OWED if order.get(there) and here not in report]
        # A market order may be asked for in the quote asset.
        if order.get("price") and sized not in report:
            wrong.append(f"no {sized}")
        if wrong:
            self._blame("orders_wrong", f"{report['orderStatus']}: {'; '.join(wrong)}")

    def _judge_average(self, report: Body) -> None:
        total = _number(report.get(self._case.total))
        true = next((one for one in self._reached if one.total == total), None)
        if true is None:
            return
        average, quote = report.get("averagePrice"), report.get("totalQuoteTradeQuantity")
        if average is not None and abs(Decimal(average) - true.average) > true.average_within:
            words = f"average {average} at {total}, and is {true.average:.8f}"
            self._blame("averages_wrong", words)
        if quote is not None and abs(Decimal(quote) - true.quote) > true.quote_within:
            self._blame("averages_wrong", f"quote {quote} at {total}, and is {true.quote:.8f}")


def _in_order(fills: Sequence[Body], told: Sequence[str]) -> Sequence[Body]:
    """By time; those of the same time as they were told."""
    places: Mapping[str, int] = {
        trade_id: place for place, trade_id in reversed([*enumerate(told)])
    }
    return sorted(
        fills,
        key=lambda fill: (fill.get("timeMs", 0), places.get(fill["tradeId"], len(told))),
    )


def _number(amount: Any) -> Decimal:
    return ZERO if amount is None else Decimal(amount)


def _steps(steps: Sequence[tuple[str, Decimal]]) -> str:
    return ", ".join(f"{status} {total}" for status, total in steps) or "nothing"
