"""From patterns to streams, and from streams to shards. Pure.

Patterns meet the instrument lists and become streams; what cannot be served becomes a ``Problem``
with a reason, never a silence. An exchange is subscribed by topic and limits topics, and several
streams may share one, so it is topics that are dealt into buckets, one bucket a connection.

A topic goes to the bucket with its highest score (rendezvous): the same in every process, and
one more bucket takes about 1/(n+1) of the topics, all of them into the new one.
"""

from __future__ import annotations

import re
import struct
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache
from hashlib import blake2b
from typing import Literal

from msgspec import Struct

from common.exchanges.place import Place
from common.exchanges.protocol import Exchange, Topic
from common.exchanges.registry import EXCHANGES
from common.model.instruments import Catalog
from common.model.streams import Market, Pattern, Shard, Stream

# The rest of a connection's topics is room for listings, so that few of them raise a count.
FILL = 0.8

# One digest holds the scores of so many buckets: 64 bytes of four each.
_PER_DIGEST = 16
_scores = struct.Struct(f">{_PER_DIGEST}I").unpack

ProblemKind = Literal[
    "unsupported",  # no such exchange, market, channel or interval here
    "disabled",  # the operator has switched the exchange off
    "unknown_symbol",  # the exchange does not list it
    "not_trading",  # listed, but halted or closed
    "no_match",  # nothing that trades is covered by it
    "no_instruments",  # the list has not been had yet
    "no_worker",  # no live worker serves the channel
]

# The instrument list of a market; None as long as none could be had.
Catalogs = Mapping[tuple[str, Market], Catalog | None]


def capacity(place: Place) -> int:
    """How many topics a connection is filled with."""
    return max(1, int(place.limits.topics_per_connection * FILL))


class Problem(Struct, frozen=True, order=True):
    """Why (a part of) ``subject``, a pattern or a place, is not streamed."""

    subject: str
    kind: ProblemKind
    detail: str


class Resolved(Struct, frozen=True):
    """The streams that patterns mean now, and what stands in the way of the rest."""

    streams: frozenset[Stream]
    problems: tuple[Problem, ...]


# --- patterns to streams --------------------------------------------------------------------


def resolve(
    patterns: Iterable[Pattern], catalogs: Catalogs, enabled: Collection[str] | None = None
) -> Resolved:
    """What ``patterns`` mean, given what is listed. ``enabled``: exchanges; None means all."""
    names = EXCHANGES.keys() if enabled is None else enabled
    streams: set[Stream] = set()
    problems: set[Problem] = set()
    for pattern in set(patterns):
        found, obstacles = _resolve_one(pattern, catalogs, names)
        streams |= found
        problems |= obstacles
    return Resolved(frozenset(streams), tuple(sorted(problems)))


def places_of(pattern: Pattern, enabled: Collection[str] | None = None) -> list[Place]:
    """The places a pattern covers, of those that exist."""
    names = EXCHANGES.keys() if enabled is None else enabled
    return [
        Place(exchange.name, market, channel)
        for exchange in EXCHANGES.values()
        if exchange.name in names
        for market, rules in exchange.markets.items()
        for channel in rules.channels
        if pattern.covers(exchange.name, market, channel)
    ]


def _resolve_one(
    pattern: Pattern, catalogs: Catalogs, enabled: Collection[str]
) -> tuple[set[Stream], set[Problem]]:
    places = places_of(pattern, enabled)
    if not places:
        return set(), {_nowhere(pattern, enabled)}
    streams: set[Stream] = set()
    problems: set[Problem] = set()
    for place in places:
        if pattern.interval is not None and not place.has(pattern.interval):
            detail = f"{place.key} has no interval {pattern.interval}"
            problems.add(Problem(pattern.key, "unsupported", detail))
            continue
        catalog = catalogs.get((place.exchange, place.market))
        if catalog is None:
            detail = f"the instruments of {place.exchange}:{place.market} are not known yet"
            problems.add(Problem(pattern.key, "no_instruments", detail))
            continue
        streams |= {_stream(place, symbol, pattern) for symbol in _symbols(pattern, catalog)}
    if not streams and not problems:
        problems.add(_nothing(pattern, places, catalogs))
    return streams, problems


def _symbols(pattern: Pattern, catalog: Catalog) -> Iterable[str]:
    """What trades of what is meant. An exact symbol is looked up, however long the list."""
    if not _is_wild(pattern):
        instrument = catalog.get(pattern.symbol)
        return [pattern.symbol] if instrument and instrument.trading == "trading" else []
    takes_all = pattern.symbol == "*"
    return [
        symbol
        for symbol, instrument in catalog.items()
        if instrument.trading == "trading" and (takes_all or pattern.takes(symbol))
    ]


def _stream(place: Place, symbol: str, pattern: Pattern) -> Stream:
    return Stream(place.exchange, place.market, place.channel, symbol, pattern.interval)


def _is_wild(pattern: Pattern) -> bool:
    return re.search(r"[*?]", pattern.symbol) is not None


