"""From a setting's text to its value. Pure.

Every reader takes a text that is not empty and raises ``Wrong`` saying what is wrong with it; what is allowed
stands in the table. A reader of a secret, or of a URL that may hold one, never quotes the text.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Sequence
from typing import Literal, get_args
from urllib.parse import SplitResult, urlsplit

from common.clocks import MarketClock, parse_market_clock
from common.exchanges.registry import EXCHANGES
from common.model.secret import Secret
from common.model.streams import Pattern, parse_pattern
from config.secret import SecretUrl

Topology = Literal["full", "exchanges", "passive"]
LogLevel = Literal["TRACE", "DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]
LogFormat = Literal["auto", "json", "text"]

TOPOLOGIES: tuple[Topology, ...] = get_args(Topology)
LOG_LEVELS: tuple[LogLevel, ...] = get_args(LogLevel)
LOG_FORMATS: tuple[LogFormat, ...] = get_args(LogFormat)

NAME_LENGTH = 100
CREDENTIALS_KEY_BYTES = 32
# What a WebSocket is dialled by, where its address is given as a page's.
_SOCKET_SCHEMES = {"http": "ws", "https": "wss"}

Reader = Callable[[str], object]


class Wrong(Exception):  # noqa: N818 - it says what the value is
    """The text of a setting is not a value of it; the message says why, without secrets."""


def one_of(words: Sequence[str]) -> Reader:
    """A reader of one of these words, in any case."""
    known = {word.lower(): word for word in words}

    def read(text: str) -> str:
        if text.lower() not in known:
            raise Wrong(f"{text!r} is none of them")
        return known[text.lower()]

    return read


def switch(text: str) -> bool:
    """On or off."""
    if text not in ("0", "1"):
        raise Wrong(f"{text!r} is neither")
    return text == "1"


def whole(least: int, most: int) -> Reader:
    """A reader of a whole number in that range."""

    def read(text: str) -> int:
        if not re.fullmatch(r"-?[0-9]{1,18}", text):
            raise Wrong(f"{text!r} is not a whole number")
        if not least <= int(text) <= most:
            raise Wrong(f"{text} is out of range")
        return int(text)

    return read


def number(least: float, most: float) -> Reader:
    """A reader of a number (of seconds or milliseconds) in that range."""

    def read(text: str) -> float:
        if not re.fullmatch(r"-?[0-9]{1,18}(\.[0-9]+)?", text):
            raise Wrong(f"{text!r} is not a number")
        if not least <= float(text) <= most:
            raise Wrong(f"{text} is out of range")
        return float(text)

    return read


def name(text: str) -> str:
    """Something that goes into Redis keys and logs: visible ASCII, not too long."""
    if not re.fullmatch(r"[!-~]+", text):
        raise Wrong(f"{text!r} holds spaces or other characters that are not visible ASCII")
    if len(text) > NAME_LENGTH:
        raise Wrong(f"it is {len(text)} characters long")
    return text


def streams(text: str) -> tuple[Pattern, ...]:
    """Comma-separated patterns; every wrong one is named."""
    patterns, wrong = [], []
    for line in _listed(text):
        try:
            pattern = parse_pattern(line)
        except ValueError as problem:
            wrong.append(str(problem))
            continue
        if pattern.exchange != "*" and pattern.exchange not in EXCHANGES:
            wrong.append(f"{line!r}: exchange {pattern.exchange!r} is not known")
        patterns.append(pattern)
    if wrong or not patterns:
        raise Wrong("; ".join(wrong) or "no pattern in it")
    return tuple(dict.fromkeys(patterns))


def exchanges(text: str) -> tuple[str, ...]:
    """Comma-separated exchanges; every unknown one is named."""
    names = _listed(text.lower())
    unknown = [word for word in names if word not in EXCHANGES]
    if unknown or not names:
        raise Wrong(f"not known: {', '.join(unknown) or repr(text)}")
    return tuple(dict.fromkeys(names))


def market_clock(text: str) -> MarketClock:
    """The clock candles are aligned to."""
    try:
        return parse_market_clock(text)
    except ValueError as problem:
        raise Wrong(str(problem)) from None


def secret(text: str) -> Secret:
    """A key or password."""
    if any(ord(character) < ord(" ") for character in text):
        raise Wrong("it holds a line break or another control character")
    return Secret(text)


def credentials_keys(text: str) -> tuple[Secret, ...]:
    """Keys that credentials are sealed with: one, or two to rotate; 32 bytes each, in base64."""
    words = [word.strip() for word in re.split(r"[,\n]", text) if word.strip()]
    if len(words) not in (1, 2):
        raise Wrong(f"it holds {len(words)} keys")
    for place, word in zip(("key", "second key"), words, strict=False):
        try:
            raw = base64.b64decode(word, validate=True)
        except ValueError:
            raise Wrong(f"its {place} is not base64") from None
        if len(raw) != CREDENTIALS_KEY_BYTES:
            raise Wrong(f"its {place} has {len(raw)} bytes")
    if len(set(words)) < len(words):
        raise Wrong("both keys are the same")
    return tuple(map(Secret, words))


def service_url(text: str) -> str:
    """The address of a service, without credentials: it is printed."""
    parts = _split(text, ("http", "https", "ws", "wss"))
    if parts.username is not None:
        raise Wrong("it holds a user or password")
    return text.rstrip("/")


def paper_url(text: str) -> str:
    """The address of the paper service, for a WebSocket; ``ws://`` where no scheme is given."""
    scheme, mark, rest = text.partition("://")
    if not mark:
        scheme, rest = "ws", text
    parts = _split(f"{_SOCKET_SCHEMES.get(scheme, scheme)}://{rest}", ("ws", "wss"))
    if parts.username is not None:
        raise Wrong("it holds a user or password")
    if parts.path.strip("/") or parts.query:
        raise Wrong("it holds a path: the service has one of its own")
    return f"{parts.scheme}://{parts.netloc}"


