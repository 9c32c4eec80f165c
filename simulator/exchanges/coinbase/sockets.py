"""Coinbase's WebSocket: one channel a message, answers without ids, every message numbered.

The host of accounts serves their channel and heartbeats; the other one serves all.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

import msgspec

from common.clocks import machine_s
from common.model.streams import Market
from simulator.exchanges.coinbase import frames, topics
from simulator.exchanges.coinbase.accounts import CoinbaseAccounts
from simulator.exchanges.coinbase.accounts.events import NOT_LISTED, UserChannel
from simulator.exchanges.coinbase.accounts.tokens import subscriber
from simulator.exchanges.coinbase.names import (
    CHANNELS,
    HEARTBEATS,
    NAME,
    REQUESTS_PER_S,
    RULES,
    SIGNED_PER_S,
    SOCKET_HOST,
    USER,
    USER_HOST,
    find,
    product_of,
)
from simulator.exchanges.common import PlainDialect, Refused
from simulator.exchanges.protocol import (
    Effect,
    HttpAnswer,
    HttpCall,
    Join,
    Leave,
    Reply,
    json_answer,
)
from simulator.feeds import Wanted
from simulator.world import World

_REFUSED = Reply('{"type":"error","message":"failure to subscribe"}')
_TOO_MANY = Reply('{"type":"error","message":"rate limit exceeded"}')


class _Request(NamedTuple):
    kind: str
    channel: str
    products: list[str]
    token: str


class CoinbaseSocket(PlainDialect):
    """One socket. A token is asked for where an account is; to what is public it may be given."""

    market: Market | None = "spot"
    rules = RULES
    first_topics: Sequence[str] = ()

    def __init__(self, world: World, private: CoinbaseAccounts, call: HttpCall) -> None:
        self._world, self._host, self._address = world, call.host, call.address
        self._user = UserChannel(world, private.subscription)
        self._number = 0
        # What was listed last.
        self._topics: Sequence[str] = ()
        # As of when a topic's snapshot was: its feed goes on from there.
        self._told_ms: dict[str, int] = {}

    # --- what it sends ----------------------------------------------------------------------

    def feed(self, topic: str) -> Wanted | None:
        """What follows the snapshot."""
        if topic.partition(":")[0] == USER:
            return self._user.feed(topic)
        since_ms = self._told_ms.pop(topic, self._world.clock.now_ms())
        return topics.wanted(self._world, topic, since_ms)

    def wrap(self, topic: str, payload: str) -> str:
        """In an envelope with the number of this socket's next message."""
        if payload == NOT_LISTED:
            return self._listing(self._topics).text
        number, self._number = self._number, self._number + 1
        return frames.sealed(topic.partition(":")[0], payload, number)

    # --- what it is told --------------------------------------------------------------------

    def receive(self, text: str, topics: Collection[str]) -> Sequence[Effect]:
        """A request: what it changes, the snapshots, and the list of everything subscribed."""
        request = _request(text)
        if self._too_many(request):
            return (_TOO_MANY,)
        if request is None:
            return (_REFUSED,)
        if request.kind == "unsubscribe":
            return self._unsubscribe(request.channel, request.products, topics)
        try:
            if request.channel == USER:
                return self._subscribe_user(request.token, topics)
            if self._host == USER_HOST:
                self._check(request)
        except Refused as refused:
            return (_refusal(refused),)
        return self._subscribe(request.channel, request.products, topics)

    def _too_many(self, request: _Request | None) -> bool:
        """Requests with a token are counted by themselves, and many more of them are allowed."""
        signed = request is not None and bool(request.token)
        name, most = ("signed", SIGNED_PER_S) if signed else ("messages", REQUESTS_PER_S)
        said = self._world.meters.window(f"{NAME}:{name}", self._address, 1.0)
        return said.exceeds(most, machine_s())

    def _check(self, request: _Request) -> None:
        """On the accounts' host there is no channel of products, and a token has to be good."""
        if request.channel != HEARTBEATS:
            raise Refused("", "failure to subscribe")
        if request.token:
            subscriber(self._world, request.token, self._address)

    def _subscribe_user(self, token: str, topics_now: Collection[str]) -> Sequence[Effect]:
        """The open orders first. Who asks again is told them again, and hears what comes after."""
        account = subscriber(self._world, token, self._address)
        topic, payloads = self._user.subscribe(account)
        told = [Reply(self.wrap(topic, payload)) for payload in payloads]
        again = topic in topics_now
        listing = self._listing([*topics_now] if again else [*topics_now, topic])
        return [*told, listing, *([Leave(topic)] if again else ()), Join(topic)]

    def _subscribe(
        self, channel: str, products: Sequence[str], topics_now: Collection[str]
    ) -> Sequence[Effect]:
        asked = [HEARTBEATS] if channel == HEARTBEATS else self._asked(channel, products)
        if not asked:
            return (_REFUSED,)
        new = [topic for topic in dict.fromkeys(asked) if topic not in topics_now]
        now_ms = self._world.clock.now_ms()
        effects: list[Effect] = []
        # Who asks again is told everything again.
        for topic in dict.fromkeys(asked):
            payload = topics.snapshot(self._world, topic, now_ms)
            if payload is not None:
                effects.append(Reply(self.wrap(topic, payload)))
            self._told_ms[topic] = now_ms
        effects.append(self._listing([*topics_now, *new]))
        return [*effects, *(Join(topic) for topic in new)]

    def _asked(self, channel: str, products: Sequence[str]) -> list[str]:
        """The topics of a request; none if one of them cannot be had: it is refused as a whole.

        A second name of a book is answered, and from then on spoken of, by its first.
        """
        asked = []
        for product in products:
            listed = find(self._world, product) if channel in CHANNELS else None
            if listed is None or (NAME, "spot", product) in self._world.faults.rejected:
                return []
            asked.append(f"{channel}:{product_of(listed.listing)}")
        return asked

    def _unsubscribe(
        self, channel: str, products: Sequence[str], topics_now: Collection[str]
    ) -> Sequence[Effect]:
        """Without products the whole channel is given up."""
        names = {f"{channel}:{product}" for product in products}
        gone = [
            topic
            for topic in topics_now
            if topic.partition(":")[0] == channel and (topic in names or not products)
        ]
        left = [topic for topic in topics_now if topic not in gone]
        return [*(Leave(topic) for topic in gone), self._listing(left)]

    def _listing(self, topics_now: Sequence[str]) -> Reply:
        self._topics = tuple(topics_now)
        current: dict[str, list[str]] = {}
        for topic in self._user.live(topics_now):
            channel, _, product = topic.partition(":")
            current.setdefault(channel, []).append(product or channel)
        payload = frames.subscriptions(current, self._world.clock.now_ms())
        return Reply(self.wrap("subscriptions", payload))


def _refusal(refused: Refused) -> Reply:
    """Why there is no subscription; that a key may not be used is an authentication failure."""
    known = {401: "authentication failure", 403: "permission denied"}
    message = {"type": "error", "message": known.get(refused.status, refused.message)}
    if refused.status in known:
        message["reason"] = refused.message
    return Reply(msgspec.json.encode(message).decode())


def _request(text: str) -> _Request | None:
    """A request; None for what is none."""
    try:
        message: Any = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return None
    if not isinstance(message, dict) or message.get("type") not in ("subscribe", "unsubscribe"):
        return None
    channel, products = message.get("channel"), message.get("product_ids") or []
    if not isinstance(channel, str) or not isinstance(products, list):
        return None
    if not all(isinstance(product, str) for product in products):
        return None
    return _Request(message["type"], channel, products, str(message.get("jwt") or ""))


def open_socket(
    world: World, private: CoinbaseAccounts, call: HttpCall
) -> CoinbaseSocket | HttpAnswer:
    """A handshake: each host has one address."""
    if call.host not in (SOCKET_HOST, USER_HOST) or call.path != "/":
        return json_answer({"message": "not found"}, 404)
    return CoinbaseSocket(world, private, call)
