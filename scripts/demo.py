"""The whole fleet on this machine, against simulated exchanges: ``./scripts/demo``.

Starts private engines, the simulator and the fleet, shows what arrives from RabbitMQ, compares it
with what the simulator knows to be true, and ends without leaving a process, a port or a file.
Exit status 0 only if data flowed on every market and nothing was missing, duplicated or wrong.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import secrets
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console

from common.clocks import MarketClock, wall_ms
from scripts.children import GUARD, INTERRUPTS, ChildError, left_behind
from scripts.engines import MissingEngineError
from scripts.engines.fetch import ensure
from scripts.quick.accounts import CREDENTIALS_KEY
from scripts.quick.compare import Score, total
from scripts.quick.named import Named, NamedEngineError, check, forget, named_engines
from scripts.quick.screen import Screen, market_table
from scripts.quick.stack import Stack
from scripts.quick.watch import Plan, Watch

# How many reasons are told: the first tell the story.
MOST_TOLD = 8

STREAMS = "*:*:candle:*:1m,*:*:candle:*:5m,*:*:ticker:*"


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="./scripts/demo", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--seconds", type=_positive, metavar="N", help="end after N seconds")
    parser.add_argument(
        "--speed", type=_positive, default=1.0, metavar="N", help="market time runs N times faster"
    )
    parser.add_argument("--json", action="store_true", help="end with one line of JSON on stdout")
    parser.add_argument("--replay", type=_file, metavar="FILE", help="play a recording, and end")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="another simulated market")
    parser.add_argument("--keep", action="store_true", help="keep the folder with the logs")
    return parser.parse_args(arguments)


def _positive(text: str) -> float:
    number = float(text)
    if not 0 < number <= 10_000_000:
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return number


def _file(text: str) -> Path:
    path = Path(text)
    if not path.is_file():
        raise argparse.ArgumentTypeError(f"{text} is not a file")
    return path.resolve()


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status."""
    options = _options(arguments)
    console = Console(stderr=True, soft_wrap=True, width=None if sys.stderr.isatty() else 110)
    INTERRUPTS.listen()  # until the loop takes over
    try:
        watch = _run(options, console)
    except (ChildError, MissingEngineError, NamedEngineError) as error:
        console.print(str(error), style="red", markup=False, highlight=False)
        return 1
    except KeyboardInterrupt:
        console.print("interrupted while starting")
        return 1
    finally:
        GUARD.close()
    return _report(watch, console, as_json=options.json)


def _run(options: argparse.Namespace, console: Console) -> Watch:
    def say(text: str) -> None:
        console.print(text, markup=False, highlight=False)

    named = named_engines(os.environ)
    if named.redis is None or named.rabbit is None:
        ensure()
    if named.shown:
        say(f"Engines    {' and '.join(named.shown)}, as the environment says")
        asyncio.run(check(named))
    prefix = f"demo-{secrets.token_hex(4)}:"
    try:
        with Stack(say, keep=options.keep) as stack:
            return _run_stack(stack, options, named, prefix, console)
    finally:
        if named.shown:
            asyncio.run(forget(named, prefix))


def _run_stack(
    stack: Stack, options: argparse.Namespace, named: Named, prefix: str, console: Console
) -> Watch:
    clock = MarketClock(speed=options.speed, anchor_ms=wall_ms())
    redis_url = named.redis or stack.start_redis().url
    rabbit_url = named.rabbit or stack.start_rabbit().url
    gateway = stack.start_simulator(clock.setting, seed=options.seed, recording=options.replay)
    settings = {
        "REDIS_URL": redis_url,
        "REDIS_PREFIX": prefix,
        "RABBIT_URL": rabbit_url,
        "EXCHANGE_GATEWAY": gateway,
        "MARKET_CLOCK": clock.setting,
        **({"STREAMS": STREAMS} if options.replay is None else stack.recorded_settings()),
        "LEASE_TTL_S": "6",
        # A demo begins now: its judge does not wait for what was before.
        "LOOK_BACK_S": "0",
        "LOG_FORMAT": "json",
        "CREDENTIALS_KEY": CREDENTIALS_KEY,
        "ACCOUNT_RECONCILE_S": "10",
    }
    plan = Plan(clock, rabbit_url, settings, options.seconds, options.replay)
    watch = Watch(stack, plan, Screen(console))
    asyncio.run(watch.run())
    if watch.problems and stack.fleet is not None:
        console.print("The end of the fleet's log:", style="yellow")
        console.print(stack.fleet.tail(), markup=False, highlight=False)
    return watch


def _report(watch: Watch, console: Console, *, as_json: bool) -> int:
    places = sorted(watch.arrivals.places.values(), key=lambda place: place.key)
    score = total(place.score for place in places)
    accounts = watch.accounts
    if accounts is not None:
        watch.problems += accounts.reasons[:MOST_TOLD]
    problems = [*watch.problems, *(f"left behind: {what}" for what in left_behind())]
    console.print(market_table(watch.arrivals))
    for reason in [*problems, *score.reasons]:
        console.print(f"- {reason}", style="red", markup=False, highlight=False)
    if as_json:
        sys.stdout.write(json.dumps(_summary(watch, score)) + "\n")
        sys.stdout.flush()
    return 0 if score.clean and not problems else 1


def _summary(watch: Watch, score: Score) -> dict[str, Any]:
    exchanges: dict[str, dict[str, Any]] = {}
    places = watch.arrivals.places.values()
    for place in places:
        exchanges.setdefault(place.exchange, {})[place.market] = {
            "candlesClosed": place.closed,
            "candlesOpen": place.open,
            "tickers": place.tickers,
            **_faults(place.score),
        }
    summary: dict[str, Any] = {
        "candlesClosed": sum(place.closed for place in places),
        "tickers": sum(place.tickers for place in places),
        **_faults(score),
        "exchanges": exchanges,
    }
    if watch.accounts is not None:
        told = msgspec.to_builtins(watch.accounts)
        summary["accounts"] = {name: told[name] for name in told if name != "reasons"}
    if watch.recorded:
        summary["closed"] = sum(len(place.closed_bodies) for place in places)
        summary["open"] = sum(len(place.open_bodies) for place in places)
    return summary


def _faults(score: Score) -> dict[str, int]:
    return {"missing": score.missing, "duplicated": score.duplicated, "wrong": score.wrong}


if __name__ == "__main__":
    sys.exit(main())
