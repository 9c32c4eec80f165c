"""The bullet: tokens that open a socket of one product, for a day."""

from __future__ import annotations

from base64 import b64encode
from collections import OrderedDict
from typing import Any

from common.clocks import machine_s
from simulator.exchanges.kucoin.names import (
    DAY_S,
    PING_INTERVAL_MS,
    PING_TIMEOUT_MS,
    SOCKET_HOSTS,
    Product,
)

# Tokens that are remembered at once.
_MOST = 10_000


class Tokens:
    """What was handed out, and what for."""

    def __init__(self) -> None:
        self._issued: OrderedDict[str, tuple[Product, float]] = OrderedDict()
        self._count = 0

    def issue(self, product: Product, door: str) -> dict[str, Any]:
        """A new token, and where to dial with it: a way back to where the client came by."""
        self._count += 1
        token = b64encode(f"{product} {self._count}".encode()).decode() + ".simulated=="
        self._issued[token] = (product, machine_s() + DAY_S)
        while len(self._issued) > _MOST:
            self._issued.popitem(last=False)
        host = next(host for host, serves in SOCKET_HOSTS.items() if serves == product)
        server = {
            "endpoint": f"ws://{door}/{host}/" if door else f"wss://{host}/",
            "encrypt": True,
            "protocol": "websocket",
            "pingInterval": PING_INTERVAL_MS,
            "pingTimeout": PING_TIMEOUT_MS,
        }
        return {"token": token, "instanceServers": [server]}

    def opens(self, token: str, product: Product) -> bool:
        """Whether a token is good for a socket of this product now."""
        issued = self._issued.get(token)
        return issued is not None and issued[0] == product and machine_s() < issued[1]
