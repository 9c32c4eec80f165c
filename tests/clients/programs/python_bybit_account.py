"""pybit, the exchange's own, unmodified but for the address: prints what it hears and reads of an account."""

import json
import sys
import time

from pybit import unified_trading

GATEWAY, KEY, SECRET = sys.argv[1:]
SYMBOLS = {"spot": "BTCUSDT", "linear": "BTCUSDT", "inverse": "BTCUSD"}
unified_trading.PRIVATE_WSS = GATEWAY.replace("http", "ws", 1) + "/stream.bybit.com/v5/private"


def say(kind, name, row, market=None):
    market = row["category"] if market is None else market
    sys.stdout.write(json.dumps({"kind": kind, "market": market, "id": name, "row": row}) + "\n")
    sys.stdout.flush()


def heard(kind, *names):
    def rows(message):
        for row in message["data"]:
            say(kind, ":".join(row[name] for name in names), row)

    return rows


def wallet(message):
    for row in message["data"]:
        for coin in row["coin"]:
            say("wallet", coin["coin"], coin, "")


socket = unified_trading.WebSocket(
    channel_type="private", testnet=False, api_key=KEY, api_secret=SECRET
)
socket.order_stream(heard("order", "orderId", "orderStatus"))
socket.execution_stream(heard("execution", "execId"))
socket.position_stream(heard("position", "symbol", "size"))
socket.wallet_stream(wallet)

session = unified_trading.HTTP(testnet=False, api_key=KEY, api_secret=SECRET)
session.endpoint = f"{GATEWAY}/api.bybit.com"
while True:
    for market, symbol in SYMBOLS.items():
        found = session.get_order_history(category=market)["result"]["list"]
        found += session.get_open_orders(category=market, symbol=symbol)["result"]["list"]
        for row in found:
            say("orderRow", f"{row['orderId']}:{row['orderStatus']}", row, market)
        for row in session.get_executions(category=market)["result"]["list"]:
            say("executionRow", row["execId"], row, market)
        if market != "spot":
            for row in session.get_positions(category=market, symbol=symbol)["result"]["list"]:
                say("positionRow", f"{row['symbol']}:{row['size']}", row, market)
    for coin in session.get_wallet_balance(accountType="UNIFIED")["result"]["list"][0]["coin"]:
        say("walletRow", coin["coin"], coin, "")
    time.sleep(0.3)
