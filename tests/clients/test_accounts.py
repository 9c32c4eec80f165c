"""What ccxt hears and reads of an account is what our events say of it, on every exchange and market.

ccxt.pro and a user worker have the same simulated account. Its last word on every order, and all
fees, must be ours; where ccxt is known to say otherwise is below, and has to be seen.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from common.exchanges.registry import PRIVATE
from common.model.streams import MARKETS, Market
from tests.clients.program import Program, program
from tests.support.trader import Trader, symbol_of
from tests.workers.accounts import Accounts, accounts
from tests.workers.test_user_exchanges import MODES, SERVED, disagreement

pytestmark = [pytest.mark.clients, pytest.mark.engines, pytest.mark.timeout(600)]

PAGE = Path(__file__).parents[2] / "docs" / "exchanges.md"
STATUSES = {
    "NEW": "open",
    "PARTIALLY_FILLED": "open",
    "FILLED": "closed",
    "CANCELED": "canceled",
    "EXPIRED": "expired",
}
# What is not heard but only read: ccxt does not watch it there.
READ_ONLY = {"coinbase": {"trade", "balance"}}
# It adds floats, and cuts what comes out to the coin's decimals.
CLOSE = Decimal("1e-8")


class Difference(NamedTuple):
    """A field of which ccxt says something else, in a mode or any (empty).

    What it hears is called order and trade, what it reads their rows.
    """

    exchange: str
    mode: str
    markets: tuple[Market, ...]
    field: str
    reason: str


DIFFERENCES: Sequence[Difference] = (
    Difference("coinbase", "", ("spot",), "order.status", "an order that expired is canceled for it"),
    Difference("coinbase", "", ("spot",), "orderRow.status", "as heard"),
    Difference(
        "bybit", "", ("spot",), "order.status",
        "an order canceled after a part is closed for it (PartiallyFilledCanceled)",
    ),
    Difference("bybit", "", ("spot",), "orderRow.status", "as heard"),
    Difference(
        "okx", "", MARKETS, "trade.fee",
        "it keeps the exchange's sign of what it hears, and turns that of what it reads",
    ),
    Difference(
        "kucoin", "", ("inverse",), "order.average",
        "it weighs the prices by contracts, each of which is worth so much of the quote",
    ),
    Difference(
        "kucoin", "", ("spot",), "balanceRow.total",
        "with fast orders it reads a wallet `trade_hf`, and here it is called `trade`",
    ),
    Difference(
        "bitget", "classic", MARKETS, "order.filled",
        "it takes the last fill (baseVolume) for all that is filled (accBaseVolume)",
    ),
    Difference(
        "bitget", "classic", MARKETS, "order.average",
        "a cancel comes without one, and it forgets what it has heard before",
    ),
    Difference("bitget", "unified", MARKETS, "orderRow.average", "it does not read avgPrice there"),
    Difference(
        "bitget", "unified", MARKETS, "orderRow.fee",
        "it turns the sign of what is above zero already",
    ),
    Difference("bitget", "unified", MARKETS, "tradeRow.fee", "as of the order"),
    Difference(
        "bitget", "unified", ("spot",), "orderRow.feeAsset",
        "it takes what contracts are settled in: on spot none",
    ),
)  # fmt: skip


class Found(NamedTuple):
    """A difference between the two."""

    trader: Trader
    field: str
    words: str

    @property
    def rule(self) -> Difference | None:
        """The known difference that this one is."""
        return next((one for one in rules_of(self.trader) if one.field == self.field), None)


def rules_of(trader: Trader) -> list[Difference]:
    """What is known to differ where it trades."""
    exchange, mode = trader.row["exchange"], trader.row["mode"]
    return [
        rule
        for rule in DIFFERENCES
        if rule.exchange == exchange and rule.mode in ("", mode) and trader.market in rule.markets
    ]


class Ccxt:
    """Its last word on everything about an account."""

    def __init__(self, trader: Trader, it: Program) -> None:
        self.trader, self._it, self.running = trader, it, it.running

    def _last(self, kind: str) -> dict[str, Any]:
        """By what it is of."""
        said = self._it.said[kind, self.trader.market]
        return {name: rows[-1] for name, rows in said.items()}

    async def listens(self) -> None:
        """Trade until it hears of it: whatever happens after that it must have heard."""
        silent = READ_ONLY.get(self.trader.row["exchange"], set())
        for _ in range(30):
            await self.running()
            await self.trader.do("fill", order=await self.trader.place("60000"))
            await asyncio.sleep(1.0)
            if all(self._last(kind) for kind in {"order", "trade"} - silent):
                return
        raise AssertionError(f"{self.trader.name} {self.trader.market}: hears nothing")

    # --- what it says otherwise -------------------------------------------------------------

    def differences(
        self, ours: Sequence[Mapping[str, Any]], since: set[str], truth: Mapping[str, Any]
    ) -> Iterator[Found]:
        """Between its last word and our events, on the orders that are not of before.

        Where no fees are streamed, what it reads is held against the truth.
        """
        silent = READ_ONLY.get(self.trader.row["exchange"], set())
        reports = {one["orderId"]: one for one in ours if one["eventType"] == "executionReport"}
        fees: dict[str, Decimal] = defaultdict(Decimal)
        true = {fill["tradeId"]: fill for fill in truth["fills"]}
        for fill in ours:
            if fill["eventType"] == "fill":
                fees[fill["orderId"]] += Decimal({**true[fill["tradeId"]], **fill}["fee"])
        assets = {fill["feeAsset"] for fill in true.values()}
        for name in reports.keys() - since:
            for kind in ("order", "orderRow"):
                row = self._last(kind).get(name)
                if row is None:
                    yield self._found(kind, "", name, reports[name], None)
                else:
                    yield from self._order(kind, row, reports[name], fees[name], assets)
            for kind in {"trade", "tradeRow"} - silent:
                trades = [row for row in self._last(kind).values() if row["order"] == name]
                yield from self._trades(kind, trades, reports[name], fees[name], assets)

    def _order(
        self, kind: str, row: Any, report: Mapping[str, Any], fee: Decimal, assets: set[str]
    ) -> Iterator[Found]:
        name = report["orderId"]
        if row["status"] != STATUSES[report["orderStatus"]]:
            yield self._found(kind, "status", name, report["orderStatus"], row["status"])
        if number(row["filled"]) != size(report):
            yield self._found(kind, "filled", name, size(report), row["filled"])
        average, base = average_of(report), Decimal(report.get("totalTradeQuantity", 0))
        # On inverse what is filled follows from the price, to eight decimals.
        if abs(number(row["average"]) - average) * min(base, 1) > CLOSE * average:
            yield self._found(kind, "average", name, average, row["average"])
        yield from self._fee(kind, name, [row["fee"]], fee, assets)

    def _trades(
        self, kind: str, trades: Sequence[Any], report: Mapping[str, Any], fee: Decimal,
        assets: set[str],
    ) -> Iterator[Found]:  # fmt: skip
        name = report["orderId"]
        amount = sum((number(trade["amount"]) for trade in trades), Decimal(0))
        if abs(amount - size(report)) > CLOSE:
            yield self._found(kind, "amount", name, size(report), amount)
        yield from self._fee(kind, name, [trade["fee"] for trade in trades], fee, assets)

    def _fee(
        self, kind: str, name: str, told: Sequence[Any], fee: Decimal, assets: set[str]
    ) -> Iterator[Found]:
        """What was paid, where it says so at all."""
        costs = [(row.get("cost", row.get("amount")), row["currency"]) for row in told if row]
        known = [(number(cost), asset) for cost, asset in costs if cost is not None]
        if not known:
            return
        cost = sum((cost for cost, _ in known), Decimal(0))
        if abs(cost - fee) > CLOSE:
            yield self._found(kind, "fee", name, fee, cost)
        if wrong := {asset for cost, asset in known if cost} - assets:
            yield self._found(kind, "feeAsset", name, assets, wrong)

    def balances(self, truth: Mapping[str, Any]) -> Iterator[Found]:
        """Between its balances and those that there are: of spot only, where all count alike."""
        there = truth["balances"]
        own = [balance for balance in there if balance["wallet"] == self.trader.market]
        for kind in {"balance", "balanceRow"} - READ_ONLY.get(self.trader.row["exchange"], set()):
            if not self._last(kind):
                yield self._found(kind, "total", "", "all", None)
            for balance in own or there:
                row = self._last(kind).get(balance["asset"])
                if row and number(row["total"]) != Decimal(balance["total"]):
                    yield self._found(kind, "total", balance["asset"], balance["total"], row)

    def _found(self, kind: str, field: str, name: str, ours: object, theirs: object) -> Found:
        words = (
            f"{self.trader.name} {self.trader.market} {kind}.{field} {name}: {ours}, ccxt {theirs}"
        )
        return Found(self.trader, f"{kind}.{field}", words)


def number(value: float | str | None) -> Decimal:
    """As it prints it: none is nothing."""
    return Decimal(0) if value is None else Decimal(str(value))


def size(report: Mapping[str, Any]) -> Decimal:
    """What is filled, as ccxt counts it: contracts where there are any."""
    return Decimal(report.get("cumulativeContracts", report.get("totalTradeQuantity", 0)))


def average_of(report: Mapping[str, Any]) -> Decimal:
    """What was paid; where the exchange does not say it, it follows from the two totals."""
    if "averagePrice" in report or not size(report):
        return Decimal(report.get("averagePrice", 0))
    return Decimal(report["totalQuoteTradeQuantity"]) / Decimal(report["totalTradeQuantity"])


def section() -> str:
    """The differences as the page has them."""
    rows = ["| exchange | market | field | |", "|---|---|---|---|"]
    for each in DIFFERENCES:
        place = f"{each.exchange} {each.mode}".strip()
        rows.append(f"| {place} | {', '.join(each.markets)} | `{each.field}` | {each.reason} |")
    return "\n".join(rows)


def test_the_page_tells_of_every_difference() -> None:
    assert section() in PAGE.read_text()


@asynccontextmanager
async def ccxt(it: Accounts, trader: Trader, home: Path) -> AsyncIterator[Ccxt]:
    """It, on the account of a trader."""
    row = trader.row
    arguments = [
        it.exchange.url, row["exchange"], trader.market, trader.symbol, row["key"], row["secret"],
        row["passphrase"] or "", row["mode"],
    ]  # fmt: skip
    async with program("ccxt_account.py", home, arguments) as talker:
        yield Ccxt(trader, talker)


async def judged(it: Accounts, judge: Ccxt) -> list[Found]:
    """What ccxt says otherwise in the end, on all that happens from when it listens."""
    trader = judge.trader
    await judge.listens()
    before = {order["orderId"] for order in (await trader.truth())["orders"]}
    await trader.trade_at_two_prices()
    assert await disagreement(it, trader) == []
    for _ in range(30):
        await judge.running()
        ours, truth = [one.body for one in it.events(trader.name)], await trader.truth()
        found = list(judge.differences(ours, before, truth))
        if trader.market == "spot":
            found += judge.balances(truth)
        if all(one.rule for one in found):
            return found
        await asyncio.sleep(1.0)
    return found


PLACES = [
    (exchange, market, mode)
    for exchange in SERVED
    for market in PRIVATE[exchange].markets
    for mode in MODES.get(exchange, ("",))
    # ccxt wants a token of its own for KuCoin's unified accounts, which is not simulated.
    if (exchange, mode) != ("kucoin", "unified")
]


@pytest.mark.parametrize(("exchange", "market", "mode"), PLACES)
async def test_ccxt_says_the_same_of_an_account(
    redis_url: str, rabbit_url: str, clients: Path, exchange: str, market: Market, mode: str
) -> None:
    async with accounts(redis_url, rabbit_url) as it:
        await it.worker("user-0")
        told = await it.exchange.control("accounts", exchange=exchange, mode=mode)
        symbol = await symbol_of(it.exchange, exchange, market)
        trader = Trader(it.exchange, told["accounts"][0], market, symbol)
        await it.open(trader.row, exchange, market)
        await it.live(trader.name)
        async with ccxt(it, trader, clients) as judge:
            found = await judged(it, judge)
        unknown = [one.words for one in found if one.rule is None]
        assert not unknown, "\n".join(unknown)
        assert {one.rule for one in found} == set(rules_of(trader)), "a difference is gone"
