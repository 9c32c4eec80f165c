"""Whose turn is when: one bucket for each budget of an address, by Redis' clock, in Lua.

A bucket is one number, the moment up to which its budget is spent (a generic cell rate algorithm):
what is taken moves it on, time catches up with it, and what is ahead of time by no more than a
burst is free to be taken at once. So the answer to a request is when its turn is: whoever has to wait
has a turn already, all are served in the order in which they asked, and nobody asks twice.

What is not urgent takes from the upper half of a burst only, and reserves nothing: it is told when
to ask again, so that what streams wait for is never behind it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Literal, NamedTuple

from common.exchanges.budget import Budget, Cost
from common.fleet.client import CLOCK_LUA, Argument

MICRO = 1_000_000
# No turn is further ahead: whoever would have to wait longer is told so and asks again. Who asks with
# a nearer horizon leaves more of the queue to the others.
HORIZON_S = 20.0
# The share of a burst that is kept for what is urgent.
KEPT = 0.5
# Waits shorter than this are not worth a note, and more notes than this help nobody.
NOTED_S = 1.0
MOST_NOTES = 100

_NOW = (
    CLOCK_LUA
    + """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local hour_ms = 3600000
"""
)

# KEYS: budget, ban, waits
# ARGV: urgent, horizon in us, note,
#   then for each budget: name, cost, burst, us for a unit, most us ahead
# Answers (kind, us to wait, why).
TAKE = (
    _NOW
    + f"""
local noted, most_notes = {NOTED_S * MICRO:.0f}, {MOST_NOTES}
local ban_ms = redis.call('PTTL', KEYS[2])
if ban_ms > 0 then
  return {{'banned', digits(ban_ms * 1000), redis.call('GET', KEYS[2])}}
end
local urgent, horizon = ARGV[1] == '1', tonumber(ARGV[2])
local turn, spent = now, {{}}
for i = 4, #ARGV, 5 do
  local cost, burst, each = tonumber(ARGV[i + 1]), tonumber(ARGV[i + 2]), tonumber(ARGV[i + 3])
  local to, most = tonumber(redis.call('HGET', KEYS[1], ARGV[i]) or 0), now + tonumber(ARGV[i + 4])
  if to > most then -- the clock went back: nothing else spends so far ahead
    to = most
    redis.call('HSET', KEYS[1], ARGV[i], digits(to))
  end
  spent[i] = math.max(now, to)
  local kept = urgent and 0 or math.min(burst * {KEPT}, burst - cost)
  turn = math.max(turn, math.ceil(spent[i] + (cost + kept - burst) * each))
end
local wait = turn - now
local kind = 'turn'
if wait > 0 and not urgent then
  kind = 'later'
elseif wait > horizon then
  kind = 'full'
else
  for i = 4, #ARGV, 5 do
    local after = math.max(spent[i], turn) + ARGV[i + 1] * ARGV[i + 3]
    redis.call('HSET', KEYS[1], ARGV[i], digits(math.ceil(after)))
  end
  redis.call('PEXPIRE', KEYS[1], hour_ms)
end
if wait >= noted and kind ~= 'full' then
  redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', digits(now))
  if redis.call('ZCARD', KEYS[3]) < most_notes then
    redis.call('ZADD', KEYS[3], digits(turn), ARGV[3])
  end
  redis.call('PEXPIRE', KEYS[3], hour_ms)
end
return {{kind, digits(wait), ''}}
"""
)

# KEYS: budget   ARGV: name, us ahead of now, most us ahead
LEARN = (
    _NOW
    + """
local to = math.ceil(now + math.min(tonumber(ARGV[2]), tonumber(ARGV[3])))
if to > tonumber(redis.call('HGET', KEYS[1], ARGV[1]) or 0) then
  redis.call('HSET', KEYS[1], ARGV[1], digits(to))
  redis.call('PEXPIRE', KEYS[1], hour_ms)
end
return 1
"""
)

# KEYS: ban   ARGV: ms, why. A shorter ban never ends a longer one. Answers how long it is now, ms.
BAN = """
local left = redis.call('PTTL', KEYS[1])
if left < tonumber(ARGV[1]) then
  redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[1])
  return tonumber(ARGV[1])
end
return left
"""


class Turn(NamedTuple):
    """What a request is answered: ``turn`` after ``wait_s``, ask again ``later``, or not at all."""

    kind: Literal["turn", "later", "full", "banned"]
    wait_s: float
    detail: str = ""


def asked(budgets: Mapping[str, Budget], cost: Cost) -> Iterator[Argument]:
    """The arguments of ``TAKE`` for what is to be spent."""
    for name, units in cost.items():
        budget = budgets[name]
        yield from (name, units, budget.burst, each_us(budget), most_ahead_us(budget))


def each_us(budget: Budget) -> int:
    """How long it takes for a unit to come back; whole, so that sums are exact."""
    return math.ceil(MICRO / budget.per_s)


def most_ahead_us(budget: Budget) -> int:
    """How far a budget may be spent: a burst, and then by reservations or by what was learned."""
    return budget.burst * each_us(budget) + round(max(HORIZON_S, budget.window_s) * MICRO)


class Alone:
    """The same bucket for one process alone, in machine time: its part while Redis is away.

    It begins empty: what it has just taken through Redis, or another has, is not known here.
    """

    def __init__(self) -> None:
        # By exchange and budget: as many as there are.
        self._spent: dict[tuple[str, str], float] = {}

    def take(
        self,
        exchange: str,
        budgets: Mapping[str, Budget],
        cost: Cost,
        *,
        urgent: bool,
        sharers: int,
        now_s: float,
        horizon_s: float = HORIZON_S,
    ) -> Turn:
        """The turn of a request, when ``sharers`` processes divide each budget among them."""
        turn_s, after = now_s, {}
        for name, units in cost.items():
            budget = budgets[name]
            # One request is always possible, however many share.
            burst, each_s = max(units, budget.burst / sharers), sharers / budget.per_s
            begin_s = now_s + budget.burst / budget.per_s
            spent_s = max(now_s, self._spent.setdefault((exchange, name), begin_s))
            kept = 0.0 if urgent else max(0.0, min(burst * KEPT, burst - units))
            turn_s = max(turn_s, spent_s + (units + kept - burst) * each_s)
            after[exchange, name] = (spent_s, units * each_s)
        wait_s = turn_s - now_s
        if wait_s > 0 and not urgent:
            return Turn("later", wait_s)
        if wait_s > horizon_s:
            return Turn("full", wait_s)
        for key, (spent_s, units_s) in after.items():
            self._spent[key] = max(spent_s, turn_s) + units_s
        return Turn("turn", wait_s)
