"""Who a request of KuCoin's is from: headers, time, passphrase and signature, refused as it refuses."""

from __future__ import annotations

import base64
import hmac

from simulator.accounts.account import Account
from simulator.accounts.keys import Key, Permission
from simulator.exchanges.common import Refused
from simulator.exchanges.kucoin.names import NAME
from simulator.exchanges.protocol import HttpCall
from simulator.world import World

_WINDOW_MS = 5_000
_NAMES = ("KC-API-KEY", "KC-API-SIGN", "KC-API-TIMESTAMP", "KC-API-PASSPHRASE")
_HEADERS = tuple(name.lower() for name in _NAMES)

_MISSING = Refused(
    "400001", f"Please check the header of your request for {', '.join(_NAMES)}", 401
)
_TIME = Refused("400002", "KC-API-TIMESTAMP Invalid", 401)
_NO_KEY = Refused("400003", "KC-API-KEY not exists", 401)
_PASSPHRASE = Refused("400004", "Invalid KC-API-PASSPHRASE", 401)
_SIGNATURE = Refused("400005", "Invalid KC-API-SIGN", 401)
_ADDRESS = Refused("400006", "The requested ip address is not in the api whitelist", 401)
_PERMISSION = Refused("400007", "Access denied, require more permission.", 403)


def signer(world: World, call: HttpCall, permission: Permission = "read") -> Account:
    """Who has signed a request.

    Raises:
        Refused: nobody whose key may be used so, or it is signed wrongly.
    """
    values = [call.headers.get(name, "") for name in _HEADERS]
    if not all(values):
        raise _MISSING
    key, signature, stamp, passphrase = values
    query = f"?{call.raw_query}" if call.raw_query else ""
    text = f"{stamp}{call.method}{call.path}{query}{call.body.decode(errors='replace')}"
    # The first version sends the passphrase as it is.
    version = call.headers.get("kc-api-key-version", "1")
    return caller(
        world, call.address, key, stamp, text, signature, passphrase, permission,
        plainly=version == "1",
    )  # fmt: skip


def caller(
    world: World, address: str, key: str, stamp: str, text: str, signature: str, passphrase: str,
    permission: Permission = "read", *, plainly: bool = False,
) -> Account:  # fmt: skip
    """Whose key it is that ``text`` is signed with.

    Raises:
        Refused: see ``signer``.
    """
    _check_time(world, stamp)
    account = world.accounts.of_key(NAME, key)
    if account is None or account.key.revoked:
        raise _NO_KEY
    right = account.key.passphrase if plainly else _signed(account.key, account.key.passphrase)
    if not hmac.compare_digest(right.encode(), passphrase.encode()):
        raise _PASSPHRASE
    if not hmac.compare_digest(_signed(account.key, text).encode(), signature.encode()):
        raise _SIGNATURE
    if account.key.addresses is not None and address not in account.key.addresses:
        raise _ADDRESS
    if not account.key.allows(permission, address):
        raise _PERMISSION
    return account


def _signed(key: Key, text: str) -> str:
    return base64.b64encode(key.hmac(text)).decode()


def _check_time(world: World, stamp: str) -> None:
    """Within five seconds of machine time: a market that runs faster does not narrow that."""
    if not (stamp.isascii() and stamp.isdecimal()):
        raise _TIME
    age_ms = world.clock.machine_delay_s(abs(world.time_of(NAME) - int(stamp))) * 1000
    if age_ms > _WINDOW_MS:
        raise _TIME
