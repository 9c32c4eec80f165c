"""Bitget's private sockets: a login, then topics of that account; what was logged out hears no more."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import msgspec

from common.clocks import machine_s
from common.model.streams import Market
from simulator.accounts.account import Account
from simulator.exchanges.bitget.accounts import NOT_LOGGED_IN, BitgetAccounts, System
from simulator.exchanges.bitget.accounts.signing import login
from simulator.exchanges.bitget.names import NAME, RULES, SOCKET_HOST, SUBSCRIBES_PER_HOUR
from simulator.exchanges.bitget.sockets import error_of, read_request, text_of, too_many
from simulator.exchanges.common import PlainDialect, Refused
from simulator.exchanges.protocol import (
    Effect,
    End,
    HttpAnswer,
    HttpCall,
    Join,
    Leave,
    Reply,
    SocketRules,
)
from simulator.feeds import Wanted
from simulator.limits import SlidingCount
from simulator.world import World

_OPS = ("login", "subscribe", "unsubscribe")


class PrivateSocket(PlainDialect):
    """One socket of one account; its topics are the arguments as they were sent."""

    market: Market | None = None
    rules: SocketRules = RULES
    first_topics: Sequence[str] = ()

    def __init__(
        self, world: World, private: BitgetAccounts, system: System, address: str
    ) -> None:  # fmt: skip
        self._world, self._private, self._address = world, private, address
        self._system = system
        self._id = f"{world.counts[NAME]['sockets'] + 1:016x}"
        self._account: Account | None = None
        self._login = 0
        self._subscribes = SlidingCount(3600.0)

    def feed(self, topic: str) -> Wanted | None:
        """The pushes of the account that has logged in."""
        channel = self._system.channel(msgspec.json.decode(topic))
        assert self._account is not None
        assert channel is not None
        return self._private.listening(self._account, channel)

    def wrap(self, topic: str, payload: str) -> str | None:
        """As it is; to who asked for one symbol what is of it, under the name it was asked by."""
        arg = msgspec.json.decode(topic)
        if arg in self._system.args:
            return payload
        push = msgspec.json.decode(payload)
        wanted = push["data"][0]["instId"] == arg["instId"]
        return text_of(push | {"arg": arg}) if wanted else None

    def receive(self, text: str, topics: Collection[str]) -> Sequence[Effect]:
        """A ping or a request: its answers, and what they change."""
        request = read_request(text, _OPS)
        if isinstance(request, Reply):
            return (request,)
        try:
            if request.op == "login":
                return self._log_in(request.args)
            account = self._logged_in()
            if request.op == "unsubscribe":
                return self._unsubscribe(request.args, topics)
            return self._subscribe(account, request.args, topics)
        except Refused as refused:
            return (error_of(int(refused.code), refused.message),)

    def _log_in(self, args: Sequence[dict[str, Any]]) -> Sequence[Effect]:
        """What fails ends the socket."""
        try:
            account = login(self._world, args[0] if args else {}, self._address)
        except Refused as refused:
            code = int(refused.code)
            return error_of(code, refused.message), End(1008, refused.message)
        self._account, self._login = account, self._private.logins(account)
        return (Reply(text_of({"event": "login", "code": 0, "connId": self._id})),)

    def _logged_in(self) -> Account:
        account = self._account
        if account is None or self._login != self._private.logins(account):
            raise NOT_LOGGED_IN
        if not account.key.allows("read", self._address):
            raise NOT_LOGGED_IN
        return account

    def _subscribe(
        self, account: Account, args: Sequence[dict[str, Any]], topics: Collection[str]
    ) -> Sequence[Effect]:
        if self._subscribes.exceeds(SUBSCRIBES_PER_HOUR, machine_s()):
            raise Refused(30006, "Request too many")
        effects: list[Effect] = []
        carried = set(topics)
        for arg in args:
            if self._system.channel(arg) is None:
                named = ",".join(f"{name}:{value}" for name, value in arg.items())
                effects.append(error_of(30001, f"{named} doesn't exist"))
                continue
            carried.add(text_of(arg))
            if len(carried) > self.rules.streams:
                return [*effects, error_of(30007, "Request over limit, connection close"),
                        End(1008, "Request over limit")]  # fmt: skip
            effects += (self._answer("subscribe", arg), Join(text_of(arg)))
            first = self._private.first_push(self._system, account, arg)
            if first is not None:
                effects.append(Reply(first))
        return effects

    def _unsubscribe(
        self, args: Sequence[dict[str, Any]], topics: Collection[str]
    ) -> Sequence[Effect]:
        effects: list[Effect] = []
        for arg in args:
            effects.append(self._answer("unsubscribe", arg))
            if text_of(arg) in topics:
                effects.append(Leave(text_of(arg)))
        return effects

    def _answer(self, event: str, arg: dict[str, Any]) -> Reply:
        return Reply(text_of({"event": event, "arg": arg, "connId": self._id}))


def open_private(
    world: World, private: BitgetAccounts, call: HttpCall
) -> PrivateSocket | HttpAnswer | None:
    """A handshake; None if it is for no private socket."""
    system = private.system(call.path.rstrip("/"))
    if call.host != SOCKET_HOST or system is None:
        return None
    return too_many(world, call) or PrivateSocket(world, private, system, call.address)
