"""ccxt.pro for KuCoin, unmodified but for the address: prints its candles and tickers."""

import asyncio
import json
import sys

import ccxt.pro

GATEWAY = sys.argv[1]
SYMBOLS = {"spot": "BTC/USDT", "linear": "BTC/USDT:USDT", "inverse": "BTC/USD:BTC"}
SPOT, FUTURES = f"{GATEWAY}/api.kucoin.com", f"{GATEWAY}/api-futures.kucoin.com"


def say(**fields):
    sys.stdout.write(json.dumps(fields) + "\n")
    sys.stdout.flush()


async def candles(exchange, market, symbol):
    # It does not say which candle is closed: one is, once a later one has come.
    while True:
        await exchange.watch_ohlcv(symbol, "1m")
        rows = exchange.ohlcvs[symbol]["1m"]
        for number, (start, open_, high, low, close, volume) in enumerate(rows):
            say(
                kind="candle" if number < len(rows) - 1 else "open",
                market=market,
                startMs=start,
                open=open_,
                high=high,
                low=low,
                close=close,
                volume=volume,
            )


async def tickers(exchange, market, symbol):
    """Spot by the snapshot of the day, futures by the first version of the best prices."""
    while True:
        ticker = await exchange.watch_ticker(symbol)
        info = ticker["info"]
        say(
            kind="ticker",
            market=market,
            eventMs=info["datetime"] if market == "spot" else info["ts"] // 1_000_000,
            last=ticker["last"],
            open=ticker["open"],
            high=ticker["high"],
            low=ticker["low"],
            volume=ticker["baseVolume"],
            quoteVolume=ticker["quoteVolume"],
            bid=ticker["bid"],
            ask=ticker["ask"],
        )


async def main():
    urls = {"api": {"public": SPOT, "futuresPublic": FUTURES}}
    spot, futures = ccxt.pro.kucoin({"urls": urls}), ccxt.pro.kucoinfutures({"urls": urls})
    try:
        await asyncio.gather(spot.load_markets(), futures.load_markets())
        say(kind="markets", symbols=sorted({*spot.symbols, *futures.symbols}))
        clients = {"spot": spot, "linear": futures, "inverse": futures}
        await asyncio.gather(
            *(candles(clients[market], market, symbol) for market, symbol in SYMBOLS.items()),
            *(tickers(clients[market], market, symbol) for market, symbol in SYMBOLS.items()),
        )
    finally:
        await asyncio.gather(spot.close(), futures.close())


asyncio.run(main())
