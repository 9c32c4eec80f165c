"""KuCoin's public REST: where to dial, instruments, candles, time. Pure.

Every body is ``{"code":"200000","data":…}``; a failure may come with status 200 and another code.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Generic, TypeVar
from urllib.parse import urlencode

import msgspec
from msgspec import UNSET, Struct, field

from common.exchanges.kucoin.describe import ASSETS, ERRORS, MARKETS, NAME
from common.exchanges.kucoin.parse import Milliseconds, Row
from common.exchanges.kucoin.units import Volumes, digits, integer, volumes_of
from common.exchanges.protocol import InstrumentPage, Reason, RestFailure, RestRequest
from common.model.events import Candle
from common.model.instruments import Catalog, Instrument, Kind, Trading
from common.model.intervals import end_of, is_start, start_of
from common.model.streams import Market, Stream

_T = TypeVar("_T")


class _Body(Struct, Generic[_T]):
    data: _T


def _request(
    market: Market,
    path: str,
    params: Mapping[str, str] | None = None,
    weight: int = 1,
    method: str = "GET",
) -> RestRequest:
    url = MARKETS[market].rest.url + path
    return RestRequest(url=url, params=params or {}, weight=weight, method=method)


# --- where to dial --------------------------------------------------------------------------


class _Server(Struct):
    endpoint: str


class _Bullet(Struct):
    token: str
    servers: list[_Server] = field(name="instanceServers")


_bullet = msgspec.json.Decoder(_Body[_Bullet])


def address_request(market: Market) -> RestRequest:
    """``POST /api/v1/bullet-public``: tokens are per product, and asked anew for every connect."""
    return _request(market, "/api/v1/bullet-public", weight=10, method="POST")


def parse_address(market: Market, body: bytes) -> str:
    """The first server of the answer, with the token. A connect id is made there if none is sent.

    Raises:
        msgspec.ValidationError: it names no server.
    """
    bullet = _bullet.decode(body).data
    for server in bullet.servers:
        if server.endpoint.startswith(("wss://", "ws://")):
            return f"{server.endpoint}?{urlencode({'token': bullet.token})}"
    raise msgspec.ValidationError("no server to dial")


# --- time -----------------------------------------------------------------------------------

_time = msgspec.json.Decoder(_Body[int])


def time_request(market: Market) -> RestRequest:
    """``GET /api/v1/timestamp``."""
    return _request(market, "/api/v1/timestamp", weight=3)


def parse_time(market: Market, body: bytes) -> int:
    """The exchange's clock, ms UTC."""
    return _time.decode(body).data


# --- instruments ----------------------------------------------------------------------------


class _Pair(Struct, rename="camel"):
    symbol: str
    base_currency: str
    quote_currency: str
    enable_trading: bool
    price_increment: str | None = None
    base_increment: str | None = None


class _Contract(Struct, rename="camel"):
    symbol: str
    type: str
    base_currency: str
    quote_currency: str
    settle_currency: str
    is_inverse: bool
    status: str
    multiplier: Decimal
    tick_size: Decimal | None = None
    lot_size: Decimal | None = None
    # Perpetual contracts have null, or in one recording nothing between quotes.
    expire_date: int | str | None = None


_list = msgspec.json.Decoder(_Body[list[msgspec.Raw]])
_pair = msgspec.json.Decoder(_Pair)
_contract = msgspec.json.Decoder(_Contract)

# Init, Paused, CancelOnly, BeingSettled… : listed, but not trading now.
_TRADING: Mapping[str, Trading] = {"Open": "trading", "Settled": "closed", "Closed": "closed"}
# FFICSX is a contract with a date; what is neither is not offered.
_KINDS: Mapping[str, Kind] = {"FFWCSX": "perpetual", "FFICSX": "delivery"}


