"""Binance's public REST: instruments, candles, time. Requests as data, answers parsed. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
from msgspec import UNSET, Struct, field

from common.exchanges.binance.describe import ERRORS, MARKETS, NAME
from common.exchanges.binance.parse import volumes
from common.exchanges.protocol import InstrumentPage, Reason, RestFailure, RestRequest
from common.model.events import Candle
from common.model.instruments import Catalog, Instrument, Kind, Trading
from common.model.streams import Market, Stream

_PREFIX: Mapping[Market, str] = {"spot": "/api/v3", "linear": "/fapi/v1", "inverse": "/dapi/v1"}


def _request(
    market: Market, path: str, params: Mapping[str, str] | None = None, weight: int = 1
) -> RestRequest:
    url = MARKETS[market].rest.url + _PREFIX[market] + path
    return RestRequest(url=url, params=params or {}, weight=weight)


# --- time -----------------------------------------------------------------------------------


class _Time(Struct):
    server_time: int = field(name="serverTime")


def time_request(market: Market) -> RestRequest:
    """``GET …/time``."""
    return _request(market, "/time")


def parse_time(market: Market, body: bytes) -> int:
    """The exchange's clock, ms UTC."""
    return msgspec.json.decode(body, type=_Time).server_time


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
    """All listed symbols of the market that can be understood.

    One strange listing must not cost the others; whoever wants it is told it is unknown. A list
    of nothing but strange ones is another protocol, and raises.
    """
    rows = msgspec.json.decode(body, type=_Info).symbols
    instruments: list[Instrument] = []
    for row in rows:
        try:
            instruments.append(_instrument(market, _symbol.decode(row)))
        except msgspec.ValidationError:
            if len(rows) == 1 or (row is rows[-1] and not instruments):
                raise
    return InstrumentPage(instruments)


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
    start_ms: int
    open: str
    high: str
    low: str
    close: str
    volume: str
    last_ms: int
    quote_volume: str
    trades: int


_rows = msgspec.json.Decoder(list[_Row])


def candles_request(stream: Stream, start_ms: int, end_ms: int) -> RestRequest:
    """``GET …/klines`` for the bars that start in ``[start_ms, end_ms)``.

    Both ends are given, and no more bars between them than one answer holds: COIN-M counts its
    limit from the end and the other two from the start, so an open or overfull range would come
    out differently.
    """
    limit = MARKETS[stream.market].rest.candles_per_request
    params = {
        "symbol": stream.symbol,
        "interval": MARKETS[stream.market].rest.intervals[stream.interval or ""],
        "startTime": str(start_ms),
        "endTime": str(end_ms - 1),
        "limit": str(limit),
    }
    return _request(stream.market, "/klines", params, weight=2 if stream.market == "spot" else 10)


def parse_candles(stream: Stream, body: bytes, catalog: Catalog, now_ms: int) -> Sequence[Candle]:
    """The bars of an answer, oldest first. The row has no flag: it is closed once it has ended."""
    return [_candle(stream, row, catalog, now_ms) for row in _rows.decode(body)]


def _candle(stream: Stream, row: _Row, catalog: Catalog, now_ms: int) -> Candle:
    volume, quote_volume, contracts = volumes(
        stream.market, stream.symbol, row.volume, row.quote_volume, catalog
    )
    closed = row.last_ms < now_ms
    return Candle(
        exchange=NAME,
        market=stream.market,
        symbol=stream.symbol,
        interval=stream.interval or "",
        start_ms=row.start_ms,
        end_ms=row.last_ms + 1,
        open=row.open,
        high=row.high,
        low=row.low,
        close=row.close,
        volume=volume,
        quote_volume=quote_volume,
        contracts=contracts,
        trades=row.trades,
        closed=closed,
        event_ms=UNSET if closed else now_ms,
    )


# --- failures -------------------------------------------------------------------------------


class _Error(Struct):
    code: int = 0
    msg: str = ""


_STATUS: Mapping[int, Reason] = {401: "auth", 403: "rate", 404: "config", 418: "rate", 429: "rate"}


def rest_failure(status: int, headers: Mapping[str, str], body: bytes) -> RestFailure | None:
    """What an answer means; None for success. 418 is a ban, 403 the firewall: both are waited out."""
    if status < 400:
        return None
    try:
        error = msgspec.json.decode(body, type=_Error)
    except (msgspec.DecodeError, UnicodeDecodeError):
        error = _Error(msg=body[:100].decode(errors="replace"))
    reason = ERRORS.get(error.code) or _STATUS.get(status, "transient")
    wait = headers.get("retry-after", "")
    return RestFailure(
        reason=_STATUS[status] if status in (418, 429) else reason,
        detail=f"HTTP {status} {error.code} {error.msg}".strip(),
        retry_after_s=float(wait) if wait.isdigit() else None,
    )
