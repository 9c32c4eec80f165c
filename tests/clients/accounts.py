"""What an exchange's client says of an account, held against the truth: the same for every client.

A program prints what it hears of ``order``, ``trade``, ``balance`` and ``position``, and what it reads of
them as ``orderRow`` and so on. The way of an order is compared from its first word to its last, in
statuses and sizes; of everything else the last word counts. Where a client is known to say otherwise
by its own doing, the difference has to be seen.
"""

from __future__ import annotations

import asyncio
import re
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from common.model.streams import MARKETS, Market
from tests.clients.program import Program, Rows, program
from tests.support.simulator import RunningSimulator, simulator
from tests.support.tls import tls
from tests.support.trader import Trader, symbol_of
from tests.support.waiting import until

# What the orders of ``Trader.trade_at_two_prices`` come to be.
STATUSES = ("NEW", "PARTIALLY_FILLED", "FILLED", "CANCELED", "EXPIRED")
AS_THEY_ARE: Mapping[str, tuple[str, ...]] = {status: (status,) for status in STATUSES}


class Tells(NamedTuple):
    """The fields of a kind that a client has.

    A kind begins with what it is of. ``words`` are those an order goes through in a status (``…_PARTLY``:
    where that differs once a part of it is filled); of what a client reads the last one is told.
    """

    kind: str
    markets: tuple[Market, ...]
    fields: tuple[str, ...]
    words: Mapping[str, tuple[str, ...]] = AS_THEY_ARE

    @property
    def of(self) -> str:
        """What it is about, however it was told."""
        return re.split("[A-Z]", self.kind)[0]

    @property
    def heard(self) -> bool:
        """Whether it comes by itself."""
        return not self.kind.endswith("Row")

    def words_for(self, order: Mapping[str, Any]) -> tuple[str, ...]:
        """How it calls the way that an order stands."""
        partly = self.words.get(f"{order['status']}_PARTLY") if Decimal(order["filled"]) else None
        return self.words[order["status"]] if partly is None else partly


class Difference(NamedTuple):
    """A field (``order.filled``, ``tradeRow.fee``) of which a client says something else, and why.

    A whole kind (``order``): it says nothing.
    """

    markets: tuple[Market, ...]
    field: str
    reason: str


@dataclass(frozen=True)
class Client:
    """A client of an exchange: its program, what it tells, and of what it says something else.

    ``apart`` names the folder of packages of its own, ``tls`` says that it insists on that.
    """

    exchange: str
    program: str
    tells: Sequence[Tells]
    differences: Sequence[Difference] = ()
    apart: str = ""
    tls: bool = False

    @property
    def places(self) -> list[tuple[Tells, Market]]:
        """What it tells, market by market."""
        return [(told, market) for told in self.tells for market in told.markets]

    @property
    def markets(self) -> tuple[Market, ...]:
        """Where it tells anything."""
        return tuple(dict.fromkeys(market for _, market in self.places))


class Found(NamedTuple):
    """Something it says otherwise."""

    market: Market
    field: str
    words: str


# --- what it must say -----------------------------------------------------------------------


def expected(of: str, truth: Mapping[str, Any], market: Market, since: set[str]) -> Rows:
    """The rows of the truth by id: the way of an order, and one of all else. Not what was before."""
    rows: Rows = defaultdict(list)
    if of == "order":
        fees: dict[str, Decimal] = defaultdict(Decimal)
        for fill in truth["fills"]:
            fees[fill["orderId"]] += Decimal(fill["fee"])
        for order in _there(truth["orders"], market, since):
            end = {
                "average": order["averagePrice"],
                "value": order["value"],
                "fee": fees[order["orderId"]],
                "clientOrderId": order["clientOrderId"],
            }
            rows[order["orderId"]] = [
                {"status": one["status"], "filled": one["cumulative"], **end}
                for one in order["path"]
            ]
    elif of == "trade":
        for fill in _there(truth["fills"], market, since):
            rows[fill["tradeId"]] = [fill]
    elif of == "position":
        for position in truth["positions"]:
            if position["market"] == market:
                rows[position["symbol"]] = [position]
    else:
        for balance in truth["balances"]:
            # A wallet is of one market, or of all.
            if balance["wallet"] == market or balance["wallet"] not in MARKETS:
                rows[balance["asset"]] = [balance]
    return rows


def _there(rows: Iterable[Any], market: Market, since: set[str]) -> list[Any]:
    return [row for row in rows if row["market"] == market and row["orderId"] not in since]


# --- what it says otherwise -----------------------------------------------------------------


