"""python-binance, unmodified but for the address: prints what it hears and reads of an account."""

import asyncio
import json
import sys

from binance import AsyncClient, BinanceSocketManager

REST, KEY, SECRET, _, *PLACES = sys.argv[1:]
SYMBOLS = dict(place.split("=") for place in PLACES)
WS = REST.replace("http", "ws", 1)
READ_EVERY_S = 1.0

BinanceSocketManager.STREAM_URL = f"{WS}/stream.binance.com/"
BinanceSocketManager.FSTREAM_URL = f"{WS}/fstream.binance.com/"
BinanceSocketManager.DSTREAM_URL = f"{WS}/dstream.binance.com/"
AsyncClient.API_URL = f"{REST}/api.binance.com/api"
AsyncClient.FUTURES_URL = f"{REST}/fapi.binance.com/fapi"
AsyncClient.FUTURES_COIN_URL = f"{REST}/dapi.binance.com/dapi"
AsyncClient.WS_API_URL = f"{WS}/ws-api.binance.com/ws-api/v3"


def say(kind, market, name, **row):
    told = {"kind": kind, "market": market, "id": str(name), "row": row}
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()


def order_heard(market, order):
    total = {"value": order["Z"]} if market == "spot" else {"average": order["ap"]}
    say("order", market, order["i"], status=order["X"], filled=order["z"], **total)
    if order["x"] == "TRADE":
        say(
            "trade",
            market,
            order["t"],
            orderId=str(order["i"]),
            price=order["L"],
            quantity=order["l"],
            fee=order["n"],
            feeAsset=order["N"],
            maker=order["m"],
        )


def hear(market, event):
    match event["e"]:
        case "executionReport":
            order_heard(market, event)
        case "ORDER_TRADE_UPDATE":
            order_heard(market, event["o"])
        case "outboundAccountPosition":
            for row in event["B"]:
                say("balance", market, row["a"], free=row["f"], locked=row["l"])
        case "ACCOUNT_UPDATE":
            for row in event["a"]["B"]:
                say("balance", market, row["a"], total=row["wb"])
            for row in event["a"]["P"]:
                say("position", market, row["s"], size=row["pa"], entryPrice=row["ep"])
        case "error":
            raise RuntimeError(event)


async def listen(market, socket):
    async with socket as stream:
        while True:
            hear(market, await stream.recv())


def order_read(market, row):
    total = (
        {"value": row["cummulativeQuoteQty"]} if market == "spot" else {"average": row["avgPrice"]}
    )
    name = row["orderId"]
    say("orderRow", market, name, status=row["status"], filled=row["executedQty"], **total)


def trade_read(market, row):
    say(
        "tradeRow",
        market,
        row["id"],
        orderId=str(row["orderId"]),
        price=row["price"],
        quantity=row["qty"],
        fee=row["commission"],
        feeAsset=row["commissionAsset"],
        maker=row["isMaker" if market == "spot" else "maker"],
    )


async def read(market, client):
    symbol = SYMBOLS[market]
    calls = {
        "spot": (client.get_all_orders, client.get_my_trades),
        "linear": (client.futures_get_all_orders, client.futures_account_trades),
        "inverse": (client.futures_coin_get_all_orders, client.futures_coin_account_trades),
    }
    all_orders, all_trades = calls[market]
    for row in await all_orders(symbol=symbol):
        order_read(market, row)
    for row in await all_trades(symbol=symbol):
        trade_read(market, row)
    if market == "spot":
        for row in (await client.get_account())["balances"]:
            say("balanceRow", market, row["asset"], free=row["free"], locked=row["locked"])
        return
    held = {
        "linear": (client.futures_account_balance, client.futures_position_information),
        "inverse": (client.futures_coin_account_balance, client.futures_coin_position_information),
    }
    balances, positions = held[market]
    for row in await balances():
        say("balanceRow", market, row["asset"], total=row["balance"])
    for row in await positions():
        entry = row["entryPrice"]
        say("positionRow", market, row["symbol"], size=row["positionAmt"], entryPrice=entry)


async def reading(client):
    while True:
        for market in SYMBOLS:
            await read(market, client)
        await asyncio.sleep(READ_EVERY_S)


async def main():
    client = await AsyncClient.create(KEY, SECRET)
    sockets = BinanceSocketManager(client)
    try:
        await asyncio.gather(
            listen("spot", sockets.user_socket()),
            listen("linear", sockets.futures_user_socket()),
            listen("inverse", sockets.coin_futures_user_socket()),
            reading(client),
        )
    finally:
        await client.close_connection()


asyncio.run(main())
