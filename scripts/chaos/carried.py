"""What became of a fault: when it really began and ended, and whom it hit."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

from msgspec import Struct

from scripts.chaos.schedule import Fault


class Carried(Struct, frozen=True, rename="camel", kw_only=True):
    """A fault that was carried out, ``from_ms`` to ``to_ms`` by the wall.

    Attributes:
        hit: what it was done to, for people; empty if there was nothing to do it to.
        pids: the processes it was done to.
        symbol: exchange, market and symbol it was done to, where it is about one.
        killed: whether the processes were ended without being asked.
        account: the exchange's account it was done to, where it is about one.
        shown_ms: when a key that was taken away was shown last.
    """

    fault: Fault
    from_ms: int
    to_ms: int
    hit: str
    pids: tuple[int, ...] = ()
    symbol: tuple[str, str, str] | None = None
    killed: bool = False
    account: str = ""
    shown_ms: int = 0


def ended(carried: Iterable[Carried]) -> list[int]:
    """The processes that were told to end, or made to. Who was only paused has to live on."""
    return [pid for one in carried if one.killed or one.fault.kind == "restart" for pid in one.pids]


class Hit(Struct, frozen=True):
    """What a fault was done to."""

    what: str = ""
    pids: tuple[int, ...] = ()
    symbol: tuple[str, str, str] | None = None
    killed: bool = False
    account: str = ""
    shown_ms: int = 0


NOTHING = Hit()

# Carries a fault out, heals it, and says what it was done to.
Carry = Callable[[Fault], Awaitable[Hit]]
