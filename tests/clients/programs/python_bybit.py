"""pybit, the exchange's own, unmodified but for the address: prints its candles and tickers."""

import json
import sys
import threading

from pybit import unified_trading

GATEWAY = sys.argv[1]
SYMBOLS = {"spot": "BTCUSDT", "linear": "BTCUSDT", "inverse": "BTCUSD"}
WS = GATEWAY.replace("http", "ws", 1)
unified_trading.PUBLIC_WSS = f"{WS}/stream.bybit.com/v5/public/{{CHANNEL_TYPE}}"


def say(**fields):
    sys.stdout.write(json.dumps(fields) + "\n")
    sys.stdout.flush()


def bars(market):
    def heard(message):
        for bar in message["data"]:
            say(
                kind="candle" if bar["confirm"] else "open",
                market=market,
                startMs=bar["start"],
                open=bar["open"],
                high=bar["high"],
                low=bar["low"],
                close=bar["close"],
                volume=bar["volume"],
                turnover=bar["turnover"],
            )

    return heard


def days(market):
    # It joins the deltas to the snapshot itself.
    def heard(message):
        say(kind="ticker", market=market, eventMs=message["ts"], **message["data"])

    return heard


def books(market):
    def heard(message):
        (bid, bid_size), (ask, ask_size) = message["data"]["b"][0], message["data"]["a"][0]
        say(
            kind="best",
            market=market,
            eventMs=message["ts"],
            bid=bid,
            bidSize=bid_size,
            ask=ask,
            askSize=ask_size,
        )

    return heard


session = unified_trading.HTTP(testnet=False)
session.endpoint = f"{GATEWAY}/api.bybit.com"
for market, symbol in SYMBOLS.items():
    answer = session.get_kline(category=market, symbol=symbol, interval=1, limit=5)
    for start, open_, high, low, close, volume, turnover in answer["result"]["list"][1:]:
        say(
            kind="row",
            market=market,
            startMs=int(start),
            open=open_,
            high=high,
            low=low,
            close=close,
            volume=volume,
            turnover=turnover,
        )
    socket = unified_trading.WebSocket(channel_type=market, testnet=False)
    socket.kline_stream(interval=1, symbol=symbol, callback=bars(market))
    socket.ticker_stream(symbol=symbol, callback=days(market))
    if market == "spot":
        socket.orderbook_stream(depth=1, symbol=symbol, callback=books(market))

threading.Event().wait()
