"""Tells older backends that whoever serves them is new: then they ask for everything again.

They know one connector per role. A fleet has many, and remembers what was asked for; were each of them to
speak, backends would ask again every minute. So one of each role speaks, the one with the lowest id, and
who comes into that office says so.
"""

from __future__ import annotations

import asyncio
import random

from common.fleet.placement import Workers
from common.publish import compat
from workers.mirror import Mirror
from workers.records import Identity

EVERY_S = 60.0


class Beacon:
    """One worker's.

    Args:
        mirror: by which it speaks.
        who: this worker.
    """

    def __init__(self, mirror: Mirror, who: Identity) -> None:
        self._mirror = mirror
        self._who = who
        self._boot_id = f"{who.role}-{who.pid}-{who.started_ms}-0"
        self._speaks = False

    def look(self, workers: Workers) -> None:
        """See who speaks now, of those who are alive."""
        who = self._who
        peers = (worker for worker, role in workers.items() if role == who.role)
        speaks = who.worker_id == min(peers, default=None)
        if speaks and not self._speaks:
            is_user = who.role == "user"
            self._mirror.say(
                compat.users_started() if is_user else compat.prices_started(self._boot_id)
            )
        self._speaks = speaks

    async def run(self) -> None:
        """Say for ever that prices are served: who missed the start notices by the id."""
        while True:
            await asyncio.sleep(EVERY_S * random.uniform(0.9, 1.0))
            if self._speaks and self._who.role != "user":
                self._mirror.say(compat.prices_alive(self._boot_id, self._who.role))
