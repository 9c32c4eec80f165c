"""The queues that commands come by, as data."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from common.publish.redacting import redacted
from common.publish.topology import (
    ACCOUNT_COMMANDS,
    CANDLES_REQUESTS,
    CANDLES_REQUESTS_DEAD,
    COMMANDS,
    USERS_STREAM_ACTION,
    USERS_STREAM_ACTION_DEAD,
    Topology,
)


class CommandQueue(Struct, frozen=True, kw_only=True):
    """A queue of commands, and how they are dealt with.

    Attributes:
        name: the queue.
        dead: where, of the topic exchange ``dead``, goes what cannot be followed.
        topology: what both need on the broker.
        states: what can become of a command, for counting.
        in_order: one after the other, by one consumer of the whole fleet, because a later one may take
            back an earlier one; else many at a time, by every consumer.
        redact: what may be kept of a message; None: all of it. Where it is given, messages hold
            secrets: no reason and no log line quotes an error's text either.
        life_s: a command that could not be dealt with for so long is given up; None: never. What is in
            order is never put back meanwhile.
    """

    name: str
    dead: str
    topology: Topology
    states: tuple[str, ...]
    in_order: bool = False
    redact: Callable[[bytes], bytes] | None = None
    life_s: float | None = None


CANDLE_REQUESTS = CommandQueue(
    name=CANDLES_REQUESTS,
    dead=CANDLES_REQUESTS_DEAD,
    topology=COMMANDS,
    states=("accepted", "active", "unsupported", "disabled", "failed"),
)
ACCOUNT_REQUESTS = CommandQueue(
    name=USERS_STREAM_ACTION,
    dead=USERS_STREAM_ACTION_DEAD,
    topology=ACCOUNT_COMMANDS,
    states=("accepted", "active", "closed", "refused", "failed"),
    in_order=True,
    redact=redacted,
    # A restart of Redis or a failover is over by then; a secret must not lie there for longer.
    life_s=600.0,
)
