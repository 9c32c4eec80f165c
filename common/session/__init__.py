"""One connection to one exchange: life cycle, transport, subscriptions, liveness, reconnect.

State, I/O and policy are three things here. ``lifecycle``, ``backoff`` and ``subscriptions`` are
pure and are told the time; ``transport`` is the only I/O; ``connection`` lives one life and ends
with an ``Outcome``; ``runner`` alone decides what follows from it.
"""
