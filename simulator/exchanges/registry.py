"""The exchanges that are simulated. Adding one is its file and a line here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from simulator.exchanges.binance import Binance, recorded
from simulator.exchanges.bitget import Bitget
from simulator.exchanges.bybit import Bybit
from simulator.exchanges.coinbase import Coinbase
from simulator.exchanges.kucoin import Kucoin
from simulator.exchanges.okx import Okx
from simulator.exchanges.protocol import Exchange
from simulator.replay import Line, Recording
from simulator.world import World

_EXCHANGES: tuple[Callable[[World], Exchange], ...] = (
    Binance,
    Bitget,
    Bybit,
    Coinbase,
    Kucoin,
    Okx,
)
# Whose recording is it, and how is it read: the first reader that knows the address takes it.
_READERS = (recorded,)


def create_exchanges(world: World) -> Mapping[str, Exchange]:
    """All of them, by name."""
    exchanges = (create(world) for create in _EXCHANGES)
    return {exchange.name: exchange for exchange in exchanges}


def load_recording(path: Path) -> Recording:
    """Read a recording.

    Raises:
        ValueError: it is not one, or of an exchange that is not simulated; says why.
    """
    try:
        lines = msgspec.json.Decoder(Line).decode_lines(path.read_bytes())
    except (OSError, msgspec.DecodeError) as error:
        raise ValueError(f"{path}: {error}") from None
    urls = [line.raw for line in lines if line.dir == "connect"]
    for reader in _READERS:
        if any(reader.serves(url) for url in urls):
            recording: Recording = reader.read(lines)
            return recording
    raise ValueError(f"{path}: no connection to an exchange that is simulated")
