"""Binance's WebSocket: path forms, requests and their answers, what a route delivers."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from msgspec import Struct

from common.model.streams import Market
from simulator.exchanges.binance.accounts import BinanceAccounts
from simulator.exchanges.binance.names import NAME, ROUTES, RULES, SOCKET_HOSTS, route_of
from simulator.exchanges.binance.topics import symbol_in, wanted, well_formed
from simulator.exchanges.common import PlainDialect, Refused, object_in
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

_METHODS = ("SUBSCRIBE", "UNSUBSCRIBE", "LIST_SUBSCRIPTIONS", "SET_PROPERTY", "GET_PROPERTY")
_INVALID = Refused(3, "Invalid JSON: expected value at line 1 column 1")


_LISTEN_KEY = re.compile(r"[A-Za-z0-9]{40,}")


class _Event(Struct):
    e: str


def is_listen_key(topic: str) -> bool:
    """Whether it looks like one, good or not."""
    return _LISTEN_KEY.fullmatch(topic) is not None


class BinanceSocket(PlainDialect):
    """One socket: raw (``/ws``) or combined (``/stream``), on one route.

    A futures account's listen key is a topic like any other. ``events`` are the only ones that a key's
    own part of the address lets through; a name that there is not lets nothing through.
    """

    def __init__(
        self, world: World, private: BinanceAccounts, market: Market, route: str | None,
        combined: bool, topics: Sequence[str], events: Mapping[str, Collection[str]],
    ) -> None:  # fmt: skip
        self.market = market
        self.rules = RULES[market]
        self.first_topics = topics
        self._world, self._route, self._combined = world, route, combined
        self._private, self._events = private, events

    # --- what it sends ----------------------------------------------------------------------

    def feed(self, topic: str) -> Wanted | None:
        """The stream's feed, if this route carries it."""
        if is_listen_key(topic):
            heard = self.market == "inverse" or (self.market, self._route) == ("linear", "private")
            return self._private.listening(self.market, topic) if heard else None
        if self.market == "linear" and (self._route or "public") != route_of(topic):
            return None
        return wanted(self._world, self.market, topic)

    def wrap(self, topic: str, payload: str) -> str | None:
        """Bare on raw sockets, with its stream's name on combined ones."""
        only = self._events.get(topic)
        if only is not None and msgspec.json.decode(payload, type=_Event).e not in only:
            return None
        if not self._combined:
            return payload
        return f'{{"stream":{msgspec.json.encode(topic).decode()},"data":{payload}}}'

    def shutdown_notice(self) -> str | None:
        """``serverShutdown``, on spot only."""
        if self.market != "spot":
            return None
        event = f'{{"e":"serverShutdown","E":{self._world.clock.now_ms()}}}'
        return self.wrap("!serverShutdown", event)

    # --- what it is told --------------------------------------------------------------------

    def receive(self, text: str, topics: Collection[str]) -> Sequence[Effect]:
        """A request: its answer, and what it changes."""
        request_id: Any = None
        try:
            message = object_in(text, _INVALID)
            request_id = self._request_id(message)
            return self._carry_out(message, request_id, topics)
        except Refused as refused:
            error = {"error": {"code": refused.code, "msg": refused.message}, "id": request_id}
            return (Reply(msgspec.json.encode(error).decode()),)

    def _request_id(self, message: dict[str, Any]) -> int | str | None:
        request_id = message.get("id")
        if isinstance(request_id, int) and not isinstance(request_id, bool):
            return request_id
        if self.market == "spot" and (
            request_id is None or (isinstance(request_id, str) and len(request_id) <= 36)
        ):
            return request_id
        raise Refused(2, "Invalid request: request ID must be an unsigned integer")

    def _carry_out(
        self, message: dict[str, Any], request_id: int | str | None, topics: Collection[str]
    ) -> Sequence[Effect]:
        method = message.get("method")
        if method is None:
            raise Refused(2, "Invalid request: missing field `method` at line 1 column 1")
        result: object = None
        changes: list[Effect] = []
        if method == "SUBSCRIBE":
            changes = [Join(topic) for topic in self._subscribable(message, topics)]
        elif method == "UNSUBSCRIBE":
            changes = [Leave(topic) for topic in _names(message) if topic in topics]
        elif method == "LIST_SUBSCRIPTIONS":
            result = list(topics)
        elif method == "SET_PROPERTY":
            self._combined = _combined(message)
        elif method == "GET_PROPERTY":
            result = self._combined
        else:
            expected = ", ".join(f"`{name}`" for name in _METHODS)
            raise Refused(
                2, f"Invalid request: unknown variant `{method}`, expected one of {expected}"
            )
        answer = msgspec.json.encode({"result": result, "id": request_id}).decode()
        return [Reply(answer), *changes]

    def _subscribable(self, message: dict[str, Any], topics: Collection[str]) -> list[str]:
        names = _names(message)
        for topic in names:
            if not (well_formed(topic) or is_listen_key(topic)):
                raise Refused(2, "Invalid request: invalid stream")
            symbol = symbol_in(self._world, self.market, topic)
            if symbol and (NAME, self.market, symbol) in self._world.faults.rejected:
                raise Refused(-1121, "Invalid symbol.")
        new = [topic for topic in dict.fromkeys(names) if topic not in topics]
        if len(topics) + len(new) > self.rules.streams:
            raise Refused(2, "Invalid request: too many parameters")
        return new


