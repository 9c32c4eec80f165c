"""Bybit's signed REST: which call is what, how often it may be made, the account and its positions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal

from common.clocks import machine_s
from common.model.streams import MARKETS
from simulator.accounts.model import Position, PositionSide
from simulator.exchanges.bybit.accounts import lists, rows
from simulator.exchanges.bybit.accounts.asked import CURSOR, Asked, cursor_of, limit_of
from simulator.exchanges.bybit.accounts.signing import signer
from simulator.exchanges.bybit.names import NAME, UID_LIMIT, UID_POOL
from simulator.exchanges.bybit.query import PARAMS, listed_in
from simulator.exchanges.common import Refused
from simulator.exchanges.protocol import HttpCall
from simulator.world import World

# The kind of account that everything is for; others are asked to upgrade.
UNIFIED = "unified"
_UPGRADES: Mapping[str, int] = {UNIFIED: 5, "classic": 1}


Answer = Callable[[Asked], object]


def carry_out(world: World, call: HttpCall, answer: Answer, headers: dict[str, str]) -> object:
    """A signed call, counted by account and path; ``headers`` say how many are left.

    Raises:
        Refused: it is not allowed, too much, or wrong.
    """
    account = signer(world, call)
    limit = world.weight_limits.get(UID_POOL, UID_LIMIT)
    window = world.meters.window(f"{UID_POOL}:{call.path}", account.name, 1.0)
    now_s = machine_s()
    over = window.exceeds(limit, now_s)
    headers |= {
        "X-Bapi-Limit": str(limit),
        "X-Bapi-Limit-Status": str(max(limit - window.used(now_s), 0)),
        "X-Bapi-Limit-Reset-Timestamp": str(world.time_of(NAME) + (1000 if over else 0)),
    }
    if over:
        raise Refused(10006, "Too many visits. Exceeded the API Rate Limit.")
    if account.mode != UNIFIED and answer not in _OF_ALL_MODES:
        raise Refused(10028, "The API can only be accessed by unified account users.")
    return answer(Asked(world, account, call))


# --- the account ----------------------------------------------------------------------------


def _info(asked: Asked) -> object:
    return {
        "marginMode": "REGULAR_MARGIN",
        "updatedTime": str(asked.account.log[0].time_ms if asked.account.log else asked.now_ms),
        "unifiedMarginStatus": _UPGRADES[asked.account.mode],
        "dcpStatus": "OFF",
        "timeWindow": 0,
        "smpGroup": 0,
        "isMasterTrader": False,
        "spotHedgingStatus": "OFF",
    }


def _key_info(asked: Asked) -> object:
    """The key that has signed; by this, too, clients find out what kind of account it is."""
    account = asked.account
    trades = "trade" in account.key.permissions
    return {
        "id": account.key.key,
        "note": account.name,
        "apiKey": account.key.key,
        "readOnly": 0 if trades else 1,
        "secret": "",
        "permissions": {
            "ContractTrade": ["Order", "Position"] if trades else [],
            "Spot": ["SpotTrade"] if trades else [],
            "Wallet": [],
            "Options": [],
            "Derivatives": ["DerivativesTrade"] if trades else [],
            "Exchange": [],
        },
        "ips": sorted(account.key.addresses or ("*",)),
        "type": 1,
        "unified": 0,
        "uta": int(account.mode == UNIFIED),
        "isMaster": True,
        "parentUid": "0",
    }


def _wallet(asked: Asked) -> object:
    """The coins that there are."""
    if asked.query.get("accountType") != "UNIFIED":
        raise Refused(PARAMS, "accountType only support UNIFIED.")
    wanted, ledger = asked.query.get("coin"), asked.ledger
    coins = [
        rows.coin_row(balance, ledger.held(balance.asset))
        for balance in asked.account.wallets.of(MARKETS[0])
        if (balance.asset in wanted.split(",") if wanted else balance.total)
    ]
    return {"list": [{"accountType": "UNIFIED", "coin": coins}]}


# --- positions ------------------------------------------------------------------------------


def _positions(asked: Asked) -> object:
    """Those that there are; of one symbol those that are not, too."""
    market = asked.market
    if market == "spot":
        raise Refused(PARAMS, "Illegal category")
    if market == "linear" and not asked.query.keys() & {"symbol", "settleCoin"}:
        raise Refused(
            PARAMS, "Missing some parameters that must be filled in, symbol or settleCoin"
        )
    if "symbol" in asked.query:
        listing = listed_in(asked.world, market, asked.query).listing
        sides: Sequence[PositionSide] = ("LONG", "SHORT") if asked.account.hedged else ("BOTH",)
        found = [asked.account.position(listing, side) for side in sides]
    else:
        found = [
            position
            for position in asked.account.positions.values()
            if position.size
            and position.listing.market == market
            and asked.query.get("settleCoin", position.listing.settle) == position.listing.settle
        ]
    first = cursor_of(asked) or 0
    after = first + limit_of(asked, 20, 200)
    return {
        "category": market,
        "list": [_position_row(asked, position) for position in found[first:after]],
        "nextPageCursor": f"{CURSOR}{after}" if after < len(found) else "",
    }


def _position_row(asked: Asked, position: Position) -> rows.Row:
    world, listing = asked.world, position.listing
    listed = world.catalog.get(listing.key)
    units = listing.price if listed is None else world.market.last_price(listed, asked.now_ms)
    mark = Decimal(units).scaleb(-listing.price_decimals)
    row = rows.position_row(position, asked.ledger, mark, asked.now_ms)
    return row | {"avgPrice": rows.entry(position)}


_OF_ALL_MODES = (_info, _key_info)
ROUTES: Mapping[str, Answer] = {
    "/v5/user/query-api": _key_info,
    "/v5/account/info": _info,
    "/v5/account/wallet-balance": _wallet,
    "/v5/position/list": _positions,
    "/v5/order/realtime": lists.open_orders,
    "/v5/order/history": lists.history,
    "/v5/execution/list": lists.trades,
}
