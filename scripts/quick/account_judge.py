"""What was delivered of accounts against the truth of the exchange. Pure.

The counts, and when each is not zero:

- fillsMissing: a trade of the account never came.
- fillsWrong: one came that never was, twice under two names, or says another price, size, fee, side.
- ordersMissing: an order of which nothing was told.
- ordersUnheard (no fault): such an order without a trade, where the exchange lists orders by symbol only.
- ordersNotTerminal: an order that has ended there, and whose last word here is no end.
- endsWrong: the end is another, or its total or average price is.
- terminalTwice: something follows an end.
- cumulativeFell: a total is below one before it.
- balancesWrong, positionsWrong: the last word on an asset or position is not how it stands.

What comes again under the same ``message_id`` is one message. Amounts are compared as numbers. Where
inverse sizes come in the base asset and not in contracts, the truth's values are what they have to be.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from msgspec import Struct, field

Body = Mapping[str, Any]

TERMINAL = frozenset({"FILLED", "CANCELED", "REJECTED", "EXPIRED"})
# What is counted and is nothing wrong.
NO_FAULTS = frozenset({"accounts", "orders", "fills", "orders_unheard", "repeated", "reasons"})
MOST_REASONS = 5_000


class Told(NamedTuple):
    """One message of an account."""

    message_id: str
    body: Body


class AccountVerdict(Struct, rename="camel"):
    """The counts over all accounts."""

    accounts: int = 0
    orders: int = 0
    fills: int = 0
    fills_missing: int = 0
    fills_wrong: int = 0
    orders_missing: int = 0
    orders_unheard: int = 0
    orders_not_terminal: int = 0
    ends_wrong: int = 0
    terminal_twice: int = 0
    cumulative_fell: int = 0
    balances_wrong: int = 0
    positions_wrong: int = 0
    repeated: int = 0
    reasons: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        """Whether nothing is lost, doubled or wrong."""
        return not any(
            getattr(self, name) for name in self.__struct_fields__ if name not in NO_FAULTS
        )

    def blame(self, name: str, reason: str) -> None:
        """Count something, and say what."""
        setattr(self, name, getattr(self, name) + 1)
        if len(self.reasons) < MOST_REASONS:
            self.reasons.append(f"{name}: {reason}")


def judge_account(
    verdict: AccountVerdict,
    told: Sequence[Told],
    truth: Body,
    market: str,
    *,
    fees: bool = True,
    lists_all: bool = True,
) -> None:
    """Add one account's market to the verdict.

    Args:
        verdict: that of all accounts so far.
        market: which of the account's.
        fees: every trade has to come with its fee; where the exchange does not stream them, one that
            has none is not wrong.
        lists_all: the exchange lists the orders of all symbols at once.
        told: all its messages, in the order they came.
        truth: what ``/truth/accounts`` says of it.
    """
    once: dict[str, Body] = {}
    for one in told:
        verdict.repeated += one.message_id in once
        once.setdefault(one.message_id, one.body)
    judge = _Judge(verdict, list(once.values()), truth, market, fees=fees, lists_all=lists_all)
    judge.judge()


class _Judge:
    def __init__(
        self,
        verdict: AccountVerdict,
        bodies: Sequence[Body],
        truth: Body,
        market: str,
        *,
        fees: bool,
        lists_all: bool,
    ) -> None:
        self._lists_all = lists_all
        self._fees = fees
        self._verdict = verdict
        self._bodies = bodies
        self._market = market
        self._truth = truth
        self._name = truth["account"]
        counted = any({"contracts", "cumulativeContracts"} & body.keys() for body in bodies)
        self._sized = "contracts" if market == "inverse" and counted else "quantity"
        # Where contracts are not counted, what they are worth is their size in the base asset.
        self._by_value = market == "inverse" and not counted

    def judge(self) -> None:
        self._verdict.accounts += 1
        self._judge_orders()
        self._judge_fills()
        self._judge_balances()
        self._judge_positions()

    def _of(self, kind: str) -> list[Body]:
        return [body for body in self._bodies if body["eventType"] == kind]

    def _blame(self, name: str, reason: str) -> None:
        self._verdict.blame(name, f"{self._name} {self._market}: {reason}")

    # --- orders -------------------------------------------------------------------------------

    def _judge_orders(self) -> None:
        paths: dict[str, list[Body]] = defaultdict(list)
        for body in self._of("executionReport"):
            paths[body["orderId"]].append(body)
        for order in self._truth["orders"]:
            if order["market"] != self._market:
                continue
            self._verdict.orders += 1
            path = paths.pop(order["orderId"], [])
            if path:
                self._judge_path(order, path)
            elif not self._lists_all and not Decimal(order["cumulative"]):
                self._verdict.orders_unheard += 1
            elif order["status"] != "REJECTED":
                self._blame("orders_missing", f"order {order['orderId']} ({order['status']})")
        for order_id in paths:
            self._blame("ends_wrong", f"order {order_id} never was")

    def _judge_path(self, order: Body, path: Sequence[Body]) -> None:
        name = f"order {order['orderId']}"
        total = Decimal(0)
        for before, report in zip([None, *path], path, strict=False):
            if before is not None and before["orderStatus"] in TERMINAL:
                words = f"{report['orderStatus']} after {before['orderStatus']}"
                self._blame("terminal_twice", f"{name}: {words}")
            now = self._total(report)
            if now is not None and now < total:
                self._blame("cumulative_fell", f"{name}: {total}, then {now}")
            total = total if now is None else now
        last = path[-1]
        if order["status"] not in TERMINAL:
            return
        if last["orderStatus"] not in TERMINAL:
            words = f"{last['orderStatus']}, and is {order['status']}"
            self._blame("orders_not_terminal", f"{name}: {words}")
            return
        cumulative = order["value" if self._by_value else "cumulative"]
        if last["orderStatus"] != order["status"] or total != Decimal(cumulative):
            words = f"{last['orderStatus']} {total}, and is {order['status']} {cumulative}"
            self._blame("ends_wrong", f"{name}: {words}")

    def _total(self, report: Body) -> Decimal | None:
        name = "cumulativeContracts" if self._sized == "contracts" else "totalTradeQuantity"
        return Decimal(report[name]) if name in report else None

    # --- fills --------------------------------------------------------------------------------

    def _judge_fills(self) -> None:
        told = {(body["orderId"], body["tradeId"]): body for body in self._of("fill")}
        if len(told) < len(self._of("fill")):
            self._blame("fills_wrong", "a trade came under two names")
        ids = {
            order["order"]: order["orderId"]
            for order in self._truth["orders"]
            if order["market"] == self._market
        }
        for fill in self._truth["fills"]:
            if fill["market"] != self._market:
                continue
            self._verdict.fills += 1
            body = told.pop((ids[fill["order"]], fill["tradeId"]), None)
            if body is None:
                self._blame("fills_missing", f"trade {fill['tradeId']} of {ids[fill['order']]}")
            elif wrong := self._differs(fill, body):
                self._blame("fills_wrong", f"trade {fill['tradeId']}: {wrong}")
        for order_id, trade_id in told:
            self._blame("fills_wrong", f"trade {trade_id} of {order_id} never was")

    def _differs(self, fill: Body, body: Body) -> str:
        size = "value" if self._by_value else "quantity"
        pairs = [("price", "price"), (size, self._sized), ("fee", "fee")]
        for there, here in pairs:
            if here == "fee" and here not in body and not self._fees:
                continue
            if here not in body:
                return f"no {here}"
            if Decimal(body[here]) != Decimal(fill[there]):
                return f"{here} {body[here]}, and is {fill[there]}"
        if body["side"] != fill["side"]:
            return f"side {body['side']}"
        if body.get("feeAsset", fill["feeAsset"]) != fill["feeAsset"]:
            return f"fee in {body.get('feeAsset')}"
        if body.get("maker", fill["maker"]) != fill["maker"]:
            return f"maker {body.get('maker')}"
        return ""

    # --- holdings -----------------------------------------------------------------------------

    def _judge_balances(self) -> None:
        last: dict[str, dict[str, str]] = defaultdict(dict)
        for body in self._of("outboundAccountPosition"):
            if body["whole"]:
                last.clear()
            for row in body["balances"]:
                # A word on the total alone says nothing of the parts any more.
                last[row["asset"]] = {n: row[n] for n in ("free", "locked", "total") if n in row}
        # A market has a wallet of its name, or shares one with others.
        balances = self._truth["balances"]
        own = [balance for balance in balances if balance["wallet"] == self._market]
        # What spot orders leave free of a shared wallet, contracts may hold: exchanges differ on that.
        names = ("free", "total") if own or self._market != "spot" else ("total",)
        for balance in own or balances:
            said = last.get(balance["asset"], {"free": "0", "total": "0"})
            for name, amount in said.items():
                if name in names and Decimal(amount) != Decimal(balance[name]):
                    words = f"{balance['asset']} {name} {amount}, and is {balance[name]}"
                    self._blame("balances_wrong", words)
                    break

    def _judge_positions(self) -> None:
        last: dict[tuple[str, str], Body] = {}
        for body in self._of("positionUpdate"):
            last[body["symbol"], body["positionSide"]] = body
        for position in self._truth["positions"]:
            if position["market"] != self._market:
                continue
            update = last.get((position["symbol"], position["side"]))
            said = Decimal(0) if update is None else _size(update, self._sized)
            size = Decimal(position["value" if self._by_value else "size"])
            if abs(said) != abs(size):
                self._blame("positions_wrong", f"{position['symbol']} {said}, and is {size}")


def _size(body: Body, name: str) -> Decimal:
    return Decimal(body.get(name) or body.get("quantity") or "0")
