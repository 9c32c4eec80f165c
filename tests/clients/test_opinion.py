"""A second opinion: what ccxt.pro makes of the same recorded messages.

Both read the same instrument lists, and then, with the same instruments, the same frames and REST
candles. Numbers are compared as numbers (ccxt has floats). Every difference is in the table below, with where on the wire ccxt's
value stands, and in ``docs/exchanges.md`` for who comes from there.

    python -m tests.clients.test_opinion        # that section of the page
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
from msgspec import UNSET

from common.exchanges.protocol import TickerPart
from common.exchanges.registry import EXCHANGES
from common.model.events import Candle, Ticker
from common.model.instruments import Instrument
from common.model.streams import Market
from tests.clients.conftest import PYTHON
from tests.exchanges.corpus import CORPUS, LATER_MS, Line, claimed, explainer, lines

PROGRAM = Path(__file__).parent / "programs" / "ccxt_opinion.py"
PAGE = Path(__file__).parents[2] / "docs" / "exchanges.md"


class Difference(NamedTuple):
    """A field that ccxt takes from elsewhere; ``event`` is one that only one of the two has.

    ``theirs`` is the key (or the column) on the wire at which its value stands, or several. Empty:
    it has none, or makes one of its own.
    """

    exchange: str
    markets: tuple[Market, ...]
    channel: str
    field: str
    theirs: str
    reason: str


DIFFERENCES: Sequence[Difference] = (
    Difference(
        "binance", ("spot", "linear", "inverse"), "ticker", "event_ms", "C",
        "ours is when the exchange said it, ccxt's the end of the 24 hours it is about",
    ),
    Difference(
        "binance", ("inverse",), "candle", "volume", "v",
        "ours is in the base coin, as on every market; ccxt's counts contracts",
    ),
    Difference(
        "binance", ("inverse",), "ticker", "quote_volume", "",
        "ours is contracts times their size, exactly; ccxt's the base volume times the average price",
    ),
    Difference(
        "binance", ("spot",), "instrument", "base", "",
        "ours is the exchange's word; ccxt renames some coins (YOYO is YOYOW there)",
    ),
    Difference(
        "binance", ("spot",), "instrument", "unified", "",
        "as `base`",
    ),
    Difference(
        "kucoin", ("spot",), "candle", "event", "",
        "ccxt does not read frames that add a bar (`trade.candles.add`), only those that change one",
    ),
    Difference(
        "kucoin", ("spot",), "ticker", "bid", "buy",
        "ours comes from the ticker topic, as it changes; ccxt's also from the day's snapshot",
    ),
    Difference(
        "kucoin", ("spot",), "ticker", "ask", "sell",
        "as `bid`",
    ),
    Difference(
        "kucoin", ("spot",), "ticker", "open", "",
        "ours is what the exchange says; where it says none, ccxt subtracts the change",
    ),
    Difference(
        "kucoin", ("linear",), "candle", "volume", "6 5",
        "ours is in the base coin; ccxt's counts contracts",
    ),
    Difference(
        "kucoin", ("linear", "inverse"), "ticker", "event", "",
        "ccxt does not read the futures' day (`snapshot.24h`), nor a frame without a `type`",
    ),
    Difference(
        "kucoin", ("linear",), "ticker", "event_ms", "",
        "ours is cut to milliseconds; ccxt's, nanoseconds as a float, is at times one less",
    ),
    Difference(
        "kucoin", ("linear",), "ticker", "bid_size", "bestBidSize",
        "ours is in the base coin; ccxt's counts contracts",
    ),
    Difference(
        "kucoin", ("linear",), "ticker", "ask_size", "bestAskSize",
        "ours is in the base coin; ccxt's counts contracts",
    ),
    Difference(
        "bybit", ("inverse",), "ticker", "volume", "volume24h",
        "ours is in the base coin; ccxt's counts contracts of one dollar",
    ),
    Difference(
        "bybit", ("inverse",), "ticker", "quote_volume", "turnover24h",
        "ours is in the quote coin; ccxt's in the base coin",
    ),
    Difference(
        "okx", ("linear", "inverse"), "ticker", "volume", "vol24h",
        "ours is in the base coin; ccxt's counts contracts",
    ),
    Difference(
        "okx", ("linear",), "ticker", "bid_size", "bidSz",
        "ours is in the base coin; ccxt's counts contracts",
    ),
    Difference(
        "okx", ("linear",), "ticker", "ask_size", "askSz",
        "ours is in the base coin; ccxt's counts contracts",
    ),
    Difference(
        "coinbase", ("spot",), "candle", "event", "",
        "ccxt does not stream candles of this exchange",
    ),
    Difference(
        "coinbase", ("spot",), "ticker", "open", "",
        "the exchange does not say it; ccxt computes it from the change in percent",
    ),
    Difference(
        "kucoin", ("spot",), "instrument", "base", "",
        "ours is the exchange's word (`baseCurrency`); ccxt's the first half of the symbol",
    ),
    Difference(
        "kucoin", ("spot",), "instrument", "unified", "",
        "as `base`",
    ),
    Difference(
        "bybit", ("linear",), "instrument", "trading", "",
        "before its launch a contract is traded already; ccxt calls it inactive",
    ),
    Difference(
        "bybit", ("inverse",), "instrument", "contract_size", "minOrderQty",
        "ours is one dollar, which is what a contract is; ccxt's the smallest order",
    ),
    Difference(
        "okx", ("spot",), "instrument", "base", "",
        "ours is the exchange's word; ccxt renames some coins (AE is AET there)",
    ),
    Difference(
        "okx", ("spot",), "instrument", "unified", "",
        "as `base`",
    ),
)  # fmt: skip

# Samples that contradict themselves, or are of another list: nobody can be right about them.
LEFT_OUT: Mapping[str, str] = {
    "thrasher-corp/gocryptotrader:exchanges/binance/binance_test.go": "two symbols in one candle",
    "binance/binance-connector-python:clients/derivatives_trading_coin_futures/tests/unit/rest_api/"
    "test_market_data_api.py": "all filters in one",
    "hummingbot/hummingbot:test/hummingbot/connector/derivative/okx_perpetual/"
    "test_okx_perpetual_api_order_book_data_source.py": "a swap's name where its pair belongs",
    "JKorf/Bitget.Net:Bitget.Net.UnitTests/Endpoints/Spot/Margin/GetMarginSymbols.txt": "margin's",
}

_FRAMES = ("ws_kline", "ws_ticker", "ws_tickers_all", "ws_book_ticker")
_CANDLE = ("open", "high", "low", "close", "volume")
_TICKER: Mapping[str, str] = {
    "event_ms": "timestamp",
    "volume": "baseVolume",
    "quote_volume": "quoteVolume",
    "bid_size": "bidVolume",
    "ask_size": "askVolume",
    **{name: name for name in ("last", "open", "high", "low", "bid", "ask")},
}
_INSTRUMENT: Mapping[str, str] = {
    "unified": "symbol",
    "kind": "type",
    "contract_size": "contractSize",
    "trading": "active",
    "tick_size": "tick",
    "step_size": "step",
    "expiry_ms": "expiry",
    **{name: name for name in ("base", "quote", "settle")},
}
_KIND = {"spot": "spot", "perpetual": "swap", "delivery": "future"}


class Heard(NamedTuple):
    """A recorded message and what our parser says."""

    line: Line
    ours: Sequence[Candle | Ticker | TickerPart | Instrument]


class Found(NamedTuple):
    """A field that the two do not agree on."""

    line: Line
    channel: str
    field: str
    ours: Any
    theirs: Any


def ours_of(name: str, *channels: str) -> Iterator[Line]:
    """The lines that we understand."""
    judge = explainer(name)
    for folder in judge.FOLDERS:
        market = judge.FOLDERS[folder]
        for channel in set(channels) & set(claimed(EXCHANGES[name], market)):
            for line in lines(name, folder, channel):
                if line.source.split("#")[0] in LEFT_OUT:
                    continue
                if not judge.explain(folder, channel, line.message):
                    yield line


def lists(name: str, market: Market) -> Iterator[Heard]:
    """The instrument lists that hold a market: its own, and others with symbols beside theirs."""
    read = EXCHANGES[name].parse_instruments
    streamed = list(ours_of(name, *_FRAMES))
    folders = {line.folder for line in streamed if line.market == market}
    for line in ours_of(name, "rest_instruments"):
        if line.folder in folders:
            own = {each.symbol for each in read(line.market, line.raw).instruments}
            ours = [
                each
                for each in read(market, line.raw).instruments
                if market == line.market or each.symbol not in own
            ]
            if ours:
                yield Heard(line, ours)


def frames(name: str, market: Market, catalog: dict[str, Instrument]) -> Iterator[Heard]:
    """The candle and ticker frames of a market.

    A symbol that is in no list is put into the catalog, in the likeness of one that is.
    """
    parse = EXCHANGES[name].parse
    blank = Instrument(
        name, market, "", "spot" if market == "spot" else "perpetual", *"BQS", "trading"
    )
    likeness = min(catalog.values(), key=lambda each: each.kind == "delivery", default=blank)
    for line in ours_of(name, *_FRAMES):
        if line.market == market:
            for part in parse(market, line.raw, {}):
                if part.symbol not in catalog:
                    catalog[part.symbol] = msgspec.structs.replace(
                        likeness, symbol=part.symbol, base=part.symbol
                    )
            yield Heard(line, parse(market, line.raw, catalog))


def answers(name: str, market: Market, catalog: dict[str, Instrument]) -> Iterator[Heard]:
    """The REST candles of a market; of which symbol they are is not in them."""
    judge, exchange = explainer(name), EXCHANGES[name]
    for line in ours_of(name, "rest_klines"):
        stream = judge.stream_of(line.folder, line.raw)
        if stream.market == market and catalog:
            symbol = min(catalog) if stream.symbol not in catalog else stream.symbol
            stream = msgspec.structs.replace(stream, symbol=symbol)
            yield Heard(line, exchange.parse_candles(stream, line.raw, catalog, LATER_MS))


def opinions(places: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """What ccxt makes of the frames of all places, one by one."""
    done = subprocess.run(
        [str(PYTHON), str(PROGRAM)],
        input=json.dumps(places), capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    yield from map(json.loads, done.stdout.splitlines())


def compare(heard: Heard, said: Mapping[str, Any], symbols: Mapping[str, str]) -> Iterator[Found]:
    """Where the two differ about a message. ``symbols``: unified names to the exchange's own."""
    assert "error" not in said, (heard.line.source, said)
    ours: dict[Any, dict[str, Any]] = {}
    for part in heard.ours:
        key, fields = _ours(part)
        ours.setdefault(key, {}).update(fields)
    theirs = dict(_theirs(said, symbols))
    for key in ours.keys() | theirs.keys():
        if key not in ours and key[0] == "instrument":
            continue  # of a kind that we do not have
        if key not in ours or key not in theirs:
            yield Found(heard.line, key[0], "event", ours.get(key), theirs.get(key))
            continue
        for name, value in ours[key].items():
            if not _equal(value, theirs[key][name]):
                yield Found(heard.line, key[0], name, value, theirs[key][name])


