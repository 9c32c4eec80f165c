"""What an npm package says of an account, and where that is not the truth."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from tests.clients.npm_packages import DIFFERENCES, Client, Difference

# Averages are rounded to eight decimals, and so is what follows from a price before it is added.
CLOSE = Decimal("3e-8")
TEXTS = ("id", "order", "feeAsset")
SIZES = ("filled", "quantity", "size")

Row = dict[str, Any]
# By kind (order, fill, balance, position) and market or wallet: rows by their ids.
Rows = dict[tuple[str, str], dict[str, Row]]


class Found(NamedTuple):
    """What a client says otherwise on a market; ``rule`` where that is known."""

    rule: Difference | None
    place: str
    words: str


# --- what a client says -------------------------------------------------------------------------


def told(row: Any, name: str) -> Any:
    """What is called so; None where it is not told."""
    if "+" in name:
        return sum(Decimal(str(told(row, part) or 0)) for part in name.split("+"))
    if "/" in name:
        part, whole = (Decimal(str(told(row, each) or 0)) for each in name.split("/"))
        return part / (whole or 1)
    value = row
    for step in name.removeprefix("-").split("."):
        if isinstance(value, list):
            value = value[int(step)] if value else None
        else:
            value = (value or {}).get(step)
    if value in (None, ""):
        return None
    return -Decimal(str(value)) if name.startswith("-") else value


class Judge:
    """All that a client has said of an account."""

    def __init__(self, client: Client, process: asyncio.subprocess.Process) -> None:
        self.client, self._process = client, process
        self._said: Rows = defaultdict(dict)
        self._contracts: dict[str, Decimal] = {}
        self.errors: list[Any] = []
        self.news = asyncio.Event()

    async def read(self) -> None:
        """Take down what it says until it ends."""
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            if line.startswith(b'{"kind"'):
                self._take(**json.loads(line))
                self.news.set()
        assert self._process.stderr is not None
        self.errors.append((await self._process.stderr.read()).decode()[-2000:])
        self.news.set()

    def _take(self, kind: str, market: str, row: Any) -> None:
        names = self.client.names_of(kind, market)
        if kind == "contract":
            self._contracts[market] = Decimal(row)
        elif names is None:
            self.errors.append((kind, market, row))
        else:
            said = {field: self._value(field, told(row, names[field]), market) for field in names}
            if said.pop("side", None) == "SHORT":
                said["size"] = -said["size"]
            if said.get("status") == "OPEN":
                # Some have one word for all that is not over.
                said["status"] = "PARTIALLY_FILLED" if said["filled"] else "NEW"
            rows, name = self._said[kind, market], said["id"]
            if kind == "order":
                path = rows[name]["path"] if name in rows else []
                here = said["status"], said["filled"]
                said["path"] = path if path[-1:] == [here] else [*path, here]
            rows[name] = said

    def _value(self, field: str, value: Any, market: str) -> Any:
        if value is None:
            return None
        if field in ("status", "side"):
            return self.client.words.get(value, f"unknown: {value}")
        if field in TEXTS:
            return str(value)
        number = Decimal(str(value))
        return number * self._contracts.get(market, 1) if field in SIZES else number

    # --- what it says otherwise -------------------------------------------------------------

    def differences(self, truth: Rows) -> Iterator[Found]:
        """Between its last words and what there is."""
        for (what, place), rows in truth.items():
            for kind in (what, f"{what}Row", f"{what}Lite"):
                names = self.client.names_of(kind, place)
                if names is None:
                    continue
                fields = {*names, "path"} if kind == "order" else set(names)
                said = self._said[kind, place]
                if what in ("order", "fill") and said.keys() - rows.keys():
                    yield self._found(kind, place, "id", "none", said.keys() - rows.keys())
                for name, row in rows.items():
                    for field in fields & row.keys():
                        value = said[name][field] if name in said else "nothing"
                        if not same(row[field], value):
                            yield self._found(kind, place, f"{field} {name}", row[field], value)

    def _found(self, kind: str, place: str, field: str, true: object, value: object) -> Found:
        known = kind + "." + field.split(maxsplit=1)[0], value
        rules = (
            rule
            for rule in rules_of(self.client)
            if place in rule.markets and (rule.field, rule.says) == known
        )
        words = f"{self.client.program} {place} {kind}.{field}: {true}, it says {value}"
        return Found(next(rules, None), place, words)


def same(true: Any, value: Any) -> bool:
    """Whether a client says the truth; of what is none it may say nothing."""
    if isinstance(true, list):
        pairs = zip(true, value, strict=True) if len(true) == len(value) else None
        return pairs is not None and all(
            here[0] == there[0] and same(here[1], there[1]) for here, there in pairs
        )
    if not isinstance(true, Decimal):
        return bool(true == value)
    if value is None:
        return not true
    return isinstance(value, Decimal) and abs(true - value) <= CLOSE


def rules_of(client: Client) -> list[Difference]:
    """What it is known to say otherwise."""
    return [one for one in DIFFERENCES if one.program == client.program]


# --- the truth, as it is to be said -------------------------------------------------------------


def true_rows(client: Client, truth: Mapping[str, Any], before: Mapping[str, Any]) -> Rows:
    """All that has happened, and balances that have changed."""
    rows: Rows = defaultdict(dict)
    for fill in truth["fills"]:
        measure = client.measures.get(fill["market"], "quantity")
        rows["fill", fill["market"]][fill["tradeId"]] = {
            "order": fill["orderId"],
            "quantity": Decimal(fill[measure]),
            "price": Decimal(fill["price"]),
            "fee": Decimal(fill["fee"]),
            "feeAsset": fill["feeAsset"],
        }
    for order in truth["orders"]:
        of_market = rows["fill", order["market"]].values()
        fills = [one for one in of_market if one["order"] == order["orderId"]]
        measured = order["market"] in client.measures
        rows["order", order["market"]][order["orderId"]] = _order(order, fills, measured)
    for position in truth["positions"]:
        size = Decimal(position["size"])
        if measure := client.measures.get(position["market"]):
            size = Decimal(position[measure]).copy_sign(size)
        entry = Decimal(position["entryPrice"])
        rows["position", position["market"]][position["symbol"]] = {
            "size": size,
            "entryPrice": entry,
        }
    for balance in truth["balances"]:
        if balance not in before["balances"]:
            amounts = {name: Decimal(balance[name]) for name in ("total", "free", "locked")}
            rows["balance", balance["wallet"]][balance["asset"]] = amounts
    return rows


def _order(order: Mapping[str, Any], fills: list[Row], measured: bool) -> Row:
    """As it stands, and all that was ever filled of it by when."""
    path, left, filled = [], iter(fills), Decimal(0)
    for state in order["path"]:
        if not measured:
            filled = Decimal(state["cumulative"])
        elif state["status"] in ("PARTIALLY_FILLED", "FILLED"):
            filled += next(left)["quantity"]
        path.append((state["status"], filled))
    assets = {"feeAsset": fills[0]["feeAsset"]} if fills else {}
    return assets | {
        "status": order["status"],
        "filled": filled,
        "average": Decimal(order["averagePrice"]),
        "fee": sum((fill["fee"] for fill in fills), Decimal(0)),
        "path": path,
    }
