"""Addresses that may hold a password: they print with everything but that."""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit, urlunsplit

from common.model.secret import MASK, Secret

# Redis and RabbitMQ clients read passwords from a URL's query as well.
_QUERY_PASSWORD = re.compile(r"(?i)((?:^|&)[^=&]*(?:password|secret|token|key)[^=&]*=)[^&]*")


class SecretUrl(Secret):
    """A URL that may hold a password: it prints with everything but the password."""

    __slots__ = ()

    def __str__(self) -> str:
        parts = urlsplit(self._value)
        userinfo, at, host = parts.netloc.rpartition("@")
        user, colon, _ = userinfo.partition(":")
        netloc = f"{user}:{MASK}@{host}" if colon else f"{userinfo}{at}{host}"
        query = _QUERY_PASSWORD.sub(rf"\g<1>{MASK}", parts.query)
        return urlunsplit((parts.scheme, netloc, parts.path, query, ""))

    @property
    def password(self) -> str | None:
        """The password inside, as the engine will see it."""
        password = urlsplit(self._value).password
        return None if password is None else unquote(password)
