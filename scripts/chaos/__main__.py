"""The fleet under fire: ``python -m scripts.chaos --minutes 10 --speed 20 --seed 1 --json``.

The whole fleet runs under supervisord, on private engines and against simulated exchanges, while a
seeded schedule of faults goes on: sockets, wires, workers, RabbitMQ and Redis fail, alone and all
at once. A consumer keeps every message. At the end, the closed candles that were delivered are
compared with what the simulator knows to be true. ``--plan`` prints the schedule and ends.

Exit status 0 only if nothing is missing, wrong, out of order, repeated without a cause, or late
without a word (what that means exactly: scripts/chaos/judge.py).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
from loguru import logger
from rich.console import Console

from common.clocks import MarketClock, wall_ms
from common.exchanges.registry import EXCHANGES
from common.model.streams import Pattern, parse_pattern
from scripts.chaos.evidence import Evidence, Verdict
from scripts.chaos.judge import judge
from scripts.chaos.kinds import ALL_KINDS, KINDS, LEASE_TTL_S, LOOK_BACK_S
from scripts.chaos.run import RECONCILE_S, ChaosRun, Plan
from scripts.chaos.schedule import Fault, make_schedule
from scripts.chaos.screen import Screen
from scripts.children import GUARD, INTERRUPTS, ChildError, left_behind
from scripts.engines import MissingEngineError
from scripts.engines.fetch import ensure
from scripts.quick.accounts import CREDENTIALS_KEY
from scripts.quick.stack import Stack

# How many reasons of each kind are told: the first tell the story.
MOST_TOLD = 8

STREAMS = "*:*:candle:*:1m,*:*:candle:*:3m,*:*:candle:*:5m"


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.chaos",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--minutes",
        type=_positive,
        metavar="N",
        default=10.0,
        help="how long (10), quiet end included",
    )
    parser.add_argument(
        "--speed",
        type=_positive,
        metavar="N",
        default=20.0,
        help="market time runs N times faster (20)",
    )
    parser.add_argument(
        "--seed", type=int, default=1, metavar="N", help="another schedule and market"
    )
    parser.add_argument("--workers", type=int, choices=range(1, 33), default=3, metavar="N")
    parser.add_argument(
        "--accounts",
        type=int,
        choices=range(10_001),
        default=0,
        metavar="N",
        help="stream about N accounts as well, traded by a seeded trader (0)",
    )
    parser.add_argument("--users", type=int, choices=range(1, 33), default=2, metavar="N")
    parser.add_argument("--streams", type=_patterns, default=_patterns(STREAMS), metavar="PATTERNS")
    parser.add_argument("--json", action="store_true", help="end with one line of JSON on stdout")
    parser.add_argument("--keep", action="store_true", help="keep the folder with the logs")
    parser.add_argument("--plan", action="store_true", help="print the schedule and end")
    return parser.parse_args(arguments)


def _positive(text: str) -> float:
    number = float(text)
    if not 0 < number <= 100_000:
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return number


def _patterns(text: str) -> list[Pattern]:
    try:
        patterns = [parse_pattern(part) for part in text.split(",")]
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    if any(pattern.channel != "candle" for pattern in patterns):
        raise argparse.ArgumentTypeError("only candle streams are judged")
    return patterns


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status."""
    options = _options(arguments)
    schedule = make_schedule(
        options.seed,
        options.minutes * 60,
        _places(options.streams),
        options.workers + (options.users if options.accounts else 0),
        ALL_KINDS if options.accounts else KINDS,
    )
    if options.plan:
        sys.stdout.writelines(f"{fault}\n" for fault in schedule)
        return 0
    console = Console(stderr=True, soft_wrap=True, width=None if sys.stderr.isatty() else 110)
    INTERRUPTS.listen()  # until the loop takes over
    try:
        run, evidence = _run(options, schedule, console)
    except (ChildError, MissingEngineError, OSError, aiohttp.ClientError) as error:
        told = str(error) or type(error).__name__
        console.print(told, style="red", markup=False, highlight=False)
        return 1
    except KeyboardInterrupt:
        console.print("interrupted while starting")
        return 1
    finally:
        GUARD.close()
    return _report(options, run, evidence, console)


def _places(patterns: Sequence[Pattern]) -> list[tuple[str, str]]:
    return [
        (name, market)
        for name, exchange in EXCHANGES.items()
        for market in exchange.markets
        if any(pattern.covers(name, market, "candle") for pattern in patterns)
    ]


