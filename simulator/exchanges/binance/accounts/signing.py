"""Who a request of Binance's is from: key, time and signature, refused as the exchange refuses."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import parse_qsl

from simulator.accounts.account import Account
from simulator.accounts.keys import Permission
from simulator.exchanges.binance.names import NAME
from simulator.exchanges.common import Refused
from simulator.exchanges.protocol import HttpCall
from simulator.world import World

_AHEAD_MS = 1_000
_WINDOW_MS = 5_000
_LONGEST_WINDOW_MS = 60_000
_KEY = re.compile(r"[A-Za-z0-9]{16,128}")
_SIGNATURE = re.compile(r"(?:^|&)signature=([^&]*)")

NOT_ALLOWED = Refused(-2015, "Invalid API-key, IP, or permissions for action.", 401)
_BAD_SIGNATURE = Refused(-1022, "Signature for this request is not valid.")
_AHEAD = Refused(-1021, "Timestamp for this request was 1000ms ahead of the server's time.")
_BEHIND = Refused(-1021, "Timestamp for this request is outside of the recvWindow.")


def missing(name: str) -> Refused:
    """A parameter that has to be sent."""
    return Refused(
        -1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed."
    )


def params_of(call: HttpCall) -> dict[str, str]:
    """What was sent, in the query or in the body."""
    texts = (call.raw_query, call.body.decode(errors="replace"))
    return dict(pair for text in texts for pair in parse_qsl(text, keep_blank_values=True))


def account_of(
    world: World, key: str, address: str, permission: Permission = "read"
) -> Account:  # fmt: skip
    """Whose key it is.

    Raises:
        Refused: nobody's, or it may not be used so; the exchange does not say which.
    """
    if not _KEY.fullmatch(key):
        raise Refused(-2014, "API-key format invalid.", 401)
    account = world.accounts.of_key(NAME, key)
    if account is None or not account.key.allows(permission, address):
        raise NOT_ALLOWED
    return account


def caller(world: World, call: HttpCall) -> Account:
    """Who sends an unsigned request with a key in its header."""
    return account_of(world, call.headers.get("x-mbx-apikey", ""), call.address)


def signer(world: World, call: HttpCall) -> Account:
    """Who has signed a request: over the query as it was sent, and the body behind it."""
    params = params_of(call)
    key = call.headers.get("x-mbx-apikey", "")
    if not _KEY.fullmatch(key):
        raise Refused(-2014, "API-key format invalid.", 401)
    signature = needed_signature(params)
    check_time(world, params)
    account = account_of(world, key, call.address)
    sent = call.raw_query, call.body.decode(errors="replace")
    text = "".join(_SIGNATURE.sub("", part).removeprefix("&") for part in sent)
    if not account.key.signed(text, signature):
        raise _BAD_SIGNATURE
    return account


def message_signer(world: World, params: Mapping[str, object], address: str) -> Account:
    """Who has signed a request on the WebSocket API: over its parameters, sorted, as they read."""
    given = {name: _text(value) for name, value in params.items()}
    if "apiKey" not in given:
        raise missing("apiKey")
    signature = needed_signature(given)
    check_time(world, given)
    account = account_of(world, given["apiKey"], address)
    text = "&".join(f"{name}={given[name]}" for name in sorted(given) if name != "signature")
    if not account.key.signed(text, signature):
        raise _BAD_SIGNATURE
    return account


def needed_signature(params: Mapping[str, str]) -> str:
    """The signature that was sent."""
    if not params.get("signature"):
        raise missing("signature")
    return params["signature"]


def check_time(world: World, params: Mapping[str, str]) -> None:
    """Whether it was sent just now.

    The exchange's window is one of machine time: a market that runs faster does not narrow it.
    """
    timestamp = params.get("timestamp", "")
    if not timestamp.isdecimal():
        raise missing("timestamp")
    try:
        window_ms = float(params.get("recvWindow", _WINDOW_MS))
    except ValueError:
        raise Refused(-1100, "Illegal characters found in parameter 'recvWindow'.") from None
    if not 0 <= window_ms <= _LONGEST_WINDOW_MS:
        raise Refused(-1131, "recvWindow must be less than 60000.")
    age_ms = world.clock.machine_delay_s(world.time_of(NAME) - int(timestamp)) * 1000
    if age_ms <= -_AHEAD_MS:
        raise _AHEAD
    if age_ms > window_ms:
        raise _BEHIND


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
