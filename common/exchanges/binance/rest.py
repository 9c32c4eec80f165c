"""Binance's public REST: instruments, candles, time. Requests as data, answers parsed. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from email.utils import parsedate_to_datetime

import msgspec
from msgspec import Struct, field

from common.exchanges.answers import excerpt, failure, told
from common.exchanges.bars import bars_within, read_bars, rest_bar
from common.exchanges.binance.describe import ERRORS, MARKETS, NAME, REST_BUDGET
from common.exchanges.binance.parse import volumes
from common.exchanges.budget import Used
from common.exchanges.protocol import InstrumentPage, RestFailure, RestRequest
from common.exchanges.wire import Millis, Number, decoded, integer, read_listings
from common.model.events import Candle
from common.model.instruments import Catalog, Instrument, Kind, Trading
from common.model.streams import Market, Stream

_PREFIX: Mapping[Market, str] = {"spot": "/api/v3", "linear": "/fapi/v1", "inverse": "/dapi/v1"}


def _request(
    market: Market, path: str, params: Mapping[str, str] | None = None, weight: int = 1
) -> RestRequest:
    url = MARKETS[market].rest.url + _PREFIX[market] + path
    return RestRequest(url=url, params=params or {}, cost={REST_BUDGET[market]: weight})


# --- time -----------------------------------------------------------------------------------


class _Time(Struct):
    now_ms: Millis = field(name="serverTime")


_time = msgspec.json.Decoder(_Time)


def time_request(market: Market) -> RestRequest:
    """``GET …/time``."""
    return _request(market, "/time")


def parse_time(market: Market, body: bytes) -> int:
    """The exchange's clock, ms UTC."""
    return decoded(_time, body).now_ms


# --- instruments ----------------------------------------------------------------------------


class _Filter(Struct):
    kind: str = field(name="filterType")
    tick_size: str | None = field(name="tickSize", default=None)
    step_size: str | None = field(name="stepSize", default=None)


class _Symbol(Struct):
    symbol: str
    base: str = field(name="baseAsset")
    quote: str = field(name="quoteAsset")
    margin: str | None = field(name="marginAsset", default=None)
    status: str | None = None
    contract_status: str | None = field(name="contractStatus", default=None)
    contract_type: str | None = field(name="contractType", default=None)
    contract_size: int | str | None = field(name="contractSize", default=None)
    delivery_ms: int | None = field(name="deliveryDate", default=None)
    filters: list[_Filter] = []


class _Info(Struct):
    symbols: list[msgspec.Raw]


_info = msgspec.json.Decoder(_Info)
_symbol = msgspec.json.Decoder(_Symbol)

# END_OF_DAY, BREAK, HALT, CANCEL_ONLY, PENDING_TRADING, PRE_SETTLE… : listed, but not trading now.
_TRADING: Mapping[str, Trading] = {
    "TRADING": "trading",
    "DELIVERED": "closed",
    "CLOSE": "closed",
}

# 2100-12-25: the delivery date of what is never delivered.
_NEVER_MS = 4_133_404_800_000


def instruments_requests(market: Market) -> Sequence[RestRequest]:
    """``GET …/exchangeInfo``: every symbol, the halted ones too."""
    return (_request(market, "/exchangeInfo", weight=20 if market == "spot" else 1),)


def parse_instruments(market: Market, body: bytes) -> InstrumentPage:
    """All listed symbols of the market that can be understood."""
    rows = decoded(_info, body).symbols
    return InstrumentPage(read_listings(rows, lambda row: _instrument(market, _symbol.decode(row))))


