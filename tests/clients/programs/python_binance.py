"""python-binance, unmodified but for the address: prints what it makes of candles and tickers."""

import asyncio
import json
import sys

from binance import AsyncClient, BinanceSocketManager
from binance.enums import FuturesType

REST = sys.argv[1]
WS = REST.replace("http", "ws", 1)

BinanceSocketManager.STREAM_URL = f"{WS}/stream.binance.com/"
BinanceSocketManager.FSTREAM_URL = f"{WS}/fstream.binance.com/"
BinanceSocketManager.DSTREAM_URL = f"{WS}/dstream.binance.com/"
AsyncClient.API_URL = f"{REST}/api.binance.com/api"


def say(**fields):
    sys.stdout.write(json.dumps(fields) + "\n")
    sys.stdout.flush()


async def listen(market, socket):
    async with socket as stream:
        while True:
            event = await stream.recv()
            event = event.get("data", event)
            if "k" in event:
                bar = event["k"]
                if bar["x"]:
                    say(
                        kind="candle",
                        market=market,
                        startMs=bar["t"],
                        open=bar["o"],
                        high=bar["h"],
                        low=bar["l"],
                        close=bar["c"],
                        v=bar["v"],
                        q=bar["q"],
                        trades=bar["n"],
                    )
            else:
                say(
                    kind="ticker",
                    market=market,
                    eventMs=event["E"],
                    last=event["c"],
                    open=event["o"],
                    high=event["h"],
                    low=event["l"],
                    v=event["v"],
                    q=event["q"],
                )


async def main():
    client = await AsyncClient.create()
    sockets = BinanceSocketManager(client)
    usdm, coinm = FuturesType.USD_M, FuturesType.COIN_M
    try:
        await asyncio.gather(
            listen("spot", sockets.kline_socket("BTCUSDT", "1m")),
            listen("spot", sockets.symbol_ticker_socket("BTCUSDT")),
            listen("linear", sockets.kline_futures_socket("BTCUSDT", "1m", futures_type=usdm)),
            listen("linear", sockets.individual_symbol_ticker_futures_socket("BTCUSDT", usdm)),
            listen("inverse", sockets.kline_futures_socket("BTCUSD", "1m", futures_type=coinm)),
        )
    finally:
        await client.close_connection()


asyncio.run(main())
