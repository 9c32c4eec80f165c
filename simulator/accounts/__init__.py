"""Accounts: who trades, what they own, and everything that happened to them. No exchange, no socket.

``Account`` is the truth of one account: operations change it, and each appends one ``Fact`` to its
log. ``Accounts`` holds them all, ``Trader`` decides what happens next, and ``Delivery`` hands the facts
to whoever spells them. How a fact becomes frames and rows is an exchange's own business
(``simulator.exchanges.protocol.PrivateSide``).
"""
