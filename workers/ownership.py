"""What is asked of a shard that a worker owns, whatever it streams (``workers.owned``, ``workers.owned_account``)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Protocol, TypeVar

from common.fleet.checkpoints import Taken
from common.fleet.leases import Lease
from common.model.streams import Shard


class Owned(Protocol):
    """A shard while it is owned here.

    Attributes:
        away: Redis cannot be reached: it is ours though its lease may have run out.
        unsure: the answer to a taking was lost.
    """

    shard: Shard
    lease: Lease
    away: bool
    unsure: bool

    @property
    def hopeless(self) -> bool:
        """Whether this process has tried long enough, and another one should."""

    @property
    def counts(self) -> Mapping[str, int]:
        """What it has counted here."""

    @property
    def untaken(self) -> Collection[Any]:
        """What is wanted of it and has to be taken before it is carried."""

    async def take(self) -> Taken:
        """Take what is wanted and free. Raises ``RedisAway``."""

    def want(self, what: Any) -> None:
        """What it is to carry."""

    def start(self) -> None:
        """Begin to stream."""

    async def stop(self) -> None:
        """Close its connections; nothing of it is published afterwards."""

    def crash(self) -> BaseException | None:
        """What ended it by itself; None while it runs."""

    def holds(self, lease: Lease) -> None:
        """The lease was renewed, perhaps under a new epoch."""

    async def hush(self, limit_s: float) -> bool:
        """What has not left does not leave; whether RabbitMQ has answered the rest in time."""

    async def keep(self) -> None:
        """Write how far it has come. Raises ``RedisAway``."""

    def let_go(self) -> None:
        """It is free as soon as all of it is confirmed."""

    def lost(self) -> None:
        """It is another's, or nobody's."""


OwnedT = TypeVar("OwnedT", bound=Owned)
