"""Which accounts are wanted: by whom, until when, and what asking again changes."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from redis.asyncio import Redis

from common.fleet import accounts as module
from common.fleet.account_record import AccountRecord
from common.fleet.accounts import Accounts, TooManyAccounts
from common.fleet.keys import Keys

NOW_MS = 1_795_000_000_000
SINCE = {"opened_ms": NOW_MS, "given_ms": NOW_MS}
ONE = AccountRecord("one", "binance", "spot", "sealed-1", "print-1", **SINCE)
TWO = AccountRecord("two", "bybit", "linear", "sealed-2", "print-2", **SINCE)


@pytest.fixture
def accounts(redis: Redis, keys: Keys, monkeypatch: pytest.MonkeyPatch) -> Accounts:
    monkeypatch.setattr(module, "wall_ms", lambda: NOW_MS)
    return Accounts(redis, keys)


async def test_an_account_is_open_while_anybody_wants_it(accounts: Accounts) -> None:
    assert await accounts.open(ONE, "bot-1")
    assert not await accounts.open(ONE, "bot-2"), "it was open already"
    assert await accounts.wanted_by("one") == {"bot-1": 0, "bot-2": 0}
    assert not await accounts.close("one", "bot-1")
    assert await accounts.all() == {"one": ONE}
    assert await accounts.close("one", "bot-2")
    assert await accounts.all() == {}


async def test_who_wants_many_accounts_is_told_in_few_calls(
    accounts: Accounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_AT_ONCE", 2)
    await accounts.open(ONE, "bot-1")
    await accounts.open(TWO, "bot-1")
    await accounts.open(TWO, "bot-2")
    assert await accounts.wants(["one", "none", "two"]) == {
        "one": {"bot-1": 0},
        "none": {},
        "two": {"bot-1": 0, "bot-2": 0},
    }
    assert await accounts.wants([]) == {}


async def test_asking_twice_counts_once(accounts: Accounts) -> None:
    for _ in range(3):
        await accounts.open(ONE, "bot-1")
    assert await accounts.close("one", "bot-1")


async def test_it_is_closed_by_name_whoever_wants_it(accounts: Accounts) -> None:
    await accounts.open(ONE, "bot-1")
    await accounts.open(ONE, "bot-2", lease_s=60)
    assert await accounts.close("one")
    assert await accounts.wanted_by("one") == {}
    assert not await accounts.close("one")


async def test_who_does_not_renew_its_lease_wants_it_no_more(
    accounts: Accounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    await accounts.open(ONE, "bot-1", lease_s=60)
    await accounts.open(TWO, "bot-1", lease_s=600)
    now_ms = module.wall_ms()
    assert await accounts.prune() == 0
    monkeypatch.setattr(module, "wall_ms", lambda: now_ms + 61_000)
    assert await accounts.prune() == 1
    assert list(await accounts.all()) == ["two"]
    await accounts.open(TWO, "bot-1")
    monkeypatch.setattr(module, "wall_ms", lambda: now_ms + 10_000_000)
    assert await accounts.prune() == 0, "now it is wanted for good"


async def test_a_lease_that_is_renewed_in_the_last_moment_holds(
    accounts: Accounts, redis: Redis, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    await accounts.open(ONE, "bot-1", lease_s=60)
    before = await redis.zrange(keys.accounts_ends, 0, -1, withscores=True)
    await accounts.open(ONE, "bot-1", lease_s=600)
    # The look at what has run out was older than the renewal.
    await redis.zadd(keys.accounts_ends, dict(before))
    monkeypatch.setattr(module, "wall_ms", lambda: NOW_MS + 61_000)
    assert await accounts.prune() == 0
    assert list(await accounts.all()) == ["one"]


async def test_it_knows_since_when_it_is_open(
    accounts: Accounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    await accounts.open(replace(ONE, opened_ms=0), "bot-1")
    monkeypatch.setattr(module, "wall_ms", lambda: NOW_MS + 5)
    await accounts.open(replace(ONE, opened_ms=0), "bot-2")
    await accounts.open(replace(ONE, opened_ms=0, sealed="s-9", fingerprint="print-9"), "bot-1")
    assert (await accounts.all())["one"].opened_ms == NOW_MS
    await accounts.open(replace(ONE, exchange="bybit"), "bot-1")
    assert (await accounts.all())["one"].opened_ms == NOW_MS + 5, "it is another account"


async def test_new_credentials_replace_the_old_ones_and_the_same_ones_change_nothing(
    accounts: Accounts,
) -> None:
    await accounts.open(ONE, "bot-1")
    assert not await accounts.open(replace(ONE, sealed="sealed-otherwise"), "bot-1")
    assert (await accounts.all())["one"] == ONE, "sealed anew, they are the same"
    assert await accounts.open(replace(ONE, sealed="s", fingerprint="print-9"), "bot-1")
    assert (await accounts.all())["one"].fingerprint == "print-9"


async def test_it_can_be_told_to_begin_anew(accounts: Accounts) -> None:
    assert not await accounts.restart("one")
    await accounts.open(ONE, "bot-1")
    assert await accounts.restart("one")
    assert (await accounts.all())["one"].restarts == 1
    await accounts.open(ONE, "bot-2")
    assert (await accounts.all())["one"].restarts == 1


async def test_what_another_version_wrote_can_be_changed_too(
    accounts: Accounts, redis: Redis, keys: Keys
) -> None:
    await accounts.open(ONE, "bot-1")
    body = (await redis.hget(keys.accounts, "one")).replace(b'{"', b'{ "later":1, "')
    await redis.hset(keys.accounts, "one", body)
    assert await accounts.restart("one")
    assert (await accounts.one("one")) == replace(ONE, restarts=1)


async def test_it_is_sealed_anew_only_if_it_is_the_same_still(accounts: Accounts) -> None:
    await accounts.open(ONE, "bot-1")
    assert not await accounts.seal_anew("one", "another", "sealed-new")
    assert await accounts.seal_anew("one", "sealed-1", "sealed-new")
    assert (await accounts.all())["one"].sealed == "sealed-new"


async def test_another_worker_sees_every_change(
    accounts: Accounts, redis: Redis, keys: Keys
) -> None:
    other = Accounts(redis, keys)
    assert await other.all() == {}
    await accounts.open(ONE, "bot-1")
    assert await other.all() == {"one": ONE}
    assert await other.all() is await other.all(), "nothing is read while nothing changes"
    await accounts.close("one")
    assert await other.all() == {}


async def test_there_is_a_limit(accounts: Accounts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_ACCOUNTS", 1)
    await accounts.open(ONE, "bot-1")
    with pytest.raises(TooManyAccounts):
        await accounts.open(TWO, "bot-1")
    assert not await accounts.open(ONE, "bot-2")
    assert await accounts.wanted_by("two") == {}


@pytest.mark.parametrize("name", ["", "a b", "x" * 201])
async def test_a_name_that_is_none_is_refused(accounts: Accounts, name: str) -> None:
    with pytest.raises(ValueError, match="is no name"):
        await accounts.open(replace(ONE, account_id=name), "bot-1")
    with pytest.raises(ValueError, match="is no name"):
        await accounts.open(ONE, name)


async def test_a_record_that_nobody_can_read_hides_no_other(
    accounts: Accounts, redis: Redis, keys: Keys
) -> None:
    await redis.hset(keys.accounts, "broken", "{")
    await accounts.open(ONE, "bot-1")
    assert await Accounts(redis, keys).all() == {"one": ONE}
    assert await accounts.one("broken") is None


async def test_one_account_is_read_without_the_others(accounts: Accounts) -> None:
    assert await accounts.one("one") is None
    await accounts.open(ONE, "bot-1")
    await accounts.open(TWO, "bot-1")
    assert await accounts.one("one") == ONE


# --- what redis loses ---------------------------------------------------------------------------


async def test_what_redis_has_lost_is_put_back_for_those_who_wanted_it(
    redis: Redis, keys: Keys, accounts: Accounts
) -> None:
    await accounts.open(ONE, "bot-1")
    await accounts.open(TWO, "bot-2", lease_s=60)
    known = await accounts.all()
    await accounts.prune()
    await redis.flushdb()
    again = {name: replace(record, restored=True) for name, record in known.items()}
    assert await accounts.all() == again
    assert (await accounts.wanted_by("one")).keys() == {"bot-1"}
    assert (await accounts.wanted_by("two"))["bot-2"] > 0
    assert await Accounts(redis, keys).all() == again, "all others see them too"


async def test_who_wants_it_is_known_from_the_first_and_not_forgotten_with_redis(
    redis: Redis, keys: Keys, accounts: Accounts
) -> None:
    await Accounts(redis, keys).open(ONE, "bot-1")
    await accounts.all()
    await redis.flushdb()
    await accounts.prune()
    await accounts.all()
    assert (await accounts.wanted_by("one")).keys() == {"bot-1"}
    assert await accounts.close("one", "bot-1")


async def test_a_loss_is_known_however_soon_accounts_are_kept_again(
    redis: Redis, keys: Keys, accounts: Accounts
) -> None:
    """Also within the millisecond."""
    lives = set()
    for _ in range(100):
        await accounts.all()
        lives.add(await redis.get(keys.accounts_life))
        await redis.flushdb()
    assert len(lives) == 100


async def test_what_was_opened_since_is_not_overwritten_by_what_is_put_back(
    redis: Redis, keys: Keys, accounts: Accounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    await accounts.open(ONE, "bot-1")
    await accounts.all()
    await redis.flushdb()
    newer = replace(ONE, sealed="sealed-9", fingerprint="print-9")
    monkeypatch.setattr(module, "wall_ms", lambda: NOW_MS + 9)
    await Accounts(redis, keys).open(newer, "bot-9")
    owed = replace(newer, restored=True, given_ms=NOW_MS + 9)
    assert await accounts.all() == {"one": owed}, "and all since it was opened first"


async def test_what_was_accepted_is_not_lost_though_nobody_had_read_it(
    redis: Redis, keys: Keys, accounts: Accounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another, who knows the credentials of before, may put them back first."""
    others = Accounts(redis, keys)
    await accounts.open(ONE, "bot-1")
    for one in (accounts, others):
        await one.all()
    monkeypatch.setattr(module, "wall_ms", lambda: NOW_MS + 9)
    newer = replace(ONE, sealed="sealed-9", fingerprint="print-9", given_ms=NOW_MS + 9)
    assert await accounts.open(newer, "bot-1")
    assert await accounts.open(TWO, "bot-2")
    await redis.flushdb()
    await others.all()
    assert (await accounts.all())["one"] == replace(newer, restored=True)
    assert (await others.all()).keys() == {"one", "two"}
    assert (await others.all())["one"].sealed == "sealed-9"
    assert await others.wanted_by("two") == {"bot-2": 0}


async def test_what_was_closed_is_not_put_back_by_who_closed_it(
    redis: Redis, accounts: Accounts
) -> None:
    await accounts.open(ONE, "bot-1")
    await accounts.open(TWO, "bot-1")
    await accounts.all()
    await accounts.close("one")
    await redis.flushdb()
    assert (await accounts.all()).keys() == {"two"}


async def test_a_redis_that_has_gone_back_gets_what_it_lacks(
    redis: Redis, keys: Keys, accounts: Accounts
) -> None:
    await accounts.open(ONE, "bot-1")
    before = {name: await redis.dump(name) for name in await redis.keys("*")}
    await accounts.all()
    await accounts.open(TWO, "bot-2")
    await accounts.all()
    life = await redis.get(keys.accounts_life)
    await redis.flushdb()
    for name, value in before.items():
        await redis.restore(name, 0, value)
    await redis.set(keys.accounts_life, life)
    assert (await accounts.all()).keys() == {"one", "two"}


async def test_what_was_closed_stays_closed(accounts: Accounts) -> None:
    await accounts.open(ONE, "bot-1")
    await accounts.all()
    await accounts.close("one")
    assert await accounts.all() == {}
    assert await accounts.all() == {}
