"""A candle stream's stages together, where one of them alone would not show it."""

import pytest
from msgspec.structs import replace

from common.exchanges.place import Place
from common.model.checkpoints import Checkpoint
from common.model.events import Candle, Trade
from common.model.streams import Stream
from common.recovery.lane import OVERDUE_S, CandleLane
from common.recovery.steps import Hole
from tests.recovery.bars import MINUTE_MS, at, bar

OVERDUE = OVERDUE_S * 1000 / MINUTE_MS


def lane(
    exchange: str,
    interval: str = "1m",
    *,
    begins: Checkpoint | float = 0,
    now: float = 0,
    speed: float = 1.0,
    doubted: float = 0,
) -> CandleLane:
    stream = Stream(exchange, "spot", "candle", "BTCUSDT", interval)
    checkpoint = begins if isinstance(begins, Checkpoint) else Checkpoint(at(begins))
    place = Place(exchange, "spot", "candle")
    return CandleLane(stream, place, checkpoint, at(now), speed, at(doubted))


def state(minute: int, stamp: float, close: str) -> Candle:
    return replace(bar(minute, close, closed=False, volume="1"), event_ms=at(stamp))


# --- where it begins ------------------------------------------------------------------------


def test_everything_from_the_checkpoint_to_the_running_bar_is_missing() -> None:
    assert lane("binance", begins=2, now=7.5).missing == Hole(at(2), at(7))
    assert lane("binance", begins=7, now=7.5).missing is None


def test_a_stream_goes_on_after_the_last_candle_of_the_owner_before() -> None:
    one = lane("binance", begins=Checkpoint(at(3), bar(2, "9", volume="4")), now=3.5)
    assert one.candle(bar(2, "9", volume="4"), at(3.5)) == []
    assert [step.candle.start_ms for step in one.candle(bar(3), at(4))] == [at(3)]


def test_an_empty_first_bar_repeats_the_close_of_the_owner_before() -> None:
    one = lane("kucoin", begins=Checkpoint(at(3), bar(2, "9", volume="4")), now=5)
    (third, fourth) = one.fetched([], Hole(at(3), at(5)))
    assert {(s.origin, s.candle.open, s.candle.volume) for s in (third, fourth)} == {
        ("filled", "9", "0")
    }


@pytest.mark.parametrize(
    ("interval", "last"), [("1m", bar(5, "9")), ("3m", bar(3, "9", minutes=3))]
)
def test_a_close_that_the_owner_before_had_guessed_is_not_known(
    interval: str, last: Candle
) -> None:
    guessed = lane("coinbase", interval, begins=Checkpoint(at(6), last, (last,)), now=9.5)
    settled = lane("coinbase", interval, begins=Checkpoint(at(6), last), now=9.5)
    assert (guessed.knows_before, settled.knows_before) == (False, True)


def test_a_built_stream_begins_with_a_whole_candle_of_its_own() -> None:
    before = replace(bar(0, "9", minutes=3), volume="5")
    one = lane("bitget", "3m", begins=Checkpoint(at(3), before), now=5.5)
    assert one.missing == Hole(at(3), at(5))
    assert one.fetched([bar(3), bar(4, "2", volume="1")], Hole(at(3), at(5)))[-1].candle == replace(
        bar(3, "2", volume="1", minutes=3), volume="1", closed=False
    )
    (built,) = one.fetched([bar(5, "3")], Hole(at(5), at(6)))
    assert (built.candle.start_ms, built.candle.interval, built.candle.closed) == (
        at(3),
        "3m",
        True,
    )


def test_what_the_owner_before_had_not_compared_is_compared() -> None:
    guessed = (bar(0, volume="1"), bar(1, volume="1"))
    one = lane("kucoin", begins=Checkpoint(at(2), guessed[-1], guessed), now=2.5)
    assert one.settling.due(at(2), 10 * MINUTE_MS) == Hole(at(0), at(2))


def test_a_correction_of_what_was_said_once_more_is_another_revision() -> None:
    """Under the one that was said already, a consumer would take it for a repeat."""
    one = lane("kucoin", begins=Checkpoint(at(2), bar(1)), now=3.5, doubted=3.5)
    stretch = Hole(at(2), at(3))
    said = one.fetched([], stretch)
    assert [(step.origin, step.candle.revision) for step in said] == [
        ("filled", 0),
        ("reconcile", 1),
    ]
    assert one.settling.due(at(3), MINUTE_MS) == stretch
    assert [late.revision for late in one.settling.compare(stretch, [bar(2, "9")])] == [2]


# --- what comes live ------------------------------------------------------------------------


def test_of_two_sockets_the_one_that_lags_behind_takes_nothing_back() -> None:
    one = lane("kucoin")
    one.listening(at(0))
    one.candle(state(0, 0.5, "1"), at(0.5))
    one.candle(state(0, 0.9, "2"), at(0.9))
    assert one.candle(state(0, 0.5, "1"), at(0.95)) == []
    closed, running = one.candle(state(1, 1.1, "3"), at(1.1))
    assert (closed.candle.close, running.candle.close) == ("2", "3")


