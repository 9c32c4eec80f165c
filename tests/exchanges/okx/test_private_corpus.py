"""Every real message of OKX's accounts through our code: told, or left out for a reason.

The collection lies beside the project where it was developed (see ``tests/exchanges/corpus.py``).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import pytest

from common.exchanges.okx.conversation import converse
from common.exchanges.okx.inquiries import since, snapshot
from common.exchanges.private import Credentials, Known
from common.exchanges.protocol import Unreadable
from common.exchanges.told import BalancesTold, FillTold, OrderTold, PositionsTold
from common.model.secret import Secret
from common.model.streams import Market
from tests.exchanges.asking import answered
from tests.exchanges.corpus import CORPUS

pytestmark = pytest.mark.skipif(
    not CORPUS.is_dir(), reason=f"no collection of real messages at {CORPUS}"
)

ACCOUNT = Credentials(Secret("k"), Secret("s"), Secret("p"))
MARKETS: tuple[Market, ...] = ("spot", "linear", "inverse")
NOTHING = b'{"code":"0","data":[]}'
NO_BALANCES = b'{"code":"0","data":[{"uTime":"1","details":[]}]}'

# Channels of the private sockets that we do not subscribe to, or not to read them.
CHANNELS: Mapping[str, str] = {
    "fills": "says less of the same fills as orders, to some accounts only",
    "balance_and_position": "a sign of life: account and positions say the same",
    "orders-algo": "what waits for a price is no order yet; the order it becomes is told",
    "algo-advance": "what waits for a price is no order yet; the order it becomes is told",
    "algo-recurring-buy": "a trading bot",
    "grid-orders-spot": "a trading bot",
    "grid-positions": "a trading bot",
    "copytrading-lead-notification": "copy trading",
    "deposit-info": "the funding account",
    "withdrawal-info": "the funding account",
    "adl-warning": "a warning of a market, not of an account",
    "struc-block-trades": "block trades",
    "quotes": "block trades",
    "sprd-trades": "spread trading",
}


class Line(NamedTuple):
    """One line of a file of the collection."""

    name: str
    source: str
    raw: bytes

    @property
    def message(self) -> Any:
        """Decoded."""
        return json.loads(self.raw)


def collected(prefix: str) -> Iterator[Line]:
    for path in sorted((CORPUS / "okx").glob(f"*/{prefix}*.jsonl")):
        for text in path.read_text().splitlines():
            record = json.loads(text)
            yield Line(f"{path.parent.name}/{path.stem}", record["src"], record["raw"].encode())


def left_out(line: Line) -> str | None:
    """Why a line tells nothing on purpose; None: it must be told."""
    message = line.message
    if "arg" in message:
        return CHANNELS.get(message["arg"]["channel"])
    row = message["data"][0]
    if row.get("instType") == "MARGIN":
        return "margin"
    if "pendingSettleSz" in row:
        return "spread trading"
    if row.get("algoOrdType") == "recurring":
        return "a trading bot"
    if "accFillSz" not in row and "algoId" in row:
        return "what waits for a price is no order yet"
    if " " in row.get("sz", ""):
        return "a sample with blanks in its numbers"
    return None


def pushed(line: Line) -> dict[Market, Sequence[Any]]:
    """What the sockets of all markets make of a frame."""
    turns = {market: converse(market).receive(line.raw, {}, 0) for market in MARKETS}
    return {market: [said.what for said in turn.said] for market, turn in turns.items()}


def asked(line: Line) -> dict[Market, Sequence[Any]]:
    """What the inquiries of all markets make of an answer."""
    return {market: _asked(line, market) for market in MARKETS}


def told_of(line: Line) -> Sequence[Any]:
    """The same of all markets together; nothing where it cannot be read."""
    try:
        return [one for told in asked(line).values() for one in told]
    except msgspec.DecodeError:
        return []


def _asked(line: Line, market: Market) -> Sequence[Any]:
    kind = line.name.partition("/")[2]
    rest = [NOTHING] if market != "spot" else []
    if kind == "rest_fills":
        known = Known(since_ms=0, until_ms=1)
        told, _ = answered(since(market, ACCOUNT, {}, known), [line.raw, NOTHING, *rest, *rest])
        return told
    answers = {
        "rest_balances": [line.raw, *rest, NOTHING, *rest],
        "rest_positions": [NO_BALANCES, line.raw, NOTHING, *rest],
        "rest_orders": [NO_BALANCES, *rest, line.raw, *rest],
    }
    if kind == "rest_positions" and market == "spot":
        return []
    told, _ = answered(snapshot(market, ACCOUNT, {}), answers[kind])
    about = {
        "rest_balances": BalancesTold,
        "rest_positions": PositionsTold,
        "rest_orders": OrderTold,
    }[kind]
    found = [one for one in told if isinstance(one, about)]
    return [one for one in found if not isinstance(one, PositionsTold) or one.positions]


def rows_of(told: Sequence[Any]) -> Counter[str]:
    """How often something is told of each symbol, a fill with its order as one."""
    found: Counter[str] = Counter()
    for one in told:
        if isinstance(one, OrderTold):
            found[one.symbol] += 1
        elif isinstance(one, PositionsTold):
            found.update(position.symbol for position in one.positions)
    return found


def test_every_push_of_an_account_is_told_or_left_out_for_a_reason() -> None:
    understood: Counter[str] = Counter()
    for line in collected("user_"):
        said = pushed(line)
        everything = [what for market in MARKETS for what in said[market]]
        if left_out(line):
            assert all(isinstance(what, Unreadable) for what in everything), line.source
            continue
        rows, channel = line.message["data"], line.message["arg"]["channel"]
        assert not [what for what in everything if isinstance(what, Unreadable)], line.source
        if channel == "account":
            assert all(len(said[market]) == len(rows) for market in MARKETS), line.source
        else:
            assert rows_of(everything) == Counter(row["instId"] for row in rows), line.source
        traded = [row for row in rows if row.get("tradeId") and channel == "orders"]
        fills = [what for what in everything if isinstance(what, FillTold)]
        assert [fill.trade_id for fill in fills] == [row["tradeId"] for row in traded]
        understood[channel] += 1
    assert understood == {"orders": 11, "account": 3, "positions": 2}


def test_every_answer_about_an_account_is_told_or_left_out_for_a_reason() -> None:
    understood: Counter[str] = Counter()
    for line in collected("rest_"):
        if line.name.partition("/")[2] not in (
            "rest_orders", "rest_fills", "rest_balances", "rest_positions",
        ):  # fmt: skip
            continue
        if left_out(line):
            assert not told_of(line), line.source
            continue
        said, rows = asked(line), line.message["data"]
        everything = [what for market in MARKETS for what in said[market]]
        if line.name == "account/rest_balances":
            assert [len(said[market]) for market in MARKETS] == [len(rows)] * 3, line.source
        elif line.name.endswith("rest_fills"):
            assert [fill.trade_id for fill in everything] == [row["tradeId"] for row in rows]
        else:
            assert rows_of(everything) == Counter(row["instId"] for row in rows), line.source
        understood[line.name.partition("_")[2]] += 1
    assert understood == {"orders": 5, "fills": 1, "balances": 6, "positions": 3}


def test_no_text_of_any_exchange_raises() -> None:
    texts = {
        json.loads(line)["raw"] for path in CORPUS.glob("*/**/user_*.jsonl") for line in path.open()
    }
    assert len(texts) > 100
    for text in texts:
        for market in MARKETS:
            assert converse(market).receive(text.encode(), {}, 0).send is not None
