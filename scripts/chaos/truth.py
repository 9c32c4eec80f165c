"""What the simulated exchanges say was true, and what of that is owed and was told."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from common.clocks import MarketClock, wall_ms
from common.model.intervals import length_ms
from common.model.streams import MARKETS, Pattern, Stream
from scripts.chaos.consumer import Delivery
from scripts.chaos.kinds import LISTED_S
from scripts.quick.account_verdict import Told
from scripts.quick.compare import Body
from scripts.quick.exchanges import Exchanges

TRUTH_AT_ONCE = 4


def wanted_of(patterns: Sequence[Pattern], row: Mapping[str, Any]) -> set[str]:
    """The keys of the candle streams that the patterns want of a symbol, if it trades."""
    if not row["trading"]:
        return set()
    exchange, symbol = row["exchange"], row["symbol"]
    market = next(name for name in MARKETS if name == row["market"])
    return {
        Stream(exchange, market, "candle", symbol, pattern.interval).key
        for pattern in patterns
        if pattern.covers(exchange, market, "candle") and pattern.takes(symbol)
    }


async def owed(
    patterns: Sequence[Pattern], clock: MarketClock, exchanges: Exchanges, started_ms: int
) -> dict[str, int]:
    """What each wanted stream owes even if nothing of it came, in market time."""
    since_ms = clock.now_ms() - int((wall_ms() - started_ms) * clock.speed)
    notice_ms = int(LISTED_S * 1000 * clock.speed)
    owed_from_ms = {}
    for row in await exchanges.symbols():
        listed_later = row["beginsMs"] > since_ms
        from_ms = row["beginsMs"] + notice_ms if listed_later else since_ms
        owed_from_ms.update(dict.fromkeys(wanted_of(patterns, row), from_ms))
    return owed_from_ms


async def truth(
    exchanges: Exchanges, from_ms: Mapping[str, int], to_ms: int
) -> dict[str, Sequence[Body]]:
    """What was true of each stream, from the bar on that ran at its ``from_ms``."""
    room = asyncio.Semaphore(TRUTH_AT_ONCE)

    async def one(stream: str, at_ms: int) -> tuple[str, Sequence[Body]]:
        # A bar that ran then began no more than its length before.
        async with room:
            before_ms = length_ms(stream.rpartition(":")[2])
            return stream, await exchanges.candles(stream, at_ms - before_ms, to_ms)

    return dict(await asyncio.gather(*(one(*pair) for pair in from_ms.items())))


def told_of(deliveries: Iterable[Delivery]) -> Mapping[str, Sequence[Told]]:
    """The messages of every account, in the order they came."""
    told: defaultdict[str, list[Told]] = defaultdict(list)
    for one in deliveries:
        if "eventType" in one.body and not one.own:
            message = Told(one.message_id, one.body, one.arrived_ms, one.epoch)
            told[one.body["accountId"]].append(message)
    return told
