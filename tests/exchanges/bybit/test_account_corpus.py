"""Real messages of accounts: every line says what its text says, or is refused for a reason given."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Generator, Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from msgspec import UNSET

from common.exchanges.bybit.conversation import converse
from common.exchanges.bybit.inquiries import since, snapshot
from common.exchanges.bybit.rows import STATUSES
from common.exchanges.bybit.told import told
from common.exchanges.private import Credentials, Heard, Known, Said
from common.exchanges.protocol import RestRequest
from common.exchanges.told import BalancesTold, FillTold, OrderTold, PositionsTold, Told
from common.model.secret import Secret
from common.model.streams import MARKETS, Market
from tests.exchanges.corpus import CORPUS

pytestmark = pytest.mark.skipif(
    not CORPUS.is_dir(), reason=f"no collection of real messages at {CORPUS}"
)

ACCOUNT = Credentials(Secret("k"), Secret("s"))
# What is of no market in particular is read as of all of them.
FOLDERS: Mapping[str, Sequence[Market]] = {
    "spot": ["spot"],
    "linear": ["linear"],
    "inverse": ["inverse"],
    "unified": MARKETS,
}
CHANNELS: Mapping[str, str] = {
    "user_order": "",
    "user_fill": "",
    "user_position": "",
    "user_balance": "",
    "user_other": "",
    # Which path answers so.
    "rest_orders": "/v5/order/history",
    "rest_fills": "/v5/execution/list",
    "rest_balances": "/v5/account/wallet-balance",
    "rest_positions": "/v5/position/list",
}
KINDS: Mapping[str, type[Told]] = {
    "order": OrderTold,
    "fill": FillTold,
    "balance": BalancesTold,
    "position": PositionsTold,
}


def refused(channel: str, message: Any) -> str | None:
    """Why a line tells nothing on purpose; None where it must be understood."""
    topic = message.get("topic", "")
    if topic in ("strategy", "spread.execution", "execution.fast"):
        return f"{topic}: a topic that we do not subscribe to"
    if topic == "order" and "e" in message["data"][0]:
        return "the spot of v3, which is retired"
    if channel == "rest_balances" and "list" not in message["result"]:
        return "the funding wallet, which nothing is traded with"
    if channel.startswith("rest_") and "time" not in message:
        return "a fixture without the time that every answer has"
    if channel == "rest_orders" and any(not row["orderId"] for row in message["result"]["list"]):
        return "a fixture of an order without an id"
    return None


def lines(channel: str) -> list[tuple[Market, bytes]]:
    found = []
    for folder, markets in FOLDERS.items():
        path = CORPUS / "bybit" / folder / f"{channel}.jsonl"
        for text in path.read_text().splitlines() if path.exists() else ():
            found += [(market, json.loads(text)["raw"].encode()) for market in markets]
    return found


def heard(channel: str, market: Market, raw: bytes) -> Sequence[Heard]:
    """What a line says; a REST answer is given where it would be asked for."""
    if channel.startswith("user_"):
        return told(market, raw, {})
    if channel in ("rest_balances", "rest_positions"):
        return _asked(snapshot(market, ACCOUNT, {}), CHANNELS[channel], raw)
    known = Known(since_ms=0, until_ms=1)
    return _asked(since(market, ACCOUNT, {}, known), CHANNELS[channel], raw)


def _asked(
    inquiry: Generator[RestRequest, bytes, Sequence[Told]], path: str, raw: bytes
) -> Sequence[Told]:
    empty: Any = {"list": [], "unifiedMarginStatus": 6}
    nothing = json.dumps({"retCode": 0, "result": empty, "time": 1}).encode()
    waiting = [raw]
    try:
        request = next(inquiry)
        while True:
            mine = request.url.endswith(path) and waiting
            request = inquiry.send(waiting.pop() if mine else nothing)
    except StopIteration as stop:
        result: Sequence[Told] = stop.value
        return result


# --- what an understood line must say -----------------------------------------------------------


def _rows(message: Any) -> list[Any]:
    return list(message["data"] if "data" in message else message["result"]["list"])


def _check_order(market: Market, row: Any, one: Any) -> None:
    assert (one.order_id, one.symbol, one.raw_status) == (
        row["orderId"],
        row["symbol"],
        row["orderStatus"],
    )
    assert one.status == STATUSES[row["orderStatus"]]
    assert (one.side, one.order_type) == (row["side"].upper(), row["orderType"].upper())
    assert (one.quantity, one.filled) == (row["qty"], row["cumExecQty"])
    assert one.time_ms == int(row["updatedTime"])
    limit = Decimal(row["price"] or 0) if row["orderType"] == "Limit" else 0
    assert Decimal(0 if one.price is UNSET else one.price) == limit
    assert (one.reduce_only is UNSET) is (market == "spot")


def _check_fill(market: Market, row: Any, one: Any) -> None:
    assert (one.trade_id, one.order_id) == (row["execId"], row["orderId"])
    assert (one.price, one.quantity, one.quote_quantity, one.fee) == (
        row["execPrice"],
        row["execQty"],
        row["execValue"],
        row["execFee"],
    )
    assert (one.side, one.maker, one.time_ms) == (
        row["side"].upper(),
        row["isMaker"],
        int(row["execTime"]),
    )
    assert one.liquidation is (row["execType"] != "Trade")


def _check_balance(market: Market, row: Any, one: Any) -> None:
    by_asset = {coin["coin"]: coin for coin in row["coin"]}
    assert {balance.asset for balance in one.balances} == set(by_asset)
    for balance in one.balances:
        coin = by_asset[balance.asset]
        assert balance.total == coin["walletBalance"]
        assert (UNSET if balance.locked is UNSET else balance.locked) == coin.get("locked", UNSET)
        if balance.free is not UNSET:
            held = ["locked"] if market == "spot" else ["locked", "totalOrderIM", "totalPositionIM"]
            parts = sum(Decimal(coin[name]) for name in held)
            assert Decimal(balance.free) == Decimal(balance.total) - parts


def _check_position(market: Market, row: Any, one: Any) -> None:
    if not Decimal(row["size"]) and one.whole:
        assert one.positions == ()
        return
    (position,) = one.positions
    assert (position.symbol, position.mark_price) == (row["symbol"], row["markPrice"])
    size = Decimal(row["size"]) * (-1 if row["side"] == "Sell" and row["positionIdx"] == 0 else 1)
    counted = position.contracts if market == "inverse" else position.quantity
    assert Decimal(counted) == size
    if market == "inverse":
        assert position.quantity.removeprefix("-") == row["positionValue"]


CHECKS: Mapping[str, Callable[[Market, Any, Any], None]] = {
    "order": _check_order,
    "fill": _check_fill,
    "balance": _check_balance,
    "position": _check_position,
}


@pytest.mark.parametrize("channel", CHANNELS)
def test_every_line_says_what_its_text_says(channel: str) -> None:
    became: Counter[str] = Counter()
    kind = channel.partition("_")[2].rstrip("s")
    for market, raw in lines(channel):
        message = json.loads(raw)
        if refused(channel, message) is not None:
            became["refused"] += 1
            continue
        said = [one for one in heard(channel, market, raw) if isinstance(one, KINDS[kind])]
        rows = _rows(message)
        assert len(said) == len(rows), raw
        by_id = {getattr(one, "order_id", ""): one for one in said}
        for row in rows:
            CHECKS[kind](market, row, by_id.get(row.get("orderId"), said[0]))
        became["understood"] += 1
    assert became["understood"] >= (0 if channel == "user_other" else 1)
    assert became.total() >= 1


@pytest.mark.parametrize("channel", CHANNELS)
def test_what_is_refused_tells_nothing(channel: str) -> None:
    """A reason given for a line that is understood would be false."""
    for market, raw in lines(channel):
        if refused(channel, json.loads(raw)) is None:
            continue
        try:
            said = heard(channel, market, raw)
        except msgspec.DecodeError:
            continue
        assert not [one for one in said if isinstance(one, Told)], raw


def test_no_text_of_the_exchange_raises_on_a_private_socket() -> None:
    texts = {
        json.loads(line)["raw"].encode()
        for path in (CORPUS / "bybit").glob("*/*.jsonl")
        for line in path.open()
    }
    assert len(texts) > 100
    for market in MARKETS:
        it = converse(market)
        it.join("a", ACCOUNT, 0)
        for text in sorted(texts):
            assert all(isinstance(said, Said) for said in it.receive(text, {}, 0).said)
