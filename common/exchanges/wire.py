"""What comes over the wire of any exchange: how it is read, and what is said of what cannot be. Pure.

The rules all exchanges keep are here, once: a body that is broken in whatever way is a
``msgspec.DecodeError``; one strange row costs no other; numbers are texts of digits.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta, Raw

from common.exchanges.protocol import Reason, Request, Unreadable
from common.model.instruments import Instrument

_T = TypeVar("_T")
_Said = TypeVar("_Said")

# --- texts and times ------------------------------------------------------------------------

# Digits and a point, few enough that sums and products of them are exact (see
# ``model.decimals``): no exchange writes signs or exponents in a price or a volume.
Number = Annotated[str, Meta(pattern=r"\A[0-9]{1,30}(\.[0-9]{1,30})?\Z")]
# The same, or empty: what there is not (yet), or does not apply.
MaybeNumber = Annotated[str, Meta(pattern=r"\A([0-9]{1,30}(\.[0-9]{1,30})?)?\Z")]
# The same, below zero too: gains, deltas, fees that may be earned.
Signed = Annotated[str, Meta(pattern=r"\A-?[0-9]{1,30}(\.[0-9]{1,30})?\Z")]
MaybeSigned = Annotated[str, Meta(pattern=r"\A(-?[0-9]{1,30}(\.[0-9]{1,30})?)?\Z")]
# Times UTC that a calendar knows, up to the year 5138, as numbers and as text.
Millis = Annotated[int, Meta(ge=0, lt=10**14)]
MillisText = Annotated[str, Meta(pattern=r"\A[0-9]{1,13}\Z")]
MaybeMillisText = Annotated[str, Meta(pattern=r"\A[0-9]{0,13}\Z")]
Seconds = Annotated[int, Meta(ge=0, lt=10**11)]
SecondsText = Annotated[str, Meta(pattern=r"\A[0-9]{1,11}\Z")]

_INTEGER = re.compile(r"-?[0-9]{1,18}")


def integer(text: str | int | None) -> int | None:
    """What comes as a number or as text (ids, codes, waits); None for anything else."""
    if isinstance(text, str):
        return int(text) if _INTEGER.fullmatch(text) else None
    return text


# --- decoding -------------------------------------------------------------------------------

# Bytes that are not what a decoder reads: not JSON, not UTF-8, nested without end, another shape.
BROKEN = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
# The same, and numbers that no exchange writes.
STRANGE = (*BROKEN, ArithmeticError)

_raws = msgspec.json.Decoder(list[Raw])


def decoded(decoder: msgspec.json.Decoder[_T], body: bytes | Raw) -> _T:
    """A body, or a part of one.

    Raises:
        msgspec.DecodeError: it cannot be read, for whatever reason.
    """
    try:
        return decoder.decode(body)
    except (UnicodeDecodeError, RecursionError) as error:
        raise msgspec.DecodeError(str(error)) from None


def unreadable(error: Exception) -> Unreadable:
    """What a frame is counted as that could not be read for one of ``STRANGE``."""
    if isinstance(error, (msgspec.ValidationError, ArithmeticError)):
        return wrong_shape(error)
    return Unreadable("not_json", str(error))


def wrong_shape(error: Exception) -> Unreadable:
    """What a part of a frame is counted as that is JSON, but could not be read."""
    if isinstance(error, ArithmeticError):
        return Unreadable("wrong_shape", f"a number: {type(error).__name__}")
    return Unreadable("wrong_shape", str(error))


def _wrong_row(row: Raw, error: Exception) -> Unreadable:
    return wrong_shape(error)


def read_rows(
    data: bytes | Raw,
    many: msgspec.json.Decoder[list[_T]],
    one: msgspec.json.Decoder[_T],
    read: Callable[[_T], _Said],
    strange: Callable[[Raw, Exception], Unreadable] = _wrong_row,
) -> list[_Said | Unreadable]:
    """Every row of a list, read: together if all are as they should be, else one by one.

    ``read`` may refuse a row by one of ``STRANGE``; ``strange`` says what such a row is.
    """
    try:
        return [read(row) for row in many.decode(data)]
    except STRANGE as error:
        why = error
    try:
        raws = _raws.decode(data)
    except BROKEN:
        return [wrong_shape(why)]
    said: list[_Said | Unreadable] = []
    for raw in raws:
        try:
            said.append(read(one.decode(raw)))
        except STRANGE as error:
            said.append(strange(raw, error))
    return said


def read_listings(
    rows: Sequence[Raw], read: Callable[[Raw], Instrument | None]
) -> list[Instrument]:
    """The instruments of all rows that can be understood, but for those ``read`` finds not ours.

    One strange listing must not cost the others; whoever wants it is told that it is unknown. A
    list of nothing but strange ones is another protocol.

    Raises:
        msgspec.ValidationError: there are rows, and none is understood.
    """
    found: list[Instrument] = []
    understood = 0
    why: Exception | None = None
    for row in rows:
        try:
            instrument = read(row)
        except STRANGE as error:
            why = error
            continue
        understood += 1
        if instrument is not None:
            found.append(instrument)
    if why is not None and not understood:
        raise msgspec.ValidationError(f"no listing is understood: {why}") from why
    return found


# --- the rest -------------------------------------------------------------------------------


def request(request_id: int, message: object) -> Request:
    """A message to send, as JSON."""
    return Request(request_id, msgspec.json.encode(message).decode())


def reason_in(text: str, table: Iterable[tuple[str, Reason]]) -> Reason:
    """What an error means that is told in words: by the first fragment that is in it.

    Fragments are in lower case; what holds none of them counts as transient.
    """
    lower = text.lower()
    return next((reason for fragment, reason in table if fragment in lower), "transient")
