"""The truth holds together: everything told about the market follows from the same trades."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.model.intervals import DAY_MS, INTERVALS, MINUTE_MS, end_of, start_of
from simulator.listing import LISTINGS, Catalog, Listed, Listing, listings_at, next_quarter_ms
from simulator.market import Market, bar_of, flat_bar, fold
from simulator.trades import trades_of, value_of

NOW_MS = 1_795_237_000_000
BEGINS_MS = NOW_MS // DAY_MS * DAY_MS - 2 * DAY_MS

TRADED = [listing for listing in LISTINGS if not listing.halted]
listings = st.sampled_from(TRADED)
times = st.integers(BEGINS_MS, NOW_MS)
minutes = times.map(lambda time_ms: time_ms // MINUTE_MS * MINUTE_MS)


def listed(listing: Listing) -> Listed:
    return Listed(listing, BEGINS_MS)


@given(listings, minutes)
def test_trades_are_in_order_inside_their_minute_and_uniquely_named(
    listing: Listing, minute_ms: int
) -> None:
    trades = trades_of(1, listing, minute_ms // MINUTE_MS)
    assert [t.time_ms for t in trades] == sorted(t.time_ms for t in trades)
    assert all(minute_ms <= t.time_ms < minute_ms + MINUTE_MS for t in trades)
    assert len({t.trade_id for t in trades}) == len(trades)
    assert all(t.price > 0 and t.price % listing.tick == 0 and t.lots > 0 for t in trades)
    assert all(t.value == value_of(listing, t.price, t.lots) for t in trades)


@given(listings, times)
@settings(max_examples=50)
def test_five_minutes_are_five_times_one_minute(listing: Listing, time_ms: int) -> None:
    market, start_ms = Market(1), start_of("5m", time_ms)
    entry = listed(listing)
    ones = [
        market.candle(entry, "1m", start_ms + number * MINUTE_MS, NOW_MS + DAY_MS)
        for number in range(5)
    ]
    five = market.candle(entry, "5m", start_ms, NOW_MS + DAY_MS)
    if any(not bar.flat for bar in ones):
        assert five == fold(ones)
    else:
        assert five == ones[0]


@given(listings, st.sampled_from(("1m", "15m", "1h", "4h", "1d")), times, times)
@settings(max_examples=50)
def test_a_partial_bar_grows_into_the_final_one(
    listing: Listing, interval: str, start: int, as_of_ms: int
) -> None:
    market, entry = Market(1), listed(listing)
    start_ms = start_of(interval, start)
    end_ms = end_of(interval, start_ms)
    as_of_ms = min(max(as_of_ms, start_ms), end_ms)
    part = market.candle(entry, interval, start_ms, as_of_ms)
    final = market.candle(entry, interval, start_ms, end_ms)
    assert part.trades <= final.trades
    assert part.lots <= final.lots
    assert part.value <= final.value
    if not part.flat:
        assert final.low <= part.low <= part.high <= final.high
        assert part.open == final.open
    assert final == market.candle(entry, interval, start_ms, end_ms + DAY_MS)


@pytest.mark.parametrize("listing", TRADED, ids=lambda listing: listing.key)
@pytest.mark.parametrize("interval", INTERVALS)
def test_every_interval_is_what_its_trades_add_up_to(listing: Listing, interval: str) -> None:
    market = Market(1)
    entry = Listed(listing, BEGINS_MS + DAY_MS)
    start_ms = start_of(interval, NOW_MS)
    trades = market.trades(entry, start_ms, NOW_MS)
    expected = bar_of(trades) or flat_bar(market.last_price(entry, start_ms))
    assert market.candle(entry, interval, start_ms, NOW_MS) == expected


def test_a_minute_without_trades_is_flat_at_the_close_before_it() -> None:
    market = Market(1)
    entry = next(listed(listing) for listing in TRADED if listing.base == "QUIET")
    previous, seen = None, 0
    for minute_ms in range(BEGINS_MS, BEGINS_MS + 120 * MINUTE_MS, MINUTE_MS):
        bar = market.candle(entry, "1m", minute_ms, NOW_MS)
        if bar.flat and previous is not None:
            assert bar == flat_bar(previous.close)
            seen += 1
        previous = bar
    assert 20 < seen < 115


@given(listings, times)
@settings(max_examples=30)
def test_the_rolling_day_is_what_its_trades_add_up_to(listing: Listing, at_ms: int) -> None:
    market, entry = Market(1), listed(listing)
    day = market.day(entry, at_ms)
    assert day.start_ms == (at_ms - DAY_MS) // MINUTE_MS * MINUTE_MS
    trades = market.trades(entry, day.start_ms, at_ms)
    assert day.last == market.last_trade(entry, at_ms)
    if trades:
        assert day.bar == bar_of(trades)
        assert day.last == trades[-1]
    else:
        assert day.bar.flat


@given(listings, times)
def test_the_book_is_never_crossed_and_the_last_trade_took_one_side(
    listing: Listing, at_ms: int
) -> None:
    market, entry = Market(1), listed(listing)
    book = market.book(entry, at_ms)
    assert 0 < book.bid < book.ask
    assert book.bid_lots > 0
    assert book.ask_lots > 0
    last = market.last_trade(entry, at_ms)
    if last is not None and last.taker_buys:
        assert book.ask == last.price


def test_the_same_seed_is_the_same_market_and_another_is_not() -> None:
    entry = listed(TRADED[0])
    one, again, other = (Market(seed).candle(entry, "1h", NOW_MS - 3_600_000 * 3, NOW_MS)
                         for seed in (1, 1, 2))  # fmt: skip
    assert one == again
    assert one != other


def test_nothing_is_traded_before_the_listing_nor_after_its_end() -> None:
    market, listing = Market(1), TRADED[0]
    entry = Listed(listing, NOW_MS - 90_500, NOW_MS - 30_500)
    trades = market.trades(entry, NOW_MS - DAY_MS, NOW_MS)
    assert trades
    assert all(entry.begins_ms <= t.time_ms < NOW_MS - 30_500 for t in trades)
    minute_ms = NOW_MS // MINUTE_MS * MINUTE_MS
    assert not market.exists(entry, "1m", minute_ms - 3 * MINUTE_MS)
    assert market.exists(entry, "1m", (NOW_MS - 30_501) // MINUTE_MS * MINUTE_MS)
    assert not market.exists(entry, "1m", minute_ms + MINUTE_MS)
    assert market.exists(entry, "1M", start_of("1M", NOW_MS))


def test_inverse_counts_contracts_and_spot_the_base() -> None:
    inverse = next(listing for listing in LISTINGS if listing.key == "inverse:BTC/USD:perpetual")
    # 3 contracts of 100 USD at 64,118.4 USD are 0.00467884 BTC, rounded down to 8 decimals.
    assert value_of(inverse, 64_118_4, 3) == 467_884
    spot = next(listing for listing in LISTINGS if listing.key == "spot:BTC/USDT:spot")
    assert value_of(spot, 64_117_67, 1_000) == 6_411_767_000
    assert spot.value_decimals == 7


def test_the_catalog_has_what_every_market_needs() -> None:
    entries = listings_at(NOW_MS)
    assert len({listing.key for listing in entries}) == len(entries)
    for market in ("spot", "linear", "inverse"):
        assert any(listing.market == market and not listing.halted for listing in entries)
    assert any(not listing.base.isascii() for listing in entries)
    assert {listing.market for listing in entries if listing.halted} == {"spot", "linear"}
    quarterlies = [listing for listing in entries if listing.kind == "delivery"]
    assert {listing.market for listing in quarterlies} == {"linear", "inverse"}
    assert all(listing.price % listing.tick == 0 for listing in entries)
    # What spot prints with 8 decimals must be exact in 8.
    assert all(x.value_decimals <= 8 for x in entries if x.market == "spot")


@pytest.mark.parametrize(
    ("now", "expiry"),
    [
        (1_795_237_000_000, 1_798_185_600_000),  # 2026-11-21 → 2026-12-25 08:00
        (1_796_500_000_000, 1_806_048_000_000),  # 2026-12-05: too near → 2027-03-26 08:00
    ],
)
def test_quarterlies_expire_on_the_last_friday_of_a_quarter(now: int, expiry: int) -> None:
    assert next_quarter_ms(now) == expiry


def test_a_listing_cannot_be_listed_twice() -> None:
    entry = listed(TRADED[0])
    catalog = Catalog([entry])
    with pytest.raises(ValueError, match="listed already"):
        catalog.add(entry)
    catalog.remove(entry)
    catalog.add(entry)
