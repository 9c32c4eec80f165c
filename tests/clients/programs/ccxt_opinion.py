"""ccxt.pro's own reading of recorded frames: no network, its handlers and a list of markets.

Reads one JSON document from stdin, the places: ``{"exchange", "market", "instruments", "frames"}``.
Prints a line per frame: the candles and tickers that its handlers put where its users find them.
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
    exchange.ohlcvs, exchange.tickers = {}, {}
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
            for ticker in exchange.tickers.values()
        ],
    }


def no_network(*_):
    raise OSError("an opinion needs no network")


async def main():
    socket.socket.connect = no_network
    for place in json.load(sys.stdin):
        kind, url = PLACES[place["exchange"], place["market"]]
        exchange = getattr(ccxt.pro, kind)()
        exchange.set_markets([listed(exchange, each) for each in place["instruments"]])
        client = Client(url)
        for frame in place["frames"]:
            message = decoded(frame, ENVELOPES.get(place["exchange"]))
            sys.stdout.write(json.dumps(read(exchange, client, message)) + "\n")
        await exchange.close()


asyncio.run(main())