def _nowhere(pattern: Pattern, enabled: Collection[str]) -> Problem:
    """Why a pattern covers no place."""
    if pattern.exchange == "*":
        detail = f"no enabled exchange has {pattern.market}:{pattern.channel}"
        return Problem(pattern.key, "unsupported", detail)
    exchange = EXCHANGES.get(pattern.exchange)
    if exchange is None:
        detail = f"no exchange {pattern.exchange!r}; there are {', '.join(sorted(EXCHANGES))}"
        return Problem(pattern.key, "unsupported", detail)
    if exchange.name not in enabled:
        return Problem(pattern.key, "disabled", f"{exchange.name} is switched off in the settings")
    return Problem(pattern.key, "unsupported", _missing(exchange, pattern))


def _missing(exchange: Exchange, pattern: Pattern) -> str:
    markets = [name for name in exchange.markets if pattern.market in ("*", name)]
    if not markets:
        return f"{exchange.name} has no market {pattern.market!r}"
    return f"{exchange.name}:{pattern.market} has no channel {pattern.channel!r}"


def _nothing(pattern: Pattern, places: Iterable[Place], catalogs: Catalogs) -> Problem:
    """Why a pattern with places and lists means no stream."""
    if _is_wild(pattern):
        return Problem(pattern.key, "no_match", "nothing that trades matches")
    for place in places:
        instrument = (catalogs.get((place.exchange, place.market)) or {}).get(pattern.symbol)
        if instrument is not None:
            detail = f"{pattern.symbol} is {instrument.trading} on {place.exchange}:{place.market}"
            return Problem(pattern.key, "not_trading", detail)
    where = ", ".join(f"{place.exchange}:{place.market}" for place in places)
    return Problem(pattern.key, "unknown_symbol", f"{pattern.symbol} is not listed on {where}")


# --- streams to shards ----------------------------------------------------------------------


def topics_of(streams: Iterable[Stream]) -> Mapping[Place, Mapping[Topic, tuple[Stream, ...]]]:
    """The streams by the place and the topic that carries them, in order."""
    grouped: defaultdict[Place, defaultdict[Topic, list[Stream]]]
    grouped = defaultdict(lambda: defaultdict(list))
    for stream in sorted(streams):
        place = Place(stream.exchange, stream.market, stream.channel)
        # What many streams share is subscribed wherever one of them is: it deals out nothing.
        topic = place.topics(stream)[-1]
        grouped[place][topic].append(stream)
    return {
        place: {topic: tuple(carried) for topic, carried in topics.items()}
        for place, topics in grouped.items()
    }


def shards_of(
    place: Place, topics: Mapping[Topic, tuple[Stream, ...]], buckets: int
) -> Mapping[Shard, tuple[Stream, ...]]:
    """The place's streams dealt into that many shards; the empty ones are left out."""
    dealt: defaultdict[int, list[Stream]] = defaultdict(list)
    for topic, streams in topics.items():
        dealt[bucket_of(topic, buckets)].extend(streams)
    return {
        Shard(place.exchange, place.market, place.channel, index): tuple(dealt[index])
        for index in sorted(dealt)
    }


@lru_cache(maxsize=65_536)
def bucket_of(topic: Topic, buckets: int) -> int:
    """The bucket of ``buckets`` that a topic belongs to."""
    best, best_score = 0, -1
    for first in range(0, buckets, _PER_DIGEST):
        scores = _block(topic, first)[: buckets - first]
        top = max(scores)
        if top > best_score:
            best, best_score = first + scores.index(top), top
    return best


def buckets_needed(topics: Collection[Topic], capacity: int, at_least: int = 1) -> int:
    """The smallest count, from ``at_least`` on, whose fullest bucket holds at most ``capacity``.

    Buckets are added one by one; each takes from the others what scores highest in it.
    """
    buckets = max(1, at_least, -(-len(topics) // capacity))
    homes = {topic: bucket_of(topic, buckets) for topic in topics}
    bests = {topic: _block(topic, home)[home % _PER_DIGEST] for topic, home in homes.items()}
    sizes = [0] * buckets
    for home in homes.values():
        sizes[home] += 1
    blocks: Mapping[Topic, tuple[int, ...]] = {}
    while max(sizes) > capacity:
        if not blocks or buckets % _PER_DIGEST == 0:
            blocks = {topic: _block(topic, buckets) for topic in topics}
        sizes.append(0)
        for topic, scores in blocks.items():
            score = scores[buckets % _PER_DIGEST]
            if score > bests[topic]:
                sizes[homes[topic]] -= 1
                sizes[buckets] += 1
                homes[topic], bests[topic] = buckets, score
        buckets += 1
    return buckets


def _block(topic: Topic, bucket: int) -> tuple[int, ...]:
    """The scores of a topic in the sixteen buckets around ``bucket``."""
    number = bucket // _PER_DIGEST
    return _scores(blake2b(topic.encode(), salt=number.to_bytes(8, "big")).digest())
