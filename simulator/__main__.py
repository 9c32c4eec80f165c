"""``python -m simulator``: the exchanges on one port of this machine.

Prints one line of JSON on standard output when it listens; ends with status 0 on SIGTERM or SIGINT.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
from pathlib import Path

import uvloop
from loguru import logger

from common.clocks import MarketClock, parse_market_clock
from simulator import account_control, control, truth
from simulator.server import Simulator, market_clock

_EPILOG = f"""
A client is pointed at it as at a gateway: ws://127.0.0.1:PORT/stream.binance.com/stream for
wss://stream.binance.com/stream, http://127.0.0.1:PORT/api.binance.com/api/v3/time likewise.

{control.__doc__}
{account_control.__doc__}
{truth.__doc__}
"""


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m simulator",
        description="The exchanges as servers on this machine, with faults on demand.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--port", type=int, default=0, help="0 (default): any free one")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--seed", type=int, default=1, help="another seed is another market")
    clock = parser.add_mutually_exclusive_group()
    clock.add_argument("--speed", type=_speed, default=1.0, help="market time runs N times faster")
    clock.add_argument("--clock", type=parse_market_clock, help="SPEED@ANCHOR_MS, as MARKET_CLOCK")
    parser.add_argument("--replay", type=Path, metavar="FILE", help="serve a recording instead")
    parser.add_argument("--control-port", type=int, help="a second port for control and truth")
    parser.add_argument("--log-level", default="WARNING", help="on standard error")
    return parser.parse_args()


def _speed(text: str) -> float:
    speed = float(text)
    if not 0 < speed <= 10_000:
        raise ValueError(text)
    return speed


async def _serve(arguments: argparse.Namespace) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    clock: MarketClock = arguments.clock or market_clock(arguments.speed)
    simulator = Simulator(
        clock,
        seed=arguments.seed,
        host=arguments.host,
        port=arguments.port,
        control_port=arguments.control_port,
        replay=arguments.replay,
    )
    simulator.warm()
    async with simulator:
        line = {"port": simulator.port, "url": simulator.url, "clock": clock.setting}
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()
        await simulator.wait(stop)


def main() -> int:
    """Run until told to stop; 2 for arguments that make no sense."""
    arguments = _arguments()
    logger.remove()
    logger.add(sys.stderr, level=arguments.log_level.upper())
    try:
        uvloop.run(_serve(arguments))
    except (ValueError, OSError) as error:
        sys.stderr.write(f"simulator: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
