"""KuCoin's own SDK, unmodified but for the address: prints what it hears and reads of an account."""

import json
import sys
import threading
import time
from decimal import Decimal

from kucoin_universal_sdk.api.client import DefaultClient
from kucoin_universal_sdk.generate.account.account import (
    GetFuturesAccountReqBuilder,
    GetSpotAccountListReqBuilder,
)
from kucoin_universal_sdk.generate.futures import order as futures_order
from kucoin_universal_sdk.generate.futures.positions import GetPositionListReqBuilder
from kucoin_universal_sdk.generate.spot import order as spot_order
from kucoin_universal_sdk.model.client_option import ClientOptionBuilder
from kucoin_universal_sdk.model.transport_option import TransportOptionBuilder
from kucoin_universal_sdk.model.websocket_option import WebSocketClientOptionBuilder

GATEWAY, KEY, SECRET, PASSPHRASE, *PLACES = sys.argv[1:]
SYMBOLS = dict(place.split("=") for place in PLACES)
FUTURES = ("linear", "inverse")
MARKETS = {symbol: market for market, symbol in SYMBOLS.items()}
SETTLED_IN = {"USDT": "linear", "XBT": "inverse", "ETH": "inverse"}
COINS = {"XBT": "BTC"}
READ_EVERY_S = 1.0
MOST = 100
lock = threading.Lock()


def say(kind, market, name, **row):
    told = {"kind": kind, "market": market, "id": str(name), "row": row}
    with lock:
        sys.stdout.write(json.dumps(told, default=str) + "\n")
        sys.stdout.flush()


