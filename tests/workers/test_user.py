"""The whole way of an account: simulator → user worker → RabbitMQ, as processes on real engines."""

from __future__ import annotations

import pytest

from common.fleet.client import connect
from common.fleet.keys import Keys
from tests.simulator.binance_accounts import Owner, an_owner
from tests.support.waiting import until
from tests.workers.accounts import Accounts, accounts
from tests.workers.processes import running, terminate

pytestmark = pytest.mark.engines


async def test_help_is_there() -> None:
    async with running("workers.user", "--help", env={}) as worker:
        assert await worker.ended() == 0


async def traded(owner: Owner) -> list[str]:
    """An order filled in two parts, one canceled, one open; their ids."""
    one = await owner.place(quantity="1", price="60000")
    await owner.do("fill", order=one["order"], quantity="0.4")
    await owner.do("fill", order=one["order"])
    two = await owner.place(quantity="2", price="59000")
    await owner.do("cancel", order=two["order"])
    three = await owner.place(quantity="3", price="58000")
    return [str(each["order"]) for each in (one, two, three)]


def check(it: Accounts, owner: Owner, orders: list[str]) -> None:
    paths = it.paths(owner.name)
    filled, canceled, still_open = orders
    assert [status for status, _ in paths[filled]] == ["NEW", "PARTIALLY_FILLED", "FILLED"]
    assert [status for status, _ in paths[canceled]] == ["NEW", "CANCELED"]
    assert [status for status, _ in paths[still_open]] == ["NEW"]


async def test_orders_fills_and_balances_arrive(redis_url: str, rabbit_url: str) -> None:
    async with accounts(redis_url, rabbit_url) as it:
        worker = await it.worker("user-0")
        owner = await an_owner(it.exchange)
        await it.open(owner.row, "binance", "spot")
        await it.live(owner.name)
        orders = await traded(owner)
        await it.ended(owner.name, orders[:2])
        await until(lambda: orders[2] in it.paths(owner.name))
        check(it, owner, orders)
        assert len(it.fills(owner.name)) == 2
        await until(
            lambda: any(
                message.type == "balance.position.v1" and message.headers["origin"] == "live"
                for message in it.events(owner.name)
            )
        )
        assert it.heard.repeated() == []
        assert await terminate(worker) == 0


async def test_who_waits_for_its_turn_is_not_given_up(redis_url: str, rabbit_url: str) -> None:
    """The exchange lets in a dozen at once, and then one in two seconds: none of the others begins anew."""
    async with accounts(redis_url, rabbit_url) as it:
        worker = await it.worker("user-0")
        told = await it.exchange.control("accounts", exchange="binance", count=30)
        names = [row["account"] for row in told["accounts"]]
        for row in told["accounts"]:
            await it.open(row, "binance", "spot")
        for name in names:
            await it.live(name, limit_s=60.0)
        assert {state for name in names for state in it.states(name)} == {"live"}
        assert await terminate(worker) == 0


async def test_what_happens_while_nobody_listens_is_told_afterwards(
    redis_url: str, rabbit_url: str
) -> None:
    async with accounts(redis_url, rabbit_url) as it:
        worker = await it.worker("user-0")
        owner = await an_owner(it.exchange)
        await it.open(owner.row, "binance", "spot")
        await it.live(owner.name)
        first = await traded(owner)
        await it.ended(owner.name, first[:2])
        await worker.kill()
        second = await traded(owner)
        await owner.do("cancel", order=int(first[2]))
        await it.worker("user-1")
        await it.live(owner.name, times=2)
        await it.ended(owner.name, [*first, *second[:2]])
        check(it, owner, second)
        assert it.paths(owner.name)[first[2]][-1][0] == "CANCELED"
        assert len(it.fills(owner.name)) == len(set(it.fills(owner.name))) == 4


async def test_an_account_of_which_nothing_can_be_kept_any_more_is_claimed_anew(
    redis_url: str, rabbit_url: str
) -> None:
    async with accounts(redis_url, rabbit_url) as it, connect(redis_url) as redis:
        worker = await it.worker("user-0")
        owner = await an_owner(it.exchange)
        await it.open(owner.row, "binance", "spot")
        await it.live(owner.name)
        # Redis came back from an old snapshot: what was kept has seen an owner whose lease is gone.
        ledger = Keys().ledger(f"binance:spot:{owner.name}")
        epoch = int(await redis.hget(ledger, "epoch") or 0) + 1
        await redis.hset(ledger, "epoch", str(epoch))
        orders = await traded(owner)
        await it.live(owner.name, times=2)
        await it.ended(owner.name, orders[:2])
        check(it, owner, orders)
        assert len(it.fills(owner.name)) == len(set(it.fills(owner.name))) == 2
        assert int(await redis.hget(ledger, "epoch") or 0) > epoch
        assert await terminate(worker) == 0


async def test_a_revoked_key_is_parked_and_said_so(redis_url: str, rabbit_url: str) -> None:
    async with accounts(redis_url, rabbit_url) as it:
        await it.worker("user-0")
        owner = await an_owner(it.exchange)
        await owner.fault("revokeKey")
        await it.open(owner.row, "binance", "spot")
        await until(lambda: "parked" in it.states(owner.name))
        (said,) = [m for m in it.fleet.messages if m.body.get("state") == "parked"]
        assert said.body["code"] == "key"


async def test_what_no_queue_took_is_told_when_there_is_one(
    redis_url: str, rabbit_url: str
) -> None:
    async with accounts(redis_url, rabbit_url, TOPOLOGY="exchanges") as it:
        worker = await it.worker("user-0")
        owner = await an_owner(it.exchange)
        await it.open(owner.row, "binance", "spot")
        await it.live(owner.name)
        await it.heard.deaf()
        orders = await traded(owner)
        await until(lambda: "stale" in it.states(owner.name))
        assert it.paths(owner.name) == {}
        await it.heard.hear()
        await it.ended(owner.name, orders[:2])
        await until(lambda: orders[2] in it.paths(owner.name))
        check(it, owner, orders)
        assert len(it.fills(owner.name)) == len(set(it.fills(owner.name))) == 2
        assert await terminate(worker) == 0
