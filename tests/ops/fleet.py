"""A healthy little fleet, and what may be wrong with it."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from common.ops.health import WantedShard
from common.ops.records import ShardRecord, WorkerRecord

NOW_MS = 1_763_700_000_000
TTL_S = 15.0

CANDLES = WantedShard("binance:spot:candle:0", streams=10)
TICKERS = WantedShard("binance:linear:ticker:0", streams=5, silence_s=15.0)
WANTED = (CANDLES, TICKERS)


def shard(wanted: WantedShard, **changes: Any) -> ShardRecord:
    live = ShardRecord(
        shard=wanted.key,
        epoch=7,
        state="live",
        streams=wanted.streams,
        live=wanted.streams,
        since_ms=NOW_MS - 60_000,
        last_frame_age_s=0.5,
    )
    return replace(live, **changes)


def worker(name: str = "price-1", *shards: ShardRecord, **changes: Any) -> WorkerRecord:
    running = WorkerRecord(
        worker_id=f"{name}:a1b2c3",
        name=name,
        role="all",
        host="vm",
        pid=4711,
        started_ms=NOW_MS - 100_000,
        updated_ms=NOW_MS - 1_000,
        state="running",
        redis="ok",
        rabbit="ok",
        shards=shards,
    )
    return replace(running, **changes)


def healthy() -> list[WorkerRecord]:
    return [worker("price-1", shard(CANDLES)), worker("price-2", shard(TICKERS))]
