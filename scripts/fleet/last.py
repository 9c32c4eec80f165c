"""``last``: the last values of a symbol, and how the connections that carry it stand."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import Any

import msgspec

from common.exchanges.registry import EXCHANGES
from common.fleet.client import connect
from common.fleet.keys import Keys
from common.fleet.last import read_last
from common.fleet.members import Member, Members
from common.model.intervals import INTERVALS
from common.model.streams import MARKETS
from common.ops import records
from common.ops.records import ShardRecord
from config.settings import Settings
from scripts.fleet.command import Command, NoAnswer, as_json, of_fleet
from scripts.fleet.text import table

COLUMNS = ("what", "since", "open", "high", "low", "close", "volume", "bid", "ask")


def _arguments(parser: ArgumentParser) -> None:
    parser.add_argument("exchange", choices=tuple(EXCHANGES))
    parser.add_argument("market", choices=MARKETS)
    parser.add_argument("symbol", help="as the exchange spells it")


async def _told(asked: Namespace, settings: Settings) -> str:
    """The answer as text or as JSON.

    Raises:
        RedisAway: it cannot be asked.
        NoAnswer: nothing is known.
    """
    exchange, market, symbol = asked.exchange, asked.market, asked.symbol
    redis, keys = connect(settings.redis_url.reveal()), Keys(settings.redis_prefix)
    try:
        values = await read_last(redis, keys, exchange, market, symbol)
        members = await Members(redis, keys, settings.lease_ttl_s).all()
    finally:
        await redis.aclose()
    if not values:
        raise NoAnswer(
            f"nothing is known of {exchange} {market} {symbol}: not streamed, "
            "spelled otherwise, older than LAST_VALUES_TTL_S, or LAST_VALUES_TTL_S=0"
        )
    shards = _shards(members, f"{exchange}:{market}:")
    if asked.json:
        return as_json({"values": values, "connections": [_connection(*shard) for shard in shards]})
    bodies = {field: msgspec.json.decode(raw) for field, raw in values.items()}
    rows = [_row(field, bodies[field]) for field in sorted(bodies, key=_order)]
    standing = [_line(*shard) for shard in shards]
    return table(COLUMNS, rows) + "\n" + ("\n".join(standing) or "no worker serves it now") + "\n"


def _shards(members: list[Member], place: str) -> list[tuple[str, ShardRecord]]:
    """The connections of a place, each with its owner."""
    return [
        (record.label, shard)
        for record in (records.decode(member.record) for member in members)
        for shard in record.shards
        if shard.shard.startswith(place)
    ]


def _connection(owner: str, shard: ShardRecord) -> dict[str, Any]:
    return {"owner": owner, **msgspec.to_builtins(shard)}


def _line(owner: str, shard: ShardRecord) -> str:
    age = "nothing yet" if shard.last_frame_age_s is None else f"{shard.last_frame_age_s:.1f} s ago"
    behind = f", {shard.behind} behind" if shard.behind else ""
    return (
        f"{shard.shard} on {owner}: {shard.state}, last frame {age}, "
        f"{shard.live + shard.quiet} of {shard.streams} streams{behind}"
    )


def _order(field: str) -> int:
    interval = field.partition(":")[2]
    return INTERVALS.index(interval) if interval in INTERVALS else -1


def _row(field: str, body: dict[str, Any]) -> tuple[str, ...]:
    since = body.get("startMs", body.get("eventMs"))
    close = body.get("close", body.get("last"))
    names = ("open", "high", "low")
    prices = [str(body.get(name, "")) for name in names]
    rest = [str(body.get(name, "")) for name in ("volume", "bid", "ask")]
    return (field, str(since), *prices, str(close), *rest)


COMMAND = Command(
    "last",
    "the last ticker and closed candles of a symbol, and how its streams stand",
    of_fleet(_told),
    _arguments,
)
