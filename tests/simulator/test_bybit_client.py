"""Our own client against Bybit's simulated accounts: what it hears, reads and is refused for."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest

from common.exchanges.bybit.private import BYBIT_PRIVATE
from common.exchanges.private import Denied, InquiryFailed
from common.exchanges.told import BalancesTold, FillTold, OrderTold, PositionsTold
from common.model.streams import MARKETS, Market
from tests.simulator.bybit_accounts import SOCKET, SYMBOLS, an_owner
from tests.simulator.desk import SIZES, Listener, desk_of, of
from tests.simulator.wire import dial
from tests.support.simulator import simulator


@pytest.mark.parametrize("market", MARKETS)
async def test_an_order_is_heard_and_read_as_it_was(market: Market) -> None:
    async with simulator() as exchange:
        owner = await an_owner(exchange)
        desk, began_ms = desk_of(owner, BYBIT_PRIVATE), exchange.clock.now_ms()
        assert await desk.address(market) == "wss:/" + SOCKET
        async with desk.listening(market) as listener:
            placed = await owner.place(market, *SIZES[market])
            await owner.do("fill", market, order=placed["order"], maker=True)
            # The wallet comes last.
            heard = await listener.hear(BalancesTold, 2)
        truth = await owner.truth()
        assert [one.status for one in of(OrderTold, heard)] == ["NEW", "FILLED"]
        assert {(one.symbol, one.order_id) for one in of(OrderTold, heard)} == {
            (SYMBOLS[market], placed["orderId"])
        }
        [fill], [true] = of(FillTold, heard), truth["fills"]
        assert (fill.trade_id, fill.side, fill.maker) == (true["tradeId"], "BUY", True)
        size = fill.contracts if market == "inverse" else fill.quantity
        assert (Decimal(str(size)), Decimal(str(fill.fee))) == (
            Decimal(true["quantity"]), Decimal(true["fee"]),
        )  # fmt: skip
        assert len(of(PositionsTold, heard)) == (0 if market == "spot" else 2)

        now = await desk.filled_and_held(market, {})
        [balances] = of(BalancesTold, now)
        last = {row.asset: row for told in of(BalancesTold, heard) for row in told.balances}
        assert last
        assert all(row in balances.balances for row in last.values())
        # The histories lag behind, by machine time.
        await asyncio.sleep(0.4)
        # What was gained is on the socket only.
        for order in await desk.reads(market, {}, heard, began_ms, ("realized_pnl",)):
            assert order == of(OrderTold, heard)[-1]


async def test_a_liquidation_is_known_as_one() -> None:
    async with simulator() as exchange:
        owner = await an_owner(exchange)
        order = await owner.place("linear", *SIZES["linear"])
        await owner.do("fill", "linear", order=order["order"])
        async with desk_of(owner, BYBIT_PRIVATE).listening("linear") as listener:
            await owner.do("liquidate", "linear", symbol="BTCUSDT", price="57000")
            heard = await listener.hear(BalancesTold)
        assert [one.liquidation for one in of(OrderTold, heard)] == [True, True]
        [fill] = of(FillTold, heard)
        assert (fill.liquidation, fill.realized_pnl) == (True, "-1500")


@pytest.mark.parametrize(
    ("fault", "trouble"),
    [("revokeKey", "key"), ("takePermission", "permission"), ("takeAddress", "address")],
)
async def test_what_a_refusal_means(fault: str, trouble: str) -> None:
    async with simulator() as exchange, dial(exchange, SOCKET) as wire:
        owner = await an_owner(exchange)
        await owner.fault(fault)
        desk = desk_of(owner, BYBIT_PRIVATE)
        listener = Listener(desk, wire, "spot")
        await listener.join()
        [denied] = of(Denied, await listener.hear(Denied))
        assert denied.trouble == trouble
        with pytest.raises(InquiryFailed) as failed:
            await desk.address("spot")
        assert failed.value.trouble == trouble


async def test_a_clock_that_is_ahead_of_ours_and_an_account_that_is_retired() -> None:
    async with simulator() as exchange, dial(exchange, SOCKET) as wire:
        desk = desk_of(await an_owner(exchange, mode="classic"), BYBIT_PRIVATE)
        with pytest.raises(InquiryFailed) as failed:
            await desk.address("spot")
        assert failed.value.trouble == "mode"
        await exchange.control("account/fault", kind="skewClock", exchange="bybit", ms=60_000)
        listener = Listener(desk, wire, "spot")
        await listener.join()
        [denied] = of(Denied, await listener.hear(Denied))
        assert denied.trouble == "clock"
        with pytest.raises(InquiryFailed) as failed:
            await desk.address("spot")
        assert failed.value.trouble == "clock"
