"""Coinbase's accounts: tokens, refusals, and the conversation of one socket."""

from __future__ import annotations

import json
from base64 import b64encode, urlsafe_b64decode
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    SECP384R1,
    EllipticCurvePrivateKey,
    derive_private_key,
    generate_private_key,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st

from common.exchanges.coinbase import account
from common.exchanges.coinbase.account import (
    RULES,
    opening,
    sign,
    token,
    trouble,
)
from common.exchanges.coinbase.conversation import UserConversation, converse
from common.exchanges.private import Alive, Credentials, Denied, InquiryFailed, Opened, Said
from common.exchanges.protocol import RestRequest, Unreadable
from common.exchanges.signing import BadKey
from common.exchanges.told import OrderTold
from common.model.secret import Secret
from tests.exchanges.asking import answered, refused
from tests.exchanges.coinbase.test_told import ORDER, frame

NAME = "organizations/00000000-0000-0000-0000-000000000001/apiKeys/00000000-0000-0000-0000-000000000002"
P256: EllipticCurvePrivateKey = derive_private_key(
    int.from_bytes(bytes(range(1, 33)), "big"), SECP256R1()
)
PEM = P256.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()
ACCOUNT = Credentials(Secret(NAME), Secret(PEM), kind="es256")
SEED = bytes(range(32))
OTHER = Credentials(
    Secret("00000000-0000-0000-0000-000000000002"),
    Secret(b64encode(SEED).decode()),
    kind="ed25519",
)
NOW_S = 1729176273
NOW_MS = NOW_S * 1000


# --- tokens -------------------------------------------------------------------------------------


def part(text: str) -> Any:
    return json.loads(urlsafe_b64decode(text + "=="))


