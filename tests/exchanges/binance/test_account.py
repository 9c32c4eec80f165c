"""Binance's accounts: signatures, what opens them, and what refusals mean."""

from __future__ import annotations

from base64 import b64encode

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from common.exchanges.binance.account import (
    RULES,
    keeping,
    opening,
    sign,
    signature,
    trouble,
)
from common.exchanges.private import Credentials, InquiryFailed
from common.exchanges.protocol import RestRequest
from common.model.secret import Secret

KEY = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A"
SECRET = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"
ACCOUNT = Credentials(Secret(KEY), Secret(SECRET))
NOW_MS = 1747385641636
LIMIT = (
    "side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1"
    "&recvWindow=5000&timestamp=1499827319559"
)
SELL = "recvWindow=100&side=SELL&symbol=BTCUSDT&timeInForce=GTC&timestamp=1645423376532&type=LIMIT"


# --- signatures ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            f"symbol=LTCBTC&{LIMIT}",
            "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71",
        ),
        (
            f"symbol=%EF%BC%91%EF%BC%92%EF%BC%93%EF%BC%94%EF%BC%95%EF%BC%96&{LIMIT}",
            "e1353ec6b14d888f1164ae9af8228a3dbd508bc82eb867db8ab6046442f33ef3",
        ),
        (
            f"apiKey={KEY}&price=52000.00&quantity=0.01000000&{SELL}",
            "aa1b5712c094bc4e57c05a1a5c1fd8d88dcd628338ea863fec7b88e59fe2db24",
        ),
        (
            f"apiKey={KEY}&timestamp=1747385641636",
            "681110a6057ad58657af22f5640fab9dd17418834cdfccdc81be8b0f7b2cde3e",
        ),
        (
            "recvWindow=5000&timestamp=1499827319559",
            "82f4e72e95e63d666b6da651e82a701722ad8a785a169318d91f36f279c55821",
        ),
    ],
)
def test_the_documents_own_signatures(text: str, expected: str) -> None:
    assert signature(ACCOUNT, text) == expected


def test_a_signed_request_is_sent_as_it_was_signed() -> None:
    request = RestRequest("https://h/p", {"symbol": "１２３"}, {"spot": 4}, signed=True)
    signed = sign(request, ACCOUNT, NOW_MS)
    query = f"symbol=%EF%BC%91%EF%BC%92%EF%BC%93&recvWindow=5000&timestamp={NOW_MS}"
    assert signed.url == f"https://h/p?{query}&signature={signature(ACCOUNT, query)}"
    assert (dict(signed.params), signed.headers) == ({}, {"X-MBX-APIKEY": KEY})
    assert signed.cost == request.cost


def test_a_listen_key_is_asked_for_with_the_key_alone() -> None:
    asked = opening("linear", ACCOUNT)
    request = next(asked)
    assert (request.method, request.url) == ("POST", "https://fapi.binance.com/fapi/v1/listenKey")
    assert sign(request, ACCOUNT, NOW_MS).url == request.url
    with pytest.raises(StopIteration) as found:
        asked.send(b'{"listenKey":"pqia91ma"}')
    assert found.value.value == "wss://fstream.binance.com/private/ws/pqia91ma"


@pytest.mark.parametrize(
    ("answer", "is_ours"),
    [
        (b'{"listenKey":"pqia91ma"}', True),
        (b"{}", True),
        (b"", True),
        (b'{"listenKey":"another"}', False),
    ],
)
def test_a_listen_key_that_another_has_taken_the_place_of_has_run_out(
    answer: bytes, *, is_ours: bool
) -> None:
    asked = keeping("linear", ACCOUNT, "wss://fstream.binance.com/private/ws/pqia91ma")
    assert next(asked).method == "PUT"
    with pytest.raises(StopIteration if is_ours else InquiryFailed) as ended:
        asked.send(answer)
    assert is_ours or ended.value.trouble == "expired"


def test_an_ed25519_key_signs_as_well() -> None:
    seed = bytes(range(32))
    account = Credentials(Secret("k"), Secret(b64encode(seed).decode()), kind="ed25519")
    expected = Ed25519PrivateKey.from_private_bytes(seed).sign(b"a=1")
    assert signature(account, "a=1") == b64encode(expected).decode()


# --- troubles -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (200, b"{}", None),
        (401, b'{"code":-2015,"msg":"Invalid API-key, IP, or permissions for action."}', "key"),
        (400, b'{"code":-2014,"msg":"API-key format invalid."}', "key"),
        (400, b'{"code":-1022,"msg":"Signature for this request is not valid."}', "key"),
        (400, b'{"code":-1021,"msg":"Timestamp for this request is outside of the recvWindow."}', "clock"),
        (400, b'{"code":-1125,"msg":"This listenKey does not exist."}', "expired"),
        (429, b"", "rate"),
        (418, b"<html>", "rate"),
        (500, b"", "transient"),
        (400, b'{"code":-1007,"msg":"Timeout waiting for response"}', "transient"),
    ],
)  # fmt: skip
def test_what_an_answer_means_for_the_account(
    status: int, body: bytes, expected: str | None
) -> None:
    assert trouble(status, {}, body) == expected


def test_every_market_is_there_live_and_in_its_sandbox() -> None:
    for rules in RULES.values():
        assert set(rules.hosts) == {("live", ""), ("sandbox", "")}