def instruments_requests(market: Market) -> Sequence[RestRequest]:
    """``GET /api/v2/symbols``, or ``/api/v1/contracts/active``, which lists both futures markets."""
    if market == "spot":
        return (_request(market, "/api/v2/symbols", weight=4),)
    return (_request(market, "/api/v1/contracts/active", weight=3),)


def parse_instruments(market: Market, body: bytes) -> InstrumentPage:
    """All listed symbols of the market that can be understood.

    One strange listing must not cost the others; a list of nothing but strange ones is another
    protocol, and raises.
    """
    rows = _list.decode(body).data
    instruments: list[Instrument] = []
    understood = 0
    for row in rows:
        try:
            one = _spot(row) if market == "spot" else _future(row)
        except (msgspec.ValidationError, ArithmeticError, KeyError):
            continue
        understood += 1
        if one.market == market:
            instruments.append(one)
    if rows and not understood:
        raise msgspec.ValidationError(f"none of {len(rows)} listings was understood")
    return InstrumentPage(instruments)


def _spot(row: msgspec.Raw) -> Instrument:
    pair = _pair.decode(row)
    return Instrument(
        exchange=NAME,
        market="spot",
        symbol=pair.symbol,
        kind="spot",
        base=pair.base_currency,
        quote=pair.quote_currency,
        settle=pair.quote_currency,
        trading="trading" if pair.enable_trading else "halted",
        tick_size=pair.price_increment,
        step_size=pair.base_increment,
    )


def _future(row: msgspec.Raw) -> Instrument:
    """The multiplier is in base on linear; on inverse in quote, and negative."""
    contract = _contract.decode(row)
    kind, inverse = _KINDS[contract.type], contract.is_inverse
    base = ASSETS.get(contract.base_currency, contract.base_currency)
    expiry = contract.expire_date
    return Instrument(
        exchange=NAME,
        market="inverse" if inverse else "linear",
        symbol=contract.symbol,
        kind=kind,
        base=base,
        quote=contract.quote_currency,
        settle=ASSETS.get(contract.settle_currency, contract.settle_currency),
        trading=_TRADING.get(contract.status, "halted"),
        tick_size=None if contract.tick_size is None else digits(contract.tick_size),
        step_size=None if contract.lot_size is None else digits(contract.lot_size),
        contract_size=digits(abs(contract.multiplier)),
        contract_unit=contract.quote_currency if inverse else base,
        expiry_ms=expiry if kind == "delivery" and isinstance(expiry, int) else None,
    )


# --- candles --------------------------------------------------------------------------------


class _FuturesRow(Struct, array_like=True):
    """Another order than anywhere else here: open, high, low, close. All are JSON numbers."""

    start_ms: Milliseconds
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    contracts: Decimal


_spot_rows = msgspec.json.Decoder(_Body[list[Row]], strict=False)
_futures_rows = msgspec.json.Decoder(_Body[list[_FuturesRow]])


