"""OKX's private side, as the rest of the house sees it."""

from common.exchanges.okx import account, conversation, inquiries, parse
from common.exchanges.private import Private

OKX_PRIVATE = Private(
    markets=account.RULES,
    sign=account.sign,
    open=account.opening,
    converse=conversation.converse,
    snapshot=inquiries.snapshot,
    since=inquiries.since,
    order=inquiries.order,
    trouble=account.trouble,
    ping=parse.ping,
)
