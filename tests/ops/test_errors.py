"""An error says what it knows."""

from __future__ import annotations

import aiohttp
import httpx
import pytest
from aiormq.exceptions import ConnectionClosed as AmqpClosed
from multidict import CIMultiDict, CIMultiDictProxy
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosedError, InvalidStatus
from websockets.frames import Close
from websockets.http11 import Response
from yarl import URL

from common.ops.errors import describe_error


def test_an_error_without_words_still_says_what_it_is() -> None:
    assert describe_error(TimeoutError()) == {"type": "TimeoutError", "message": "TimeoutError()"}


def test_a_closed_socket_tells_code_and_reason() -> None:
    fields = describe_error(ConnectionClosedError(Close(1008, "too many"), None))
    assert (fields["closeCode"], fields["closeReason"]) == (1008, "too many")


def test_a_refused_handshake_tells_the_status() -> None:
    fields = describe_error(InvalidStatus(Response(429, "Too Many Requests", Headers())))
    assert fields["httpStatus"] == 429


def test_http_errors_tell_status_and_host_but_no_query() -> None:
    request = httpx.Request("GET", "https://api.binance.com/x?signature=hunter22")
    response = httpx.Response(418, request=request)
    with pytest.raises(httpx.HTTPStatusError) as caught:
        response.raise_for_status()
    fields = describe_error(caught.value)
    assert (fields["httpStatus"], fields["host"]) == (418, "api.binance.com")

    url = URL("https://fapi.binance.com/y?signature=hunter22")
    info = aiohttp.RequestInfo(url, "GET", CIMultiDictProxy(CIMultiDict()), url)
    fields = describe_error(aiohttp.ClientResponseError(info, (), status=503))
    assert (fields["httpStatus"], fields["host"]) == (503, "fapi.binance.com")


def test_an_httpx_error_without_its_request_is_described_too() -> None:
    assert describe_error(httpx.ConnectError("refused"))["message"] == "refused"


def test_amqp_errors_tell_what_the_broker_said() -> None:
    fields = describe_error(AmqpClosed(320, "CONNECTION_FORCED"))
    assert "320" in str(fields)
    assert "CONNECTION_FORCED" in str(fields)


def test_causes_and_members_are_told() -> None:
    try:
        try:
            raise OSError(111, "refused")  # noqa: TRY301
        except OSError as inner:
            raise ValueError("outer") from inner
    except ValueError as outer:
        group = ExceptionGroup("two", [outer, KeyError("x")])
    fields = describe_error(group)
    assert [member["type"] for member in fields["members"]] == ["ValueError", "KeyError"]
    assert fields["members"][0]["cause"]["errno"] == 111


def test_endless_chains_end() -> None:
    error: Exception = ValueError("0")
    for number in range(1, 50):
        outer = ValueError(str(number))
        outer.__cause__ = error
        error = outer
    fields, depth = describe_error(error), 0
    while "cause" in fields:
        fields, depth = fields["cause"], depth + 1
    assert depth == 4
