"""Instruments that are traded before the list has them: the list is renewed for them, once for all."""

from __future__ import annotations

import asyncio

import pytest
from redis.asyncio import Redis

from common.exchanges.listings import Strict, Unlisted
from common.fleet import learning as module
from common.fleet.directory import Directory
from common.fleet.keys import Keys
from common.fleet.learning import Learning
from tests.fleet.test_directory import SPOT, Lister
from tests.fleet.test_sharding import instrument


@pytest.fixture
def lister() -> Lister:
    return Lister("BTCUSDT")


@pytest.fixture
async def listings(redis: Redis, keys: Keys, lister: Lister) -> Learning:
    directory = Directory(redis, keys, lister)
    await directory.refresh(*SPOT)
    return Learning(directory)


def test_a_strict_catalog_says_what_it_needs_and_answers_what_is_only_asked() -> None:
    catalog = Strict({"A": instrument("A")}, {"GONE"}.__contains__)
    assert (catalog.get("A"), catalog.get("GONE")) == (instrument("A"), None)
    assert "B" not in catalog
    assert list(catalog) == ["A"]
    with pytest.raises(Unlisted, match="B"):
        catalog.get("B")


async def test_a_list_that_is_not_old_is_renewed_for_an_instrument_that_it_lacks(
    listings: Learning, lister: Lister
) -> None:
    lister.symbols = ("BTCUSDT", "NEWUSDT")
    with pytest.raises(Unlisted):
        listings.strict(*SPOT).get("NEWUSDT")
    await listings.learn(*SPOT, "NEWUSDT")
    assert listings.strict(*SPOT).get("NEWUSDT") == instrument("NEWUSDT")
    assert lister.calls == 2


async def test_all_who_ask_at_once_are_served_by_one_fetch(
    listings: Learning, redis: Redis, keys: Keys, lister: Lister
) -> None:
    lister.symbols, lister.hangs = ("BTCUSDT", "NEWUSDT"), asyncio.Event()
    # Another process, which has read the list that there is.
    directory = Directory(redis, keys, lister)
    await directory.catalog(*SPOT)
    others = Learning(directory)
    asking = asyncio.gather(
        *(one.learn(*SPOT, f"{name}USDT") for one in (listings, others) for name in ("NEW", "OLD"))
    )
    while lister.calls < 2:  # noqa: ASYNC110 - the fetch is the test's own
        await asyncio.sleep(0.01)
    lister.hangs.set()
    await asking
    assert lister.calls == 2
    for one in (listings, others):
        assert one.strict(*SPOT).get("NEWUSDT") == instrument("NEWUSDT")
        assert one.strict(*SPOT).get("OLDUSDT") is None


async def test_what_is_in_no_list_is_looked_for_again_later_not_every_time(
    listings: Learning, lister: Lister, monkeypatch: pytest.MonkeyPatch
) -> None:
    await listings.learn(*SPOT, "GONEUSDT")
    assert listings.strict(*SPOT).get("GONEUSDT") is None
    assert lister.calls == 2
    monkeypatch.setattr(module, "UNLISTED_S", -1.0)
    await listings.learn(*SPOT, "LOSTUSDT")
    with pytest.raises(Unlisted):
        listings.strict(*SPOT).get("LOSTUSDT")


async def test_where_no_list_can_be_had_it_is_not_waited_for_for_ever(
    listings: Learning, lister: Lister, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LEARN_S", 0.2)
    lister.failure = OSError("no way there")
    await listings.learn(*SPOT, "NEWUSDT")
    assert listings.strict(*SPOT).get("NEWUSDT") is None
