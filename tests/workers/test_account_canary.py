"""Known secrets through the whole way in, on real engines: afterwards they are nowhere."""

from __future__ import annotations

import base64
import io
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import aio_pika
import pytest
from loguru import logger
from redis.asyncio import Redis

from common.exchanges.registry import EXCHANGES
from common.fleet.accounts import Accounts
from common.fleet.client import RedisAway, connect
from common.fleet.keys import Keys
from common.fleet.vault import Vault
from common.model.secret import Secret
from common.publish.commands import Commands
from common.publish.queues import ACCOUNT_REQUESTS
from scripts.engines import RedisServer
from tests.publish.broker import backend, depth, read
from tests.publish.test_pipeline import running
from tests.support.waiting import until
from workers.account_commands import AccountCommands

pytestmark = pytest.mark.engines

QUEUE = "usersStreamAction"
VAULT_KEY = base64.b64encode(b"vault-key-canary-0123456789abcde").decode()
KEY, SECRET, PHRASE = "CANARYkey5f1c", "CANARYsecret9d2e", "CANARYphrase77aa"
CREDENTIALS = {"key": KEY, "secret": SECRET, "passphrase": PHRASE}
API = CREDENTIALS | {"provider": "binanceUsdm", "keysType": "legacy"}
TYPED: dict[str, Any] = {
    "command": "account.open", "accountId": "typed", "exchange": "binance", "market": "spot",
    "subscriber": "bot-7", "credentials": CREDENTIALS,
}  # fmt: skip
OLDER: dict[str, Any] = {"event": "open stream", "uuid": "older", "data": {"api": API}}
RIGHT = [
    OLDER,
    OLDER | {"uuid": "bare", "data": API},
    {"event": "open stream", "data": {"userId": "7", "api": API}},
    TYPED,
    {"event": "force restart stream", "uuid": "older"} | CREDENTIALS,
]
REFUSED = [
    TYPED | {"exchange": "okx", "credentials": CREDENTIALS | {"passphrase": ""}},
    TYPED | {"credentials": CREDENTIALS | {"region": SECRET}},
    TYPED | {"credentials": CREDENTIALS | {"kind": "es256"}},
]
MALFORMED: list[Any] = [
    OLDER | {"data": API | {"provider": SECRET}},
    OLDER | {"data": {"api": API | {"key": [KEY], "environment": SECRET}}},
    OLDER | {"event": SECRET, "data": API},
    TYPED | {"exchange": KEY, "market": SECRET, "leaseS": PHRASE},
    TYPED | {"credentials": {"apiKey": KEY, "apiSecret": SECRET}},
    TYPED | {"credentials": CREDENTIALS | {"kind": PHRASE, "subaccount": PHRASE}},
    TYPED | {"accountId": f"{SECRET} {KEY}"},
    {"command": SECRET, KEY: {SECRET: PHRASE}},
    {"command": "account.open", **CREDENTIALS},
    json.dumps(TYPED),
    f'{{"payload": {{"key": "{KEY}", "secret": "{SECRET}"'.encode(),
    f"{KEY} {SECRET} {PHRASE}".encode(),
    f'["{SECRET}"]'.encode(),
]


@contextmanager
def everything_logged() -> Iterator[io.StringIO]:
    """All that is logged, by whomever, at the lowest level, without our redaction."""
    out = io.StringIO()
    form = "{level} {message} {extra} {exception}"
    sink = logger.add(out, level=0, format=form, diagnose=True, backtrace=True)
    handler = logging.StreamHandler(out)
    root = logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        yield out
    finally:
        logger.remove(sink)
        root.removeHandler(handler)
        root.setLevel(before)


def assert_clean(what: str, *texts: Any) -> None:
    for text in texts:
        raw = text if isinstance(text, bytes) else str(text).encode()
        for secret in (KEY, SECRET, PHRASE, VAULT_KEY):
            plain = secret.encode()
            for spelling in (plain, base64.b64encode(plain).rstrip(b"="), plain.hex().encode()):
                assert spelling not in raw, f"{what} holds a secret"


