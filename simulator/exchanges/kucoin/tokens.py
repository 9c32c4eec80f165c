"""The bullet: tokens that open a socket of one product, for a day; an account's own for its events."""

from __future__ import annotations

from base64 import b64encode
from collections import OrderedDict
from typing import Any, NamedTuple

from common.clocks import machine_s
from simulator.accounts.account import Account
from simulator.exchanges.kucoin.names import (
    DAY_S,
    PING_INTERVAL_MS,
    PING_TIMEOUT_MS,
    SOCKET_HOSTS,
    Product,
)

# Tokens that are remembered at once.
_MOST = 10_000


class Token(NamedTuple):
    """What a token is good for, and until when (machine time).

    ``access`` is the number of the account's access that it was given for.
    """

    product: Product
    until_s: float
    account: Account | None = None
    access: int = 0


class Tokens:
    """What was handed out, and what for."""

    def __init__(self) -> None:
        self._issued: OrderedDict[str, Token] = OrderedDict()
        self._count = 0

    def issue(
        self, product: Product, door: str, account: Account | None = None, access: int = 0
    ) -> dict[str, Any]:
        """A new token, and where to dial with it: a way back to where the client came by."""
        self._count += 1
        token = b64encode(f"{product} {self._count}".encode()).decode() + ".simulated=="
        self._issued[token] = Token(product, machine_s() + DAY_S, account, access)
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

    def find(self, text: str, product: Product) -> Token | None:
        """The token that is good for a socket of this product now."""
        token = self._issued.get(text)
        if token is None or token.product != product or machine_s() >= token.until_s:
            return None
        return token
