"""Binance's private side, as the rest of the house sees it."""

from common.exchanges.binance import account, inquiries
from common.exchanges.binance.conversation import converse
from common.exchanges.private import Private

BINANCE_PRIVATE = Private(
    markets=account.RULES,
    sign=account.sign,
    open=account.opening,
    keep=account.keeping,
    converse=converse,
    snapshot=inquiries.snapshot,
    since=inquiries.since,
    order=inquiries.order,
    trouble=account.trouble,
)
