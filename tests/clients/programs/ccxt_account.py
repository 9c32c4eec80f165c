"""ccxt.pro on any exchange's account, unmodified but for the address: prints what it hears and reads of it."""

import asyncio
import json
import re
import sys

import ccxt.pro

GATEWAY, NAME, MARKET, LISTED, KEY, SECRET, PASSPHRASE, MODE = sys.argv[1:]
TYPE = "spot" if MARKET == "spot" else "swap"
READ_EVERY_S = 2.0


def door(url):
    """Where an address of the client's own is here: its host is the first part of the path."""
    gateways = {"https": GATEWAY, "wss": GATEWAY.replace("http", "ws", 1)}
    return re.sub(r"^(https|wss)://([^/:]+)(:\d+)?", lambda it: f"{gateways[it[1]]}/{it[2]}", url)


def doors(urls):
    return {name: doors(url) if isinstance(url, dict) else door(url) for name, url in urls.items()}


def redirect(exchange):
    """Requests are signed for the true address (some sign it, too) and leave for ours."""
    if isinstance(sockets := exchange.urls["api"]["ws"], dict):
        exchange.urls["api"]["ws"] = doors(sockets)
    else:
        exchange.urls["api"]["ws"] = door(sockets)
    fetch = exchange.fetch
    exchange.fetch = lambda url, *how: fetch(door(url), *how)


def say(kind, name, row):
    told = {"kind": kind, "market": MARKET, "id": name, "row": row}
    sys.stdout.write(json.dumps(told, default=str) + "\n")
    sys.stdout.flush()


def say_all(kind, rows):
    for row in rows:
        say(kind, row["id"], row)


def say_balance(kind, balance):
    for asset, total in balance["total"].items():
        say(kind, asset, {"free": balance["free"].get(asset), "total": total})


async def orders(exchange, symbol):
    while True:
        say_all("order", await exchange.watch_orders(symbol))


async def trades(exchange, symbol):
    while True:
        say_all("trade", await exchange.watch_my_trades(symbol))


async def balances(exchange):
    while True:
        say_balance("balance", await exchange.watch_balance())


async def reading(exchange, symbol):
    """The same by requests, again and again."""
    if exchange.has["fetchOrders"]:
        names = ("Orders",)
    elif exchange.has["fetchCanceledAndClosedOrders"]:
        names = ("CanceledAndClosedOrders", "OpenOrders")
    else:
        names = ("ClosedOrders", "CanceledOrders", "OpenOrders")
    lists = [getattr(exchange, f"fetch{name}") for name in names if exchange.has[f"fetch{name}"]]
    while True:
        try:
            for fetch in lists:
                say_all("orderRow", await fetch(symbol))
            say_all("tradeRow", await exchange.fetch_my_trades(symbol))
            say_balance("balanceRow", await exchange.fetch_balance())
        except ccxt.NetworkError as error:
            # The limits are shared with who else has the account.
            sys.stderr.write(f"{error}\n")
        await asyncio.sleep(READ_EVERY_S)


def options():
    # It would ask for positions, too, to begin with.
    chosen = {"defaultType": TYPE, "watchPositions": {"fetchPositionsSnapshot": False}}
    if MARKET != "spot":
        chosen["defaultSubType"] = MARKET
    if NAME == "coinbase":
        chosen["fetchBalance"] = "v3PrivateGetBrokerageAccounts"
    if NAME == "kucoin":
        chosen["hf"] = True  # what all of its spot accounts are by now
    return chosen


async def main():
    exchange = getattr(ccxt.pro, NAME)({"options": options()})
    redirect(exchange)
    try:
        # Without a key: with one it asks for coins, networks, margin pairs and fees as well.
        await exchange.load_markets()
        exchange.apiKey, exchange.secret, exchange.password = KEY, SECRET, PASSPHRASE
        if NAME == "bitget":
            exchange.options["uta"] = MODE == "unified"
        listed = exchange.markets_by_id[LISTED]
        symbol = next(market["symbol"] for market in listed if market["type"] == TYPE)
        watched = [orders(exchange, symbol)]
        if exchange.has["watchMyTrades"]:
            watched.append(trades(exchange, symbol))
        if exchange.has["watchBalance"]:
            watched.append(balances(exchange))
        await asyncio.gather(*watched, reading(exchange, symbol))
    finally:
        await exchange.close()


asyncio.run(main())
