"""KuCoin's private side, as the rest of the house sees it."""

from common.exchanges.kucoin import account, inquiries
from common.exchanges.kucoin.conversation import converse
from common.exchanges.kucoin.parse import ping
from common.exchanges.private import Private

KUCOIN_PRIVATE = Private(
    markets=account.RULES,
    sign=account.sign,
    open=account.opening,
    converse=converse,
    snapshot=inquiries.snapshot,
    since=inquiries.since,
    order=inquiries.order,
    trouble=account.trouble,
    ping=ping,
)
