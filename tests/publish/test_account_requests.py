"""What backends ask of accounts: both spellings read, everything that is wrong told, no secret said."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.exchanges.private import Credentials
from common.model.secret import Secret
from common.publish.account_requests import (
    ANYBODY,
    Close,
    List,
    Open,
    Refused,
    Restart,
    read,
)

API: dict[str, Any] = {
    "key": "canary-key", "secret": "canary-secret", "passphrase": "canary-phrase",
    "provider": "bybitLinear", "keysType": "legacy", "bybitHost": "eu", "environment": "sandbox",
    "subaccount": True,
}  # fmt: skip
CREDENTIALS: dict[str, Any] = {"key": "canary-key", "secret": "canary-secret"}
TYPED: dict[str, Any] = {
    "command": "account.open", "accountId": "a1", "exchange": "binance", "market": "linear",
    "subscriber": "bot-7", "leaseS": 300, "credentials": CREDENTIALS,
}  # fmt: skip


def asked(payload: Any) -> Any:
    return read(json.dumps({"payload": payload}).encode())


def refused(payload: Any) -> list[str]:
    with pytest.raises(Refused) as error:
        asked(payload)
    assert "canary" not in str(error.value)
    return error.value.problems


def without(fields: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name not in names}


# --- the older spelling -------------------------------------------------------------------------


def test_an_older_backends_open() -> None:
    told = {"event": "open stream", "uuid": "u-1", "data": {"userId": "7", "api": API}}
    assert asked(told) == Open(
        "u-1",
        "bybit",
        "linear",
        Credentials(
            Secret("canary-key"),
            Secret("canary-secret"),
            Secret("canary-phrase"),
            "hmac",
            "sandbox",
            "eu",
            subaccount=True,
        ),
        ANYBODY,
    )


def test_after_a_key_was_changed_its_fields_come_bare() -> None:
    bare = asked({"event": "open stream", "uuid": "u-1", "data": API})
    nested = asked({"event": "open stream", "uuid": "u-1", "data": {"userId": "7", "api": API}})
    assert bare == nested


def test_its_close_is_for_all_who_ask_without_a_name() -> None:
    assert asked({"event": "close stream", "uuid": "u-1"}) == Close("u-1", ANYBODY)
    assert asked({"event": "force restart stream", "uuid": "u-1"}) == Restart("u-1")


def test_an_account_without_a_name_gets_one_that_its_credentials_always_give() -> None:
    told = {"event": "open stream", "data": {"userId": "7", "api": API}}
    one, again = asked(told), asked(told)
    other = asked({"event": "open stream", "data": {"userId": "7", "api": API | {"key": "x"}}})
    assert one.account_id == again.account_id != other.account_id
    assert "canary" not in one.account_id


@pytest.mark.parametrize(
    ("provider", "exchange", "market", "paper"),
    [
        ("binance", "binance", "spot", False),
        ("binanceCoinm", "binance", "inverse", False),
        ("paperBybitLinear", "bybit", "linear", True),
        ("okxLinear", "okx", "linear", False),
        ("coinbase", "coinbase", "spot", False),
    ],
)
def test_a_provider_is_an_exchange_a_market_and_perhaps_paper(
    provider: str, exchange: str, market: str, *, paper: bool
) -> None:
    it = asked({"event": "open stream", "uuid": "u", "data": API | {"provider": provider}})
    assert (it.exchange, it.market, it.paper) == (exchange, market, paper)


@pytest.mark.parametrize(
    ("secret", "keys_type", "kind"),
    [
        ("plain", "legacy", "hmac"),
        ("-----BEGIN EC PRIVATE KEY-----\n…", "cloud", "es256"),
        ("-----BEGIN PRIVATE KEY-----\n…", "cloud", "es256"),
        ("-----BEGIN PRIVATE KEY-----\n…", "", "ed25519"),
        ("c2VlZA==", "cloud", "ed25519"),
    ],
)
def test_the_form_of_a_key_says_what_kind_it_is(secret: str, keys_type: str, kind: str) -> None:
    api = API | {"secret": secret, "keysType": keys_type}
    it = asked({"event": "open stream", "uuid": "u", "data": api})
    assert it.credentials.kind == kind


@pytest.mark.parametrize(
    ("provider", "fields", "region"),
    [
        ("bybit", {"bybitHost": "nl", "okxSource": "my"}, "nl"),
        ("okxLinear", {"bybitHost": "nl", "okxSource": "my"}, "my"),
        ("okx", {"okxSource": "com"}, ""),
        ("bybit", {"bybitHost": "com"}, ""),
        ("binance", {"bybitHost": "nl", "okxSource": "my"}, ""),
    ],
)
def test_where_an_account_was_opened_is_said_by_its_own_exchanges_field(
    provider: str, fields: dict[str, str], region: str
) -> None:
    api = without(API, "bybitHost") | {"provider": provider} | fields
    it = asked({"event": "open stream", "uuid": "u", "data": api})
    assert it.credentials.region == region


# --- ours ---------------------------------------------------------------------------------------


def test_our_own_open() -> None:
    credentials = Credentials(Secret("canary-key"), Secret("canary-secret"))
    expected = Open("a1", "binance", "linear", credentials, "bot-7", paper=False, lease_s=300.0)
    assert asked(TYPED) == expected


def test_our_own_other_commands() -> None:
    assert asked({"command": "account.close", "accountId": "a1"}) == Close("a1", None)
    assert asked({"command": "account.close", "accountId": "a1", "subscriber": "b"}) == Close(
        "a1", "b"
    )
    assert asked({"command": "account.restart", "accountId": "a1"}) == Restart("a1")
    assert asked({"command": "account.list"}) == List()


# --- what is wrong ------------------------------------------------------------------------------


def test_everything_that_is_missing_is_told_at_once() -> None:
    told = {"event": "open stream", "data": {"userId": "7", "api": {"subaccount": "yes"}}}
    assert refused(told) == [
        "data.api.provider is missing",
        "data.api.key is missing",
        "data.api.secret is missing",
        "data.api.subaccount is neither true nor false",
    ]
    assert refused({"command": "account.open", "credentials": {}, "leaseS": 0}) == [
        "accountId is missing",
        "subscriber is missing",
        "exchange is none of binance, bitget, bybit, coinbase, kucoin, okx",
        "market is none of spot, linear, inverse",
        "credentials.key is missing",
        "credentials.secret is missing",
        "leaseS is not 1 to 604800",
    ]


@pytest.mark.parametrize(
    ("payload", "problem"),
    [
        (without(TYPED, "credentials"), "credentials is missing"),
        (TYPED | {"market": "canary"}, "market is none of spot, linear, inverse"),
        (TYPED | {"exchange": "coinbase"}, "coinbase has no market linear"),
        (TYPED | {"accountId": "a 1"}, "accountId holds a space, or what cannot be printed"),
        (TYPED | {"accountId": "x" * 201}, "accountId is longer than 200 characters"),
        (TYPED | {"accountId": "x" * 101}, "accountId is longer than 100 characters when it is escaped"),
        (TYPED | {"accountId": "é" * 20}, "accountId is longer than 100 characters when it is escaped"),
        (TYPED | {"leaseS": True}, "leaseS is not 1 to 604800"),
        (TYPED | {"credentials": CREDENTIALS | {"key": 7}}, "credentials.key is no text"),
        (TYPED | {"credentials": CREDENTIALS | {"kind": "canary"}}, "credentials.kind is none of hmac, ed25519, es256"),
        ({"event": "open stream", "data": API | {"provider": "canary"}}, "provider is no exchange that is known"),
        ({"event": "close stream"}, "uuid is missing"),
        ({"event": "open stream"}, "data is missing"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_and_never_quoted(payload: Any, problem: str) -> None:
    assert problem in refused(payload)


@pytest.mark.parametrize("payload", [{}, {"command": "canary"}, {"event": "canary"}])
def test_a_command_that_is_none(payload: Any) -> None:
    assert len(refused(payload)) == 1


@given(st.binary(max_size=100))
def test_no_bytes_are_more_than_refused(body: bytes) -> None:
    with pytest.raises(Refused):
        read(body)


@pytest.mark.parametrize("body", [b'{"payload":"canary"}', b'{"canary', b"[" * 100_000])
def test_what_is_no_json_is_not_quoted_either(body: bytes) -> None:
    with pytest.raises(Refused) as error:
        read(body)
    assert "canary" not in str(error.value)
    assert error.value.__cause__ is None
    assert error.value.__suppress_context__


def test_a_command_prints_no_secret() -> None:
    assert "canary" not in repr(asked(TYPED))
