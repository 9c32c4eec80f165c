"""The page for Prometheus: parsed by Prometheus' own parser, bounded, and never falling."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from msgspec.structs import replace
from prometheus_client.parser import text_string_to_metric_families

from common.ops.health import unknown, verdict
from common.ops.metrics import METRICS, MOST_LIVES, MOST_SERIES, Page, Totals, reference
from common.ops.records import WorkerRecord
from tests.ops.fleet import CANDLES, NOW_MS, TICKERS, TTL_S, WANTED, healthy, shard, worker

ROOT = Path(__file__).parents[2]
SPOT = ("binance", "spot", "candle")
LABELS = ("role", "exchange", "market", "channel", "state", "reason")
Samples = dict[tuple[str, tuple[str, ...]], float]


def samples(page: Page) -> Samples:
    families = text_string_to_metric_families(page.text().decode())
    return {
        (sample.name, tuple(sample.labels[x] for x in LABELS if x in sample.labels)): sample.value
        for family in families
        for sample in family.samples
    }


def read(records: Sequence[WorkerRecord], totals: Totals | None = None) -> Samples:
    totals = totals or Totals()
    totals.add(records)
    return samples(Page(verdict(records, WANTED, NOW_MS, TTL_S), WANTED, totals))


def test_a_healthy_fleet() -> None:
    page = read(healthy())
    assert page["fleet_healthy", ()] == 1
    assert page["fleet_known", ()] == 1
    assert page["fleet_workers", ("all", "running")] == 2
    assert page["fleet_streams_wanted", SPOT] == 10
    assert page["fleet_streams_live", SPOT] == 10
    assert page["fleet_shards", (*SPOT, "live")] == 1
    assert page["fleet_frame_age_seconds", SPOT] == 0.5


def test_series_of_wanted_places_are_there_before_anything_happens() -> None:
    page = read([])
    for metric in METRICS:
        if metric.labels == ("exchange", "market", "channel"):
            assert (metric.full_name, SPOT) in page, metric.full_name
    assert page["fleet_shards_owned", SPOT] == 0
    assert page["fleet_healthy", ()] == 0


def test_what_is_not_known_is_absent_and_not_zero() -> None:
    totals = Totals()
    totals.add([worker("price-1", shard(CANDLES, frames=7))])
    page = samples(Page(unknown("Redis is away", healthy()), WANTED, totals))
    assert page["fleet_known", ()] == 0
    assert page["fleet_healthy", ()] == 0
    assert ("fleet_streams_live", SPOT) not in page
    assert page["fleet_frames_total", SPOT] == 7


def test_no_label_can_hold_a_symbol_a_worker_or_an_account() -> None:
    allowed = {"role", "exchange", "market", "channel", "reason", "state"}
    assert {label for metric in METRICS for label in metric.labels} <= allowed
    rejecting = shard(CANDLES, rejected=("binance:spot:candle:SECRETCOIN:1m",), rejected_count=1)
    totals = Totals()
    records = [worker("price-1", rejecting, counters={"published": 1})]
    text = Page(verdict(records, WANTED, NOW_MS, TTL_S), WANTED, totals).text().decode()
    assert "SECRETCOIN" not in text
    assert "price-1" not in text


def test_counters_keep_what_workers_and_shards_counted_when_they_are_gone() -> None:
    totals = Totals()
    counting = shard(CANDLES, frames=100, ends={"closed": 1}, unreadable={"not_json": 2})
    page = read([worker("price-1", counting, counters={"published": 40})], totals)
    assert page["fleet_frames_total", SPOT] == 100
    assert page["fleet_worker_published_total", ("all",)] == 40
    # price-1 is killed; price-2 takes the shard and counts from the start
    page = read([worker("price-2", shard(CANDLES, frames=5))], totals)
    assert page["fleet_frames_total", SPOT] == 105
    assert page["fleet_connection_ends_total", (*SPOT, "closed")] == 1
    assert page["fleet_unreadable_total", (*SPOT, "not_json")] == 2
    assert page["fleet_worker_published_total", ("all",)] == 40


def test_the_same_report_read_twice_counts_once_and_a_shard_taken_again_counts_anew() -> None:
    totals = Totals()
    for frames, total in ((100, 100), (100, 100), (130, 130), (20, 150), (25, 155)):
        page = read([worker("price-1", shard(CANDLES, frames=frames))], totals)
        assert page["fleet_frames_total", SPOT] == total


def test_a_large_fleet_is_not_counted_twice() -> None:
    totals = Totals()
    shards = [
        replace(shard(CANDLES, frames=1), shard=f"binance:spot:candle:{n}")
        for n in range(2 * MOST_LIVES)
    ]
    for _ in range(3):
        totals.add([worker("price-1", *shards)])
    assert dict(totals.series("frames")) == {SPOT: 2 * MOST_LIVES}


def test_memory_is_bounded_whatever_workers_make_up() -> None:
    totals = Totals()
    for number in range(3 * MOST_LIVES):
        made_up = shard(CANDLES, ends={f"reason {number}": 1})
        totals.add([worker(f"price-{number}", made_up)])
    assert len(totals._seen) <= MOST_LIVES
    assert len(totals._sums) <= MOST_SERIES


def test_gauges_of_workers_are_summed_and_ages_are_the_worst() -> None:
    gauges = [{"pending": 3.0, "confirm_age_s": 1.0}, {"pending": 4.0, "confirm_age_s": 9.0}]
    page = read([worker(f"price-{n}", gauges=gauge) for n, gauge in enumerate(gauges)])
    assert page["fleet_worker_pending", ("all",)] == 7
    assert page["fleet_worker_confirm_age_seconds", ("all",)] == 9


def test_a_name_that_is_no_metric_name_is_left_out() -> None:
    odd = {"Not A Name{x=}": 1}
    page = read([worker("price-1", counters=odd, gauges={"Bad-Name": 1.0})])
    assert not [name for name, _ in page if "ame" in name and "worker" in name]


def test_the_reference_page_is_complete() -> None:
    assert reference() in (ROOT / "docs" / "metrics.md").read_text()
    page = Page(verdict(healthy(), WANTED, NOW_MS, TTL_S), WANTED, Totals()).text().decode()
    families = {family.name for family in text_string_to_metric_families(page)}
    assert families == {metric.full_name.removesuffix("_total") for metric in METRICS}


def test_silent_shards_show_in_the_age() -> None:
    page = read([worker("price-1", shard(TICKERS, last_frame_age_s=33.0))])
    assert page["fleet_frame_age_seconds", ("binance", "linear", "ticker")] == 33
