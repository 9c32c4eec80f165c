"""What an account of Bitget holds now."""

from __future__ import annotations

from decimal import Decimal

from common.model.streams import Market
from simulator.accounts.account import Account
from simulator.accounts.model import Position
from simulator.world import World


def mark_of(world: World, position: Position) -> Decimal:
    """What a position is valued at."""
    listing = position.listing
    listed = world.catalog.get(listing.key)
    if listed is None:
        return position.entry_price
    units = world.market.last_price(listed, world.clock.now_ms())
    return Decimal(units).scaleb(-listing.price_decimals)


def open_positions(account: Account, market: Market) -> list[Position]:
    """Those that are."""
    return [
        position
        for position in account.positions.values()
        if position.size and position.listing.market == market
    ]
