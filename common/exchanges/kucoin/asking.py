"""What both kinds of KuCoin's accounts have in common where REST is asked. Pure."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterable, Iterator, Sequence

from common.exchanges.private import InquiryFailed, Known
from common.exchanges.protocol import RestRequest
from common.exchanges.told import FillTold, OrderTold, Told

Asking = Generator[RestRequest, bytes, Sequence[Told]]

DAY_MS = 86_400_000
# The longest stretch of one request.
SPAN_MS = 7 * DAY_MS
# How it is said that there is no such order: futures has a code for it, spot one for everything. It
# has to be said of the order: a path that moved, or a gateway's page, is "not found" too.
_NO_SUCH_ORDER = re.compile(r"order[ ._]?(does )?not[ _]?(exist|found)", re.IGNORECASE)

# How it is said that a symbol is not listed (any more).
_NO_SUCH_SYMBOL = re.compile(
    r"unsupported trading pair|symbol (does )?not exist|\b900001\b", re.IGNORECASE
)


def is_forgotten(failed: InquiryFailed) -> bool:
    """Whether the exchange says that there is no such order."""
    return _NO_SUCH_ORDER.search(failed.failure.detail) is not None


def is_delisted(failed: InquiryFailed) -> bool:
    """Whether what failed named a symbol that is not listed (any more)."""
    return _NO_SUCH_SYMBOL.search(failed.failure.detail) is not None


def stretches(known: Known) -> Iterator[dict[str, str]]:
    """From then to now in pieces that one request may span."""
    for start in range(known.since_ms, known.until_ms, SPAN_MS):
        end = min(start + SPAN_MS, known.until_ms)
        yield {"startAt": str(start), "endAt": str(end)}


def once(fills: Iterable[FillTold]) -> list[FillTold]:
    """Each trade of an order once, as it was told first."""
    first: dict[tuple[str, str], FillTold] = {}
    for fill in fills:
        first.setdefault((fill.order_id, fill.trade_id), fill)
    return list(first.values())


def when(told: OrderTold | FillTold) -> tuple[int, int, bool]:
    """Fills before the state that they led to."""
    return told.time_ms, told.seq, isinstance(told, OrderTold)
