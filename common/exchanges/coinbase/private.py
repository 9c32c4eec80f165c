"""Coinbase's private side, as the rest of the house sees it."""

from common.exchanges.coinbase import account, conversation, inquiries
from common.exchanges.private import Private

COINBASE_PRIVATE = Private(
    markets=account.RULES,
    sign=account.sign,
    open=account.opening,
    converse=conversation.converse,
    snapshot=inquiries.snapshot,
    since=inquiries.since,
    order=inquiries.order,
    trouble=account.trouble,
)
