"""What is said on the private socket of a Coinbase account. Pure.

A socket carries one account: its orders (``user``), and beside them ``heartbeats``, without which it would
be ended. Each subscription carries a token of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import msgspec
from msgspec import Struct

from common.exchanges.coinbase.account import made_s, token, trouble_of
from common.exchanges.coinbase.describe import HEARTBEATS, SUBSCRIPTIONS, USER
from common.exchanges.coinbase.told import Frame, told
from common.exchanges.private import Alive, Credentials, Denied, Heard, Opened, Said, Turn
from common.exchanges.protocol import Unreadable
from common.exchanges.wire import BROKEN, unreadable
from common.model.instruments import Catalog
from common.model.streams import Market


class _Listing(Struct):
    """All that the connection is subscribed to now, by channel."""

    subscriptions: dict[str, list[str]]


_frame = msgspec.json.Decoder(Frame)
_listings = msgspec.json.Decoder(list[_Listing])
_CHANNELS = (USER, HEARTBEATS)


class UserConversation:
    """A socket that carries one account; what is subscribed is listed by the exchange after each change."""

    def __init__(self) -> None:
        self._account: str | None = None
        self._opened = False
        self._sequence: int | None = None
        self._readers: Mapping[str, Callable[[Frame], Sequence[Heard]]] = {
            USER: told,
            HEARTBEATS: self._alive,
            SUBSCRIPTIONS: self._listed,
        }

    def join(self, account: str, credentials: Credentials, now_ms: int) -> Sequence[str]:
        """See ``Conversation``.

        Raises:
            BadKey: the secret is no key of its kind, which ``opening`` has refused.
        """
        self._account = account
        return [
            msgspec.json.encode(
                {
                    "type": "subscribe",
                    "channel": channel,
                    "jwt": token(credentials, made_s(now_ms)),
                }
            ).decode()
            for channel in _CHANNELS
        ]

    def leave(self, account: str) -> Sequence[str]:  # noqa: ARG002
        """See ``Conversation``: the connection is this account's alone."""
        return ()

    def probe(self) -> Sequence[str]:
        """See ``Conversation``: signs of life come every second without being asked for."""
        return ()

    def receive(self, frame: bytes, catalog: Catalog, now_ms: int) -> Turn:  # noqa: ARG002
        """See ``Conversation``."""
        try:
            message = _frame.decode(frame)
        except BROKEN as error:
            return self._say([unreadable(error)])
        if message.channel:
            return self._say([*self._read(message), *self._lost(message.sequence)])
        return self._say([_refusal(message)])

    def _read(self, message: Frame) -> Sequence[Heard]:
        read = self._readers.get(message.channel)
        if read is None:
            return (Unreadable("unknown_type", f"channel {message.channel!r:.40}"),)
        return read(message)

    def _alive(self, _message: Frame) -> Sequence[Heard]:
        """Of a connection that is subscribed, so long as nothing else is listed."""
        return (Alive(),) if self._opened else ()

    def _listed(self, message: Frame) -> Sequence[Heard]:
        try:
            listings = _listings.decode(message.events)
        except BROKEN as error:
            return (unreadable(error),)
        if not listings:
            return ()
        there = listings[-1].subscriptions.keys() >= set(_CHANNELS)
        opened, self._opened = self._opened, there
        if opened and not there:
            return (Denied("expired", "the exchange does not list the subscription"),)
        return (Opened(),) if there and not opened else ()

    def _lost(self, sequence: int | None) -> Sequence[Heard]:
        """All messages are numbered together: of what is missing only a new look at REST can tell.

        What was missed before the first is looked up anyway, as the account opens.
        """
        if sequence is None:
            return ()
        last = sequence - 1 if self._sequence is None else self._sequence
        self._sequence = max(last, sequence)
        if sequence <= last + 1:
            return ()
        return (Denied("expired", f"messages {last + 1} to {sequence - 1} were lost"),)

    def _say(self, heard: Sequence[Heard]) -> Turn:
        return Turn([Said(self._account, what) for what in heard])


def _refusal(message: Frame) -> Heard:
    """An error, which names no request."""
    if message.type != "error":
        return Unreadable("unknown_type", f"type {message.type!r:.40}")
    text = f"{message.message}: {message.reason}" if message.reason else message.message
    return Denied(trouble_of(text), text[:200])


def converse(market: Market, _address: str = "") -> UserConversation:
    """A new socket's conversation."""
    return UserConversation()
