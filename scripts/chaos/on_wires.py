"""Faults of the wires: between the fleet and the exchanges (``net``), RabbitMQ, Redis."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from functools import partial

from scripts.chaos.carried import Carry, Hit
from scripts.chaos.proxy import Proxy
from scripts.chaos.schedule import Fault


class OnWires:
    """By the proxies, which are named as the kinds begin. ``carry`` has a way for each kind."""

    def __init__(self, wires: Mapping[str, Proxy]) -> None:
        self._wires = wires
        self.carry: Mapping[str, Carry] = {
            **{f"{wire}_cut": partial(self._cut, wire) for wire in wires},
            **{f"{wire}_freeze": self._wire(wire, lambda p, _: p.frozen()) for wire in wires},
            **{f"{wire}_slow": self._wire(wire, _slow) for wire in wires},
            **{f"{wire}_half_open": self._wire(wire, lambda p, _: p.half_open()) for wire in wires},
            "net_half_open": self._net_half_open,
        }

    async def _cut(self, wire: str, _: Fault) -> Hit:
        return _connections(wire, self._wires[wire].cut())

    async def _net_half_open(self, fault: Fault) -> Hit:
        return _connections("net", self._wires["net"].half_open_one(fault.pick))

    def _wire(
        self, wire: str, begin: Callable[[Proxy, Fault], AbstractContextManager[int]]
    ) -> Carry:
        async def carry(fault: Fault) -> Hit:
            with begin(self._wires[wire], fault) as hit:
                await asyncio.sleep(fault.lasts_s)
            return _connections(wire, hit)

        return carry


def _slow(proxy: Proxy, fault: Fault) -> AbstractContextManager[int]:
    return proxy.slow(float(fault.how["delay_s"]))


def _connections(wire: str, count: int) -> Hit:
    return Hit(f"{count} connections to {wire}" if count else "")
