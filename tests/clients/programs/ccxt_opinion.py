"""ccxt.pro's own reading of recorded messages: no network, its handlers and a list of markets.

Reads one JSON document from stdin, the places:
``{"exchange", "market", "lists", "instruments", "bars", "frames"}``. Prints a line per instrument
list, the markets it holds; a line per REST answer, its candles; and a line per frame: the candles
and tickers that its handlers put where its users find them.
"""

import asyncio
import json
import socket
import sys

import ccxt.pro

# Exchange and market to its class and the address it would have dialled: some read the market off.
PLACES = {
    ("binance", "spot"): ("binance", "wss://stream.binance.com:9443/ws/0"),
    ("binance", "linear"): ("binanceusdm", "wss://fstream.binance.com/market/ws/0"),
    ("binance", "inverse"): ("binancecoinm", "wss://dstream.binance.com/ws/0"),
    ("kucoin", "spot"): ("kucoin", "wss://ws-api-spot.kucoin.com/"),
    ("kucoin", "linear"): ("kucoinfutures", "wss://ws-api-futures.kucoin.com/"),
    ("kucoin", "inverse"): ("kucoinfutures", "wss://ws-api-futures.kucoin.com/"),
    ("bybit", "spot"): ("bybit", "wss://stream.bybit.com/v5/public/spot"),
    ("bybit", "linear"): ("bybit", "wss://stream.bybit.com/v5/public/linear"),
    ("bybit", "inverse"): ("bybit", "wss://stream.bybit.com/v5/public/inverse"),
    ("okx", "spot"): ("okx", "wss://ws.okx.com:8443/ws/v5/public"),
    ("okx", "linear"): ("okx", "wss://ws.okx.com:8443/ws/v5/public"),
    ("okx", "inverse"): ("okx", "wss://ws.okx.com:8443/ws/v5/public"),
    ("bitget", "spot"): ("bitget", "wss://ws.bitget.com/v2/ws/public"),
    ("bitget", "linear"): ("bitget", "wss://ws.bitget.com/v2/ws/public"),
    ("bitget", "inverse"): ("bitget", "wss://ws.bitget.com/v2/ws/public"),
    ("coinbase", "spot"): ("coinbase", "wss://advanced-trade-ws.coinbase.com"),
    ("coinbase", "linear"): ("coinbase", "wss://advanced-trade-ws.coinbase.com"),
}
# What an exchange wraps frames in on addresses that ccxt does not use: the key of the frame inside.
ENVELOPES = {"binance": "data"}
# What the address of a market's instrument list has in it.
LISTS = {
    ("binance", "spot"): "/api/v3/exchangeInfo",
    ("binance", "linear"): "/fapi/v1/exchangeInfo",
    ("binance", "inverse"): "/dapi/v1/exchangeInfo",
    ("kucoin", "spot"): "/symbols",
    ("kucoin", "linear"): "/contracts/active",
    ("kucoin", "inverse"): "/contracts/active",
    ("bybit", "spot"): "category=spot",
    ("bybit", "linear"): "category=linear",
    ("bybit", "inverse"): "category=inverse",
    ("okx", "spot"): "instType=SPOT",
    ("okx", "linear"): "instType=SWAP",
    ("okx", "inverse"): "instType=SWAP",
    ("bitget", "spot"): "/spot/public/symbols",
    ("bitget", "linear"): "productType=USDT-FUTURES",
    ("bitget", "inverse"): "productType=COIN-FUTURES",
    ("coinbase", "spot"): "/market/products",
    ("coinbase", "linear"): "/market/products",
}
# It cuts long answers to 500 rows, unless more are asked for; others it cuts by the clock then.
LIMITS = {"binance": 1000}
TYPES = {"spot": "spot", "perpetual": "swap", "delivery": "future"}


class Client:
    """As much of ccxt's connection as its handlers touch."""

    def __init__(self, url):
        self.url = url
        self.subscriptions = {}
        self.futures = {}
        self.keepAlive = 0
        self.lastPong = 0

    def resolve(self, result, message_hash=None):
        return result

    def reject(self, error, message_hash=None):
        raise error


