"""Binance's WebSocket API, as far as accounts need it: many accounts' events on one socket.

An account is subscribed by signature and gets a number, by which its events are told apart. A key
that is deleted is noticed with the next request on the socket only.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from common.clocks import wall_ms
from common.model.intervals import MINUTE_MS
from common.model.streams import Market
from simulator.accounts.account import Account
from simulator.exchanges.binance.accounts import BinanceAccounts
from simulator.exchanges.binance.accounts.signing import NOT_ALLOWED, message_signer, missing
from simulator.exchanges.binance.names import API_RULES, NAME, POOLS
from simulator.exchanges.common import Refused, object_in
from simulator.exchanges.protocol import (
    Effect,
    HttpAnswer,
    HttpCall,
    Join,
    Leave,
    Reply,
    SocketRules,
    json_answer,
)
from simulator.feeds import Wanted
from simulator.world import World

_MOST_ACTIVE = 1_000
_MOST_EVER = 65_535
_CONNECT_WEIGHT = 2
_POOL, _LIMIT = POOLS["spot"]
_NOT_JSON = Refused(-1135, "Invalid JSON Request")

_Result = tuple[object, Sequence[Effect]]


class _Subscription(Struct, frozen=True):
    account: Account
    wanted: Wanted


class ApiSocket:
    """One socket; its topics are the numbers of its subscriptions."""

    market: Market | None = "spot"
    rules: SocketRules = API_RULES
    first_topics: Sequence[str] = ()

    def __init__(self, world: World, private: BinanceAccounts, address: str) -> None:
        self._world, self._private, self._address = world, private, address
        self._subscriptions: dict[int, _Subscription] = {}
        self._numbers = 0
        self._session: Account | None = None
        self._opened_ms = self._logged_on_ms = world.time_of(NAME)
        self._methods: Mapping[str, tuple[int, Callable[[dict[str, Any]], _Result]]] = {
            "ping": (1, lambda _: ({}, ())),
            "time": (1, lambda _: ({"serverTime": world.time_of(NAME)}, ())),
            "session.logon": (2, self._logon),
            "session.status": (2, lambda _: (self._status(), ())),
            "session.logout": (2, self._logout),
            "session.subscriptions": (2, self._list),
            "userDataStream.subscribe": (2, self._subscribe_session),
            "userDataStream.subscribe.signature": (2, self._subscribe),
            "userDataStream.unsubscribe": (2, self._unsubscribe),
        }

    # --- what it sends ----------------------------------------------------------------------

    def greeting(self) -> Sequence[Effect]:
        """Nothing: it waits to be asked."""
        return ()

    def feed(self, topic: str) -> Wanted | None:
        """The events of a subscription."""
        found = self._subscriptions.get(int(topic))
        return None if found is None else found.wanted

    def wrap(self, topic: str, payload: str) -> str:
        """An event with the number of its subscription."""
        return f'{{"subscriptionId":{topic},"event":{payload}}}'

    def shutdown_notice(self) -> str | None:
        """``serverShutdown``, of no subscription."""
        return f'{{"event":{{"e":"serverShutdown","E":{self._world.time_of(NAME)}}}}}'

    # --- what it is told --------------------------------------------------------------------

    def receive(self, text: str, topics: Collection[str]) -> Sequence[Effect]:  # noqa: ARG002
        """A request: its answer, and what it changes."""
        ended = self._revoked()
        name: int | str | None = None
        try:
            message = object_in(text, _NOT_JSON)
            name = message.get("id")
            return [*ended, *self._carry_out(message, name)]
        except Refused as refused:
            return [*ended, self._reply(name, refused.status, error=_error(refused))]

    def _carry_out(self, message: dict[str, Any], name: int | str | None) -> Sequence[Effect]:
        params = message.get("params", {})
        if not isinstance(params, dict):
            raise Refused(-1100, "Illegal characters found in parameter 'params'.")
        found = self._methods.get(str(message.get("method")))
        if found is None:
            raise Refused(-1000, f"Unknown method '{message.get('method')}'.")
        weight, method = found
        limit = self._world.weight_limits.get(_POOL, _LIMIT)
        status, _, wait_s = self._world.meters.weights(_POOL).charge(self._address, weight, limit)
        if status != 200:
            now_ms = self._world.time_of(NAME)
            data = {"serverTime": now_ms, "retryAfter": now_ms + wait_s * 1000}
            error = {"code": -1003, "msg": "Too many requests.", "data": data}
            return [self._reply(name, status, error=error)]
        result, effects = method(params)
        return [self._reply(name, 200, result=result), *effects]

    def _reply(self, name: int | str | None, status: int, **what: object) -> Reply:
        limit = self._world.weight_limits.get(_POOL, _LIMIT)
        used = self._world.meters.weights(_POOL).used(self._address, wall_ms() // MINUTE_MS)
        limits = {
            "rateLimitType": "REQUEST_WEIGHT",
            "interval": "MINUTE",
            "intervalNum": 1,
            "limit": limit,
            "count": used,
        }
        body = {"id": name, "status": status, **what, "rateLimits": [limits]}
        return Reply(msgspec.json.encode(body).decode())

    def _revoked(self) -> list[Effect]:
        """What a key that may no longer be used here has opened ends now."""
        effects: list[Effect] = []
        session = self._session
        if session is not None and not self._allowed(session):
            self._session = None
            effects.append(self._reply(None, 401, error=_error(NOT_ALLOWED)))
        for number, subscription in tuple(self._subscriptions.items()):
            fresh = self._private.subscription(subscription.account)
            if fresh.key != subscription.wanted.key or not self._allowed(subscription.account):
                del self._subscriptions[number]
                effects.append(Leave(str(number)))
        return effects

    def _allowed(self, account: Account) -> bool:
        return account.key.allows("read", self._address)

    # --- methods ----------------------------------------------------------------------------

    def _logon(self, params: dict[str, Any]) -> _Result:
        account = message_signer(self._world, params, self._address)
        if account.key.kind != "ed25519":
            raise Refused(-4056, "HMAC_SHA256 API key is not supported.")
        self._session, self._logged_on_ms = account, self._world.time_of(NAME)
        return self._status(), ()

    def _logout(self, _: dict[str, Any]) -> _Result:
        self._session = None
        return self._status(), ()

    def _status(self) -> object:
        session = self._session
        return {
            "apiKey": None if session is None else session.key.key,
            "authorizedSince": None if session is None else self._logged_on_ms,
            "connectedSince": self._opened_ms,
            "returnRateLimits": True,
            "serverTime": self._world.time_of(NAME),
            "userDataStream": bool(self._subscriptions),
        }

    def _list(self, _: dict[str, Any]) -> _Result:
        return [{"subscriptionId": number} for number in self._subscriptions], ()

    def _subscribe(self, params: dict[str, Any]) -> _Result:
        return self._add(message_signer(self._world, params, self._address))

    def _subscribe_session(self, _: dict[str, Any]) -> _Result:
        if self._session is None:
            raise Refused(-4056, "WebSocket session not authenticated.", 401)
        return self._add(self._session)

    def _add(self, account: Account) -> _Result:
        if any(one.account is account for one in self._subscriptions.values()):
            raise Refused(-2035, "User Data Stream subscription already active.")
        if len(self._subscriptions) >= _MOST_ACTIVE or self._numbers >= _MOST_EVER:
            raise Refused(-2042, "Maximum subscription ID reached for this connection.")
        number, self._numbers = self._numbers, self._numbers + 1
        self._subscriptions[number] = _Subscription(account, self._private.subscription(account))
        return {"subscriptionId": number}, (Join(str(number)),)

    def _unsubscribe(self, params: dict[str, Any]) -> _Result:
        """One subscription, or all of them where none is named."""
        wanted = params.get("subscriptionId")
        if wanted is None:
            gone = list(self._subscriptions)
        elif isinstance(wanted, int) and wanted in self._subscriptions:
            gone = [wanted]
        elif isinstance(wanted, int):
            raise Refused(-2036, "User Data Stream subscription not active.")
        else:
            raise missing("subscriptionId")
        for number in gone:
            del self._subscriptions[number]
        return {}, [Leave(str(number)) for number in gone]


def _error(refused: Refused) -> dict[str, object]:
    return {"code": refused.code, "msg": refused.message}


def open_api(world: World, private: BinanceAccounts, call: HttpCall) -> ApiSocket | HttpAnswer:
    """A handshake; it has a weight like a request."""
    if call.path.rstrip("/") != "/ws-api/v3":
        return json_answer({"code": -5000, "msg": f"Path {call.path} is invalid"}, 404)
    limit = world.weight_limits.get(_POOL, _LIMIT)
    weights = world.meters.weights(_POOL)
    status, _, wait_s = weights.charge(call.address, _CONNECT_WEIGHT, limit)
    if status != 200:
        body = {"code": -1003, "msg": "Too many requests."}
        return json_answer(body, status, headers={"Retry-After": str(wait_s)})
    return ApiSocket(world, private, call.address)
