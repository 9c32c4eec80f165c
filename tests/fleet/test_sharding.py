"""From patterns to streams to shards: stable everywhere, and few moves when something is added."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.exchanges.place import Place
from common.exchanges.registry import EXCHANGES
from common.fleet.sharding import (
    Catalogs,
    bucket_of,
    buckets_needed,
    capacity,
    places_of,
    resolve,
    shards_of,
    topics_of,
)
from common.model.instruments import Instrument, Trading
from common.model.streams import Market, Shard, Stream, parse_pattern

TOPICS = [f"sym{index}usdt@kline_1m" for index in range(400)]


def instrument(symbol: str, market: Market = "spot", trading: Trading = "trading") -> Instrument:
    return Instrument(
        exchange="binance",
        market=market,
        symbol=symbol,
        kind="spot",
        base=symbol[:3],
        quote="USDT",
        settle="USDT",
        trading=trading,
    )


def catalogs(**by_market: list[Instrument] | None) -> Catalogs:
    return {
        ("binance", market): None if listed is None else {i.symbol: i for i in listed}  # type: ignore[misc]
        for market, listed in by_market.items()
    }


LISTED = catalogs(
    spot=[instrument("BTCUSDT"), instrument("ETHUSDT"), instrument("OLDUSDT", trading="halted")],
    linear=[instrument("BTCUSDT", "linear"), instrument("ETHBTC", "linear")],
    inverse=[instrument("BTCUSD_PERP", "inverse")],
)


def keys_of(*patterns: str, listed: Catalogs = LISTED, enabled: set[str] | None = None) -> set[str]:
    found = resolve([parse_pattern(text) for text in patterns], listed, enabled)
    assert found.problems == ()
    return {stream.key for stream in found.streams}


def problem_of(text: str, listed: Catalogs = LISTED, enabled: set[str] | None = None) -> str:
    found = resolve([parse_pattern(text)], listed, enabled)
    assert not found.streams
    (problem,) = found.problems
    assert problem.subject == text
    assert problem.detail
    return problem.kind


# --- patterns to streams --------------------------------------------------------------------


def test_an_exact_pattern_is_one_stream() -> None:
    assert keys_of("binance:spot:candle:BTCUSDT:1m") == {"binance:spot:candle:BTCUSDT:1m"}


def test_a_wild_pattern_takes_what_trades_on_every_market_it_covers() -> None:
    assert keys_of("*:*:ticker:*USDT", enabled={"binance"}) == {
        "binance:spot:ticker:BTCUSDT",
        "binance:spot:ticker:ETHUSDT",
        "binance:linear:ticker:BTCUSDT",
    }


def test_overlapping_patterns_want_a_stream_once() -> None:
    both = keys_of("binance:spot:ticker:*", "binance:*:ticker:BTCUSDT")
    assert len(both) == 3


@pytest.mark.parametrize(
    ("pattern", "kind"),
    [
        ("nowhere:spot:ticker:*", "unsupported"),
        ("binance:spot:candle:NOSUCH:1m", "unknown_symbol"),
        ("binance:*:ticker:NOSUCH", "unknown_symbol"),
        ("binance:spot:ticker:OLDUSDT", "not_trading"),
        ("binance:spot:ticker:ZZZ*", "no_match"),
    ],
)
def test_what_cannot_be_served_has_a_reason(pattern: str, kind: str) -> None:
    assert problem_of(pattern) == kind


def test_an_exchange_that_is_switched_off_is_disabled_not_unknown() -> None:
    assert problem_of("binance:spot:ticker:*", enabled=set()) == "disabled"


def test_a_list_that_could_not_be_had_is_unknown_not_empty() -> None:
    assert problem_of("binance:spot:ticker:*", catalogs(spot=None)) == "no_instruments"
    assert problem_of("binance:spot:ticker:*", {}) == "no_instruments"


def test_one_market_without_its_list_does_not_hold_up_the_others() -> None:
    listed = catalogs(spot=[instrument("BTCUSDT")], linear=None, inverse=[])
    found = resolve([parse_pattern("binance:*:ticker:*")], listed)
    assert {stream.key for stream in found.streams} == {"binance:spot:ticker:BTCUSDT"}
    assert [problem.kind for problem in found.problems] == ["no_instruments"]


def test_an_interval_the_exchange_lacks_is_unsupported(monkeypatch: pytest.MonkeyPatch) -> None:
    pattern = parse_pattern("binance:spot:candle:BTCUSDT:1m")
    intervals = EXCHANGES["binance"].markets["spot"].channels["candle"].intervals
    monkeypatch.delitem(intervals, "1m")  # type: ignore[arg-type]
    found = resolve([pattern], LISTED)
    assert [problem.kind for problem in found.problems] == ["unsupported"]


def test_a_pattern_covers_only_places_that_exist() -> None:
    pattern = parse_pattern("*:inverse:ticker:*")
    assert places_of(pattern, enabled=["binance"]) == [Place("binance", "inverse", "ticker")]
    assert places_of(pattern, enabled=[]) == []


# --- streams to shards ----------------------------------------------------------------------


def test_streams_that_share_a_topic_share_a_shard() -> None:
    streams = [Stream("binance", "spot", "ticker", f"S{index}") for index in range(3000)]
    ((place, topics),) = topics_of(streams).items()
    assert len(topics) == 1
    shards = shards_of(place, topics, buckets_needed(topics.keys(), capacity(place)))
    assert shards == {Shard("binance", "spot", "ticker", 0): tuple(sorted(streams))}


def test_every_stream_is_in_exactly_one_shard_and_no_shard_is_empty() -> None:
    streams = [Stream("binance", "linear", "candle", f"S{i}", "1m") for i in range(500)]
    ((place, topics),) = topics_of(streams).items()
    shards = shards_of(place, topics, 50)
    assert sorted(stream for dealt in shards.values() for stream in dealt) == sorted(streams)
    assert all(shards.values())


def test_a_connection_keeps_a_fifth_of_its_topics_for_listings() -> None:
    limits = EXCHANGES["binance"].markets["linear"].limits
    assert capacity(Place("binance", "linear", "candle")) == limits.topics_per_connection * 0.8


def test_another_process_deals_the_same() -> None:
    script = (
        "from common.fleet.sharding import bucket_of\n"
        "print([bucket_of(f'sym{i}usdt@kline_1m', 37) for i in range(400)])"
    )
    told = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        env={"PYTHONHASHSEED": "4711"},
    )
    assert told.stdout.strip() == str([bucket_of(topic, 37) for topic in TOPICS])


def test_the_deal_never_changes_with_a_version_of_ours() -> None:
    # a fleet that is updated worker by worker has to agree on the way
    assert [bucket_of(f"sym{index}usdt@kline_1m", 20) for index in range(12)] == [
        *(18, 4, 14, 17, 5, 1, 12, 1, 15, 11, 1, 12)
    ]


@settings(max_examples=50, deadline=None)
@given(buckets=st.integers(1, 60))
def test_one_more_bucket_takes_its_part_and_moves_nothing_else(buckets: int) -> None:
    before = {topic: bucket_of(topic, buckets) for topic in TOPICS}
    after = {topic: bucket_of(topic, buckets + 1) for topic in TOPICS}
    moved = {topic for topic in TOPICS if before[topic] != after[topic]}
    assert all(after[topic] == buckets for topic in moved)
    expected = len(TOPICS) / (buckets + 1)
    # five standard deviations of a fair draw
    assert abs(len(moved) - expected) <= 5 * expected**0.5


@settings(max_examples=30, deadline=None)
@given(buckets=st.integers(1, 40), listed=st.from_regex(r"[A-Z0-9]{3,10}", fullmatch=True))
def test_a_new_symbol_changes_one_shard_only(buckets: int, listed: str) -> None:
    streams = {Stream("binance", "linear", "candle", f"sym{i}", "1m") for i in range(100)}
    new = Stream("binance", "linear", "candle", listed, "1m")
    place = Place("binance", "linear", "candle")
    before = shards_of(place, topics_of(streams)[place], buckets)
    after = shards_of(place, topics_of(streams | {new})[place], buckets)
    changed = {shard for shard in after if after[shard] != before.get(shard, ())}
    assert len(changed) == 1
    (shard,) = changed
    assert set(after[shard]) - set(before.get(shard, ())) == {new}
    assert before.keys() <= after.keys()


def fullest(topics: list[str], buckets: int) -> int:
    return max(Counter(bucket_of(topic, buckets) for topic in topics).values(), default=0)


@settings(max_examples=60, deadline=None)
@given(count=st.integers(1, 400), capacity=st.integers(5, 400), at_least=st.integers(1, 20))
def test_the_count_is_the_smallest_whose_fullest_bucket_fits(
    count: int, capacity: int, at_least: int
) -> None:
    topics = TOPICS[:count]
    needed = buckets_needed(topics, capacity, at_least)
    assert needed >= at_least
    assert fullest(topics, needed) <= capacity
    for fewer in range(at_least, needed):
        assert fullest(topics, fewer) > capacity
