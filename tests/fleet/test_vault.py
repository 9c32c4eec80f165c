"""Credentials at rest: what seals, what opens, and what nobody ever sees."""

from __future__ import annotations

import base64
import pickle
import traceback

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.exchanges.private import Credentials
from common.fleet.vault import CannotOpen, Vault, WrongKey
from common.model.secret import MASK, Secret


def key(byte: int) -> Secret:
    return Secret(base64.b64encode(bytes([byte]) * 32).decode())


CANARY = Credentials(Secret("canary-key"), Secret("canary-secret"), Secret("canary-phrase"))


def test_what_is_sealed_opens_for_its_account_alone() -> None:
    vault = Vault([key(1)])
    sealed = vault.seal("acc", CANARY)
    assert vault.open("acc", sealed) == CANARY
    with pytest.raises(CannotOpen):
        vault.open("other", sealed)


def test_the_same_credentials_are_never_sealed_alike() -> None:
    vault = Vault([key(1)])
    assert vault.seal("acc", CANARY) != vault.seal("acc", CANARY)


@given(st.integers(0, 10_000))
def test_what_was_touched_does_not_open(at: int) -> None:
    vault = Vault([key(1)])
    form, name, body = vault.seal("acc", CANARY).split(".")
    data = bytearray(base64.b64decode(body))
    data[at % len(data)] ^= 1
    with pytest.raises(CannotOpen):
        vault.open("acc", f"{form}.{name}.{base64.b64encode(data).decode()}")


def test_a_new_key_in_front_seals_and_the_old_one_opens_until_it_is_taken_away() -> None:
    old, rotating, new = Vault([key(1)]), Vault([key(2), key(1)]), Vault([key(2)])
    sealed = old.seal("acc", CANARY)
    assert rotating.open("acc", sealed) == CANARY
    assert not rotating.is_current(sealed)
    anew = rotating.seal("acc", rotating.open("acc", sealed))
    assert rotating.is_current(anew)
    assert new.open("acc", anew) == CANARY
    with pytest.raises(CannotOpen, match="another key"):
        new.open("acc", sealed)


@pytest.mark.parametrize("keys", [[], [Secret("not base64!")], [Secret("c2hvcnQ=")]])
def test_a_key_that_is_none_is_refused_and_not_shown(keys: list[Secret]) -> None:
    with pytest.raises(WrongKey) as refused:
        Vault(keys)
    assert "c2hvcnQ" not in str(refused.value)


@pytest.mark.parametrize("sealed", ["", "v1", "v1.x.y", "v2.aa.bb", "v1..", "v1.é.=="])
def test_what_was_never_sealed_does_not_open(sealed: str) -> None:
    with pytest.raises(CannotOpen):
        Vault([key(1)]).open("acc", sealed)


def test_a_fingerprint_tells_credentials_apart_and_nothing_about_them() -> None:
    vault = Vault([key(1)])
    other = msgspec.structs.replace(CANARY, secret=Secret("canary-secret2"))
    assert vault.fingerprint(CANARY) == vault.fingerprint(msgspec.structs.replace(CANARY))
    assert vault.fingerprint(CANARY) != vault.fingerprint(other)
    assert vault.fingerprint(CANARY) != Vault([key(2)]).fingerprint(CANARY)
    # A rotation does not make old credentials new ones.
    assert vault.fingerprint(CANARY) == Vault([key(2), key(1)]).fingerprint(CANARY)


def test_credentials_print_as_nothing() -> None:
    for text in (repr(CANARY), str(CANARY), f"{CANARY}", str([CANARY]), str({"a": CANARY})):
        assert "canary" not in text
        assert MASK in text
    for encode in (msgspec.json.encode, pickle.dumps):
        with pytest.raises(TypeError) as refused:
            encode(CANARY)
        assert "canary" not in "".join(traceback.format_exception(refused.value))


def test_no_error_holds_what_is_inside() -> None:
    sealed = Vault([key(1)]).seal("acc", CANARY)
    with pytest.raises(CannotOpen) as refused:
        Vault([key(1)]).open("other", sealed)
    assert "canary" not in "".join(traceback.format_exception(refused.value))
    assert "canary" not in sealed


def test_it_knows_without_opening_whether_one_of_its_keys_would_open() -> None:
    sealed = Vault([key(1)]).seal("acc", CANARY)
    assert Vault([key(2), key(1)]).has_key_of(sealed)
    assert not Vault([key(2)]).has_key_of(sealed)
    assert not Vault([key(1)]).has_key_of("canary")
