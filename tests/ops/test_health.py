"""The verdict: ok only if everything wanted flows, and otherwise who, what and for how long."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from common.ops.health import MOST_REASONS, Health, WantedShard, unknown, verdict
from common.ops.records import AccountsRecord, WorkerRecord
from tests.ops.fleet import CANDLES, NOW_MS, TICKERS, TTL_S, WANTED, healthy, shard, worker


def judge(records: Sequence[WorkerRecord], wanted: Sequence[WantedShard] = WANTED) -> Health:
    return verdict(records, wanted, NOW_MS, TTL_S)


def candles(**changes: Any) -> list[WorkerRecord]:
    """The fleet, where the candle shard is different."""
    return [worker("price-1", shard(CANDLES, **changes)), worker("price-2", shard(TICKERS))]


def tickers(**changes: Any) -> list[WorkerRecord]:
    """The fleet, where the ticker shard is different."""
    return [worker("price-1", shard(CANDLES)), worker("price-2", shard(TICKERS, **changes))]


def first(**changes: Any) -> list[WorkerRecord]:
    """The fleet, where the first worker is different."""
    return [worker("price-1", shard(CANDLES), **changes), worker("price-2", shard(TICKERS))]


def test_ok_when_everything_wanted_flows() -> None:
    health = judge(healthy())
    assert (health.status, health.reasons) == ("ok", ())
    assert (health.wanted, health.flowing) == (2, 2)
    assert health.ok


TROUBLE: dict[str, tuple[list[WorkerRecord], str]] = {
    # workers
    "late": (
        first(updated_ms=NOW_MS - 10_200),
        "price-1 has not reported for 10.2 s",
    ),
    "clock ahead": (
        first(updated_ms=NOW_MS + 12_000),
        "price-1's clock is 12.0 s ahead of this one",
    ),
    "redis away": (first(redis="away"), "price-1: Redis is away"),
    "rabbit away": (first(rabbit="away"), "price-1: RabbitMQ is away"),
    "rabbit blocked": (first(rabbit="blocked"), "price-1: RabbitMQ is blocked"),
    "rabbit stalled": (
        first(rabbit="stalled"),
        "price-1: RabbitMQ is stalled: what must arrive is not confirmed",
    ),
    "rabbit refusing": (
        first(rabbit="refusing"),
        "price-1: RabbitMQ is refusing closed candles: the buffer is full",
    ),
    "returned": (
        first(returned=3),
        "price-1: 3 closed candles were returned by RabbitMQ: no queue is bound",
    ),
    "one returned": (
        first(returned=1),
        "price-1: 1 closed candle was returned by RabbitMQ: no queue is bound",
    ),
    # coverage
    "no owner": ([worker("price-1", shard(TICKERS))], "binance:spot:candle:0 has no owner"),
    "no role": (
        [worker("price-1", shard(TICKERS), role="ticker")],
        "no worker serves channel candle, wanted by 1 shard",
    ),
    "two owners": (
        [*healthy(), worker("price-3", shard(CANDLES, epoch=8))],
        "binance:spot:candle:0 is claimed by price-1 (epoch 7) and price-3 (epoch 8)",
    ),
    # shards
    "silent": (
        tickers(last_frame_age_s=21.4),
        "binance:linear:ticker:0 stale: no frame for 21 s",
    ),
    "never heard": (
        tickers(last_frame_age_s=None),
        "binance:linear:ticker:0 stale: no frame yet",
    ),
    "stale": (
        candles(state="stale", last_frame_age_s=70.0, reasons=("no answer to a ping",)),
        "binance:spot:candle:0 stale: no frame for 70 s (no answer to a ping)",
    ),
    "dialing": (
        candles(state="dialing", live=0),
        "binance:spot:candle:0 is dialing on price-1 for 60 s",
    ),
    "parked": (
        candles(state="parked", live=0, reasons=("config: 404",)),
        "binance:spot:candle:0 is parked on price-1 for 60 s (config: 404)",
    ),
    "unfenced": (candles(fenced=False), "binance:spot:candle:0 streams unfenced on price-1"),
    # streams
    "rejected": (
        candles(live=8, rejected_count=2, rejected=("binance:spot:candle:GONEUSDT:1m", "b")),
        "binance:spot:candle:0: 2 streams rejected by the exchange: binance:spot:candle:GONEUSDT:1m, b",
    ),
    "stale streams": (
        candles(live=5, stale_count=5, stale=("a", "b", "c", "d")),
        "binance:spot:candle:0: 5 streams stale: a, b, c, …",
    ),
    "not all live": (candles(live=7), "binance:spot:candle:0: 7 of 10 streams live"),
    "not all carried": (
        candles(streams=4, live=4),
        "binance:spot:candle:0: its owner carries 4 of 10 wanted streams",
    ),
}


@pytest.mark.parametrize("trouble", TROUBLE)
def test_whatever_does_not_flow_has_a_reason(trouble: str) -> None:
    records, reason = TROUBLE[trouble]
    health = judge(records)
    assert reason in health.reasons
    assert health.status == "degraded"
    assert not health.ok


def test_a_worker_that_no_longer_reports_owns_nothing() -> None:
    health = judge(first(updated_ms=NOW_MS - 11_000))
    assert "binance:spot:candle:0 has no owner" in health.reasons
    assert health.flowing == 1


def test_two_reports_may_be_late_before_it_is_told() -> None:
    assert judge(first(updated_ms=NOW_MS - 10_000)).ok
    assert not judge(first(updated_ms=NOW_MS - 10_001)).ok


def test_silence_is_legal_where_only_trades_are_told() -> None:
    assert judge(candles(last_frame_age_s=500.0)).ok


def test_quiet_streams_flow_as_far_as_anybody_can_know() -> None:
    assert judge(candles(live=4, quiet=6)).ok
    assert not judge(candles(live=4, quiet=5)).ok


def test_a_worker_on_its_way_out_does_no_harm_while_its_shards_flow() -> None:
    assert judge(first(state="draining")).ok


def test_the_story_of_a_killed_worker_ends_well() -> None:
    """Late, then its record is gone and nobody owns its shard, then another has taken over."""
    gone = worker("price-1", shard(CANDLES), updated_ms=NOW_MS - 12_000)
    other = worker("price-2", shard(TICKERS))
    taker = worker("price-2", shard(TICKERS), shard(CANDLES, epoch=8, state="dialing", live=0))
    heir = worker("price-2", shard(TICKERS), shard(CANDLES, epoch=8))
    stages = ([gone, other], [other], [taker], [heir])
    assert [judge(stage).status for stage in stages] == ["degraded"] * 3 + ["ok"]


def test_starting_is_not_ok() -> None:
    alone = judge([worker("price-1", state="starting")])
    assert alone.status == "starting"
    assert "price-1 is starting" in alone.reasons
    beside = judge([*healthy(), worker("price-3", state="starting")])
    assert (beside.status, beside.reasons) == ("starting", ("price-3 is starting",))


def test_starting_does_not_hide_that_something_is_wrong() -> None:
    records = [*candles(state="parked", live=0), worker("price-3", state="starting")]
    assert judge(records).status == "degraded"


def test_a_worker_that_starts_beside_a_dead_one_is_no_start() -> None:
    dead = worker("price-1", shard(CANDLES), updated_ms=NOW_MS - 12_000)
    assert judge([dead, worker("price-2", state="starting")]).status == "degraded"


def test_no_worker_is_not_ok() -> None:
    assert "no worker has reported" in judge([]).reasons


def test_no_plan_is_not_ok() -> None:
    assert judge(healthy(), []).reasons == ("nothing is wanted: the plan has no shard",)


def test_a_problem_of_the_plan_is_not_ok_and_a_note_is() -> None:
    problem = verdict(healthy(), WANTED, NOW_MS, TTL_S, problems=["okx:*: not known"])
    assert (problem.status, problem.reasons) == ("degraded", ("okx:*: not known",))
    noted = verdict(healthy(), WANTED, NOW_MS, TTL_S, notes=["binance:spot: LUNA is halted"])
    assert (noted.status, noted.notes) == ("ok", ("binance:spot: LUNA is halted",))


def test_what_is_not_known_is_not_ok() -> None:
    health = unknown("Redis is away")
    assert (health.status, health.reasons, health.ok) == ("unknown", ("Redis is away",), False)


def test_reasons_are_bounded() -> None:
    wanted = [WantedShard(f"binance:spot:candle:{n}", 1) for n in range(5_000)]
    reasons = judge(healthy(), wanted).reasons
    assert len(reasons) == MOST_REASONS + 1
    assert reasons[-1].startswith("and 4")


# --- accounts -----------------------------------------------------------------------------------


def user(*accounts: AccountsRecord, **changes: Any) -> WorkerRecord:
    return worker("user-0", role="user", accounts=accounts, **changes)


def account_verdict(*records: WorkerRecord, wanted: int = 3) -> Health:
    return verdict([*healthy(), *records], WANTED, NOW_MS, TTL_S, accounts={"binance:spot": wanted})


def test_accounts_are_well_if_all_that_are_wanted_are_live() -> None:
    one = AccountsRecord("binance:spot", 2, {"live": 2})
    other = AccountsRecord("binance:spot", 1, {"live": 1})
    assert account_verdict(user(one), user(other)).ok


def test_accounts_that_are_not_live_are_counted_and_not_named() -> None:
    record = AccountsRecord("binance:spot", 2, {"live": 1, "waiting": 1}, {"transient": 1}, 42.0)
    assert account_verdict(user(record)).reasons == (
        "binance:spot: 2 of 3 accounts not live (transient 1); 2 owned, the oldest waits for 42 s",
    )


def test_a_parked_account_is_its_owners_to_mend_and_only_noted() -> None:
    record = AccountsRecord("binance:spot", 3, {"live": 2, "parked": 1}, {"key": 1})
    health = account_verdict(user(record))
    assert health.ok
    assert health.notes == ("binance:spot: 1 account parked (key 1)",)


def test_accounts_that_nobody_serves_are_told() -> None:
    assert account_verdict().reasons == ("no worker serves accounts, 3 are wanted",)


def test_a_fleet_of_accounts_alone_is_a_fleet() -> None:
    record = AccountsRecord("okx:linear", 1, {"live": 1})
    assert verdict([user(record)], (), NOW_MS, TTL_S, accounts={"okx:linear": 1}).ok


def test_account_events_that_no_queue_took_are_told() -> None:
    record = AccountsRecord("binance:spot", 3, {"live": 3})
    (reason,) = account_verdict(user(record, returned=1)).reasons
    assert "1 account event was returned by RabbitMQ" in reason
