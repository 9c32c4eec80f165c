"""OKX's private channels: what may be subscribed, what each says of a fact, and how it stands. Pure.

A push is made once for all who hear a channel; what they have narrowed it to, and the argument that they
know it by, is added for each of them (``addressed``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from simulator.accounts.account import Account
from simulator.accounts.model import Fact, Kind, Position
from simulator.exchanges.common import Refused
from simulator.exchanges.okx.accounts.rows import Row, Rows, trade_id, uid
from simulator.exchanges.okx.names import symbol_of

Arg = Mapping[str, str]

ORDERS, ACCOUNT, POSITIONS = "orders", "account", "positions"
BOTH = "balance_and_position"
# How often each tells everything without being asked, by the word for it (ms); "0": never.
ON_CHANGE, USUAL = "0", "5000"
PACES: Mapping[str, tuple[str, ...]] = {
    ORDERS: (ON_CHANGE,),
    ACCOUNT: (ON_CHANGE, USUAL),
    POSITIONS: (ON_CHANGE, "2000", "3000", "4000", USUAL),
    BOTH: (ON_CHANGE,),
}
# For accounts that trade much more than one here does.
FOR_FEW = ("fills",)
_TYPES: Mapping[str, tuple[str, ...]] = {
    ORDERS: ("SPOT", "MARGIN", "SWAP", "FUTURES", "OPTION", "ANY"),
    POSITIONS: ("MARGIN", "SWAP", "FUTURES", "OPTION", "ANY"),
}
_REASONS: Mapping[Kind, str] = {"deposit": "transferred", "withdrawal": "transferred"}

_encode = msgspec.json.Encoder().encode


def check(arg: Arg, unknown: Refused) -> None:
    """Whether this may be subscribed.

    Raises:
        Refused: ``unknown``, or not to this account, or a parameter is wrong.
    """
    if arg["channel"] in FOR_FEW:
        detail = "Your trading fee tier doesn't meet the requirement to access this channel"
        raise Refused("64003", detail)
    types = _TYPES.get(arg["channel"])
    if types is not None and arg.get("instType") not in types:
        raise unknown
    if pace_of(arg) not in PACES[arg["channel"]]:
        raise Refused("60013", "Invalid args")


def pace_of(arg: Arg) -> str:
    """How often it is to tell everything: said by a text within the text."""
    paces = PACES[arg["channel"]]
    if "extraParams" not in arg or len(paces) == 1:
        return paces[-1]
    try:
        more = msgspec.json.decode(arg["extraParams"], type=dict[str, str])
    except msgspec.DecodeError:
        return ""
    return more.get("updateInterval", USUAL)


def narrowed(topic: str, account: Account, payload: str) -> str | None:
    """A payload as who has subscribed this hears it; None where there is nothing for them."""
    arg = arg_of(topic)
    body = msgspec.json.decode(payload)
    rows = [row for row in body["data"] if _is_meant(arg, row)]
    if arg["channel"] == ACCOUNT and "ccy" in arg:
        rows = [row | {"details": _of_assets(row, arg["ccy"])} for row in rows]
        rows = [row for row in rows if row["details"]]
    if not rows and body.get("eventType") != "snapshot":
        return None
    return _encode({"arg": {**arg, "uid": uid(account)}, **body, "data": rows}).decode()


def topic_of(arg: Arg) -> str:
    """The name of a subscription on its socket."""
    return _encode(arg).decode()


def arg_of(topic: str) -> dict[str, str]:
    """What was subscribed under it."""
    return msgspec.json.decode(topic, type=dict[str, str])


def is_private(topic: str) -> bool:
    """Whether a topic is one of these; the public ones are no JSON."""
    return topic.startswith("{")


def _is_meant(arg: Arg, row: Row) -> bool:
    kind, family = arg.get("instType", "ANY"), arg.get("instFamily")
    symbol: str = row.get("instId", "")
    if kind not in ("ANY", row.get("instType", kind)):
        return False
    if family is not None and not symbol.startswith(f"{family}-"):
        return False
    wanted: str = arg.get("instId", symbol)
    return wanted == symbol


def _of_assets(row: Row, assets: str) -> list[Row]:
    return [detail for detail in row["details"] if detail["ccy"] in assets.split(",")]


# --- what is said ---------------------------------------------------------------------------


def standing(rows: Rows, account: Account, channel: str, now_ms: int) -> str | None:
    """Everything of a channel as it is now; None of orders, which tell changes only."""
    if channel == ORDERS:
        return None
    balances = [balance for _, balance in account.wallets if balance.total or balance.locked]
    held = [position for position in account.positions.values() if position.size]
    if channel == ACCOUNT:
        return _snapshot([rows.account(account, balances)])
    positions = [rows.position(account, position) for position in held]
    if channel == POSITIONS:
        return _snapshot([row | {"pTime": str(now_ms)} for row in positions])
    row = {
        "pTime": str(now_ms),
        "eventType": "snapshot",
        "balData": [_booked(row) for row in rows.account(account, balances)["details"]],
        "posData": [_short(row) for row in positions],
        "trades": [],
    }
    return _encode({"data": [row]}).decode()


def told(rows: Rows, account: Account, fact: Fact, now_ms: int) -> Iterable[tuple[str, str]]:
    """What each channel says of a fact, the fastest first."""
    details = rows.account(account, fact.balances)
    positions = [rows.position(account, position) for position in _touched(account, fact)]
    changed = [rows.position(account, position) for position in fact.positions]
    if fact.fill is not None or fact.delta:
        yield BOTH, _both(fact, details["details"], changed, now_ms)
    if fact.order is not None:
        yield ORDERS, _text([rows.order_push(account, fact.order, fact.fill)])
    if fact.balances:
        yield ACCOUNT, _update([details])
    if positions:
        yield POSITIONS, _update([row | {"pTime": str(now_ms)} for row in positions])


def _touched(account: Account, fact: Fact) -> list[Position]:
    """What a trade has changed, or what an order that comes or goes is about."""
    if fact.positions or fact.order is None or fact.market == "spot":
        return list(fact.positions)
    position = account.position(fact.order.listing, fact.order.position_side)
    return [position] if position.size else []


def _both(fact: Fact, balances: list[Row], positions: list[Row], now_ms: int) -> str:
    fill = fact.fill
    trade = None if fill is None else trade_id(fill)
    word = "liquidation" if fill is not None and fill.liquidation else "filled"
    row = {
        "pTime": str(now_ms),
        "eventType": _REASONS.get(fact.kind, word),
        "balData": [_booked(row) for row in balances],
        "posData": [_short(row) | {"tradeId": trade or ""} for row in positions],
        "trades": [] if fill is None else [{"instId": symbol_of(fill.listing), "tradeId": trade}],
    }
    return _text([row])


def _booked(detail: Row) -> Row:
    return {name: detail[name] for name in ("ccy", "cashBal", "uTime")}


def _short(row: Row) -> Row:
    names = (
        "posId", "instId", "instType", "mgnMode", "posSide", "pos", "ccy", "posCcy", "avgPx", "uTime",
    )  # fmt: skip
    return {name: row[name] for name in names} | {"tradeId": ""}


def _snapshot(data: list[Any]) -> str:
    body = {"eventType": "snapshot", "curPage": 1, "lastPage": True, "data": data}
    return _encode(body).decode()


def _update(data: list[Any]) -> str:
    return _encode({"eventType": "event_update", "data": data}).decode()


def _text(data: list[Any]) -> str:
    return _encode({"data": data}).decode()
