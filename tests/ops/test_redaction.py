"""What is a secret goes out masked, whatever it is wrapped in; what is none stays readable."""

from __future__ import annotations

import json
import time

import pytest

from common.ops.redaction import Redactor

SECRET = "k9/Xq+2==vT@8"


@pytest.fixture
def redactor() -> Redactor:
    redactor = Redactor()
    redactor.hide(SECRET)
    return redactor


@pytest.mark.parametrize(
    "text",
    [
        f"plain {SECRET} text",
        "redis://:k9%2FXq%2B2%3D%3DvT%408@host/0",
        "https://host/?x=k9/Xq%2B2%3D%3DvT%408",
        json.dumps({"args": [f'"{SECRET}"']}),
        repr(SECRET.encode()),
        str(ValueError(f"could not log in with {SECRET}")),
    ],
)
def test_a_registered_value_never_passes(redactor: Redactor, text: str) -> None:
    masked = redactor.text(text)
    assert SECRET not in masked
    assert "***" in masked
    assert "k9" not in masked


@pytest.mark.parametrize(
    "text",
    [
        "amqp://gainium:hunter22@rabbit:5672/",
        "cannot reach rediss://:hunter22@redis:6379/0",
        "wss://hunter22@stream.example/ws",
        '{"op":"login","args":[{"apiKey":"hunter22","passphrase":"hunter22","sign":"hunter22"}]}',
        '{"op": "auth", "args": ["hunter22", 1662350400000, "hunter22"]}',
        '{"id":1,"method":"session.logon","params":{"whatever":"hunter22"}}',
        "{'api_key': 'hunter22', 'secret': 'hunter22'}",
        'sent b\'{"signature":"hunter22"}\'',
        '"{\\"apiKey\\":\\"hunter22\\",\\"x\\":1}"',
        "GET /fapi/v1/order?timestamp=1&signature=hunter22",
        "GET /ws?listenKey=hunter22&x=1",
        "X-MBX-APIKEY: hunter22",
        "OK-ACCESS-SIGN: hunter22",
        "KC-API-PASSPHRASE=hunter22",
        "Authorization: Bearer hunter22",
        "Authorization: Basic hunter22",
        "token = hunter22, expires 5",
        "Cookie: session=hunter22",
        'password="hunter22 \\" hunter22"',
    ],
)
def test_secrets_nobody_registered_are_seen_by_their_place(redactor: Redactor, text: str) -> None:
    assert "hunter22" not in redactor.text(text)


@pytest.mark.parametrize(
    "text",
    [
        "wss://stream.binance.com:9443/stream?streams=btcusdt@kline_1m/!miniTicker@arr",
        "wss://fstream.binance.com/market/ws/ethusdt@kline_5m",
        "asked to stop signal=SIGTERM",
        "binance:spot:candle:0 has no owner",
        "the signed request was refused: -1022",
        '{"method":"SUBSCRIBE","params":["btcusdt@kline_1m"],"id":1}',
        '{"e":"kline","k":{"t":1700000000000,"o":"0.0015","x":true}}',
        "monkey: 5, keyboard=6",
    ],
)
def test_what_is_no_secret_stays_readable(redactor: Redactor, text: str) -> None:
    assert redactor.text(text) == text


def test_what_everybody_knows_is_not_hidden() -> None:
    redactor = Redactor()
    redactor.hide("guest", "abc", "")
    assert redactor.text("user guest, abc") == "user guest, abc"


def test_the_longer_of_two_secrets_is_masked_whole() -> None:
    redactor = Redactor()
    redactor.hide("hunter")
    redactor.hide("hunter2hunter2")
    assert redactor.text("hunter2hunter2") == "***"


def test_fields_with_secret_names_are_masked_whole_and_counts_are_not(redactor: Redactor) -> None:
    assert redactor.field("apiKey", "anything") == "***"
    assert redactor.field("password", ["a", "b"]) == "***"
    assert redactor.field("tokens", 5) == 5
    assert redactor.value({"frame": {"listen_key": "x", "symbol": "BTC"}}) == {
        "frame": {"listen_key": "***", "symbol": "BTC"}
    }


def test_values_become_what_json_can_hold(redactor: Redactor) -> None:
    value = redactor.value({"a": (1, 2.5, None, True), "b": b"\xff" + SECRET.encode(), 3: {"x"}})
    assert json.loads(json.dumps(value)) == {
        "a": [1, 2.5, None, True],
        "b": "\\xff***",
        "3": ["x"],
    }


def test_endless_values_are_cut(redactor: Redactor) -> None:
    nested: object = "x"
    for _ in range(50):
        nested = [nested]
    assert len(json.dumps(redactor.value(nested))) < 200
    assert len(redactor.value(list(range(10_000)))) == 100
    assert len(redactor.text("x" * 10_000_000)) <= 64 * 1024


@pytest.mark.parametrize("text", ["a" * 60_000, "token" * 12_000, "secret='" + "\\" * 50_000])
def test_no_text_takes_long(redactor: Redactor, text: str) -> None:
    started = time.perf_counter()
    redactor.text(text)
    assert time.perf_counter() - started < 1.0
