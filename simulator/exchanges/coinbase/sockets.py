"""Coinbase's WebSocket: one channel a message, answers without ids, every message numbered."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import msgspec

from common.clocks import machine_s
from common.model.streams import Market
from simulator.exchanges.coinbase import frames, topics
from simulator.exchanges.coinbase.names import (
    CHANNELS,
    HEARTBEATS,
    NAME,
    REQUESTS_PER_S,
    RULES,
    SOCKET_HOST,
    find,
    product_of,
)
from simulator.exchanges.common import PlainDialect
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


class CoinbaseSocket(PlainDialect):
    """One socket. A token (JWT) may be given and is not looked at: the channels are public."""

    market: Market | None = "spot"
    rules = RULES
    first_topics: Sequence[str] = ()

    def __init__(self, world: World, address: str) -> None:
        self._world, self._address = world, address
        self._number = 0
        # As of when a topic's snapshot was: its feed goes on from there.
        self._told_ms: dict[str, int] = {}

    # --- what it sends ----------------------------------------------------------------------

    def feed(self, topic: str) -> Wanted | None:
        """What follows the snapshot."""
        since_ms = self._told_ms.pop(topic, self._world.clock.now_ms())
        return topics.wanted(self._world, topic, since_ms)

    def wrap(self, topic: str, payload: str) -> str:
        """In an envelope with the number of this socket's next message."""
        number, self._number = self._number, self._number + 1
        return frames.sealed(topic.partition(":")[0], payload, number)

    # --- what it is told --------------------------------------------------------------------

    def receive(self, text: str, topics: Collection[str]) -> Sequence[Effect]:
        """A request: what it changes, the snapshots, and the list of everything subscribed."""
        said = self._world.meters.window(f"{NAME}:messages", self._address, 1.0)
        if said.exceeds(REQUESTS_PER_S, machine_s()):
            return (_TOO_MANY,)
        request = _request(text)
        if request is None:
            return (_REFUSED,)
        kind, channel, products = request
        if kind == "unsubscribe":
            return self._unsubscribe(channel, products, topics)
        return self._subscribe(channel, products, topics)

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
        current: dict[str, list[str]] = {}
        for topic in topics_now:
            channel, _, product = topic.partition(":")
            current.setdefault(channel, []).append(product or channel)
        payload = frames.subscriptions(current, self._world.clock.now_ms())
        return Reply(self.wrap("subscriptions", payload))


def _request(text: str) -> tuple[str, str, list[str]] | None:
    """Kind, channel and products of a request; None for what is none."""
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
    return message["type"], channel, products


def open_socket(world: World, call: HttpCall) -> CoinbaseSocket | HttpAnswer:
    """A handshake: there is one address."""
    if call.host != SOCKET_HOST or call.path != "/":
        return json_answer({"message": "not found"}, 404)
    return CoinbaseSocket(world, call.address)
