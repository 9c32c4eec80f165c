"""What backends ask for by a command: made desired, durably, or refused with the reason."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

from common.clocks import MarketClock
from common.fleet.checkpoints import Checkpoints
from common.fleet.desired import Desired, TooManyWants
from common.fleet.directory import Directory
from common.fleet.plan import Planner
from common.fleet.sharding import Problem, resolve
from common.model.streams import Stream
from common.publish.requests import Answer, Wanted
from common.recovery.resuming import past


class Wants:
    """Takes one want after the other.

    Args:
        enabled: the exchanges that are switched on.
        is_any_live: whether this worker carries one of these streams, live.
        wake: a new plan is to be made soon.
    """

    def __init__(
        self,
        desired: Desired,
        checkpoints: Checkpoints,
        directory: Directory,
        planner: Planner,
        clock: MarketClock,
        enabled: Collection[str],
        is_any_live: Callable[[Iterable[Stream]], bool],
        wake: Callable[[], None],
    ) -> None:
        self._desired = desired
        self._checkpoints = checkpoints
        self._directory = directory
        self._planner = planner
        self._clock = clock
        self._enabled = enabled
        self._is_any_live = is_any_live
        self._wake = wake

    async def want(self, wanted: Wanted, requested_by: str) -> Answer:
        """Make it desired, durably, or say why not.

        Raises:
            RedisAway: nothing was kept; asked again, it will be.
        """
        catalogs = await self._directory.catalogs(self._planner.markets)
        resolved = resolve([wanted.pattern], catalogs, self._enabled)
        problem = next(iter(resolved.problems), None)
        if problem is not None and problem.kind != "no_instruments":
            return _refusal(problem)
        if wanted.history:
            now_ms = self._clock.now_ms()
            await self._checkpoints.lay(past(resolved.streams, now_ms, wanted.history))
        try:
            await self._desired.add(wanted.pattern, requested_by)
        except (TooManyWants, ValueError) as error:
            return Answer("failed", str(error))
        self._wake()
        return Answer("active" if self._is_any_live(resolved.streams) else "accepted")


def _refusal(problem: Problem) -> Answer:
    if problem.kind in ("unsupported", "disabled"):
        return Answer(problem.kind, problem.detail)
    return Answer("failed", problem.detail)