class Account:
    """What is heard and read of it. Linear contracts are of so much of the coin, inverse ones count."""

    def __init__(self, rest):
        self.spot = rest.get_spot_service().get_order_api()
        self.futures = rest.get_futures_service().get_order_api()
        self.positions = rest.get_futures_service().get_positions_api()
        self.account = rest.get_account_service().get_account_api()
        listed = rest.get_futures_service().get_market_api().get_all_symbols().data
        self.worth = {one.symbol: Decimal(str(one.multiplier)) for one in listed}

    def size(self, symbol, count):
        linear = MARKETS[symbol] == "linear" and count is not None
        return Decimal(count) * self.worth[symbol] if linear else count

    def order_heard(self, _topic, _subject, event):
        market = MARKETS[event.symbol]
        filled = self.size(event.symbol, event.filled_size)
        say("order", market, event.order_id, status=event.type.value, filled=filled)
        if event.type.value == "match":
            size = self.size(event.symbol, event.match_size)
            maker = event.fee_type.value == "makerFee"
            told = {"orderId": event.order_id, "price": event.match_price, "maker": maker}
            say("trade", market, event.trade_id, quantity=size, **told)

    def any_order_heard(self, _topic, _subject, event):
        filled = self.size(event.symbol, event.filled_size)
        told = {"status": event.type.value, "filled": filled}
        say("orderOfAll", MARKETS[event.symbol], event.order_id, **told)

    def any_position_heard(self, _topic, _subject, event):
        self.position("positionOfAll", event)

    def balance_heard(self, _topic, _subject, event):
        told = {"total": event.total, "free": event.available, "locked": event.hold}
        say("balance", "spot", event.currency, **told)

    def wallet_heard(self, _topic, _subject, event):
        coin = event.currency
        told = {"total": event.wallet_balance, "free": event.available_balance}
        say("balance", SETTLED_IN[coin], COINS.get(coin, coin), **told)

    def position_heard(self, _topic, _subject, event):
        self.position("position", event)

    def position(self, kind, row):
        size = self.size(row.symbol, row.current_qty)
        say(kind, MARKETS[row.symbol], row.symbol, size=size, entryPrice=row.avg_entry_price)

    def read_spot(self):
        symbol = SYMBOLS["spot"]
        done = spot_order.GetClosedOrdersReqBuilder().set_symbol(symbol).set_limit(MOST).build()
        active = spot_order.GetOpenOrdersReqBuilder().set_symbol(symbol).build()
        rows = self.spot.get_closed_orders(done).items + self.spot.get_open_orders(active).data
        for row in rows:
            status = "active" if row.active else "canceled" if row.cancel_exist else "done"
            told = {"value": row.deal_funds, "fee": row.fee}
            say("orderRow", "spot", row.id, status=status, filled=row.deal_size, **told)
        wanted = spot_order.GetTradeHistoryReqBuilder().set_symbol(symbol).set_limit(MOST).build()
        for row in self.spot.get_trade_history(wanted).items:
            self.trade_read("spot", row, row.size, row.fee_currency)
        for row in self.account.get_spot_account_list(GetSpotAccountListReqBuilder().build()).data:
            told = {"total": row.balance, "free": row.available, "locked": row.holds}
            say("balanceRow", "spot", row.currency, **told)

    def trade_read(self, market, row, size, coin):
        told = {"orderId": row.order_id, "price": row.price, "quantity": size, "fee": row.fee}
        maker = row.liquidity.value == "maker"
        say("tradeRow", market, row.trade_id, maker=maker, feeAsset=COINS.get(coin, coin), **told)

    def read_futures(self, market):
        symbol = SYMBOLS[market]
        for state in ("active", "done"):
            wanted = futures_order.GetOrderListReqBuilder().set_symbol(symbol).set_status(state)
            for row in self.futures.get_order_list(wanted.set_page_size(MOST).build()).items:
                status = f"{row.status} canceled" if row.cancel_exist else row.status
                filled = self.size(symbol, row.filled_size)
                told = {"average": row.avg_deal_price, "value": row.filled_value}
                say("orderRow", market, row.id, status=status, filled=filled, **told)
        wanted = futures_order.GetTradeHistoryReqBuilder().set_symbol(symbol).set_page_size(MOST)
        for row in self.futures.get_trade_history(wanted.build()).items:
            self.trade_read(market, row, self.size(symbol, row.size), row.fee_currency)

    def read_wallet(self, coin):
        wanted = GetFuturesAccountReqBuilder().set_currency(coin).build()
        row = self.account.get_futures_account(wanted)
        told = {"total": row.margin_balance, "free": row.available_balance}
        say("balanceRow", SETTLED_IN[coin], COINS.get(coin, coin), **told)
        wanted = GetPositionListReqBuilder().set_currency(coin).build()
        for row in self.positions.get_position_list(wanted).data:
            self.position("positionRow", row)


def main():
    options = (
        ClientOptionBuilder()
        .set_key(KEY)
        .set_secret(SECRET)
        .set_passphrase(PASSPHRASE)
        .set_spot_endpoint(f"{GATEWAY}/api.kucoin.com")
        .set_futures_endpoint(f"{GATEWAY}/api-futures.kucoin.com")
        .set_broker_endpoint(GATEWAY)
        .set_transport_option(TransportOptionBuilder().build())
        .set_websocket_client_option(WebSocketClientOptionBuilder().build())
    )
    client = DefaultClient(options.build())
    account = Account(client.rest_service())
    sockets = client.ws_service()
    spot, futures = sockets.new_spot_private_ws(), sockets.new_futures_private_ws()
    of_all = sockets.new_futures_private_ws()
    for socket in (spot, futures, of_all):
        socket.start()
    spot.order_v2(account.order_heard)
    spot.account(account.balance_heard)
    futures.balance(account.wallet_heard)
    for market in FUTURES:
        futures.order(SYMBOLS[market], account.order_heard)
        futures.position(SYMBOLS[market], account.position_heard)
    of_all.all_order(account.any_order_heard)
    of_all.all_position(account.any_position_heard)
    while True:
        account.read_spot()
        for market in FUTURES:
            account.read_futures(market)
        for coin in SETTLED_IN:
            account.read_wallet(coin)
        time.sleep(READ_EVERY_S)


main()
