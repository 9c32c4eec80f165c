"""ccxt.pro, unmodified but for the address: prints what it makes of candles and tickers."""

import asyncio
import json
import sys

import ccxt.pro

GATEWAY = sys.argv[1]
SYMBOLS = {"spot": "BTC/USDT", "linear": "BTC/USDT:USDT", "inverse": "BTC/USD:BTC"}


def addresses():
    rest, ws = GATEWAY, GATEWAY.replace("http", "ws", 1)
    return {
        "public": f"{rest}/api.binance.com/api/v3",
        "fapiPublic": f"{rest}/fapi.binance.com/fapi/v1",
        "dapiPublic": f"{rest}/dapi.binance.com/dapi/v1",
        "ws": {
            "spot": f"{ws}/stream.binance.com/ws",
            "linear": f"{ws}/fstream.binance.com/ws",
            "inverse": f"{ws}/dstream.binance.com/ws",
        },
    }


def say(**fields):
    sys.stdout.write(json.dumps(fields) + "\n")
    sys.stdout.flush()


async def candles(exchange, market, symbol):
    # It does not say which candle is closed: one is, once a later one has come.
    while True:
        rows = await exchange.watch_ohlcv(symbol, "1m")
        for start, open_, high, low, close, volume in exchange.ohlcvs[symbol]["1m"][:-1]:
            say(
                kind="candle",
                market=market,
                startMs=start,
                open=open_,
                high=high,
                low=low,
                close=close,
                volume=volume,
            )
        assert rows


async def tickers(exchange, market, symbol):
    while True:
        ticker = await exchange.watch_ticker(symbol)
        say(
            kind="ticker",
            market=market,
            eventMs=ticker["info"]["E"],
            last=ticker["last"],
            open=ticker["open"],
            high=ticker["high"],
            low=ticker["low"],
            volume=ticker["baseVolume"],
            quoteVolume=ticker["quoteVolume"],
        )


async def main():
    exchange = ccxt.pro.binance({"urls": {"api": addresses()}})
    try:
        await exchange.load_markets()
        say(kind="markets", symbols=sorted(exchange.symbols))
        await asyncio.gather(
            *(candles(exchange, *place) for place in SYMBOLS.items()),
            *(tickers(exchange, *place) for place in SYMBOLS.items()),
        )
    finally:
        await exchange.close()


asyncio.run(main())
