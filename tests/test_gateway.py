"""One door to all exchanges: the host becomes the first part of the path."""

import pytest

from common.gateway import through


@pytest.mark.parametrize(
    ("gateway", "url", "reached"),
    [
        (None, "wss://stream.binance.com:9443/stream", "wss://stream.binance.com:9443/stream"),
        (
            "http://127.0.0.1:9000",
            "wss://stream.binance.com:9443/stream",
            "ws://127.0.0.1:9000/stream.binance.com/stream",
        ),
        (
            "http://127.0.0.1:9000/",
            "https://api.binance.com/api/v3/klines?limit=1",
            "http://127.0.0.1:9000/api.binance.com/api/v3/klines?limit=1",
        ),
        (
            "https://proxy.example/door",
            "wss://fstream.binance.com/market/stream",
            "wss://proxy.example/door/fstream.binance.com/market/stream",
        ),
        # An address that was learned through the door leads through it already.
        (
            "http://127.0.0.1:9000",
            "ws://127.0.0.1:9000/ws-api-spot.kucoin.com/?token=t%3D",
            "ws://127.0.0.1:9000/ws-api-spot.kucoin.com/?token=t%3D",
        ),
    ],
)
def test_urls_lead_through_the_gateway(gateway: str | None, url: str, reached: str) -> None:
    assert through(gateway, url) == reached
