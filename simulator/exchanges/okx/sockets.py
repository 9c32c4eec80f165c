"""OKX's WebSocket: three endpoints by channel, one answer per argument, a ping that is a word.

On /private everything comes after a login.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from secrets import token_hex
from typing import Any

import msgspec

from common.clocks import machine_s
from common.model.streams import Market
from simulator.exchanges.common import PlainDialect, Refused, object_in
from simulator.exchanges.okx.accounts import MOST_CONNECTIONS, OkxAccounts, channels, crowded
from simulator.exchanges.okx.accounts.session import Session
from simulator.exchanges.okx.names import (
    CHANNEL_BYTES,
    ENDPOINTS,
    NAME,
    REQUESTS,
    REQUESTS_WITHIN_S,
    RULES,
    SOCKET_HOST,
    find,
)
from simulator.exchanges.okx.topics import endpoint_of, first_push, wanted
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

_UPGRADE = "The connection will soon be closed for a service upgrade. Please reconnect."
_PREFIX = "/ws/v5/"


class OkxSocket(PlainDialect):
    """One socket on one endpoint; it serves the symbols of every market."""

    market: Market | None = None
    rules = RULES
    first_topics: Sequence[str] = ()

    def __init__(self, world: World, endpoint: str, session: Session) -> None:
        self._world, self._endpoint, self.session = world, endpoint, session
        self._id = token_hex(4)
        self._requests = SlidingCount(REQUESTS_WITHIN_S)

    # --- what it sends ----------------------------------------------------------------------

    def feed(self, topic: str) -> Wanted | None:
        """The channel's feed."""
        return (
            self.session.wanted(topic) if channels.is_private(topic) else wanted(self._world, topic)
        )

    def wrap(self, topic: str, payload: str) -> str | None:
        """Of an account: under the argument that it was subscribed by, narrowed to what that says."""
        if not channels.is_private(topic):
            return payload
        if payload.startswith('{"event"'):
            return self._text(msgspec.json.decode(payload), None)
        return self.session.narrowed(topic, payload)

    def shutdown_notice(self) -> str | None:
        """``notice`` 64008; on /business there is no warning."""
        if self._endpoint == "business":
            return None
        return self._text({"event": "notice", "code": "64008", "msg": _UPGRADE}, None)

    # --- what it is told --------------------------------------------------------------------

    def receive(self, text: str, topics: Collection[str]) -> Sequence[Effect]:
        """A ping, or a request: an answer to each of its arguments, and what it changes."""
        if text == "ping":
            return (Reply("pong"),)
        request_id: str | None = None
        try:
            message = object_in(text, Refused("60012", f"Invalid request: {text:.200}"))
            if isinstance(message.get("id"), str):
                request_id = message["id"]
            return self._carry_out(message, request_id, topics)
        except Refused as refused:
            return (self._error(str(refused.code), refused.message, request_id),)

    def _carry_out(
        self, message: dict[str, Any], request_id: str | None, topics: Collection[str]
    ) -> Sequence[Effect]:
        operation = message.get("op")
        if self._requests.exceeds(REQUESTS, machine_s()):
            raise Refused("60014", "Requests too frequent")
        if operation == "login":
            return self._log_in(message, request_id)
        if operation not in ("subscribe", "unsubscribe"):
            raise Refused("60019", f"Invalid op: {operation}")
        args = _arguments(message)
        if operation == "unsubscribe":
            return [effect for arg in args for effect in self._leave(arg, request_id, topics)]
        known = set(topics) | {_topic(arg) for arg in args}
        if sum(map(_bytes_of, known)) > CHANNEL_BYTES:
            return (End(4009, "the number of subscribed channels exceeds the limit"),)
        return [effect for arg in args for effect in self._join(arg, request_id)]

    def _log_in(self, message: dict[str, Any], request_id: str | None) -> Sequence[Effect]:
        if self._endpoint == "public":
            raise Refused("60009", "Login failed.")
        self.session.log_in(message)
        answer = {"event": "login", "code": "0", "msg": ""}
        return (Reply(self._text(answer, request_id)),)

    def _join_private(self, arg: dict[str, Any], request_id: str | None) -> list[Effect]:
        """The acknowledgement is not the last word: there may be too many connections."""
        channel = arg["channel"]
        try:
            self.session.owner()
            channels.check(arg, _unknown(arg))
        except Refused as refused:
            return [self._error(str(refused.code), refused.message, request_id)]
        topic = channels.topic_of(arg)
        ack, others = self._ack("subscribe", arg, request_id), self.session.connections(channel)
        if others >= MOST_CONNECTIONS:
            return [ack, Reply(self._text(crowded(channel), None))]
        count = {"event": "channel-conn-count", "channel": channel, "connCount": str(others + 1)}
        push = self.session.standing(topic)
        effects: list[Effect] = [ack, Reply(self._text(count, None)), Join(topic)]
        return effects if push is None else [*effects, Reply(push)]

    def _join(self, arg: dict[str, Any], request_id: str | None) -> list[Effect]:
        if self._endpoint == "private" and _is_private(arg):
            return self._join_private(arg, request_id)
        channel, symbol = arg["channel"], arg.get("instId", "")
        listed = find(self._world, symbol)
        rejected = listed is None or (
            (NAME, listed.listing.market, symbol) in self._world.faults.rejected
        )
        if rejected or endpoint_of(channel) != self._endpoint:
            refused = _unknown(arg)
            return [self._error(str(refused.code), refused.message, request_id)]
        topic = _topic(arg)
        effects: list[Effect] = [self._ack("subscribe", arg, request_id), Join(topic)]
        push = first_push(self._world, topic)
        return effects if push is None else [*effects, Reply(push)]

    def _leave(
        self, arg: dict[str, Any], request_id: str | None, topics: Collection[str]
    ) -> list[Effect]:
        ack = self._ack("unsubscribe", arg, request_id)
        return [ack, Leave(_topic(arg))] if _topic(arg) in topics else [ack]

    def _ack(self, event: str, arg: dict[str, Any], request_id: str | None) -> Reply:
        return Reply(self._text({"event": event, "arg": arg}, request_id))

    def _error(self, code: str, detail: str, request_id: str | None) -> Reply:
        return Reply(self._text({"event": "error", "msg": detail, "code": code}, request_id))

    def _text(self, fields: dict[str, Any], request_id: str | None) -> str:
        head = {} if request_id is None else {"id": request_id}
        return msgspec.json.encode({**head, **fields, "connId": self._id}).decode()


