"""What an exception says, as fields: an error is never logged as ``{}``.

Libraries keep the close code, the HTTP status or the host where ``str`` does not show them. They
are looked for by name, so that no library has to be imported for it.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

_DEEPEST_CAUSE = 4
_WIDEST_GROUP = 5

# Where websockets, aiohttp, httpx, aiormq and the operating system keep what matters.
_WHERE: dict[str, tuple[str, ...]] = {
    "closeCode": ("rcvd.code", "sent.code", "close_code"),
    "closeReason": ("rcvd.reason", "sent.reason", "close_reason"),
    "httpStatus": ("response.status_code", "status_code", "status"),
    "replyCode": ("reply_code", "frame.reply_code"),
    "replyText": ("reply_text", "frame.reply_text"),
    "errno": ("errno",),
}


def describe_error(error: BaseException, depth: int = 0) -> dict[str, Any]:
    """Type, message and every code of an exception, its cause, and a group's members."""
    said = {"type": type(error).__name__, "message": str(error) or repr(error)}
    fields: dict[str, Any] = said | {
        name: value for name, paths in _WHERE.items() if (value := _first(error, paths)) is not None
    }
    host = _host(error)
    if host is not None:
        fields["host"] = host
    if depth >= _DEEPEST_CAUSE:
        return fields
    if isinstance(error, BaseExceptionGroup):
        members = error.exceptions[:_WIDEST_GROUP]
        fields["members"] = [describe_error(member, depth + 1) for member in members]
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is not None and cause is not error:
        fields["cause"] = describe_error(cause, depth + 1)
    return fields


def _first(error: BaseException, paths: tuple[str, ...]) -> str | int | None:
    """The first of these attributes that holds a word or a number."""
    for path in paths:
        value = _follow(error, path)
        if isinstance(value, str | int) and not isinstance(value, bool) and value != "":
            return value
    return None


def _follow(thing: object, path: str) -> object:
    """An attribute of an attribute, or None: those of foreign exceptions may raise when read."""
    for name in path.split("."):
        try:
            thing = getattr(thing, name, None)
        except Exception:  # noqa: BLE001 - describing an error must not raise another
            return None
    return thing


def _host(error: BaseException) -> str | None:
    """The host of the request that failed, without path or query."""
    url = _follow(error, "request_info.real_url") or _follow(error, "request.url")
    try:
        return urlsplit(str(url)).hostname if url is not None else None
    except ValueError:
        return None