def _run(
    options: argparse.Namespace, schedule: Sequence[Fault], console: Console
) -> tuple[ChaosRun, Evidence]:
    ensure()
    clock = MarketClock(speed=options.speed, anchor_ms=wall_ms())
    with Stack(
        lambda text: console.print(text, markup=False, highlight=False),
        keep=options.keep,
        name="fleet-chaos",
    ) as stack:
        _log_to(stack)
        redis, rabbit = stack.start_redis(durable=True), stack.start_rabbit()
        stack.start_simulator(clock.setting, seed=options.seed, recording=None)
        plan = Plan(
            clock=clock,
            settings={
                "MARKET_CLOCK": clock.setting,
                "STREAMS": ",".join(pattern.key for pattern in options.streams),
                "LEASE_TTL_S": f"{LEASE_TTL_S:g}",
                # Long enough for what a lost Redis forgets, in market time twenty bars or so.
                "LOOK_BACK_S": f"{LOOK_BACK_S:g}",
                "LOG_FORMAT": "json",
                "CREDENTIALS_KEY": CREDENTIALS_KEY,
                "ACCOUNT_RECONCILE_S": f"{RECONCILE_S:g}",
            },
            patterns=options.streams,
            schedule=schedule,
            duration_s=options.minutes * 60,
            workers=options.workers,
            users=options.users if options.accounts else 1,
            accounts=options.accounts,
        )
        run = ChaosRun(stack, redis, rabbit, plan, Screen(console))
        evidence = asyncio.run(run.run())
        if options.keep:
            _keep(stack.folder, evidence)
            _keep_accounts(stack.folder, run, evidence)
        return run, evidence


def _log_to(stack: Stack) -> None:
    """What was done when lies beside what the fleet said."""
    logger.remove()
    logger.add(
        stack.folder / "chaos.log", format="{time:YYYY-MM-DDTHH:mm:ss.SSS!UTC} {message} {extra}"
    )


def _keep(folder: Path, evidence: Evidence) -> None:
    """Everything that came, and all that is wrong with it, for whoever looks for the cause."""
    lines = map(msgspec.json.encode, evidence.deliveries)
    (folder / "deliveries.jsonl").write_bytes(b"\n".join(lines))
    (folder / "reasons.txt").write_text("\n".join(_reasons(judge(evidence))))


def _keep_accounts(folder: Path, run: ChaosRun, evidence: Evidence) -> None:
    """What accounts are judged by, and what is wrong with them."""
    if run.account_verdict is None:
        return
    known = {"opened": run.opened, "truths": run.truths, "carried": evidence.carried}
    (folder / "accounts.json").write_bytes(msgspec.json.encode(known))
    (folder / "account-reasons.txt").write_text("\n".join(run.account_verdict.reasons))


def _first_of_each(reasons: Sequence[str]) -> list[str]:
    """The first few of each kind."""
    counts: Counter[str] = Counter()
    chosen = []
    for reason in reasons:
        kind = reason.partition(":")[0]
        counts[kind] += 1
        if counts[kind] <= MOST_TOLD:
            chosen.append(reason)
    return chosen


def _reasons(verdict: Verdict, most: int | None = None) -> list[str]:
    return [f"{kind}: {why}" for kind, whys in verdict.reasons.items() for why in whys[:most]]


# --- the report -------------------------------------------------------------------------------


def _report(
    options: argparse.Namespace, run: ChaosRun, evidence: Evidence, console: Console
) -> int:
    verdict = judge(evidence)
    problems = [*run.problems, *(f"left behind: {what}" for what in left_behind())]
    summary = _summary(options, run, evidence, verdict)
    for reason in [*problems, *summary["reasons"], *summary.get("accountReasons", ())]:
        console.print(f"- {reason}", style="red", markup=False, highlight=False)
    if options.json:
        sys.stdout.write(json.dumps({**summary, "problems": problems}) + "\n")
        sys.stdout.flush()
    counts = {name: value for name, value in summary.items() if isinstance(value, int | float)}
    console.print(counts, highlight=False)
    accounts_clean = run.account_verdict is None or run.account_verdict.clean
    return 0 if verdict.clean and accounts_clean and not problems else 1


def _summary(
    options: argparse.Namespace, run: ChaosRun, evidence: Evidence, verdict: Verdict
) -> dict[str, Any]:
    felt = [one for one in evidence.carried if one.hit]
    assert run.sampler is not None
    accounts = {} if run.account_verdict is None else msgspec.to_builtins(run.account_verdict)
    if accounts:
        accounts["accountReasons"] = _first_of_each(accounts.pop("reasons"))
    return {
        "faults": len(felt),
        "faultsByKind": dict(sorted(Counter(one.fault.kind for one in felt).items())),
        "faultsWithoutTarget": len(evidence.carried) - len(felt),
        "streams": verdict.streams,
        "expected": verdict.expected,
        "delivered": verdict.delivered,
        "missing": verdict.missing,
        "wrong": verdict.wrong,
        "outOfOrder": verdict.out_of_order,
        "duplicated": verdict.duplicated,
        "duplicatedUnexplained": verdict.duplicated_unexplained,
        "revised": verdict.revised,
        "revisedAlike": verdict.revised_alike,
        "repeatedOtherwise": verdict.repeated_otherwise,
        "reachedBack": verdict.reached_back,
        "unsaid": verdict.unsaid,
        "rejected": verdict.rejected,
        "maxRecoveryS": round(verdict.max_recovery_s, 1),
        "slowest": verdict.slowest,
        "maxRssMb": round(run.sampler.max_rss_mb, 1),
        "healthAtEnd": run.sampler.health.get("status", "no answer"),
        "seed": options.seed,
        "speed": options.speed,
        "minutes": options.minutes,
        **accounts,
        "reasons": _reasons(verdict, MOST_TOLD),
    }


if __name__ == "__main__":
    sys.exit(main())
