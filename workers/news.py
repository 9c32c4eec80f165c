"""What a worker says of streams that nobody carries now: their symbol halted, or no worker may serve.

``stream.halted`` and ``stream.delisted`` come from whoever carried the stream; it is ``live`` again
with its first frame, if it ever trades again. ``stream.unserved`` is about a place (the symbol is
``*``): streams are wanted there and no live worker has a role for them; ``stream.served`` ends it. One
worker says that for all, the one with the lowest id; who comes into that office says it once more.
What RabbitMQ has no room for is said at a later tick.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from common.clocks import machine_s
from common.fleet.placement import Workers
from common.fleet.plan import Left, Plan, left, no_worker
from common.model.instruments import Catalog
from common.model.streams import Market, Shard, Stream
from workers.outlets import Outlet
from workers.owned import OwnedShard

ANY = "*"
# Nobody owns such a stream, so that no owner's epoch is below.
NO_EPOCH = 0

Owned = Mapping[Shard, OwnedShard]
Known = Callable[[str, Market], Catalog | None]


class News:
    """Told of every plan, and of the workers there are.

    Args:
        me: this worker's id.
        outlet: where it is said.
        patience_s: how long a place may be unserved while workers come and go (machine seconds).
    """

    def __init__(self, me: str, outlet: Outlet, patience_s: float) -> None:
        self._me = me
        self._outlet = outlet
        self._patience_s = patience_s
        self._plan = Plan()
        self._left: dict[Stream, tuple[Left, int]] = {}
        self._unserved_s: dict[Stream, float] = {}
        self._said: set[Stream] = set()
        self._speaks = False

    def tell(self, plan: Plan, workers: Workers, owned: Owned, known: Known) -> None:
        """Say what has changed. ``owned`` are the shards carried by the plan before."""
        if plan is not self._plan:
            self._note_left(plan, owned, known)
            self._plan = plan
        self._tell_left()
        self._tell_unserved(_unserved(plan, workers), speaks=self._me == min(workers, default=None))

    # --- halted and delisted ------------------------------------------------------------------

    def _note_left(self, plan: Plan, owned: Owned, known: Known) -> None:
        carried = {
            stream: own.lease.epoch
            for shard, own in owned.items()
            for stream in self._plan.shards.get(shard, ())
        }
        carried |= {stream: epoch for stream, (_, epoch) in self._left.items()}
        places = {(stream.exchange, stream.market) for stream in carried}
        gone = left(carried, plan, {place: known(*place) for place in places})
        self._left = {stream: (how, carried[stream]) for stream, how in gone.items()}

    def _tell_left(self) -> None:
        for stream, (how, epoch) in list(self._left.items()):
            if self._outlet.status(stream, how.state, epoch=epoch, reason=how.reason):
                del self._left[stream]

    # --- unserved -----------------------------------------------------------------------------

    def _tell_unserved(self, unserved: Mapping[Stream, str], *, speaks: bool) -> None:
        now_s = machine_s()
        self._unserved_s = {place: self._unserved_s.get(place, now_s) for place in unserved}
        due = {p for p, since_s in self._unserved_s.items() if now_s - since_s >= self._patience_s}
        if not speaks:  # another does; should it end, all that is due is ours to say
            self._said = due
        else:
            over, new = self._said - unserved.keys(), due - self._said if self._speaks else due
            self._said -= {place for place in over if self._say(place, "served", "")}
            self._said |= {p for p in sorted(new) if self._say(p, "unserved", unserved[p])}
        self._speaks = speaks

    def _say(self, place: Stream, state: str, reason: str) -> bool:
        return self._outlet.status(place, state, epoch=NO_EPOCH, reason=reason)


def _unserved(plan: Plan, workers: Workers) -> Mapping[Stream, str]:
    """The places that are wanted and that no live worker may serve, with the reason."""
    reasons = {problem.subject: problem.detail for problem in no_worker(plan, workers)}
    return {
        Stream(shard.exchange, shard.market, shard.channel, ANY): reasons[shard.channel]
        for shard in plan.shards
        if shard.channel in reasons
    }
