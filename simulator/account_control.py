"""Control of accounts, as JSON over HTTP.

    GET  /control/account         this text, and the schema of every request
    POST /control/accounts        {"exchange": "binance", "count": 200} opens accounts; also name, kind (hmac,
                                  ed25519, es256), permissions, addresses, funds, mode, hedged; answers
                                  {"accounts": [{"account", "exchange", "key", "secret", "passphrase", …}]}
    GET  /control/accounts        the same of all there are
    POST /control/account         {"action", "account", "market", …}; the actions:
                                  place                   symbol, side, quantity [, price, clientId, …]
                                  fill                    order [, quantity, price, maker]
                                  cancel reject expire    order [, reason]
                                  liquidate               symbol [, price, positionSide]
                                  deposit withdraw        asset, amount
                                  answers the order as it stands then
    POST /control/account/key     {"account": …} gives it another key, as its owner would after losing one; answers
                                  the account with it, and when the one before was shown last ("shownMs", by the
                                  wall; 0: never)
    POST /control/trader          {"ordersPerMin": 600} trades for all accounts by the market's clock; 0: no
                                  more orders, with "settle" what is open ends now; answers {"placed", "pending"}
    POST /control/account/fault   {"kind": "missEvents", "exchange": "binance", "account": "…", "events": 3},
                                  without an account all of the exchange; the kinds:
                                  on events   missEvents repeatEvents reorderEvents delayEvents silenceAccount
                                  on access   expireAccess revokeKey takePermission takeAddress skewClock
                                  answers {"hit": [accounts]}
    GET  /truth/accounts          ?account=|exchange=: orders with their paths, fills, balances, positions

Where an exchange is named, a place on paper may be (paperBinance, paperOkxLinear, …): its accounts are told
of by the paper service (socket.io, on this port). What cannot be carried out is answered 400 with the
reason. POST /control/heal ends every fault; what is revoked, expired or missed stays so.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any

import msgspec
from aiohttp import web
from msgspec import Meta, Struct

from common.model.streams import Market
from simulator.account_truth import account_truth, order_truth
from simulator.accounts.account import Account, Impossible
from simulator.accounts.doings import (
    CancelOrder,
    Deposit,
    Doing,
    ExpireOrder,
    FillOrder,
    Liquidate,
    Place,
    RejectOrder,
    Withdraw,
)
from simulator.accounts.faults import AccountFault
from simulator.accounts.model import Fact, Order, Status
from simulator.control import BadRequest, Handler, answering, read
from simulator.desk import Desk, Opening
from simulator.exchanges.protocol import Traded
from simulator.listing import Listing
from simulator.world import World

_MOST_AT_ONCE = 2_000


class Trading(Struct, frozen=True, forbid_unknown_fields=True, rename="camel", kw_only=True):
    """A trader for all accounts, or those of one exchange."""

    orders_per_min: Annotated[int, Meta(ge=0, le=100_000)]
    exchange: str | None = None
    seed: int | None = None
    settle: bool = False


class NewKey(Struct, frozen=True, forbid_unknown_fields=True, rename="camel", kw_only=True):
    """Another key for an account."""

    account: str


class _Clerk:
    """Carries out what is asked of accounts."""

    def __init__(self, world: World, exchanges: Mapping[str, Traded], desk: Desk) -> None:
        self._world, self._exchanges, self._desk = world, exchanges, desk

    def do(self, doing: Doing) -> Any:
        """One operation, told to who listens before it is answered."""
        account = self._desk.account(doing.account)
        facts = self._facts(account, doing, self._desk.catch_up())
        self._desk.tick()
        order = facts[-1].order
        exchange = self._exchanges[account.exchange]
        return {} if order is None else order_truth(exchange, account, order)

    def _facts(self, account: Account, doing: Doing, now_ms: int) -> list[Fact]:
        match doing:
            case Place():
                listing = self._listing(account, doing.market, doing.symbol)
                fact = account.place(
                    listing, doing.side, _fit(doing.quantity, listing.lot_decimals),
                    doing.price and _fit(doing.price, listing.price_decimals), now_ms,
                    client_id=doing.client_id, reduce_only=doing.reduce_only,
                    position_side=doing.position_side, time_in_force=doing.time_in_force,
                )  # fmt: skip
                return [fact]
            case FillOrder():
                order = _order(account, doing.market, doing.order)
                last = self._last(order.listing, now_ms)
                price = doing.price or order.price or account.at_market(order, last)
                size = _fit(doing.quantity or order.left, order.listing.lot_decimals)
                price = _fit(price, order.listing.price_decimals)
                return [account.fill(order, size, price, now_ms, maker=doing.maker)]
            case Liquidate():
                listing = self._listing(account, doing.market, doing.symbol)
                price = doing.price or self._last(listing, now_ms)
                return account.liquidate(listing, price, now_ms, doing.position_side)
            case Deposit() | Withdraw():
                amount = _fit(doing.amount, 8)
                if amount <= 0:
                    raise Impossible("the amount must be above zero")
                delta = amount if isinstance(doing, Deposit) else -amount
                return [account.transfer(doing.market, doing.asset, delta, now_ms)]
            case _:
                return [self._end(account, doing, now_ms)]

    def _end(
        self, account: Account, doing: CancelOrder | RejectOrder | ExpireOrder, now_ms: int
    ) -> Fact:
        order = _order(account, doing.market, doing.order)
        ends: dict[type, Status] = {RejectOrder: "REJECTED", ExpireOrder: "EXPIRED"}
        reason = "" if isinstance(doing, CancelOrder) else doing.reason
        return account.end(order, ends.get(type(doing), "CANCELED"), now_ms, reason)

    def _listing(self, account: Account, market: Market, symbol: str) -> Listing:
        found = self._exchanges[account.exchange].find(market, symbol)
        if found is None:
            raise Impossible(f"{account.exchange} lists no {symbol!r} on {market}")
        return found.listing

    def _last(self, listing: Listing, now_ms: int) -> Decimal:
        listed = self._world.catalog.get(listing.key)
        units = listing.price if listed is None else self._world.market.last_price(listed, now_ms)
        return Decimal(units).scaleb(-listing.price_decimals)

    def trade(self, trading: Trading) -> Any:
        """Start or stop the trader; how far it is."""
        if trading.exchange is not None:
            self._desk.private(trading.exchange)
        if trading.orders_per_min:
            self._desk.trade(trading.orders_per_min, trading.exchange, trading.seed)
        now_ms, trader = self._desk.catch_up(), self._desk.trader
        if trader is None:
            return {"placed": 0, "pending": 0}
        if not trading.orders_per_min:
            trader.stop()
        if trading.settle:
            trader.settle(now_ms)
        self._desk.tick()
        return {"placed": trader.placed, "pending": trader.pending}


class _Requests:
    """What is asked over HTTP: each reads its body, and answers with what becomes JSON."""

    def __init__(self, world: World, exchanges: Mapping[str, Traded], desk: Desk) -> None:
        self._world, self._exchanges, self._desk = world, exchanges, desk
        self._clerk = _Clerk(world, exchanges, desk)

    async def open(self, request: web.Request) -> Any:
        opening = await read(request, Opening)
        if not 1 <= opening.count <= _MOST_AT_ONCE:
            raise BadRequest(f"count is from 1 to {_MOST_AT_ONCE}")
        return {"accounts": [_described(account) for account in self._desk.open(opening)]}

    async def list(self, _: web.Request) -> Any:
        return {"accounts": [_described(account) for account in self._world.accounts]}

    async def renew(self, request: web.Request) -> Any:
        account = self._desk.account((await read(request, NewKey)).account)
        before = self._desk.renew(account)
        return {**_described(account), "shownMs": before.shown_ms}

    async def help(self, _: web.Request) -> Any:
        _names, schemas = msgspec.json.schema_components(
            [Opening, Doing, NewKey, Trading, AccountFault]
        )
        return {"help": (__doc__ or "").splitlines(), "schemas": schemas}

    async def do(self, request: web.Request) -> Any:
        return self._clerk.do(await read(request, Doing))

    async def trade(self, request: web.Request) -> Any:
        return self._clerk.trade(await read(request, Trading))

    async def fault(self, request: web.Request) -> Any:
        return {"hit": self._desk.trouble(await read(request, AccountFault))}

    async def truth(self, request: web.Request) -> Any:
        name, exchange = request.query.get("account"), request.query.get("exchange")
        self._desk.catch_up()
        found = [self._desk.account(name)] if name else [*self._world.accounts]
        return {
            "accounts": [
                account_truth(self._exchanges[account.exchange], account)
                for account in found
                if exchange in (None, account.exchange)
            ]
        }


def add_routes(
    app: web.Application, world: World, exchanges: Mapping[str, Traded], desk: Desk
) -> None:
    """Serve the accounts' part of ``/control`` and ``/truth``; it goes before theirs."""
    requests = _Requests(world, exchanges, desk)
    app.router.add_post("/control/accounts", _json(requests.open))
    app.router.add_get("/control/accounts", _json(requests.list))
    app.router.add_get("/control/account", _json(requests.help))
    app.router.add_post("/control/account", _json(requests.do))
    app.router.add_post("/control/account/key", _json(requests.renew))
    app.router.add_post("/control/trader", _json(requests.trade))
    app.router.add_post("/control/account/fault", _json(requests.fault))
    app.router.add_get("/truth/accounts", _json(requests.truth))


def _json(handler: Any) -> Handler:
    """What cannot be carried out is answered 400 with the reason."""

    async def answer(request: web.Request) -> web.Response:
        try:
            value = await handler(request)
        except Impossible as error:
            raise BadRequest(str(error)) from None
        return web.Response(body=msgspec.json.encode(value), content_type="application/json")

    return answering(answer)


def _described(account: Account) -> dict[str, Any]:
    key = account.key
    return {
        "account": account.name,
        "exchange": account.exchange,
        "mode": account.mode,
        "key": key.key,
        "secret": key.secret,
        "passphrase": key.passphrase,
        "kind": key.kind,
        "permissions": sorted(key.permissions),
        "addresses": None if key.addresses is None else sorted(key.addresses),
        "revoked": key.revoked,
    }


def _order(account: Account, market: Market, number: int) -> Order:
    found = account.order(market, number)
    if found is None:
        raise Impossible(f"{account.name} has no order {number} on {market}")
    return found


def _fit(number: Decimal, decimals: int) -> Decimal:
    """A number that has no more decimals than there may be."""
    exponent = number.as_tuple().exponent
    if not isinstance(exponent, int) or -exponent > decimals:
        raise Impossible(f"{number} has more than {decimals} decimals")
    return number