def _ours(part: Candle | Ticker | TickerPart | Instrument) -> tuple[Any, dict[str, Any]]:
    if isinstance(part, Candle):
        key = ("candle", part.symbol, part.interval, part.start_ms)
        return key, {name: getattr(part, name) for name in _CANDLE}
    if not isinstance(part, Instrument):
        return ("ticker", part.symbol), {name: getattr(part, name) for name in _TICKER}
    spot = part.kind == "spot"
    return ("instrument", part.symbol), {
        **{name: getattr(part, name) for name in _INSTRUMENT},
        "kind": _KIND[part.kind],
        "settle": None if spot else part.settle,
        "contract_size": None if spot else part.contract_size or "1",
        "trading": part.trading == "trading",
    }


def _theirs(said: Mapping[str, Any], symbols: Mapping[str, str]) -> Iterator[tuple[Any, Any]]:
    for told in said.get("candles", ()):
        start_ms, *row = told["row"]
        key = ("candle", symbols[told["symbol"]], told["interval"], start_ms)
        yield key, dict(zip(_CANDLE, row, strict=True))
    for told in said.get("tickers", ()):
        key = ("ticker", symbols[told["symbol"]])
        yield key, {ours: told[name] for ours, name in _TICKER.items()}
    for told in said.get("markets", ()):
        yield ("instrument", told["id"]), {ours: told[name] for ours, name in _INSTRUMENT.items()}


