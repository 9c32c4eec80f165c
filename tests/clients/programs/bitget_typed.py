"""typed-bitget, which validates every field, unmodified but for the address: candles and tickers.

Its subscriptions are told apart by channel only, so every market gets a client of its own.
"""

import asyncio
import json
import sys
from datetime import UTC, datetime
from decimal import Decimal

from typed_bitget import Bitget
from typed_bitget.core.transport.http import HttpRpcClient
from typed_bitget.core.transport.ws.classic import ClassicSocketStreamClient
from typed_bitget.core.transport.ws.uta import UtaSocketStreamClient

GATEWAY = sys.argv[1]
PLACES = {
    "spot": ("SPOT", "BTCUSDT"),
    "linear": ("USDT-FUTURES", "BTCUSDT"),
    "inverse": ("COIN-FUTURES", "BTCUSD"),
}


def client():
    ws = f"{GATEWAY.replace('http', 'ws', 1)}/ws.bitget.com/v2/ws/public"
    return Bitget(
        http_client=HttpRpcClient(base_url=f"{GATEWAY}/api.bitget.com"),
        classic_streams_client=ClassicSocketStreamClient.new(public_url=ws),
        uta_streams_client=UtaSocketStreamClient.new(),
    )


def plain(value):
    """A number with its digits, never with an exponent (``0E-8``)."""
    return f"{value:f}" if isinstance(value, Decimal) else str(value)


def say(**fields):
    sys.stdout.write(json.dumps(fields, default=plain) + "\n")
    sys.stdout.flush()


def ms(moment):
    moment = (
        moment if isinstance(moment, datetime) else datetime.fromtimestamp(int(moment) / 1e3, UTC)
    )
    return round(moment.timestamp() * 1000)


def candle(kind, market, row):
    start, open_, high, low, close, first, second = row[:7]
    say(
        kind=kind,
        market=market,
        startMs=ms(start),
        open=open_,
        high=high,
        low=low,
        close=close,
        first=first,
        second=second,
    )


async def candles(bitget, market, inst_type, symbol):
    running = None
    stream = bitget.classic_streams.candle(inst_type, inst_id=symbol, interval="1m")
    async with stream as pushes:
        async for push in pushes:
            # A bar is closed once a later one has come.
            for row in push["data"][-4:]:
                if running and running[0] != row[0]:
                    candle("candle", market, running)
                running = row
                candle("open", market, row)


async def tickers(bitget, market, inst_type, symbol):
    async with bitget.classic_streams.ticker(inst_type, inst_id=symbol) as pushes:
        async for push in pushes:
            for day in push["data"]:
                say(
                    kind="ticker",
                    market=market,
                    eventMs=ms(day["ts"]),
                    last=day["lastPr"],
                    open=day["open24h"],
                    high=day["high24h"],
                    low=day["low24h"],
                    volume=day["baseVolume"],
                    quoteVolume=day["quoteVolume"],
                    bid=day["bidPr"],
                    bidSize=day["bidSz"],
                    ask=day["askPr"],
                    askSize=day["askSz"],
                )


async def history(bitget, market, inst_type, symbol):
    if market == "spot":
        listed = await bitget.classic.spot.symbols()
        recent = await bitget.classic.spot.candles(symbol, granularity="5min", limit=2)
        rows = await bitget.classic.spot.history_candles(
            symbol, granularity="5min", end_time=recent[-1][0], limit=20
        )
    else:
        mix = bitget.classic.mix.market
        listed = await mix.contracts(inst_type)
        recent = await mix.candles.recent(symbol, product_type=inst_type, granularity="5m", limit=2)
        rows = await mix.candles.history(
            symbol, product_type=inst_type, granularity="5m", end_time=recent[-1][0], limit=20
        )
    say(kind="markets", market=market, symbols=[one["symbol"] for one in listed])
    for row in rows:
        candle("history", market, row)


async def market(name):
    async with client() as bitget:
        await history(bitget, name, *PLACES[name])
        await asyncio.gather(
            candles(bitget, name, *PLACES[name]), tickers(bitget, name, *PLACES[name])
        )


async def main():
    await asyncio.gather(*(market(name) for name in PLACES))


asyncio.run(main())
