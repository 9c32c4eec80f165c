"""The fleet in Redis: who is there, who owns what, what is wanted, and who should do it.

Redis holds the truth, every worker reads it each tick and moves a step towards it. Nothing here
is told by pub/sub, so nothing is lost by not listening. ``sharding``, ``placement`` and the making
of a plan are pure; the rest speaks to Redis and raises ``RedisAway`` when it does not answer.
"""
