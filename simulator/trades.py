"""Every trade there is: pure functions of (seed, listing, minute). Integers only.

The price level is value noise: a few octaves of random numbers on coarse grids, interpolated. It
needs no history, so any minute of any day can be told at once. The trades of a minute lie on the
line between the levels at its two ends, each a little off it.
"""

from __future__ import annotations

import random
from functools import lru_cache
from hashlib import blake2b
from typing import NamedTuple

from common.model.intervals import MINUTE_MS
from simulator.listing import Listing

# Ids of a minute's trades: unique and rising, with room for every trade of it.
IDS_PER_MINUTE = 10_000

# (minutes between grid points, largest swing in millionths of the price)
_OCTAVES = ((7 * 24 * 60, 60_000), (24 * 60, 30_000), (150, 9_000), (11, 2_500), (1, 400))
_UNIT = 1_000_000
_JITTER = 60


class Trade(NamedTuple):
    """One trade. ``lots`` of size, ``value`` in the listing's value units."""

    time_ms: int
    price: int
    lots: int
    value: int
    taker_buys: bool
    trade_id: int


def _number(seed: int, name: str, index: int) -> int:
    digest = blake2b(f"{seed}:{name}:{index}".encode(), digest_size=16).digest()
    return int.from_bytes(digest, "big")


@lru_cache(maxsize=65_536)
def _grid(seed: int, name: str, octave: int, index: int) -> int:
    """A number in [-_UNIT, _UNIT] at one grid point."""
    return _number(seed, f"{name}:{octave}", index) % (2 * _UNIT + 1) - _UNIT


def level(seed: int, listing: Listing, minute: int) -> int:
    """The price around which trades happen at the start of a minute (unrounded to the tick).

    The noise belongs to the base asset, so that its markets move together.
    """
    off = 0
    for octave, (minutes, swing) in enumerate(_OCTAVES):
        index, into = divmod(minute, minutes)
        left = _grid(seed, listing.base, octave, index)
        right = _grid(seed, listing.base, octave, index + 1) if into else left
        off += swing * (left * (minutes - into) + right * into) // (minutes * _UNIT)
    return listing.price * (_UNIT + off) // _UNIT


def value_of(listing: Listing, price: int, lots: int) -> int:
    """What a trade is worth in value units; on inverse rounded down to 8 decimals of the base."""
    if listing.contract_size is None:
        return price * lots
    scale: int = 10 ** (8 + listing.price_decimals)
    return lots * listing.contract_size * scale // price


@lru_cache(maxsize=8_192)
def trades_of(seed: int, listing: Listing, minute: int) -> tuple[Trade, ...]:
    """All trades of one minute (counted from the Unix epoch), in order."""
    if listing.halted:
        return ()
    draw = random.Random(_number(seed, listing.key, minute)).getrandbits
    mean = listing.trades_per_100min
    count = (draw(32) % (2 * mean + 1) + draw(32) % 100) // 100
    if not count:
        return ()
    begin, end = level(seed, listing, minute), level(seed, listing, minute + 1)
    tick, span = listing.tick, max(listing.price * _JITTER // _UNIT, 2 * listing.tick)
    trades = []
    for number, into_ms in enumerate(sorted(draw(32) % MINUTE_MS for _ in range(count))):
        off = draw(32) % (2 * span + 1) - span
        price = max((begin + (end - begin) * into_ms // MINUTE_MS + off) // tick, 1) * tick
        big = draw(16)
        lots = 1 + 3 * listing.typical_lots * big * big // 2**32
        trades.append(
            Trade(
                minute * MINUTE_MS + into_ms,
                price,
                lots,
                value_of(listing, price, lots),
                bool(draw(1)),
                minute * IDS_PER_MINUTE + number,
            )
        )
    return tuple(trades)
