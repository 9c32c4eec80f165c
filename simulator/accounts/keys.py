"""Keys of accounts: made from a seed, and what is signed with them verified."""

from __future__ import annotations

import base64
import hashlib
import hmac
from functools import cached_property
from typing import Literal, get_args

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

KeyKind = Literal["hmac", "ed25519", "es256"]
Permission = Literal["read", "trade"]
PERMISSIONS: frozenset[Permission] = frozenset(get_args(Permission))
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


class Key:
    """A key, and what it may do.

    Attributes:
        secret: a text (hmac), or a private key in PEM; of Ed25519 also its bytes in base64.
        addresses: that it may be used from; None: any.
        revoked: it is no key any more.
        shown_ms: when somebody showed it last, by the wall; 0: nobody ever has.
    """

    def __init__(
        self, key: str, secret: str, passphrase: str = "", kind: KeyKind = "hmac",
        permissions: frozenset[Permission] = PERMISSIONS, addresses: frozenset[str] | None = None,
    ) -> None:  # fmt: skip
        self.key, self.secret, self.passphrase, self.kind = key, secret, passphrase, kind
        self.permissions, self.addresses = permissions, addresses
        self.revoked = False
        self.shown_ms = 0

    def allows(self, permission: Permission, address: str) -> bool:
        """Whether it may be used so, from there."""
        here = self.addresses is None or address in self.addresses
        return not self.revoked and here and permission in self.permissions

    def hmac(self, text: str) -> bytes:
        """HMAC-SHA256 of a text."""
        return hmac.new(self.secret.encode(), text.encode(), hashlib.sha256).digest()

    def signed(self, text: str, signature: str) -> bool:
        """Whether it has signed this: HMAC in hex or base64, Ed25519 in base64."""
        if self.kind == "hmac":
            mac = self.hmac(text)
            right = mac.hex(), base64.b64encode(mac).decode()
            return any(hmac.compare_digest(one.encode(), signature.encode()) for one in right)
        try:
            self._ed25519.verify(base64.b64decode(signature, validate=True), text.encode())
        except (ValueError, InvalidSignature):
            return False
        return True

    @cached_property
    def _ed25519(self) -> Ed25519PublicKey:
        if "BEGIN" not in self.secret:
            seed = base64.b64decode(self.secret)[:32]
            return Ed25519PrivateKey.from_private_bytes(seed).public_key()
        private = load_pem_private_key(self.secret.encode(), None)
        assert isinstance(private, Ed25519PrivateKey)
        return private.public_key()

    @cached_property
    def es256(self) -> ec.EllipticCurvePublicKey:
        """The public half, of an ``es256`` key."""
        private = load_pem_private_key(self.secret.encode(), None)
        assert isinstance(private, ec.EllipticCurvePrivateKey)
        return private.public_key()


def make_key(
    seed: int, name: str, kind: KeyKind = "hmac", permissions: frozenset[Permission] = PERMISSIONS,
    addresses: frozenset[str] | None = None,
) -> Key:  # fmt: skip
    """The key of that name: always the same for the same seed."""
    if kind == "hmac":
        secret = _text(seed, f"{name}:secret", 64)
    else:
        secret = _private(kind, _digest(seed, f"{name}:secret"))
    passphrase = _text(seed, f"{name}:passphrase", 16)
    return Key(
        _text(seed, f"{name}:key", 64), secret, passphrase, kind, permissions, addresses
    )  # fmt: skip


def _digest(seed: int, name: str) -> bytes:
    return hashlib.sha512(f"{seed}:{name}".encode()).digest()


def _text(seed: int, name: str, length: int) -> str:
    return "".join(_LETTERS[byte % len(_LETTERS)] for byte in _digest(seed, name)[:length])


def _private(kind: KeyKind, digest: bytes) -> str:
    if kind == "ed25519":
        private: Ed25519PrivateKey | ec.EllipticCurvePrivateKey
        private = Ed25519PrivateKey.from_private_bytes(digest[:32])
    else:
        private = ec.derive_private_key(int.from_bytes(digest[:31], "big") + 1, ec.SECP256R1())
    return private.private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    ).decode()  # fmt: skip