@pytest.mark.parametrize("speed", [1.0, 30.0])
def test_a_close_that_does_not_come_is_fetched(speed: float) -> None:
    """How long it is waited for is machine time, and the exchange does not matter."""
    one = lane("binance", speed=speed)
    one.candle(state(0, 0.5, "1"), at(0.5))
    one.tick(at(1 + 0.99 * OVERDUE * speed), at(1))
    assert one.missing is None
    one.tick(at(1 + OVERDUE * speed), at(1))
    assert one.missing == Hole(at(0), at(1))


def test_a_guessed_close_is_overdue_only_when_the_clock_should_have_closed_it() -> None:
    one = lane("kucoin")
    grace_ms = int(Place("kucoin", "spot", "candle").rules.grace_s * 1000)
    one.tick(at(1) + int(OVERDUE_S * 1000) + grace_ms - 1, 0)
    assert one.missing is None
    one.tick(at(1) + int(OVERDUE_S * 1000) + grace_ms, 0)
    assert one.missing == Hole(at(0), at(1))


# --- what does not arrive -------------------------------------------------------------------


def test_a_candle_that_did_not_arrive_is_missing_with_all_that_followed() -> None:
    one = lane("binance")
    for minute in range(3):
        one.candle(bar(minute), at(minute + 1))
    for minute in (1, 2):
        one.undelivered(bar(minute))
    assert one.missing == Hole(at(1), at(3))
    assert one.candle(bar(3), at(4)) == []
    steps = one.fetched([bar(1), bar(2)], Hole(at(1), at(3)))
    assert [step.candle.start_ms for step in steps] == [at(1), at(2), at(3)]


def test_a_built_candle_that_did_not_arrive_is_built_anew_from_its_beginning() -> None:
    one = lane("bybit", "8h", begins=0)
    hours = [
        replace(bar(0), interval="4h", start_ms=at(240 * n), end_ms=at(240 * (n + 1)))
        for n in range(3)
    ]
    assert one.source.interval == "4h"
    *_, built = [s for h in hours for s in one.candle(h, h.end_ms) if s.candle.closed]
    one.undelivered(built.candle)
    assert one.missing == Hole(at(0), at(720))
    again = [s.candle for s in one.fetched(hours, Hole(at(0), at(720))) if s.candle.closed]
    assert again == [built.candle]


def test_a_correction_that_did_not_arrive_holds_nothing_up() -> None:
    one = lane("kucoin", begins=1)
    one.undelivered(replace(bar(0, "2", volume="1"), revision=1))
    assert one.missing is None
    assert one.settling.due(at(1), 10 * MINUTE_MS) == Hole(at(0), at(1))


def test_what_is_fetched_anew_is_neither_compared_nor_corrected_until_it_is_out() -> None:
    one = lane("kucoin", begins=1)
    one.settling.note(bar(0, volume="1"))
    one.listening(at(1))
    for minute in (1, 2):
        one.candle(state(minute, minute + 0.5, "1"), at(minute + 0.5))
    one.undelivered(bar(1, volume="1"))
    one.undelivered(replace(bar(1, "2", volume="1"), revision=1))
    assert one.missing == Hole(at(1), at(2))
    everything = [bar(minute, "3", volume="1") for minute in (0, 1)]
    corrections = one.settling.compare(Hole(at(0), at(2)), everything)
    assert [candle.start_ms for candle in corrections] == [at(0)]


# --- what is compared -----------------------------------------------------------------------


def test_what_was_built_of_guesses_is_settled_though_its_last_bar_was_fetched() -> None:
    one = lane("bitget", "3m")
    one.listening(at(0))
    for minute in (0, 1, 2):
        one.candle(state(minute, minute + 0.5, "1"), at(minute + 0.5))
    one.interrupted()
    one.listening(at(3.2))
    one.candle(state(3, 3.3, "1"), at(3.3))
    (out,) = one.fetched([bar(2, volume="1")], Hole(at(2), at(3)))
    assert (out.candle.start_ms, out.origin) == (at(0), "backfill")
    assert one.settling.due(at(3), 10 * MINUTE_MS) is not None


def test_what_rest_has_said_is_not_compared_with_rest() -> None:
    one = lane("kucoin", now=3)
    one.fetched([bar(minute, volume="1") for minute in range(3)], Hole(at(0), at(3)))
    assert one.settling.due(at(9), 10 * MINUTE_MS) is None


def test_trades_that_were_seen_in_a_missing_bar_are_told_as_long_as_it_is_missing() -> None:
    one = lane("coinbase")
    one.listening(at(0.2))
    one.trade(Trade("coinbase", "spot", "BTCUSDT", "7", "5", "1", at(0.5)), at(0.5))
    one.trade(Trade("coinbase", "spot", "BTCUSDT", "8", "5", "1", at(1.5)), at(1.5))
    assert one.missing == Hole(at(0), at(1))
    assert one.traded(Hole(at(0), at(1))) == {at(0)}
    one.fetched([bar(0, volume="1")], Hole(at(0), at(1)))
    assert one.traded(Hole(at(0), at(1))) == set()


def test_trades_in_what_was_given_up_are_forgotten() -> None:
    one = lane("coinbase")
    one.listening(at(0.2))
    for trade_id, minute in enumerate((0.5, 1.5)):
        trade = Trade("coinbase", "spot", "BTCUSDT", str(trade_id), "5", "1", at(minute))
        one.trade(trade, at(minute))
    one.skip(at(1))
    assert one.missing is None
    assert one.traded(Hole(at(0), at(9))) == set()
