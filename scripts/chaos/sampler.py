"""Looks at the fleet once a second: who owns what, how much memory, which process is which."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import aiohttp

from scripts.chaos.causes import Owners
from scripts.chaos.processes import Workers, rss_mb

EVERY_S = 1.0


class Sampler:
    """Remembers what it saw.

    Attributes:
        health: what the fleet said last about itself.
        max_rss_mb: the most memory that one worker was seen to have.
    """

    def __init__(self, http: aiohttp.ClientSession, health_url: str, workers: Workers) -> None:
        self._http = http
        self._health_url = health_url
        self._workers = workers
        self._owners: dict[tuple[str, str, int], set[int]] = defaultdict(set)
        self._names: dict[int, str] = {}
        self._living: dict[str, int] = {}
        self.health: dict[str, Any] = {}
        self.max_rss_mb = 0.0

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(EVERY_S)

    async def look(self) -> None:
        """Once."""
        self._living = await asyncio.to_thread(self._workers.pids)
        for name, pid in self._living.items():
            self._names[pid] = name
            self.max_rss_mb = max(self.max_rss_mb, rss_mb(pid))
        try:
            async with self._http.get(self._health_url) as answer:
                self.health = await answer.json()
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            self.health = {"status": "no answer", "reasons": [f"health server: {error}"]}
        for worker in self.health.get("workers", ()):
            for shard in worker["shards"]:
                exchange, market, channel, _ = shard["shard"].split(":")
                if channel == "candle":
                    self._owners[exchange, market, shard["epoch"]].add(worker["pid"])

    @property
    def owners(self) -> Owners:
        """Who was seen to own what."""
        return {key: frozenset(pids) for key, pids in self._owners.items()}

    @property
    def well(self) -> bool:
        """Whether the fleet says that all of it flows."""
        return self.health.get("status") == "ok"

    @property
    def shut_out(self) -> list[str]:
        """What the fleet says of accounts that are not live, or parked; of a fleet not seen, that."""
        status = self.health.get("status")
        if status not in ("ok", "degraded"):
            return [f"the fleet is {status}"]
        told = [
            str(reason) for reason in self.health.get("reasons", ()) if "not live" in str(reason)
        ]
        notes = map(str, self.health.get("notes", ()))
        return told + [note for note in notes if "account" in note and "parked" in note]

    def ended_by_themselves(self, ended_by_us: Iterable[int]) -> list[str]:
        """The workers that are gone without our having ended them."""
        gone = self._names.keys() - set(self._living.values()) - set(ended_by_us)
        return [f"{self._names[pid]} (process {pid}) ended by itself" for pid in sorted(gone)]
