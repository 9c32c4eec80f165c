"""ccxt.pro, unmodified but for the address: prints what it makes of Bybit's candles and tickers."""

import asyncio
import json
import sys

import ccxt.pro

GATEWAY = sys.argv[1]
SYMBOLS = {"spot": "BTC/USDT", "linear": "BTC/USDT:USDT", "inverse": "BTC/USD:BTC"}


def addresses():
    # It tells spot from the rest by the word in the path.
    ws = GATEWAY.replace("http", "ws", 1) + "/stream.bybit.com/v5/public"
    return {
        "public": f"{GATEWAY}/api.bybit.com",
        "ws": {"public": {market: f"{ws}/{market}" for market in SYMBOLS}},
    }


def say(**fields):
    sys.stdout.write(json.dumps(fields) + "\n")
    sys.stdout.flush()


async def candles(exchange, market, symbol):
    # It does not say which candle is closed: one is, once a later one has come.
    while True:
        rows = await exchange.watch_ohlcv(symbol, "1m")
        cached = list(exchange.ohlcvs[symbol]["1m"])
        for kind, part in (("candle", cached[:-1]), ("open", cached[-1:])):
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
        assert rows


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
            bid=ticker["bid"],
            ask=ticker["ask"],
        )


async def best(exchange, market, symbol):
    while True:
        ticker = (await exchange.watch_bids_asks([symbol]))[symbol]
        say(
            kind="best",
            market=market,
            eventMs=ticker["timestamp"],
            bid=ticker["bid"],
            bidSize=ticker["bidVolume"],
            ask=ticker["ask"],
            askSize=ticker["askVolume"],
        )


async def main():
    exchange = ccxt.pro.bybit({"urls": {"api": addresses()}})
    try:
        await exchange.load_markets()
        say(kind="markets", symbols=sorted(exchange.symbols))
        for market, symbol in SYMBOLS.items():
            for start, *numbers in (await exchange.fetch_ohlcv(symbol, "1m", limit=5))[:-1]:
                names = ("open", "high", "low", "close", "volume")
                say(
                    kind="row",
                    market=market,
                    startMs=start,
                    **dict(zip(names, numbers, strict=True)),
                )
        await asyncio.gather(
            *(candles(exchange, *place) for place in SYMBOLS.items()),
            *(tickers(exchange, *place) for place in SYMBOLS.items()),
            best(exchange, "spot", SYMBOLS["spot"]),
        )
    finally:
        await exchange.close()


asyncio.run(main())