def candles_request(stream: Stream, start_ms: int, end_ms: int) -> RestRequest:
    """Bars that start in ``[start_ms, end_ms)``: in seconds on spot, in milliseconds on futures.

    Whether the exchange counts its end in or out is not documented: what is asked for ends inside
    the last bar wanted, so that either gives the same bars.
    """
    market, interval = stream.market, stream.interval or ""
    first_ms, last_ms = _next_start(interval, start_ms), _next_start(interval, end_ms) - 1
    word = MARKETS[market].rest.intervals[interval]
    if market == "spot":
        params = {
            "symbol": stream.symbol,
            "type": word,
            "startAt": str(first_ms // 1000),
            "endAt": str(last_ms // 1000),
        }
        return _request(market, "/api/v1/market/candles", params, weight=3)
    params = {
        "symbol": stream.symbol,
        "granularity": word,
        "from": str(first_ms),
        "to": str(last_ms),
    }
    return _request(market, "/api/v1/kline/query", params, weight=3)


def _next_start(interval: str, time_ms: int) -> int:
    """The first start of a bar that is not before ``time_ms``."""
    return end_of(interval, start_of(interval, time_ms - 1))


def parse_candles(stream: Stream, body: bytes, catalog: Catalog, now_ms: int) -> Sequence[Candle]:
    """The bars of an answer, oldest first (spot tells the newest first).

    A row has no flag: it is closed once it has ended. Bars without trades are left out.

    Raises:
        msgspec.DecodeError: the body, or a row of it, is not what the protocol says.
    """
    try:
        if stream.market == "spot":
            rows = _spot_rows.decode(body).data
            candles = [_spot_candle(stream, row, now_ms) for row in rows]
        else:
            contracts = _futures_rows.decode(body).data
            candles = [_futures_candle(stream, row, catalog, now_ms) for row in contracts]
    except ArithmeticError as error:
        raise msgspec.ValidationError(f"a number: {type(error).__name__}") from error
    return sorted(candles, key=lambda candle: candle.start_ms)


def _spot_candle(stream: Stream, row: Row, now_ms: int) -> Candle:
    prices = (row.open, row.high, row.low, row.close)
    return _candle(stream, row.start_s * 1000, prices, Volumes(row.volume, row.last), now_ms)


def _futures_candle(stream: Stream, row: _FuturesRow, catalog: Catalog, now_ms: int) -> Candle:
    prices = (digits(row.open), digits(row.high), digits(row.low), digits(row.close))
    volumes = volumes_of(stream.market, stream.symbol, digits(row.contracts), catalog)
    return _candle(stream, row.start_ms, prices, volumes, now_ms)


def _candle(
    stream: Stream,
    start_ms: int,
    prices: tuple[str, str, str, str],
    volumes: Volumes,
    now_ms: int,
) -> Candle:
    interval = stream.interval or ""
    if not is_start(interval, start_ms):
        raise msgspec.ValidationError(f"no {interval} starts at {start_ms}")
    end_ms = end_of(interval, start_ms)
    open_, high, low, close = prices
    return Candle(
        exchange=NAME,
        market=stream.market,
        symbol=stream.symbol,
        interval=interval,
        start_ms=start_ms,
        end_ms=end_ms,
        open=open_,
        high=high,
        low=low,
        close=close,
        volume=volumes.base,
        quote_volume=volumes.quote,
        contracts=volumes.contracts,
        closed=end_ms <= now_ms,
        event_ms=UNSET if end_ms <= now_ms else now_ms,
    )


# --- failures -------------------------------------------------------------------------------


class _Status(Struct):
    code: str | int = ""
    msg: str | None = None


_SUCCESS = 200_000
_STATUS: Mapping[int, Reason] = {401: "auth", 403: "rate", 404: "config", 429: "rate"}
# One code stands for whatever is wrong with a parameter: only the text tells a symbol.
_NO_SYMBOL = "Unsupported trading pair."


def rest_failure(status: int, headers: Mapping[str, str], body: bytes) -> RestFailure | None:
    """What an answer means; None for success. 403 is the firewall: it is waited out."""
    try:
        said = msgspec.json.decode(body, type=_Status)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        said = _Status(msg=body[:100].decode(errors="replace"))
    code = integer(said.code)
    if status < 400 and code == _SUCCESS:
        return None
    reason = None if code is None else ERRORS.get(code)
    if said.msg == _NO_SYMBOL:
        reason = "unsupported"
    limited = _STATUS.get(status) == "rate"
    return RestFailure(
        reason="rate" if limited else reason or _STATUS.get(status, "transient"),
        detail=f"HTTP {status} {said.code} {said.msg or ''}".strip(),
        retry_after_s=_wait_s(headers) if limited or reason == "rate" else None,
    )


def _wait_s(headers: Mapping[str, str]) -> float | None:
    """The rest of the limit's window, which is told in ms; a proxy says it in seconds."""
    window_ms = integer(headers.get("gw-ratelimit-reset"))
    return integer(headers.get("retry-after")) if window_ms is None else window_ms / 1000
