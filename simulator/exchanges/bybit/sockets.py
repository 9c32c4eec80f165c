"""Bybit's WebSocket: requests and their answers on one market's path."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import count
from typing import Any

import msgspec

from common.model.streams import Market
from simulator.exchanges.bybit.names import MOST_ARGS, MOST_CHARACTERS, RULES, market_of
from simulator.exchanges.bybit.topics import problem, wanted
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

_numbers = count(1)
# Its sockets refuse in words only.
_NO_CODE = 0
_INVALID = Refused(_NO_CODE, "Failed to decode incoming data:readObjectStart: expect { or n")


class BybitSocket(PlainDialect):
    """One socket of one market."""

    first_topics: Sequence[str] = ()

    def __init__(self, world: World, market: Market) -> None:
        self.market = market
        self.rules = RULES
        self._world = world
        self._number = next(_numbers)

    # --- what it sends ----------------------------------------------------------------------

    def feed(self, topic: str) -> Wanted | None:
        """The topic's feed."""
        return wanted(self._world, self.market, topic, self._number)

    # --- what it is told --------------------------------------------------------------------

    def receive(self, text: str, topics: Collection[str]) -> Sequence[Effect]:
        """A request: its answer, and what it changes."""
        message: dict[str, Any] = {}
        try:
            message = object_in(text, _INVALID)
            return self._carry_out(message, topics)
        except Refused as refused:
            return (self._reply(message, success=False, said=refused.message),)

    def _carry_out(self, message: dict[str, Any], topics: Collection[str]) -> Sequence[Effect]:
        op = message.get("op")
        if op == "ping":
            return (self._reply(message, said="pong"),)
        if op == "subscribe":
            return self._subscribe(message, _args(message), topics)
        if op == "unsubscribe":
            gone = [Leave(topic) for topic in _args(message) if topic in topics]
            return [self._reply(message, said=self._word(op)), *gone]
        raise Refused(_NO_CODE, "error:invalid op")

    def _subscribe(
        self, message: dict[str, Any], args: list[str], topics: Collection[str]
    ) -> Sequence[Effect]:
        """All of it or nothing: one topic at fault costs the others."""
        most = MOST_ARGS.get(self.market)
        if most is not None and len(args) > most:
            raise Refused(_NO_CODE, f"args size >{most}")
        for topic in args:
            refusal = problem(self._world, self.market, topic)
            if refusal is not None:
                raise Refused(_NO_CODE, refusal)
            if topic in topics and self.market != "spot":
                raise Refused(_NO_CODE, f"error:already subscribed,topic:{topic}")
        new = [topic for topic in dict.fromkeys(args) if topic not in topics]
        if not new:
            return ()  # spot says nothing to what it was told before
        if sum(len(topic) + 3 for topic in (*topics, *new)) > MOST_CHARACTERS:
            # The limit is documented, what is said to it is not.
            raise Refused(_NO_CODE, f"args length >{MOST_CHARACTERS}")
        return [self._reply(message, said=self._word("subscribe")), *map(Join, new)]

    def _word(self, op: str) -> str:
        """What a success says: spot repeats the operation, the others say nothing."""
        return op if self.market == "spot" else ""

    def _reply(self, message: dict[str, Any], *, said: str, success: bool = True) -> Reply:
        answer = {
            "success": success,
            "ret_msg": said,
            "conn_id": f"c0ffee00-{self._number}",
            "req_id": _text(message.get("req_id")),
            "op": _text(message.get("op")),
        }
        return Reply(msgspec.json.encode(answer).decode())


def _args(message: dict[str, Any]) -> list[str]:
    args = message.get("args")
    if not isinstance(args, list) or not args or not all(isinstance(arg, str) for arg in args):
        raise Refused(_NO_CODE, "Params Error")
    return args


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def open_socket(world: World, call: HttpCall) -> BybitSocket | HttpAnswer:
    """A handshake on one of the public paths."""
    market = market_of(call)
    if market is None:
        return json_answer({"error": f"no stream at {call.path}"}, 404)
    return BybitSocket(world, market)
