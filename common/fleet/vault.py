"""Credentials at rest: AES-256-GCM, opened only where an account is streamed.

The first key seals, every key opens: to rotate, put a new one in front, let every account be sealed
anew (``is_current``), and take the old one away. What is sealed belongs to one account: put under
another's name it does not open.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
from collections.abc import Sequence

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from msgspec import Struct

from common.exchanges.private import Credentials, Environment, KeyKind
from common.model.secret import Secret

KEY_BYTES = 32
_NONCE_BYTES = 12
_NAME_CHARACTERS = 8
_FORM = "v1"


class WrongKey(ValueError):  # noqa: N818 - it says what the key is
    """A key of ours is not what it has to be. Never holds any of it."""


class CannotOpen(Exception):  # noqa: N818 - it says what became of it
    """What is sealed cannot be opened: by another key, for another account, or damaged."""


class _Plain(Struct, frozen=True, omit_defaults=True):
    """Credentials while they are sealed or opened; never kept."""

    key: str
    secret: str
    passphrase: str | None = None
    kind: KeyKind = "hmac"
    environment: Environment = "live"
    region: str = ""
    subaccount: bool = False


_decoder = msgspec.json.Decoder(_Plain)


class Vault:
    """Seals and opens credentials.

    Args:
        keys: each 32 bytes in base64; the first one seals.

    Raises:
        WrongKey: there is none, or one is not 32 bytes in base64.
    """

    def __init__(self, keys: Sequence[Secret]) -> None:
        raws = [_raw(key) for key in keys]
        if not raws:
            raise WrongKey("no key to seal credentials with")
        self._ciphers = {_name(raw): AESGCM(raw) for raw in raws}
        self._current = _name(raws[0])
        # Fingerprints outlive a rotation only as long as the key that made them is the last one.
        self._fingerprint_key = hashlib.sha256(b"fingerprint" + raws[-1]).digest()

    def seal(self, account: str, credentials: Credentials) -> str:
        """Text that only this account's name and one of our keys open."""
        nonce = os.urandom(_NONCE_BYTES)
        plain = msgspec.json.encode(_plain(credentials))
        sealed = self._ciphers[self._current].encrypt(nonce, plain, account.encode())
        return f"{_FORM}.{self._current}.{base64.b64encode(nonce + sealed).decode()}"

    def open(self, account: str, sealed: str) -> Credentials:
        """What was sealed for this account.

        Raises:
            CannotOpen: the text says why; never holds any of what is inside.
        """
        form, _, rest = sealed.partition(".")
        name, _, body = rest.partition(".")
        cipher = self._ciphers.get(name)
        if form != _FORM:
            raise CannotOpen("sealed in a form that is not known")
        if cipher is None:
            raise CannotOpen(f"sealed with another key ({name})")
        try:
            data = base64.b64decode(body, validate=True)
            plain = cipher.decrypt(data[:_NONCE_BYTES], data[_NONCE_BYTES:], account.encode())
            return _credentials(_decoder.decode(plain))
        except (InvalidTag, ValueError):  # msgspec's errors are ValueErrors
            raise CannotOpen("not this account's, or damaged") from None

    def is_current(self, sealed: str) -> bool:
        """Whether it was sealed with the first key."""
        return sealed.startswith(f"{_FORM}.{self._current}.")

    def has_key_of(self, sealed: str) -> bool:
        """Whether it was sealed with one of the keys."""
        form, _, rest = sealed.partition(".")
        return form == _FORM and rest.partition(".")[0] in self._ciphers

    def fingerprint(self, credentials: Credentials) -> str:
        """Which credentials these are, without telling anything about them."""
        plain = msgspec.json.encode(_plain(credentials))
        return hmac.new(self._fingerprint_key, plain, hashlib.sha256).hexdigest()[:16]


def _plain(credentials: Credentials) -> _Plain:
    passphrase = credentials.passphrase
    return _Plain(
        key=credentials.key.reveal(),
        secret=credentials.secret.reveal(),
        passphrase=None if passphrase is None else passphrase.reveal(),
        kind=credentials.kind,
        environment=credentials.environment,
        region=credentials.region,
        subaccount=credentials.subaccount,
    )


def _credentials(plain: _Plain) -> Credentials:
    return Credentials(
        key=Secret(plain.key),
        secret=Secret(plain.secret),
        passphrase=None if plain.passphrase is None else Secret(plain.passphrase),
        kind=plain.kind,
        environment=plain.environment,
        region=plain.region,
        subaccount=plain.subaccount,
    )


def _raw(key: Secret) -> bytes:
    try:
        raw = base64.b64decode(key.reveal(), validate=True)
    except ValueError:
        raise WrongKey("a key for credentials is not base64") from None
    if len(raw) != KEY_BYTES:
        raise WrongKey(f"a key for credentials has {len(raw)} bytes, not {KEY_BYTES}")
    return raw


def _name(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()[:_NAME_CHARACTERS]