def differences(
    client: Client, it: Program, truth: Mapping[str, Any], since: set[str]
) -> Iterator[Found]:
    """Between what it has said and the truth, on what was not there before."""
    for told, market in client.places:
        there = expected(told.of, truth, market, since)
        assert there, f"nothing to be said of {told.kind} on {market}"
        said = it.said[told.kind, market]
        for name, rows in there.items():
            # What changes nothing is not told.
            if told.of != "balance" or not told.heard or name in said:
                for field, words in _unlike(told, rows, said.get(name, [])):
                    place = f"{told.kind}.{field}".rstrip(".")
                    yield Found(market, place, f"{market} {place} of {name}: {words}")
        if told.of in ("order", "trade"):
            for name in said.keys() - expected(told.of, truth, market, set()).keys():
                yield Found(market, told.kind, f"{market} {told.kind} {name} never was")


def _unlike(told: Tells, rows: Sequence[Any], said: Sequence[Any]) -> Iterator[tuple[str, str]]:
    if not said:
        yield "", "nothing"
        return
    path = told.of == "order" and told.heard
    if path:
        rows = [row | {"status": word} for row in rows for word in told.words_for(row)]
    elif told.of == "order":
        rows = [row | {"status": told.words_for(row)[-1]} for row in rows]
    for field in told.fields:
        count = len(rows) + len(said) if path and field in ("status", "filled") else 1
        true = [_same(row[field]) for row in rows[-count:]]
        theirs = [_same(row[field]) for row in said[-count:]]
        if true != theirs:
            yield field, f"truly {true}, it says {theirs}"


def _same(value: Any) -> Any:
    """Numbers count, not how they are spelled; what is not told yet is none."""
    if isinstance(value, bool):
        return value
    try:
        return Decimal(str(value or 0))
    except ArithmeticError:
        return value


# --- the test -------------------------------------------------------------------------------


async def disagreements(client: Client, home: Path) -> list[str]:
    """What it says otherwise of an account on which everything happens, on all of its markets.

    Also what it is known to say otherwise, and says no more.
    """
    async with simulator() as exchange, _way_in(client, exchange) as (url, trusted):
        opened = await exchange.control("accounts", exchange=client.exchange)
        traders = await _traders(exchange, client, opened["accounts"][0])
        row = traders[0].row
        arguments = [url, row["key"], row["secret"], row["passphrase"] or ""]
        arguments += [f"{trader.market}={trader.symbol}" for trader in traders]
        more = {"apart": client.apart, "trusted": trusted}
        async with program(client.program, home, arguments, **more) as it:
            await listens(client, it, traders)
            since = {order["orderId"] for order in (await traders[0].truth())["orders"]}
            for trader in traders:
                await trader.trade_at_two_prices()
            found = await settled(client, it, await traders[0].truth(), since)
    known = {(market, rule.field) for rule in client.differences for market in rule.markets}
    unknown = [one.words for one in found if (one.market, one.field) not in known]
    gone = known - {(one.market, one.field) for one in found}
    return unknown + [f"{market} {name}: a difference is gone" for market, name in sorted(gone)]


@asynccontextmanager
async def _way_in(client: Client, exchange: RunningSimulator) -> AsyncIterator[tuple[str, str]]:
    """Where it finds the exchange, and the certificate that it has to trust."""
    if not client.tls:
        yield exchange.url, ""
        return
    with TemporaryDirectory() as folder:
        certificate = Path(folder) / "certificate.pem"
        async with tls(exchange.server.port, certificate) as port:
            yield f"https://127.0.0.1:{port}", str(certificate)


async def _traders(exchange: RunningSimulator, client: Client, row: Any) -> list[Trader]:
    return [
        Trader(exchange, row, market, await symbol_of(exchange, client.exchange, market))
        for market in client.markets
    ]


async def listens(client: Client, it: Program, traders: Sequence[Trader]) -> None:
    """Trade until it hears of all: whatever happens after that it must have heard."""
    deaf = {(rule.field, market) for rule in client.differences for market in rule.markets}
    wanted = {(told.kind, market) for told, market in client.places if told.heard}
    wanted -= deaf
    # It reads from the first: what it takes to get going is no time in which it hears nothing.
    await until(lambda: it.said or it.ended, 90.0)
    for _ in range(12):  # for more there is no money
        await it.running()
        for trader in traders:
            await trader.do("fill", order=await trader.place("60000"))
        try:
            return await until(lambda: all(it.said[place] for place in wanted), 2.0)
        except TimeoutError:
            pass
    raise AssertionError(f"hears nothing of {[place for place in wanted if not it.said[place]]}")


async def settled(
    client: Client, it: Program, truth: Mapping[str, Any], since: set[str]
) -> list[Found]:
    """What it says otherwise in the end, once nothing is left that it may still hear."""
    known = {rule.field for rule in client.differences}
    found = list(differences(client, it, truth, since))
    try:
        async with asyncio.timeout(45.0):
            while not {one.field for one in found} <= known:
                await it.news()
                found = list(differences(client, it, truth, since))
    except TimeoutError:
        await it.running()
    return found