def http_url(text: str) -> str:
    """The address of a service that is told by HTTP, without credentials."""
    _split(text, ("http", "https"))
    return service_url(text)


def redis_url(text: str) -> SecretUrl:
    """``redis://[user[:password]@]host[:port][/database]``, ``rediss`` for TLS."""
    parts = _split(text, ("redis", "rediss"))
    if not re.fullmatch(r"(/[0-9]{0,4})?", parts.path):
        raise Wrong("what follows the host is not /DATABASE, a number (is the password escaped?)")
    return SecretUrl(text)


def rabbit_url(text: str) -> SecretUrl:
    """``amqp://[user[:password]@]host[:port][/vhost]``, ``amqps`` for TLS."""
    _split(text, ("amqp", "amqps"))
    return SecretUrl(text)


def host(text: str) -> tuple[str, int | None]:
    """``localhost``, ``localhost:6379``, ``[::1]`` or, as older samples write, ``http://localhost``.

    A scheme that promises TLS is refused rather than quietly not kept.
    """
    bare = text if "://" in text else f"//{f'[{text}]' if text.count(':') > 1 else text}"
    if text.startswith("["):
        bare = f"//{text}"
    try:
        parts = urlsplit(bare)
        port = parts.port
    except ValueError:
        raise Wrong("it is not a host with an optional port") from None
    if parts.scheme not in ("", "http", "tcp", "redis", "amqp"):
        raise Wrong(f"{parts.scheme}:// is not for a host (for TLS, set the URL instead)")
    if not parts.hostname or parts.username is not None or parts.path.strip("/") or parts.query:
        raise Wrong("it is not a host with an optional port")
    if not re.fullmatch(r"[0-9A-Za-z._:%-]+", parts.hostname) or port == 0:
        raise Wrong(f"{text!r} is not a host with an optional port")
    return parts.hostname, port


def _split(text: str, schemes: Sequence[str]) -> SplitResult:
    """The URL's parts, if it has one of the schemes, a host and a sane port. Quotes nothing."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise Wrong("host and port cannot be read (is the password escaped?)") from None
    if parts.scheme not in schemes:
        raise Wrong(f"it does not start with {' or '.join(f'{scheme}://' for scheme in schemes)}")
    if not parts.hostname or port == 0 or re.search(r"\s", text):
        raise Wrong("it names no host, or holds a space")
    if "#" in text or "@" in parts.path:
        raise Wrong("a character in it must be escaped ('#' as %23, '@' as %40, '/' as %2F)")
    return parts


def _listed(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]
