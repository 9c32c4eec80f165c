"""KuCoin's public REST: where to dial, instruments, candles, time. Pure.

Every body is ``{"code":"200000","data":…}``; a failure may come with status 200 and another code.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Generic, TypeVar
from urllib.parse import urlencode

import msgspec
from msgspec import Struct, field

from common.exchanges.answers import excerpt, failure, seconds, told
from common.exchanges.bars import Volumes, next_start, read_bars, rest_bar
from common.exchanges.budget import Used
from common.exchanges.kucoin.describe import ASSETS, BUDGETS, ERRORS, MARKETS, NAME
from common.exchanges.kucoin.parse import Row
from common.exchanges.kucoin.units import digits, volumes_of
from common.exchanges.protocol import InstrumentPage, RestFailure, RestRequest
from common.exchanges.wire import Millis, decoded, integer, read_listings
from common.model.events import Candle
from common.model.instruments import Catalog, Instrument, Kind, Trading
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
    return RestRequest(url=url, params=params or {}, cost={"public": weight}, method=method)


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
    bullet = decoded(_bullet, body).data
    for server in bullet.servers:
        if server.endpoint.startswith(("wss://", "ws://")):
            return f"{server.endpoint}?{urlencode({'token': bullet.token})}"
    raise msgspec.ValidationError("no server to dial")


# --- time -----------------------------------------------------------------------------------

_time = msgspec.json.Decoder(_Body[Millis])


def time_request(market: Market) -> RestRequest:
    """``GET /api/v1/timestamp``."""
    return _request(market, "/api/v1/timestamp", weight=3)


def parse_time(market: Market, body: bytes) -> int:
    """The exchange's clock, ms UTC."""
    return decoded(_time, body).data


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
    """All listed symbols of the market that can be understood."""

    def read(row: msgspec.Raw) -> Instrument | None:
        instrument = _spot(row) if market == "spot" else _future(row)
        return instrument if instrument.market == market else None

    return InstrumentPage(read_listings(decoded(_list, body).data, read))


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
    kind, inverse = _KINDS.get(contract.type), contract.is_inverse
    if kind is None:
        raise msgspec.ValidationError(f"{contract.symbol} is of type {contract.type!r}")
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

    start_ms: Millis
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
    first_ms, last_ms = next_start(interval, start_ms), next_start(interval, end_ms) - 1
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


def parse_candles(stream: Stream, body: bytes, catalog: Catalog, now_ms: int) -> Sequence[Candle]:
    """The bars of an answer. A row has no flag: it is closed once it has ended.

    Bars without trades are left out.
    """

    def read_spot(row: Row) -> Candle:
        prices, volumes = (row.open, row.high, row.low, row.close), Volumes(row.volume, row.last)
        return rest_bar(stream, row.start_s * 1000, prices, volumes, now_ms)

    def read_futures(row: _FuturesRow) -> Candle:
        prices = (digits(row.open), digits(row.high), digits(row.low), digits(row.close))
        volumes = volumes_of(stream.market, stream.symbol, digits(row.contracts), catalog)
        return rest_bar(stream, row.start_ms, prices, volumes, now_ms)

    if stream.market == "spot":
        return read_bars(decoded(_spot_rows, body).data, read_spot)
    return read_bars(decoded(_futures_rows, body).data, read_futures)


# --- failures -------------------------------------------------------------------------------


class _Status(Struct):
    code: str | int = ""
    msg: str | None = None


_status = msgspec.json.Decoder(_Status)
_SUCCESS = 200_000
# One code stands for whatever is wrong with a parameter: only the text tells a symbol.
_NO_SYMBOL = "Unsupported trading pair."


def rest_failure(status: int, headers: Mapping[str, str], body: bytes) -> RestFailure | None:
    """What an answer means; None for success."""
    said = told(_status, body) or _Status(msg=excerpt(body))
    code = integer(said.code)
    if status < 400 and code == _SUCCESS:
        return None
    reason = None if code is None else ERRORS.get(code)
    if said.msg == _NO_SYMBOL:
        reason = "unsupported"
    if status == 403:
        reason = "rate"
    problem = failure(status, headers, (said.code, said.msg or ""), reason)
    # The rest of the limit's window; only a proxy says it in seconds.
    window_ms = seconds(headers.get("gw-ratelimit-reset"))
    if problem.reason != "rate" or window_ms is None:
        return problem
    return msgspec.structs.replace(problem, retry_after_s=window_ms / 1000)


# --- what was used --------------------------------------------------------------------------


def used(request: RestRequest, headers: Mapping[str, str]) -> Used | None:
    """What is left of the weight of this window, and when it ends.

    Signed calls are counted by account: they tell nothing of the address.
    """
    if "public" not in request.cost:
        return None
    left = integer(headers.get("gw-ratelimit-remaining"))
    reset_ms = seconds(headers.get("gw-ratelimit-reset"))
    if left is None or reset_ms is None:
        return None
    budget = BUDGETS["public"]
    elapsed_s = max(0.0, budget.window_s - reset_ms / 1000)
    return Used("public", max(0, budget.capacity - left), elapsed_s)