def checked(jwt: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims of a token whose signature is the P-256 key's."""
    text, _, signature = jwt.rpartition(".")
    raw = urlsafe_b64decode(signature + "==")
    assert len(raw) == 64
    r, s = (int.from_bytes(half, "big") for half in (raw[:32], raw[32:]))
    P256.public_key().verify(encode_dss_signature(r, s), text.encode(), ECDSA(SHA256()))
    header, claims = map(part, text.split("."))
    return header, claims


def test_a_token_is_that_of_the_exchanges_own_sdk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its Ed25519 signature is of every byte of it: fields, their order, spaces."""
    monkeypatch.setattr(account, "token_hex", lambda count: "00" * count)
    _, _, signature = token(OTHER, NOW_S).rpartition(".")
    assert signature == (
        "kZ67KhCf0Efct4ZOk_JfeiutnApAA820IRnk-ctpOV0au7JOAx1o9oCVzWz5t1nXZuynQbEhquLsfX0-RcuNBQ"
    )


def test_a_token_for_a_request_names_it_without_its_query() -> None:
    request = RestRequest(
        "https://api.coinbase.com/api/v3/brokerage/accounts", {"limit": "250"}, signed=True
    )
    signed = sign(request, ACCOUNT, NOW_MS + 999)
    scheme, _, jwt = signed.headers["Authorization"].partition(" ")
    header, claims = checked(jwt)
    assert (scheme, header["alg"], header["kid"], header["typ"]) == ("Bearer", "ES256", NAME, "JWT")
    assert claims == {
        "sub": NAME,
        "iss": "cdp",
        "nbf": NOW_S - 5,
        "exp": NOW_S + 115,
        "uri": "GET api.coinbase.com/api/v3/brokerage/accounts",
    }
    assert (signed.url, signed.params, signed.signed) == (request.url, request.params, False)


def test_what_is_public_carries_no_token() -> None:
    request = RestRequest("https://api.coinbase.com/api/v3/brokerage/time")
    assert sign(request, ACCOUNT, NOW_MS) is request


def test_no_two_tokens_are_the_same() -> None:
    nonces = [checked(token(ACCOUNT, NOW_S))[0]["nonce"] for _ in range(3)]
    assert len(set(nonces)) == 3


def test_a_key_may_come_with_its_line_ends_spelled_out() -> None:
    spelled = Credentials(Secret(NAME), Secret(PEM.replace("\n", "\\n")), kind="es256")
    assert checked(token(spelled, NOW_S))


def test_an_ed25519_key_may_be_pem_or_have_its_public_half_behind_it() -> None:
    key = Ed25519PrivateKey.from_private_bytes(SEED)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    whole = b64encode(SEED + key.public_key().public_bytes_raw()).decode()
    for secret in (pem, whole):
        jwt = token(Credentials(OTHER.key, Secret(secret), kind="ed25519"), NOW_S)
        text, _, signature = jwt.rpartition(".")
        signed = urlsafe_b64decode(signature + "==")
        key.public_key().verify(signed, text.encode())
        with pytest.raises(InvalidSignature):
            key.public_key().verify(signed, b"another text")


# --- opening ------------------------------------------------------------------------------------


def test_rest_is_asked_before_dialing_whether_the_key_may_be_used() -> None:
    for credentials in (ACCOUNT, OTHER):
        url, [asked] = answered(opening("spot", credentials), [b"{}"])
        assert url == "wss://advanced-trade-ws-user.coinbase.com"
        assert (asked.url, asked.params, asked.signed, asked.cost) == (
            "https://api.coinbase.com/api/v3/brokerage/accounts",
            {"limit": "1"},
            True,
            {"private": 1},
        )
        with pytest.raises(InquiryFailed):
            answered(opening("spot", credentials), [refused("Unauthorized", "key")])


@pytest.mark.parametrize("kind", ["es256", "ed25519"])
def test_a_secret_that_is_no_key_is_refused_before_dialing(kind: Any) -> None:
    wrong = Credentials(Secret(NAME), Secret("hunter2"), kind=kind)
    with pytest.raises(InquiryFailed) as refused:
        answered(opening("spot", wrong), [])
    assert refused.value.trouble == "key"
    assert "hunter2" not in str(refused.value)
    with pytest.raises(BadKey):
        token(wrong, NOW_S)


def test_a_key_of_the_other_kind_is_no_key() -> None:
    wrong = Credentials(Secret(NAME), OTHER.secret, kind="es256")
    with pytest.raises(InquiryFailed):
        answered(opening("spot", wrong), [])


def test_a_key_of_another_curve_is_no_key() -> None:
    other = generate_private_key(SECP384R1())
    pem = other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    with pytest.raises(BadKey):
        token(Credentials(Secret(NAME), Secret(pem), kind="es256"), NOW_S)


def test_there_is_one_place_and_no_sandbox() -> None:
    assert set(RULES) == {"spot"}
    assert set(RULES["spot"].hosts) == {("live", "")}
    assert RULES["spot"].streams_balances is False


# --- troubles -----------------------------------------------------------------------------------

# The documents' own example.
NOT_TRADABLE = (
    b'{"error":"PERMISSION_DENIED","error_details":"Target Account Not Tradable",'
    b'"message":"Target Account Not Tradable"}'
)


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (200, b"{}", None),
        (401, b"Unauthorized\n", "key"),
        (401, b"", "key"),
        (403, NOT_TRADABLE, "permission"),
        (403, b"<html>", "rate"),
        (429, b'{"errors":[{"id":"rate_limit_exceeded","message":"Too many requests"}]}', "rate"),
        (429, b"Unauthorized", "rate"),
        (400, b'{"error":"INVALID_ARGUMENT","message":"start_date"}', "config"),
        (404, b'{"error":"NOT_FOUND","message":"order not found"}', "transient"),
        (400, b'{"error":"unknown","message":"Invalid nonce"}', "transient"),
        (500, b'{"error":"UNAUTHENTICATED"}', "transient"),
        (503, b"Unauthorized", "transient"),
    ],
)  # fmt: skip
def test_what_an_answer_means_for_the_account(
    status: int, body: bytes, expected: str | None
) -> None:
    assert trouble(status, {}, body) == expected


@given(st.integers(400, 599), st.binary(max_size=60))
def test_every_failure_means_something(status: int, body: bytes) -> None:
    assert trouble(status, {}, body) is not None


# --- the conversation ---------------------------------------------------------------------------


def listing(sequence: int, **channels: list[str]) -> dict[str, Any]:
    return {
        "channel": "subscriptions",
        "client_id": "",
        "timestamp": "2024-10-04T07:31:01.754118917Z",
        "sequence_num": sequence,
        "events": [{"subscriptions": channels}],
    }


def heartbeat(sequence: int) -> dict[str, Any]:
    event = {
        "current_time": "2024-10-04 07:04:40.820713045 +0000 UTC m=+66987.628148662",
        "heartbeat_counter": 66987,
    }
    return {
        "channel": "heartbeats",
        "client_id": "",
        "timestamp": "2024-10-04T07:04:40.825062088Z",
        "sequence_num": sequence,
        "events": [event],
    }


USER = ["3e625b74-1c4e-5967-ad38-4d26f30d4439"]
BEATS = ["heartbeats"]


class Talk:
    """A conversation of the account ``a``."""

    def __init__(self, *, opened: bool = False) -> None:
        self.it = UserConversation()
        self.sent = [json.loads(text) for text in self.it.join("a", ACCOUNT, NOW_MS)]
        if opened:
            assert self.hear(listing(0, user=USER, heartbeats=BEATS)) == [Opened()]

    def hear(self, message: Any) -> list[Any]:
        turn = self.it.receive(json.dumps(message).encode(), {}, NOW_MS)
        assert not turn.send
        assert {said.account for said in turn.said} <= {"a"}
        return [said.what for said in turn.said]


def test_each_subscription_carries_a_token_of_its_own() -> None:
    first, second = Talk().sent
    assert (first["type"], first["channel"]) == ("subscribe", "user")
    assert (second["type"], second["channel"]) == ("subscribe", "heartbeats")
    assert set(first) == set(second) == {"type", "channel", "jwt"}
    for message in (first, second):
        _, claims = checked(message["jwt"])
        assert claims == {"sub": NAME, "iss": "cdp", "nbf": NOW_S - 5, "exp": NOW_S + 115}
    assert first["jwt"] != second["jwt"]


def test_an_account_is_open_when_both_are_listed() -> None:
    talk = Talk()
    assert talk.hear(frame(ORDER, sequence_num=0, kind="snapshot")) != [], "it may come before"
    assert talk.hear(listing(1, user=USER)) == []
    assert talk.hear(heartbeat(2)) == [], "no sign of life of what is not open"
    assert talk.hear(listing(3, user=USER, heartbeats=BEATS)) == [Opened()]
    assert talk.hear(listing(4, user=USER, heartbeats=BEATS)) == [], "once"
    assert talk.hear(heartbeat(5)) == [Alive()]
    (order,) = talk.hear(frame(ORDER, sequence_num=6))
    assert isinstance(order, OrderTold)
    assert order.seq == 6


def test_what_is_not_listed_any_more_has_to_be_opened_again() -> None:
    talk = Talk(opened=True)
    (denied,) = talk.hear(listing(1, heartbeats=BEATS))
    assert isinstance(denied, Denied)
    assert denied.trouble == "expired"
    assert talk.hear(heartbeat(2)) == []


def test_lost_messages_are_noticed_by_their_numbers() -> None:
    """Of whatever channel: a lost one may have been an order."""
    talk = Talk(opened=True)
    assert talk.hear(heartbeat(1)) == [Alive()]
    alive, denied = talk.hear(heartbeat(4))
    assert (alive, denied) == (Alive(), Denied("expired", "messages 2 to 3 were lost"))
    assert talk.hear(heartbeat(5)) == [Alive()], "told once"


def test_a_message_after_a_gap_is_told_before_it() -> None:
    order, denied = Talk(opened=True).hear(frame(ORDER, sequence_num=2))
    assert isinstance(order, OrderTold)
    assert isinstance(denied, Denied)


def test_late_repeated_and_unnumbered_messages_are_no_gap() -> None:
    talk = Talk(opened=True)
    for sequence in (1, 1, 0, 2):
        assert talk.hear(heartbeat(sequence)) == [Alive()]
    without = {name: value for name, value in heartbeat(9).items() if name != "sequence_num"}
    assert talk.hear(without) == [Alive()]
    assert talk.hear(heartbeat(3)) == [Alive()]


def test_the_first_number_may_be_any() -> None:
    """What came before is looked up as the account opens."""
    assert Talk().hear(listing(9, user=USER, heartbeats=BEATS)) == [Opened()]


@pytest.mark.parametrize(
    ("message", "reason", "expected"),
    [
        ("authentication failure", None, "key"),
        ("Sorry, you could not be authenticated: Unauthorized", "IP does not match IP whitelist", "address"),
        ("permission denied", None, "permission"),
        ("rate limit exceeded", None, "rate"),
        ("failure to subscribe", None, "transient"),
        ("Invalid nonce", None, "transient"),
    ],
)  # fmt: skip
def test_refusals_are_told_apart_by_their_words(
    message: str, reason: str | None, expected: str
) -> None:
    error = {"type": "error", "message": message} | ({"reason": reason} if reason else {})
    (denied,) = Talk().hear(error)
    assert denied == Denied(expected, f"{message}: {reason}" if reason else message)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "message",
    [
        {"channel": "l2_data", "sequence_num": 1, "events": []},
        {"type": "welcome"},
        {"channel": "subscriptions", "events": [{"subscriptions": ["user"]}]},
    ],
)
def test_what_is_not_known_is_said(message: dict[str, Any]) -> None:
    (problem,) = Talk().hear(message)
    assert isinstance(problem, Unreadable)


def test_signs_of_life_come_by_themselves_and_the_connection_is_the_accounts_alone() -> None:
    talk = Talk(opened=True)
    assert (talk.it.probe(), talk.it.leave("a")) == ((), ())


def test_no_secret_is_seen_in_what_is_said() -> None:
    talk = converse("spot")
    texts = talk.join("a", ACCOUNT, NOW_MS)
    assert all(PEM[40:60] not in text for text in texts)
    assert NAME not in repr(ACCOUNT)


@given(st.binary(max_size=80))
def test_no_bytes_raise(data: bytes) -> None:
    talk = UserConversation()
    for text in (data, b'{"channel":"subscriptions","events":' + data + b"}"):
        assert all(isinstance(said, Said) for said in talk.receive(text, {}, NOW_MS).said)
