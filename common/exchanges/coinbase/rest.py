"""Coinbase's public REST: products, candles, time. Requests as data, answers parsed. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import quote

import msgspec
from msgspec import Raw, Struct, field

from common.exchanges.answers import excerpt, failure, told
from common.exchanges.bars import Volumes, next_start, read_bars, rest_bar
from common.exchanges.budget import Used
from common.exchanges.coinbase.describe import BUDGETS, ERRORS, MARKETS, NAME, PRIVATE
from common.exchanges.protocol import InstrumentPage, RestFailure, RestRequest
from common.exchanges.wire import (
    Millis,
    Number,
    SecondsText,
    decoded,
    integer,
    read_listings,
    reason_in,
)
from common.model.events import Candle
from common.model.instruments import Catalog, Instrument, Trading
from common.model.streams import Market, Stream

PREFIX = "/api/v3/brokerage"


def _request(market: Market, path: str, params: Mapping[str, str] | None = None) -> RestRequest:
    url = MARKETS[market].rest.url + PREFIX + path
    return RestRequest(url=url, params=params or {}, cost={"requests": 1})


# --- time -----------------------------------------------------------------------------------


class _Time(Struct):
    # A 64-bit integer: as text, as their other ones, or as a number.
    now_ms: Millis = field(name="epochMillis")


_time = msgspec.json.Decoder(_Time, strict=False)


def time_request(market: Market) -> RestRequest:
    """``GET …/time``."""
    return _request(market, "/time")


def parse_time(market: Market, body: bytes) -> int:
    """The exchange's clock, ms UTC."""
    return decoded(_time, body).now_ms


# --- instruments ----------------------------------------------------------------------------


class _Product(Struct):
    symbol: str = field(name="product_id")
    kind: str = field(name="product_type")
    base: str = field(name="base_currency_id")
    quote: str = field(name="quote_currency_id")
    step_size: str = field(name="base_increment")
    tick_size: str | None = field(name="price_increment", default=None)
    quote_increment: str | None = None
    # Left out, or empty, where nothing is the matter.
    status: str = ""
    alias: str = ""
    is_disabled: bool = False
    trading_disabled: bool = False
    cancel_only: bool = False
    auction_mode: bool = False


class _Products(Struct):
    products: list[Raw]


_products = msgspec.json.Decoder(_Products)
_product = msgspec.json.Decoder(_Product)


def instruments_requests(market: Market) -> Sequence[RestRequest]:
    """``GET …/market/products``: every spot product, the halted ones too, in one answer."""
    return (_request(market, "/market/products", {"product_type": "SPOT"}),)


def parse_instruments(market: Market, body: bytes) -> InstrumentPage:
    """All spot products that have a book of their own and can be understood.

    A product with an ``alias`` (BTC-USDC, of BTC-USD) is the other's book under a second name, and
    the socket answers by the first: it would be asked for and never heard. It is left out, so that
    whoever wants it is told at once that there is no such stream.
    """

    def read(row: Raw) -> Instrument | None:
        product = _product.decode(row)
        ours = product.kind == "SPOT" and not product.alias
        return _instrument(market, product) if ours else None

    return InstrumentPage(read_listings(decoded(_products, body).products, read))


def _instrument(market: Market, product: _Product) -> Instrument:
    return Instrument(
        exchange=NAME,
        market=market,
        symbol=product.symbol,
        kind="spot",
        base=product.base,
        quote=product.quote,
        settle=product.quote,
        trading=_trading(product),
        tick_size=product.tick_size or product.quote_increment,
        step_size=product.step_size,
    )


def _trading(product: _Product) -> Trading:
    """Whether trades come: not while orders can only be cancelled or wait for an auction."""
    if product.status == "delisted":
        return "closed"
    paused = product.is_disabled or product.trading_disabled or product.cancel_only
    if paused or product.auction_mode or product.status not in ("online", ""):
        return "halted"
    return "trading"


# --- candles --------------------------------------------------------------------------------


class _Row(Struct):
    start_s: SecondsText = field(name="start")
    low: Number
    high: Number
    open: Number
    close: Number
    volume: Number


class _Candles(Struct):
    candles: list[_Row]


_candles = msgspec.json.Decoder(_Candles)


def candles_request(stream: Stream, start_ms: int, end_ms: int) -> RestRequest:
    """``GET …/candles`` for the bars that start in ``[start_ms, end_ms)``.

    Whether ``end`` counts is not documented: the last second of the last bar wanted serves both
    readings. A bar that began before ``start`` may be in the answer, so ``start`` is where one begins.
    """
    interval = stream.interval or ""
    rules = MARKETS[stream.market].rest
    first_ms, last_ms = next_start(interval, start_ms), next_start(interval, end_ms) - 1
    params = {
        "granularity": rules.intervals[interval],
        "start": str(first_ms // 1000),
        "end": str(last_ms // 1000),
        "limit": str(rules.candles_per_request),
    }
    product = quote(stream.symbol, safe="")
    return _request(stream.market, f"/market/products/{product}/candles", params)


def parse_candles(stream: Stream, body: bytes, catalog: Catalog, now_ms: int) -> Sequence[Candle]:
    """The bars of an answer.

    A row has no flag: it is closed once it has ended. An interval without trades has no row.
    """

    def read(row: _Row) -> Candle:
        prices = (row.open, row.high, row.low, row.close)
        return rest_bar(stream, int(row.start_s) * 1000, prices, Volumes(row.volume), now_ms)

    return read_bars(decoded(_candles, body).candles, read)


# --- failures -------------------------------------------------------------------------------


class _Problem(Struct):
    id: str = ""
    message: str = ""


class _Error(Struct):
    """Two forms: ``{"error", "error_details", "message"}`` and ``{"errors": [{"id", …}]}``."""

    error: str = ""
    message: str = ""
    details: str = field(name="error_details", default="")
    errors: list[_Problem] = []


_error = msgspec.json.Decoder(_Error)


def words_of(body: bytes) -> tuple[str, str]:
    """What the body of a failure says, and its details."""
    error = told(_error, body) or _Error(message=excerpt(body))
    words = [error.error, error.message, *(f"{one.id} {one.message}" for one in error.errors)]
    return " ".join(dict.fromkeys(word for word in words if word)), error.details


def rest_failure(status: int, headers: Mapping[str, str], body: bytes) -> RestFailure | None:
    """What an answer means; None for success."""
    if status < 400:
        return None
    text, details = words_of(body)
    # A word says more than a status; a server that fails says nothing about us.
    reason = reason_in(f"{text} {details}", ERRORS) if status < 500 else "transient"
    # Their own x-ratelimit-reset does not say whether it is a time or a wait: not used.
    return failure(status, headers, (text,), None if reason == "transient" else reason)


# --- what was used --------------------------------------------------------------------------


def used(request: RestRequest, headers: Mapping[str, str]) -> Used | None:
    """What is left of the limit; when its window began is not said.

    Believed only where it speaks of the limit that we know: which one it is, is not documented. What is
    left to one account says nothing of the others.
    """
    name = next(iter(request.cost))
    if name == PRIVATE:
        return None
    limit, left = (integer(headers.get(f"x-ratelimit-{word}")) for word in ("limit", "remaining"))
    if left is None or limit != BUDGETS[name].capacity:
        return None
    return Used(name, max(0, limit - left))
