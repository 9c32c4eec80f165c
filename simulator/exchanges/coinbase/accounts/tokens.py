"""Who a request of Coinbase's is from: the token (JWT) that it carries, refused as the exchange refuses.

A token is signed with the key it names, holds for two minutes at most, and says for which request it
is, by method, host and path; one for a subscription says nothing of the kind.
"""

from __future__ import annotations

from base64 import b64encode, urlsafe_b64decode
from collections.abc import Mapping
from typing import Any

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from simulator.accounts.account import Account
from simulator.accounts.keys import Key
from simulator.exchanges.coinbase.names import NAME
from simulator.exchanges.common import Refused
from simulator.exchanges.protocol import HttpCall
from simulator.world import World

_LONGEST_S = 120
_ALGORITHMS = {"es256": "ES256", "ed25519": "EdDSA"}
_ISSUERS = ("cdp", "coinbase-cloud")

# One word for every token that is not good: whose it is, how it is signed, from when, for what.
UNAUTHORIZED = Refused("unauthorized", "Unauthorized", 401)
# Documented of this exchange's other feed; what is said here is not.
WRONG_ADDRESS = Refused("unauthorized", "IP does not match IP whitelist", 401)
NO_PERMISSION = Refused("PERMISSION_DENIED", "Missing required scopes", 403)


def caller(world: World, call: HttpCall) -> Account:
    """Who sends a request.

    Raises:
        Refused: nobody that is known, or they may not.
    """
    scheme, _, token = call.headers.get("authorization", "").partition(" ")
    if scheme != "Bearer":
        raise UNAUTHORIZED
    return _account_of(world, token, call.address, f"{call.method} {call.host}{call.path}")


def subscriber(world: World, token: str, address: str) -> Account:
    """Who sends a subscription.

    Raises:
        Refused: nobody that is known, or they may not.
    """
    return _account_of(world, token, address)


def _account_of(world: World, token: str, address: str, uri: str | None = None) -> Account:
    text, _, signature = token.rpartition(".")
    header_text, _, claims_text = text.partition(".")
    header, claims = _part(header_text), _part(claims_text)
    account = world.accounts.of_key(NAME, str(header.get("kid")))
    if account is None or account.key.revoked or claims.get("sub") != account.key.key:
        raise UNAUTHORIZED
    if header.get("alg") != _ALGORITHMS[account.key.kind]:
        raise UNAUTHORIZED
    if not _signed(account.key, text, _bytes(signature)):
        raise UNAUTHORIZED
    if claims.get("iss") not in _ISSUERS or not _timely(world, claims):
        raise UNAUTHORIZED
    if uri is not None and uri not in (claims.get("uri"), *_texts(claims.get("uris"))):
        raise UNAUTHORIZED
    _check_use(account.key, address)
    return account


def _check_use(key: Key, address: str) -> None:
    if key.addresses is not None and address not in key.addresses:
        raise WRONG_ADDRESS
    if not key.allows("read", address):
        raise NO_PERMISSION


def _signed(key: Key, text: str, signature: bytes) -> bool:
    """ES256 is the two numbers of the signature one after the other, not their DER."""
    if key.kind == "ed25519":
        return key.signed(text, b64encode(signature).decode())
    if len(signature) != 64:
        return False
    r, s = (int.from_bytes(half, "big") for half in (signature[:32], signature[32:]))
    try:
        key.es256.verify(encode_dss_signature(r, s), text.encode(), ECDSA(SHA256()))
    except InvalidSignature:
        return False
    return True


def _timely(world: World, claims: Mapping[str, Any]) -> bool:
    """Whether it holds now.

    How long it holds is machine time: a market that runs faster does not shorten it.
    """
    begins_s, ends_s = claims.get("nbf"), claims.get("exp")
    if not isinstance(begins_s, int) or not isinstance(ends_s, int):
        return False
    age_ms = world.time_of(NAME) - begins_s * 1000
    holds_s = ends_s - begins_s
    return age_ms >= 0 and holds_s <= _LONGEST_S and world.clock.machine_delay_s(age_ms) < holds_s


def _part(text: str) -> dict[str, Any]:
    try:
        part = msgspec.json.decode(_bytes(text))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise UNAUTHORIZED from None
    if not isinstance(part, dict):
        raise UNAUTHORIZED
    return part


def _bytes(text: str) -> bytes:
    try:
        return urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        raise UNAUTHORIZED from None


def _texts(value: object) -> list[str]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []
