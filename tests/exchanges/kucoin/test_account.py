"""KuCoin's accounts: signatures, opening by mode and token, and what refusals mean."""

from __future__ import annotations

import json

import msgspec
import pytest

from common.exchanges.kucoin.account import (
    RULES,
    TROUBLES,
    opening,
    sign,
    trouble,
)
from common.exchanges.kucoin.conversation import (
    ClassicConversation,
    UnifiedConversation,
    converse,
)
from common.exchanges.kucoin.describe import BUDGETS, ERRORS, MARKETS
from common.exchanges.kucoin.parse import ping
from common.exchanges.kucoin.private import KUCOIN_PRIVATE
from common.exchanges.private import Credentials, InquiryFailed, Trouble
from common.exchanges.protocol import RestRequest
from common.model.secret import Secret
from common.model.streams import Market
from tests.exchanges.asking import answered, refused

KEY = "key-4711"
ACCOUNT = Credentials(Secret(KEY), Secret("testsecret-1234"), Secret("testpass"))
NOW_MS = 1729176273859
CLASSIC = b'{"code":"200000","data":{"selfAccountMode":"CLASSIC","unifiedSubAccount":[]}}'
CLASSIC_SOCKET = "wss://ws-api-spot.kucoin.com/?token=2neA.gJEI%3D%3D"
UNIFIED = CLASSIC.replace(b"CLASSIC", b"UNIFIED")
BULLET = json.dumps(
    {
        "code": "200000",
        "data": {
            "token": "2neA.gJEI==",
            "instanceServers": [
                {
                    "endpoint": "wss://ws-api-spot.kucoin.com/",
                    "encrypt": True,
                    "protocol": "websocket",
                    "pingInterval": 18000,
                    "pingTimeout": 10000,
                }
            ],
        },
    }
).encode()


# --- signatures ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (
            RestRequest("https://h/api/v1/hf/orders/active", {"symbol": "BTC-USDT"}),
            "odULwZe4NjtTFLgRiIkjd72gl8SkPAgpwrd9oqwT1Oc=",
        ),
        (
            RestRequest(
                "https://h/api/v1/hf/orders",
                method="POST",
                body=b'{"clientOid":"abc","side":"buy"}',
            ),
            "r9QPpaKQOdUq8/+GKxtjYncB/neB55VDq4a10uRB25s=",
        ),
        (
            RestRequest("https://h/api/v1/bullet-private", method="POST"),
            "hqngDHcjiQgYiJUsWp0CU4Sf5CC8roNRCLjhOhpFeeg=",
        ),
    ],
)
def test_signatures_that_the_exchanges_own_client_makes(
    request_: RestRequest, expected: str
) -> None:
    signed = sign(msgspec.structs.replace(request_, signed=True), ACCOUNT, NOW_MS)
    assert signed.headers == {
        "KC-API-KEY": KEY,
        "KC-API-SIGN": expected,
        "KC-API-TIMESTAMP": str(NOW_MS),
        "KC-API-PASSPHRASE": "WHQMvcA193oieH23mwt5BHsT1VkA1C+f6cE8Axzr8tg=",
        "KC-API-KEY-VERSION": "3",
        "Content-Type": "application/json",
    }
    assert (signed.signed, signed.body, signed.method) == (False, request_.body, request_.method)


def test_a_query_is_sent_as_it_was_signed() -> None:
    request = RestRequest(
        "https://h/p", {"symbol": "Ａ-B", "limit": "1"}, {"private": 2}, signed=True
    )
    signed = sign(request, ACCOUNT, NOW_MS)
    assert signed.url == "https://h/p?symbol=%EF%BC%A1-B&limit=1"
    assert (dict(signed.params), signed.cost) == ({}, request.cost)


def test_what_need_not_be_signed_is_not() -> None:
    request = RestRequest("https://h/p")
    assert sign(request, ACCOUNT, NOW_MS) is request


# --- troubles -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (200, b'{"code":"200000","data":{}}', None),
        (401, b'{"code":"400001","msg":"Please check the header of your request"}', "config"),
        (401, b'{"code":"400002","msg":"Invalid KC-API-TIMESTAMP"}', "clock"),
        (401, b'{"code":"400003","msg":"KC-API-KEY not exists"}', "key"),
        (401, b'{"code":"400004","msg":"Invalid KC-API-PASSPHRASE"}', "key"),
        (401, b'{"code":"400005","msg":"Invalid KC-API-SIGN"}', "key"),
        (400, b'{"code":"400006","msg":"The IP address is not in the API whitelist"}', "address"),
        (200, b'{"code":"400007","msg":"Access denied, require more permission"}', "permission"),
        (200, b'{"code":"411100","msg":"user.frozen"}', "permission"),
        (429, b'{"code":"429000","msg":"Too Many Requests"}', "rate"),
        (200, b'{"code":"429002","msg":"Too many requests"}', "rate"),
        (403, b"<html>", "rate"),
        (401, b"", "key"),
        (200, b"<html>", "transient"),
        (500, b'{"code":"500000","msg":"Internal Server Error"}', "transient"),
        (200, b'{"code":"300016","data":false}', "transient"),
    ],
)
def test_what_an_answer_means_for_the_account(
    status: int, body: bytes, expected: Trouble | None
) -> None:
    assert trouble(status, {}, body) == expected


