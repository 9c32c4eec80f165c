"""An account's events as messages of the durable class: where they go, and in what order. Pure.

All of an account's events leave in one lane, whatever their routing key: a fill never overtakes the
report before it.
"""

from __future__ import annotations

from collections.abc import Mapping

from common.model.account import (
    AccountEvent,
    AccountPosition,
    BalanceUpdate,
    ExecutionReport,
    Fill,
    PositionUpdate,
)
from common.model.streams import Origin
from common.publish import messages
from common.publish.durable import Message, OnOutcome
from common.publish.frames import Envelope, fits
from common.publish.routes import DURABLE_CHANNEL, encode, lane_of, time_s

# The first word of the routing key, and the versioned name of the body.
KINDS: Mapping[type[AccountEvent], tuple[str, str]] = {
    ExecutionReport: ("order", "order.v1"),
    Fill: ("fill", "fill.v1"),
    AccountPosition: ("balance", "balance.position.v1"),
    BalanceUpdate: ("balance", "balance.update.v1"),
    PositionUpdate: ("position", "position.v1"),
}


def account_message(
    event: AccountEvent, epoch: int, origin: Origin, app_id: str, on_outcome: OnOutcome
) -> Message:
    """An event for the durable class.

    Raises:
        ValueError: a name of it is too long for AMQP, or is no text.
    """
    word, kind = KINDS[type(event)]
    account = messages.escape(event.account_id)
    routing_key = f"{word}.{event.exchange}.{event.market}.{account}"
    if not (fits(event.message_id) and fits(routing_key)):
        # What is said of it may reach a log: no name.
        raise ValueError(f"an id of {word} is longer than AMQP has room for")
    envelope = Envelope(
        DURABLE_CHANNEL,
        messages.ACCOUNT_EXCHANGE,
        routing_key,
        kind=kind,
        headers={
            "exchange": event.exchange,
            "market": event.market,
            "account": event.account_id,
            "epoch": epoch,
            "origin": origin,
        },
        app_id=app_id,
        persistent=True,
        mandatory=True,
    )
    return Message(
        lane=lane_of(messages.ACCOUNT_EXCHANGE, routing_key),
        envelope=envelope,
        message_id=event.message_id,
        timestamp_s=time_s(event.event_ms),
        body=encode(event),
        subject=event,
        on_outcome=on_outcome,
    )
