"""``status``, ``plan``, ``want``, ``unwant``, ``wants``: a fleet as its records in Redis tell of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import pytest
from msgspec import Raw

from common.clocks import wall_ms
from common.fleet.client import connect
from common.fleet.desired import Desired, Want
from common.fleet.directory import Directory
from common.fleet.keys import Keys
from common.fleet.members import Member, Members
from common.model.instruments import Instrument
from common.model.streams import Market, Role, Shard, parse_pattern
from common.ops import records
from common.ops.records import ShardRecord, WorkerRecord
from scripts.fleet.plan import foreseen
from tests.fleet.test_sharding import instrument
from tests.scripts.test_fleet_cli import fleet

TTL_S = 60.0
LISTED: dict[Market, list[str]] = {
    "spot": ["BTCUSDT", "ETHUSDT"],
    "linear": ["BTCUSDT"],
    "inverse": ["BTCUSD_PERP"],
}


async def _list(exchange: str, market: Market) -> Sequence[Instrument]:
    return [instrument(symbol, market) for symbol in LISTED[market]]


def worker(name: str, role: Role, *shards: ShardRecord) -> WorkerRecord:
    now_ms = wall_ms()
    return WorkerRecord(
        f"{name}:aa", role, "vm", 7, now_ms, now_ms, "running", "ok", "ok", shards, name=name
    )


def shard(key: str, streams: int, **more: Any) -> ShardRecord:
    more = {"state": "live", "live": streams, "last_frame_age_s": 0.5} | more
    return ShardRecord(key, 7, streams=streams, since_ms=wall_ms(), **more)


def there(redis_url: str, *workers: WorkerRecord) -> dict[str, str]:
    """Make it a fleet of these workers; the settings that the questions are asked with."""

    async def write() -> None:
        redis, keys = connect(redis_url), Keys("cli:")
        for market in LISTED:
            assert await Directory(redis, keys, _list).refresh("binance", market)
        for one in workers:
            member = Member(
                one.worker_id,
                role=one.role,  # type: ignore[arg-type]
                host="vm",
                pid=7,
                started_ms=1,
                updated_ms=wall_ms(),
                state="running",
                record=Raw(records.encode(one)),
            )
            await Members(redis, keys, TTL_S).write(member)
        await redis.aclose()

    asyncio.run(write())
    return {
        "REDIS_URL": redis_url,
        "REDIS_PREFIX": "cli:",
        "STREAMS": "binance:spot:ticker:*,binance:linear:candle:BTC*:1m",
        "EXCHANGES": "binance",
        "LEASE_TTL_S": f"{TTL_S:g}",
    }


def wants(redis_url: str) -> list[Want]:
    async def read() -> list[Want]:
        redis = connect(redis_url)
        try:
            return await Desired(redis, Keys("cli:")).all()
        finally:
            await redis.aclose()

    return asyncio.run(read())


TICKERS = shard("binance:spot:ticker:0", 2)
CANDLES = shard("binance:linear:candle:0", 1)


# --- status -----------------------------------------------------------------------------------


@pytest.mark.engines
def test_status_shows_every_worker_and_shard_and_what_is_wrong(redis_url: str) -> None:
    ill = shard(
        "binance:linear:candle:0", 1, live=0, state="backing_off", behind=1, fenced=False,
        reasons=("closed: 1006",),
    )  # fmt: skip
    settings = there(redis_url, worker("price-0", "all", ill), worker("price-1", "ticker"))
    told = fleet("status", **settings)
    assert told.returncode == 0, told.stderr
    lines = [line.split() for line in told.stdout.splitlines()]
    assert ["price-0", "all", "vm", "7", "running", "ok", "ok", "1", "1"] in [x[:9] for x in lines]
    (candles,) = [line for line in lines if line[:2] == ["binance:linear:candle:0", "price-0"]]
    assert candles[2:8] == ["7", "backing_off", "1", "0", "0", "1"]
    assert candles[-3:] == ["unfenced;", "closed:", "1006"]
    (tickers,) = [line for line in lines if line[:1] == ["binance:spot:ticker:0"]]
    assert tickers[1:3] == ["nobody", "2"]
    assert "degraded: 0 of 2 shards flow" in told.stdout
    assert "- binance:spot:ticker:0 has no owner" in told.stdout


@pytest.mark.engines
def test_status_for_programs(redis_url: str) -> None:
    settings = there(redis_url, worker("price-0", "all", TICKERS, CANDLES))
    document = json.loads(fleet("status", "--json", **settings).stdout)
    assert document["health"]["status"] == "ok"
    assert document["health"]["workers"][0]["shards"][0]["shard"] == "binance:spot:ticker:0"
    assert {"shard": "binance:spot:ticker:0", "streams": 2} in document["wanted"]


@pytest.mark.engines
def test_status_of_no_fleet_at_all(redis_url: str) -> None:
    told = fleet("status", REDIS_URL=redis_url, STREAMS="binance:spot:ticker:*")
    assert told.returncode == 0
    assert told.stdout.startswith("no worker\n")
    assert "- no worker has reported" in told.stdout


# --- plan -------------------------------------------------------------------------------------


@pytest.mark.engines
def test_the_plan_says_who_serves_what_and_who_will(redis_url: str) -> None:
    settings = there(
        redis_url, worker("price-0", "all", TICKERS, CANDLES), worker("price-1", "ticker")
    )
    told = fleet("plan", **settings)
    assert told.returncode == 0, told.stderr
    lines = [line.split() for line in told.stdout.splitlines()]
    assert ["binance", "spot", "ticker", "2", "1"] in lines
    assert ["binance:linear:candle:0", "1", "all", "candle", "price-0", "price-0"] in lines
    # The specialist comes to its work when the generalist has given it back.
    assert ["binance:spot:ticker:0", "2", "all", "ticker", "price-0", "price-1"] in lines
    assert lines[-1] == ["no", "problem"]


@pytest.mark.engines
def test_what_nobody_may_serve_is_an_alarm_and_what_cannot_be_is_a_problem(redis_url: str) -> None:
    settings = there(redis_url, worker("price-0", "candle", CANDLES))
    settings["STREAMS"] += ",binance:spot:ticker:NOSUCH"
    told = fleet("plan", **settings)
    assert "ALARM: ticker is wanted, and no live worker has the role all or ticker" in told.stdout
    assert "NOSUCH is not listed on binance:spot" in told.stdout
    document = json.loads(fleet("plan", "--json", **settings).stdout)
    assert document["shards"] == [
        {
            "shard": "binance:linear:candle:0",
            "streams": 1,
            "roles": ["all", "candle"],
            "owner": "price-0",
            "willBe": "price-0",
        },
        {
            "shard": "binance:spot:ticker:0",
            "streams": 2,
            "roles": ["all", "ticker"],
            "owner": None,
            "willBe": None,
        },
    ]
    assert [problem["kind"] for problem in document["problems"]] == ["no_worker", "unknown_symbol"]


def test_what_is_foreseen_leaves_nothing_free_and_nobody_above_a_fair_share() -> None:
    weights = {Shard("binance", "spot", "candle", index): 10 for index in range(40)}
    owners = dict.fromkeys(weights, "a")
    will_be = foreseen(owners, weights, {"a": "all", "b": "all", "c": "candle", "t": "ticker"})
    assert will_be.keys() == weights.keys()
    shares = [sum(owner == worker for owner in will_be.values()) for worker in "abct"]
    assert shares[3] == 0
    assert max(shares[:3]) - min(shares[:3]) <= 1
    kept = sum(will_be[shard] == "a" for shard in weights)
    assert kept == shares[0]
    assert foreseen(will_be, weights, {"a": "all", "b": "all", "c": "candle"}) == will_be
    assert foreseen(owners, weights, {"t": "ticker"}) == {}


# --- want, unwant, wants -----------------------------------------------------------------------


@pytest.mark.engines
def test_a_want_lasts_until_it_is_taken_back(redis_url: str) -> None:
    settings = there(redis_url, worker("price-0", "all"))
    pattern = "binance:spot:candle:*USDT:5m"
    told = fleet("want", pattern, **settings)
    assert (told.returncode, told.stdout) == (0, f"{pattern} is wanted by cli: 2 streams\n")
    told = fleet("want", pattern, "--until", "+2h", "--by", "bot", "--json", **settings)
    document = json.loads(told.stdout)
    assert document["new"] is True
    assert (document["streams"], document["warnings"]) == (2, [])
    in_2_h_ms = document["untilMs"]
    assert abs(in_2_h_ms - wall_ms() - 7_200_000) < 60_000
    found = [(want.wanted_by, want.until_ms) for want in wants(redis_url)]
    assert found == [("bot", in_2_h_ms), ("cli", None)]
    listed = json.loads(fleet("wants", "--json", **settings).stdout)
    assert [(line["pattern"], line["wantedBy"], line["streams"]) for line in listed] == [
        ("binance:spot:ticker:*", "the settings", 2),
        ("binance:linear:candle:BTC*:1m", "the settings", 1),
        (pattern, "bot", 2),
        (pattern, "cli", 2),
    ]
    told = fleet("unwant", pattern, **settings)
    assert told.stdout == f"{pattern} is no longer wanted by cli; wanted by bot\n"
    told = fleet("unwant", pattern, **settings)
    assert (told.returncode, told.stderr) == (
        1,
        f"{pattern} was not wanted by cli; wanted by bot\n",
    )
    assert [want.pattern for want in wants(redis_url)] == [parse_pattern(pattern)]


@pytest.mark.engines
def test_a_want_tells_what_may_keep_it_from_flowing(redis_url: str) -> None:
    settings = there(redis_url)
    told = fleet("want", "binance:spot:ticker:BTCUSDT", **settings)
    assert told.returncode == 0
    assert "but no live worker has the role all or ticker" in told.stdout
    settings["EXCHANGES"] = "binance,okx"
    told = fleet("want", "okx:spot:ticker:BTC-USDT", **settings)
    assert told.returncode == 0
    assert "but the instruments of okx:spot are not known yet" in told.stdout
    told = fleet("unwant", "binance:spot:ticker:*", **settings)
    assert "wanted by the settings" in told.stderr


@pytest.mark.engines
@pytest.mark.parametrize(
    ("arguments", "status", "why"),
    [
        (("binance:spot:ticker:NOSUCH",), 1, "NOSUCH is not listed on binance:spot"),
        (("okx:spot:ticker:BTC-USDT",), 1, "okx is switched off"),
        (("binance:spot:candle:BTCUSDT",), 2, "a candle pattern ends in one"),
        (("binance:spot:ticker:BTCUSDT", "--until", "-2h"), 2, "is over"),
        (("binance:spot:ticker:BTCUSDT", "--until", "later"), 2, "is no time"),
        (("binance:spot:ticker:BTCUSDT", "--by", ""), 2, "wanted_by has 0 characters"),
        (("binance:spot:ticker:BTCUSDT", "--by", "the settings"), 2, "is no name of a party"),
        (("binance:spot:ticker:BTCUSDT", "--by", "a\nb"), 2, "is no name of a party"),
        (("binance:spot:ticker:BTC USDT",), 2, "has a blank in it"),
    ],
)
def test_what_cannot_be_is_refused_and_changes_nothing(
    redis_url: str, arguments: tuple[str, ...], status: int, why: str
) -> None:
    told = fleet("want", *arguments, **there(redis_url))
    assert (told.returncode, told.stdout) == (status, "")
    assert why in told.stderr
    assert wants(redis_url) == []


@pytest.mark.engines
@pytest.mark.parametrize(
    "arguments", [("binance:spot:ticker:*", "--by", ""), ("binance:spot:ticker:BTC USDT",)]
)
def test_what_could_not_be_wanted_cannot_be_taken_back(
    redis_url: str, arguments: tuple[str, ...]
) -> None:
    told = fleet("unwant", *arguments, **there(redis_url))
    assert (told.returncode, told.stdout) == (2, "")
    assert told.stderr.count("\n") == 1


@pytest.mark.parametrize("command", ["status", "plan", "wants"])
def test_a_redis_that_is_away_is_named_by_all(command: str) -> None:
    told = fleet(command, REDIS_URL="redis://:word@127.0.0.1:1/0")
    assert told.returncode == 1
    assert "127.0.0.1:1" in told.stderr
    assert "word" not in told.stderr
