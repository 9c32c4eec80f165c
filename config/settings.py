"""One typed, frozen ``Settings``, made from the table and the sources in one go.

Every wrong value is found before anything is opened, and all of them are reported at once.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from msgspec import Struct

from common.clocks import MarketClock
from common.exchanges.registry import EXCHANGES
from common.model.secret import Secret
from common.model.streams import Pattern, Role
from config.secret import SecretUrl
from config.setting import Setting
from config.sources import Problem, Text, find, read_dotenv
from config.table import TABLE
from config.values import LogFormat, LogLevel, Topology, Wrong

EXIT_BAD_SETTINGS = 2
DEFAULT = "default"

# Given as parts for those who have no URL; only the URL is a setting of the program.
_PARTS = {
    "REDIS_URL": ("REDIS_HOST", "REDIS_PORT", "REDIS_PASSWORD"),
    "RABBIT_URL": ("RABBIT_HOST", "RABBIT_PORT", "RABBIT_USER", "RABBIT_PASSWORD"),
}


class Settings(Struct, frozen=True, kw_only=True):
    """Everything an operator sets. What each means stands in ``config.table``."""

    redis_url: SecretUrl
    redis_prefix: str
    compat_redis: bool
    compat_redis_url: SecretUrl | None
    rabbit_url: SecretUrl
    topology: Topology
    publish_buffer: int
    publish_linger_ms: float
    last_values_ttl_s: float
    history_bars: int
    look_back_s: float
    backfill_bars: int
    streams: tuple[Pattern, ...]
    exchanges: tuple[str, ...]
    exchange_gateway: str | None
    market_clock: MarketClock
    credentials_key: tuple[Secret, ...] | None
    account_reconcile_s: float
    paper_ws: str | None
    price_role: Role
    worker_name: str
    egress: str
    lease_ttl_s: float
    drain_s: float
    health_host: str
    health_port: int
    log_level: LogLevel
    log_format: LogFormat
    exchange_service_api_url: str | None
    watchdog_app: str | None
    coinbase_api_key: Secret | None
    coinbase_api_secret: Secret | None

    @property
    def secrets(self) -> tuple[str, ...]:
        """Every secret in here, in clear: what logs have to be kept free of."""
        plain = (*(self.credentials_key or ()), self.coinbase_api_key, self.coinbase_api_secret)
        revealed = [secret.reveal() for secret in plain if secret is not None]
        urls = (self.redis_url, self.rabbit_url, self.compat_redis_url)
        passwords = [url.password for url in urls if url is not None]
        return tuple(revealed + [password for password in passwords if password])


class BadSettings(Exception):  # noqa: N818 - it says what they are
    """Some settings are wrong; ``problems`` names each."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


class Effective(Struct, frozen=True):
    """The settings, and for every name of the table what counts and where it came from."""

    settings: Settings
    shown: Mapping[str, str]
    sources: Mapping[str, str]


def load(environ: Mapping[str, str], dotenv_path: str | Path | None = ".env") -> Settings:
    """The settings in force.

    Raises:
        BadSettings: names every wrong one.
    """
    return load_effective(environ, dotenv_path).settings


def load_or_exit(
    environ: Mapping[str, str] | None = None, dotenv_path: str | Path | None = ".env"
) -> Settings:
    """The settings in force; wrong ones are printed, one a line, and end the process with 2."""
    try:
        return load(os.environ if environ is None else environ, dotenv_path)
    except BadSettings as bad:
        sys.stderr.write("".join(f"bad setting: {problem}\n" for problem in bad.problems))
        raise SystemExit(EXIT_BAD_SETTINGS) from None


