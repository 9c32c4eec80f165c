"""Control: faults, limits and listings on demand, as JSON over HTTP.

    GET  /control               this text, and the schema of every request
    GET  /control/connections   the open sockets: id, exchange, host, market, path, topics, ageS,
                                messagesIn, messagesOut, frozen
    GET  /control/counts        what clients did since the start, by exchange: sockets, subscribed,
                                unsubscribed
    GET  /control/meters        answers: how often each status was answered, by exchange and kind (rest,
                                socket); peaks: the most that an address has used of each limit
    POST /control/fault         {"kind": "cut", "where": {"host": "stream.binance.com"}}; the kinds:
                                on sockets   cut close freeze delay duplicate reorder garble shutdown
                                as rules     refuse ban reject silence
                                answers {"hit": [ids of the sockets it hit]}
    POST /control/heal          every rule is lifted, every count and ban forgotten, open sockets
                                behave again (what a frozen one swallowed stays lost); with a
                                reject or silence as its body, only that one is lifted
    POST /control/limits        {"host": "stream.binance.com", "lifetimeS": 5}: socket rules of one
                                host ("*": all); {"pool": "binance-spot", "weightPerMinute": 50}
    POST /control/symbol        {"action": "list", "exchange", "market", "base", "quote"},
                                {"action": "delist" | "halt", "exchange", "market", "symbol"}
    POST /control/replay/start  do not wait for subscriptions any longer

Accounts have a part of their own: GET /control/account tells it.

A request that is not understood is answered 400 with the reason.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any

import msgspec
from aiohttp import web
from msgspec import Meta, Struct

from common.clocks import machine_s
from common.model.streams import Market
from simulator.exchanges.protocol import Exchange
from simulator.faults import Ban, Fault, FrameFaults, Refuse, Reject, Shutdown, Silence
from simulator.listing import Listed, Listing
from simulator.world import Connection, World

Healing = Callable[[], None]
Handler = Callable[[web.Request], Awaitable[web.Response]]
_Seconds = Annotated[float, Meta(gt=0)]
_Count = Annotated[int, Meta(ge=1)]


class Limits(Struct, frozen=True, forbid_unknown_fields=True, rename="camel", kw_only=True):
    """Changes of what an exchange allows."""

    host: str = "*"
    messages_per_s: _Count | None = None
    streams: _Count | None = None
    ping_every_s: _Seconds | None = None
    pong_within_s: _Seconds | None = None
    lifetime_s: _Seconds | None = None
    first_topic_s: _Seconds | None = None
    idle_s: _Seconds | None = None
    quiet_s: _Seconds | None = None
    handshakes: _Count | None = None
    answer_s: Annotated[float, Meta(ge=0)] | None = None
    pool: str | None = None
    weight_per_minute: _Count | None = None


class ListSymbol(Struct, frozen=True, forbid_unknown_fields=True, tag_field="action", tag="list"):
    """Something new to trade, from now on."""

    exchange: str
    market: Market
    base: str
    quote: str
    price_decimals: Annotated[int, Meta(ge=0, le=6)] = 4
    price: Annotated[int, Meta(ge=10)] = 12_345
    trades_per_100min: Annotated[int, Meta(ge=0, le=100_000)] = 900


class DelistSymbol(
    Struct, frozen=True, forbid_unknown_fields=True, tag_field="action", tag="delist"
):
    """It is gone from the list."""

    exchange: str
    market: Market
    symbol: str


class HaltSymbol(Struct, frozen=True, forbid_unknown_fields=True, tag_field="action", tag="halt"):
    """It stays listed, and trades no more."""

    exchange: str
    market: Market
    symbol: str


SymbolChange = ListSymbol | DelistSymbol | HaltSymbol


class BadRequest(Exception):  # noqa: N818 - the caller's, not ours
    """A request that cannot be carried out, and why."""


def add_routes(
    app: web.Application, world: World, exchanges: Mapping[str, Exchange], heal_more: Healing
) -> None:
    """Serve ``/control``. ``heal_more`` heals what is not sockets' and requests'."""
    _add_reports(app, world)

    async def fault(request: web.Request) -> web.Response:
        hit = apply_fault(world, await read(request, Fault))
        return web.json_response({"hit": hit})

    async def heal(request: web.Request) -> web.Response:
        told = (await request.read()) not in (b"", b"{}")
        one = await read(request, Reject | Silence) if told else None
        _heal(world, one)
        if one is None:
            heal_more()
        return web.json_response({})

    async def limits(request: web.Request) -> web.Response:
        _change_limits(world, exchanges, await read(request, Limits))
        return web.json_response({})

    async def symbol(request: web.Request) -> web.Response:
        change = await read(request, SymbolChange)
        return web.json_response({"symbol": change_symbol(world, exchanges, change)})

    async def start_replay(_: web.Request) -> web.Response:
        if world.replay is None:
            raise BadRequest("no recording is being replayed")
        world.replay.start()
        return web.json_response({})

    app.router.add_post("/control/fault", answering(fault))
    app.router.add_post("/control/heal", answering(heal))
    app.router.add_post("/control/limits", answering(limits))
    app.router.add_post("/control/symbol", answering(symbol))
    app.router.add_post("/control/replay/start", answering(start_replay))
    app.router.add_route("*", "/control/{rest:.*}", answering(_unknown))


def _add_reports(app: web.Application, world: World) -> None:
    async def help_(request: web.Request) -> web.Response:
        _, schemas = msgspec.json.schema_components([Fault, Limits, SymbolChange])
        return web.json_response({"help": (__doc__ or "").splitlines(), "schemas": schemas})

    async def connections(_: web.Request) -> web.Response:
        return web.json_response([_described(one) for one in world.connections.values()])

    async def counts(_: web.Request) -> web.Response:
        return web.json_response({name: dict(count) for name, count in world.counts.items()})

    async def meters(_: web.Request) -> web.Response:
        return web.json_response(world.meters.told())

    app.router.add_get("/control", answering(help_))
    app.router.add_get("/control/connections", answering(connections))
    app.router.add_get("/control/counts", answering(counts))
    app.router.add_get("/control/meters", answering(meters))


def apply_fault(world: World, fault: Any) -> list[str]:
    """Let a fault happen; the ids of the open sockets it hit."""
    if isinstance(fault, Refuse | Ban | Reject | Silence):
        try:
            world.faults.add(fault, machine_s())
        except ValueError as error:
            raise BadRequest(str(error)) from None
        return []
    if fault.new:
        if isinstance(fault, Shutdown):
            raise BadRequest("a shutdown is announced to open sockets only: leave out 'new'")
        try:
            world.faults.add_for_new(fault)
        except ValueError as error:
            raise BadRequest(str(error)) from None
    hit = [
        one
        for one in world.connections.values()
        if fault.where.fits(
            one.id, one.exchange.name, one.call.host, one.dialect.market, one.call.path
        )
    ]
    for connection in hit:
        connection.hit(fault)
    return [connection.id for connection in hit]


def _heal(world: World, one: Reject | Silence | None) -> None:
    if one is not None:
        world.faults.lift(one)
        return
    world.faults.heal()
    world.meters.reset()
    for connection in world.connections.values():
        connection.faults = FrameFaults()


def change_symbol(world: World, exchanges: Mapping[str, Exchange], change: SymbolChange) -> str:
    """List, delist or halt a symbol; its name."""
    exchange = _exchange(exchanges, change.exchange)
    if isinstance(change, ListSymbol):
        listed = Listed(_new_listing(change), world.clock.now_ms())
        try:
            world.catalog.add(listed)
        except ValueError as error:
            raise BadRequest(str(error)) from None
        return exchange.symbol(listed)
    found = exchange.find(change.market, change.symbol)
    if found is None:
        raise BadRequest(f"{change.exchange} lists no {change.symbol!r} on {change.market}")
    if isinstance(change, DelistSymbol):
        world.catalog.remove(found)
    else:
        world.catalog.halt(found, world.clock.now_ms())
    return change.symbol


def _new_listing(change: ListSymbol) -> Listing:
    spot, inverse = change.market == "spot", change.market == "inverse"
    return Listing(
        market=change.market,
        base=change.base,
        quote=change.quote,
        kind="spot" if spot else "perpetual",
        price_decimals=change.price_decimals,
        price=change.price,
        lot_decimals=0 if inverse else 1,
        trades_per_100min=change.trades_per_100min,
        typical_lots=500,
        contract_size=10 if inverse else None,
    )


def _change_limits(world: World, exchanges: Mapping[str, Exchange], limits: Limits) -> None:
    hosts = {host for exchange in exchanges.values() for host in exchange.hosts}
    if limits.host != "*" and limits.host not in hosts:
        raise BadRequest(f"no exchange has the host {limits.host!r}")
    if (limits.pool is None) != (limits.weight_per_minute is None):
        raise BadRequest("pool and weightPerMinute go together")
    if limits.pool is not None and limits.weight_per_minute is not None:
        world.weight_limits[limits.pool] = limits.weight_per_minute
    changes = msgspec.structs.asdict(limits)
    for name in ("host", "pool", "weight_per_minute"):
        del changes[name]
    given = {name: value for name, value in changes.items() if value is not None}
    world.overrides.setdefault(limits.host, {}).update(given)


def _described(connection: Connection) -> dict[str, Any]:
    return {
        "id": connection.id,
        "exchange": connection.exchange.name,
        "host": connection.call.host,
        "market": connection.dialect.market,
        "path": connection.call.path,
        "topics": list(connection.topics),
        "ageS": round(machine_s() - connection.opened_s, 3),
        "messagesIn": connection.received,
        "messagesOut": connection.sent,
        "frozen": connection.faults.frozen,
    }


def _exchange(exchanges: Mapping[str, Exchange], name: str) -> Exchange:
    if name not in exchanges:
        raise BadRequest(f"exchange {name!r} is none of {', '.join(exchanges)}")
    return exchanges[name]


async def _unknown(request: web.Request) -> web.Response:
    raise BadRequest(f"no {request.method} {request.path}; GET /control tells what there is")


async def read(request: web.Request, kind: Any) -> Any:
    """The body of a request as a ``kind``.

    Raises:
        BadRequest: it is none.
    """
    try:
        return msgspec.json.decode(await request.read(), type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadRequest(str(error)) from None


def answering(handler: Handler) -> Handler:
    """A handler whose refusals are answered 400 with the reason."""

    async def answer(request: web.Request) -> web.Response:
        try:
            return await handler(request)
        except BadRequest as error:
            return web.json_response({"error": str(error)}, status=400)

    return answer
