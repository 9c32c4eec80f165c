"""Prices and notices as older backends hear them on Redis: a channel and a text each. Pure.

They listen to ``trade@BTCUSDT@binance`` and ``BTCUSDT@bybit@5Candle``, in their own words for
markets, symbols and intervals (``common.exchanges.seed``); what concerns all of them is on
``serviceLog``. ``docs/compat.md`` says what differs from what they had.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from msgspec import UNSET, Raw, UnsetType

from common.exchanges.protocol import MarketRules
from common.exchanges.registry import EXCHANGES
from common.model.decimals import digits
from common.model.events import Candle, MarketEvent, Ticker
from common.model.streams import Market, Role
from common.publish.routes import encode

SERVICE_LOG = "serviceLog"


class Message(NamedTuple):
    """What is published, and where."""

    channel: str
    text: str


def message(channel: str, body: dict[str, Any]) -> Message:
    """A JSON text for a channel."""
    return Message(channel, encode(body).decode())


def rules_of(exchange: str, market: Market) -> MarketRules:
    """A market, with its old name and words."""
    return EXCHANGES[exchange].markets[market]


# --- prices -------------------------------------------------------------------------------------


def price_messages(event: MarketEvent, now_ms: int) -> list[Message]:
    """A ticker under each of its names, or a candle as it is now; ``now_ms``: the wall's, at sending.

    Raises:
        ArithmeticError: something in it that should be a number is none.
    """
    if isinstance(event, Candle):
        return [_candle(event)]
    seed = rules_of(event.exchange, event.market).seed
    return [_ticker(event, symbol, now_ms) for symbol in seed.symbols(event.symbol)]


def _candle(candle: Candle) -> Message:
    bar = {
        "start": candle.start_ms,
        "open": candle.open,
        "high": candle.high,
        "low": candle.low,
        "close": candle.close,
        "volume": _volume(candle),
    }
    rules = rules_of(candle.exchange, candle.market)
    symbol, interval = rules.seed.symbol(candle.symbol), rules.seed.interval(candle.interval)
    values = "@".join(map(str, bar.values()))
    unique = f"{symbol}@{interval}@{rules.seed_name}@{values}"
    channel = f"{symbol}@{rules.seed_name}@{interval}Candle"
    return message(channel, bar | {"uniqueMessageId": unique})


def _ticker(ticker: Ticker, symbol: str, now_ms: int) -> Message:
    market = rules_of(ticker.exchange, ticker.market).seed_name
    numbers = {
        "price": digits(ticker.last),
        "volume": digits(_volume(ticker)),
        # Where the best prices are not told, the last one: they never had others.
        "bestAsk": digits(_or(ticker.ask, ticker.last)),
        "bestBid": digits(_or(ticker.bid, ticker.last)),
        "bestAskQnt": digits(_or(ticker.ask_size, "0")),
        "bestBidQnt": digits(_or(ticker.bid_size, "0")),
    }
    values = "@".join(numbers.values())
    body = {
        "symbol": symbol,
        "time": ticker.event_ms,
        # Numbers in their JSON, and still every digit of the exchange.
        **{name: Raw(number.encode()) for name, number in numbers.items()},
        "uniqueMessageId": f"{symbol}@{ticker.event_ms}@{market}@{values}",
        "eventTime": now_ms,
        "exchange": market,
    }
    return message(f"trade@{symbol}@{market}", body)


def _volume(event: MarketEvent) -> str:
    """As the exchange counts it: they compare it with what its REST tells them."""
    return _or(event.contracts, _or(event.volume, "0"))


def _or(value: str | UnsetType, other: str) -> str:
    return other if value is UNSET else value


# --- notices ------------------------------------------------------------------------------------


def prices_started(boot_id: str) -> Message:
    """Whoever listens to candles is to ask for them again."""
    return message(SERVICE_LOG, {"restart": "priceConnector", "bootId": boot_id})


def prices_alive(boot_id: str, role: Role) -> Message:
    """As ``prices_started`` for whom that has not reached: he sees another ``boot_id``."""
    return message(SERVICE_LOG, {"priceConnectorAlive": {"bootId": boot_id, "role": role}})


def users_started() -> Message:
    """Whoever listens to accounts is to ask for them again."""
    return message(SERVICE_LOG, {"restart": "userStream"})


def subscribed(account_id: str) -> Message:
    """An account is heard (again): what has happened meanwhile is to be looked up."""
    return Message(f"userStreamInfo{account_id}", f"Subscribed to user {account_id}")


def key_refused(exchange: str, market: Market, account_id: str, reason: str) -> Message:
    """An exchange takes an account's key no more. Its user is not known to us."""
    body = {
        "exchange": rules_of(exchange, market).seed_name,
        "userId": "",
        "reason": reason,
        "exchangeUUID": account_id,
        "kind": "authReject",
    }
    return message(SERVICE_LOG, {"userStreamAuthReject": body})
