"""ccxt.pro on Bitget, unmodified but for the address: prints what it makes of candles and tickers."""

import asyncio
import json
import sys

import ccxt.pro

GATEWAY = sys.argv[1]
SYMBOLS = {"spot": "BTC/USDT", "linear": "BTC/USDT:USDT", "inverse": "BTC/USD:BTC"}


def addresses(default):
    rest, ws = f"{GATEWAY}/api.bitget.com", GATEWAY.replace("http", "ws", 1)
    return {name: rest for name in default if name != "ws"} | {
        "ws": {"public": f"{ws}/ws.bitget.com/v2/ws/public"}
    }


def say(**fields):
    sys.stdout.write(json.dumps(fields) + "\n")
    sys.stdout.flush()


async def candles(exchange, market, symbol):
    # It does not say which candle is closed: one is, once a later one has come.
    while True:
        await exchange.watch_ohlcv(symbol, "1m")
        rows = exchange.ohlcvs[symbol]["1m"]
        for kind, part in (("candle", rows[-4:-1]), ("open", rows[-1:])):
            for start, open_, high, low, close, volume in part:
                say(
                    kind=kind,
                    market=market,
                    startMs=start,
                    open=open_,
                    high=high,
                    low=low,
                    close=close,
                    volume=volume,
                )


async def tickers(exchange, market, symbol):
    while True:
        ticker = await exchange.watch_ticker(symbol)
        say(
            kind="ticker",
            market=market,
            eventMs=ticker["timestamp"],
            last=ticker["last"],
            open=ticker["open"],
            high=ticker["high"],
            low=ticker["low"],
            volume=ticker["baseVolume"],
            quoteVolume=ticker["quoteVolume"],
            bid=ticker["bid"],
            bidSize=ticker["bidVolume"],
            ask=ticker["ask"],
            askSize=ticker["askVolume"],
        )


async def main():
    exchange = ccxt.pro.bitget()
    exchange.urls["api"] = addresses(exchange.urls["api"])
    try:
        await exchange.load_markets()
        say(kind="markets", symbols=sorted(exchange.symbols))
        for market, symbol in SYMBOLS.items():
            for row in (await exchange.fetch_ohlcv(symbol, "5m", limit=20))[:-1]:
                names = ("startMs", "open", "high", "low", "close", "volume")
                say(kind="history", market=market, **dict(zip(names, row, strict=True)))
        await asyncio.gather(
            *(candles(exchange, *place) for place in SYMBOLS.items()),
            *(tickers(exchange, *place) for place in SYMBOLS.items()),
        )
    finally:
        await exchange.close()


asyncio.run(main())
