"""Bybit's public REST: instruments, candles, time. Requests as data, answers parsed. Pure.

Every answer is ``{"retCode", "retMsg", "result", "time"}``, failures with HTTP status 200 too.
Numbers in it are texts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec
from msgspec import Struct, field

from common.exchanges.answers import excerpt, failure, told
from common.exchanges.bars import read_bars, rest_bar
from common.exchanges.bybit.describe import BAN_S, CONTRACT_SIZE, ERRORS, MARKETS, NAME
from common.exchanges.bybit.parse import volumes
from common.exchanges.protocol import InstrumentPage, RestFailure, RestRequest
from common.exchanges.wire import Millis, Number, decoded, integer, read_listings
from common.model.events import Candle
from common.model.instruments import Catalog, Instrument, Kind, Trading
from common.model.streams import Market, Stream


def _request(market: Market, path: str, **params: str) -> RestRequest:
    url = f"{MARKETS[market].rest.url}/v5/market/{path}"
    return RestRequest(url=url, params=params, cost={"requests": 1})


# --- time -----------------------------------------------------------------------------------


class _Time(Struct):
    now_ms: Millis = field(name="time")


_time = msgspec.json.Decoder(_Time, strict=False)


def time_request(market: Market) -> RestRequest:
    """``GET …/time``."""
    return _request(market, "time")


def parse_time(market: Market, body: bytes) -> int:
    """The exchange's clock, ms UTC."""
    return decoded(_time, body).now_ms


# --- instruments ----------------------------------------------------------------------------


class _Price(Struct):
    tick_size: str | None = field(name="tickSize", default=None)


class _Lot(Struct):
    # Contracts have a step, spot has the digits of its base coin.
    step: str | None = field(name="qtyStep", default=None)
    base_precision: str | None = field(name="basePrecision", default=None)


class _PreListing(Struct):
    phase: str = field(name="curAuctionPhase", default="")


_Contract = Literal["LinearPerpetual", "LinearFutures", "InversePerpetual", "InverseFutures"]


class _Symbol(Struct):
    symbol: str
    base: str = field(name="baseCoin")
    quote: str = field(name="quoteCoin")
    status: str
    settle: str | None = field(name="settleCoin", default=None)
    contract: _Contract | None = field(name="contractType", default=None)
    delivery_ms: Millis | Literal[""] | None = field(name="deliveryTime", default=None)
    price: _Price = field(name="priceFilter", default_factory=_Price)
    lot: _Lot = field(name="lotSizeFilter", default_factory=_Lot)
    pre_listing: _PreListing | None = field(name="preListingInfo", default=None)


class _List(Struct):
    rows: list[msgspec.Raw] = field(name="list")
    cursor: str | None = field(name="nextPageCursor", default=None)


class _Info(Struct):
    result: _List


class _Status(Struct):
    status: str = ""


_info = msgspec.json.Decoder(_Info)
_symbol = msgspec.json.Decoder(_Symbol, strict=False)
_status = msgspec.json.Decoder(_Status)

# Without a status only what trades is told. Pre-market contracts are listed under their own.
_STATUSES: Mapping[Market, tuple[str, ...]] = {
    "spot": ("Trading",),
    "linear": ("Trading", "PreLaunch"),
    "inverse": ("Trading", "PreLaunch"),
}
# PreLaunch, Delivering: listed, but not trading now.
_TRADING: Mapping[str, Trading] = {"Trading": "trading", "Closed": "closed"}


def instruments_requests(market: Market) -> Sequence[RestRequest]:
    """``GET …/instruments-info``, once for each status; spot comes in one piece."""
    return [_instruments_request(market, status) for status in _STATUSES[market]]


def _instruments_request(market: Market, status: str, **page: str) -> RestRequest:
    if market == "spot":
        return _request(market, "instruments-info", category=market)
    params = {"category": market, "status": status, "limit": "1000", **page}
    return _request(market, "instruments-info", **params)


def parse_instruments(market: Market, body: bytes) -> InstrumentPage:
    """The symbols of a page that can be understood, and where it goes on."""
    page = decoded(_info, body).result
    instruments = read_listings(page.rows, lambda row: _instrument(market, _symbol.decode(row)))
    if not page.rows or not page.cursor:
        return InstrumentPage(instruments)
    # The next page is of the same status; the answer does not repeat the question.
    status = decoded(_status, page.rows[0]).status
    return InstrumentPage(instruments, _instruments_request(market, status, cursor=page.cursor))


