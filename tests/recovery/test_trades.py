"""Bars out of trades: exactly what the trades add up to, and honest about those it has not seen."""

from common.model.events import Trade
from common.recovery.trades import TradeBars, TradedBar
from tests.recovery.bars import at


def trade(number: int, minute: float, price: str = "10.5", size: str = "0.25") -> Trade:
    return Trade("coinbase", "spot", "BTC-USD", str(number), price, size, at(minute))


def last(bars: TradeBars, *trades: Trade, since: int | None = None) -> TradedBar:
    taken = [bar for one in trades if (bar := bars.take(one, since)) is not None]
    return taken[-1]


def test_a_bar_is_what_its_trades_add_up_to() -> None:
    bar = last(
        TradeBars("1m"),
        trade(1, 0.1, "10.5", "0.25"),
        trade(2, 0.2, "9.75", "1"),
        trade(3, 0.3, "100", "0.001"),
        trade(4, 0.9, "20", "0.1"),
    ).candle
    assert (bar.open, bar.high, bar.low, bar.close) == ("10.5", "100", "9.75", "20")
    assert bar.volume == "1.351"
    assert (bar.start_ms, bar.end_ms, bar.closed) == (at(0), at(1), False)


def test_prices_are_compared_as_numbers() -> None:
    bar = last(TradeBars("1m"), trade(1, 0, "9"), trade(2, 0, "10"), trade(3, 0, "9.5")).candle
    assert (bar.high, bar.low) == ("10", "9")


def test_the_first_bar_is_whole_only_if_it_was_listened_to_from_its_beginning() -> None:
    assert not last(TradeBars("1m"), trade(7, 0.5), since=at(0.2)).whole
    assert not last(TradeBars("1m"), trade(7, 0.5), since=None).whole
    assert last(TradeBars("1m"), trade(7, 1.5), since=at(0.2)).whole


def test_contiguous_ids_make_the_next_bar_whole_whatever_happened_to_the_connection() -> None:
    bars = TradeBars("1m")
    assert not last(bars, trade(7, 0.5), since=None).whole
    bar = last(bars, trade(8, 1.2), since=None)
    assert bar.whole
    assert bar.seamless


def test_a_missing_id_makes_the_bar_not_whole() -> None:
    bars = TradeBars("1m")
    last(bars, trade(1, 0.1), trade(2, 1.1))
    bar = last(bars, trade(4, 1.2))
    assert (bar.whole, bar.seamless) == (False, False)
    assert not last(bars, trade(5, 1.3)).whole


def test_a_trade_that_was_seen_is_not_counted_again() -> None:
    bars = TradeBars("1m")
    last(bars, trade(1, 0.1), trade(2, 0.2))
    assert bars.take(trade(2, 0.2), None) is None
    assert bars.take(trade(1, 0.1), None) is None
    assert last(bars, trade(3, 0.3)).candle.volume == "0.75"


def test_a_later_id_with_an_earlier_time_leaves_the_running_bar_as_it_is() -> None:
    bars = TradeBars("1m")
    last(bars, trade(1, 0.9), trade(2, 1.0, size="1"))
    assert bars.take(trade(3, 0.99), None) is None
    bar = last(bars, trade(4, 1.1, size="2"))
    assert (bar.candle.volume, bar.whole) == ("3", True)
    assert bars.take(trade(6, 0.99), None) is None
    assert not last(bars, trade(7, 1.2)).whole
