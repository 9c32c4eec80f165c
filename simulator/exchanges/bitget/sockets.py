"""Bitget's public WebSocket v2: text pings, one answer per argument, limits by hour and by bytes.

Private sockets (``simulator.exchanges.bitget.accounts.sockets``) read requests in the same way.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

import msgspec

from common.clocks import machine_s
from common.model.streams import Market
from simulator.exchanges.bitget.names import (
    CONNECTIONS,
    MESSAGE_BYTES,
    NAME,
    RULES,
    SOCKET_HOST,
    SOCKET_PATH,
    SUBSCRIBES_PER_HOUR,
)
from simulator.exchanges.bitget.topics import (
    Topic,
    exists,
    first_push,
    read_topic,
    topic_of,
    wanted,
)
from simulator.exchanges.common import PlainDialect
from simulator.exchanges.protocol import (
    Effect,
    End,
    HttpAnswer,
    HttpCall,
    Join,
    Leave,
    Reply,
    json_answer,
)
from simulator.feeds import Wanted
from simulator.limits import SlidingCount
from simulator.world import World


class BitgetSocket(PlainDialect):
    """One socket; it may carry any market."""

    market: Market | None = None
    rules = RULES
    first_topics: Sequence[str] = ()

    def __init__(self, world: World) -> None:
        self._world = world
        self._subscribes = SlidingCount(3600.0)
        # As of when a topic's first push was: its feed goes on from there.
        self._told_ms: dict[str, int] = {}

    # --- what it sends ----------------------------------------------------------------------

    def feed(self, topic: str) -> Wanted | None:
        """What follows the first push."""
        since_ms = self._told_ms.pop(topic, self._world.clock.now_ms())
        return wanted(self._world, topic_of(topic), since_ms)

    # --- what it is told --------------------------------------------------------------------

    def receive(self, text: str, topics: Collection[str]) -> Sequence[Effect]:
        """A ping or a request: its answers, and what they change."""
        request = read_request(text, ("subscribe", "unsubscribe"))
        if isinstance(request, Reply):
            return (request,)
        op, args = request
        if op == "unsubscribe":
            return self._unsubscribe([read_topic(arg) for arg in args], topics)
        return self._subscribe([read_topic(arg) for arg in args], topics)

    def _subscribe(self, asked: Sequence[Topic], topics: Collection[str]) -> Sequence[Effect]:
        if self._subscribes.exceeds(SUBSCRIBES_PER_HOUR, machine_s()):
            return (error_of(30006, "Request too many"),)
        effects: list[Effect] = []
        carried = set(topics)
        for topic in asked:
            if not exists(self._world, topic):
                named = f"instType:{topic.inst_type},channel:{topic.channel},instId:{topic.symbol}"
                effects.append(error_of(30001, f"{named} doesn't exist"))
                continue
            carried.add(topic.key)
            if len(carried) > self.rules.streams:
                return [*effects, error_of(30007, "Request over limit, connection close"),
                        End(1008, "Request over limit")]  # fmt: skip
            effects += (Reply(_answer("subscribe", topic)), Join(topic.key))
            now_ms = self._told_ms[topic.key] = self._world.clock.now_ms()
            first = first_push(self._world, topic, now_ms)
            if first is not None:
                effects.append(Reply(first))
        return effects

    def _unsubscribe(self, asked: Sequence[Topic], topics: Collection[str]) -> Sequence[Effect]:
        effects: list[Effect] = []
        for topic in asked:
            effects.append(Reply(_answer("unsubscribe", topic)))
            if topic.key in topics:
                effects.append(Leave(topic.key))
        return effects


def _answer(event: str, topic: Topic) -> str:
    return text_of({"event": event, "arg": topic.arg})


class Request(NamedTuple):
    """What a client wants, and of what."""

    op: str
    args: list[dict[str, Any]]


def read_request(text: str, ops: Collection[str]) -> Request | Reply:
    """A message as one of these requests; the answer to anything else, a ping included."""
    if text == "ping":
        return Reply("pong")
    if len(text.encode()) > MESSAGE_BYTES:
        return error_of(30002, f"Illegal request: longer than {MESSAGE_BYTES} bytes")
    try:
        message = msgspec.json.decode(text)
    except msgspec.DecodeError:
        message = None
    if not isinstance(message, dict):
        return error_of(30002, "Illegal request")
    op, args = message.get("op"), message.get("args")
    if not isinstance(op, str) or op not in ops:
        return error_of(30003, "Invalid op")
    if not isinstance(args, list) or not all(isinstance(arg, dict) for arg in args):
        return error_of(30016, "Param error")
    return Request(op, args)


def error_of(code: int, message: str) -> Reply:
    """An error: its code is a number here."""
    return Reply(text_of({"event": "error", "code": code, "msg": message}))


def text_of(value: Any) -> str:
    """As it goes over the wire."""
    return msgspec.json.encode(value).decode()


def too_many(world: World, call: HttpCall) -> HttpAnswer | None:
    """The refusal of an address that has all the connections it may have."""
    others = [
        one
        for one in world.connections.values()
        if one.exchange.name == NAME and one.call.address == call.address
    ]
    if len(others) < CONNECTIONS:
        return None
    return json_answer({"code": "429", "msg": "Too many connections"}, 429)


def open_socket(world: World, call: HttpCall) -> BitgetSocket | HttpAnswer:
    """A handshake."""
    if call.host != SOCKET_HOST or call.path.rstrip("/") != SOCKET_PATH:
        return json_answer({"code": "40404", "msg": "Request URL NOT FOUND"}, 404)
    return too_many(world, call) or BitgetSocket(world)