def listed(exchange, instrument):
    """An instrument as ccxt's market."""
    kind = TYPES[instrument["kind"]]
    return exchange.safe_market_structure(
        {
            "id": instrument["symbol"],
            "symbol": instrument["unified"],
            **{part: instrument[part] for part in ("base", "quote")},
            **{f"{part}Id": instrument[part] for part in ("base", "quote")},
            "settle": None if kind == "spot" else instrument["settle"],
            "type": kind,
            **{name: name == kind for name in ("spot", "swap", "future")},
            "contract": kind != "spot",
            "linear": None if kind == "spot" else instrument["market"] == "linear",
            "inverse": None if kind == "spot" else instrument["market"] == "inverse",
            "contractSize": float(instrument["contract_size"] or 1) if kind != "spot" else None,
            "active": True,
        }
    )


def decoded(frame, envelope):
    message = json.loads(frame)
    return message.get(envelope, message) if isinstance(message, dict) else message


def read(exchange, client, message):
    """What its users would find after this message."""
    exchange.ohlcvs, exchange.tickers, exchange.bidsasks = {}, {}, {}
    try:
        exchange.handle_message(client, message)
    except Exception as error:  # noqa: BLE001 - whatever it stumbles over is its opinion too
        return {"error": repr(error)}
    return {
        "candles": [
            {"symbol": symbol, "interval": interval, "row": list(row)}
            for symbol, by_interval in exchange.ohlcvs.items()
            for interval, rows in by_interval.items()
            for row in rows
        ],
        "tickers": [
            {key: value for key, value in ticker.items() if key != "info"}
            for ticker in (exchange.tickers or exchange.bidsasks).values()
        ],
    }


async def markets(exchange, address, body):
    """What it makes of an instrument list; all its other requests are answered with nothing."""

    async def fetch(url, *_, **__):
        return json.loads(body) if address in url else {}

    exchange.fetch, exchange.enableRateLimit = fetch, False
    try:
        return {"markets": [told(market) for market in await exchange.fetch_markets()]}
    except Exception as error:  # noqa: BLE001 - as above
        return {"error": repr(error)}


async def bars(exchange, limit, symbol, interval, body):
    """What it makes of a REST answer about candles."""

    async def fetch(*_, **__):
        return json.loads(body)

    exchange.fetch = fetch
    try:
        rows = await exchange.fetch_ohlcv(symbol, interval, limit=limit)
    except Exception as error:  # noqa: BLE001 - as above
        return {"error": repr(error)}
    return {"candles": [{"symbol": symbol, "interval": interval, "row": row} for row in rows]}


def told(market):
    names = ("id", "symbol", "type", "base", "quote", "settle", "contractSize", "active", "expiry")
    precision = market["precision"]
    told = {name: market.get(name) for name in names}
    return told | {"tick": precision.get("price"), "step": precision.get("amount")}


def no_network(*_):
    raise OSError("an opinion needs no network")


async def main():
    socket.socket.connect = no_network
    for place in json.load(sys.stdin):
        kind, url = PLACES[place["exchange"], place["market"]]
        exchange = getattr(ccxt.pro, kind)()
        for body in place["lists"]:
            known = await markets(exchange, LISTS[place["exchange"], place["market"]], body)
            sys.stdout.write(json.dumps(known) + "\n")
        exchange.set_markets([listed(exchange, each) for each in place["instruments"]])
        limit = LIMITS.get(place["exchange"])
        for answer in place["bars"]:
            sys.stdout.write(json.dumps(await bars(exchange, limit, **answer)) + "\n")
        client = Client(url)
        for frame in place["frames"]:
            message = decoded(frame, ENVELOPES.get(place["exchange"]))
            sys.stdout.write(json.dumps(read(exchange, client, message)) + "\n")
        await exchange.close()


asyncio.run(main())