def _equal(ours: Any, theirs: Any) -> bool:
    if ours is UNSET or ours is None or theirs is None:
        return theirs is None and (ours is UNSET or ours is None)
    return bool(ours == theirs or _number(ours) == theirs)


def stands_at(message: Any, key: str, value: float | None) -> bool:
    """Whether some object (or row) of a message has this number at this key (or column)."""
    if value is not None and isinstance(message, dict | list):
        parts = message.items() if isinstance(message, dict) else enumerate(message)
        return any(
            (str(name) == key and not isinstance(part, dict | list) and _number(part) == value)
            or stands_at(part, key, value)
            for name, part in parts
        )
    return False


def _number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def rule_for(found: Found) -> Difference | None:
    """The known difference that this one is."""
    for rule in DIFFERENCES:
        if (rule.exchange, rule.channel) != (found.line.exchange, found.channel):
            continue
        if found.line.market not in rule.markets or rule.field != found.field:
            continue
        places = rule.theirs.split()
        if not places or any(stands_at(found.line.message, at, found.theirs) for at in places):
            return rule
    return None


@pytest.mark.clients
@pytest.mark.timeout(600)
@pytest.mark.skipif(not CORPUS.is_dir(), reason=f"no collection of real messages at {CORPUS}")
@pytest.mark.parametrize("name", EXCHANGES)
def test_ccxt_reads_the_same_of_every_message(clients: Path, name: str) -> None:
    places: list[dict[str, Any]] = []
    heard: list[tuple[Heard, dict[str, str]]] = []
    for market in EXCHANGES[name].markets:
        known = list(lists(name, market))
        catalog = {each.symbol: each for one in known for each in one.ours}
        streamed = list(frames(name, market, catalog))
        fetched = list(answers(name, market, catalog))
        symbols = {each.unified: each.symbol for each in catalog.values()}
        heard += [(one, symbols) for one in (*known, *fetched, *streamed)]
        places.append({
            "exchange": name,
            "market": market,
            "lists": [one.line.raw.decode() for one in known],
            "instruments": [
                {**msgspec.to_builtins(each), "unified": each.unified} for each in catalog.values()
            ],
            "bars": [
                {
                    "symbol": catalog[one.ours[0].symbol].unified,
                    "interval": one.ours[0].stream.interval,
                    "body": one.line.raw.decode(),
                }
                for one in fetched
            ],
            "frames": [one.line.raw.decode() for one in streamed],
        })  # fmt: skip
    assert heard
    found = [
        difference
        for (one, symbols), said in zip(heard, opinions(places), strict=True)
        for difference in compare(one, said, symbols)
    ]
    unknown = [one for one in found if rule_for(one) is None]
    assert not unknown, f"{len(unknown)} differences\n" + "\n".join(
        f"{one.line.market} {one.channel}.{one.field}: {one.ours}, ccxt {one.theirs}"
        f"    {one.line.source} {one.line.raw.decode():.300}"
        for one in unknown[:40]
    )
    seen = {rule_for(one) for one in found}
    assert seen == {rule for rule in DIFFERENCES if rule.exchange == name}, "a difference is gone"


