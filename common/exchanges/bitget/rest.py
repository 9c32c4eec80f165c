"""Bitget's public REST v2: instruments, candles, time. Requests as data, answers parsed. Pure.

Every answer is ``{"code":"00000","msg":"success","requestTime":…,"data":…}``; a failure has
another code, also with HTTP status 200.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Literal, TypeVar

import msgspec
from msgspec import UNSET, Meta, Struct, field

from common.exchanges.bitget.describe import ERRORS, INST_TYPES, MARKETS, NAME, SPARE_ROWS
from common.exchanges.bitget.parse import Row, candle
from common.exchanges.protocol import InstrumentPage, Reason, RestFailure, RestRequest
from common.model.events import Candle
from common.model.instruments import Catalog, Instrument, Trading
from common.model.intervals import end_of, start_of
from common.model.streams import Market, Stream

_SUCCESS = "00000"

_T = TypeVar("_T")


def _request(market: Market, path: str, params: Mapping[str, str] | None = None) -> RestRequest:
    return RestRequest(url=MARKETS[market].rest.url + path, params=params or {})


def _product(market: Market) -> dict[str, str]:
    """Both futures markets share their paths: the product type tells them apart."""
    return {} if market == "spot" else {"productType": INST_TYPES[market]}


def _read(decoder: msgspec.json.Decoder[_T], body: bytes | msgspec.Raw) -> _T:
    """Decoded; whatever is wrong with the body is a ``DecodeError``."""
    try:
        return decoder.decode(body)
    except (UnicodeDecodeError, RecursionError) as error:
        raise msgspec.DecodeError(str(error)) from None


# --- time -----------------------------------------------------------------------------------


class _Clock(Struct):
    server_time: str = field(name="serverTime")


class _Time(Struct):
    data: _Clock


_time = msgspec.json.Decoder(_Time)


def time_request(market: Market) -> RestRequest:
    """``GET /api/v2/public/time``."""
    return _request(market, "/api/v2/public/time")


def parse_time(market: Market, body: bytes) -> int:
    """The exchange's clock, ms UTC."""
    text = _read(_time, body).data.server_time
    if not (text.isascii() and text.isdigit()):
        raise msgspec.ValidationError(f"serverTime {text!r:.40}")
    return int(text)


# --- instruments ----------------------------------------------------------------------------

_Step = Annotated[str, Meta(pattern=r"\A[0-9]{1,20}(\.[0-9]{1,20})?\Z")]
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
    price_step: _Step = field(name="priceEndStep")
    price_places: _Places = field(name="pricePlace")
    size_step: _Step = field(name="sizeMultiplier")
    kind: Literal["perpetual", "delivery"] = field(name="symbolType")
    status: str = field(name="symbolStatus")
    delivery: Annotated[str, Meta(pattern=r"\A([0-9]{13})?\Z")] | None = field(
        name="deliveryTime", default=None
    )


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
    path = "/api/v2/spot/public/symbols" if market == "spot" else "/api/v2/mix/market/contracts"
    return (_request(market, path, _product(market)),)


def parse_instruments(market: Market, body: bytes) -> InstrumentPage:
    """All listed symbols of the market that can be understood.

    One strange listing must not cost the others; whoever wants it is told it is unknown. A list
    of nothing but strange ones is another protocol, and raises.
    """
    rows = _read(_list, body).data
    instruments: list[Instrument] = []
    refused: msgspec.DecodeError | None = None
    for row in rows:
        try:
            instruments.append(_spot(row) if market == "spot" else _future(market, row))
        except msgspec.DecodeError as error:
            refused = error
    if refused is not None and not instruments:
        raise refused
    return InstrumentPage(instruments)


def _spot(row: msgspec.Raw) -> Instrument:
    pair = _read(_pair, row)
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
    contract = _read(_contract, row)
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
        expiry_ms=int(contract.delivery) if contract.delivery else None,
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
    folder = "spot" if market == "spot" else "mix"
    span = {} if market == "spot" else {"startTime": str(start_ms)}
    rules = MARKETS[market].rest
    count = _bars(interval, start_ms, end_ms, rules.candles_per_request)
    params = {
        "symbol": stream.symbol,
        **_product(market),
        "granularity": rules.intervals[interval],
        **span,
        "endTime": str(end_ms),
        "limit": str(count + SPARE_ROWS[market]),
    }
    return _request(market, f"/api/v2/{folder}/market/history-candles", params)


def _bars(interval: str, start_ms: int, end_ms: int, most: int) -> int:
    """How many intervals start in ``[start_ms, end_ms)``: at least one, ``most`` at most."""
    first_ms = start_of(interval, start_ms)
    first_ms = first_ms if first_ms == start_ms else end_of(interval, first_ms)
    count = 0
    while first_ms < end_ms and count < most:
        first_ms, count = end_of(interval, first_ms), count + 1
    return max(count, 1)


def parse_candles(stream: Stream, body: bytes, catalog: Catalog, now_ms: int) -> Sequence[Candle]:
    """The bars of an answer, oldest first. No row has a flag: it is closed once it has ended."""
    rows = sorted(_read(_candles, body).data, key=lambda row: row.start)
    return [_candle(stream, row, now_ms) for row in rows]


def _candle(stream: Stream, row: Row, now_ms: int) -> Candle:
    interval = stream.interval or ""
    # Only of a start that is none (refused below) may the end be nonsense.
    ended = end_of(interval, int(row.start)) <= now_ms
    return candle(stream.market, stream.symbol, interval, row, UNSET if ended else now_ms)


# --- failures -------------------------------------------------------------------------------


class _Answer(Struct):
    code: str | int = ""
    msg: str | None = None


_STATUS: Mapping[int, Reason] = {401: "auth", 403: "rate", 404: "config", 418: "rate", 429: "rate"}


def rest_failure(status: int, headers: Mapping[str, str], body: bytes) -> RestFailure | None:
    """What an answer means; None for success. 403 is the firewall: it is waited out."""
    try:
        answer = msgspec.json.decode(body, type=_Answer)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        answer = _Answer(msg=body[:100].decode(errors="replace"))
    code = str(answer.code)
    if status < 400 and code == _SUCCESS:
        return None
    reason = ERRORS.get(code) or _STATUS.get(status, "transient")
    wait = headers.get("retry-after", "")
    return RestFailure(
        reason="rate" if status == 429 else reason,
        detail=f"HTTP {status} {code} {answer.msg or ''}".strip(),
        retry_after_s=float(wait) if wait.isascii() and wait.isdigit() else None,
    )
