"""Who a request or a login of OKX's is from: key, time, passphrase and signature, refused as it refuses.

A key that was deleted is unknown. Of its own, a key always may read; one that may not here is refused
like any other thing a key is not allowed.
"""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

from simulator.accounts.account import Account
from simulator.accounts.keys import Key, KeyKind, make_key
from simulator.exchanges.common import Refused
from simulator.exchanges.okx.names import NAME
from simulator.exchanges.protocol import HttpCall
from simulator.world import World

# What is signed for is good so long, in machine time: a market that runs faster does not narrow it.
_GOOD_S = 30.0
_KEY = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,3})?Z")
_SECONDS = re.compile(r"\d{1,12}(\.\d{1,6})?")
_LOGIN = ("apiKey", "passphrase", "timestamp", "sign")
_HEADERS = {
    "OK-ACCESS-KEY": "50103",
    "OK-ACCESS-PASSPHRASE": "50104",
    "OK-ACCESS-SIGN": "50106",
    "OK-ACCESS-TIMESTAMP": "50107",
}


def key_of(seed: int, account: str, kind: KeyKind) -> Key:
    """A key that looks like one of OKX's: a UUID, a secret of 32 hex digits and a passphrase."""
    made = make_key(seed, account, kind)
    name = UUID(bytes=sha256(made.key.encode()).digest()[:16], version=4)
    secret = sha256(made.secret.encode()).hexdigest()[:32].upper()
    return Key(str(name), secret, made.passphrase, kind)


def signer(world: World, call: HttpCall) -> Account:
    """Who has signed a request: over time, method, path with its query as it was sent, and body.

    Raises:
        Refused: nobody, or not so, or from where or for what the key may not be used.
    """
    for name, code in _HEADERS.items():
        if not call.headers.get(name.lower()):
            raise Refused(code, f'Request header "{name}" cannot be empty.', 401)
    key, passphrase, sign, stamp = (call.headers[name.lower()] for name in _HEADERS)
    if call.headers.get("x-simulated-trading") == "1":
        raise Refused("50101", "APIKey does not match current environment.", 401)
    if not _KEY.fullmatch(key):
        raise Refused("50111", "Invalid OK-ACCESS-KEY", 401)
    account = world.accounts.of_key(NAME, key)
    if account is None or account.key.revoked:
        raise Refused("50119", "API key doesn't exist", 200)
    if not _is_recent(world, _iso_ms(stamp)):
        raise Refused("50102", "Timestamp request expired", 401)
    if not _same(passphrase, account.key.passphrase):
        raise Refused("50105", 'Request header "OK-ACCESS-PASSPHRASE" incorrect.', 401)
    query = f"?{call.raw_query}" if call.raw_query else ""
    text = f"{stamp}{call.method}{call.path}{query}{call.body.decode(errors='replace')}"
    if not _signed(account.key, text, sign):
        raise Refused("50113", "Invalid Sign", 401)
    _check_allowed(account.key, call.address)
    return account


def _check_allowed(key: Key, address: str) -> None:
    if key.addresses is not None and address not in key.addresses:
        detail = f"Your IP {address} is not included in your API key's IP whitelist."
        raise Refused("50110", detail, 401)
    if not key.allows("read", address):
        raise Refused("50120", "This API key doesn't have permission to use this function", 200)


def login(world: World, message: Mapping[str, Any], address: str) -> Account:
    """Who logs in on a socket: a request that there is not is signed for, at a time in seconds.

    Raises:
        Refused: nobody, or not so; a wrong address or a missing permission has no code of its own.
    """
    key, passphrase, stamp, sign = _login_of(message)
    account = world.accounts.of_key(NAME, key)
    if not _KEY.fullmatch(key):
        raise Refused("60005", "Invalid apiKey")
    if account is None or account.key.revoked:
        raise Refused("60032", "API key doesn't exist.")
    if not _SECONDS.fullmatch(stamp):
        raise Refused("60004", "Invalid timestamp")
    if not _is_recent(world, int(float(stamp) * 1000)):
        raise Refused("60006", "Timestamp request expired")
    if not _same(passphrase, account.key.passphrase):
        raise Refused("60024", "Wrong passphrase")
    if not _signed(account.key, f"{stamp}GET/users/self/verify", sign):
        raise Refused("60007", "Invalid sign")
    if not account.key.allows("read", address):
        raise Refused("60009", "Login failed.")
    return account


def _login_of(message: Mapping[str, Any]) -> list[str]:
    """What a login is made of, all texts; its time may be a number, as some clients send it."""
    match message.get("args"):
        case [{**args}]:
            told = [args.get(name) for name in _LOGIN]
        case _:
            told = []
    texts = [str(one) for name, one in zip(_LOGIN, told, strict=False) if _fits(name, one)]
    if len(texts) < len(_LOGIN):
        raise Refused("60009", "Login failed.")
    return texts


def _fits(name: str, value: object) -> bool:
    return isinstance(value, str) or (name == "timestamp" and isinstance(value, int))


def _iso_ms(stamp: str) -> int:
    invalid = Refused("50112", "Invalid OK-ACCESS-TIMESTAMP", 401)
    if not _ISO.fullmatch(stamp):
        raise invalid
    try:
        return round(datetime.fromisoformat(stamp).timestamp() * 1000)
    except ValueError:
        raise invalid from None


def _is_recent(world: World, sent_ms: int) -> bool:
    return abs(world.clock.machine_delay_s(world.time_of(NAME) - sent_ms)) <= _GOOD_S


def _signed(key: Key, text: str, sign: str) -> bool:
    return _same(base64.b64encode(key.hmac(text)).decode(), sign)


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())
