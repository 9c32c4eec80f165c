"""The unified account system's pushes: one subscription to a topic is for all markets."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from common.model.streams import Market
from simulator.accounts.account import Account
from simulator.accounts.model import Fact
from simulator.exchanges.bitget.accounts import unified_rows
from simulator.exchanges.bitget.accounts.holdings import mark_of, open_positions
from simulator.exchanges.bitget.accounts.signing import UNIFIED
from simulator.exchanges.bitget.accounts.unified_calls import call_unified
from simulator.exchanges.protocol import HttpCall
from simulator.world import World

Arg = Mapping[str, Any]
_FUTURES: tuple[Market, ...] = ("linear", "inverse")


def _arg(topic: str) -> Arg:
    return {"instType": "UTA", "topic": topic}


class Unified:
    """What accounts of this system are told and answered."""

    mode = UNIFIED
    path = "/v3/ws/private"
    args: Sequence[Arg] = tuple(map(_arg, ("order", "fill", "position", "account")))
    # Where what concerns no topic is said.
    notices: Arg = _arg("account")

    def __init__(self, world: World) -> None:
        self._world = world

    def channel(self, arg: Arg) -> Arg | None:
        """The topic that is named."""
        return arg if arg in self.args else None

    def told(self, account: Account, fact: Fact) -> list[tuple[Arg, Sequence[Any]]]:
        """The rows that tell a fact: the order before its fill, then what that changed."""
        told: list[tuple[Arg, Sequence[Any]]] = []
        if fact.order is not None:
            told.append((_arg("order"), [unified_rows.order_push(account, fact, fact.order)]))
        if fact.fill is not None:
            told.append((_arg("fill"), [unified_rows.fill_push(account, fact.fill)]))
        if fact.positions:
            rows = [
                unified_rows.position_push(account, one, mark_of(self._world, one), fact.fill)
                for one in fact.positions
            ]
            told.append((_arg("position"), rows))
        if fact.balances:
            told.append((_arg("account"), [unified_rows.account_push(fact.balances)]))
        return told

    def whole(self, account: Account, arg: Arg) -> Sequence[Any] | None:
        """What a subscribe is told at once: how it stands; nothing of orders and fills."""
        if arg["topic"] == "account":
            balances = [one for one in account.wallets.of("spot") if one.total]
            return [unified_rows.account_push(balances)]
        if arg["topic"] == "position":
            held = [one for market in _FUTURES for one in open_positions(account, market)]
            return [
                unified_rows.position_push(account, one, mark_of(self._world, one)) for one in held
            ]
        return None

    def call(self, call: HttpCall) -> tuple[Account, Callable[[], object]] | None:
        """Whose REST call it is, and what answers it; None if it is none."""
        return call_unified(self._world, call)
