"""Coinbase's products as its REST lists them, second names included."""

from __future__ import annotations

from typing import Any

from simulator.digits import decimal_text, ratio
from simulator.exchanges.coinbase.names import alias_of, price, product_of, size
from simulator.listing import Listed
from simulator.world import World

_NAMES = {"USD": "US Dollar", "USDC": "USDC", "USDT": "Tether", "BTC": "Bitcoin"}

# What is the same of every product here.
_ALIKE: dict[str, Any] = {
    "watched": False,
    "is_disabled": False,
    "new": False,
    "status": "online",
    "limit_only": False,
    "post_only": False,
    "auction_mode": False,
    "product_type": "SPOT",
    "fcm_trading_session_details": None,
    "mid_market_price": "",
    "view_only": False,
    "product_venue": "CBE",
    "new_at": "2023-01-01T00:00:00Z",
    "market_cap": "",
    "base_cbrn": "",
    "quote_cbrn": "",
    "product_cbrn": "",
    "icon_color": "",
    "icon_url": "",
    "display_name_overwrite": "",
    "is_alpha_testing": False,
    "about_description": "",
}


def products(world: World, listed: Listed) -> list[dict[str, Any]]:
    """A listing's product, and the one that is only another name of it."""
    alias = alias_of(listed.listing)
    own = product(world, listed, product_of(listed.listing))
    return [own] if alias is None else [own, product(world, listed, alias)]


def product(world: World, listed: Listed, name: str) -> dict[str, Any]:
    """One product under one of its names."""
    listing, first, alias = listed.listing, product_of(listed.listing), alias_of(listed.listing)
    bar = world.market.day(listed, world.clock.now_ms()).bar
    base, _, quote = name.rpartition("-")
    change = decimal_text(ratio((bar.close - bar.open) * 10**16, bar.open), 14)
    tick, lot = price(listing, listing.tick), size(listing, 1)
    return {
        "product_id": name,
        "price": price(listing, bar.close),
        "price_percentage_change_24h": change,
        "volume_24h": size(listing, bar.lots),
        "volume_percentage_change_24h": "0",
        "base_increment": lot,
        "quote_increment": tick,
        "quote_min_size": tick,
        "quote_max_size": "150000000",
        "base_min_size": lot,
        "base_max_size": "3400000000",
        "base_name": _NAMES.get(base, base),
        "quote_name": _NAMES.get(quote, quote),
        "cancel_only": not listed.trading,
        "trading_disabled": not listed.trading,
        "quote_currency_id": quote,
        "base_currency_id": base,
        "alias": "" if name == first else first,
        "alias_to": [alias] if alias and name == first else [],
        "base_display_symbol": base,
        "quote_display_symbol": "USD" if quote == "USDC" else quote,
        "price_increment": tick,
        "display_name": name,
        "approximate_quote_24h_volume": decimal_text(bar.value, listing.value_decimals),
        **_ALIKE,
    }


def currencies(world: World) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """What is money and what is a coin, as the older API tells it to clients that ask."""
    spot = [listed.listing for listed in world.catalog.of("spot")]
    codes = dict.fromkeys(code for one in spot for code in (one.base, one.quote))
    fiat = [{"id": "USD", "name": "US Dollar", "min_size": "0.01"}]
    coins = [
        {
            "asset_id": f"00000000-0000-4000-8000-{index:012}",
            "code": code,
            "name": _NAMES.get(code, code),
            "color": "#0433FF",
            "sort_index": index,
            "exponent": 8,
            "type": "crypto",
            "address_regex": "",
        }
        for index, code in enumerate(codes)
        if code != "USD"
    ]
    return fiat, coins
