"""What can go wrong on demand. Data first: each fault is a typed record that control reads.

A fault names *where* it happens (all parts that are given must fit; ``path`` may hold ``*``). The
ones that hit a connection (cut, close, freeze, delay, duplicate, reorder, garble, shutdown) hit
those open now, and with ``"new": true`` also every later one until ``heal``. The others are rules.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Annotated, Literal

from msgspec import Meta, Struct

Spoiling = Literal[
    "not_json", "truncated", "unknown_type", "missing_field", "wrong_type", "huge", "binary"
]
Positive = Annotated[int, Meta(ge=1, le=1_000_000)]
Seconds = Annotated[float, Meta(ge=0, le=86_400)]

HUGE_BYTES = 20_000_000
MAX_RULES = 1_000


class Where(Struct, frozen=True, forbid_unknown_fields=True):
    """Which connections or requests are meant; what is not given fits all."""

    connection: str | None = None
    exchange: str | None = None
    host: str | None = None
    market: str | None = None
    path: str | None = None

    def fits(
        self, connection: str, exchange: str, host: str, market: str | None, path: str
    ) -> bool:
        """Whether this one is meant. A socket of no single market fits where none is named."""
        return (
            self.connection in (None, connection)
            and self.exchange in (None, exchange)
            and self.host in (None, host)
            and self.market in (None, market)
            and (self.path is None or fnmatchcase(path, self.path))
        )


class _Fault(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", kw_only=True):
    where: Where = Where()


class _ConnectionFault(_Fault, frozen=True, kw_only=True):
    new: bool = False


class Cut(_ConnectionFault, frozen=True, tag="cut"):
    """The TCP connection is gone, without a word."""


class Close(_ConnectionFault, frozen=True, tag="close", kw_only=True):
    """A WebSocket close frame with this code."""

    code: Annotated[int, Meta(ge=1000, le=4999)] = 1001
    reason: str = ""


class Freeze(_ConnectionFault, frozen=True, tag="freeze"):
    """It accepts everything and sends nothing: no data, no answer, no pong, no close."""


class Delay(_ConnectionFault, frozen=True, tag="delay", kw_only=True):
    """Every frame leaves this much later."""

    ms: Annotated[int, Meta(ge=0, le=600_000)]


class Duplicate(_ConnectionFault, frozen=True, tag="duplicate", kw_only=True):
    """The next data frames are sent twice."""

    frames: Positive = 1


class Reorder(_ConnectionFault, frozen=True, tag="reorder", kw_only=True):
    """The next data frames are swapped in pairs."""

    frames: Positive = 2


class Garble(_ConnectionFault, frozen=True, tag="garble", kw_only=True):
    """The next data frames are spoiled; with ``insert`` the good one follows the bad one."""

    spoil: Spoiling = "not_json"
    frames: Positive = 1
    insert: bool = False


class Shutdown(_ConnectionFault, frozen=True, tag="shutdown", kw_only=True):
    """The exchange announces that it will go, and closes after so many seconds."""

    after_s: Seconds = 5.0


class Refuse(_Fault, frozen=True, tag="refuse", kw_only=True):
    """Handshakes or requests are answered with this status, so many times or for so long."""

    status: Literal[400, 403, 404, 418, 429, 500, 502, 503] = 403
    on: Literal["socket", "rest", "both"] = "socket"
    times: Positive | None = None
    for_s: Seconds | None = None
    retry_after_s: Annotated[int, Meta(ge=0)] | None = None


class Ban(_Fault, frozen=True, tag="ban", kw_only=True):
    """This address is banned for its weight: 418 with Retry-After, sockets and requests alike."""

    for_s: Seconds = 120.0


class Reject(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="reject"):
    """A subscribe that names this symbol gets an error."""

    exchange: str
    market: str
    symbol: str


class Silence(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="silence"):
    """This symbol is never pushed again, though subscribes to it are accepted."""

    exchange: str
    market: str
    symbol: str


ConnectionFault = Cut | Close | Freeze | Delay | Duplicate | Reorder | Garble | Shutdown
Fault = ConnectionFault | Refuse | Ban | Reject | Silence


@dataclass(slots=True)
class FrameFaults:
    """What is to happen to the next frames of one connection."""

    frozen: bool = False
    delay_s: float = 0.0
    duplicate: int = 0
    reorder: int = 0
    garble: deque[Garble] = field(default_factory=lambda: deque(maxlen=10_000))
    held: str | None = None

    def add(self, fault: ConnectionFault) -> None:
        """Take on a fault that works frame by frame (the others end the connection)."""
        match fault:
            case Freeze():
                self.frozen = True
            case Delay():
                self.delay_s = fault.ms / 1000
            case Duplicate():
                self.duplicate += fault.frames
            case Reorder():
                self.reorder += fault.frames
            case Garble():
                self.garble.extend([fault] * min(fault.frames, self.garble.maxlen or 0))
            case _:
                raise TypeError(f"{type(fault).__name__} does not work frame by frame")

    def swap(self, text: str) -> list[str]:
        """The frames that leave now: a held one follows the one that overtook it."""
        if self.held is not None:
            held, self.held = self.held, None
            self.reorder -= min(self.reorder, 2)
            return [text, held]
        if self.reorder > 0:
            self.held = text
            return []
        return [text]

    def copies(self) -> int:
        """How often the frame is sent."""
        if self.duplicate == 0:
            return 1
        self.duplicate -= 1
        return 2


@dataclass(slots=True)
class _Refusal:
    fault: Refuse
    until_s: float | None
    left: int | None


class Faults:
    """The rules in force, beside what single connections carry themselves."""

    def __init__(self) -> None:
        self.for_new: list[ConnectionFault] = []
        self.rejected: set[tuple[str, str, str]] = set()
        self.silenced: set[tuple[str, str, str]] = set()
        self._refusals: list[_Refusal] = []

    def add(self, fault: Refuse | Ban | Reject | Silence, now_s: float) -> None:
        """Put a rule in force.

        Raises:
            ValueError: there are too many already.
        """
        if len(self._refusals) + len(self.rejected) + len(self.silenced) >= MAX_RULES:
            raise ValueError(f"no more than {MAX_RULES} rules at once: heal first")
        match fault:
            case Reject():
                self.rejected.add((fault.exchange, fault.market, fault.symbol))
            case Silence():
                self.silenced.add((fault.exchange, fault.market, fault.symbol))
            case Ban():
                refuse = Refuse(
                    where=fault.where, status=418, on="both", for_s=fault.for_s,
                    retry_after_s=int(fault.for_s) + 1,
                )  # fmt: skip
                self._refusals.append(_Refusal(refuse, now_s + fault.for_s, None))
            case Refuse():
                until_s = None if fault.for_s is None else now_s + fault.for_s
                self._refusals.append(_Refusal(fault, until_s, fault.times))

    def add_for_new(self, fault: ConnectionFault) -> None:
        """Let a fault hit every connection that opens from now on.

        Raises:
            ValueError: there are too many already.
        """
        if len(self.for_new) >= MAX_RULES:
            raise ValueError(f"no more than {MAX_RULES} rules at once: heal first")
        self.for_new.append(fault)

    def refusal(
        self, on: Literal["socket", "rest"], now_s: float, *, exchange: str, host: str,
        market: str | None, path: str,
    ) -> Refuse | None:  # fmt: skip
        """The rule that refuses this handshake or request, if one does; it counts as used."""
        self._refusals = [
            rule
            for rule in self._refusals
            if (rule.until_s is None or now_s < rule.until_s) and rule.left != 0
        ]
        for rule in self._refusals:
            fault = rule.fault
            if fault.on in (on, "both") and fault.where.fits("", exchange, host, market, path):
                if rule.left is not None:
                    rule.left -= 1
                return fault
        return None

    def lift(self, fault: Reject | Silence) -> None:
        """This rule is in force no more; no matter if it never was."""
        rules = self.rejected if isinstance(fault, Reject) else self.silenced
        rules.discard((fault.exchange, fault.market, fault.symbol))

    def heal(self) -> None:
        """No rule is in force any more."""
        self.for_new.clear()
        self.rejected.clear()
        self.silenced.clear()
        self._refusals.clear()


def spoil_bytes(kind: Spoiling, text: str) -> str | bytes | None:
    """A frame spoiled in a way that needs no knowledge of its protocol; None for the other ways."""
    match kind:
        case "not_json":
            return "<html><body>502 Bad Gateway</body></html>"
        case "truncated":
            return text[: len(text) // 2]
        case "binary":
            return bytes(range(256)) * 4
        case "huge":
            return '{"padding":"' + "x" * HUGE_BYTES + '"}'
        case _:
            return None
