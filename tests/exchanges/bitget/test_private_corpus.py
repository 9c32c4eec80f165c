"""Real messages of accounts through our parsers: understood, or refused for a reason.

The collection lies beside the project where it was developed (``tests/exchanges/corpus.py``).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import msgspec
import pytest

from common.exchanges.bitget import classic_asked, unified_asked
from common.exchanges.bitget.account import CLASSIC_PATH, trouble
from common.exchanges.bitget.conversation import converse
from common.exchanges.bitget.describe import INST_TYPES
from common.exchanges.bitget.told import told
from common.exchanges.bitget.unified_asked import Unified
from common.exchanges.private import Credentials
from common.exchanges.protocol import Notice, Unreadable
from common.exchanges.told import BalancesTold, FillTold, OrderTold, PositionsTold
from common.model.secret import Secret
from common.model.streams import Market
from tests.exchanges.asking import answered
from tests.exchanges.corpus import CORPUS

pytestmark = pytest.mark.skipif(
    not CORPUS.is_dir(), reason=f"no collection of real messages at {CORPUS}"
)
# The market that a folder's lines are of, where they do not say.
FOLDERS: dict[str, Market] = {"spot": "spot", "mix": "linear", "uta": "linear"}
_MARKETS: dict[str, Market] = {name: market for market, name in INST_TYPES.items()}
REST = ("rest_orders", "rest_fills", "rest_balances", "rest_positions")
ACCOUNT = Credentials(Secret("k"), Secret("s"), Secret("p"))


class Line(NamedTuple):
    folder: str
    channel: str
    source: str
    raw: bytes

    @property
    def message(self) -> Any:
        return json.loads(self.raw)

    @property
    def market(self) -> Market:
        name = self.message.get("arg", {}).get("instType", "")
        return _MARKETS.get(name, FOLDERS[self.folder])


def lines(folder: str, *channels: str) -> Iterator[Line]:
    for path in sorted((CORPUS / "bitget" / folder).glob("*.jsonl")):
        if path.stem in channels or (path.stem.startswith("user_") and "user_*" in channels):
            for text in path.read_text().splitlines():
                record = json.loads(text)
                yield Line(folder, path.stem, record["src"], record["raw"].encode())


def refused(line: Line) -> str | None:
    """Why a REST line says nothing for us on purpose; None: it must be understood."""
    data = line.message["data"]
    rows = data if isinstance(data, list) else [data]
    if line.folder == "spot" and any({"borrow", "fills"} & set(row) for row in rows):
        return "margin accounts"
    if any("orderList" in row for row in rows):
        return "plan and margin orders: what they become has rows of its own"
    if any("planType" in order for row in rows for order in row.get("entrustedList", ())):
        return "plan orders: what they become has rows of its own"
    if (line.folder, line.channel) == ("mix", "rest_balances") and isinstance(data, dict):
        return "the account of one coin: all are asked for at once"
    if (line.folder, line.channel) == ("mix", "rest_positions") and isinstance(data, dict):
        return "the history of closed positions"
    return None


def unified_order(body: bytes) -> Sequence[OrderTold]:
    """One that is asked for by its id; its fills are not there."""
    fills = b'{"requestTime":1,"data":{"list":null}}'
    found, _ = answered(Unified("linear", ACCOUNT).order("1"), [body, fills])
    return [one for one in found if isinstance(one, OrderTold)]


def read(line: Line) -> Sequence[Any]:
    """What a REST line says."""
    unified: dict[str, Callable[[bytes], Any]] = {
        "rest_balances": unified_asked.balances_told,
        "rest_positions": unified_asked.positions_told,
        "rest_orders": (
            unified_asked.orders_told if "list" in line.message["data"] else unified_order
        ),
    }
    classic: dict[str, Callable[[bytes], Any]] = {
        "rest_balances": lambda body: classic_asked.balances_told(line.market, body),
        "rest_positions": classic_asked.positions_told,
        "rest_orders": lambda body: classic_asked.orders_told(line.market, body),
        "rest_fills": lambda body: classic_asked.fills_told(line.market, body),
    }
    said = (unified if line.folder == "uta" else classic)[line.channel](line.raw)
    return said if isinstance(said, list) else [said]


def numbers(said: Any) -> Iterator[str]:
    """The numbers that are told as they were written."""
    if isinstance(said, FillTold):
        yield from (said.price, said.quantity, said.fee, said.trade_id, said.order_id)  # type: ignore[misc]
    elif isinstance(said, OrderTold):
        told = (said.quantity, said.price, said.average_price, said.filled, said.order_id)
        yield from (one for one in told if isinstance(one, str) and one.strip("0."))
    elif isinstance(said, BalancesTold):
        yield from (row.free for row in said.balances)  # type: ignore[misc]
    elif isinstance(said, PositionsTold):
        yield from (row.quantity for row in said.positions)  # type: ignore[misc]


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_rest_line_is_understood_or_refused_for_a_reason(folder: str) -> None:
    understood = 0
    for line in lines(folder, *REST):
        if reason := refused(line):
            with pytest.raises(msgspec.DecodeError):
                pytest.fail(f"{line.source}: {reason}, and yet it gave {read(line)}")
            continue
        said = read(line)
        assert said, line.source
        understood += 1
        texts = line.raw.decode()
        for one in said:
            assert getattr(one, "status", "") != "UNKNOWN", line.source
            assert all(number in texts for number in numbers(one)), line.source
    assert understood >= 3


# Channels that say nothing that we pass on: see ``told``.
SILENT = {"equity", "positions-history", "orders-algo", "fast-fill", "adl-notification"}
TELLS = {
    "user_order": OrderTold,
    "user_fill": FillTold,
    "user_balance": BalancesTold,
    "user_account": BalancesTold,
    "user_position": PositionsTold,
}


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_push_is_understood_or_ignored_by_name(folder: str) -> None:
    understood = 0
    for line in lines(folder, "user_*"):
        message = line.message
        said = told(line.market, line.raw, {})
        name = message["arg"].get("channel") or message["arg"].get("topic")
        if name in SILENT:
            assert said == (Notice("other", name),), line.source
            continue
        assert not any(isinstance(one, Unreadable | Notice) for one in said), (line.source, said)
        understood += 1
        if message["data"]:
            assert {type(one) for one in said} == {TELLS[line.channel]}, line.source
        texts = line.raw.decode()
        for one in said:
            assert all(number in texts for number in numbers(one)), line.source
    assert understood >= 3


def test_the_login_that_was_seen_is_one() -> None:
    (line,) = lines("common", "ws_login")
    conversation = converse("spot", f"wss://h{CLASSIC_PATH}")
    conversation.join("a", ACCOUNT, 1)
    turn = conversation.receive(line.raw, {}, 1)
    assert not turn.said
    assert len(turn.send) == 1


def test_errors_that_were_seen_are_troubles() -> None:
    seen = {json.loads(line.raw)["code"]: line.raw for line in lines("common", "rest_error")}
    found = {code: trouble(400, {}, raw) for code, raw in seen.items()}
    assert found == {"40018": "address", "40301": "permission", "40017": "config"}
