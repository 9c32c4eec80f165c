"""A reconnect storm from one address, against the true limits of Binance: is the address banned?

    python -m benchmarks.storm [--minutes M] [--processes N] [--seed N] [--json]

Price workers on one address carry 6,300 candle streams of one market over some 40 connections, and
all of those are cut again and again; what was missed is fetched by REST. The simulator counts as the
exchange does, in machine time: 2,400 weight a minute, 300 connection attempts in 5 minutes, 429 for
what is too much and 418 for who goes on.

The storm is run twice: with the workers on one EGRESS, so that they share its budgets, and with each
worker on an EGRESS of its own, as if each were alone on the address. The second ends with the first
refusal. The exit status is 0 if the first saw none and the second did.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections.abc import Mapping
from typing import Any

from benchmarks.bench import Bench, say, until
from common.clocks import MarketClock, wall_ms
from common.exchanges.registry import EXCHANGES
from common.model.intervals import INTERVALS
from scripts.children import GUARD, INTERRUPTS
from scripts.engines.fetch import ensure
from scripts.quick.stack import Stack

EXCHANGE, MARKET = "binance", "linear"
SYMBOLS = 420
STREAMS = SYMBOLS * len(INTERVALS)
START_S, CALM_S = 120.0, 240.0
# Between two cuts of everything.
LEAST_CALM_S, MOST_CALM_S = 5.0, 20.0
LOOK_S = 0.5
REFUSALS = ("403", "418", "429")


def main(arguments: list[str] | None = None) -> int:
    """Let it storm twice; the exit status."""
    asked = _parser().parse_args(arguments)
    INTERRUPTS.listen()
    ensure()
    try:
        told = {
            "processes": asked.processes,
            "streams": STREAMS,
            "limits": _limits(),
            "shared": _storm(asked, shared=True),
            "alone": _storm(asked, shared=False),
        }
    finally:
        GUARD.close()
    sys.stdout.write((json.dumps(told) if asked.json else json.dumps(told, indent=2)) + "\n")
    return 0 if told["shared"]["refused"] == 0 and told["alone"]["refused"] > 0 else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.storm",
        description=__doc__,
        formatter_class=argparse.RawTextHelpFormatter,
    )
    parser.add_argument("--minutes", type=float, default=10.0, metavar="M", help="(default: 10)")
    parser.add_argument("--processes", type=int, default=8, metavar="N", help="(default: 8)")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="of the cuts")
    parser.add_argument("--json", action="store_true", help="one line of JSON on stdout")
    return parser


def _limits() -> Mapping[str, str]:
    budgets = EXCHANGES[EXCHANGE].budgets.items()
    return {name: f"{budget.capacity} in {budget.window_s:g} s" for name, budget in budgets}


def _storm(asked: argparse.Namespace, *, shared: bool) -> dict[str, Any]:
    say("Shared     one EGRESS" if shared else "Alone      an EGRESS for each worker")
    with Stack(say) as stack:
        return Storm(stack, asked.seed).rage(asked, shared=shared)


class Storm:
    """One run."""

    def __init__(self, stack: Stack, seed: int) -> None:
        patterns = [f"{EXCHANGE}:{MARKET}:candle:B???USDT:{interval}" for interval in INTERVALS]
        settings = {
            "STREAMS": ",".join(patterns),
            "EXCHANGES": EXCHANGE,
        }
        self._bench = Bench(stack, MarketClock(1.0, wall_ms()), settings)
        self._random = random.Random(seed)
        self._cuts = 0

    def rage(self, asked: argparse.Namespace, *, shared: bool) -> dict[str, Any]:
        """The figures of one storm; the shared one goes on when something is refused."""
        for number in range(SYMBOLS):
            listing = {"base": f"B{number:03d}", "quote": "USDT", "trades_per_100min": 50}
            self._control("symbol", action="list", exchange=EXCHANGE, market=MARKET, **listing)
        for number in range(asked.processes):
            self._bench.worker(f"storm-{number}", EGRESS="one" if shared else f"one-of-{number}")
        until(self._carried, START_S, "the first stream is carried")
        lasted_s = self._cut_for(asked.minutes * 60, to_the_end=shared)
        recovered_s = None
        if shared:
            recovered_s = until(lambda: self._carried() == STREAMS, CALM_S, "all is carried again")
        answers = self._answers()
        return {
            "seconds": round(lasted_s),
            "cuts": self._cuts,
            "refused": self._refused(),
            "attempts": answers.get(f"{EXCHANGE}:socket", {}),
            "requests": answers.get(f"{EXCHANGE}:rest", {}),
            "mostUsed": self._bench.control("meters")["peaks"],
            "carriedAgainS": None if recovered_s is None else round(recovered_s, 1),
        }

    def _cut_for(self, seconds: float, *, to_the_end: bool) -> float:
        """Cut all connections again and again; how long it lasted."""
        begun_s = time.monotonic()
        next_s = begun_s
        while (lasted_s := time.monotonic() - begun_s) < seconds:
            if self._refused() and not to_the_end:
                break
            if time.monotonic() >= next_s:
                self._control("fault", kind="cut", where={"exchange": EXCHANGE})
                self._cuts += 1
                next_s = time.monotonic() + self._random.uniform(LEAST_CALM_S, MOST_CALM_S)
            time.sleep(LOOK_S)
        return lasted_s

    def _control(self, path: str, **body: Any) -> None:
        self._bench.control(path, body)

    def _answers(self) -> dict[str, dict[str, int]]:
        answers: dict[str, dict[str, int]] = self._bench.control("meters")["answers"]
        return answers

    def _refused(self) -> int:
        return sum(
            count
            for kinds in self._answers().values()
            for status, count in kinds.items()
            if status in REFUSALS
        )

    def _carried(self) -> int:
        return sum(len(socket["topics"]) for socket in self._bench.control("connections"))


if __name__ == "__main__":
    raise SystemExit(main())
