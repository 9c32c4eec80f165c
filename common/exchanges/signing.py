"""Signatures, by well-kept libraries: the few forms that exchanges ask for. Pure."""

from __future__ import annotations

import base64
import hashlib
import hmac

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from common.model.secret import Secret


class BadKey(ValueError):  # noqa: N818 - it says what the secret is
    """A secret is not a key of its kind; the text never holds any of it."""


def hmac_hex(secret: Secret, text: str) -> str:
    """HMAC-SHA256, in hex."""
    return _hmac(secret, text).hex()


def hmac_base64(secret: Secret, text: str) -> str:
    """HMAC-SHA256, in base64."""
    return base64.b64encode(_hmac(secret, text)).decode()


def _hmac(secret: Secret, text: str) -> bytes:
    return hmac.new(secret.reveal().encode(), text.encode(), hashlib.sha256).digest()


def ed25519_base64(secret: Secret, text: str) -> str:
    """Ed25519, in base64.

    Raises:
        BadKey: the secret is no such key.
    """
    return base64.b64encode(ed25519_key(secret).sign(text.encode())).decode()


def ed25519_key(secret: Secret) -> Ed25519PrivateKey:
    """A key as PEM, or as the base64 of its 32 bytes (64 with the public half behind them).

    Raises:
        BadKey: the secret is no such key.
    """
    text = _lines(secret)
    if "BEGIN" in text:
        key = _pem(text)
        if not isinstance(key, Ed25519PrivateKey):
            raise BadKey("the secret is no Ed25519 key")
        return key
    try:
        return Ed25519PrivateKey.from_private_bytes(base64.b64decode(text, validate=True)[:32])
    except ValueError:
        raise BadKey("the secret is no Ed25519 key") from None


def ec_key(secret: Secret) -> EllipticCurvePrivateKey:
    """An elliptic-curve key as PEM.

    Raises:
        BadKey: the secret is no such key.
    """
    key = _pem(_lines(secret))
    if not isinstance(key, EllipticCurvePrivateKey):
        raise BadKey("the secret is no elliptic-curve key")
    return key


def _pem(text: str) -> object:
    try:
        return load_pem_private_key(text.encode(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise BadKey("the secret is no private key in PEM") from None


def _lines(secret: Secret) -> str:
    r"""Files for environments hold ``\n`` as two characters."""
    return secret.reveal().replace("\\n", "\n").strip()
