"""``exchanges``: the table of what can be streamed, read off the exchanges' own data."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import Any

from common.exchanges.place import Place
from common.exchanges.protocol import ChannelRules
from common.exchanges.registry import EXCHANGES
from common.fleet.sharding import capacity
from common.model.intervals import INTERVALS
from scripts.fleet.command import Command, as_json
from scripts.fleet.text import table

COLUMNS = (
    "exchange", "market", "channel", "native", "built", "closed by", "subscribed",
    "a connection", "requests", "candles by REST",
)  # fmt: skip


def _arguments(parser: ArgumentParser) -> None:
    parser.add_argument("exchange", nargs="?", choices=tuple(EXCHANGES), help="only this one")


def _told(asked: Namespace) -> str:
    """The table, as text or as JSON."""
    places = [
        Place(exchange.name, market, channel)
        for exchange in EXCHANGES.values()
        if asked.exchange in (None, exchange.name)
        for market, rules in exchange.markets.items()
        for channel in rules.channels
    ]
    if asked.json:
        return as_json([_facts(place) for place in places])
    return table(COLUMNS, [_row(place) for place in places])


def _facts(place: Place) -> dict[str, Any]:
    rules, rest = place.rules, place.protocol.markets[place.market].rest
    native = [interval for interval in INTERVALS if interval in rules.intervals]
    facts: dict[str, Any] = {
        "exchange": place.exchange,
        "market": place.market,
        "channel": place.channel,
        "subscribed": "all symbols at once" if rules.all_symbols_topic else "by symbol",
        "topicsPerConnection": capacity(place),
        "topicsPerRequest": place.limits.topics_per_request,
        "requestsPerS": place.limits.requests_per_s,
        "pingS": place.limits.ping_s,
        "lifetimeS": place.limits.lifetime_s,
    }
    if place.channel == "candle":
        facts |= {
            "native": native,
            "fromTrades": sorted(rules.from_trades),
            "built": [i for i in INTERVALS if i not in native and place.has(i)],
            "missing": [i for i in INTERVALS if not place.has(i)],
            "closes": rules.closes,
            "graceS": rules.grace_s,
            "restIntervals": [i for i in INTERVALS if i in rest.intervals],
            "restCandlesPerRequest": rest.candles_per_request,
        }
    return facts


def _row(place: Place) -> tuple[str, ...]:
    facts, rest = _facts(place), place.protocol.markets[place.market].rest
    candles = place.channel == "candle"
    return (
        place.exchange,
        place.market,
        place.channel,
        _intervals(facts["native"], place.rules) if candles else "",
        " ".join(facts["built"]) if candles else "",
        _closes(place.rules) if candles else "",
        facts["subscribed"],
        f"{facts['topicsPerConnection']} topics",
        f"{facts['requestsPerS']:g}/s of {facts['topicsPerRequest']}",
        f"{rest.candles_per_request} of {' '.join(facts['restIntervals'])}" if candles else "",
    )


def _intervals(native: list[str], rules: ChannelRules) -> str:
    return " ".join(f"{i} (trades)" if i in rules.from_trades else i for i in native)


def _closes(rules: ChannelRules) -> str:
    if rules.closes == "flag":
        return "its flag"
    return f"next bar or clock + {rules.grace_s:g} s, settled by REST"


COMMAND = Command(
    "exchanges",
    "what is streamed from where: markets, channels, intervals, limits",
    _told,
    _arguments,
)
