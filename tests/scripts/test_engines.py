"""The private engines that everything else is tested on."""

from __future__ import annotations

import asyncio

import aio_pika
import pytest
import redis.asyncio

from scripts.children import listens
from scripts.engines import RabbitServer, RedisServer

pytestmark = pytest.mark.engines


async def test_redis_speaks_and_refuses_to_evict(redis_url: str) -> None:
    async with redis.asyncio.Redis.from_url(redis_url) as client:
        assert await client.ping()
        assert (await client.config_get("maxmemory-policy"))["maxmemory-policy"] == "noeviction"


async def test_every_test_finds_redis_empty(redis_server: RedisServer, redis_url: str) -> None:
    async with redis.asyncio.Redis.from_url(redis_url) as client:
        assert await client.dbsize() == 0
        await client.set("left", "over")
    redis_server.flush()
    assert redis_server.say("EXISTS", "left") == ":0"


def test_durable_redis_survives_a_kill_on_its_port(own_redis: RedisServer) -> None:
    url = own_redis.url
    assert own_redis.say("SET", "key", "value") == "+OK"
    own_redis.kill()
    assert own_redis.say("PING") == ""
    own_redis.start()
    assert (own_redis.url, own_redis.say("EXISTS", "key")) == (url, ":1")


def test_a_wiped_redis_comes_up_empty(own_redis: RedisServer) -> None:
    own_redis.say("SET", "key", "value")
    own_redis.stop()
    own_redis.wipe()
    own_redis.start()
    assert own_redis.say("EXISTS", "key") == ":0"


def test_close_leaves_no_process_port_or_folder() -> None:
    server = RedisServer().start()
    child, folder = server._child, server.folder
    assert child is not None
    assert listens(server.port)
    server.close()
    assert child.family.members() == []
    assert not listens(server.port)
    assert not folder.exists()


async def test_a_vhost_is_the_test_s_own(rabbit: RabbitServer, rabbit_url: str) -> None:
    connection = await aio_pika.connect(rabbit_url)
    async with connection:
        channel = await connection.channel()
        await channel.declare_queue("mine", durable=True)
    with rabbit.vhost() as other:
        connection = await aio_pika.connect(other)
        async with connection:
            channel = await connection.channel()
            with pytest.raises(aio_pika.exceptions.ChannelNotFoundEntity):
                await channel.declare_queue("mine", passive=True)


async def test_a_confirmed_message_survives_a_killed_broker(
    own_rabbit: RabbitServer, own_rabbit_url: str
) -> None:
    connection = await aio_pika.connect(own_rabbit_url)
    channel = await connection.channel()
    queue = await channel.declare_queue("kept", durable=True)
    message = aio_pika.Message(b"body", delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
    await channel.default_exchange.publish(message, routing_key=queue.name)
    await asyncio.to_thread(own_rabbit.kill)
    await asyncio.to_thread(own_rabbit.start)
    await connection.close()

    connection = await aio_pika.connect(own_rabbit_url)
    async with connection:
        channel = await connection.channel()
        queue = await channel.declare_queue("kept", passive=True)
        received = await queue.get(timeout=10)
        assert received is not None
        assert received.body == b"body"
    assert "kept" in own_rabbit.ctl("list_queues", "-p", own_rabbit_url.rpartition("/")[2])
