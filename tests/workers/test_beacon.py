"""Who tells older backends to ask again, and when."""

from __future__ import annotations

import asyncio
import json
from typing import Any, cast

import pytest

from common.model.streams import Role
from common.publish.compat import Message
from tests.support.virtual_time import virtual_time
from workers.beacon import Beacon
from workers.mirror import Mirror
from workers.records import Identity


class Heard:
    def __init__(self) -> None:
        self.bodies: list[Any] = []

    def say(self, notice: Message) -> None:
        assert notice.channel == "serviceLog"
        self.bodies.append(json.loads(notice.text))


def beacon(worker_id: str, role: Role) -> tuple[Beacon, Heard]:
    heard = Heard()
    who = Identity(worker_id, worker_id, role, "host", 7, 1_700_000_000_000)
    return Beacon(cast("Mirror", heard), who), heard


STARTED = {"restart": "priceConnector", "bootId": "all-7-1700000000000-0"}


def test_who_is_alone_says_once_that_it_is_new() -> None:
    it, heard = beacon("a", "all")
    it.look({})
    assert heard.bodies == [], "it is not among the living yet"
    for _ in range(3):
        it.look({"a": "all"})
    assert heard.bodies == [STARTED]


def test_of_many_of_a_role_one_speaks_and_who_follows_says_so() -> None:
    it, heard = beacon("b", "all")
    it.look({"a": "all", "b": "all", "c": "all"})
    assert heard.bodies == []
    it.look({"b": "all", "c": "all"})
    assert heard.bodies == [STARTED]
    it.look({"a": "all", "b": "all"})
    it.look({"b": "all"})
    assert heard.bodies == [STARTED] * 2


def test_each_role_has_one_who_speaks() -> None:
    it, heard = beacon("b", "candle")
    it.look({"a": "ticker", "b": "candle"})
    assert [body["bootId"] for body in heard.bodies] == ["candle-7-1700000000000-0"]


def test_a_user_worker_speaks_of_accounts() -> None:
    it, heard = beacon("a", "user")
    it.look({"a": "user"})
    assert heard.bodies == [{"restart": "userStream"}]


@pytest.mark.parametrize(("role", "alive"), [("all", 9), ("user", 0)])
@virtual_time
async def test_prices_are_said_to_be_alive_every_minute(role: Role, alive: int) -> None:
    it, heard = beacon("a", role)
    running = asyncio.create_task(it.run())
    await asyncio.sleep(300)
    assert heard.bodies == [], "who is not in office is silent"
    it.look({"a": role})
    del heard.bodies[:]
    await asyncio.sleep(600)
    running.cancel()
    said = {"priceConnectorAlive": {"bootId": f"{role}-7-1700000000000-0", "role": role}}
    assert alive <= len(heard.bodies) <= alive * 4 / 3
    assert all(body == said for body in heard.bodies)
