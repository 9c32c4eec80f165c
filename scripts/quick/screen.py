"""What a person sees while the demo runs: a live table on a terminal, a line now and then else."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any, Self

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from scripts.quick.arrivals import Arrivals
from scripts.quick.compare import total

LINE_EVERY_S = 5.0
_STYLES = {"ok": "green", "starting": "yellow"}


class Screen:
    """A context manager; ``show`` is called a few times a second."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._live = Live(console=console, auto_refresh=False) if console.is_terminal else None
        self._line_s = 0.0
        self._started_s = time.monotonic()

    def show(
        self, arrivals: Arrivals, health: dict[str, Any], market_ms: int, speed: float
    ) -> None:
        """The state of things."""
        if self._live is not None:
            head = _head(health, market_ms, speed)
            self._live.update(Group(head, market_table(arrivals), _owners(health)), refresh=True)
        elif time.monotonic() - self._line_s > LINE_EVERY_S:
            self._line_s = time.monotonic()
            elapsed_s = self._line_s - self._started_s
            self.console.print(f"{elapsed_s:5.0f} s  {_line(arrivals, health)}", highlight=False)

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()


def market_table(arrivals: Arrivals) -> Table:
    """What came from RabbitMQ, one line for each market."""
    table = Table(title="from RabbitMQ", title_justify="left")
    table.add_column("exchange")
    table.add_column("market")
    for name in ("closed", "open", "tickers", "orders", "fills", "balances", "positions"):
        table.add_column(name, justify="right")
    for name in ("last", "missing", "duplicated", "wrong"):
        table.add_column(name, justify="right")
    now_s = time.monotonic()
    for place in sorted(arrivals.places.values(), key=lambda place: place.key):
        last = "never" if place.last_s is None else f"{now_s - place.last_s:.1f} s"
        score = place.score
        faults = [_fault(count) for count in (score.missing, score.duplicated, score.wrong)]
        prices = (place.closed, place.open, place.tickers)
        accounts = (place.orders, place.fills, place.balances, place.positions)
        counts = [f"{count:,}" for count in (*prices, *accounts)]
        table.add_row(place.exchange, place.market, *counts, last, *faults)
    return table


def _fault(count: int) -> Text:
    return Text(str(count), style="bold red" if count else "green")


def _head(health: dict[str, Any], market_ms: int, speed: float) -> Text:
    status = str(health.get("status", "no answer yet"))
    reasons = [str(reason) for reason in health.get("reasons", [])]
    market_time = datetime.fromtimestamp(market_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
    head = Text.assemble(
        "health ", (status, _STYLES.get(status, "red")), f"   market time {market_time} UTC"
    )
    if speed != 1:
        head.append(f"   {speed:g} times as fast as the wall")
    for reason in reasons[:3]:
        head.append(f"\n  {reason}", style="yellow")
    return head


def _owners(health: dict[str, Any]) -> Table:
    """Who owns what, as the fleet's health server tells it."""
    table = Table(title="who owns what", title_justify="left")
    for name in ("shard", "worker", "state"):
        table.add_column(name)
    for name in ("live", "streams", "epoch", "last frame"):
        table.add_column(name, justify="right")
    owned = [
        (shard, worker["worker"])
        for worker in health.get("workers", [])
        for shard in worker["shards"]
    ]
    for shard, worker in sorted(owned, key=lambda pair: str(pair[0]["shard"])):
        age_s = shard["lastFrameAgoS"]
        table.add_row(
            shard["shard"],
            worker,
            shard["state"],
            str(shard["live"]),
            str(shard["streams"]),
            str(shard["epoch"]),
            "never" if age_s is None else f"{age_s:.1f} s",
        )
    return table


def _line(arrivals: Arrivals, health: dict[str, Any]) -> str:
    places = arrivals.places.values()
    score = total(place.score for place in places)
    return (
        f"{sum(place.closed for place in places)} candles closed, "
        f"{sum(place.open for place in places)} open, "
        f"{sum(place.tickers for place in places)} tickers, "
        f"{sum(place.orders for place in places)} order reports, "
        f"{sum(place.fills for place in places)} fills, "
        f"{score.missing} missing, {score.duplicated} duplicated, {score.wrong} wrong; "
        f"health {health.get('status', 'no answer yet')}"
    )
