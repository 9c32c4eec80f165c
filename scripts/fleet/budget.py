"""``budget``: what each address has spent at each exchange, who waits for what, and what is banned."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from datetime import UTC, datetime

from common.clocks import wall_ms
from common.exchanges.registry import EXCHANGES
from common.fleet.client import connect
from common.fleet.keys import Keys
from common.fleet.members import Members
from common.fleet.usage import AddressUse, Banned, BudgetUse, Waiting, read_use
from config.settings import Settings
from scripts.fleet.command import Command, as_json, of_fleet
from scripts.fleet.text import table

COLUMNS = (
    "exchange",
    "egress",
    "budget",
    "the exchange's limit",
    "spent",
    "at once",
    "comes back",
    "next",
)


async def _told(asked: Namespace, settings: Settings) -> str:
    """The answer as text or as JSON.

    Raises:
        RedisAway: it cannot be asked.
    """
    redis, keys = connect(settings.redis_url.reveal()), Keys(settings.redis_prefix)
    try:
        members = await Members(redis, keys, settings.lease_ttl_s).all()
        egresses = sorted({settings.egress, *(member.egress for member in members)} - {""})
        uses = [
            await read_use(redis, keys, EXCHANGES[name], egress)
            for name in sorted(settings.exchanges)
            if asked.exchange in (None, name)
            for egress in egresses
        ]
    finally:
        await redis.aclose()
    return as_json(uses) if asked.json else _text(uses)


def _text(uses: list[AddressUse]) -> str:
    rows = [_row(use, budget) for use in uses for budget in use.budgets]
    lines = [_ban_line(use, use.banned) for use in uses if use.banned is not None]
    lines += [_wait_line(use, wait) for use in uses for wait in use.waiting]
    return (
        table(COLUMNS, rows) + "\n" + "\n".join(lines or ["nobody waits, nothing is banned"]) + "\n"
    )


def _row(use: AddressUse, budget: BudgetUse) -> tuple[str, ...]:
    return (
        use.exchange,
        use.egress,
        budget.budget,
        f"{budget.capacity} in {budget.window_s:g} s",
        str(budget.spent),
        str(budget.burst),
        f"{budget.per_s:g}/s",
        f"in {budget.wait_s:.1f} s" if budget.wait_s else "now",
    )


def _ban_line(use: AddressUse, ban: Banned) -> str:
    until = datetime.fromtimestamp(ban.until_ms / 1000, UTC)
    left_s = (ban.until_ms - wall_ms()) / 1000
    return (
        f"{use.exchange} refuses {use.egress} until {until:%Y-%m-%d %H:%M:%S} UTC "
        f"({left_s:.0f} s): {ban.detail}, told to {ban.who}"
    )


def _wait_line(use: AddressUse, wait: Waiting) -> str:
    waited_s = max(0.0, (wall_ms() - wait.since_ms) / 1000)
    turn = (
        f"its turn in {wait.turn_s:.1f} s" if wait.urgent else f"asks again in {wait.turn_s:.1f} s"
    )
    return f"{use.exchange} {use.egress}: {wait.who} waits {waited_s:.1f} s for {wait.what}, {turn}"


def _arguments(parser: ArgumentParser) -> None:
    parser.add_argument("exchange", nargs="?", choices=tuple(EXCHANGES), help="only this one")


COMMAND = Command(
    "budget",
    "what each address has spent at each exchange, who waits, and what is banned",
    of_fleet(_told),
    _arguments,
)
