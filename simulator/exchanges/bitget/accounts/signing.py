"""Who a request or a login of Bitget's is from: key, time, passphrase and signature."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote_plus

from simulator.accounts.account import Account
from simulator.accounts.keys import Key
from simulator.exchanges.bitget.names import NAME
from simulator.exchanges.common import Refused
from simulator.exchanges.protocol import HttpCall
from simulator.world import World

_WINDOW_S = 30.0
UNIFIED, CLASSIC = "unified", "classic"
# What is said to an account of the other system, before anything else is looked at.
_OTHER_SYSTEM: Mapping[str, Refused] = {
    UNIFIED: Refused(
        "40084", "You are in Classic Account mode, and the Unified Account API is not supported"
    ),
    CLASSIC: Refused(
        "40085",
        "You are in Unified Account mode, and the Classic Account API is not supported at this time",
    ),
}
_HEADERS = (
    ("access-key", "40001", "ACCESS_KEY"),
    ("access-sign", "40002", "ACCESS_SIGN"),
    ("access-timestamp", "40003", "ACCESS_TIMESTAMP"),
    ("access-passphrase", "40011", "ACCESS_PASSPHRASE"),
)


def caller(world: World, call: HttpCall, mode: str) -> Account:
    """Who has signed a request to the system ``mode``.

    Raises:
        Refused: nobody, or one who may not.
    """
    headers = call.headers
    for header, code, name in _HEADERS:
        if not headers.get(header):
            raise Refused(code, f"{name} cannot be empty")
    account = world.accounts.of_key(NAME, headers["access-key"])
    if account is None:
        raise Refused("40006", "Invalid ACCESS_KEY")
    key = account.key
    if key.revoked:
        raise Refused("40037", "Apikey does not exist")
    if account.mode != mode:
        raise _OTHER_SYSTEM[mode]
    _check(world, call, key)
    if "read" not in key.permissions:
        raise Refused("40014", "Incorrect permissions")
    return account


def _check(world: World, call: HttpCall, key: Key) -> None:
    """Address, time, passphrase and signature."""
    headers, sent = call.headers, call.headers["access-timestamp"]
    if key.addresses is not None and call.address not in key.addresses:
        raise Refused("40018", "Invalid IP")
    if not (sent.isascii() and sent.isdecimal()):
        raise Refused("40005", "Invalid ACCESS_TIMESTAMP")
    if not _just_now(world, int(sent)):
        raise Refused("40008", "Request timestamp expired")
    if headers["access-passphrase"] != key.passphrase:
        raise Refused("40012", "apikey/password is incorrect")
    if not any(key.signed(text, headers["access-sign"]) for text in _signable(call, sent)):
        raise Refused("40009", "sign signature error")


def login(world: World, argument: Mapping[str, Any], address: str) -> Account:
    """Whose login on a socket it is. Seconds and milliseconds are good, as they were signed.

    Raises:
        Refused: nobody's that may.
    """
    account = world.accounts.of_key(NAME, str(argument.get("apiKey")))
    if account is None or account.key.revoked:
        raise Refused(30011, "Invalid ACCESS_KEY")
    key = account.key
    if argument.get("passphrase") != key.passphrase:
        raise Refused(30012, "Invalid ACCESS_PASSPHRASE")
    sent = str(argument.get("timestamp"))
    if not (sent.isascii() and sent.isdecimal()):
        raise Refused(30013, "Invalid ACCESS_TIMESTAMP")
    time_ms = int(sent) if len(sent) > 11 else int(sent) * 1000
    if not _just_now(world, time_ms):
        raise Refused(30014, "Request timestamp expired")
    if not key.signed(f"{sent}GET/user/verify", str(argument.get("sign"))):
        raise Refused(30015, "Invalid sign")
    if not key.allows("read", address):
        raise Refused(30005, "Login failed")
    return account


def _just_now(world: World, time_ms: int) -> bool:
    """The exchange's window is one of machine time: a market that runs faster does not narrow it."""
    return abs(world.clock.machine_delay_s(world.time_of(NAME) - time_ms)) <= _WINDOW_S


def _signable(call: HttpCall, time: str) -> Iterator[str]:
    """What may have been signed: the query as it was sent or decoded, in its order or sorted."""
    body, pairs = call.body.decode(errors="replace"), call.raw_query.split("&")
    for query in (call.raw_query, "&".join(sorted(pairs))):
        for text in (query, unquote_plus(query)):
            yield f"{time}{call.method}{call.path}{'?' * bool(text)}{text}{body}"
