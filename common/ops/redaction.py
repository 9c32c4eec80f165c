"""Keeps secrets out of text that leaves the process.

Three nets, each enough for a common accident: values that were registered (in the spellings a URL
or JSON would give them), user and password of any URL, and the values of fields whose names say
that they are secret, in JSON, in Python's repr, in a query or in a header. The arguments of a login
frame are dropped whole, since some exchanges pass key and signature by position.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, quote_plus

MASK = "***"

# Shorter ones are no secrets, and hiding them would garble every line.
_SHORTEST_SECRET = 4
# RabbitMQ's well-known default, which is also a user name.
_KNOWN_TO_ALL = frozenset({"guest"})
# Text beyond this is cut before it is searched: frames can be megabytes.
_SEARCHED_CHARACTERS = 64 * 1024
_DEEPEST = 6
_WIDEST = 100

_NAME = (
    r"signature|(?<![a-z])sign(?![a-z])|secret|pass_?phrase|password|passwd|(?<![a-z])pwd(?![a-z])"
    r"|token|authorization|cookie|credential|(?:api|access|listen|private)[-_]?key"
)
_SECRET_NAME = re.compile(_NAME, re.IGNORECASE)
_FIELD = re.compile(
    rf"""((?:{_NAME})[\w-]{{0,24}}(?:\\?["'])?\s{{0,3}}[:=]\s{{0,3}})"""  # the name
    r"""(?:\\"(?:[^"\\]|\\[^"])*(?:\\")?"""  # a value in quotes that are escaped themselves
    r"""|b?"(?:[^"\\]|\\.)*"?|b?'(?:[^'\\]|\\.)*'?"""  # in quotes; the end may be cut off
    r"""|(?:bearer|basic|digest)\s+[^\s,;"']+|[^\s,;&}\])"']+)""",  # a bare one
    re.IGNORECASE,
)
# No '/', '?' or '#' before the '@': stream names such as btcusdt@kline_1m are not passwords.
_USERINFO = re.compile(r"([a-z][a-z0-9+.-]{0,20}://)[^\s/?#\"'<>]{1,512}@", re.IGNORECASE)
_LOGIN = re.compile(
    r"""["'](?:op|method|event|type)\\?["']\s*:\s*\\?["'][\w.]*(?:auth|login|logon)""",
    re.IGNORECASE,
)
_ARGUMENTS = re.compile(r"""(["'](?:args|params|data)\\?["']\s*:\s*)[\[{].*""", re.DOTALL)


class Redactor:
    """Text in, text without secrets out."""

    def __init__(self) -> None:
        self._values: dict[str, None] = {}
        self._pattern: re.Pattern[str] | None = None

    def hide(self, *secrets: str) -> None:
        """Register values that may never appear."""
        for secret in secrets:
            if len(secret) >= _SHORTEST_SECRET and secret not in _KNOWN_TO_ALL:
                quoted = (quote(secret, safe=""), quote(secret), quote_plus(secret))
                as_json = (json.dumps(secret)[1:-1], repr(secret)[1:-1])
                self._values |= dict.fromkeys((secret, *quoted, *as_json))
        # The longest first: one secret may be the beginning of another.
        longest_first = sorted(self._values, key=len, reverse=True)
        self._pattern = (
            re.compile("|".join(map(re.escape, longest_first))) if self._values else None
        )

    def text(self, text: str) -> str:
        """The text, masked where it must be, cut where it is endless."""
        text = text[:_SEARCHED_CHARACTERS]
        if self._pattern is not None:
            text = self._pattern.sub(MASK, text)
        text = _USERINFO.sub(rf"\1{MASK}@", text)
        if _LOGIN.search(text):
            text = _ARGUMENTS.sub(rf"\1{MASK}", text)
        return _FIELD.sub(rf"\1{MASK}", text)

    def value(self, value: Any, depth: int = 0) -> Any:
        """A field's value as JSON can hold it, masked, and bounded in depth and width."""
        if value is None or isinstance(value, bool | int | float):
            return value
        if isinstance(value, str):
            return self.text(value)
        if depth < _DEEPEST and isinstance(value, Mapping):
            items = list(value.items())[:_WIDEST]
            return {self.text(str(k)): self.field(str(k), v, depth + 1) for k, v in items}
        if depth < _DEEPEST and isinstance(value, list | tuple | set | frozenset):
            return [self.value(item, depth + 1) for item in list(value)[:_WIDEST]]
        if isinstance(value, bytes | bytearray | memoryview):
            return self.text(bytes(value[:_SEARCHED_CHARACTERS]).decode(errors="backslashreplace"))
        return self.text(_printed(value))

    def field(self, name: str, value: Any, depth: int = 0) -> Any:
        """A named field's value: masked whole if its name says so and it holds text."""
        secret = _SECRET_NAME.search(name) and not isinstance(value, bool | int | float | None)
        return MASK if secret else self.value(value, depth)


def _printed(value: object) -> str:
    """A log line must not be lost to a thing that cannot be printed."""
    try:
        return str(value)
    except Exception as error:  # noqa: BLE001 - whatever its __str__ does
        return f"<{type(value).__name__} that cannot be printed: {type(error).__name__}>"
