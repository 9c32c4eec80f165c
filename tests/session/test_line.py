"""An account's part of a socket: in order, frame by frame, bounded, with an end that says why."""

from __future__ import annotations

import pytest

from common.exchanges.private import Alive, Denied, Heard, Opened
from common.session import line as module
from common.session.line import TOO_MUCH, Line, LineEnded
from common.session.outcome import Outcome
from tests.support.virtual_time import virtual_time

GONE = Outcome("closed", "transient", "1006")


@virtual_time
async def test_what_is_put_is_heard_in_order_and_what_is_there_together() -> None:
    line = Line("a")
    said: list[Heard] = [Opened(), Alive(), Opened()]
    for one in said:
        line.put(one)
    assert [await line.next(1.0), *line.rest()] == said
    assert await line.next(1.0) is None


@virtual_time
async def test_what_came_before_the_end_is_heard_and_then_why() -> None:
    line = Line("a")
    line.put(Opened())
    line.end(Denied("key", "revoked"))
    line.end(GONE)
    line.put(Alive())
    assert await line.next(1.0) == Opened()
    with pytest.raises(LineEnded) as ended:
        await line.next(1.0)
    assert ended.value.why == Denied("key", "revoked")


@virtual_time
async def test_who_does_not_listen_loses_the_line_and_not_the_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MOST_WAITING", 3)
    line = Line("a")
    for _ in range(4):
        line.put(Alive())
    assert line.ended
    with pytest.raises(LineEnded) as ended:
        await line.next(1.0)
    assert ended.value.why is TOO_MUCH