# --- the page -------------------------------------------------------------------------------


def section() -> str:
    """The differences as the page has them."""
    pins = (Path(__file__).parent / "requirements.txt").read_text().splitlines()
    version = next(pin.removeprefix("ccxt==") for pin in pins if pin.startswith("ccxt=="))
    rows = [
        f"ccxt.pro {version}. Everything else that both tell (prices, sizes, volumes, times, intervals,",
        "names, kinds, steps, contract sizes) is equal.",
        "",
        "| exchange | market | field | |",
        "|---|---|---|---|",
    ]
    for each in DIFFERENCES:
        rows.append(
            f"| {each.exchange} | {', '.join(each.markets)} | {each.channel} `{each.field}` "
            f"| {each.reason} |"
        )
    return "\n".join(rows)


def test_the_page_tells_of_every_difference() -> None:
    assert section() in PAGE.read_text()


def test_a_known_difference_is_of_one_field_and_from_one_place() -> None:
    raw = b'{"e":"24hrTicker","E":10,"C":9}'
    line = Line("binance", "spot", "spot", "ws_ticker", "by hand", "recorded", raw)
    known = Found(line, "ticker", "event_ms", 10, 9)
    assert rule_for(known) == DIFFERENCES[0]
    assert rule_for(known._replace(theirs=8)) is None
    assert rule_for(known._replace(field="last")) is None
    assert rule_for(known._replace(channel="candle")) is None
    assert rule_for(known._replace(line=replace(line, exchange="okx"))) is None


def test_a_value_is_found_where_it_stands() -> None:
    message = {"data": [{"v": "12.50", "q": "8"}, ["1", "2.5"]]}
    assert stands_at(message, "v", 12.5)
    assert stands_at(message, "1", 2.5)
    assert not stands_at(message, "q", 12.5)
    assert not stands_at({"v": None}, "v", None)


if __name__ == "__main__":
    sys.stdout.write(section() + "\n")
