"""What is done with instrument lists in Redis, each in one call: see ``common.fleet.directory``."""

from __future__ import annotations

from common.fleet.client import CLOCK_LUA

# KEYS: list, version, lock   ARGV: token, list, fetched ms
# Only by the holder of the lock: who was slower than it must not put an older list back.
STORE = (
    CLOCK_LUA
    + """
if redis.call('GET', KEYS[3]) ~= ARGV[1] then
  return 0
end
local old = redis.call('GET', KEYS[2])
local version = above(old and string.match(old, '^%d+') or 0)
redis.call('SET', KEYS[1], ARGV[2])
redis.call('SET', KEYS[2], digits(version) .. ' ' .. ARGV[3])
redis.call('DEL', KEYS[3])
return version
"""
)

# KEYS: list, version   ARGV: list, fetched ms
# Answers 0 where there is one again.
PUT_BACK = (
    CLOCK_LUA
    + """
if redis.call('EXISTS', KEYS[2]) == 1 then
  return 0
end
local version = above(0)
redis.call('SET', KEYS[1], ARGV[1])
redis.call('SET', KEYS[2], digits(version) .. ' ' .. ARGV[2])
return version
"""
)

# KEYS: lock   ARGV: token, ms that it is to stand from now
HOLD_OFF = """
if redis.call('GET', KEYS[1]) == ARGV[1] then
  return redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
return 0
"""
