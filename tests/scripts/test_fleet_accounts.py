"""``python -m scripts.fleet accounts``: by hand what commands do, and no secret among arguments."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import os
import sys
from collections.abc import Coroutine, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from common.fleet.account_record import AccountRecord
from common.fleet.accounts import Accounts
from common.fleet.client import connect
from common.fleet.keys import Keys
from common.fleet.leases import Leases
from common.fleet.vault import Vault
from common.model.secret import Secret
from scripts.fleet import credentials
from scripts.fleet.__main__ import main

KEYS = [base64.b64encode(bytes([byte]) * 32).decode() for byte in (1, 2)]
OPEN = ("open", "--id", "a1", "--exchange", "binance", "--market", "linear")
SECRETS = {"ACCOUNT_KEY": "canary-key", "ACCOUNT_SECRET": "canary-secret"}


class Told(NamedTuple):
    """What a command said."""

    status: int
    out: str
    err: str


class Shell:
    """Runs commands as somebody in this environment does."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.patch = monkeypatch
        self._capsys = capsys

    def run(self, *arguments: str) -> Told:
        try:
            status = main(["accounts", *arguments])
        except SystemExit as left:
            status = int(str(left.code))
        out, err = self._capsys.readouterr()
        assert "canary" not in out + err
        return Told(status, out, err)

    def json(self, *arguments: str) -> Any:
        told = self.run(*arguments, "--json")
        assert told.status == 0, told.err
        return json.loads(told.out)


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    """Without credentials, a key and Redis."""
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")
    monkeypatch.setenv("REDIS_PREFIX", "cli:")
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    return Shell(monkeypatch, capsys)


@pytest.fixture
def shell(bare: Shell, redis_url: str) -> Shell:
    """With all of it."""
    for name, value in {"REDIS_URL": redis_url, "CREDENTIALS_KEY": KEYS[0], **SECRETS}.items():
        bare.patch.setenv(name, value)
    return bare


def on_redis(ask: Any) -> Any:
    async def asking() -> Any:
        redis = connect(os.environ["REDIS_URL"])
        try:
            return await ask(redis)
        finally:
            await redis.aclose()

    return asyncio.run(asking())


def records() -> Mapping[str, AccountRecord]:
    def read(redis: Any) -> Coroutine[Any, Any, Mapping[str, AccountRecord]]:
        return Accounts(redis, Keys("cli:")).all()

    found: Mapping[str, AccountRecord] = on_redis(read)
    return found


def opened(keys: list[str], name: str = "a1") -> credentials.Given:
    held = Vault([Secret(key) for key in keys]).open(name, records()[name].sealed)
    return credentials.Given(held.key, held.secret, held.passphrase)


CANARY = credentials.Given(Secret("canary-key"), Secret("canary-secret"))


# --- opening and closing ------------------------------------------------------------------------


@pytest.mark.engines
def test_an_account_is_opened_kept_open_and_closed(shell: Shell) -> None:
    assert shell.run(*OPEN) == Told(0, "a1 is open\n", "")
    assert opened(KEYS[:1]) == CANARY
    again = shell.json(*OPEN, "--subscriber", "bot-8", "--lease-s", "60")
    assert (again["state"], again["code"]) == ("accepted", "unchanged")
    assert shell.run("close", "--id", "a1", "--subscriber", "cli").out == (
        "a1 stays open: it is wanted by others\n"
    )
    assert shell.run("close", "--id", "a1").out == "a1 is closed\n"
    assert shell.run("close", "--id", "a1") == Told(0, "a1 was not open\n", "")
    assert records() == {}


@pytest.mark.engines
def test_everything_that_can_be_said_of_an_account(shell: Shell) -> None:
    options = ("--environment", "sandbox", "--kind", "ed25519", "--subaccount")
    assert shell.run(*OPEN, *options).status == 0
    held = Vault([Secret(KEYS[0])]).open("a1", records()["a1"].sealed)
    assert (held.environment, held.kind, held.region, held.subaccount) == (
        "sandbox",
        "ed25519",
        "",
        True,
    )
    refused = shell.run(*OPEN, "--paper")
    assert (refused.status, "PAPER_WS is not set" in refused.err) == (1, True)
    shell.patch.setenv("PAPER_WS", "localhost:7506")
    assert shell.run(*OPEN, "--paper").out.startswith("a1 is open, with other credentials")
    assert records()["a1"].paper


