"""What is kept of a message that holds secrets: what is known to be harmless, and nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.publish.redacting import redacted

API = {"key": "canary-1", "secret": "canary-2", "passphrase": "canary-3", "provider": "okxLinear"}


def kept(document: Any) -> Any:
    body = redacted(json.dumps(document).encode())
    assert b"canary" not in body
    return json.loads(body)


def test_of_the_older_spelling_all_is_kept_but_the_credentials() -> None:
    more = {"keysType": "cloud", "okxSource": "canary", "subaccount": True}
    told = {"event": "open stream", "uuid": "u-1", "data": {"userId": "7", "api": API | more}}
    hidden = {"key": "***", "secret": "***", "passphrase": "***", "provider": "okxLinear"}
    hidden |= {"keysType": "cloud", "okxSource": "***", "subaccount": True}
    assert kept({"payload": told}) == {"payload": told | {"data": {"userId": "***", "api": hidden}}}


def test_of_ours_too() -> None:
    told = {
        "command": "account.open", "accountId": "a1", "exchange": "binance", "market": "linear",
        "subscriber": "bot-7", "leaseS": 300,
    }  # fmt: skip
    credentials = {"key": "canary-1", "secret": "canary-2", "kind": "hmac", "environment": "live"}
    hidden = {"key": "***", "secret": "***", "kind": "hmac", "environment": "live"}
    assert kept({"payload": told | {"credentials": credentials}}) == {
        "payload": told | {"leaseS": "***", "credentials": hidden}
    }


@pytest.mark.parametrize(
    "document",
    [
        "canary",
        ["canary", {"key": ["canary"]}],
        {"payload": "canary"},
        {"payload": json.dumps({"key": "canary"})},
        {"payload": {"canary": 1, "apiKey": "canary", "secret": {"canary": "canary"}}},
        {"payload": {"event": "canary", "exchange": "canary", "provider": "canary"}},
        {"payload": {"uuid": "canary canary", "data": {"key": "x"}}},
        {"payload": {"uuid": "canary-1", "data": API}},
        {"payload": {"accountId": "my-canary-1-account", "credentials": API}},
        {"payload": {"passphrase": 1234567, "kind": ["canary"]}},
        {"a": {"b": {"c": {"d": {"e": {"f": {"g": {"key": "canary"}}}}}}}},
    ],
)
def test_a_secret_in_the_wrong_place_is_not_kept_either(document: Any) -> None:
    assert "1234567" not in json.dumps(kept(document))


@pytest.mark.parametrize("body", [b"", b"{canary", b"\xff\xfe", b"[" * 100_000, b"canary"])
def test_what_is_no_json_becomes_its_length(body: bytes) -> None:
    assert json.loads(redacted(body)) == {"bytes": len(body)}


SECRET = "canary-secret"
JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.just(SECRET),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["payload", "data", "api", "key", "provider", "event", "x", SECRET]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(JSON)
def test_no_shape_lets_a_secret_through(document: Any) -> None:
    assert "canary" not in redacted(json.dumps(document).encode()).decode()
