"""A recording of Binance's combined streams, read for replay.

Recordings of USD-M from before the URLs were split are served on today's routes: the market is
what the host says, and each stream's route is the one it has now.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
from msgspec import UNSET, Struct, UnsetType

from common.model.events import Candle
from common.model.streams import Market
from simulator.exchanges.binance.names import NAME, SOCKET_HOSTS
from simulator.listing import Listing
from simulator.replay import Frame, Line, Recording

# Longest first, so that BTCFDUSD is not taken for BTCF/DUSD… a quote is the end of a symbol.
_QUOTES = ("FDUSD", "USDT", "USDC", "TUSD", "BUSD", "BTC", "ETH", "BNB", "EUR", "TRY", "GBP",
           "BRL", "AUD", "JPY", "DAI", "USD")  # fmt: skip


class _Push(Struct):
    stream: str | UnsetType = UNSET
    data: msgspec.Raw = msgspec.Raw(b"null")


def serves(url: str) -> bool:
    """Whether a recorded connection went to Binance's market streams."""
    return urlsplit(url).hostname in SOCKET_HOSTS


def read(lines: Sequence[Line]) -> Recording:
    """The frames of the market streams, and what they tell about the symbols.

    Raises:
        ValueError: more than one market, or no stream frame at all.
    """
    urls = [line.raw for line in lines if line.dir == "connect"]
    markets = {SOCKET_HOSTS[urlsplit(url).hostname or ""] for url in urls if serves(url)}
    if len(markets) != 1:
        raise ValueError(f"a recording is of one market, this one of {sorted(markets) or 'none'}")
    (market,) = markets
    frames = [frame for line in lines if line.dir == "recv" and (frame := _frame(market, line))]
    if not frames:
        raise ValueError("there is no frame of a combined stream in it")
    heard = dict.fromkeys(frame.topic for frame in frames)
    named = [name for url in urls for name in _streams(url)]
    symbols = _symbols([*heard, *named])
    candles = frozenset(topic for topic in heard if "@kline_" in topic)
    tickers = frozenset(topic for topic in heard if "icker" in topic and "book" not in topic)
    intervals = sorted({topic.partition("@kline_")[2] for topic in candles})
    return Recording(
        exchange=NAME,
        market=market,
        frames=frames,
        starts_with=candles or tickers or frozenset(heard),
        listings=[_listing(market, symbol, frames) for symbol in symbols],
        symbols=symbols,
        intervals=intervals,
    )


def _frame(market: Market, line: Line) -> Frame | None:
    push = msgspec.json.decode(line.raw, type=_Push)
    if push.stream is UNSET:
        return None  # an ack
    payload = bytes(push.data).decode()
    return Frame(line.t, push.stream, payload, _closed_bar(market, msgspec.json.decode(payload)))


def _closed_bar(market: Market, event: Any) -> Candle | None:
    """What a closed kline says, by its letters; the contract size is not in a recording."""
    if not isinstance(event, Mapping) or event.get("e") != "kline" or not event["k"]["x"]:
        return None
    bar, inverse = event["k"], market == "inverse"
    return Candle(
        exchange=NAME,
        market=market,
        symbol=event["s"],
        interval=bar["i"],
        start_ms=bar["t"],
        end_ms=bar["T"] + 1,
        open=bar["o"],
        high=bar["h"],
        low=bar["l"],
        close=bar["c"],
        volume=bar["q"] if inverse else bar["v"],
        quote_volume=UNSET if inverse else bar["q"],
        contracts=bar["v"] if inverse else UNSET,
        trades=bar["n"],
        closed=True,
    )


def _streams(url: str) -> list[str]:
    return parse_qs(urlsplit(url).query).get("streams", [""])[0].split("/")


def _symbols(topics: Sequence[str]) -> list[str]:
    names = (topic.partition("@")[0] for topic in topics if topic and not topic.startswith("!"))
    return sorted({name.upper() for name in names})


def _listing(market: Market, symbol: str, frames: Sequence[Frame]) -> Listing:
    """What exchangeInfo must say of a recorded symbol: digits as in its candles."""
    base, quote = _split(symbol.partition("_")[0])
    topic = f"{symbol.lower()}@kline_"
    bars = (msgspec.json.decode(frame.payload)["k"] for frame in frames if topic in frame.topic)
    bar = next(bars, {"c": "1.00000000", "v": "1"})
    return Listing(
        market=market,
        kind="spot" if market == "spot" else "perpetual",
        base=base,
        quote=quote,
        price_decimals=_decimals(bar["c"]),
        price=int(bar["c"].replace(".", "")),
        lot_decimals=_decimals(bar["v"]),
        trades_per_100min=0,
        typical_lots=1,
        contract_size=(100 if base == "BTC" else 10) if market == "inverse" else None,
    )


def _split(pair: str) -> tuple[str, str]:
    for quote in _QUOTES:
        if pair.endswith(quote) and len(pair) > len(quote):
            return pair.removesuffix(quote), quote
    raise ValueError(f"the quote asset of {pair} is not known")


def _decimals(text: str) -> int:
    return len(text.partition(".")[2])
