"""What the benchmarks share: engines, the simulator, workers of their own, and waiting."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

import httpx

from common.clocks import MarketClock
from scripts.children import Child, ChildError
from scripts.quick.stack import Stack, clean_environment

POLL_S = 0.1


def say(text: str) -> None:
    """Progress, for people."""
    sys.stderr.write(f"{text}\n")


def until(condition: Callable[[], Any], within_s: float, what: str) -> float:
    """Wait for something; how long it took, in seconds.

    Raises:
        ChildError: it did not come about in time.
    """
    started_s = time.monotonic()
    while not condition():
        if time.monotonic() - started_s > within_s:
            raise ChildError(f"after {within_s:g} s still not: {what}")
        time.sleep(POLL_S)
    return time.monotonic() - started_s


class Bench:
    """A private fleet without supervisord: workers come and go as the benchmark wants it."""

    def __init__(self, stack: Stack, clock: MarketClock, settings: Mapping[str, str]) -> None:
        self._stack = stack
        self.redis_url = stack.start_redis().url
        self.rabbit_url = stack.start_rabbit().url
        self.simulator_url = stack.start_simulator(clock.setting, seed=1, recording=None)
        self._http = httpx.Client(base_url=self.simulator_url, timeout=10)
        self._settings = {
            "REDIS_URL": self.redis_url,
            "RABBIT_URL": self.rabbit_url,
            "EXCHANGE_GATEWAY": self.simulator_url,
            "MARKET_CLOCK": clock.setting,
            "LOG_FORMAT": "json",
            **settings,
        }

    def control(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Ask or tell the simulator."""
        url = f"/control/{path}"
        answer = self._http.get(url) if body is None else self._http.post(url, json=body)
        answer.raise_for_status()
        return answer.json()

    def worker(self, name: str, *, kind: str = "price", **settings: str) -> Child:
        """Start one more worker: of candles, or (``user``) of accounts."""
        role = ("--role", "candle") if kind == "price" else ()
        child = Child(
            name,
            [sys.executable, "-m", f"workers.{kind}", *role],
            log=self._stack.folder / f"{name}.log",
            env=clean_environment({**self._settings, "WORKER_NAME": name, **settings}),
            cwd=self._stack.folder,
        )
        self._stack.at_end(child.kill)
        return child
