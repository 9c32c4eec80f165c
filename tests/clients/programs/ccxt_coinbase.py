"""ccxt.pro, unmodified but for the address: tickers and trades pushed, candles by REST."""

import asyncio
import json
import sys

import ccxt.pro

REST = sys.argv[1]
WS = REST.replace("http", "ws", 1)
SYMBOL = "BTC/USDT"


def say(**fields):
    sys.stdout.write(json.dumps(fields) + "\n")
    sys.stdout.flush()


async def trades(exchange):
    while True:
        for trade in await exchange.watch_trades(SYMBOL):
            say(
                kind="trade",
                market="spot",
                id=int(trade["id"]),
                timeMs=trade["timestamp"],
                price=trade["info"]["price"],
                size=trade["info"]["size"],
                read=[trade["price"], trade["amount"]],
            )


async def tickers(exchange):
    while True:
        ticker = await exchange.watch_ticker(SYMBOL)
        say(
            kind="ticker",
            market="spot",
            eventMs=ticker["timestamp"],
            last=ticker["last"],
            high=ticker["high"],
            low=ticker["low"],
            bid=ticker["bid"],
            bidSize=ticker["bidVolume"],
            ask=ticker["ask"],
            askSize=ticker["askVolume"],
            volume=ticker["baseVolume"],
        )


async def candles(exchange):
    """It has no candle channel for this exchange; the last row is the running bar."""
    clock = await exchange.v3_public_get_brokerage_time()
    now_ms = int(clock["epochMillis"])
    for interval, length_ms in (("1m", 60_000), ("5m", 300_000)):
        rows = await exchange.fetch_ohlcv(SYMBOL, interval, now_ms - 20 * length_ms, 20)
        for start, open_, high, low, close, volume in rows:
            say(
                kind=f"candle {interval}",
                market="spot",
                startMs=start,
                open=open_,
                high=high,
                low=low,
                close=close,
                volume=volume,
                closed=start + length_ms <= now_ms,
            )


async def main():
    urls = {
        "api": {"rest": f"{REST}/api.coinbase.com", "ws": f"{WS}/advanced-trade-ws.coinbase.com"}
    }
    exchange = ccxt.pro.coinbase({"urls": urls})
    try:
        await exchange.load_markets()
        say(kind="markets", symbols=sorted(exchange.symbols))
        await asyncio.gather(trades(exchange), tickers(exchange), candles(exchange))
    finally:
        await exchange.close()


asyncio.run(main())