def load_effective(
    environ: Mapping[str, str], dotenv_path: str | Path | None = ".env"
) -> Effective:
    """The settings in force, with what is shown of each and its source.

    Raises:
        BadSettings: names every wrong one.
    """
    dotenv, problems = read_dotenv(dotenv_path)
    places = {"environment": environ, ".env": dotenv}
    texts: dict[str, Text] = {}
    read: dict[str, Any] = {}
    for setting in TABLE:
        text, problem = find(setting, places)
        if problem is not None:
            problems.append(problem)
            continue
        texts[setting.name] = text if text and text.value else Text(setting.default, DEFAULT)
        try:
            value = texts[setting.name].value
            read[setting.name] = setting.read(value) if value else None
        except Wrong as wrong:
            problems.append(Problem(setting.name, str(wrong), setting.allowed))
    problems += _contradictions(read, texts)
    if problems:
        raise BadSettings(problems)
    return _effective(read, texts)


def _contradictions(read: Mapping[str, Any], texts: Mapping[str, Text]) -> list[Problem]:
    """What is wrong between settings that are each right."""
    problems = []
    for engine in ("REDIS", "RABBIT"):
        _, port = read.get(f"{engine}_HOST") or ("", None)
        stated = texts.get(f"{engine}_PORT", Text("", DEFAULT))
        if port is not None and stated.source != DEFAULT and str(port) != stated.value:
            wrong = f"{stated.value} contradicts port {port} in {engine}_HOST"
            problems.append(Problem(f"{engine}_PORT", wrong, "the port in one place"))
    key, secret = "COINBASE_API_KEY", "COINBASE_API_SECRET"
    for missing, given in ((key, secret), (secret, key)):
        if read.get(given) is not None and missing in read and read[missing] is None:
            problems.append(Problem(missing, f"missing, though {given} is set", "both or neither"))
    return problems


def _effective(read: dict[str, Any], texts: Mapping[str, Text]) -> Effective:
    """From every single value to the object, its computed values included."""
    sources = {name: text.source for name, text in texts.items()}
    for url, parts in _PARTS.items():
        if read[url] is None:
            read[url] = _redis_url(read) if url == "REDIS_URL" else _rabbit_url(read)
            given = [name for name in parts if sources[name] != DEFAULT]
            sources[url] = f"from {', '.join(given)}" if given else DEFAULT
        else:
            sources |= dict.fromkeys(parts, f"not used: {url} wins")
    # What is still empty by now and is not "none" is computed from where we run.
    read["EXCHANGES"] = read["EXCHANGES"] or tuple(EXCHANGES)
    read["WORKER_NAME"] = read["WORKER_NAME"] or f"price-{read['PRICEROLE']}-{os.getpid()}"
    read["EGRESS"] = read["EGRESS"] or socket.gethostname()
    parts_only = {name for parts in _PARTS.values() for name in parts}
    fields = {_field(name): value for name, value in read.items() if name not in parts_only}
    shown = {setting.name: _shown(setting, read[setting.name], texts) for setting in TABLE}
    return Effective(Settings(**fields), shown, sources)


def _redis_url(read: Mapping[str, Any]) -> SecretUrl:
    password = read["REDIS_PASSWORD"]
    userinfo = f":{quote(password.reveal(), safe='')}@" if password else ""
    return SecretUrl(f"redis://{userinfo}{_address(read, 'REDIS')}/0")


def _rabbit_url(read: Mapping[str, Any]) -> SecretUrl:
    password = read["RABBIT_PASSWORD"]
    user = quote(read["RABBIT_USER"], safe="")
    userinfo = f"{user}:{quote(password.reveal(), safe='')}"
    return SecretUrl(f"amqp://{userinfo}@{_address(read, 'RABBIT')}/")


def _address(read: Mapping[str, Any], engine: str) -> str:
    host, port = read[f"{engine}_HOST"]
    return f"{f'[{host}]' if ':' in host else host}:{port or read[f'{engine}_PORT']}"


def _field(name: str) -> str:
    return "price_role" if name == "PRICEROLE" else name.lower()


def _shown(setting: Setting, value: object, texts: Mapping[str, Text]) -> str:
    """What may be printed of a value: secrets masked, what was computed as it came out."""
    if value is None:
        return f"({setting.computed or 'none'})"
    if setting.secret:
        return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
    text = texts[setting.name].value
    if text:
        return text
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
