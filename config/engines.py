"""The settings of Redis and RabbitMQ: where they are, and how they are used."""

from __future__ import annotations

from config import values
from config.setting import Setting
from config.values import NAME_LENGTH, TOPOLOGIES

_ENGINES = "Redis and RabbitMQ"
_NAME = f"visible ASCII, at most {NAME_LENGTH} characters"
_HOST = "a host name or address, with a port or http:// if you like"

SETTINGS: tuple[Setting, ...] = (
    Setting(
        name="REDIS_URL",
        group=_ENGINES,
        read=values.redis_url,
        allowed="redis://[user:password@]host[:port][/database], rediss:// for TLS",
        meaning="Redis in one line; wins over the parts below.",
        computed="built from the parts",
        secret=True,
    ),
    Setting(
        name="REDIS_HOST",
        group=_ENGINES,
        read=values.host,
        allowed=_HOST,
        meaning="Where Redis is.",
        default="localhost",
    ),
    Setting(
        name="REDIS_PORT",
        group=_ENGINES,
        read=values.whole(1, 65535),
        allowed="1 to 65535",
        meaning="Redis' port.",
        default="6379",
    ),
    Setting(
        name="REDIS_PASSWORD",
        group=_ENGINES,
        read=values.secret,
        allowed="any text; it is escaped for you",
        meaning="Redis' password.",
        computed="none",
        secret=True,
    ),
    Setting(
        name="REDIS_PREFIX",
        group=_ENGINES,
        read=values.name,
        allowed=_NAME,
        meaning="What every Redis key of this fleet starts with; two fleets need two.",
        default="fleet:",
    ),
    Setting(
        name="COMPAT_REDIS",
        group=_ENGINES,
        read=values.switch,
        allowed="0 or 1",
        meaning="1: events also go to the Redis channels that older backends listen to.",
        default="0",
    ),
    Setting(
        name="COMPAT_REDIS_URL",
        group=_ENGINES,
        read=values.redis_url,
        allowed="redis://[user:password@]host[:port][/database], rediss:// for TLS",
        meaning="The Redis of those channels.",
        computed="the fleet's own",
        secret=True,
    ),
    Setting(
        name="RABBIT_URL",
        group=_ENGINES,
        read=values.rabbit_url,
        allowed="amqp://[user:password@]host[:port][/vhost], amqps:// for TLS",
        meaning="RabbitMQ in one line; wins over the parts below.",
        computed="built from the parts",
        secret=True,
    ),
    Setting(
        name="RABBIT_HOST",
        group=_ENGINES,
        read=values.host,
        allowed=_HOST,
        meaning="Where RabbitMQ is.",
        default="localhost",
    ),
    Setting(
        name="RABBIT_PORT",
        group=_ENGINES,
        read=values.whole(1, 65535),
        allowed="1 to 65535",
        meaning="RabbitMQ's port.",
        default="5672",
    ),
    Setting(
        name="RABBIT_USER",
        group=_ENGINES,
        read=values.name,
        allowed=f"{_NAME}; it is escaped for you",
        meaning="RabbitMQ's user.",
        default="guest",
    ),
    Setting(
        name="RABBIT_PASSWORD",
        group=_ENGINES,
        read=values.secret,
        allowed="any text; it is escaped for you",
        meaning="RabbitMQ's password.",
        default="guest",
        secret=True,
    ),
    Setting(
        name="TOPOLOGY",
        group=_ENGINES,
        read=values.one_of(TOPOLOGIES),
        allowed=", ".join(TOPOLOGIES),
        meaning="What is declared in RabbitMQ at start: everything, only the topic exchanges, "
        "or nothing (their presence is checked).",
        default="full",
    ),
    Setting(
        name="PUBLISH_BUFFER",
        group=_ENGINES,
        read=values.whole(1, 1_000_000),
        allowed="1 to 1000000",
        meaning="How many unconfirmed durable messages a worker keeps before it refuses more.",
        default="20000",
    ),
    Setting(
        name="PUBLISH_LINGER_MS",
        group=_ENGINES,
        read=values.number(0, 1000),
        allowed="0 to 1000",
        meaning="How long a message may wait for company before it is written; 0 writes at once.",
        default="0",
    ),
    Setting(
        name="LAST_VALUES_TTL_S",
        group=_ENGINES,
        read=values.number(0, 2_678_400),
        allowed="0 to 2678400",
        meaning="For how many seconds the last ticker and closed candles of a symbol can be read "
        "from Redis; 0 writes none.",
        default="86400",
    ),
)
