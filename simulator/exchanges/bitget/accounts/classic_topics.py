"""The classic account system's pushes: channels of each product type."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from common.model.streams import Market
from simulator.accounts.account import Account
from simulator.accounts.model import Balance, Fact
from simulator.exchanges.bitget.accounts import classic_rows, words
from simulator.exchanges.bitget.accounts.classic_calls import call_classic
from simulator.exchanges.bitget.accounts.holdings import mark_of, open_positions
from simulator.exchanges.bitget.accounts.signing import CLASSIC
from simulator.exchanges.bitget.names import INST_TYPES
from simulator.exchanges.bitget.topics import find
from simulator.exchanges.protocol import HttpCall
from simulator.world import World

Arg = Mapping[str, Any]


def _arg(market: Market, channel: str) -> Arg:
    which = "coin" if channel == "account" else "instId"
    return {"instType": words.PRODUCTS[market], "channel": channel, which: "default"}


class Classic:
    """What accounts of this system are told and answered."""

    mode = CLASSIC
    path = "/v2/ws/private"
    args: Sequence[Arg] = tuple(
        _arg(market, channel)
        for market in INST_TYPES.values()
        for channel in ("orders", "fill", "positions", "account")
        if (market, channel) != ("spot", "positions")
    )
    # Where what concerns no channel is said.
    notices: Arg = _arg("spot", "account")

    def __init__(self, world: World) -> None:
        self._world = world

    def channel(self, arg: Arg) -> Arg | None:
        """The channel that is named; of spot's orders those of one symbol can be had, too."""
        whole = {**arg, "instId": "default"}
        if whole == _arg("spot", "orders") and find(self._world, "spot", str(arg["instId"])):
            return whole
        return arg if arg in self.args else None

    def told(self, account: Account, fact: Fact) -> list[tuple[Arg, Sequence[Any]]]:
        """The rows that tell a fact. Of positions it is all that there are now."""
        market = fact.market
        told: list[tuple[Arg, Sequence[Any]]] = []
        if fact.order is not None:
            rows = [classic_rows.order_push(account, fact, fact.order)]
            told.append((_arg(market, "orders"), rows))
        if fact.fill is not None:
            rows = [classic_rows.fill_row(account, fact.fill, pushed=True)]
            told.append((_arg(market, "fill"), rows))
        if fact.positions:
            told.append((_arg(market, "positions"), self._positions(account, market)))
        if fact.balances:
            told.append((_arg(market, "account"), _balances(market, fact.balances)))
        return told

    def whole(self, account: Account, arg: Arg) -> Sequence[Any] | None:
        """What a subscribe is told at once: how it stands; nothing of orders and fills."""
        market = INST_TYPES[arg["instType"]]
        if arg["channel"] == "account":
            return _balances(market, [one for one in account.wallets.of(market) if one.total])
        if arg["channel"] == "positions":
            return self._positions(account, market)
        return None

    def call(self, call: HttpCall) -> tuple[Account, Callable[[], object]] | None:
        """Whose REST call it is, and what answers it; None if it is none."""
        return call_classic(self._world, call)

    def _positions(self, account: Account, market: Market) -> Sequence[Any]:
        return [
            classic_rows.position(account, one, mark_of(self._world, one), pushed=True)
            for one in open_positions(account, market)
        ]


def _balances(market: Market, balances: Sequence[Balance]) -> Sequence[Any]:
    if market == "spot":
        return [classic_rows.coin(one) for one in balances]
    return [classic_rows.margin(one, pushed=True) for one in balances]