def _instrument(market: Market, symbol: _Symbol) -> Instrument:
    kind: Kind = "spot"
    if market != "spot":
        if symbol.contract is None:
            raise msgspec.ValidationError(f"{symbol.symbol} has no contract type")
        kind = "perpetual" if symbol.contract.endswith("Perpetual") else "delivery"
    trading = _TRADING.get(symbol.status, "halted")
    if symbol.pre_listing is not None and symbol.pre_listing.phase == "ContinuousTrading":
        trading = "trading"
    inverse = market == "inverse"
    return Instrument(
        exchange=NAME,
        market=market,
        symbol=symbol.symbol,
        kind=kind,
        base=symbol.base,
        quote=symbol.quote,
        settle=symbol.settle or symbol.quote,
        trading=trading,
        tick_size=symbol.price.tick_size,
        step_size=symbol.lot.step or symbol.lot.base_precision,
        contract_size=CONTRACT_SIZE if inverse else None,
        contract_unit=symbol.quote if inverse else None,
        # A perpetual has one too, once its end is known.
        expiry_ms=(symbol.delivery_ms or None) if kind == "delivery" else None,
    )


# --- candles --------------------------------------------------------------------------------


class _Row(Struct, array_like=True):
    start_ms: Millis
    open: Number
    high: Number
    low: Number
    close: Number
    volume: Number
    turnover: Number


class _Rows(Struct):
    rows: list[_Row] = field(name="list")


class _Klines(Struct):
    result: _Rows


_klines = msgspec.json.Decoder(_Klines, strict=False)


def candles_request(stream: Stream, start_ms: int, end_ms: int) -> RestRequest:
    """``GET …/kline`` for the bars that start in ``[start_ms, end_ms)``; both ends are inclusive.

    Rows are counted from the newest: an overfull range would lose its oldest.
    """
    rules = MARKETS[stream.market].rest
    return _request(
        stream.market,
        "kline",
        category=stream.market,
        symbol=stream.symbol,
        interval=rules.intervals[stream.interval or ""],
        start=str(start_ms),
        end=str(end_ms - 1),
        limit=str(rules.candles_per_request),
    )


def parse_candles(stream: Stream, body: bytes, catalog: Catalog, now_ms: int) -> Sequence[Candle]:
    """The bars of an answer. The row has no flag: it is closed once it has ended."""

    def read(row: _Row) -> Candle:
        prices = (row.open, row.high, row.low, row.close)
        traded = volumes(stream.market, row.volume, row.turnover)
        return rest_bar(stream, row.start_ms, prices, traded, now_ms)

    return read_bars(decoded(_klines, body).result.rows, read)


# --- failures -------------------------------------------------------------------------------


class Outcome(Struct):
    """What every answer says of itself; without a code it is not the exchange's own."""

    code: int | None = field(name="retCode", default=None)
    text: str = field(name="retMsg", default="")
    now_ms: int = field(name="time", default=0)


_outcome = msgspec.json.Decoder(Outcome, strict=False)


def outcome_of(body: bytes) -> Outcome:
    """What an answer says of itself; its beginning where it is not the exchange's own."""
    outcome = told(_outcome, body) or Outcome(text=excerpt(body))
    return msgspec.structs.replace(outcome, text=unsigned(outcome.text))


def unsigned(text: str) -> str:
    """A refusal without what it repeats of the request: a wrong signature's has the key in it."""
    return text.partition("origin_string")[0].rstrip(" ,")


def rest_failure(status: int, headers: Mapping[str, str], body: bytes) -> RestFailure | None:
    """What an answer means; None for success, which only the code 0 is.

    403 is the ban of an address that asked too often (or is in a country that is not served).
    """
    outcome = outcome_of(body)
    if status < 400 and outcome.code == 0:
        return None
    reason = "rate" if status == 403 else ERRORS.get(outcome.code or 0)
    problem = failure(status, headers, (outcome.code or "", outcome.text), reason)
    wait_s = BAN_S if status == 403 else problem.retry_after_s or _reset_s(headers, outcome.now_ms)
    return msgspec.structs.replace(problem, retry_after_s=wait_s)


def _reset_s(headers: Mapping[str, str], now_ms: int) -> float | None:
    """How long a limit lasts that tells until when, on the exchange's clock."""
    until_ms = integer(headers.get("x-bapi-limit-reset-timestamp"))
    if until_ms is None or not now_ms:
        return None
    return max((until_ms - now_ms) / 1000, 1.0)
