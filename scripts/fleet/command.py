"""What a command of ``python -m scripts.fleet`` is; ``__main__`` has the table of them."""

from __future__ import annotations

import asyncio
from argparse import ArgumentParser, Namespace
from collections.abc import Awaitable, Callable

import msgspec
from msgspec import Struct

from common.fleet.client import RedisAway
from config.settings import Settings, load_or_exit


class NoAnswer(Exception):  # noqa: N818 - it says why there is none
    """There is no answer; the text says why, for stderr. ``told`` is for stdout even so."""

    status = 1

    def __init__(self, why: str, told: str = "") -> None:
        super().__init__(why)
        self.told = told


class WrongQuestion(NoAnswer):
    """An argument means nothing; the text says which and what would."""

    status = 2


class Command(Struct, frozen=True):
    """One command: what answers it with the text for stdout, and its arguments beside ``--json``.

    ``discreet``: arguments that are not understood may be secrets, and are not repeated.
    """

    name: str
    help: str
    answer: Callable[[Namespace], str]
    arguments: Callable[[ArgumentParser], None] | None = None
    epilog: str = ""
    discreet: bool = False


def of_fleet(ask: Callable[[Namespace, Settings], Awaitable[str]]) -> Callable[[Namespace], str]:
    """Answers with the settings of the fleet, from its engines."""

    async def asking(asked: Namespace, settings: Settings) -> str:
        try:
            return await ask(asked, settings)
        except RedisAway as away:
            raise NoAnswer(f"Redis at {settings.redis_url} does not answer: {away}") from away

    return lambda asked: asyncio.run(asking(asked, load_or_exit()))


def as_json(document: object) -> str:
    """A document for programs that people may read too."""
    return msgspec.json.format(msgspec.json.encode(document)).decode() + "\n"
