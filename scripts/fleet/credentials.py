"""Credentials from where they may come: a prompt, a file, stdin, the environment; never an argument.

What is wrong is told without quoting anything: a file taken for another may hold anything.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from getpass import getpass
from io import StringIO
from pathlib import Path

import msgspec
from dotenv import dotenv_values
from msgspec import Struct

from common.model.secret import Secret
from scripts.fleet.command import WrongQuestion

ENVIRONMENT = {
    "ACCOUNT_KEY": "key",
    "ACCOUNT_SECRET": "secret",
    "ACCOUNT_PASSPHRASE": "passphrase",
}
WAYS = (
    "give them at the prompt, by --secrets-file FILE (- for stdin), "
    f"or in the environment ({', '.join(ENVIRONMENT)})"
)
_MOST_BYTES = 64 * 1024
# The names that files use, without their case, ``_`` and ``-``; also those of Coinbase's download.
_NAMES: Mapping[str, str] = {
    **{
        f"{prefix}{name}": name
        for prefix in ("", "api", "account")
        for name in ("key", "secret", "passphrase")
    },
    "secretkey": "secret",
    "privatekey": "secret",
    "name": "key",
}
# Longer than any id of ours, and mixed as only made-up texts are.
_MADE_UP = re.compile(r"(?=.*[a-z])(?=.*[A-Z])(?=.*[0-9])[A-Za-z0-9+/=_-]{40,}")

_fields = msgspec.json.Decoder(dict[str, object])


class Given(Struct, frozen=True):
    """Credentials as they were given. Prints no secret."""

    key: Secret
    secret: Secret
    passphrase: Secret | None = None


def looks_secret(text: str) -> bool:
    """Whether a text looks like a key, which has no place among arguments."""
    return "PRIVATE KEY" in text or _MADE_UP.fullmatch(text) is not None


def read_given(path: str | None, *, passphrase: bool) -> Given:
    """From the file if there is one, else the environment, else whoever sits at the terminal.

    Args:
        path: of a file; ``-`` for stdin.
        passphrase: whether to ask for one.

    Raises:
        WrongQuestion: there are none, or not all of them.
    """
    if path is not None:
        where = "stdin" if path == "-" else path
        return _given(_parsed(_text(path), where), where)
    found = {field: os.environ[name] for name, field in ENVIRONMENT.items() if os.environ.get(name)}
    if found:
        return _given(found, "the environment")
    if not sys.stdin.isatty():
        raise WrongQuestion(f"no credentials: {WAYS}")
    asked = ("key", "secret", "passphrase") if passphrase else ("key", "secret")
    return _given({name: getpass(f"{name}: ").strip() for name in asked}, "the answers")


def _text(path: str) -> str:
    try:
        if path == "-":
            raw = sys.stdin.buffer.read(_MOST_BYTES + 1)
        else:
            with Path(path).open("rb") as file:
                raw = file.read(_MOST_BYTES + 1)
        text = raw.decode()
    except UnicodeDecodeError:
        raise WrongQuestion("the credentials' file is no text in UTF-8") from None
    except OSError as error:
        raise WrongQuestion(f"the credentials' file cannot be read: {error.strerror}") from None
    if len(raw) > _MOST_BYTES:
        raise WrongQuestion("the credentials' file is too large to be one")
    return text


def _parsed(text: str, where: str) -> dict[str, str]:
    """JSON, or lines as in ``.env``."""
    values: Mapping[str, object]
    if text.lstrip().startswith("{"):
        try:
            values = _fields.decode(text)
        except msgspec.DecodeError:
            raise WrongQuestion(f"{where} begins like JSON and is none") from None
    else:
        values = dotenv_values(stream=StringIO(text), interpolate=False)
    found: dict[str, str] = {}
    for name, value in values.items():
        field = _NAMES.get(re.sub("[_-]", "", name).lower())
        if field is None or value in (None, ""):
            continue
        if field in found or not isinstance(value, str):
            raise WrongQuestion(f"{where} has more than one {field}, or one that is no text")
        found[field] = value.strip()
    return found


def _given(found: Mapping[str, str], where: str) -> Given:
    missing = [name for name in ("key", "secret") if not found.get(name)]
    if missing:
        raise WrongQuestion(f"{where}: no {' and no '.join(missing)}; {WAYS}")
    phrase = found.get("passphrase")
    return Given(Secret(found["key"]), Secret(found["secret"]), Secret(phrase) if phrase else None)
