"""One door to all exchanges, where there is one.

With ``EXCHANGE_GATEWAY`` set, ``wss://fstream.binance.com/market/stream`` becomes
``ws://<gateway>/fstream.binance.com/market/stream``: the exchange's host is the first part of the
path. The simulator listens like this, and so can a reverse proxy with an address of its own. An
address learned through the door may lead through it already; it is left as it is.
"""

from __future__ import annotations

from urllib.parse import urlsplit, urlunsplit


def through(gateway: str | None, url: str) -> str:
    """``url`` as it is reached: itself without a gateway, else by way of it."""
    if gateway is None:
        return url
    target, door = urlsplit(url), urlsplit(gateway)
    if target.netloc == door.netloc:
        return url
    secure = door.scheme in ("https", "wss")
    websocket = target.scheme in ("ws", "wss")
    scheme = ("wss" if secure else "ws") if websocket else ("https" if secure else "http")
    path = f"{door.path.rstrip('/')}/{target.hostname}{target.path}"
    return urlunsplit((scheme, door.netloc, path, target.query, ""))
