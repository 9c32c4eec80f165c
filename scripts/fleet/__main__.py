"""Ask the fleet.

python -m scripts.fleet exchanges [EXCHANGE] [--json]
python -m scripts.fleet last EXCHANGE MARKET SYMBOL [--json]
python -m scripts.fleet budget [EXCHANGE] [--json]
"""

from __future__ import annotations

import argparse
import asyncio
import sys

from common.exchanges.registry import EXCHANGES
from common.fleet.client import RedisAway
from common.model.streams import MARKETS
from config.settings import Settings, load_or_exit
from scripts.fleet import budget, exchanges, last

EXIT_NOTHING = 1


def main(arguments: list[str] | None = None) -> int:
    """Answer one question; the exit status is 1 if there is no answer."""
    asked = _parser().parse_args(arguments)
    if asked.command == "exchanges":
        sys.stdout.write(exchanges.told(asked.exchange, as_json=asked.json))
        return 0
    settings = load_or_exit()
    try:
        told = asyncio.run(_asked(settings, asked))
    except RedisAway as away:
        sys.stderr.write(f"Redis at {settings.redis_url} does not answer: {away}\n")
        return EXIT_NOTHING
    except KeyboardInterrupt:
        return EXIT_NOTHING
    if told is None:
        sys.stderr.write(
            f"nothing is known of {asked.exchange} {asked.market} {asked.symbol}: not streamed, "
            "spelled otherwise, older than LAST_VALUES_TTL_S, or LAST_VALUES_TTL_S=0\n"
        )
        return EXIT_NOTHING
    sys.stdout.write(told)
    return 0


async def _asked(settings: Settings, asked: argparse.Namespace) -> str | None:
    """The answer of Redis; None if it knows nothing."""
    if asked.command == "budget":
        return await budget.told(settings, asked.exchange, as_json=asked.json)
    return await last.told(settings, asked.exchange, asked.market, asked.symbol, as_json=asked.json)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m scripts.fleet", description="Ask the fleet.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    table = commands.add_parser(
        "exchanges", help="what is streamed from where: markets, channels, intervals, limits"
    )
    table.add_argument("exchange", nargs="?", choices=tuple(EXCHANGES), help="only this one")
    values = commands.add_parser(
        "last", help="the last ticker and closed candles of a symbol, and how its streams stand"
    )
    values.add_argument("exchange", choices=tuple(EXCHANGES))
    values.add_argument("market", choices=MARKETS)
    values.add_argument("symbol", help="as the exchange spells it")
    spent = commands.add_parser(
        "budget", help="what each address has spent at each exchange, who waits, what is banned"
    )
    spent.add_argument("exchange", nargs="?", choices=tuple(EXCHANGES), help="only this one")
    for command in (table, values, spent):
        command.add_argument("--json", action="store_true", help="JSON instead of text")
    return parser


if __name__ == "__main__":
    sys.exit(main())
