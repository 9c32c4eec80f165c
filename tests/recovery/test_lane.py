"""A candle stream's stages together, where one of them alone would not show it."""

from msgspec.structs import replace

from common.exchanges.place import Place
from common.model.events import Candle
from common.model.streams import Stream
from common.recovery.lane import CandleLane
from tests.recovery.bars import at, bar


def lane(exchange: str, interval: str) -> CandleLane:
    stream = Stream(exchange, "spot", "candle", "BTCUSDT", interval)
    return CandleLane(stream, Place(exchange, "spot", "candle"), at(0), 1.0)


def state(minute: int, stamp: float, close: str) -> Candle:
    return replace(bar(minute, close, closed=False, volume="1"), event_ms=at(stamp))


def test_of_two_sockets_the_one_that_lags_behind_takes_nothing_back() -> None:
    one = lane("kucoin", "1m")
    one.listening(at(0))
    one.candle(state(0, 0.5, "1"), at(0.5))
    one.candle(state(0, 0.9, "2"), at(0.9))
    assert one.candle(state(0, 0.5, "1"), at(0.95)) == []
    closed, running = one.candle(state(1, 1.1, "3"), at(1.1))
    assert (closed.candle.close, running.candle.close) == ("2", "3")


def test_what_was_built_of_guesses_is_settled_though_its_last_bar_was_fetched() -> None:
    one = lane("bitget", "3m")
    one.listening(at(0))
    for minute in (0, 1, 2):
        one.candle(state(minute, minute + 0.5, "1"), at(minute + 0.5))
    one.interrupted()
    one.listening(at(3.2))
    one.candle(state(3, 3.3, "1"), at(3.3))
    (out,) = one.fetched([bar(2, volume="1")], at(3))
    assert (out.candle.start_ms, out.origin) == (at(0), "backfill")
    assert one.settling is not None
    assert one.settling.due(at(3)) is not None
