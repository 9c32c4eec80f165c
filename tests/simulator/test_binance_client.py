"""Our own client against the simulated accounts: what is heard and what REST tells are the truth."""

from __future__ import annotations

import pytest

from common.exchanges.binance import BINANCE
from common.exchanges.binance.private import BINANCE_PRIVATE
from common.exchanges.private import Denied, InquiryFailed, Opened
from common.exchanges.protocol import Unreadable
from common.exchanges.told import BalancesTold, FillTold, OrderTold, PositionsTold
from common.model.streams import MARKETS, Market
from tests.simulator.binance_accounts import API, SYMBOLS, an_owner
from tests.simulator.desk import SIZES, Listener, desk_of, of
from tests.simulator.truths import catalog_of
from tests.simulator.wire import dial
from tests.support.simulator import simulator


@pytest.mark.parametrize("market", MARKETS)
@pytest.mark.parametrize("kind", ["hmac", "ed25519"])
async def test_an_order_is_heard_and_read_as_it_was(market: Market, kind: str) -> None:
    async with simulator() as exchange:
        owner = await an_owner(exchange, kind=kind)
        desk, catalog = desk_of(owner, BINANCE_PRIVATE), await catalog_of(exchange, BINANCE, market)
        began_ms = desk.now_ms()
        async with desk.listening(market, catalog) as listener:
            placed = await owner.place(market, *SIZES[market])
            await owner.do("fill", market, order=placed["order"], maker=True)
            heard = await listener.hear(OrderTold, 2)
        truth = await owner.truth()
        orders, fills = of(OrderTold, heard), of(FillTold, heard)
        assert [one.status for one in orders] == ["NEW", "FILLED"]
        assert {(one.symbol, one.order_id) for one in orders} == {
            (SYMBOLS[market], truth["orders"][0]["orderId"])
        }
        [fill], [true] = fills, truth["fills"]
        assert (fill.trade_id, fill.side, fill.maker) == (true["tradeId"], "BUY", True)
        assert (float(fill.fee or 0), fill.fee_asset) == (float(true["fee"]), true["feeAsset"])
        assert of(BalancesTold, heard)
        assert bool(of(PositionsTold, heard)) == (market != "spot")

        await desk.filled_and_held(market, catalog)
        # A trade in REST does not name its order as the client does, nor say what made it.
        untold = ("client_order_id", "liquidation")
        await desk.reads(market, catalog, heard, began_ms, untold)


@pytest.mark.parametrize("market", MARKETS)
@pytest.mark.parametrize("spoil", ["unknown_type", "missing_field", "wrong_type", "truncated"])
async def test_a_spoiled_event_is_told_as_unreadable_and_the_next_one_is_read(
    market: Market, spoil: str
) -> None:
    async with simulator() as exchange:
        owner = await an_owner(exchange)
        async with desk_of(owner, BINANCE_PRIVATE).listening(market) as listener:
            await exchange.control("fault", kind="garble", spoil=spoil, insert=True)
            await owner.place(market, *SIZES[market])
            heard = [*await listener.frame(), *await listener.frame()]
        assert [type(what) for what in heard] == [Unreadable, OrderTold]


async def test_a_deleted_key_and_a_lost_subscription_are_noticed_by_a_probe() -> None:
    async with simulator() as exchange:
        owner = await an_owner(exchange)
        desk = desk_of(owner, BINANCE_PRIVATE)
        async with dial(exchange, API) as wire:
            for fault in ("expireAccess", "revokeKey"):
                listener = Listener(desk, wire, "spot")
                await listener.join()
                await listener.hear(Opened)
                await owner.fault(fault)
                await listener.probe()
                [denied] = of(Denied, await listener.hear(Denied))
                assert denied.trouble == "expired"
        with pytest.raises(InquiryFailed) as failed:
            await desk.snapshot("spot", {})
        assert failed.value.trouble == "key"
