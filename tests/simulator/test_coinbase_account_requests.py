"""Coinbase's requests of accounts: whose token is good, how lists are searched and paged."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from simulator.exchanges.coinbase.accounts import calls
from tests.simulator.coinbase_accounts import (
    HEARTBEATS,
    PATH,
    REST,
    USER,
    Owner,
    an_owner,
    answered,
    opened,
)
from tests.simulator.wire import dial
from tests.support.simulator import simulator

ORDERS, FILLS = "/orders/historical/batch", "/orders/historical/fills"


def iso(time_ms: int) -> str:
    return datetime.fromtimestamp(time_ms / 1000, UTC).isoformat(timespec="milliseconds")


def ids(answer: Any) -> list[str]:
    """The orders of a page, or those of its fills."""
    return [row["order_id"] for row in answer["orders" if "orders" in answer else "fills"]]


# --- tokens ---------------------------------------------------------------------------------


def wrong_tokens(owner: Owner, stranger: Owner, uri: str) -> dict[str, str]:
    """Tokens that are not good, by what is wrong with them."""
    now_s = owner.exchange.clock.now_ms() // 1000
    good = owner.token(uri)
    text, _, signature = good.rpartition(".")
    return {
        "none": "nonsense",
        "not signed": f"{text}.",
        "cut off": good[:-8],
        "another's signature": f"{text}.{stranger.token(uri).rpartition('.')[2]}",
        "unknown key": owner.token(uri, {"kid": "organizations/x/apiKeys/y"}),
        "another's name": owner.token(uri, sub=stranger.key),
        "another's key": owner.token(uri, {"kid": stranger.key}, sub=stranger.key),
        "algorithm": owner.token(uri, {"alg": "none"}),
        "issuer": owner.token(uri, iss="me"),
        "over": owner.token(uri, nbf=now_s - 130, exp=now_s - 10),
        "not yet": owner.token(uri, nbf=now_s + 10, exp=now_s + 100),
        "too long": owner.token(uri, exp=now_s + 121),
        "without an end": owner.token(uri, exp=None),
        "no body": f"{text.partition('.')[0]}.W10.{signature}",
    }


async def test_a_request_with_a_token_that_is_not_good_is_refused_in_one_word() -> None:
    async with simulator() as exchange:
        owner, stranger = await opened(exchange, 2)
        uri = f"GET {REST}{PATH}/accounts"
        wrong = wrong_tokens(owner, stranger, uri) | {
            "for nothing": owner.token(),
            "another path": owner.token(f"GET {REST}{PATH}/orders"),
            "another method": owner.token(f"POST {REST}{PATH}/accounts"),
            "with the query": owner.token(f"{uri}?limit=1"),
        }
        for what, token in wrong.items():
            answer = await owner.ask("/accounts", ("limit", 1), token=token)
            assert answer == (401, "Unauthorized\n"), what
        several = owner.token(uris=[uri], iss="coinbase-cloud", aud=["retail_rest_api_proxy"])
        assert (await owner.ask("/accounts", token=several))[0] == 200


async def test_a_subscription_with_a_token_that_is_not_good_is_refused() -> None:
    async with simulator() as exchange, dial(exchange, USER) as wire:
        owner, stranger = await opened(exchange, 2)
        failure = {
            "type": "error", "message": "authentication failure", "reason": "Unauthorized",
        }  # fmt: skip
        for what, token in wrong_tokens(owner, stranger, "").items():
            assert await owner.subscribe(wire, token=token) == failure, what
        assert await owner.subscribe(wire, token="") == failure
        await wire.say(HEARTBEATS | {"jwt": "nonsense"})
        assert await answered(wire) == failure
        # Heartbeats are nobody's, and a good token is good after all of that.
        await wire.say(HEARTBEATS)
        assert set(await answered(wire)) == {"heartbeats"}
        assert set(await owner.subscribe(wire)) == {"heartbeats", "user"}


async def test_the_clock_of_the_exchange_decides_and_can_be_asked_for() -> None:
    async with simulator() as exchange:
        owner = await an_owner(exchange)
        for ms, skewed in ((-60_000, 401), (60_000, 200), (180_000, 401)):
            await exchange.control("account/fault", kind="skewClock", exchange="coinbase", ms=ms)
            assert (await owner.ask("/accounts"))[0] == skewed, ms
            _, told, _ = await exchange.rest(REST, f"{PATH}/time")
            now_s = int(told["epochSeconds"])
            assert abs(now_s * 1000 - exchange.clock.now_ms() - ms) < 5_000
            token = owner.token(f"GET {REST}{PATH}/accounts", nbf=now_s, exp=now_s + 120)
            assert (await owner.ask("/accounts", token=token))[0] == 200


async def test_a_fast_market_does_not_shorten_a_token() -> None:
    async with simulator(speed=60) as exchange:
        owner = await an_owner(exchange)
        then_s = exchange.clock.now_ms() // 1000 - 600
        uri = f"GET {REST}{PATH}/accounts"
        token = owner.token(uri, nbf=then_s, exp=then_s + 120)
        assert (await owner.ask("/accounts", token=token))[0] == 200
        token = owner.token(uri, nbf=then_s - 7200, exp=then_s - 7080)
        assert (await owner.ask("/accounts", token=token))[0] == 401


# --- lists ----------------------------------------------------------------------------------


async def test_lists_are_newest_first_and_paged_by_a_mark() -> None:
    async with simulator() as exchange:
        owner = await an_owner(exchange)
        placed = []
        for _ in range(5):
            order = await owner.place("0.01", "60000")
            await owner.do("fill", order=order["order"])
            placed.append(order["orderId"])
        newest_first = placed[::-1]
        for path in (ORDERS, FILLS):
            first = await owner.told(path, ("limit", 2))
            assert ids(first) == newest_first[:2]
            # What is new does not move the pages behind it.
            late = await owner.place("0.01", "60000")
            await owner.do("fill", order=late["order"])
            second = await owner.told(path, ("limit", 2), ("cursor", first["cursor"]))
            assert ids(second) == newest_first[2:4]
            third = await owner.told(path, ("limit", 2), ("cursor", second["cursor"]))
            assert ids(third)[:1] == newest_first[4:5]
            newest_first.insert(0, late["orderId"])
            if path == ORDERS:
                assert (first["has_next"], third["has_next"], third["cursor"]) == (True, False, "")
            else:
                assert "has_next" not in first
        both = await owner.told(FILLS, ("order_ids", placed[0]), ("order_ids", placed[3]))
        assert ids(both) == [placed[3], placed[0]]
        page = await owner.told("/accounts", ("limit", 2))
        rest = await owner.told("/accounts", ("limit", 250), ("cursor", page["cursor"]))
        assert (page["has_next"], rest["has_next"]) == (True, False)
        assets = [row["currency"] for row in page["accounts"] + rest["accounts"]]
        assert assets == sorted(assets)
        assert len(assets) == 5


async def test_orders_are_found_by_status_product_and_creation() -> None:
    async with simulator() as exchange:
        owner = await an_owner(exchange)
        old, done, other = [
            (await owner.place("0.01", "60000"))["order"],
            (await owner.place("0.01", "60000"))["order"],
            (await owner.place("0.01", "3000", symbol="ETH-USDT"))["order"],
        ]
        await asyncio.sleep(0.01)
        ended = await owner.do("fill", order=done)
        new = await owner.place("0.01", "60000")
        by_number = {one["order"]: one["orderId"] for one in (await owner.truth())["orders"]}

        async def found(*params: tuple[str, Any]) -> list[str]:
            return ids(await owner.told(ORDERS, *params))

        open_ = [new["orderId"], by_number[other], by_number[old]]
        assert await found(("order_status", "OPEN")) == open_
        # Of open orders there is one page, however little was asked for.
        page = await owner.told(ORDERS, ("order_status", "OPEN"), ("limit", 1))
        assert (ids(page), page["has_next"], page["cursor"]) == (open_[:1], False, "")
        assert await found(("order_status", "PENDING")) == []
        assert await found(("order_status", "FILLED"), ("order_status", "FAILED")) == [
            by_number[done]
        ]
        assert await found(("product_ids", "ETH-USDT")) == [by_number[other]]
        assert await found(("product_type", "FUTURE")) == []
        # It counts when an order was created, not when it ended.
        assert await found(("start_date", iso(new["createdMs"]))) == [new["orderId"]]
        assert by_number[done] not in await found(("start_date", iso(ended["updatedMs"])))
        assert new["orderId"] not in await found(("end_date", iso(new["createdMs"])))
        fills = await owner.told(FILLS, ("start_sequence_timestamp", iso(ended["updatedMs"])))
        assert ids(fills) == [by_number[done]]
        later = ("start_sequence_timestamp", iso(ended["updatedMs"] + 1))
        assert ids(await owner.told(FILLS, later)) == []


@pytest.mark.parametrize(
    "param",
    [("limit", 0), ("limit", 1001), ("limit", "all"), ("cursor", "!"), ("start_date", "yesterday"),
     ("start_date", "2026-01-01T00:00:00")],
)  # fmt: skip
async def test_what_cannot_be_asked_for_is_refused(param: tuple[str, Any]) -> None:
    async with simulator() as exchange:
        owner = await an_owner(exchange)
        status, body = await owner.ask(ORDERS, param)
        assert (status, body["error"]) == (400, "INVALID_ARGUMENT")
        mixed = ("order_status", "OPEN"), ("order_status", "FILLED")
        assert (await owner.ask(ORDERS, *mixed))[0] == 400
        status, body = await owner.ask("/orders/historical/nobody-knows-it")
        assert (status, body["error"]) == (404, "NOT_FOUND")


async def test_requests_of_a_user_are_limited_by_themselves(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(calls, "PER_MINUTE", 180)
    async with simulator() as exchange:
        owner, other = await opened(exchange, 2)
        answers = [await owner.ask("/accounts") for _ in range(4)]
        assert [status for status, _ in answers] == [200, 200, 200, 429]
        assert answers[-1][1]["errors"][0]["id"] == "rate_limit_exceeded"
        assert (await other.ask("/accounts"))[0] == 200
        assert (await exchange.rest(REST, f"{PATH}/time"))[0] == 200
