"""What is said on the private socket of an OKX account. Pure.

A socket is one account's. It is logged in to, and then subscribed to the channels of the market; each
is acknowledged for itself. There is nothing to keep alive but the connection, by a bare ``ping``. A
pong is the gateway's and tells nothing of the account: what is asked for that is a subscription
more, which only an account that is logged in is granted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import msgspec
from msgspec import UNSET

from common.exchanges.okx.account import TROUBLES, passphrase_of
from common.exchanges.okx.describe import CLOSING, INSTRUMENT_TYPES
from common.exchanges.okx.told import PROBE, Arg, Frame, told
from common.exchanges.private import Alive, Credentials, Denied, Heard, Opened, Said, Turn
from common.exchanges.protocol import Notice, Unreadable
from common.exchanges.signing import hmac_base64
from common.exchanges.wire import BROKEN, unreadable
from common.model.instruments import Catalog
from common.model.streams import Market

# Only on a change: what comes every few seconds anyway says nothing new. The exchange reads it as
# a text within the text, and nothing else.
_ON_CHANGE = '{"updateInterval":"0"}'
_frame = msgspec.json.Decoder(Frame)

# What is subscribed to and given back at once, as a sign of life.
_PROBE_ARGS = ({"channel": PROBE},)

# What is left to be acknowledged: a channel, and the type of instrument it is of.
_Topic = tuple[str, str]


def channels_of(market: Market) -> list[dict[str, str]]:
    """What is subscribed: orders and positions of every type of instrument, and the balances."""
    kinds = INSTRUMENT_TYPES[market]
    args = [{"channel": "orders", "instType": kind} for kind in kinds]
    if market != "spot":
        args += [
            {"channel": "positions", "instType": kind, "extraParams": _ON_CHANGE} for kind in kinds
        ]
    return [*args, {"channel": "account", "extraParams": _ON_CHANGE}]


def _login(credentials: Credentials, now_ms: int) -> str:
    """Signed for as a request that there is not; the time is in whole seconds."""
    stamp = str(now_ms // 1000)
    args = {
        "apiKey": credentials.key.reveal(),
        "passphrase": passphrase_of(credentials),
        "timestamp": stamp,
        "sign": hmac_base64(credentials.secret, f"{stamp}GET/users/self/verify"),
    }
    return _text({"op": "login", "args": [args]})


class Conversation:
    """One account's socket: login, its answer, subscriptions, all their answers."""

    def __init__(self, market: Market) -> None:
        self._market = market
        self._account: str | None = None
        self._waiting: set[_Topic] = set()

    def join(self, account: str, credentials: Credentials, now_ms: int) -> Sequence[str]:
        """See ``Conversation`` of the contract."""
        self._account = account
        return (_login(credentials, now_ms),)

    def leave(self, account: str) -> Sequence[str]:  # noqa: ARG002
        """Nothing has to be said: the socket is this account's, and ends with it."""
        return ()

    def probe(self) -> Sequence[str]:
        """One of the 480 requests that a connection has in an hour, and one more by the answer."""
        return (_request("subscribe", _PROBE_ARGS),)

    def receive(self, frame: bytes, catalog: Catalog, now_ms: int) -> Turn:  # noqa: ARG002
        """See ``Conversation`` of the contract."""
        if frame == b"pong":
            return Turn()
        try:
            heard = _frame.decode(frame)
        except BROKEN as error:
            return self._say(unreadable(error))
        if not heard.event:
            return self._say(*told(self._market, heard, catalog))
        answer = _ANSWERS.get(heard.event)
        if answer is None:
            return self._say(Unreadable("unknown_type", f"event {heard.event:.40}"))
        return answer(self, heard)

    def _logged_in(self, heard: Frame) -> Turn:
        if str(heard.code) not in ("", "0"):
            return self._denied(heard)
        args = channels_of(self._market)
        self._waiting = {(arg["channel"], arg.get("instType", "")) for arg in args}
        return Turn(send=(_request("subscribe", args),))

    def _subscribed(self, heard: Frame) -> Turn:
        """Open with the last of them; one that is told again changes nothing."""
        if heard.arg is UNSET:
            return self._say(Unreadable("wrong_shape", "subscribe of nothing"))
        if heard.arg.channel == PROBE:
            return Turn((Said(self._account, Alive()),), (_request("unsubscribe", _PROBE_ARGS),))
        topic = _topic(heard.arg)
        if topic not in self._waiting:
            return Turn()
        self._waiting.remove(topic)
        return Turn() if self._waiting else self._say(Opened())

    def _unsubscribed(self, heard: Frame) -> Turn:
        """But for the probe's it is the exchange's doing: an account has too many connections."""
        if heard.arg is not UNSET and heard.arg.channel == PROBE:
            return Turn()
        return self._say(Denied("expired", "the exchange has ended a subscription"))

    def _denied(self, heard: Frame) -> Turn:
        """What is refused is repeated in the message: all behind a brace may be a secret."""
        code, message = str(heard.code), heard.msg.partition("{")[0]
        detail = f"{code} {message}".strip()[:200]
        return self._say(Denied(TROUBLES.get(code, "transient"), detail))

    def _crowded(self, heard: Frame) -> Turn:
        """It comes behind the acknowledgement, which it takes back."""
        detail = f"too many connections have subscribed to {heard.channel:.40}"
        return self._say(Denied("rate", detail))

    def _counted(self, heard: Frame) -> Turn:
        """How many connections have subscribed: told of each subscription, the probe's as well."""
        if heard.channel == PROBE:
            return Turn()
        return _all(Notice("other", f"{heard.event} {heard.channel:.40}"))

    def _noticed(self, heard: Frame) -> Turn:
        closing = str(heard.code) == CLOSING
        return _all(Notice("closing" if closing else "other", f"{heard.code} {heard.msg}"[:200]))

    def _say(self, *heard: Heard) -> Turn:
        return Turn([Said(self._account, what) for what in heard])


_ANSWERS: Mapping[str, Callable[[Conversation, Frame], Turn]] = {
    "login": Conversation._logged_in,
    "subscribe": Conversation._subscribed,
    "unsubscribe": Conversation._unsubscribed,
    "error": Conversation._denied,
    "channel-conn-count": Conversation._counted,
    "channel-conn-count-error": Conversation._crowded,
    "notice": Conversation._noticed,
}


def _topic(arg: Arg) -> _Topic:
    return arg.channel, arg.kind


def _all(what: Heard) -> Turn:
    return Turn((Said(None, what),))


def _request(operation: str, args: Sequence[Mapping[str, str]]) -> str:
    return _text({"id": "1", "op": operation, "args": args})


def _text(message: object) -> str:
    return msgspec.json.encode(message).decode()


def converse(market: Market, _address: str = "") -> Conversation:
    """A new socket's conversation; all addresses speak alike."""
    return Conversation(market)
