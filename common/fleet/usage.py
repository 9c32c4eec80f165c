"""How an address stands with an exchange, read from Redis: what is spent, who waits, what is banned."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct
from redis.asyncio import Redis

from common.exchanges.protocol import Exchange
from common.fleet.budgets import Ban, Wait
from common.fleet.client import answered, text
from common.fleet.keys import Keys
from common.fleet.turns import MICRO, each_us


class BudgetUse(Struct, frozen=True, rename="camel"):
    """One budget: what the exchange allows, and of what may be spent at once, what is.

    ``spent`` goes back by ``per_s``; above ``burst`` the next request waits ``wait_s``.
    """

    budget: str
    capacity: int
    window_s: float
    burst: int
    per_s: float
    spent: int
    wait_s: float


class Waiting(Struct, frozen=True, rename="camel"):
    """Who waits for what. ``turn_s``: until it is its turn, or it asks again."""

    who: str
    what: str
    urgent: bool
    since_ms: int
    turn_s: float


class Banned(Struct, frozen=True, rename="camel"):
    """Why the exchange refuses the address, and until when; ``who`` was told so."""

    detail: str
    who: str
    since_ms: int
    until_ms: int


class AddressUse(Struct, frozen=True, rename="camel"):
    """One address at one exchange."""

    exchange: str
    egress: str
    banned: Banned | None
    budgets: list[BudgetUse]
    waiting: list[Waiting]


async def read_use(redis: Redis, keys: Keys, exchange: Exchange, egress: str) -> AddressUse:
    """How it stands now.

    Raises:
        RedisAway: nothing is known.
    """
    address = (exchange.name, egress)
    async with answered():
        seconds, micro = await redis.time()
        spent = await redis.hgetall(keys.budget(*address))
        ban, ban_ms = await redis.get(keys.ban(*address)), await redis.pttl(keys.ban(*address))
        notes: Any = await redis.zrange(keys.waits(*address), 0, -1, withscores=True)
    now_us = seconds * MICRO + micro
    ahead_us = {text(name): max(0, int(to) - now_us) for name, to in spent.items()}
    return AddressUse(
        exchange=exchange.name,
        egress=egress,
        banned=_banned(ban, ban_ms, now_us // 1000) if ban and ban_ms > 0 else None,
        budgets=[_use(exchange, name, ahead_us.get(name, 0)) for name in exchange.budgets],
        waiting=[
            _waiting(note, (turn_us - now_us) / MICRO)
            for note, turn_us in notes
            if turn_us > now_us
        ],
    )


def _use(exchange: Exchange, name: str, ahead_us: int) -> BudgetUse:
    budget = exchange.budgets[name]
    spent = -(-ahead_us // each_us(budget))
    return BudgetUse(
        budget=name,
        capacity=budget.capacity,
        window_s=budget.window_s,
        burst=budget.burst,
        per_s=round(budget.per_s, 3),
        spent=spent,
        wait_s=round(max(0, spent + 1 - budget.burst) / budget.per_s, 3),
    )


def _banned(body: bytes | str, left_ms: int, now_ms: int) -> Banned:
    ban = msgspec.json.decode(body, type=Ban)
    return Banned(ban.detail, ban.who, ban.since_ms, now_ms + left_ms)


def _waiting(note: bytes, turn_s: float) -> Waiting:
    wait = msgspec.json.decode(note, type=Wait)
    return Waiting(wait.who, wait.what, wait.urgent, wait.since_ms, round(turn_s, 3))
