"""pybit, the exchange's own, unmodified but for the address: prints what it hears and reads of an account."""

import json
import sys
import threading
import time

from pybit import unified_trading

GATEWAY, KEY, SECRET, _, *PLACES = sys.argv[1:]
SYMBOLS = dict(place.split("=") for place in PLACES)
READ_EVERY_S = 1.0
lock = threading.Lock()
unified_trading.PRIVATE_WSS = GATEWAY.replace("http", "ws", 1) + "/stream.bybit.com/v5/private"


def say(kind, market, name, **row):
    told = {"kind": kind, "market": market, "id": name, "row": row}
    with lock:
        sys.stdout.write(json.dumps(told) + "\n")
        sys.stdout.flush()


def order(kind, market, row):
    told = {"status": row["orderStatus"], "filled": row["cumExecQty"], "average": row["avgPrice"]}
    told |= {"value": row["cumExecValue"], "fee": sum_of(row["cumFeeDetail"])}
    say(kind, market, row["orderId"], clientOrderId=row["orderLinkId"], **told)


def sum_of(fees):
    """Nothing was paid, or in one coin."""
    return next(iter(fees.values()), None)


def trade(kind, market, row):
    told = {"orderId": row["orderId"], "price": row["execPrice"], "quantity": row["execQty"]}
    told |= {"fee": row["execFee"], "feeAsset": row["feeCurrency"], "maker": row["isMaker"]}
    say(kind, market, row["execId"], **told)


def position(kind, market, row):
    entry = row.get("entryPrice") or row.get("avgPrice")
    say(kind, market, row["symbol"], size=row["size"], entryPrice=entry)


def balances(kind, row):
    for coin in row["coin"]:
        say(kind, "spot", coin["coin"], total=coin["walletBalance"])


def heard(tell, kind):
    def rows(message):
        for row in message["data"]:
            tell(kind, row["category"], row)

    return rows


def wallet(message):
    for row in message["data"]:
        balances("balance", row)


def read(session):
    for market, symbol in SYMBOLS.items():
        found = session.get_order_history(category=market)["result"]["list"]
        found += session.get_open_orders(category=market, symbol=symbol)["result"]["list"]
        for row in found:
            order("orderRow", market, row)
        for row in session.get_executions(category=market)["result"]["list"]:
            trade("tradeRow", market, row)
        if market != "spot":
            for row in session.get_positions(category=market, symbol=symbol)["result"]["list"]:
                position("positionRow", market, row)
    for row in session.get_wallet_balance(accountType="UNIFIED")["result"]["list"]:
        balances("balanceRow", row)


socket = unified_trading.WebSocket(
    channel_type="private", testnet=False, api_key=KEY, api_secret=SECRET
)
socket.order_stream(heard(order, "order"))
socket.execution_stream(heard(trade, "trade"))
socket.position_stream(heard(position, "position"))
socket.wallet_stream(wallet)

session = unified_trading.HTTP(testnet=False, api_key=KEY, api_secret=SECRET)
session.endpoint = f"{GATEWAY}/api.bybit.com"
while True:
    read(session)
    time.sleep(READ_EVERY_S)