@pytest.mark.engines
def test_what_is_refused_is_refused_with_its_code_and_every_reason(shell: Shell) -> None:
    shell.patch.setenv("EXCHANGES", "okx")
    told = shell.run(*OPEN, "--region", "eu", "--kind", "es256", "--json")
    assert told.status == 1
    assert "a1 is refused (exchange_disabled):" in told.err
    assert told.err.count("\n  ") == 3
    assert json.loads(told.out)["code"] == "exchange_disabled"
    assert records() == {}
    told = shell.run("restart", "--id", "a1")
    assert (told.status, told.out) == (1, "")
    assert "not_open" in told.err


def test_without_a_key_nothing_is_asked_for(bare: Shell) -> None:
    told = bare.run(*OPEN)
    assert told.status == 1
    assert "CREDENTIALS_KEY is not set" in told.err
    assert "accounts key" in told.err


def test_a_redis_that_is_away_is_named(bare: Shell) -> None:
    told = bare.run("list")
    assert told.status == 1
    assert "127.0.0.1:1" in told.err


# --- where secrets come from --------------------------------------------------------------------


@pytest.mark.engines
@pytest.mark.parametrize(
    "text",
    [
        '{"key": "canary-key", "secret": "canary-secret"}',
        '{"apiKey": "canary-key", "apiSecret": "canary-secret", "label": "x"}',
        '{"name": "canary-key", "privateKey": "canary-secret"}',
        "API_KEY=canary-key\nAPI_SECRET='canary-secret'\n",
        "# mine\nexport ACCOUNT_KEY=canary-key\nACCOUNT_SECRET=canary-secret\nPASSPHRASE=\n",
    ],
)
def test_a_file_or_stdin_wins_over_the_environment(shell: Shell, tmp_path: Path, text: str) -> None:
    shell.patch.setenv("ACCOUNT_KEY", "canary-other")
    file = tmp_path / "canary"
    file.write_text(text)
    assert shell.run(*OPEN, "--secrets-file", str(file)).status == 0
    assert opened(KEYS[:1]) == CANARY
    shell.patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    assert "stays as it is" in shell.run(*OPEN, "--secrets-file", "-").out


@pytest.mark.engines
def test_whoever_sits_there_is_asked_unseen(shell: Shell) -> None:
    for name in SECRETS:
        shell.patch.delenv(name)
    shell.patch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    asked = []

    def answer(prompt: str) -> str:
        asked.append(prompt)
        return {"key: ": "canary-key", "secret: ": "canary-secret"}[prompt]

    shell.patch.setattr(credentials, "getpass", answer)
    assert shell.run(*OPEN).status == 0
    assert asked == ["key: ", "secret: "], "its keys have no passphrase"
    assert opened(KEYS[:1]) == CANARY


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("canary", "no key and no secret"),
        ('{"canary', "begins like JSON and is none"),
        ('{"key": "canary"}', "no secret"),
        ('{"key": "canary", "secret": 7}', "one that is no text"),
        ('{"key": "canary", "apiKey": "canary"}', "more than one key"),
        ("\xff", "is no text in UTF-8"),
        ("x" * 70_000, "too large"),
    ],
)
def test_a_file_that_is_none_is_not_quoted(
    bare: Shell, tmp_path: Path, text: str, said: str
) -> None:
    bare.patch.setenv("CREDENTIALS_KEY", KEYS[0])
    file = tmp_path / "secrets"
    file.write_bytes(text.encode("latin-1"))
    told = bare.run(*OPEN, "--secrets-file", str(file))
    assert told.status == 2
    assert said in told.err


def test_without_any_credentials_the_ways_to_give_them_are_told(bare: Shell) -> None:
    bare.patch.setenv("CREDENTIALS_KEY", KEYS[0])
    told = bare.run(*OPEN)
    assert told.status == 2
    assert "--secrets-file" in told.err
    assert "ACCOUNT_SECRET" in told.err
    bare.patch.setenv("ACCOUNT_KEY", "canary-key")
    assert "the environment: no secret" in bare.run(*OPEN).err
    assert "cannot be read" in bare.run(*OPEN, "--secrets-file", "/nowhere/at/all").err


MADE_UP = "canaryCANARY0123456789abcdefghijABCDEFGHIJ0123456789"


@pytest.mark.parametrize(
    "arguments",
    [
        ("--secret", "canary"),
        ("--key=canary",),
        ("--passphrase", "canary"),
        ("--api-key", "canary"),
        ("--id", MADE_UP),
        ("--subscriber", MADE_UP),
        ("--region", "-----BEGIN PRIVATE KEY-----canary"),
        ("--exchange", MADE_UP),
    ],
)
def test_a_secret_among_the_arguments_is_refused_and_not_repeated(
    bare: Shell, arguments: tuple[str, ...]
) -> None:
    told = bare.run(*OPEN, *arguments)
    assert told.status == 2
    assert "secrets are not taken from arguments" in told.err