def _arguments(message: dict[str, Any]) -> list[dict[str, Any]]:
    args = message.get("args")
    if not isinstance(args, list) or not args or not all(map(_is_argument, args)):
        raise Refused("60012", f"Invalid request: {msgspec.json.encode(message).decode():.500}")
    return args


def _is_argument(arg: Any) -> bool:
    return (
        isinstance(arg, dict)
        and "channel" in arg
        and all(isinstance(value, str) for value in arg.values())
    )


def _unknown(arg: dict[str, Any]) -> Refused:
    named = ",".join(f"{name}:{value}" for name, value in arg.items())
    detail = (
        f"Wrong URL or {named} doesn't exist. Please use the correct URL, channel and "
        "parameters referring to API document."
    )
    return Refused("60018", detail)


def _is_private(arg: dict[str, Any]) -> bool:
    return arg["channel"] in channels.PACES or arg["channel"] in channels.FOR_FEW


def _topic(arg: dict[str, Any]) -> str:
    if _is_private(arg):
        return channels.topic_of(arg)
    return f"{arg['channel']}:{arg.get('instId', '')}"


def _bytes_of(topic: str) -> int:
    """How long a topic is as an argument."""
    if channels.is_private(topic):
        return len(topic.encode())
    channel, _, symbol = topic.partition(":")
    return len(msgspec.json.encode({"channel": channel, "instId": symbol}))


def open_socket(world: World, private: OkxAccounts, call: HttpCall) -> OkxSocket | HttpAnswer:
    """A handshake on ``/ws/v5/public``, ``/ws/v5/business`` or ``/ws/v5/private``."""
    endpoint = call.path.removeprefix(_PREFIX)
    if call.host != SOCKET_HOST or not call.path.startswith(_PREFIX) or endpoint not in ENDPOINTS:
        return json_answer({"code": "404", "msg": "Not Found", "data": []}, 404)
    return OkxSocket(world, endpoint, Session(world, private, call.address))
