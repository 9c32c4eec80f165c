"""Coinbase's public REST: products, candles, time. Requests as data, answers parsed. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated
from urllib.parse import quote

import msgspec
from msgspec import UNSET, Meta, Struct, field

from common.exchanges.coinbase.describe import MARKETS, NAME, reason_of
from common.exchanges.protocol import InstrumentPage, Reason, RestFailure, RestRequest
from common.model.events import Candle
from common.model.instruments import Catalog, Instrument, Trading
from common.model.intervals import end_of, is_start, start_of
from common.model.streams import Market, Stream

_PREFIX = "/api/v3/brokerage"


def _request(market: Market, path: str, params: Mapping[str, str] | None = None) -> RestRequest:
    return RestRequest(url=MARKETS[market].rest.url + _PREFIX + path, params=params or {})


# --- time -----------------------------------------------------------------------------------


class _Time(Struct):
    # A 64-bit integer: as text, as their other ones, or as a number.
    now_ms: int = field(name="epochMillis")


def time_request(market: Market) -> RestRequest:
    """``GET …/time``."""
    return _request(market, "/time")


def parse_time(market: Market, body: bytes) -> int:
    """The exchange's clock, ms UTC."""
    return msgspec.json.decode(body, type=_Time, strict=False).now_ms


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
    products: list[msgspec.Raw]


_product = msgspec.json.Decoder(_Product)


def instruments_requests(market: Market) -> Sequence[RestRequest]:
    """``GET …/market/products``: every spot product, the halted ones too, in one answer."""
    return (_request(market, "/market/products", {"product_type": "SPOT"}),)


def parse_instruments(market: Market, body: bytes) -> InstrumentPage:
    """All spot products that have a book of their own and can be understood.

    A product with an ``alias`` (BTC-USDC, of BTC-USD) is the other's book under a second name, and
    the socket answers by the first: it would be asked for and never heard. It is left out, so that
    whoever wants it is told at once that there is no such stream.

    One strange product must not cost the others; a list of nothing but strange ones is another
    protocol, and raises.
    """
    rows = msgspec.json.decode(body, type=_Products).products
    products, strange = [], None
    for row in rows:
        try:
            products.append(_product.decode(row))
        except msgspec.ValidationError as error:
            strange = error
    if strange is not None and not products:
        raise strange
    ours = [product for product in products if product.kind == "SPOT" and not product.alias]
    return InstrumentPage([_instrument(market, product) for product in ours])


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

_Number = Annotated[str, Meta(pattern=r"\A[0-9]{1,30}(\.[0-9]{1,30})?\Z")]


class _Row(Struct):
    start_s: Annotated[str, Meta(pattern=r"\A[0-9]{1,11}\Z")] = field(name="start")
    low: _Number
    high: _Number
    open: _Number
    close: _Number
    volume: _Number


class _Candles(Struct):
    candles: list[_Row]


_candles = msgspec.json.Decoder(_Candles)


def candles_request(stream: Stream, start_ms: int, end_ms: int) -> RestRequest:
    """``GET …/candles`` for the bars that start in ``[start_ms, end_ms)``.

    Whether ``end`` counts is not documented: the last second before ours serves both readings. A
    bar that began before ``start`` may be in the answer, so ``start`` is where one begins.
    """
    interval = stream.interval or ""
    rules = MARKETS[stream.market].rest
    if not is_start(interval, start_ms):
        start_ms = end_of(interval, start_of(interval, start_ms))
    params = {
        "granularity": rules.intervals[interval],
        "start": str(start_ms // 1000),
        "end": str((end_ms - 1) // 1000),
        "limit": str(rules.candles_per_request),
    }
    product = quote(stream.symbol, safe="")
    return _request(stream.market, f"/market/products/{product}/candles", params)


def parse_candles(stream: Stream, body: bytes, catalog: Catalog, now_ms: int) -> Sequence[Candle]:
    """The bars of an answer, oldest first (the wire has newest first).

    A row has no flag: it is closed once it has ended. An interval without trades has no row.
    """
    candles = [_candle(stream, row, now_ms) for row in _candles.decode(body).candles]
    return sorted(candles, key=lambda candle: candle.start_ms)


def _candle(stream: Stream, row: _Row, now_ms: int) -> Candle:
    interval, start_ms = stream.interval or "", int(row.start_s) * 1000
    end_ms = end_of(interval, start_ms)
    closed = end_ms <= now_ms
    return Candle(
        exchange=NAME,
        market=stream.market,
        symbol=stream.symbol,
        interval=interval,
        start_ms=start_ms,
        end_ms=end_ms,
        open=row.open,
        high=row.high,
        low=row.low,
        close=row.close,
        volume=row.volume,
        closed=closed,
        event_ms=UNSET if closed else now_ms,
    )


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


_STATUS: Mapping[int, Reason] = {
    400: "config", 401: "auth", 403: "auth", 404: "unsupported", 429: "rate",
}  # fmt: skip


def rest_failure(status: int, headers: Mapping[str, str], body: bytes) -> RestFailure | None:
    """What an answer means; None for success."""
    if status < 400:
        return None
    try:
        error = msgspec.json.decode(body, type=_Error)
    except (msgspec.DecodeError, UnicodeDecodeError):
        error = _Error(message=body[:100].decode(errors="replace"))
    words = [error.error, error.message, *(f"{one.id} {one.message}" for one in error.errors)]
    text = " ".join(dict.fromkeys(word for word in words if word))
    reason = _STATUS.get(status, "transient")
    if reason != "rate":
        # A word says more than a status; a server that fails says nothing about us.
        told = reason_of(f"{text} {error.details}")
        reason = told if told != "transient" and status < 500 else reason
    # Their own x-ratelimit-reset does not say whether it is a time or a wait: not used.
    wait = headers.get("retry-after", "")
    return RestFailure(
        reason=reason,
        detail=f"HTTP {status} {text}".strip()[:200],
        retry_after_s=float(wait) if wait.isdecimal() and wait.isascii() else None,
    )
