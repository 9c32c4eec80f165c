"""Coinbase's REST of accounts: which call is what, how lists are paged, what an owner may ask for.

Lists are newest first; a mark at the end of a page asks for the next one. Open orders are the exception:
they come on one page. Nothing is forgotten.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar
from urllib.parse import parse_qsl, unquote

from common.clocks import machine_s
from simulator.accounts.account import Account
from simulator.accounts.model import Fill, Order
from simulator.exchanges.coinbase.accounts import rows
from simulator.exchanges.coinbase.accounts.tokens import UNAUTHORIZED, caller
from simulator.exchanges.coinbase.names import REST_HOST, product_of
from simulator.exchanges.common import Refused
from simulator.exchanges.protocol import HttpAnswer, HttpCall, json_answer
from simulator.world import World

# The pool of requests that control may change, and what a minute of it holds for each user.
POOL, PER_MINUTE = "coinbase-private", 1800
_PREFIX = "/api/v3/brokerage"
_ACCOUNTS, _ORDERS = f"{_PREFIX}/accounts", f"{_PREFIX}/orders/historical"
# How many rows a page has where it is not said, and at most.
_ACCOUNT_ROWS, _ORDER_ROWS, _FILL_ROWS = (49, 250), (1000, 1000), (100, 1000)

TOO_MANY = json_answer(
    {"errors": [{"id": "rate_limit_exceeded", "message": "Too many requests"}]}, 429
)
_T = TypeVar("_T")
_Query = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class _Asked:
    """A call whose sender is known; a parameter may be given several times."""

    account: Account
    query: _Query

    def text(self, name: str) -> str:
        return next(iter(self.query.get(name, ())), "")


_Answer = Callable[[_Asked], object]


def answer(world: World, call: HttpCall) -> HttpAnswer | None:
    """A call about an account: who it is from first, then counted; None if this is none."""
    carry_out = _found(call)
    if carry_out is None:
        return None
    try:
        account = caller(world, call)
        limit = world.weight_limits.get(POOL, PER_MINUTE) // 60
        if world.meters.window(POOL, account.key.key, 1.0).exceeds(limit, machine_s()):
            return TOO_MANY
        return json_answer(carry_out(_Asked(account, _query_of(call))))
    except Refused as refused:
        return refusal(refused)


def refusal(refused: Refused) -> HttpAnswer:
    """An error as the exchange words it; of a bad token it says one word, and that not as JSON."""
    if refused is UNAUTHORIZED:
        return HttpAnswer(401, b"Unauthorized\n")
    text = refused.message
    body = {"error": refused.code, "error_details": text, "message": text}
    return json_answer(body, refused.status)


def _found(call: HttpCall) -> _Answer | None:
    if call.host != REST_HOST or call.method != "GET":
        return None
    known = _CALLS.get(call.path)
    if known is not None:
        return known
    folder, _, name = call.path.rpartition("/")
    one = {_ACCOUNTS: _one_wallet, _ORDERS: _one_order}.get(folder)
    return None if one is None else lambda asked: one(asked, unquote(name))


def _query_of(call: HttpCall) -> _Query:
    query: defaultdict[str, list[str]] = defaultdict(list)
    for name, value in parse_qsl(call.raw_query):
        query[name].append(value)
    return query


# --- accounts -------------------------------------------------------------------------------


def _wallets(asked: _Asked) -> object:
    balances = sorted(asked.account.wallets.of("spot"), key=lambda one: one.asset, reverse=True)
    numbered = list(enumerate(balances, 1))
    page, cursor = _page(asked, numbered, lambda one: one[0], _ACCOUNT_ROWS)
    told = [rows.wallet_row(asked.account, balance) for _, balance in page]
    return {"accounts": told, "has_next": bool(cursor), "cursor": cursor, "size": len(told)}


def _one_wallet(asked: _Asked, name: str) -> object:
    for balance in asked.account.wallets.of("spot"):
        if rows.wallet_id(asked.account, balance.asset) == name:
            return {"account": rows.wallet_row(asked.account, balance)}
    raise Refused("NOT_FOUND", "account not found", 404)


def _permissions(asked: _Asked) -> object:
    return {
        "can_view": True,
        "can_trade": "trade" in asked.account.key.permissions,
        "can_transfer": False,
        "portfolio_uuid": rows.portfolio_id(asked.account),
        "portfolio_type": "DEFAULT",
    }


# --- orders and fills -----------------------------------------------------------------------


def _orders(asked: _Asked) -> object:
    """By when they were created; of a status if one is asked for, and of open ones no second page."""
    statuses = asked.query.get("order_status", ())
    if "OPEN" in statuses and set(statuses) != {"OPEN"}:
        raise _invalid("order_status OPEN cannot be asked for together with others")
    start_ms, end_ms = _time(asked, "start_date"), _time(asked, "end_date")
    found = [
        order
        for order in asked.account.orders.values()
        if _fits(statuses, rows.status_of(order))
        and _fits(asked.query.get("order_ids"), rows.order_id(order))
        and _fits(asked.query.get("product_ids"), product_of(order.listing))
        and _fits(asked.query.get("product_type"), "SPOT")
        and _fits(asked.query.get("order_side"), order.side)
        and (start_ms is None or order.created_ms >= start_ms)
        and (end_ms is None or order.created_ms < end_ms)
    ]
    page, cursor = _page(asked, found, lambda order: order.number, _ORDER_ROWS)
    if "OPEN" in statuses:
        cursor = ""
    return {
        "orders": _order_rows(asked.account, page),
        "sequence": "0",
        "has_next": bool(cursor),
        "cursor": cursor,
    }


def _one_order(asked: _Asked, name: str) -> object:
    found = [one for one in asked.account.orders.values() if rows.order_id(one) == name]
    if not found:
        raise Refused("NOT_FOUND", "order with this orderID was not found", 404)
    return {"order": _order_rows(asked.account, found)[0]}


def _order_rows(account: Account, orders: Sequence[Order]) -> list[rows.Row]:
    fills: defaultdict[int, list[Fill]] = defaultdict(list)
    for fill in account.fills("spot"):
        fills[fill.order].append(fill)
    return [rows.order_row(account, order, fills[order.number]) for order in orders]


def _fills(asked: _Asked) -> object:
    """Without a flag: an empty mark says that there is no more."""
    start_ms = _time(asked, "start_sequence_timestamp")
    end_ms = _time(asked, "end_sequence_timestamp")
    found = [
        fill
        for fill in asked.account.fills("spot")
        if _fits(asked.query.get("order_ids"), rows.uuid_of("order", fill.order))
        and _fits(asked.query.get("trade_ids"), rows.trade_id(fill))
        and _fits(asked.query.get("product_ids"), product_of(fill.listing))
        and (start_ms is None or fill.time_ms >= start_ms)
        and (end_ms is None or fill.time_ms <= end_ms)
    ]
    page, cursor = _page(asked, found, lambda fill: fill.trade, _FILL_ROWS)
    return {"fills": [rows.fill_row(asked.account, fill) for fill in page], "cursor": cursor}


# --- what is asked for ----------------------------------------------------------------------


def _page(
    asked: _Asked, found: Sequence[_T], number_of: Callable[[_T], int], rows_of_page: tuple[int, int]
) -> tuple[Sequence[_T], str]:  # fmt: skip
    """A page, newest first, and the mark of the next one: the number that it begins below."""
    usual, most = rows_of_page
    limit = asked.text("limit") or str(usual)
    if not (limit.isascii() and limit.isdecimal() and 1 <= int(limit) <= most):
        raise _invalid(f"limit must be between 1 and {most}")
    cursor = asked.text("cursor")
    below = _number_in(cursor) if cursor else None
    left = [one for one in found if below is None or number_of(one) < below]
    left.sort(key=number_of, reverse=True)
    page = left[: int(limit)]
    more = len(page) < len(left)
    return page, urlsafe_b64encode(str(number_of(page[-1])).encode()).decode() if more else ""


def _number_in(cursor: str) -> int:
    try:
        return int(urlsafe_b64decode(cursor))
    except ValueError:
        raise _invalid("cursor is not one of ours") from None


def _fits(wanted: Sequence[str] | None, value: str) -> bool:
    return not wanted or value in wanted


def _time(asked: _Asked, name: str) -> int | None:
    """A time in RFC 3339, which names its zone."""
    text = asked.text(name)
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise _invalid(f"{name} is no time") from None
    if moment.tzinfo is None:
        raise _invalid(f"{name} is no time")
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return since.days * 86_400_000 + since.seconds * 1000 + since.microseconds // 1000


def _invalid(what: str) -> Refused:
    return Refused("INVALID_ARGUMENT", what)


_CALLS: Mapping[str, _Answer] = {
    _ACCOUNTS: _wallets,
    f"{_PREFIX}/key_permissions": _permissions,
    f"{_ORDERS}/batch": _orders,
    f"{_ORDERS}/fills": _fills,
}