async def dumped(redis: Redis) -> list[Any]:
    """Every name and value there is, read and as Redis would save it."""
    readers = {
        b"string": redis.get,
        b"hash": redis.hgetall,
        b"zset": lambda key: redis.zrange(key, 0, -1, withscores=True),
    }
    found: list[Any] = []
    async for key in redis.scan_iter("*"):
        kind = await redis.type(key)
        found += [key, await readers[kind](key), await redis.dump(key)]
    return found


async def test_no_secret_of_any_message_is_found_anywhere(redis_url: str, rabbit_url: str) -> None:
    with everything_logged() as log:
        redis = connect(redis_url)
        accounts = Accounts(redis, Keys("canary:"))
        vault = Vault([Secret(VAULT_KEY)])
        answers = []
        async with running(rabbit_url) as pipeline, backend(rabbit_url) as channel:
            handler = AccountCommands(accounts, vault, tuple(EXCHANGES))
            commands = Commands(rabbit_url, ACCOUNT_REQUESTS, handler, post=pipeline.post)
            await commands.start()
            await until(lambda: commands.stats["consuming"])
            replies = await channel.declare_queue(exclusive=True)
            gainium = await channel.get_exchange("gainium")
            listing = {"command": "account.list"}
            sent = [*RIGHT, *REFUSED, *MALFORMED, listing]
            for told in sent:
                body = told if isinstance(told, bytes) else json.dumps({"payload": told}).encode()
                message = aio_pika.Message(body, reply_to=replies.name, correlation_id="c")
                await gainium.publish(message, QUEUE)
            answers = await read(channel, replies.name, len(sent))
            dead = await read(channel, f"{QUEUE}.dead", len(MALFORMED))
            stats = commands.stats
            await commands.close()
        kept = await accounts.all()
        whole = await dumped(redis)
        await redis.aclose()
    assert stats["dead"] == len(MALFORMED)
    assert (stats["accepted"], stats["refused"]) == (6, len(REFUSED) + len(MALFORMED))
    # It was all there: what is sealed opens, under the key, to what was sent.
    assert len(kept) == 4
    assert {vault.open(name, record.sealed).secret.reveal() for name, record in kept.items()} == {
        SECRET
    }
    assert "command not followed" in log.getvalue()
    assert "command dead-lettered" in log.getvalue()
    assert_clean("an answer", *(message.body for message in answers))
    assert_clean("a dead letter", *(message.body for message in dead))
    assert_clean("a header", *(message.headers for message in (*answers, *dead)))
    assert_clean("an id", *(message.message_id for message in (*answers, *dead)))
    assert_clean("redis", *whole)
    assert_clean("the log", log.getvalue())
    assert_clean("a record", repr(kept))
    assert await depth(rabbit_url, QUEUE) == 0


async def test_nor_while_redis_is_away(own_redis: RedisServer, rabbit_url: str) -> None:
    with everything_logged() as log:
        redis = connect(own_redis.url)
        accounts = Accounts(redis, Keys("canary:"))
        async with running(rabbit_url) as pipeline, backend(rabbit_url) as channel:
            handler = AccountCommands(accounts, Vault([Secret(VAULT_KEY)]), tuple(EXCHANGES))
            commands = Commands(
                rabbit_url,
                ACCOUNT_REQUESTS,
                handler,
                post=pipeline.post,
                transient=(RedisAway,),
                pause_s=(0.05, 0.1),
            )
            await commands.start()
            await until(lambda: commands.stats["consuming"])
            own_redis.kill()
            gainium = await channel.get_exchange("gainium")
            await gainium.publish(aio_pika.Message(json.dumps({"payload": TYPED}).encode()), QUEUE)
            await until(lambda: int(commands.stats["requeued"]) >= 2)
            own_redis.start()
            await until(lambda: commands.stats["accepted"] == 1, 30)
            await commands.close()
        await redis.aclose()
    assert "commands wait" in log.getvalue()
    assert "commands are served again" in log.getvalue()
    assert_clean("the log", log.getvalue())
    assert await depth(rabbit_url, QUEUE) == 0