def test_what_is_the_keys_fault_is_so_for_requests_without_one_as_well() -> None:
    """The two tables are one exchange's: none calls transient what the other knows to be auth."""
    owners: set[Trouble] = {"key", "permission", "address"}
    known = {code: what for code, what in TROUBLES.items() if code in ERRORS}
    assert {code for code, what in known.items() if what in owners} == {
        code for code in known if ERRORS[code] == "auth" and known[code] != "config"
    }


# --- opening ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("market", "host"),
    [
        ("spot", "https://api.kucoin.com"),
        ("linear", "https://api-futures.kucoin.com"),
        ("inverse", "https://api-futures.kucoin.com"),
    ],
)
def test_the_mode_is_asked_first_and_then_a_token(market: Market, host: str) -> None:
    url, (mode, token) = answered(opening(market, ACCOUNT), [CLASSIC, BULLET])
    assert url == CLASSIC_SOCKET
    assert (mode.method, mode.url) == ("GET", "https://api.kucoin.com/api/ua/v2/account/mode")
    assert (token.method, token.url) == ("POST", f"{host}/api/v1/bullet-private")
    assert (dict(token.cost), token.body) == ({"private": 10}, b"")
    assert mode.signed
    assert token.signed


def test_a_region_has_hosts_of_its_own() -> None:
    account = msgspec.structs.replace(ACCOUNT, region="eu")
    _, asked = answered(opening("linear", account), [CLASSIC, BULLET])
    assert [request.url.split("/")[2] for request in asked] == [
        "api.kucoin.eu",
        "api-futures.kucoin.eu",
    ]


@pytest.mark.parametrize("market", MARKETS)
def test_a_unified_account_has_one_socket_for_everything_and_needs_no_token(market: Market) -> None:
    url, asked = answered(opening(market, ACCOUNT), [UNIFIED])
    assert (url, len(asked)) == ("wss://wsapi-push.kucoin.com", 1)
    assert isinstance(converse(market, url), UnifiedConversation)
    assert isinstance(converse(market, CLASSIC_SOCKET), ClassicConversation)


def test_an_account_of_an_unknown_mode_is_refused_by_name() -> None:
    with pytest.raises(InquiryFailed) as failed:
        answered(opening("spot", ACCOUNT), [CLASSIC.replace(b"CLASSIC", b"NOVEL")])
    assert failed.value.trouble == "mode"
    assert "NOVEL" in failed.value.failure.detail


def test_a_unified_account_where_its_socket_is_not_known_is_refused() -> None:
    account = msgspec.structs.replace(ACCOUNT, region="eu")
    with pytest.raises(InquiryFailed) as failed:
        answered(opening("spot", account), [UNIFIED])
    assert failed.value.trouble == "mode"


def test_a_wrong_key_is_found_by_the_first_call() -> None:
    with pytest.raises(InquiryFailed) as failed:
        answered(opening("spot", ACCOUNT), [refused("400003", "key")])
    assert failed.value.trouble == "key"


@pytest.mark.parametrize("body", [b"", b"{}", b'{"code":"200000","data":{"token":"t"}}'])
def test_a_token_that_cannot_be_read(body: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        answered(opening("spot", ACCOUNT), [CLASSIC, body])


# --- the rules ----------------------------------------------------------------------------------


def test_every_market_has_rules_and_none_a_sandbox() -> None:
    assert set(RULES) == set(MARKETS)
    for market, rules in RULES.items():
        assert set(rules.hosts) == {("live", ""), ("live", "eu")}
        assert rules.passphrase
        assert rules.accounts_per_connection == 1
        assert rules.hosts["live", ""].rest == MARKETS[market].rest.url
        assert set(rules.dial_cost) | set(rules.join_cost) <= set(BUDGETS)


def test_the_record_holds_it_all_together() -> None:
    assert KUCOIN_PRIVATE.markets is RULES
    assert KUCOIN_PRIVATE.ping is ping
    assert KUCOIN_PRIVATE.keep is None
