"""The socket of KuCoin's unified accounts: welcome, a login on it, channels."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import msgspec

from common.model.streams import Market
from simulator.accounts.account import Account
from simulator.exchanges.common import PlainDialect, Refused, object_in
from simulator.exchanges.kucoin.accounts import KucoinAccounts
from simulator.exchanges.kucoin.accounts.signing import caller
from simulator.exchanges.kucoin.accounts.unified import BALANCES, CHANNELS
from simulator.exchanges.kucoin.names import NAME, PING_INTERVAL_MS, RULES
from simulator.exchanges.protocol import Effect, Join, Leave, Reply
from simulator.feeds import Wanted
from simulator.world import World

_VERIFY = "POST/api/websocket/users/verify"
_LOGIN = ("kc-api-key", "kc-api-timestamp", "kc-api-sign", "kc-api-passphrase")
_NOT_LOGGED_IN = Refused("403", "login is required")
_KINDS = {BALANCES: ("accountType", ("UNIFIED", "FUNDING", "ISOLATED"))}
_USUAL_KIND = ("tradeType", ("UNIFIED",))


class UnifiedSocket(PlainDialect):
    """One socket; its topics are channels and what of them: ``orderAll.UNIFIED``."""

    market: Market | None = None
    rules = msgspec.structs.replace(RULES, handshakes=150)
    first_topics: Sequence[str] = ()

    def __init__(self, world: World, private: KucoinAccounts, address: str) -> None:
        self._world, self._private, self._address = world, private, address
        self._account: Account | None = None
        self._access = 0

    def greeting(self) -> Sequence[Effect]:
        """It may be logged in on from now on."""
        welcome = {"sessionId": f"s{self._world.time_of(NAME)}", "message": "welcome"}
        return (_reply(welcome | {"pingInterval": PING_INTERVAL_MS}),)

    def feed(self, topic: str) -> Wanted | None:
        """What a channel brings; nothing ever of another wallet than the unified one."""
        channel, _, kind = topic.partition(".")
        if self._account is None or kind != "UNIFIED":
            return None
        return self._private.unified_wanted(self._account, channel)

    def receive(self, text: str, topics: Collection[str]) -> Sequence[Effect]:
        """A ping, a login, or a request: its answer, and what it changes."""
        request_id: Any = None
        try:
            message = object_in(text, Refused("400", "message is invalid"))
            request_id = message.get("id")
            if "ping" in (message.get("type"), message.get("op")):
                word = "op" if "op" in message else "type"
                return (_reply({"id": request_id, word: "pong"}),)
            changes = self._carry_out(message, topics)
        except Refused as refused:
            error = {"id": request_id, "result": False, "code": refused.code}
            return (_reply(error | {"reason": refused.message}),)
        return (_reply({"id": request_id, "result": True}), *changes)

    def _carry_out(self, message: dict[str, Any], topics: Collection[str]) -> Sequence[Effect]:
        if message.get("op") == "auth":
            self._log_in(message)
            return ()
        account = self._account
        if account is None or self._private.access(account) != self._access:
            raise _NOT_LOGGED_IN
        topic = _topic(message)
        match str(message.get("action")).upper():
            case "SUBSCRIBE":
                return () if topic in topics else (Join(topic),)
            case "UNSUBSCRIBE":
                return (Leave(topic),) if topic in topics else ()
            case action:
                raise Refused("415", f"action {action} is not supported")

    def _log_in(self, message: dict[str, Any]) -> None:
        key, stamp, signature, passphrase = (str(message.get(name, "")) for name in _LOGIN)
        account = caller(
            self._world, self._address, key, stamp, f"{stamp}{_VERIFY}", signature, passphrase
        )
        if account.mode != "unified":
            raise Refused("400007", "Access denied: the account is not in unified mode.")
        self._account, self._access = account, self._private.access(account)


def _topic(message: dict[str, Any]) -> str:
    channel = message.get("channel")
    if channel not in CHANNELS:
        raise Refused("404", f"topic {channel} is not found")
    name, known = _KINDS.get(channel, _USUAL_KIND)
    kind = message.get(name)
    if not kind:
        raise Refused("400", f"missing `{name}` for topic: {channel}")
    if kind not in known:
        raise Refused("404", f"topic {channel}.{kind} is not found")
    return f"{channel}.{kind}"


def _reply(message: dict[str, Any]) -> Reply:
    return Reply(msgspec.json.encode(message).decode())