@pytest.mark.parametrize(
    "arguments",
    [("canary",), ("--pass", "canary"), ("--what", "canary"), ("--exchange", "canary"), ("--lease-s", "canary")],
)  # fmt: skip
def test_what_is_not_understood_is_not_repeated_either(
    bare: Shell, arguments: tuple[str, ...]
) -> None:
    assert bare.run(*OPEN, *arguments).status == 2


def test_ids_that_are_common_look_like_no_secret() -> None:
    for name in (
        "6f1c2b34-0a5e-4c6e-9a51-0d3f7f3c2a11",
        "da39a3ee5e6b4b0d3255bfef95601890afd80709",
    ):
        assert not credentials.looks_secret(name)


# --- list and show ------------------------------------------------------------------------------


@pytest.mark.engines
def test_who_wants_it_until_when_and_who_has_it(shell: Shell) -> None:
    assert shell.run("list") == Told(0, "no account is wanted\n", "")
    assert shell.run("show", "--id", "a1").status == 1
    shell.run(*OPEN)
    shell.run(*OPEN, "--subscriber", "bot-8", "--lease-s", "600")

    async def own(redis: Any) -> None:
        leases = Leases(redis, Keys("cli:"), "user-0:abc", 30)
        assert await leases.claim("binance:linear:account:a1")

    on_redis(own)
    told = shell.json("show", "--id", "a1")
    assert shell.json("list") == [told]
    assert told["wantedBy"]["cli"] == 0
    assert told["wantedBy"]["bot-8"] > 1_700_000_000_000
    assert (told["owner"], told["sealedWith"]) == ("user-0:abc", "the first key")
    assert told["fingerprint"] == records()["a1"].fingerprint
    assert records()["a1"].sealed not in json.dumps(told)
    shell.patch.delenv("CREDENTIALS_KEY")
    text = shell.run("show", "--id", "a1").out
    assert "at:          binance linear\n" in text
    assert "cli (until closed)" in text
    assert "sealed with a key that is not set here" in text
    assert "owner:       user-0:abc, epoch " in text
    lines = shell.run("list").out.splitlines()
    assert [line.split()[:4] for line in lines[1:]] == [
        ["a1", "binance", "linear", "bot-8"],
        ["a1", "binance", "linear", "cli"],
    ]
    assert shell.run("restart", "--id", "a1").out == "a1 begins anew\n"
    assert shell.json("show", "--id", "a1")["restarts"] == 1


# --- keys ---------------------------------------------------------------------------------------


def test_a_key_is_made_that_the_settings_take(bare: Shell) -> None:
    one, other = bare.run("key").out.strip(), bare.json("key")["key"]
    assert one != other
    for key in (one, other):
        assert Vault([Secret(key)])


@pytest.mark.engines
def test_a_rotation_needs_the_old_key_no_more(shell: Shell) -> None:
    shell.run(*OPEN)
    shell.run(*OPEN[:2], "a2", *OPEN[3:])
    shell.patch.setenv("CREDENTIALS_KEY", f"{KEYS[1]},{KEYS[0]}")
    assert shell.json("show", "--id", "a1")["sealedWith"] == "an older key"
    assert shell.run("rotate").out.startswith("2 sealed anew, 0 had been already")
    assert shell.json("rotate") == {"sealedAnew": [], "current": 2, "notSealed": []}
    assert opened([KEYS[1]]) == CANARY
    shell.patch.setenv("CREDENTIALS_KEY", KEYS[1])
    assert "stays as it is" in shell.run(*OPEN).out


@pytest.mark.engines
def test_what_no_key_opens_is_named(shell: Shell) -> None:
    shell.run(*OPEN)
    shell.patch.setenv("CREDENTIALS_KEY", KEYS[1])
    told = shell.run("rotate", "--json")
    assert told.status == 1
    assert "1 could not be sealed anew" in told.err
    assert json.loads(told.out)["notSealed"] == ["a1"]
    shell.patch.delenv("CREDENTIALS_KEY")
    assert "CREDENTIALS_KEY is not set" in shell.run("rotate").err


@pytest.mark.parametrize(
    "action", ["", "open", "close", "restart", "list", "show", "key", "rotate"]
)
def test_every_action_has_help(bare: Shell, action: str) -> None:
    told = bare.run(*action.split(), "--help")
    assert (told.status, told.err) == (0, "")
    assert "--json" in told.out
