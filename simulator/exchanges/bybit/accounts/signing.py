"""Who a request of Bybit's is from: key, time and signature, refused as the exchange refuses."""

from __future__ import annotations

from simulator.accounts.account import Account
from simulator.exchanges.bybit.names import NAME
from simulator.exchanges.bybit.query import PARAMS
from simulator.exchanges.common import Refused
from simulator.exchanges.protocol import HttpCall
from simulator.world import World

_AHEAD_MS = 1_000
_WINDOW_MS = 5_000
_HEX = 64

# Sockets refuse a login in words only.
_NO_CODE = 0
_UNKNOWN_KEY = Refused(10003, "API key is invalid.")
_ADDRESS = Refused(10010, "Unmatched IP, please check your API key's bound IP addresses.")
_PERMISSION = Refused(10005, "Permission denied, please check your API key permissions.")


def signer(world: World, call: HttpCall) -> Account:
    """Who has signed a request: over the query as it was sent, or the body.

    Raises:
        Refused: nobody who may.
    """
    names = ("api-key", "timestamp", "sign")
    key, stamp, signature = (call.headers.get(f"x-bapi-{name}", "") for name in names)
    if not (key and stamp and signature):
        raise Refused(PARAMS, f"empty value: apiTimestamp[{stamp}] apiKey[] apiSignature[]")
    account = _owner(world, key)
    window = call.headers.get("x-bapi-recv-window", str(_WINDOW_MS))
    _check_time(world, stamp, window)
    payload = call.raw_query if call.method == "GET" else call.body.decode(errors="replace")
    text = f"{stamp}{key}{window}{payload}"
    if not _signed(account, text, signature):
        raise Refused(10004, f"error sign! origin_string[{text}]")
    _check_allowed(account, call.address)
    return account


def logged_in(world: World, args: object, address: str) -> Account:
    """Who logs in to a socket: a key, until when the login is good, and the signature of that.

    Raises:
        Refused: nobody who may.
    """
    if not isinstance(args, list) or len(args) != 3:
        raise Refused(_NO_CODE, "Params Error")
    key, expires, signature = map(str, args)
    if not expires.isdecimal() or int(expires) <= world.time_of(NAME):
        raise Refused(_NO_CODE, "Params Error")
    account = world.accounts.of_key(NAME, key)
    if account is None or account.key.revoked:
        raise Refused(_NO_CODE, "error:USVC1111")
    if not _signed(account, f"GET/realtime{expires}", signature):
        raise Refused(_NO_CODE, "Error sign")
    _check_allowed(account, address)
    return account


def _owner(world: World, key: str) -> Account:
    account = world.accounts.of_key(NAME, key)
    if account is None or account.key.revoked:
        raise _UNKNOWN_KEY
    return account


def _signed(account: Account, text: str, signature: str) -> bool:
    """In hex: other exchanges take base64."""
    return len(signature) == _HEX and account.key.signed(text, signature)


def _check_allowed(account: Account, address: str) -> None:
    if account.key.addresses is not None and address not in account.key.addresses:
        raise _ADDRESS
    if not account.key.allows("read", address):
        raise _PERMISSION


def _check_time(world: World, stamp: str, window: str) -> None:
    """Whether it was sent just now, in machine time: a fast market does not narrow the window."""
    if not (stamp.isdecimal() and window.isdecimal()):
        raise Refused(PARAMS, "params error: timestamp or recv_window invalid")
    now_ms = world.time_of(NAME)
    age_ms = world.clock.machine_delay_s(now_ms - int(stamp)) * 1000
    if not -_AHEAD_MS < age_ms <= int(window):
        raise Refused(
            10002,
            "invalid request, please check your server timestamp or recv_window param. "
            f"req_timestamp[{stamp}],server_timestamp[{now_ms}],recv_window[{window}]",
        )