def _instrument(market: Market, symbol: _Symbol) -> Instrument:
    kind: Kind = "spot"
    if market != "spot":
        # What is not trading yet may have no contract type, but says that it never ends.
        endless = "PERPETUAL" in (symbol.contract_type or "") or symbol.delivery_ms == _NEVER_MS
        kind = "perpetual" if endless else "delivery"
    steps = {filter_.kind: filter_ for filter_ in symbol.filters}
    price, lot = steps.get("PRICE_FILTER"), steps.get("LOT_SIZE")
    return Instrument(
        exchange=NAME,
        market=market,
        symbol=symbol.symbol,
        kind=kind,
        base=symbol.base,
        quote=symbol.quote,
        settle=symbol.margin or symbol.quote,
        trading=_TRADING.get(symbol.contract_status or symbol.status or "", "halted"),
        tick_size=price.tick_size if price else None,
        step_size=lot.step_size if lot else None,
        contract_size=None if symbol.contract_size is None else str(symbol.contract_size),
        contract_unit=None if symbol.contract_size is None else symbol.quote,
        expiry_ms=symbol.delivery_ms if kind == "delivery" else None,
    )


# --- candles --------------------------------------------------------------------------------


class _Row(Struct, array_like=True):
    start_ms: Millis
    open: Number
    high: Number
    low: Number
    close: Number
    volume: Number
    last_ms: int
    quote_volume: Number
    trades: int


_rows = msgspec.json.Decoder(list[_Row])


def candles_request(stream: Stream, start_ms: int, end_ms: int) -> RestRequest:
    """``GET …/klines`` for the bars that start in ``[start_ms, end_ms)``.

    Both ends are given, and no more bars between them than one answer holds: COIN-M counts its
    limit from the end and the other two from the start, so an open or overfull range would come
    out differently. On futures the limit is paid for, not what is answered: no more are asked for
    than there may be.
    """
    market, interval = stream.market, stream.interval or ""
    rules = MARKETS[market].rest
    count = bars_within(interval, start_ms, end_ms, rules.candles_per_request)
    params = {
        "symbol": stream.symbol,
        "interval": rules.intervals[interval],
        "startTime": str(start_ms),
        "endTime": str(end_ms - 1),
        "limit": str(count),
    }
    return _request(market, "/klines", params, 2 if market == "spot" else _weight(count))


def _weight(limit: int) -> int:
    """What a request of so many bars costs on futures."""
    return next((weight for below, weight in ((100, 1), (500, 2)) if limit < below), 5)


def parse_candles(stream: Stream, body: bytes, catalog: Catalog, now_ms: int) -> Sequence[Candle]:
    """The bars of an answer. The row has no flag: it is closed once it has ended."""
    rows = decoded(_rows, body)
    return read_bars(rows, lambda row: _candle(stream, row, catalog, now_ms))


def _candle(stream: Stream, row: _Row, catalog: Catalog, now_ms: int) -> Candle:
    return rest_bar(
        stream,
        row.start_ms,
        (row.open, row.high, row.low, row.close),
        volumes(stream.market, stream.symbol, row.volume, row.quote_volume, catalog),
        now_ms,
        row.trades,
    )


# --- failures -------------------------------------------------------------------------------


class Error(Struct):
    """What is wrong, in REST and on the sockets of accounts."""

    code: int = 0
    msg: str = ""


ERROR = msgspec.json.Decoder(Error)


def rest_failure(status: int, headers: Mapping[str, str], body: bytes) -> RestFailure | None:
    """What an answer means; None for success."""
    if status < 400:
        return None
    error = told(ERROR, body) or Error(msg=excerpt(body))
    return failure(status, headers, (error.code, error.msg), ERRORS.get(error.code))


# --- what was used --------------------------------------------------------------------------


def used(request: RestRequest, headers: Mapping[str, str]) -> Used | None:
    """The weight that the address has used in this minute, counted by the exchange's clock."""
    units = integer(headers.get("x-mbx-used-weight-1m"))
    second = _second(headers.get("date", ""))
    if units is None or second is None:
        return None
    return Used(next(iter(request.cost)), units, second)


def _second(date: str) -> int | None:
    try:
        return parsedate_to_datetime(date).second
    except ValueError:
        return None
