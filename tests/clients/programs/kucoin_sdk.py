"""KuCoin's own SDK, unmodified but for the address: prints what it makes of candles and tickers."""

import json
import sys
import threading

from kucoin_universal_sdk.api.client import DefaultClient
from kucoin_universal_sdk.model.client_option import ClientOptionBuilder
from kucoin_universal_sdk.model.transport_option import TransportOptionBuilder
from kucoin_universal_sdk.model.websocket_option import WebSocketClientOptionBuilder

GATEWAY = sys.argv[1]
CONTRACTS = {"XBTUSDTM": "linear", "XBTUSDM": "inverse"}
lock = threading.Lock()


def say(**fields):
    with lock:
        sys.stdout.write(json.dumps(fields) + "\n")
        sys.stdout.flush()


def candle(market, event):
    start, open_, close, high, low, _, last = event.candles
    told = {"open": open_, "high": high, "low": low, "close": close, "last": last}
    say(kind="candle", market=market, startMs=int(start) * 1000, time=event.time, **told)


def spot_day(topic, subject, event):
    day = event.data
    say(
        kind="ticker",
        market="spot",
        eventMs=day.datetime,
        last=day.last_traded_price,
        open=day.open,
        high=day.high,
        low=day.low,
        volume=day.vol,
        quoteVolume=day.vol_value,
        bid=day.buy,
        ask=day.sell,
    )


def spot_best(topic, subject, event):
    if subject == "BTC-USDT":
        told = {"bid": event.best_bid, "ask": event.best_ask, "last": event.price}
        sizes = {"bidSize": event.best_bid_size, "askSize": event.best_ask_size}
        say(kind="best", market="spot", eventMs=event.time, **told, **sizes)


def futures_day(topic, subject, event):
    market = CONTRACTS[event.symbol]
    base, quote = event.volume, event.turnover
    if market == "inverse":
        base, quote = quote, base
    say(
        kind="ticker",
        market=market,
        eventMs=event.ts // 1_000_000,
        last=event.last_price,
        open=event.price24_hours_before,
        high=event.high_price,
        low=event.low_price,
        volume=base,
        quoteVolume=quote,
    )


def futures_best(topic, subject, event):
    market, prices = CONTRACTS[event.symbol], (event.best_bid_price, event.best_ask_price)
    told = dict(zip(("bid", "ask"), prices, strict=True))
    sizes = {"bidLots": event.best_bid_size, "askLots": event.best_ask_size}
    say(kind="best", market=market, eventMs=event.ts // 1_000_000, **told, **sizes)


def main():
    options = (
        ClientOptionBuilder()
        .set_spot_endpoint(f"{GATEWAY}/api.kucoin.com")
        .set_futures_endpoint(f"{GATEWAY}/api-futures.kucoin.com")
        .set_broker_endpoint(GATEWAY)
        .set_transport_option(TransportOptionBuilder().build())
        .set_websocket_client_option(WebSocketClientOptionBuilder().build())
    )
    service = DefaultClient(options.build()).ws_service()
    spot, futures = service.new_spot_public_ws(), service.new_futures_public_ws()
    spot.start()
    futures.start()
    spot.klines("BTC-USDT", "1min", lambda _, __, event: candle("spot", event))
    spot.symbol_snapshot("BTC-USDT", spot_day)
    spot.all_tickers(spot_best)
    for symbol, market in CONTRACTS.items():
        futures.klines(symbol, "1min", lambda _, __, event, m=market: candle(m, event))
        futures.symbol_snapshot(symbol, futures_day)
        futures.ticker_v2(symbol, futures_best)
    threading.Event().wait()


main()
