"""The core of accounts: whatever is done, the sums are right and an order ends once."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.model.streams import MARKETS
from simulator.accounts.account import Account, Impossible
from simulator.accounts.book import FUNDS, Accounts
from simulator.accounts.keys import make_key
from simulator.accounts.model import OPEN, ZERO, Numbers, Order
from simulator.accounts.plans import plan
from simulator.accounts.positions import margin_of
from simulator.accounts.trader import Trader
from simulator.listing import LISTINGS, Catalog, Listed, Listing
from simulator.market import Market

BTC_SPOT, BTC_LINEAR, BTC_INVERSE = (
    next(one for one in LISTINGS if one.key == key)
    for key in ("spot:BTC/USDT:spot", "linear:BTC/USDT:perpetual", "inverse:BTC/USD:perpetual")
)
NOW_MS = 1_763_700_000_000


def dec(text: str) -> Decimal:
    return Decimal(text)


def an_account(*, hedged: bool = False, fees_in_quote: bool = False) -> Account:
    return Accounts().open(
        "a1", "binance", make_key(1, "a1"), markets=MARKETS, wallet_of=str, time_ms=0,
        hedged=hedged, fees_in_quote=fees_in_quote,
    )  # fmt: skip


def placed(
    account: Account, listing: Listing, side: Any, quantity: str, price: str | None, **more: Any
) -> Order:
    limit = None if price is None else dec(price)
    order = account.place(listing, side, dec(quantity), limit, NOW_MS, **more).order
    assert order is not None
    return order


def assert_adds_up(account: Account) -> None:
    """What the log says, added up, is what there is."""
    totals: defaultdict[tuple[str, str], Decimal] = defaultdict(Decimal)
    sizes: defaultdict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for fact in account.log:
        fill = fact.fill
        if fact.delta:
            totals[fact.market, fact.balances[0].asset] += fact.delta
        if fill is None:
            continue
        sign = 1 if fill.side == "BUY" else -1
        totals[fact.market, fill.fee_asset] -= fill.fee
        if fact.market == "spot":
            totals["spot", fill.listing.base] += sign * fill.quantity
            totals["spot", fill.listing.quote] -= sign * fill.value
        else:
            totals[fact.market, fill.listing.settle] += fill.realized
            sizes[fill.listing.key, fill.position_side] += sign * fill.quantity
    for wallet, balance in account.wallets:
        asset = balance.asset
        assert balance.total == totals[wallet, asset]
        open_ = [order for order in account.orders.values() if order.open]
        held = sum(
            order.held
            for order in open_
            if order.market == wallet and held_in(order) == asset
        )  # fmt: skip
        margins = sum(
            position.margin
            for position in account.positions.values()
            if (position.listing.market, position.listing.settle) == (wallet, asset)
        )
        assert balance.locked == held + margins >= 0
        assert balance.free == balance.total - balance.locked
        if wallet == "spot":
            assert balance.free >= 0
    for (key, side), position in account.positions.items():
        assert position.size == sizes[key, side]
        assert position.margin == margin_of(position.cost) >= 0
        assert (position.size == 0) == (position.cost == 0) == (position.entry_price == 0)


def held_in(order: Order) -> str:
    if order.market != "spot":
        return order.listing.settle
    return order.listing.quote if order.side == "BUY" else order.listing.base


def assert_paths(account: Account) -> None:
    """Of every order: it begins once, what is filled never falls, nothing follows its one end."""
    paths: defaultdict[tuple[str, int], list[Order]] = defaultdict(list)
    filled: Counter[tuple[str, int]] = Counter()
    for number, fact in enumerate(account.log, 1):
        assert fact.number == number
        if fact.order is not None:
            paths[fact.market, fact.order.number].append(fact.order)
        if fact.fill is not None:
            filled[fact.market, fact.fill.order] += fact.fill.quantity
    for key, path in paths.items():
        assert [one.status for one in path].count("NEW") == 1
        assert path[0].status == "NEW"
        assert [one.filled for one in path] == sorted(one.filled for one in path)
        assert all(one.status in OPEN for one in path[:-1])
        assert path[-1].filled == filled[key] <= path[-1].quantity
        assert (path[-1].status == "FILLED") == (path[-1].filled == path[-1].quantity)
        assert path[-1] == account.orders[key]  # type: ignore[index]
        assert path[-1].open or path[-1].held == 0


_AMOUNTS = st.integers(1, 40)
_DOINGS = st.lists(
    st.tuples(
        st.sampled_from(["place", "fill", "fill", "cancel", "reject", "expire", "liquidate", "move"]),
        st.sampled_from([BTC_SPOT, BTC_LINEAR, BTC_INVERSE]),
        st.booleans(), _AMOUNTS, st.integers(-300, 300), st.integers(0, 30),
    ),
    min_size=5, max_size=60,
)  # fmt: skip


def do(account: Account, doing: Any, time_ms: int) -> None:
    what, listing, buys, lots, off, pick = doing
    price = Decimal(listing.price + off * listing.tick).scaleb(-listing.price_decimals)
    size = Decimal(lots).scaleb(-listing.lot_decimals)
    orders = list(account.orders.values())
    order = orders[pick % len(orders)] if orders else None
    if what == "place":
        side = "BUY" if buys else "SELL"
        account.place(listing, side, size, None if pick < 8 else price, time_ms)
    elif what == "liquidate":
        account.liquidate(listing, price, time_ms)
    elif what == "move":
        account.transfer(listing.market, "BTC", Decimal(off), time_ms)
    elif order is not None and what == "fill":
        half = (order.left / 2).quantize(Decimal(1).scaleb(-order.listing.lot_decimals))
        account.fill(
            order, half or order.left, order.price or Decimal("64000"), time_ms, maker=buys
        )
    elif order is not None:
        ends: dict[str, Any] = {"cancel": "CANCELED", "reject": "REJECTED", "expire": "EXPIRED"}
        account.end(order, ends[what], time_ms)


@settings(max_examples=60, deadline=None)
@given(_DOINGS)
def test_whatever_is_done_the_sums_are_right_and_an_order_ends_once(doings: Any) -> None:
    account = an_account()
    for count, doing in enumerate(doings):
        before = (len(account.log), list(account.wallets), dict(account.orders))
        try:
            do(account, doing, NOW_MS + count)
        except Impossible:
            if doing[0] != "liquidate":
                assert before == (len(account.log), list(account.wallets), account.orders)
    assert_adds_up(account)
    assert_paths(account)


def test_a_spot_buy_locks_pays_and_takes_its_fee_of_what_it_gets() -> None:
    account = an_account()
    order = placed(account, BTC_SPOT, "BUY", "0.5", "64000")
    assert account.wallets.balance("spot", "USDT").locked == 32_000
    part = account.fill(order, dec("0.2"), dec("63000"), NOW_MS + 1, maker=True)
    assert part.order is not None
    assert part.fill is not None
    assert (part.order.status, part.order.filled) == ("PARTIALLY_FILLED", dec("0.2"))
    assert (part.fill.fee, part.fill.fee_asset) == (dec("0.00004"), "BTC")
    assert account.wallets.balance("spot", "USDT").locked == 19_200
    assert account.wallets.balance("spot", "USDT").total == FUNDS["USDT"] - 12_600
    account.end(order, "CANCELED", NOW_MS + 2)
    assert account.wallets.balance("spot", "USDT").locked == 0
    assert account.wallets.balance("spot", "BTC").total == FUNDS["BTC"] + dec("0.2") - dec(
        "0.00004"
    )
    assert_adds_up(account)


def test_fees_in_the_quote_asset_are_held_and_paid_beside_the_price() -> None:
    account = an_account(fees_in_quote=True)
    order = placed(account, BTC_SPOT, "BUY", "0.5", "64000")
    # Nobody knows yet that it will be a maker's.
    assert account.wallets.balance("spot", "USDT").locked == 32_016
    bought = account.fill(order, dec("0.2"), dec("63000"), NOW_MS, maker=True).fill
    assert bought is not None
    assert (bought.fee, bought.fee_asset) == (dec("2.52"), "USDT")
    usdt, btc = (account.wallets.balance("spot", asset) for asset in ("USDT", "BTC"))
    assert (usdt.total, usdt.locked) == (FUNDS["USDT"] - dec("12602.52"), dec("19209.6"))
    assert btc.total == FUNDS["BTC"] + dec("0.2")
    order = placed(account, BTC_SPOT, "SELL", "0.2", None)
    sold = account.fill(order, dec("0.2"), dec("63000"), NOW_MS, maker=False).fill
    assert sold is not None
    assert (sold.fee, sold.fee_asset) == (dec("6.3"), "USDT")
    assert account.wallets.balance("spot", "BTC").total == FUNDS["BTC"]
    assert_adds_up(account)


def test_what_a_fill_costs_with_its_fee_has_to_be_there() -> None:
    account = an_account(fees_in_quote=True)
    order = placed(account, BTC_SPOT, "BUY", "20", None)
    with pytest.raises(Impossible, match="not enough USDT"):
        account.fill(order, dec("20"), dec("50000"), NOW_MS, maker=False)
    account.fill(order, dec("10"), dec("50000"), NOW_MS, maker=False)
    assert_adds_up(account)


def test_a_linear_round_trip_realises_what_the_price_moved() -> None:
    account = an_account()
    long = placed(account, BTC_LINEAR, "BUY", "0.02", "64000.00")
    account.fill(long, dec("0.02"), dec("64000.00"), NOW_MS, maker=False)
    position = account.position(BTC_LINEAR)
    assert (position.size, position.entry_price, position.margin) == (dec("0.02"), 64_000, 64)
    # More than there is: the rest opens a short at the new price.
    short = placed(account, BTC_LINEAR, "SELL", "0.03", "65000.00")
    fact = account.fill(short, dec("0.03"), dec("65000.00"), NOW_MS, maker=False)
    assert fact.fill is not None
    assert fact.fill.realized == 20
    position = account.position(BTC_LINEAR)
    assert (position.size, position.entry_price) == (dec("-0.01"), 65_000)
    assert_adds_up(account)


def test_an_inverse_long_gains_coins_when_the_coin_gets_dearer() -> None:
    account = an_account()
    for side, price in (("BUY", "50000"), ("SELL", "62500")):
        order = placed(account, BTC_INVERSE, side, "100", price)
        fact = account.fill(order, dec("100"), dec(price), NOW_MS, maker=False)
    assert fact.fill is not None
    # 100 contracts of 100 USD: 0.2 coins at first, 0.16 then.
    assert fact.fill.realized == dec("0.04")
    assert account.position(BTC_INVERSE).size == 0
    assert_adds_up(account)


def test_a_liquidation_cancels_what_is_open_and_ends_the_position() -> None:
    account = an_account()
    order = placed(account, BTC_LINEAR, "BUY", "1", "64000")
    account.fill(order, dec("1"), dec("64000"), NOW_MS, maker=False)
    resting = placed(account, BTC_LINEAR, "SELL", "1", "70000")
    facts = account.liquidate(BTC_LINEAR, dec("61000"), NOW_MS + 5)
    assert [fact.kind for fact in facts] == ["canceled", "placed", "filled"]
    assert account.orders["linear", resting.number].status == "CANCELED"
    assert facts[-1].fill is not None
    assert (facts[-1].fill.liquidation, facts[-1].fill.realized) == (True, -3_000)
    assert account.position(BTC_LINEAR).size == ZERO
    assert_adds_up(account)
    assert_paths(account)


def test_what_makes_no_sense_is_impossible_and_changes_nothing() -> None:
    account = an_account()
    with pytest.raises(Impossible, match="not enough USDT"):
        placed(account, BTC_SPOT, "BUY", "1000", "64000")
    with pytest.raises(Impossible, match="above zero"):
        placed(account, BTC_SPOT, "BUY", "0", "64000")
    with pytest.raises(Impossible, match="position side"):
        placed(account, BTC_LINEAR, "BUY", "1", "64000", position_side="LONG")
    order = placed(account, BTC_SPOT, "BUY", "0.1", "64000")
    with pytest.raises(Impossible, match="worse than the limit"):
        account.fill(order, dec("0.1"), dec("64001"), NOW_MS, maker=False)
    with pytest.raises(Impossible, match="does not fit"):
        account.fill(order, dec("0.2"), dec("64000"), NOW_MS, maker=False)
    account.fill(order, dec("0.05"), dec("64000"), NOW_MS, maker=False)
    with pytest.raises(Impossible, match="not rejected"):
        account.end(order, "REJECTED", NOW_MS)
    account.end(order, "EXPIRED", NOW_MS)
    with pytest.raises(Impossible, match="is over"):
        account.end(order, "CANCELED", NOW_MS)
    with pytest.raises(Impossible, match="cannot be moved"):
        account.transfer("spot", "USDT", dec("-2000000"), NOW_MS)
    assert_adds_up(account)


def test_hedged_positions_are_kept_apart() -> None:
    account = an_account(hedged=True)
    for side, position_side in (("BUY", "LONG"), ("SELL", "SHORT")):
        order = placed(account, BTC_LINEAR, side, "1", "64000", position_side=position_side)
        account.fill(order, dec("1"), dec("64000"), NOW_MS, maker=False)
    assert account.position(BTC_LINEAR, "LONG").size == 1
    assert account.position(BTC_LINEAR, "SHORT").size == -1
    assert_adds_up(account)


# --- the trader -----------------------------------------------------------------------------


def traded(
    seed: int, looks_ms: list[int], listings: Sequence[Listing] = LISTINGS
) -> tuple[list[Account], Trader]:
    """Three accounts after ten minutes of trading, looked at when told."""
    accounts = Accounts()
    for name in ("a", "b", "c"):
        accounts.open(
            name, "binance", make_key(seed, name), markets=MARKETS, wallet_of=str, time_ms=0
        )
    catalog = Catalog(Listed(listing, 0) for listing in listings)
    trader = Trader(
        seed, 60, NOW_MS, Market(seed), catalog, lambda: list(accounts), lambda _: MARKETS
    )
    for look_ms in looks_ms:
        trader.run(NOW_MS + look_ms)
    trader.stop()
    trader.settle(NOW_MS + 600_000)
    return list(accounts), trader


def test_the_same_seed_gives_the_same_orders_however_often_one_looks() -> None:
    once, trader = traded(3, [600_000])
    often, _ = traded(3, [*range(0, 600_001, 7_000), 600_000])
    assert [account.log for account in once] == [account.log for account in often]
    assert trader.placed > 400
    assert trader.pending == 0
    other, _ = traded(4, [600_000])
    assert [account.log for account in once] != [account.log for account in other]
    for account in once:
        assert_adds_up(account)
        assert_paths(account)
        assert not any(order.open for order in account.orders.values())
    kinds = Counter(fact.kind for account in once for fact in account.log)
    assert set(kinds) == {
        "placed", "filled", "canceled", "rejected", "expired", "deposit", "withdrawal",
    }  # fmt: skip


def test_contracts_of_a_coin_that_was_never_given_are_paid_with_what_is_deposited_first() -> None:
    new = replace(BTC_INVERSE, base="NEW64")
    accounts, trader = traded(3, [600_000], [new])
    assert trader.placed > 100
    for account in accounts:
        assert account.wallets.balance("inverse", "NEW64").total > 0
        assert_adds_up(account)
    account = an_account()
    with pytest.raises(Impossible, match="not enough NEW64"):
        placed(account, new, "BUY", "100", None)


def test_plans_are_a_function_of_seed_and_moment() -> None:
    assert plan(1, 7, 0) == plan(1, 7, 0) != plan(1, 8, 0)
    assert Numbers().order("spot") == Numbers().order("spot")
