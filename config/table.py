"""The table of settings: names, defaults, meanings. Documents and samples are made from it."""

from __future__ import annotations

from common.exchanges.registry import EXCHANGES
from common.model.streams import ROLES
from config import engines, values
from config.setting import Setting
from config.values import LOG_FORMATS, LOG_LEVELS, NAME_LENGTH

SECONDS_A_DAY = 86_400
# supervisord kills after its stopwaitsecs: a longer wait would be cut off in the middle.
MOST_DRAIN_S = 30


_STREAMS = "What is streamed"
_ACCOUNTS = "Accounts"
_FLEET = "The fleet"
_OPERATION = "Health and logs"
_SERVICES = "Services around it (read and checked, and not used yet)"
_NAME = f"visible ASCII, at most {NAME_LENGTH} characters"
_SERVICE_URL = "an http, https, ws or wss address without user and password"

TABLE: tuple[Setting, ...] = (
    *engines.SETTINGS,
    Setting(
        name="STREAMS",
        group=_STREAMS,
        read=values.streams,
        allowed="exchange:market:channel:symbol[:interval], separated by commas; * for all",
        meaning="What is always streamed, whoever asks; commands add to it.",
        default="*:*:ticker:*",
    ),
    Setting(
        name="EXCHANGES",
        group=_STREAMS,
        read=values.exchanges,
        allowed=f"of {', '.join(EXCHANGES)}, separated by commas",
        meaning="Which exchanges are enabled.",
        computed="all",
    ),
    Setting(
        name="EXCHANGE_GATEWAY",
        group=_STREAMS,
        read=values.service_url,
        allowed=_SERVICE_URL,
        meaning="One door to all exchanges (the simulator, a proxy) instead of their own addresses.",
        computed="none",
    ),
    Setting(
        name="MARKET_CLOCK",
        group=_STREAMS,
        read=values.market_clock,
        allowed="1, or SPEED@ANCHOR_MS",
        meaning="Market time: the wall's, or one that runs SPEED times faster since ANCHOR_MS.",
        default="1",
    ),
    Setting(
        name="HISTORY_BARS",
        group=_STREAMS,
        read=values.whole(0, 100_000),
        allowed="0 to 100000",
        meaning="How many past candles a stream begins with that has never been streamed.",
        default="0",
    ),
    Setting(
        name="LOOK_BACK_S",
        group=_STREAMS,
        read=values.number(0, 86_400),
        allowed="0 to 86400",
        meaning="How far back streams begin while Redis is new, for it may have lost its data.",
        default="300",
    ),
    Setting(
        name="BACKFILL_BARS",
        group=_STREAMS,
        read=values.whole(1, 1_000_000),
        allowed="1 to 1000000",
        meaning="How many candles of a stream are fetched at most; what is older is said to be lost.",
        default="10000",
    ),
    Setting(
        name="CREDENTIALS_KEY",
        group=_ACCOUNTS,
        read=values.credentials_keys,
        allowed="32 bytes in base64; two of them, by a comma or a line break, to rotate",
        meaning="What accounts' credentials are sealed with in Redis: the first key seals, both open. "
        "`python -m scripts.fleet accounts key` makes one.",
        computed="none, and accounts cannot be opened",
        secret=True,
    ),
    Setting(
        name="ACCOUNT_RECONCILE_S",
        group=_ACCOUNTS,
        read=values.number(10, 86_400),
        allowed="10 to 86400",
        meaning="How often a live account is compared with what REST says of it.",
        default="600",
    ),
    Setting(
        name="PAPER_WS",
        group=_ACCOUNTS,
        read=values.paper_url,
        allowed="HOST[:PORT], by itself or after ws://, wss://, http:// or https://",
        meaning="The service that accounts on paper are traded by (socket.io).",
        computed="none, and accounts on paper cannot be opened",
    ),
    Setting(
        name="PRICEROLE",
        group=_FLEET,
        read=values.one_of(ROLES),
        allowed=", ".join(ROLES),
        meaning="What a price worker takes on; its flag `--role` wins.",
        default="all",
    ),
    Setting(
        name="WORKER_NAME",
        group=_FLEET,
        read=values.name,
        allowed=_NAME,
        meaning="What this worker is called in health and logs.",
        computed="from role and process id",
    ),
    Setting(
        name="EGRESS",
        group=_FLEET,
        read=values.name,
        allowed=_NAME,
        meaning="The address exchanges see: workers of one egress share its budgets.",
        computed="the host's name",
    ),
    Setting(
        name="LEASE_TTL_S",
        group=_FLEET,
        read=values.number(3, 3600),
        allowed="3 to 3600",
        meaning="For how many seconds a shard stays a dead worker's; renewed three times as often.",
        default="15",
    ),
    Setting(
        name="DRAIN_S",
        group=_FLEET,
        read=values.number(0, MOST_DRAIN_S),
        allowed=f"0 to {MOST_DRAIN_S}",
        meaning="How many seconds a stopping worker waits for RabbitMQ's last confirms.",
        default="20",
    ),
    Setting(
        name="HEALTH_HOST",
        group=_OPERATION,
        read=values.name,
        allowed="an address of this machine",
        meaning="Where the health server listens.",
        default="0.0.0.0",  # noqa: S104 - probes come from other hosts; nothing secret is served
    ),
    Setting(
        name="HEALTH_PORT",
        group=_OPERATION,
        read=values.whole(1, 65535),
        allowed="1 to 65535",
        meaning="The health server's port.",
        default="3000",
    ),
    Setting(
        name="WATCHDOG_APP",
        group=_OPERATION,
        read=values.http_url,
        allowed="an http or https address without user and password",
        meaning="A service that the health server tells when the verdict changes.",
        computed="none",
    ),
    Setting(
        name="LOG_LEVEL",
        group=_OPERATION,
        read=values.one_of(LOG_LEVELS),
        allowed=", ".join(LOG_LEVELS),
        meaning="The least severe line that is written.",
        default="INFO",
    ),
    Setting(
        name="LOG_FORMAT",
        group=_OPERATION,
        read=values.one_of(LOG_FORMATS),
        allowed=", ".join(LOG_FORMATS),
        meaning="JSON lines, text for people, or text on a terminal and JSON elsewhere.",
        default="auto",
    ),
    Setting(
        name="EXCHANGE_SERVICE_API_URL",
        group=_SERVICES,
        read=values.service_url,
        allowed=_SERVICE_URL,
        meaning="A service that fronts the exchanges' REST; without it they are asked themselves.",
        computed="none",
    ),
    Setting(
        name="COINBASE_API_KEY",
        group=_SERVICES,
        read=values.secret,
        allowed="a key's name, with COINBASE_API_SECRET",
        meaning="Coinbase key for its instrument list.",
        computed="none",
        secret=True,
    ),
    Setting(
        name="COINBASE_API_SECRET",
        group=_SERVICES,
        read=values.secret,
        allowed="the key's secret, with COINBASE_API_KEY",
        meaning="Its secret.",
        computed="none",
        secret=True,
    ),
)

NAMES: frozenset[str] = frozenset(name for setting in TABLE for name in setting.names)
