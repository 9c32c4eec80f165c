"""``python -m scripts.fleet``: what people ask, and what they are told when there is no answer."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys

import pytest

from common.exchanges.registry import EXCHANGES
from common.fleet.budgets import Budgets
from common.fleet.client import connect
from common.fleet.keys import Keys
from common.fleet.last import LastValues
from common.model.events import Ticker
from common.model.intervals import INTERVALS
from scripts.children import PROJECT
from scripts.fleet.__main__ import main
from tests.recovery.bars import bar
from tests.support.waiting import until


def fleet(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "scripts.fleet", *arguments],
        cwd=PROJECT,
        env=os.environ | settings,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_every_place_says_where_each_interval_comes_from(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["exchanges", "--json"]) == 0
    places = json.loads(capsys.readouterr().out)
    found = {(place["exchange"], place["market"], place["channel"]) for place in places}
    assert found == {
        (exchange.name, market, channel)
        for exchange in EXCHANGES.values()
        for market, rules in exchange.markets.items()
        for channel in rules.channels
    }
    for place in places:
        if place["channel"] == "candle":
            assert sorted(place["native"] + place["built"]) == sorted(INTERVALS), place
            assert place["missing"] == []


def test_the_table_is_for_people_and_can_be_of_one_exchange(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["exchanges", "coinbase"]) == 0
    text = capsys.readouterr().out
    assert "1m (trades)" in text
    assert "settled by REST" in text
    assert "binance" not in text


def test_an_unknown_exchange_is_refused_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        main(["last", "mtgox", "spot", "BTCUSD"])
    assert refused.value.code == 2
    assert "mtgox" in capsys.readouterr().err


@pytest.mark.engines
def test_the_last_values_of_a_symbol(redis_url: str) -> None:
    async def keep() -> None:
        redis = connect(redis_url)
        values = LastValues(redis, Keys("cli:"), 60)
        values.note(Ticker("binance", "spot", "BTCUSDT", 5, "64000.10", bid="63999"))
        values.note(bar(0, close="1.5"))
        await values.flush()
        await redis.aclose()

    asyncio.run(keep())
    settings = {"REDIS_URL": redis_url, "REDIS_PREFIX": "cli:"}
    told = fleet("last", "binance", "spot", "BTCUSDT", **settings)
    assert told.returncode == 0, told.stderr
    lines = told.stdout.splitlines()
    assert lines[1].split()[0] == "ticker"
    assert "64000.10" in lines[1]
    assert lines[2].split()[:2] == ["candle:1m", str(bar(0).start_ms)]
    assert lines[-1] == "no worker serves it now"
    document = json.loads(fleet("last", "binance", "spot", "BTCUSDT", "--json", **settings).stdout)
    assert document["values"]["ticker"]["last"] == "64000.10"
    assert document["values"]["candle:1m"]["close"] == "1.5"
    assert document["connections"] == []


@pytest.mark.engines
def test_nothing_known_is_said_with_the_reasons_there_may_be(redis_url: str) -> None:
    told = fleet("last", "binance", "spot", "NOSUCH", REDIS_URL=redis_url)
    assert (told.returncode, told.stdout) == (1, "")
    assert "nothing is known of binance spot NOSUCH" in told.stderr


def test_a_redis_that_is_away_is_named() -> None:
    told = fleet("last", "binance", "spot", "BTCUSDT", REDIS_URL="redis://:word@127.0.0.1:1/0")
    assert told.returncode == 1
    assert "127.0.0.1:1" in told.stderr
    assert "word" not in told.stderr


@pytest.mark.engines
def test_what_an_address_has_spent_who_waits_and_what_is_banned(redis_url: str) -> None:
    async def spend() -> None:
        redis = connect(redis_url)
        binance, okx = EXCHANGES["binance"], EXCHANGES["okx"]
        budgets = Budgets(redis, Keys("cli:"), "10.0.0.9", "worker-7")
        await budgets.spend(binance, {"spot": 20}, "instruments")
        await budgets.spend(binance, {"connections": 60}, "dial")
        waiting = asyncio.create_task(budgets.spend(binance, {"connections": 6}, "dial anew"))
        await until(lambda: budgets.counts["budget_waits"])
        await budgets.ban(okx, 120.0, "HTTP 429 Too Many Requests")
        waiting.cancel()
        await asyncio.wait({waiting})
        await redis.aclose()

    asyncio.run(spend())
    settings = {"REDIS_URL": redis_url, "REDIS_PREFIX": "cli:", "EGRESS": "10.0.0.9"}
    text = fleet("budget", **settings).stdout
    assert "binance 10.0.0.9: worker-7 waits" in text
    assert "for dial anew, its turn in" in text
    assert "okx refuses 10.0.0.9 until" in text
    assert "HTTP 429 Too Many Requests, told to worker-7" in text
    (use,) = json.loads(fleet("budget", "binance", "--json", **settings).stdout)
    spent = {budget["budget"]: budget for budget in use["budgets"]}
    assert spent["connections"]["capacity"] == 300
    assert spent["connections"]["spent"] > 60
    assert spent["connections"]["waitS"] > 0
    assert spent["futures"]["spent"] == 0
    assert use["waiting"][0]["who"] == "worker-7"
    assert use["banned"] is None
