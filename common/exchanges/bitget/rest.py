"""Bitget's public REST v2: instruments, candles, time. Requests as data, answers parsed. Pure.

Every answer is ``{"code":"00000","msg":"success","requestTime":…,"data":…}``; a failure has
another code, also with HTTP status 200.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct, field

from common.exchanges.answers import excerpt, failure, told
from common.exchanges.bars import bars_within, read_bars, rest_bar
from common.exchanges.bitget.describe import (
    CANDLES,
    ERRORS,
    INST_TYPES,
    LISTINGS,
    MARKETS,
    NAME,
    SPARE_ROWS,
    TIME,
)
from common.exchanges.bitget.parse import Row, prices, volumes
from common.exchanges.protocol import InstrumentPage, RestFailure, RestRequest
from common.exchanges.wire import MaybeMillisText, MillisText, Number, decoded, read_listings
from common.model.events import Candle
from common.model.instruments import Catalog, Instrument, Trading
from common.model.streams import Market, Stream

_SUCCESS = "00000"


def _request(market: Market, path: str, params: Mapping[str, str] | None = None) -> RestRequest:
    url = MARKETS[market].rest.url + path
    return RestRequest(url=url, params=params or {}, cost={path: 1, "requests": 1})


def _product(market: Market) -> dict[str, str]:
    """Both futures markets share their paths: the product type tells them apart."""
    return {} if market == "spot" else {"productType": INST_TYPES[market]}


# --- time -----------------------------------------------------------------------------------


class _Clock(Struct):
    now_ms: MillisText = field(name="serverTime")


class _Time(Struct):
    data: _Clock


_time = msgspec.json.Decoder(_Time)


def time_request(market: Market) -> RestRequest:
    """``GET /api/v2/public/time``."""
    return _request(market, TIME)


def parse_time(market: Market, body: bytes) -> int:
    """The exchange's clock, ms UTC."""
    return int(decoded(_time, body).data.now_ms)


# --- instruments ----------------------------------------------------------------------------

_Places = Annotated[str, Meta(pattern=r"\A[0-9]{1,2}\Z")]


class _Pair(Struct):
    """A row of spot's ``symbols``."""

    symbol: str
    base: str = field(name="baseCoin")
    quote: str = field(name="quoteCoin")
    price_places: _Places = field(name="pricePrecision")
    size_places: _Places = field(name="quantityPrecision")
    status: str


class _Contract(Struct):
    """A row of the futures' ``contracts``. Sizes are in the base coin: there is no contract size."""

    symbol: str
    base: str = field(name="baseCoin")
    quote: str = field(name="quoteCoin")
    price_step: Number = field(name="priceEndStep")
    price_places: _Places = field(name="pricePlace")
    size_step: Number = field(name="sizeMultiplier")
    kind: Literal["perpetual", "delivery"] = field(name="symbolType")
    status: str = field(name="symbolStatus")
    delivery_ms: MaybeMillisText | None = field(name="deliveryTime", default=None)


class _List(Struct):
    data: list[msgspec.Raw]


_list = msgspec.json.Decoder(_List)
_pair = msgspec.json.Decoder(_Pair)
_contract = msgspec.json.Decoder(_Contract)

# Anything else (gray, halt, listed, maintain) is listed, but not trading now. Who may open
# positions (limit_open) or use the API for orders (restrictedAPI) is not our concern: it trades.
_TRADING: Mapping[str, Trading] = {
    "online": "trading",
    "offline": "closed",
    "normal": "trading",
    "limit_open": "trading",
    "restrictedAPI": "trading",
    "off": "closed",
}


def instruments_requests(market: Market) -> Sequence[RestRequest]:
    """Every symbol in one answer, the halted ones and the dated contracts too."""
    return (_request(market, LISTINGS[market], _product(market)),)


def parse_instruments(market: Market, body: bytes) -> InstrumentPage:
    """All listed symbols of the market that can be understood."""
    read = _spot if market == "spot" else lambda row: _future(market, row)
    return InstrumentPage(read_listings(decoded(_list, body).data, read))


def _spot(row: msgspec.Raw) -> Instrument:
    pair = _pair.decode(row)
    return Instrument(
        exchange=NAME,
        market="spot",
        symbol=pair.symbol,
        kind="spot",
        base=pair.base,
        quote=pair.quote,
        settle=pair.quote,
        trading=_TRADING.get(pair.status, "halted"),
        tick_size=_shifted("1", pair.price_places),
        step_size=_shifted("1", pair.size_places),
    )


def _future(market: Market, row: msgspec.Raw) -> Instrument:
    contract = _contract.decode(row)
    return Instrument(
        exchange=NAME,
        market=market,
        symbol=contract.symbol,
        kind=contract.kind,
        base=contract.base,
        quote=contract.quote,
        # The list of margin coins may be longer: profits are paid in the coin of the market.
        settle=contract.base if market == "inverse" else contract.quote,
        trading=_TRADING.get(contract.status, "halted"),
        tick_size=_shifted(contract.price_step, contract.price_places),
        step_size=contract.size_step,
        expiry_ms=int(contract.delivery_ms) if contract.delivery_ms else None,
    )


def _shifted(step: str, places: str) -> str:
    """``step`` in units of the last of so many decimals: ("5", "2") → "0.05"."""
    return f"{Decimal(step).scaleb(-int(places)):f}"


# --- candles --------------------------------------------------------------------------------


class _Candles(Struct):
    data: list[Row]


_candles = msgspec.json.Decoder(_Candles)


def candles_request(stream: Stream, start_ms: int, end_ms: int) -> RestRequest:
    """``GET …/history-candles`` for the bars that start in ``[start_ms, end_ms)``.

    The other endpoint (``candles``) has larger answers, but forgets: its minutes go back a month,
    its hours 83 days. The history has every age, the latest ended bar included, in answers counted
    back from ``endTime``, which is exclusive: seen on spot, and read so by clients on futures,
    against one that has it inclusive. Spot has no ``startTime`` there, so no more bars are asked
    for than the range has; futures have one, and are asked for one more.
    """
    market, interval = stream.market, stream.interval or ""
    span = {} if market == "spot" else {"startTime": str(start_ms)}
    rules = MARKETS[market].rest
    count = bars_within(interval, start_ms, end_ms, rules.candles_per_request)
    params = {
        "symbol": stream.symbol,
        **_product(market),
        "granularity": rules.intervals[interval],
        **span,
        "endTime": str(end_ms),
        "limit": str(count + SPARE_ROWS[market]),
    }
    return _request(market, CANDLES[market], params)


def parse_candles(stream: Stream, body: bytes, catalog: Catalog, now_ms: int) -> Sequence[Candle]:
    """The bars of an answer. No row has a flag: it is closed once it has ended."""

    def read(row: Row) -> Candle:
        return rest_bar(stream, int(row.start), prices(row), volumes(stream.market, row), now_ms)

    return read_bars(decoded(_candles, body).data, read)


# --- failures -------------------------------------------------------------------------------


class _Answer(Struct):
    code: str | int = ""
    msg: str | None = None


_answer = msgspec.json.Decoder(_Answer)


def rest_failure(status: int, headers: Mapping[str, str], body: bytes) -> RestFailure | None:
    """What an answer means; None for success, which only one code is."""
    answer = told(_answer, body) or _Answer(msg=excerpt(body))
    code = str(answer.code)
    if status < 400 and code == _SUCCESS:
        return None
    return failure(status, headers, (code, answer.msg or ""), ERRORS.get(code))
