"""Our own client against the simulated accounts of Bitget: what is heard and what REST tells are the truth."""

from __future__ import annotations

from decimal import Decimal

import pytest

from common.exchanges.bitget import BITGET
from common.exchanges.bitget.private import BITGET_PRIVATE
from common.exchanges.private import Denied, InquiryFailed
from common.exchanges.protocol import Unreadable
from common.exchanges.told import BalancesTold, FillTold, OrderTold, PositionsTold
from common.model.streams import MARKETS, Market
from tests.simulator.bitget_accounts import SYMBOLS, an_owner
from tests.simulator.desk import SIZES, desk_of, of
from tests.simulator.truths import catalog_of
from tests.support.simulator import simulator

MODES = ("unified", "classic")


@pytest.mark.parametrize("market", MARKETS)
@pytest.mark.parametrize("mode", MODES)
async def test_an_order_is_heard_and_read_as_it_was(market: Market, mode: str) -> None:
    async with simulator() as exchange:
        owner = await an_owner(exchange, mode)
        desk, catalog = desk_of(owner, BITGET_PRIVATE), await catalog_of(exchange, BITGET, market)
        began_ms = desk.now_ms()
        async with desk.listening(market, catalog) as listener:
            placed = await owner.place(market, *SIZES[market])
            await owner.do("fill", market, order=placed["order"], maker=True)
            last = BalancesTold if market == "spot" else PositionsTold
            heard = await listener.hear(OrderTold, 2) + await listener.hear(last)
        truth = await owner.truth()
        orders, fills = of(OrderTold, heard), of(FillTold, heard)
        assert [one.status for one in orders] == ["NEW", "FILLED"]
        assert {(one.symbol, one.order_id) for one in orders} == {
            (SYMBOLS[market], truth["orders"][0]["orderId"])
        }
        assert {(fill.trade_id, fill.side, fill.maker) for fill in fills} == {
            (truth["fills"][0]["tradeId"], "BUY", True)
        }
        fill, true = fills[0], truth["fills"][0]
        assert (Decimal(str(fill.fee)), fill.fee_asset) == (Decimal(true["fee"]), true["feeAsset"])
        size = true["value" if market == "inverse" else "quantity"]
        assert Decimal(str(fill.quantity)) == Decimal(size)

        await desk.filled_and_held(market, catalog)
        # What an order's own push tells of a trade has no gain.
        untold = ("client_order_id", "realized_pnl")
        await desk.reads(market, catalog, heard, began_ms, untold)


@pytest.mark.parametrize("mode", MODES)
async def test_long_and_short_are_kept_apart_whichever_way_an_order_trades(mode: str) -> None:
    async with simulator() as exchange:
        owner = await an_owner(exchange, mode, hedged=True)
        desk, catalog = desk_of(owner, BITGET_PRIVATE), await catalog_of(exchange, BITGET, "linear")
        async with desk.listening("linear", catalog) as listener:
            ways = (("BUY", "LONG"), ("SELL", "SHORT"), ("SELL", "LONG"), ("BUY", "SHORT"))
            for side, position in ways:
                order = await owner.place(
                    "linear", *SIZES["linear"], side=side, positionSide=position
                )
                await owner.do("fill", "linear", order=order["order"])
                heard = await listener.hear(OrderTold, 2) + await listener.hear(PositionsTold)
                told = {(one.side, one.position_side) for one in of(OrderTold, heard)}
                told |= {(one.side, one.position_side) for one in of(FillTold, heard)}
                assert told == {(side, position)}
        now = await desk.snapshot("linear", catalog)
        assert [one.positions for one in of(PositionsTold, now)] == [()]


@pytest.mark.parametrize("mode", MODES)
async def test_a_liquidation_is_told_as_one(mode: str) -> None:
    async with simulator() as exchange:
        owner = await an_owner(exchange, mode)
        desk, catalog = desk_of(owner, BITGET_PRIVATE), await catalog_of(exchange, BITGET, "linear")
        order = await owner.place("linear", *SIZES["linear"])
        await owner.do("fill", "linear", order=order["order"])
        async with desk.listening("linear", catalog) as listener:
            await owner.do("liquidate", "linear", symbol="BTCUSDT", price="50000")
            heard = await listener.hear(OrderTold, 2)
        assert {one.liquidation for one in of(OrderTold, heard)} == {True}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("spoil", ["unknown_type", "missing_field", "wrong_type", "truncated"])
async def test_a_spoiled_push_is_told_as_unreadable_and_the_next_one_is_read(
    mode: str, spoil: str
) -> None:
    async with simulator() as exchange:
        owner = await an_owner(exchange, mode)
        async with desk_of(owner, BITGET_PRIVATE).listening("spot") as listener:
            await listener.hear(BalancesTold)
            await exchange.control("fault", kind="garble", spoil=spoil, insert=True)
            await owner.place("spot", *SIZES["spot"])
            heard = [*await listener.frame(), *await listener.frame()]
        assert [type(what) for what in heard] == [Unreadable, OrderTold]


@pytest.mark.parametrize("fault", ["expireAccess", "revokeKey"])
async def test_a_lost_login_is_noticed_by_a_probe(fault: str) -> None:
    async with simulator() as exchange:
        owner = await an_owner(exchange)
        desk = desk_of(owner, BITGET_PRIVATE)
        async with desk.listening("spot") as listener:
            await owner.fault(fault)
            await listener.probe()
            [denied, *_] = of(Denied, await listener.hear(Denied))
            assert denied.trouble == "expired"
        if fault == "revokeKey":
            with pytest.raises(InquiryFailed) as failed:
                await desk.snapshot("spot", {})
            assert failed.value.trouble == "key"
