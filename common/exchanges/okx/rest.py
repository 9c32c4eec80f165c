"""OKX's public REST: instruments, candles, time. Requests as data, answers parsed. Pure.

Every answer is ``{"code":"0","msg":"","data":[…]}``; failures may come with status 200 as well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
from msgspec import Struct, field

from common.exchanges.answers import excerpt, failure, told
from common.exchanges.bars import read_bars
from common.exchanges.okx.describe import (
    CANDLES,
    CANDLES_PER_REQUEST,
    ERRORS,
    INSTRUMENT_TYPES,
    LISTINGS,
    MARKETS,
    NAME,
    RATE_WINDOW_S,
    TIME,
)
from common.exchanges.okx.parse import Row, candle
from common.exchanges.protocol import InstrumentPage, RestFailure, RestRequest
from common.exchanges.wire import MaybeMillisText, MaybeNumber, MillisText, decoded, read_listings
from common.model.decimals import product
from common.model.events import Candle
from common.model.instruments import Catalog, Instrument, Trading
from common.model.streams import Market, Stream


def _request(market: Market, path: str, params: Mapping[str, str] | None = None) -> RestRequest:
    url = f"{MARKETS[market].rest.url}/api/v5{path}"
    return RestRequest(url=url, params=params or {}, cost={path: 1})


# --- time -----------------------------------------------------------------------------------


class _Clock(Struct):
    now_ms: MillisText = field(name="ts")


class _Time(Struct):
    data: tuple[_Clock]


_time = msgspec.json.Decoder(_Time)


def time_request(market: Market) -> RestRequest:
    """``GET /public/time``."""
    return _request(market, TIME)


def parse_time(market: Market, body: bytes) -> int:
    """The exchange's clock, ms UTC."""
    return int(decoded(_time, body).data[0].now_ms)


# --- instruments ----------------------------------------------------------------------------


class _Listing(Struct):
    """A spot pair names its coins, a contract its underlying (``BTC-USDT``); the rest is empty."""

    symbol: str = field(name="instId")
    kind: str = field(name="instType")
    state: str
    tick_size: MaybeNumber = field(name="tickSz")
    step_size: MaybeNumber = field(name="lotSz")
    base: str = field(name="baseCcy", default="")
    quote: str = field(name="quoteCcy", default="")
    settle: str = field(name="settleCcy", default="")
    underlying: str = field(name="uly", default="")
    contract_type: str = field(name="ctType", default="")
    contract_value: MaybeNumber = field(name="ctVal", default="")
    contract_multiplier: MaybeNumber = field(name="ctMult", default="")
    contract_unit: str = field(name="ctValCcy", default="")
    expiry_ms: MaybeMillisText = field(name="expTime", default="")


class _Listings(Struct):
    data: list[msgspec.Raw]


_listings = msgspec.json.Decoder(_Listings)
_listing = msgspec.json.Decoder(_Listing)

# suspend, preopen, test, rebase, post_only… : listed, but not trading now.
_TRADING: Mapping[str, Trading] = {"live": "trading", "expired": "closed"}


def instruments_requests(market: Market) -> Sequence[RestRequest]:
    """``GET /public/instruments`` for each type of instrument of the market."""
    return [_request(market, LISTINGS, {"instType": kind}) for kind in INSTRUMENT_TYPES[market]]


def parse_instruments(market: Market, body: bytes) -> InstrumentPage:
    """All instruments of this market that can be understood, in whatever list they come.

    Of what opens soon only the name may be told.
    """

    def read(row: msgspec.Raw) -> Instrument | None:
        listing = _listing.decode(row)
        return _instrument(market, listing) if _market_of(listing) == market else None

    return InstrumentPage(read_listings(decoded(_listings, body).data, read))


def _market_of(listing: _Listing) -> Market | None:
    """The market a listing belongs to; options, spreads and events to none of ours."""
    if listing.kind == "SPOT":
        return "spot"
    if listing.kind not in ("SWAP", "FUTURES"):
        return None
    if listing.contract_type == "linear":
        return "linear"
    if listing.contract_type == "inverse":
        return "inverse"
    raise msgspec.ValidationError(f"{listing.symbol} is of type {listing.contract_type!r}")


def _instrument(market: Market, listing: _Listing) -> Instrument:
    if market == "spot":
        base, quote, settle, size = listing.base, listing.quote, listing.quote, None
    else:
        base, _, quote = listing.underlying.partition("-")
        settle = listing.settle
        size = product(listing.contract_value, listing.contract_multiplier or "1")
    if not (base and quote and settle):
        raise msgspec.ValidationError(f"{listing.symbol} does not name its coins")
    dated = listing.kind == "FUTURES" and listing.expiry_ms != ""
    return Instrument(
        exchange=NAME,
        market=market,
        symbol=listing.symbol,
        kind="spot" if market == "spot" else "delivery" if dated else "perpetual",
        base=base,
        quote=quote,
        settle=settle,
        trading=_TRADING.get(listing.state, "halted"),
        tick_size=listing.tick_size or None,
        step_size=listing.step_size or None,
        contract_size=size,
        contract_unit=None if size is None else listing.contract_unit,
        expiry_ms=int(listing.expiry_ms) if dated else None,
    )


# --- candles --------------------------------------------------------------------------------


class _Rows(Struct):
    data: list[Row]


_rows = msgspec.json.Decoder(_Rows)


def candles_request(stream: Stream, start_ms: int, end_ms: int) -> RestRequest:
    """``GET /market/history-candles`` for the bars that start in ``[start_ms, end_ms)``.

    ``before`` is what they are newer than and ``after`` what they are older than, both exclusive;
    only together do they bound a range. Of the two endpoints this one reaches back for years; the
    other answers what is older than 1440 bars with nothing, which here would mean that nobody
    traded.
    """
    params = {
        "instId": stream.symbol,
        "bar": MARKETS[stream.market].rest.intervals[stream.interval or ""],
        "before": str(start_ms - 1),
        "after": str(end_ms),
        "limit": str(CANDLES_PER_REQUEST),
    }
    return _request(stream.market, CANDLES, params)


def parse_candles(stream: Stream, body: bytes, catalog: Catalog, now_ms: int) -> Sequence[Candle]:
    """The bars of an answer, oldest first (it has the newest first), closed by their flag.

    The flag decides, not the clock: a bar that has ended may still change before it is confirmed.
    One that is not bears the time it was asked for.
    """

    def read(row: Row) -> Candle:
        return candle(stream, row, now_ms)

    return read_bars(decoded(_rows, body).data, read)


# --- failures -------------------------------------------------------------------------------


class _Error(Struct):
    code: str | int = "0"
    msg: str = ""


_error = msgspec.json.Decoder(_Error)


def rest_failure(status: int, headers: Mapping[str, str], body: bytes) -> RestFailure | None:
    """What an answer means; None for success, which is status 200 with code 0.

    The limits are counted by windows of two seconds and say nothing about how long to wait.
    """
    error = told(_error, body)
    if error is None and status < 400:
        return None  # not what the protocol says: the reader of the body will tell
    error = error or _Error(msg=excerpt(body))
    code = str(error.code)
    if status < 400 and code == "0":
        return None
    problem = failure(status, headers, (code, error.msg), ERRORS.get(code))
    if problem.reason != "rate" or problem.retry_after_s is not None:
        return problem
    return msgspec.structs.replace(problem, retry_after_s=RATE_WINDOW_S)
