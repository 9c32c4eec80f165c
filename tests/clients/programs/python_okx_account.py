"""python-okx, unmodified but for the address: prints what it hears and reads of an account."""

import asyncio
import json
import sys
import threading
import time
from decimal import Decimal

from okx.Account import AccountAPI
from okx.PublicData import PublicAPI
from okx.Trade import TradeAPI
from okx.websocket.WsPrivateAsync import WsPrivateAsync

GATEWAY, KEY, SECRET, PASSPHRASE, *PLACES = sys.argv[1:]
SYMBOLS = dict(place.split("=") for place in PLACES)
MARKETS = {symbol: market for market, symbol in SYMBOLS.items()}
TYPES = ("SPOT", "SWAP")
REST = f"{GATEWAY}/www.okx.com"
PRIVATE = f"{GATEWAY}/ws.okx.com/ws/v5/private".replace("http", "ws", 1)
REAL = "0"  # not its demo
READ_EVERY_S = 1.0
lock = threading.Lock()
worth = {
    row["instId"]: Decimal(row["ctVal"])
    for row in PublicAPI(flag=REAL, domain=REST).get_instruments("SWAP")["data"]
}


def say(kind, market, name, **row):
    told = {"kind": kind, "market": market, "id": name, "row": row}
    with lock:
        sys.stdout.write(json.dumps(told, default=str) + "\n")
        sys.stdout.flush()


def size(symbol, text):
    """Linear contracts are of so much of the coin, inverse ones count."""
    return Decimal(text) * worth[symbol] if MARKETS[symbol] == "linear" else text


def paid(text):
    """A fee that was paid is below zero."""
    return -Decimal(text)


def order(kind, row):
    symbol = row["instId"]
    told = {"status": row["state"], "average": row["avgPx"], "fee": paid(row["fee"])}
    say(kind, MARKETS[symbol], row["ordId"], filled=size(symbol, row["accFillSz"]), **told)


def trade(kind, row, fee, asset):
    symbol, maker = row["instId"], row["execType"] == "M"
    told = {"orderId": row["ordId"], "price": row["fillPx"], "fee": paid(fee), "feeAsset": asset}
    quantity = size(symbol, row["fillSz"])
    say(kind, MARKETS[symbol], row["tradeId"], quantity=quantity, maker=maker, **told)


def balances(kind, row):
    for detail in row["details"]:
        told = {"total": detail["cashBal"], "locked": detail["frozenBal"]}
        say(kind, "spot", detail["ccy"], **told)


def position(kind, row):
    symbol = row["instId"]
    told = {"size": size(symbol, row["pos"]), "entryPrice": row["avgPx"]}
    say(kind, MARKETS[symbol], symbol, **told)


def hear(text):
    message = json.loads(text)
    for row in message.get("data", ()):
        match message["arg"]["channel"]:
            case "orders":
                order("order", row)
                if row["tradeId"]:
                    trade("trade", row, row["fillFee"], row["fillFeeCcy"])
            case "account":
                balances("balance", row)
            case "positions":
                position("position", row)


def read():
    keys = (KEY, SECRET, PASSPHRASE)
    account = AccountAPI(*keys, flag=REAL, domain=REST)
    orders = TradeAPI(*keys, flag=REAL, domain=REST)
    while True:
        for kind in TYPES:
            found = orders.get_orders_history(kind)["data"] + orders.get_order_list(kind)["data"]
            for row in found:
                order("orderRow", row)
            for row in orders.get_fills(kind)["data"]:
                trade("tradeRow", row, row["fee"], row["feeCcy"])
        for row in account.get_account_balance()["data"]:
            balances("balanceRow", row)
        for row in account.get_positions()["data"]:
            position("positionRow", row)
        time.sleep(READ_EVERY_S)


async def main():
    socket = WsPrivateAsync(KEY, PASSPHRASE, SECRET, PRIVATE)
    ended = await socket.start()
    channels = [{"channel": "orders", "instType": "ANY"}, {"channel": "account"}]
    channels.append({"channel": "positions", "instType": "ANY"})
    await socket.subscribe(channels, hear)
    threading.Thread(target=read, daemon=True).start()
    await ended


asyncio.run(main())
