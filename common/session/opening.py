"""From an address to an open socket, or to what it means that there is none."""

from __future__ import annotations

import asyncio

from common.session.address import Address
from common.session.outcome import Outcome, of_dial
from common.session.transport import Dial, DialFailed, Socket

DIAL_S = 15.0


async def open_socket(address: Address, dial: Dial) -> Socket | Outcome:
    """Ask where to dial, and dial; the socket is the caller's to close."""
    try:
        url = await address()
        async with asyncio.timeout(DIAL_S):
            return await dial(url)
    except DialFailed as failure:
        return of_dial(failure)
    except TimeoutError:
        return Outcome("unreachable", "transient", f"no answer in {DIAL_S:g} s")
