"""KuCoin's WebSocket: tokens at the door, welcome, pings as messages, requests and their answers."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import msgspec

from common.model.streams import Market
from simulator.exchanges.common import PlainDialect, Refused, object_in
from simulator.exchanges.kucoin.accounts import KucoinAccounts
from simulator.exchanges.kucoin.accounts import topics as private_topics
from simulator.exchanges.kucoin.names import (
    NAME,
    RULES,
    SOCKET_HOSTS,
    TOPICS_PER_REQUEST,
    Product,
    find,
)
from simulator.exchanges.kucoin.tokens import Token, Tokens
from simulator.exchanges.kucoin.topics import symbol_in, wanted
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


class KucoinSocket(PlainDialect):
    """One socket of one product; that of the futures serves both of their markets."""

    def __init__(
        self, world: World, product: Product, connect_id: str, private: KucoinAccounts, token: Token
    ) -> None:
        self.market: Market | None = "spot" if product == "spot" else None
        self.rules = RULES
        self.first_topics: Sequence[str] = ()
        self._world, self._product, self._connect_id = world, product, connect_id
        self._private, self._token = private, token

    def greeting(self) -> Sequence[Effect]:
        """It may be spoken to from now on."""
        return (_reply({"id": self._connect_id, "type": "welcome"}),)

    # --- what it sends ----------------------------------------------------------------------

    def feed(self, topic: str) -> Wanted | None:
        """The topic's feed."""
        account = self._token.account
        if account is not None and private_topics.is_private(self._product, topic):
            return self._private.wanted(account, self._product, topic)
        return wanted(self._world, self._product, topic)

    def wrap(self, topic: str, payload: str) -> str | None:
        """A push in its envelope; an account's have it already."""
        if private_topics.is_private(self._product, topic):
            return private_topics.as_heard(topic, payload)
        return f'{{"topic":{msgspec.json.encode(topic).decode()},"type":"message",{payload[1:]}'

    # --- what it is told --------------------------------------------------------------------

    def receive(self, text: str, topics: Collection[str]) -> Sequence[Effect]:
        """A ping, or a request: its answer, and what it changes."""
        request_id: Any = None
        try:
            message = object_in(text, Refused(400, "message is invalid"))
            request_id = message.get("id")
            return self._carry_out(message, request_id, topics)
        except Refused as refused:
            error = {"id": request_id, "type": "error", "code": refused.code}
            return (_reply(error | {"data": refused.message}),)

    def _carry_out(
        self, message: dict[str, Any], request_id: Any, topics: Collection[str]
    ) -> Sequence[Effect]:
        kind = message.get("type")
        if kind == "ping":
            return (_reply({"id": request_id, "type": "pong"}),)
        if kind not in ("subscribe", "unsubscribe"):
            raise Refused(415, "type is not supported")
        named = _topics(message, self._product)
        if message.get("privateChannel"):
            self._log_in(named)
        changes: list[Effect]
        if kind == "subscribe":
            private = bool(message.get("privateChannel"))
            new = self._subscribable(named, topics, private=private)
            changes = [Join(topic) for topic in new]
        else:
            changes = [Leave(topic) for topic in named if topic in topics]
        wants_answer = message.get("response") is True
        return [*([_reply({"id": request_id, "type": "ack"})] if wants_answer else []), *changes]

    def _log_in(self, named: list[str]) -> None:
        """Whether the token says who it is, and these are topics of accounts."""
        account = self._token.account
        if account is None or self._private.access(account) != self._token.access:
            raise Refused(403, "login is required")
        for topic in named:
            if not private_topics.is_private(self._product, topic):
                raise Refused(404, f"topic {topic} is not found")

    def _subscribable(
        self, named: list[str], topics: Collection[str], *, private: bool
    ) -> list[str]:
        """The new ones of these; one that does not exist refuses all of them."""
        for topic in named:
            if not private and (
                wanted(self._world, self._product, topic) is None or self._is_rejected(topic)
            ):
                raise Refused(404, f"topic {topic} is not found")
        new = [topic for topic in dict.fromkeys(named) if topic not in topics]
        if len(topics) + len(new) > self.rules.streams:
            most = self.rules.streams
            raise Refused(509, f"exceed max subscription count limitation of {most} per session")
        return new

    def _is_rejected(self, topic: str) -> bool:
        symbol = symbol_in(self._product, topic)
        listed = find(self._world, self._product, symbol)
        rejected = self._world.faults.rejected
        return listed is not None and (NAME, listed.listing.market, symbol) in rejected


def _reply(message: dict[str, Any]) -> Reply:
    return Reply(msgspec.json.encode(message).decode())


def _topics(message: dict[str, Any], product: Product) -> list[str]:
    """One prefix, and what follows its colon as a list; an account's topics may have no colon."""
    topic = message.get("topic")
    if not isinstance(topic, str) or not topic:
        raise Refused(406, "topic is required")
    if private_topics.is_private(product, topic) and ":" not in topic:
        return [topic]
    prefix, colon, names = topic.partition(":")
    listed = names.split(",")
    if not prefix.startswith("/") or not colon or not all(listed) or " " in topic:
        raise Refused(400, f"topic {topic} is invalid")
    if len(listed) > TOPICS_PER_REQUEST:
        most = TOPICS_PER_REQUEST
        raise Refused(509, f"exceed max subscription count limitation of {most} per time")
    return [f"{prefix}:{name}" for name in listed]


def open_socket(
    world: World, tokens: Tokens, private: KucoinAccounts, call: HttpCall
) -> KucoinSocket | HttpAnswer:
    """A handshake: with a token of the product."""
    product = SOCKET_HOSTS.get(call.host)
    if product is None or call.path not in ("/", "/endpoint"):
        return json_answer({"code": 404, "data": f"{call.path} is not found"}, 404)
    token = tokens.find(call.query.get("token", ""), product)
    if token is None or (
        token.account is not None and private.access(token.account) != token.access
    ):
        return json_answer({"type": "error", "code": 401, "data": "token is invalid"}, 401)
    connect_id = call.query.get("connectId") or "hQvf8jkno"
    return KucoinSocket(world, product, connect_id, private, token)
