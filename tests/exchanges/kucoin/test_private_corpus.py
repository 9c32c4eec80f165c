"""What was really sent to accounts, through our code: every line of both kinds of accounts.

Each line gives what its channel should, or is in a table of what is refused on purpose, with why.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
import pytest

from common.exchanges.kucoin import classic_asked
from common.exchanges.kucoin.conversation import ClassicConversation, UnifiedConversation
from common.exchanges.kucoin.unified_asked import Unified
from common.exchanges.private import Credentials, Known
from common.exchanges.protocol import Notice, Unreadable
from common.exchanges.told import BalancesTold, FillTold, OrderTold, PositionsTold
from common.model.secret import Secret
from common.model.streams import Market
from tests.exchanges.asking import answered
from tests.exchanges.corpus import CORPUS, Line, lines
from tests.exchanges.kucoin.pushes import COIN, LINEAR

pytestmark = pytest.mark.skipif(not CORPUS.is_dir(), reason=f"no real messages at {CORPUS}")

ACCOUNT = Credentials(Secret("k"), Secret("s"), Secret("p"))
FUTURES = {**LINEAR, **COIN}


def market_of(line: Line) -> Market:
    """Futures of both kinds lie in one folder: a line is of the market that its words are of."""
    if line.folder == "spot":
        return "spot"
    text = line.raw.decode()
    inverse = any(word in text for word in ('USDM"', "HBOTALPHAM", '"XBT"'))
    return "inverse" if inverse and "USDCM" not in text else "linear"


# --- pushes -------------------------------------------------------------------------------------

# What a push of a channel gives first.
PUSHES: Mapping[str, tuple[type, ...]] = {
    "user_order": (OrderTold,),
    "user_fill": (FillTold, OrderTold),
    "user_balance": (BalancesTold,),
    "user_position": (PositionsTold,),
}
_STOPS = "stop orders wait outside the book: what they become once triggered is told as an order"
# Topics that are not subscribed to.
OTHER_TOPICS: Mapping[str, str] = {
    "/spotMarket/advancedOrders": _STOPS,
    "/contractMarket/advancedOrders": _STOPS,
    "/margin/position": "margin is another product",
    "/margin/loan": "margin is another product",
    "/contract/crossLeverage": "a setting, not a state of orders or positions",
    "/contract/marginMode": "a setting, not a state of orders or positions",
}
# Subjects that come on our topics and say nothing of ours.
OTHER_SUBJECTS: Mapping[str, str] = {
    "availableBalance.change": "a part of the wallet, of before walletBalance.change",
    "orderMargin.change": "a part of the wallet, of before walletBalance.change",
    "withdrawHold.change": "a part of the wallet, of before walletBalance.change",
    "position.settlement": "funding: the wallet says what it came to",
    "position.adjustRiskLimit": "the answer to a change of a setting",
}
_MARK_PRICE = "a new mark price: the account did nothing, and no symbol is named"


def refused(message: dict[str, Any]) -> str | None:
    """Why a push gives nothing, on purpose."""
    prefix = message["topic"].partition(":")[0]
    reason = OTHER_TOPICS.get(prefix) or OTHER_SUBJECTS.get(message["subject"])
    if reason is None and "markPrice" in message["data"] and "currentQty" not in message["data"]:
        return _MARK_PRICE
    return reason


def lines_of(folder: str, channels: Sequence[str]) -> Iterator[Line]:
    for channel in channels:
        yield from lines("kucoin", folder, channel)


@pytest.mark.parametrize("folder", ["spot", "futures"])
def test_every_push_to_an_account_is_told_or_refused_by_name(folder: str) -> None:
    understood, explained = set(), set()
    for line in lines_of(folder, [*PUSHES, "user_other"]):
        conversation = ClassicConversation(market_of(line))
        conversation.join("a", ACCOUNT, 0)
        said = [one.what for one in conversation.receive(line.raw, FUTURES, 0).said]
        reason = refused(line.message)
        if reason:
            assert all(isinstance(what, Unreadable | Notice) for what in said), (reason, said)
            explained.add(reason)
            continue
        assert said, line.raw
        assert isinstance(said[0], PUSHES[line.channel]), (said, line.raw)
        assert not any(isinstance(what, Unreadable) for what in said)
        assert_numbers_are_in(line, said)
        understood.add(line.channel)
    assert understood >= ({"user_order", "user_fill"} if folder == "spot" else {"user_position"})
    assert explained


def assert_numbers_are_in(line: Line, said: Sequence[Any]) -> None:
    """Prices and ids are told as they were written."""
    text = line.raw.decode()
    for what in said:
        for name in ("price", "order_id", "trade_id", "symbol"):
            value = getattr(what, name, msgspec.UNSET)
            assert value is msgspec.UNSET or value in text, (name, what)


# --- answers ------------------------------------------------------------------------------------


def row_of(line: Line) -> Any:
    """The first row of an answer, however it is wrapped."""
    data = line.message["data"]
    if isinstance(data, dict):
        data = data.get("items", data.get("symbols", [data]))
    return data[0] if data else {}


_OLD_SPOT = "an answer of /api/v1/orders, from before /api/v1/hf/orders: another shape"
_STOP_LIST = "a list of stop orders, which wait outside the book"


def unasked(line: Line) -> str | None:
    """Why an answer is none to what we ask."""
    row = row_of(line)
    if not row:
        return "an answer without rows"
    if line.channel == "rest_orders" and "stopTriggerTime" in row:
        return _STOP_LIST
    if line.channel == "rest_orders" and line.folder == "spot" and "active" not in row:
        return _OLD_SPOT
    if row.get("tradeType") in ("MARGIN_TRADE", "MARGIN_ISOLATED_TRADE", "CROSS"):
        return "margin is another product"
    return None


def wrapped(data: Any) -> bytes:
    return json.dumps({"code": "200000", "data": data}).encode()


def raw_rows(line: Line) -> bytes:
    """The rows as they were written, as a list: numbers keep their digits."""

    class Body(msgspec.Struct):
        data: msgspec.Raw

    class Items(msgspec.Struct):
        items: msgspec.Raw

    data = msgspec.json.decode(line.raw, type=Body).data
    if isinstance(line.message["data"], dict):
        if "items" in line.message["data"]:
            return bytes(msgspec.json.decode(data, type=Items).items)
        return b"[" + bytes(data) + b"]"
    return bytes(data)


def found(rows: bytes) -> bytes:
    return b'{"data":{"lastId":1,"currentPage":1,"totalPage":1,"items":' + rows + b"}}"


NO_ROWS = wrapped([])
NO_PAGE = found(b"[]")
Answers = Callable[[bytes], Sequence[bytes]]


def told_of(line: Line) -> Sequence[Any]:
    """What the inquiry that asks for such rows makes of them."""
    market, rows = market_of(line), raw_rows(line)
    listed = b'{"data":' + rows + b"}"
    known = Known(since_ms=0, until_ms=1, symbols={"X"})
    since = classic_asked.since(market, ACCOUNT, FUTURES, known)
    snapshot = classic_asked.snapshot(market, ACCOUNT, COIN if market == "inverse" else LINEAR)
    # The ledger comes before the histories of spot, the latest of both after those of futures.
    before, after = ([NO_ROWS], []) if market == "spot" else ([], [NO_ROWS, NO_ROWS])
    if line.channel == "rest_fills":
        return answered(since, [*before, found(rows), NO_PAGE, *after])[0]
    if line.channel == "rest_orders":
        return answered(since, [*before, NO_PAGE, found(rows), *after])[0]
    if market == "spot":
        return answered(snapshot, [listed, wrapped({"symbols": []})])[0][:1]
    if line.channel == "rest_balances":
        return answered(snapshot, [line.raw, NO_ROWS, NO_PAGE])[0][:1]
    wallet = wrapped({"currency": "USDT", "marginBalance": 1, "availableBalance": 1})
    return answered(snapshot, [wallet, listed, NO_PAGE])[0][1:2]


ANSWERS: Mapping[str, type] = {
    "rest_orders": OrderTold,
    "rest_fills": FillTold,
    "rest_balances": BalancesTold,
    "rest_positions": PositionsTold,
}


@pytest.mark.parametrize("folder", ["spot", "futures"])
def test_every_answer_about_an_account_is_read_or_none_to_what_is_asked(folder: str) -> None:
    understood = set()
    for line in lines_of(folder, list(ANSWERS)):
        reason = unasked(line)
        try:
            told = told_of(line)
        except msgspec.DecodeError:
            told = ()
        assert bool(told) is (reason is None), (reason, told, line.raw.decode())
        if reason:
            continue
        assert all(isinstance(what, ANSWERS[line.channel]) for what in told)
        if line.channel in ("rest_orders", "rest_fills"):
            assert len(told) == len(json.loads(raw_rows(line)))
            assert all(getattr(what, "status", "") != "UNKNOWN" for what in told), told
        assert_numbers_are_in(line, told)
        understood.add(line.channel)
    assert understood == set(ANSWERS) - ({"rest_positions"} if folder == "spot" else set())


# --- unified accounts ---------------------------------------------------------------------------

# The folder's lines are of several wallets: of a unified account there is one.
_CLASSIC_WALLET = "a classic account's wallet, seen through the unified account's service"
UNIFIED_PUSHES: Mapping[str, type] = {
    "user_order": OrderTold,
    "user_fill": FillTold,
    "user_balance": BalancesTold,
    "user_position": PositionsTold,
}


def unified_lines(channel: str) -> Iterator[Line]:
    """The public side claims no such folder. Products are told apart by their symbols."""
    path = CORPUS / "kucoin" / "uta" / f"{channel}.jsonl"
    for text in path.read_text().splitlines():
        record = json.loads(text)
        market: Market = "spot" if "-USDT" in record["raw"] else "linear"
        raw = record["raw"].encode()
        yield Line("kucoin", "uta", market, channel, record["src"], record["prov"], raw)


def test_every_push_to_a_unified_account_is_told_or_refused_by_name() -> None:
    understood = set()
    for channel, kind in UNIFIED_PUSHES.items():
        for line in unified_lines(channel):
            conversation = UnifiedConversation(line.market)
            conversation.join("a", ACCOUNT, 0)
            (said,) = conversation.receive(line.raw, FUTURES, 0).said
            if line.message["T"].startswith("balance.") and line.message["T"] != "balance.UNIFIED":
                assert isinstance(said.what, Notice), _CLASSIC_WALLET
                continue
            assert isinstance(said.what, kind), line.raw
            assert_numbers_are_in(line, [said.what])
            understood.add(channel)
    assert understood == set(UNIFIED_PUSHES)


def test_every_answer_about_a_unified_account_is_read() -> None:
    empty = found(b"[]")
    wallet = b'{"data":{"accounts":[]}}'
    for line in (line for channel in ANSWERS for line in unified_lines(channel)):
        asked = Unified(line.market, ACCOUNT, FUTURES)
        since = asked.since(Known(since_ms=0, until_ms=1))
        if line.channel == "rest_fills":
            told = answered(since, [line.raw, empty])[0]
        elif line.channel == "rest_orders":
            told = answered(since, [empty, line.raw])[0]
        elif line.channel == "rest_positions":
            told = answered(asked.snapshot(), [wallet, line.raw, empty])[0][1:]
        else:
            told = answered(Unified("spot", ACCOUNT, {}).snapshot(), [line.raw, empty])[0]
        assert told, line.raw
        assert all(isinstance(what, ANSWERS[line.channel]) for what in told)
        assert_numbers_are_in(line, told)
