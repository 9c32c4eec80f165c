"""Our own client against OKX's simulated accounts: what is heard and what REST tells are the truth."""

from __future__ import annotations

import pytest

from common.exchanges.okx import OKX
from common.exchanges.okx.private import OKX_PRIVATE
from common.exchanges.private import Alive, Denied, InquiryFailed, Opened, Trouble
from common.exchanges.protocol import Unreadable
from common.exchanges.told import BalancesTold, FillTold, OrderTold, PositionsTold
from common.model.streams import MARKETS, Market
from tests.simulator.desk import SIZES, Listener, desk_of, of
from tests.simulator.okx_accounts import PRIVATE, SYMBOLS, an_owner
from tests.simulator.truths import catalog_of
from tests.simulator.wire import dial
from tests.support.simulator import simulator


@pytest.mark.parametrize("market", MARKETS)
@pytest.mark.parametrize("mode", ["2", "3"])
async def test_an_order_is_heard_and_read_as_it_was(market: Market, mode: str) -> None:
    async with simulator() as exchange:
        owner = await an_owner(exchange, mode=mode)
        desk, catalog = desk_of(owner, OKX_PRIVATE), await catalog_of(exchange, OKX, market)
        began_ms = desk.now_ms()
        async with desk.listening(market, catalog) as listener:
            placed = await owner.place(market, *SIZES[market])
            await owner.do("fill", market, order=placed["order"], maker=True)
            heard = await listener.hear(OrderTold, 2)
            heard += await listener.hear(PositionsTold if market != "spot" else BalancesTold)
        truth = await owner.truth()
        orders, fills = of(OrderTold, heard), of(FillTold, heard)
        assert [one.status for one in orders] == ["NEW", "FILLED"]
        assert {(one.symbol, one.order_id) for one in orders} == {
            (SYMBOLS[market], truth["orders"][0]["orderId"])
        }
        [fill], [true] = fills, truth["fills"]
        assert (fill.trade_id, fill.side, fill.maker) == (true["tradeId"], "BUY", True)
        assert (float(fill.fee or 0), fill.fee_asset) == (float(true["fee"]), true["feeAsset"])
        size = fill.contracts if market == "inverse" else fill.quantity
        assert float(str(size)) == float(true["quantity"])

        await desk.filled_and_held(market, catalog)
        await desk.reads(market, catalog, heard, began_ms)


@pytest.mark.parametrize("hedged", [False, True])
async def test_the_trade_of_a_liquidation_is_read_by_its_order(hedged: bool) -> None:
    side = {"positionSide": "LONG"} if hedged else {}
    async with simulator() as exchange:
        owner = await an_owner(exchange, hedged=hedged)
        desk, catalog = desk_of(owner, OKX_PRIVATE), await catalog_of(exchange, OKX, "linear")
        order = await owner.place("linear", *SIZES["linear"], **side)
        await owner.do("fill", "linear", order=order["order"])
        async with desk.listening("linear", catalog) as listener:
            await owner.do("liquidate", "linear", symbol=SYMBOLS["linear"], price="57000", **side)
            heard = await listener.hear(OrderTold, 2)
        assert of(FillTold, heard) == []
        done = of(OrderTold, heard)[-1]
        assert (done.status, done.liquidation, done.filled) == ("FILLED", True, "0.500")
        told = await desk.order("linear", catalog, done)
        [fill], true = of(FillTold, told), (await owner.truth())["fills"][-1]
        assert (fill.trade_id, fill.liquidation) == (true["tradeId"], True)
        assert (fill.realized_pnl, float(true["realized"])) == ("-1500", -1500)


@pytest.mark.parametrize("spoil", ["unknown_type", "missing_field", "wrong_type", "truncated"])
async def test_a_spoiled_event_is_told_as_unreadable_and_the_next_one_is_read(spoil: str) -> None:
    async with simulator() as exchange, dial(exchange, PRIVATE) as wire:
        owner = await an_owner(exchange)
        listener = Listener(desk_of(owner, OKX_PRIVATE), wire, "spot")
        await listener.join()
        await listener.hear(BalancesTold)
        await exchange.control("fault", kind="garble", spoil=spoil, insert=True)
        await owner.place("spot", *SIZES["spot"])
        heard = await listener.hear(OrderTold)
        assert [type(what) for what in heard if not isinstance(what, Opened)][-2:] == [
            Unreadable, OrderTold,
        ]  # fmt: skip


async def test_a_probe_is_answered_and_what_is_ended_is_denied() -> None:
    async with simulator() as exchange, dial(exchange, PRIVATE) as wire:
        owner = await an_owner(exchange)
        listener = Listener(desk_of(owner, OKX_PRIVATE), wire, "spot")
        await listener.join()
        await listener.hear(Opened)
        for _ in range(2):
            await listener.probe()
            await listener.hear(Alive)
        await owner.fault("expireAccess", told=True)
        denied = (await listener.hear(Denied))[-1]
        assert denied.trouble == "rate"


@pytest.mark.parametrize(
    ("kind", "trouble"),
    [("revokeKey", "key"), ("takePermission", "permission"), ("takeAddress", "address")],
)
async def test_what_a_key_lacks_is_told_apart_by_rest(kind: str, trouble: Trouble) -> None:
    async with simulator() as exchange:
        owner = await an_owner(exchange)
        desk = desk_of(owner, OKX_PRIVATE)
        await owner.fault(kind)
        with pytest.raises(InquiryFailed) as failed:
            await desk.snapshot("spot", {})
        assert failed.value.trouble == trouble
        async with dial(exchange, PRIVATE) as wire:
            listener = Listener(desk, wire, "spot")
            await listener.join()
            # A login that fails says no more than that.
            assert (await listener.hear(Denied))[-1].trouble == "key"