def _names(message: dict[str, Any]) -> list[str]:
    params = message.get("params")
    if not isinstance(params, list) or not all(isinstance(name, str) for name in params):
        raise Refused(2, "Invalid request: params must be an array of strings")
    return params


def _combined(message: dict[str, Any]) -> bool:
    params = message.get("params")
    if not isinstance(params, list) or len(params) != 2 or params[0] != "combined":
        raise Refused(0, "Unknown property")
    if not isinstance(params[1], bool):
        raise Refused(1, "Invalid value type: expected Boolean")
    return params[1]


def open_socket(
    world: World, private: BinanceAccounts, call: HttpCall
) -> BinanceSocket | HttpAnswer:
    """A handshake on any of the path forms.

    ``/ws``, ``/ws/<n>`` (some clients number their sockets), ``/ws/<stream>[/<stream>…]``,
    ``/stream``, ``/stream?streams=a/b``; on USD-M each of them below a route. On futures a listen key
    may stand where a stream does, or ``?listenKey=<key>[&events=A/B]``, several times.
    """
    market = SOCKET_HOSTS.get(call.host)
    parts = [part for part in call.path.split("/") if part]
    route = None
    if market == "linear" and parts and parts[0] in ROUTES:
        route = parts.pop(0)
    if market is None or not parts or parts[0] not in ("ws", "stream"):
        return json_answer({"code": -5000, "msg": f"Path {call.path} is invalid"}, 404)
    combined = parts[0] == "stream"
    names = call.query.get("streams", "").split("/") if combined else parts[1:]
    topics = [name for name in dict.fromkeys(names) if well_formed(name) or is_listen_key(name)]
    keys, events = _listen_keys(call)
    topics += keys
    if len(topics) > RULES[market].streams:
        return json_answer({"code": 2, "msg": "Invalid request: too many parameters"}, 400)
    return BinanceSocket(world, private, market, route, combined, topics, events)


def _listen_keys(call: HttpCall) -> tuple[list[str], dict[str, Collection[str]]]:
    """The listen keys of an address, and the events of those that name some."""
    keys: list[str] = []
    events: dict[str, Collection[str]] = {}
    for name, value in parse_qsl(call.raw_query):
        if name == "listenKey":
            keys.append(value)
        elif name == "events" and keys:
            events[keys[-1]] = value.split("/")
    return keys, events
