"""ccxt.pro, unmodified but for the address: prints what it makes of OKX's candles and tickers."""

import asyncio
import json
import sys

import ccxt.pro

GATEWAY = sys.argv[1]
SYMBOLS = {"spot": "BTC/USDT", "linear": "BTC/USDT:USDT", "inverse": "BTC/USD:BTC"}


def addresses():
    rest, ws = GATEWAY, GATEWAY.replace("http", "ws", 1)
    return {"rest": f"{rest}/www.okx.com", "ws": f"{ws}/ws.okx.com/ws/v5"}


def say(**fields):
    sys.stdout.write(json.dumps(fields) + "\n")
    sys.stdout.flush()


async def candles(exchange, market, symbol):
    # It keeps one row per bar: a bar is closed once a later one has come.
    names = ("open", "high", "low", "close", "volume")
    while True:
        await exchange.watch_ohlcv(symbol, "1m")
        rows = exchange.ohlcvs[symbol]["1m"]
        for start, *values in rows[:-1]:
            told = dict(zip(names, values, strict=True))
            say(kind="candle", market=market, startMs=start, **told)
        if len(rows) > 1:
            say(kind="running", market=market, startMs=rows[-1][0])


async def history(exchange, market, symbol):
    names = ("open", "high", "low", "close", "volume")
    since = exchange.milliseconds() - 24 * 3_600_000
    for start, *values in await exchange.fetch_ohlcv(symbol, "1h", since, 5):
        told = dict(zip(names, values, strict=True))
        say(kind="history", market=market, startMs=start, **told)


async def tickers(exchange, market, symbol):
    names = ("last", "open", "high", "low", "bid", "bidVolume", "ask", "askVolume", "baseVolume")
    while True:
        ticker = await exchange.watch_ticker(symbol)
        told = {name: ticker[name] for name in names}
        say(kind="ticker", market=market, eventMs=ticker["timestamp"], **told)


async def main():
    exchange = ccxt.pro.okx({"urls": {"api": addresses()}})
    try:
        await exchange.load_markets()
        say(kind="markets", symbols=sorted(exchange.symbols))
        sizes = {market: exchange.market(symbol) for market, symbol in SYMBOLS.items()}
        for market, facts in sizes.items():
            say(kind="size", market=market, contractSize=facts["contractSize"])
        await asyncio.gather(
            *(history(exchange, *place) for place in SYMBOLS.items()),
            *(candles(exchange, *place) for place in SYMBOLS.items()),
            *(tickers(exchange, *place) for place in SYMBOLS.items()),
        )
    finally:
        await exchange.close()


asyncio.run(main())
