"""What backends ask of accounts on ``usersStreamAction``, read: bytes to a command, or what is wrong. Pure.

Two spellings are understood. The older backends' has an ``event`` (``open stream``, ``close stream``,
``force restart stream``), the account's ``uuid``, and the credentials in ``data.api`` or, after a key was
changed there, in ``data`` itself. Ours says what it means:

    {"payload": {"command": "account.open", "accountId": "a1", "exchange": "binance", "market": "linear",
                 "subscriber": "bot-7", "leaseS": 300,
                 "credentials": {"key": "…", "secret": "…", "passphrase": "…", "kind": "hmac",
                                 "environment": "live", "region": "", "subaccount": false}}}

and ``account.close``, ``account.restart``, ``account.list``. Everything that is missing or wrong is told at
once, and never with a value: these messages hold secrets.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, cast

import msgspec
from msgspec import Raw, Struct

from common.exchanges.private import Credentials, Environment, KeyKind
from common.exchanges.registry import EXCHANGES, by_seed_name
from common.model.secret import Secret
from common.model.streams import MARKETS, Market
from common.publish.fields import Fields

# Who asks in the older spelling: it says no name, so all of them are one.
ANYBODY = "usersStreamAction"

_EVENTS: Mapping[str, str] = {
    "open stream": "account.open",
    "close stream": "account.close",
    "force restart stream": "account.restart",
}
_REGIONS = ("okxSource", "bybitHost")
# What they call the place that needs no word.
_MAIN_PLACE = "com"
_KINDS: tuple[KeyKind, ...] = ("hmac", "ed25519", "es256")
_ENVIRONMENTS: tuple[Environment, ...] = ("live", "sandbox")


class Open(Struct, frozen=True):
    """Stream an account. ``lease_s`` None: until it is closed. Prints no secret."""

    account_id: str
    exchange: str
    market: Market
    credentials: Credentials
    subscriber: str
    paper: bool = False
    lease_s: float | None = None


class Close(Struct, frozen=True):
    """Stop it for one subscriber, or (None) for everybody."""

    account_id: str
    subscriber: str | None = None


class Restart(Struct, frozen=True):
    """Begin it anew."""

    account_id: str


class List(Struct, frozen=True):
    """Say which accounts there are."""


Command = Open | Close | Restart | List


class Refused(Exception):  # noqa: N818 - it says what became of the request
    """What is missing or wrong, all of it; holds no value of the message."""

    def __init__(self, problems: list[str], account_id: str = "") -> None:
        super().__init__("; ".join(problems))
        self.problems = problems
        self.account_id = account_id


class _Envelope(Struct):
    payload: Raw


_envelope = msgspec.json.Decoder(_Envelope)
_payload = msgspec.json.Decoder(dict[str, Any])


def read(body: bytes) -> Command:
    """The command in a message.

    Raises:
        Refused: it cannot be understood, or something of it is missing or wrong.
    """
    try:
        payload = _payload.decode(_envelope.decode(body).payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        # What the decoder says may quote the message.
        raise Refused(['it is not {"payload": {…}} in JSON']) from None
    fields = Fields(payload)
    if "event" in payload:
        return _seed(fields)
    return _typed(fields)


# --- our spelling -------------------------------------------------------------------------------


def _typed(fields: Fields) -> Command:
    command = fields.text("command")
    if command == "account.list":
        return List()
    if command not in ("account.open", "account.close", "account.restart"):
        words = "account.open, account.close, account.restart, account.list"
        raise Refused([f"command is none of {words} (and there is no event)"])
    account_id = fields.account_id("accountId")
    if command == "account.restart":
        return _checked(Restart(account_id), fields, account_id)
    subscriber = fields.name("subscriber", needed=command == "account.open")
    if command == "account.close":
        return _checked(Close(account_id, subscriber or None), fields, account_id)
    exchange = fields.one_of("exchange", tuple(EXCHANGES), "")
    market = fields.one_of("market", MARKETS, "")
    if exchange in EXCHANGES and market and market not in EXCHANGES[exchange].markets:
        fields.problems.append(f"{exchange} has no market {market}")
    credentials = _credentials(fields.part("credentials"))
    paper, lease_s = fields.truth("paper"), fields.seconds("leaseS")
    _check(fields, account_id)
    assert credentials is not None
    return Open(
        account_id, exchange, cast("Market", market), credentials, subscriber, paper, lease_s
    )


def _credentials(fields: Fields) -> Credentials | None:
    key, secret = fields.secret("key"), fields.secret("secret")
    passphrase = fields.secret("passphrase", needed=False)
    kind = fields.one_of("kind", _KINDS, "hmac")
    environment = fields.one_of("environment", _ENVIRONMENTS, "live")
    region, subaccount = fields.name("region", needed=False), fields.truth("subaccount")
    if key is None or secret is None:
        return None
    return Credentials(
        key,
        secret,
        passphrase,
        cast("KeyKind", kind),
        cast("Environment", environment),
        region,
        subaccount,
    )


# --- the older spelling -------------------------------------------------------------------------


def _seed(fields: Fields) -> Command:
    command = _EVENTS.get(fields.text("event"))
    if command is None:
        raise Refused([f"event is none of {', '.join(_EVENTS)}"])
    account_id = fields.account_id("uuid", needed=command != "account.open")
    if command == "account.close":
        return _checked(Close(account_id, ANYBODY), fields, account_id)
    if command == "account.restart":
        return _checked(Restart(account_id), fields, account_id)
    data = fields.part("data")
    # After a key was changed its fields come without the ``api`` around them, and without a user.
    api = data.part("api") if data.has("api") or not data.has("key") else data
    return _seed_open(fields, data, api, account_id)


def _seed_open(fields: Fields, data: Fields, api: Fields, account_id: str) -> Open:
    provider = api.text("provider")
    found = by_seed_name(provider) if provider else None
    if provider and found is None:
        fields.problems.append("provider is no exchange that is known")
    key, secret = api.secret("key"), api.secret("secret")
    passphrase = api.secret("passphrase", needed=False)
    regions = {name: api.name(name, needed=False) for name in _REGIONS}
    environment = api.one_of("environment", _ENVIRONMENTS, "live")
    keys_type = api.text("keysType", needed=False)
    subaccount = api.truth("subaccount")
    user_id = data.text("userId", needed=False)
    _check(fields, account_id)
    assert found is not None
    assert key is not None
    assert secret is not None
    exchange, market = found
    # Each field is one exchange's, and may stand there whatever the exchange is.
    region = next((regions[name] for name in _REGIONS if name.startswith(exchange.name)), "")
    region = "" if region == _MAIN_PLACE else region
    credentials = Credentials(
        key,
        secret,
        passphrase,
        kind_of(secret, keys_type),
        cast("Environment", environment),
        region,
        subaccount,
    )
    if not account_id:
        account_id = _made_id(user_id, key, secret, provider, passphrase)
    paper = provider.startswith("paper")
    return Open(account_id, exchange.name, market, credentials, ANYBODY, paper)


def kind_of(secret: Secret, keys_type: str = "") -> KeyKind:
    """Who does not say what kind of key it is says it by its form."""
    text = secret.reveal()
    if "BEGIN EC PRIVATE KEY" in text:
        return "es256"
    if "BEGIN PRIVATE KEY" in text:
        return "es256" if keys_type == "cloud" else "ed25519"
    return "ed25519" if keys_type == "cloud" else "hmac"


def _made_id(
    user_id: str, key: Secret, secret: Secret, provider: str, passphrase: Secret | None
) -> str:
    """A name for an account that came without: the same for the same credentials."""
    parts = (user_id, key.reveal(), secret.reveal(), provider)
    phrase = "" if passphrase is None else passphrase.reveal()
    return hashlib.sha256("\0".join((*parts, phrase)).encode()).hexdigest()[:40]


def _checked(command: Close | Restart, fields: Fields, account_id: str) -> Close | Restart:
    _check(fields, account_id)
    return command


def _check(fields: Fields, account_id: str) -> None:
    if fields.problems:
        raise Refused(fields.problems, account_id)
