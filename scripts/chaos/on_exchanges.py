"""Faults of the exchanges: on one of their sockets, as rules they follow, in what they list."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from scripts.chaos.carried import NOTHING, Carry, Hit
from scripts.chaos.schedule import Fault
from scripts.quick.exchanges import Exchanges, Socket

# What the simulator calls what is done to one socket; the rest comes from the schedule.
_SOCKET_FAULTS: Mapping[str, Mapping[str, Any]] = {
    "cut": {"kind": "cut"},
    "close": {"kind": "close"},
    "freeze": {"kind": "freeze"},
    "duplicate": {"kind": "duplicate"},
    "reorder": {"kind": "reorder"},
    "garble": {"kind": "garble"},
    "garble_huge": {"kind": "garble", "spoil": "huge"},
}
# What a banned address is answered.
BANNED = 418


class OnExchanges:
    """By the simulator's control. ``carry`` has a way for each kind."""

    def __init__(self, exchanges: Exchanges) -> None:
        self._exchanges = exchanges
        self.carry: Mapping[str, Carry] = {
            **dict.fromkeys(_SOCKET_FAULTS, self._on_socket),
            "shutdown": self._shutdown,
            "delay": self._delay,
            **{f"refuse_{status}": self._refuse for status in (403, 418, 429)},
            "ban": self._ban,
            "rest_429": self._refuse_rest,
            "rest_5xx": self._refuse_rest,
            "silence": self._silence,
            "reject": self._reject,
            "list": self._list,
        }

    async def _hit(self, fault: Fault, body: Mapping[str, Any]) -> Hit:
        """A fault of the simulator's, on one socket of the place."""
        socket = await self._exchanges.socket(_place(fault), fault.pick)
        if socket is None:
            return NOTHING
        told = await self._exchanges.control("fault", {**body, "where": {"connection": socket.id}})
        return Hit(socket.name if told["hit"] else "")

    async def _on_socket(self, fault: Fault) -> Hit:
        return await self._hit(fault, {**_SOCKET_FAULTS[fault.kind], **fault.how})

    async def _shutdown(self, fault: Fault) -> Hit:
        return await self._hit(fault, {"kind": "shutdown", "after_s": fault.lasts_s})

    async def _delay(self, fault: Fault) -> Hit:
        socket = await self._exchanges.socket(_place(fault), fault.pick)
        if socket is None:
            return NOTHING
        body = {"kind": "delay", "where": {"connection": socket.id}}
        await self._exchanges.control("fault", {**body, **fault.how})
        try:
            await asyncio.sleep(fault.lasts_s)
        finally:
            await self._exchanges.control("fault", {**body, "ms": 0})
        return Hit(socket.name)

    async def _refuse(self, fault: Fault) -> Hit:
        """Refused, and cut, so that somebody has to dial."""
        socket = await self._exchanges.socket(_place(fault), fault.pick)
        if socket is None:
            return NOTHING
        body = {"kind": "refuse", "on": "socket", "where": socket.place, **fault.how}
        return await self._refused(fault, body, cut=socket)

    async def _ban(self, fault: Fault) -> Hit:
        socket = await self._exchanges.socket(_place(fault), fault.pick)
        if socket is None:
            return NOTHING
        where = {"exchange": socket.place["exchange"]}
        body = {"kind": "ban", "where": where}
        return await self._refused(fault, body, cut=socket)

    async def _refuse_rest(self, fault: Fault) -> Hit:
        where = {"exchange": _place(fault)[0]}
        return await self._refused(
            fault, {"kind": "refuse", "on": "rest", "where": where, **fault.how}
        )

    async def _refused(
        self, fault: Fault, rule: Mapping[str, Any], cut: Socket | None = None
    ) -> Hit:
        """A rule of the simulator's; it has hit whom it refused, if anybody asked meanwhile."""
        exchange, status = rule["where"]["exchange"], int(rule.get("status", BANNED))
        before = await self._exchanges.answered(exchange, status)
        await self._exchanges.control("fault", {**rule, "for_s": max(fault.lasts_s, 1.0)})
        if cut is not None:
            await self._exchanges.control("fault", {"kind": "cut", "where": {"connection": cut.id}})
        await asyncio.sleep(fault.lasts_s)
        count = await self._exchanges.answered(exchange, status) - before
        return Hit(f"{count} refused by {exchange}") if count > 0 else NOTHING

    async def _silence(self, fault: Fault) -> Hit:
        return await self._about_symbol(fault, cut=False)

    async def _reject(self, fault: Fault) -> Hit:
        """Only who subscribes anew is rejected: the socket is cut."""
        return await self._about_symbol(fault, cut=True)

    async def _about_symbol(self, fault: Fault, *, cut: bool) -> Hit:
        exchange, market = _place(fault)
        symbol = await self._exchanges.symbol((exchange, market), fault.pick)
        if symbol is None:
            return NOTHING
        rule = {"kind": fault.kind, "exchange": exchange, "market": market, "symbol": symbol}
        await self._exchanges.control("fault", rule)
        try:
            if cut:
                await self._hit(fault, {"kind": "cut"})
            await asyncio.sleep(fault.lasts_s)
        finally:
            await self._exchanges.control("heal", rule)
        return Hit(f"{symbol} of {fault.target}", symbol=(exchange, market, symbol))

    async def _list(self, fault: Fault) -> Hit:
        exchange, market = _place(fault)
        name = f"NEW{fault.number}"
        quote = "USD" if market == "inverse" else "USDT"
        listing = {"exchange": exchange, "market": market, "base": name, "quote": quote}
        told = await self._exchanges.control("symbol", {"action": "list", **listing})
        symbol = told["symbol"]
        return Hit(f"{symbol} on {fault.target}", symbol=(exchange, market, symbol))


def _place(fault: Fault) -> tuple[str, str]:
    exchange, _, market = fault.target.partition(":")
    return exchange, market
