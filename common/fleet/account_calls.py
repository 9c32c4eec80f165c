"""What is done with accounts in Redis, each in one call: see ``common.fleet.accounts``.

Every change raises the version by which workers see that something is different.
"""

from __future__ import annotations

from common.fleet.client import CLOCK_LUA

_CHANGED = (
    CLOCK_LUA
    + """
local function changed(key)
  redis.call('SET', key, digits(above(redis.call('GET', key) or 0)))
end
"""
)

# KEYS: accounts, version, ends, wanted   ARGV: account, record, who, until in ms (0: for good), most
# Answers -1: too many; 1: it is new or another than before; 0: it was wanted so already.
OPEN = (
    _CHANGED
    + """
local old = redis.call('HGET', KEYS[1], ARGV[1])
if not old and redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[5]) then
  return -1
end
redis.call('HSET', KEYS[4], ARGV[3], ARGV[4])
if ARGV[4] == '0' then
  redis.call('ZREM', KEYS[3], ARGV[1] .. ' ' .. ARGV[3])
else
  redis.call('ZADD', KEYS[3], ARGV[4], ARGV[1] .. ' ' .. ARGV[3])
end
if old == ARGV[2] then
  return 0
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
changed(KEYS[2])
return 1
"""
)

# KEYS: accounts, version, ends, wanted
# ARGV: account, (who; none: everybody, (only if that has run out by then, in ms))
# Answers 1: nobody wants it any more; 0: somebody does, or nobody did.
CLOSE = (
    _CHANGED
    + """
local whos = {ARGV[2]}
if ARGV[3] then
  local until_ms = tonumber(redis.call('HGET', KEYS[4], ARGV[2]) or 0)
  if until_ms == 0 or until_ms > tonumber(ARGV[3]) then
    return 0
  end
end
if not ARGV[2] then
  whos = redis.call('HKEYS', KEYS[4])
end
for _, who in ipairs(whos) do
  redis.call('HDEL', KEYS[4], who)
  redis.call('ZREM', KEYS[3], ARGV[1] .. ' ' .. who)
end
if redis.call('EXISTS', KEYS[4]) == 1 then
  return 0
end
if redis.call('HDEL', KEYS[1], ARGV[1]) == 0 then
  return 0
end
changed(KEYS[2])
return 1
"""
)

# KEYS: accounts, version   ARGV: account, record that it has to have, record that it gets
REPLACE = (
    _CHANGED
    + """
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then
  return 0
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
changed(KEYS[2])
return 1
"""
)

# KEYS: accounts, version, life   ARGV: version known
# The life is when Redis began to keep accounts: another one has lost what the one before knew.
READ = (
    CLOCK_LUA
    + """
redis.call('SETNX', KEYS[3], digits(above(0)))
local version, life = redis.call('GET', KEYS[2]) or '0', redis.call('GET', KEYS[3])
if version == ARGV[1] then
  return {life, version}
end
return {life, version, redis.call('HGETALL', KEYS[1])}
"""
)

# KEYS: accounts, version, ends, wanted   ARGV: account, record, (who, until in ms)...
# Answers 1: it was put back; 0: it is there.
RESTORE = (
    _CHANGED
    + """
if redis.call('HSETNX', KEYS[1], ARGV[1], ARGV[2]) == 0 then
  return 0
end
for i = 3, #ARGV, 2 do
  redis.call('HSET', KEYS[4], ARGV[i], ARGV[i + 1])
  if ARGV[i + 1] ~= '0' then
    redis.call('ZADD', KEYS[3], ARGV[i + 1], ARGV[1] .. ' ' .. ARGV[i])
  end
end
changed(KEYS[2])
return 1
"""
)
