"""Facts on their way out: spelled by the exchange, spoiled as the faults want, pushed to who listens."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from simulator.accounts.account import Account
from simulator.accounts.faults import (
    DelayEvents,
    EventFault,
    MissEvents,
    ReorderEvents,
    RepeatEvents,
)
from simulator.accounts.model import Fact
from simulator.feeds import Push

Spell = Callable[[Account, Fact], Iterable[Push]]


@dataclass(slots=True)
class _Way:
    """What is to happen to the next events of one account."""

    told: int = 0
    missed: int = 0
    repeated: int = 0
    reordered: int = 0
    delay_s: float = 0.0
    held: Push | None = None
    late: deque[tuple[float, Push]] = field(default_factory=deque)

    def take(self, fault: EventFault) -> None:
        match fault:
            case MissEvents():
                self.missed += fault.events
            case RepeatEvents():
                self.repeated += fault.events
            case ReorderEvents():
                self.reordered += fault.events
            case DelayEvents():
                self.delay_s = fault.ms / 1000

    def spoiled(self, push: Push) -> list[Push]:
        """What is sent for one event: nothing, it, it twice, or it before the one held back."""
        if self.missed:
            self.missed -= 1
            return []
        if self.held is not None:
            held, self.held = self.held, None
            return [push, held]
        if self.reordered > 0:
            self.reordered -= min(self.reordered, 2)
            self.held = push
            return []
        if self.repeated:
            self.repeated -= 1
            return [push, push]
        return [push]


class Delivery:
    """Hands out what the logs of accounts have to tell."""

    def __init__(self, publish: Callable[[str, str], None], spell: Spell) -> None:
        self._publish, self._spell = publish, spell
        self._ways: defaultdict[str, _Way] = defaultdict(_Way)

    def spoil(self, account: Account, fault: EventFault) -> None:
        """Let a fault hit what comes next."""
        self._ways[account.name].take(fault)

    def heal(self) -> None:
        """Everything is sent as it happens again, what was held back at once."""
        for name, way in tuple(self._ways.items()):
            for push in (*(push for _, push in way.late), *((way.held,) if way.held else ())):
                self._publish(*push)
            self._ways[name] = _Way(told=way.told)

    def tell(self, account: Account, now_s: float) -> None:
        """Send what has happened since it was told last."""
        way = self._ways[account.name]
        for fact in account.log[way.told :]:
            way.told += 1
            for push in self._spell(account, fact):
                for sent in way.spoiled(push):
                    self._send(way, sent, now_s)
        self._flush(way, now_s)

    def skip(self, account: Account) -> None:
        """What has happened so far is not told."""
        self._ways[account.name].told = len(account.log)

    def _send(self, way: _Way, push: Push, now_s: float) -> None:
        if way.delay_s or way.late:
            way.late.append((now_s + way.delay_s, push))
        else:
            self._publish(*push)

    def _flush(self, way: _Way, now_s: float) -> None:
        while way.late and way.late[0][0] <= now_s:
            self._publish(*way.late.popleft()[1])
