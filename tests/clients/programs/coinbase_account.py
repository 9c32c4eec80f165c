"""coinbase-advanced-py, the exchange's own, unmodified but for the address: prints what it hears and reads of an account."""

import contextlib
import copy
import json
import sys
import time

from coinbase.rest import RESTClient
from coinbase.websocket import WebsocketResponse, WSUserClient
from requests.adapters import HTTPAdapter

GATEWAY, KEY, SECRET, _, PLACE = sys.argv[1:]
MARKET, PRODUCT = PLACE.split("=")
READ_EVERY_S = 1.0


def say(kind, name, **row):
    sys.stdout.write(json.dumps({"kind": kind, "market": MARKET, "id": name, "row": row}) + "\n")
    sys.stdout.flush()


def order(kind, row, **told):
    told |= {"status": row.status, "value": row.filled_value, "fee": row.total_fees}
    say(kind, row.order_id, **told)


def hear(text):
    message = json.loads(text)
    if message["channel"] == "user":
        # Its type wants what the exchange has left off saying.
        orders("order", {"client_id": "", **copy.deepcopy(message)})
        with contextlib.suppress(KeyError):
            orders("orderAsItComes", message)


def orders(kind, message):
    for event in WebsocketResponse(message).events:
        for row in event.orders:
            order(kind, row, filled=row.cumulative_quantity, average=row.avg_price)


def read(rest):
    for row in rest.list_orders(product_ids=[PRODUCT]).orders:
        order("orderRow", row, filled=row.filled_size, average=row.average_filled_price)
    for row in rest.get_fills(product_ids=[PRODUCT]).fills:
        maker = row.liquidity_indicator == "MAKER"
        told = {"price": row.price, "quantity": row.size, "fee": row.commission, "maker": maker}
        say("tradeRow", row.trade_id, orderId=row.order_id, **told)
    for row in rest.get_accounts(limit=250).accounts:
        free, locked = row.available_balance["value"], row.hold["value"]
        say("balanceRow", row.currency, free=free, locked=locked)


class Door(HTTPAdapter):
    """Requests are signed for the true address, TLS and all, and leave for ours."""

    def send(self, request, **how):
        request.url = request.url.replace("https://", f"{GATEWAY}/", 1)
        return super().send(request, **how)


rest = RESTClient(KEY, SECRET)
rest.session.mount("https://", Door())
user = GATEWAY.replace("http", "ws", 1) + "/advanced-trade-ws-user.coinbase.com"
socket = WSUserClient(KEY, SECRET, base_url=user, on_message=hear)
socket.open()
socket.heartbeats()
socket.user(product_ids=[PRODUCT])
while True:
    read(rest)
    socket.raise_background_exception()
    time.sleep(READ_EVERY_S)
