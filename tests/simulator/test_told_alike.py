"""What a socket and REST tell of one trade is the same, on every exchange: whoever tells it, however often."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import cycle
from typing import Any

import pytest
from msgspec import UNSET
from msgspec.structs import fields

from common.exchanges.private import Known
from common.exchanges.registry import EXCHANGES, PRIVATE
from common.exchanges.told import FillTold, OrderTold, Told
from common.model.streams import Market
from tests.simulator.desk import Desk, Listener, desk_of, of
from tests.simulator.owners import AccountOwner
from tests.simulator.truths import catalog_of
from tests.support.simulator import RunningSimulator, simulator
from tests.support.trader import symbol_of

MODES = {"bitget": ("unified", "classic"), "kucoin": ("", "unified")}
PLACES = [
    (exchange, mode, market)
    for exchange in ("binance", "bitget", "bybit", "coinbase", "kucoin", "okx")
    for mode in MODES.get(exchange, ("",))
    for market in PRIVATE[exchange].markets
]
# What divides and multiplies to many digits. Contracts are of many dollars, coins of tens of thousands.
PRICES = ("64118.1", "63999.7", "60011.3", "61237.9")
SIZES: dict[Market, Sequence[str]] = {
    "spot": ("0.537", "0.123", "0.21"),
    "linear": ("0.537", "0.123", "0.21"),
    "inverse": ("37", "10", "20"),
}
AMOUNTS = ("price", "quantity", "contracts", "quote_quantity", "fee", "realized_pnl")
_DEFAULTS = {each.name: each.default for each in fields(FillTold)}


@pytest.mark.parametrize(("exchange", "mode", "market"), PLACES)
async def test_a_trade_is_the_same_whoever_tells_it(
    exchange: str, mode: str, market: Market
) -> None:
    async with simulator() as simulated:
        # More is asked for at once here than KuCoin allows.
        await simulated.control("limits", pool="kucoin-unified", weightPerMinute=10_000)
        desk, owner = await an_account(simulated, exchange, mode, market)
        catalog = await catalog_of(simulated, EXCHANGES[exchange], market)
        began_ms = desk.now_ms()
        async with desk.listening(market, catalog) as listener:
            last = await trade(owner, market)
            truth = await owner.truth()
            told = await hear_until_ended(listener, last)
        known = Known(began_ms, desk.now_ms() + 1, [owner.symbols[market]])
        told += await desk.ask(desk.private.since(market, desk.credentials, catalog, known))
        orders = {one.order_id: one for one in of(OrderTold, told)}
        for order in orders.values():
            told += await desk.order(market, catalog, order)
        told_of: dict[str, list[FillTold]] = {}
        for fill in of(FillTold, told):
            told_of.setdefault(fill.trade_id, []).append(fill)
        assert len(told_of) == len(truth["fills"]) > len(PRICES)
        assert all(len(copies) > 1 for copies in told_of.values())
        assert {
            (true["tradeId"], name): words
            for true in truth["fills"]
            for name, words in differing(told_of[true["tradeId"]])
        } == {}


async def an_account(
    simulated: RunningSimulator, exchange: str, mode: str, market: Market
) -> tuple[Desk, AccountOwner]:
    reply = await simulated.control("accounts", exchange=exchange, mode=mode)
    owner = AccountOwner(simulated, reply["accounts"][0])
    owner.symbols = {market: await symbol_of(simulated, exchange, market)}
    return desk_of(owner, PRIVATE[exchange]), owner


async def trade(owner: AccountOwner, market: Market) -> str:
    """Orders to buy and to sell, in parts of which none is round, and a liquidation; the id of the last."""
    size, *parts = SIZES[market]
    for price, side in zip(PRICES, cycle(("BUY", "SELL")), strict=False):
        placed = await owner.place(market, size, price, side=side)
        for part in parts:
            await owner.do("fill", market, order=placed["order"], quantity=part, maker=True)
        await owner.do("cancel" if price == PRICES[1] else "fill", market, order=placed["order"])
    placed = await owner.place(market, size)
    await owner.do("fill", market, order=placed["order"])
    if market != "spot":
        symbol = owner.symbols[market]
        await owner.do("liquidate", market, symbol=symbol, price="57123.7")
    last = await owner.place(market, size, PRICES[2])
    await owner.do("cancel", market, order=last["order"])
    return str(last["orderId"])


async def hear_until_ended(listener: Listener, order_id: str) -> list[Told]:
    """What is said up to the end of this order: of the ones before it, all."""
    heard: list[Any] = []
    while (order_id, "CANCELED") not in {
        (one.order_id, one.status) for one in of(OrderTold, heard)
    }:
        heard += await listener.frame()
    return heard


def differing(copies: Sequence[FillTold]) -> Iterator[tuple[str, set[Any]]]:
    """What is told of a trade in more than one way. What a field is left at says nothing."""
    for name, default in _DEFAULTS.items():
        # Within a millisecond only a socket numbers what happens.
        if name == "seq":
            continue
        words = {getattr(one, name) for one in copies} - {default, UNSET}
        if name in AMOUNTS:
            words = {Decimal(word).normalize() for word in words}
        if len(words) > 1:
            yield name, words
