"""What a trader does in one moment: a pure function of the seed and the moment's number.

A plan is decided whole when it begins: which account and listing, which order, and everything that
will happen to that order until it is over. So the same seed gives the same orders, however often
and late it is looked at.
"""

from __future__ import annotations

import random
from hashlib import blake2b
from typing import Literal, NamedTuple

Happening = Literal["fill", "cancel", "reject", "expire"]
Doing = Literal["order", "deposit", "withdrawal", "liquidation"]

# (how many in a hundred plans, what happens to the order); "part" is a fill that leaves some.
_FATES: tuple[tuple[int, tuple[str, ...]], ...] = (
    (38, ("fill",)),
    (16, ("part", "fill")),
    (10, ("part", "part", "part", "fill")),
    (10, ("part", "cancel")),
    (10, ("cancel",)),
    (6, ("reject",)),
    (6, ("expire",)),
    (4, ("part", "expire")),
)
# How long it may take until the next thing happens: mostly soon, sometimes long.
_WAITS_MS = (50, 400, 2_000, 15_000, 90_000)


class Step(NamedTuple):
    """What happens to the order at a time. ``hundredths``: of its quantity; 0: all that is left."""

    at_ms: int
    what: Happening
    hundredths: int


class Plan(NamedTuple):
    """One moment's doing. ``account``, ``listing`` and ``size`` are taken modulo what there is.

    ``off`` is how many ticks the limit is better (above zero: dearer for a buyer) than the last price;
    None: a market order.
    """

    at_ms: int
    doing: Doing
    account: int
    listing: int
    buys: bool
    size: int
    off: int | None
    maker: bool
    steps: tuple[Step, ...]


def plan(seed: int, slot: int, at_ms: int) -> Plan:
    """The plan of one moment."""
    digest = blake2b(f"{seed}:trader:{slot}".encode(), digest_size=16).digest()
    draw = random.Random(int.from_bytes(digest, "big"))
    doing: Doing = draw.choices(
        ("order", "deposit", "withdrawal", "liquidation"), (95, 2, 2, 1)
    )[0]  # fmt: skip
    fate = draw.choices([path for _, path in _FATES], [share for share, _ in _FATES])[0]
    steps, now_ms = [], at_ms
    for word in fate:
        now_ms += 1 + draw.randrange(draw.choice(_WAITS_MS))
        part = draw.randrange(5, 45) if word == "part" else 0
        steps.append(Step(now_ms, _happening(word), part))
    at_market = draw.randrange(100) < 25 and "cancel" not in fate
    return Plan(
        at_ms, doing, draw.getrandbits(32), draw.getrandbits(32), draw.random() < 0.5,
        draw.getrandbits(32), None if at_market else draw.randrange(40),
        not at_market and draw.random() < 0.6, tuple(steps),
    )  # fmt: skip


def _happening(word: str) -> Happening:
    match word:
        case "cancel" | "reject" | "expire":
            return word
        case _:
            return "fill"
