"""What a REST answer other than success means, as far as all exchanges agree. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import msgspec

from common.exchanges.protocol import Reason, RestFailure
from common.exchanges.wire import BROKEN, integer

_T = TypeVar("_T")

# What a status means where the body says nothing better. 403 is a firewall and 418 a ban: every
# call makes them longer, so both are waited out. A 404 of the exchange has its own words; without
# them it may be a proxy's, for a moment, and what was asked for is not given up for that.
_STATUS: Mapping[int, Reason] = {401: "auth", 403: "rate", 418: "rate", 429: "rate"}
# Statuses that mean a limit whatever the body says.
_LIMITS = (418, 429)
_DETAIL_CHARACTERS = 200


def told(decoder: msgspec.json.Decoder[_T], body: bytes) -> _T | None:
    """What the body of an answer says, if it is what the exchange's own are (a proxy's are not)."""
    try:
        return decoder.decode(body)
    except BROKEN:
        return None


def excerpt(body: bytes) -> str:
    """The beginning of a body that is not what the exchange's own are."""
    return body[:100].decode(errors="replace")


def seconds(text: str | None) -> float | None:
    """How long to wait, where a ``retry-after`` says it in seconds (a date is not read)."""
    wait_s = integer(text)
    return None if wait_s is None or wait_s < 0 else wait_s


def failure(
    status: int,
    headers: Mapping[str, str],
    words: tuple[object, ...],
    reason: Reason | None = None,
) -> RestFailure:
    """A failure as the status and ``reason``, the body's own word, tell it; ``words`` are for people."""
    if status in _LIMITS:
        reason = "rate"
    return RestFailure(
        reason=reason or _STATUS.get(status, "transient"),
        detail=" ".join(f"HTTP {status} {' '.join(map(str, words))}".split())[:_DETAIL_CHARACTERS],
        retry_after_s=seconds(headers.get("retry-after")),
    )
