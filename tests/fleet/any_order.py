"""A state machine over a real Redis, whose clock cannot be turned."""

from __future__ import annotations

import asyncio

from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

from common.fleet.client import connect
from scripts.engines import RedisServer


class OnRedis(RuleBasedStateMachine):
    """Begins with an empty one."""

    url = ""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.redis = connect(self.url)
        self.runner.run(self.redis.flushall())

    def teardown(self) -> None:
        self.runner.run(self.redis.aclose())
        self.runner.close()

    def lose_everything(self) -> None:
        """Redis comes back empty, at once."""
        self.runner.run(self.redis.flushall())


def check(machine: type[OnRedis], redis_server: RedisServer, steps: int) -> None:
    machine.url = redis_server.url
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=60,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )
