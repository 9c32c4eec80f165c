"""What may be kept of a command that holds secrets. Pure.

Nothing is kept but what is known to be harmless: fields by their names, words by a list, names by their
form. A secret in the wrong field, under a wrong name or as a name itself is therefore not kept either.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from common.exchanges.registry import EXCHANGES, by_seed_name
from common.model.secret import MASK
from common.model.streams import MARKETS

_DEEPEST = 6
_WIDEST = 100
# Shorter ones occur in other words by chance.
_SHORTEST_SECRET = 4

# What a field may hold and still be shown.
_WORDS: Mapping[str, frozenset[str]] = {
    "event": frozenset({"open stream", "close stream", "force restart stream"}),
    "command": frozenset({"account.open", "account.close", "account.restart", "account.list"}),
    "exchange": frozenset(EXCHANGES),
    "market": frozenset(MARKETS),
    "kind": frozenset({"hmac", "ed25519", "es256"}),
    "keysType": frozenset({"legacy", "cloud"}),
    "environment": frozenset({"live", "sandbox"}),
}
# Who asks, and for which account: needed to find whose message it was.
_NAMES = frozenset({"uuid", "accountId", "subscriber"})
_NAME = re.compile(r"[A-Za-z0-9._:-]{1,64}")
# Names of fields that are shown, whatever becomes of what they hold.
_FIELDS = (
    frozenset(_WORDS)
    | _NAMES
    | {"payload", "data", "api", "credentials", "key", "secret", "passphrase", "provider", "paper"}
    | {"subaccount", "region", "okxSource", "bybitHost", "userId", "leaseS"}
    | {"replyTo", "correlationId"}
)

_decoder = msgspec.json.Decoder()
_encode = msgspec.json.Encoder().encode


def redacted(body: bytes) -> bytes:
    """The message as JSON, with ``***`` for all that might be secret.

    What is not readable as JSON becomes its length: ``{"bytes": 123}``.
    """
    try:
        document = _decoder.decode(body)
    except (ValueError, RecursionError):  # msgspec's errors are ValueErrors
        return _encode({"bytes": len(body)})
    secrets = {text for text in _texts(document) if len(text) >= _SHORTEST_SECRET}
    return _encode(_kept(document, "", secrets, 0))


def _texts(value: Any, name: str = "", depth: int = 0) -> Iterator[str]:
    """Every text that is not in a field of names or words: what might be a secret."""
    if depth > _DEEPEST:
        return
    if isinstance(value, dict):
        for inner, of_it in value.items():
            yield from _texts(of_it, inner, depth + 1)
    elif isinstance(value, list):
        for of_it in value:
            yield from _texts(of_it, "", depth + 1)
    elif isinstance(value, str) and name not in _NAMES and name not in _WORDS:
        yield value


def _kept(value: Any, name: str, secrets: set[str], depth: int) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, dict) and depth < _DEEPEST:
        items = list(value.items())[:_WIDEST]
        return {
            inner if inner in _FIELDS else MASK: _kept(of_it, inner, secrets, depth + 1)
            for inner, of_it in items
        }
    if isinstance(value, list) and depth < _DEEPEST:
        return [_kept(of_it, "", secrets, depth + 1) for of_it in value[:_WIDEST]]
    return value if isinstance(value, str) and _is_harmless(name, value, secrets) else MASK


def _is_harmless(name: str, text: str, secrets: set[str]) -> bool:
    if name in _NAMES:
        is_name = _NAME.fullmatch(text) is not None
        return is_name and not any(secret in text or text in secret for secret in secrets)
    if name == "provider":
        return by_seed_name(text) is not None
    return text in _WORDS.get(name, ())
