"""Accounts: who trades, what they own, and everything that happened to them. No exchange, no socket.

``Account`` is the truth of one account: operations change it, and each appends one ``Fact`` to its
log. ``Accounts`` holds them all and hands their facts to whoever spells them; ``Trader`` decides what
happens next. How a fact becomes frames and rows is an exchange's own business
(``simulator.exchanges.protocol.PrivateSide``).
"""
