"""Every key in Redis, in one place. All of them begin with the prefix of the settings.

===============================  ======  ========================  ===================================
key (after the prefix)           type    lives                     holds
===============================  ======  ========================  ===================================
``lease:<shard>``                string  lease TTL                 ``<epoch> <owner>``
``epochs``                       hash    for good                  shard -> last epoch minted
``members``                      zset    as long as its members    worker id -> end of its record, ms
``member:<worker id>``           string  lease TTL                 the worker's record, JSON
``desired``                      hash    for good, wants expire    ``<pattern> <who>`` -> until, since
``desired:version``              string  for good                  version of the hash above
``buckets``                      hash    for good                  exchange:market:channel -> count
``instruments:<place>``          string  for good                  instruments, JSON, deflated
``instruments:<place>:version``  string  for good                  version, fetch time in ms
``instruments:<place>:lock``     string  one fetch, or one wait    token of the worker that fetches
``checkpoints:<place>``          hash    for good                  stream -> ``<epoch> <shard> <kept>``
``checkpoints:since``            string  for good                  since when checkpoints are kept, ms
``last:<place>:<symbol>``        hash    a setting                 its ticker, its last candles
``budget:<address>``             hash    an hour after its use     budget -> spent up to when, us
``ban:<address>``                string  the ban                   why, and who was told, JSON
``waits:<address>``              zset    the longest wait          who waits for what, JSON -> turn, us
``accounts``                     hash    while it is wanted        account -> its record, JSON, sealed
``accounts:version``             string  for good                  version of the hash above
``accounts:life``                string  for good                  since when accounts are kept, us
``accounts:ends``                zset    as long as its wants      ``<account> <who>`` -> until, ms
``account:<account>:wanted``     hash    as long as its wants      who -> until in ms (0: for good)
``account:<account>:ledger``     hash    30 days after its use     orders, holdings, how far it is told
``breaker:<fingerprint>``        string  until tried twice more    why credentials were refused, JSON
===============================  ======  ========================  ===================================

A place is ``exchange:market``, an address ``exchange:egress``. What lives for good is bounded by
what exists (shards, listed symbols) or by a limit where it is written (wants). Losing all of it
loses no promise: epochs go on from Redis' clock, wants, checkpoints and bans are put back by the
workers that knew them, a stream whose owner is gone too looks back by REST, the rest is made again.
"""

from __future__ import annotations

from msgspec import Struct

from common.model.streams import Market

DEFAULT_PREFIX = "fleet:"


class Keys(Struct, frozen=True):
    """The names, for one prefix."""

    prefix: str = DEFAULT_PREFIX

    def lease(self, shard: str) -> str:
        """Who owns a shard now."""
        return f"{self.prefix}lease:{shard}"

    @property
    def epochs(self) -> str:
        """The last epoch of every shard."""
        return f"{self.prefix}epochs"

    @property
    def members(self) -> str:
        """Which workers there are."""
        return f"{self.prefix}members"

    def member(self, worker_id: str) -> str:
        """What a worker says about itself."""
        return f"{self.prefix}member:{worker_id}"

    @property
    def desired(self) -> str:
        """Who wants what until when."""
        return f"{self.prefix}desired"

    @property
    def desired_version(self) -> str:
        """Changes with every change of what is wanted."""
        return f"{self.prefix}desired:version"

    @property
    def buckets(self) -> str:
        """Into how many shards a channel is divided."""
        return f"{self.prefix}buckets"

    def checkpoints(self, exchange: str, market: Market) -> str:
        """Where the candle streams of a market stand."""
        return f"{self.prefix}checkpoints:{exchange}:{market}"

    @property
    def checkpoints_since(self) -> str:
        """Since when Redis has kept checkpoints."""
        return f"{self.prefix}checkpoints:since"

    def budget(self, exchange: str, egress: str) -> str:
        """What of an address' budgets is spent."""
        return f"{self.prefix}budget:{exchange}:{egress}"

    def ban(self, exchange: str, egress: str) -> str:
        """Whether the exchange refuses the address."""
        return f"{self.prefix}ban:{exchange}:{egress}"

    def waits(self, exchange: str, egress: str) -> str:
        """Who waits for a budget of the address."""
        return f"{self.prefix}waits:{exchange}:{egress}"

    def last(self, exchange: str, market: Market, symbol: str) -> str:
        """The last values of a symbol."""
        return f"{self.prefix}last:{exchange}:{market}:{symbol}"

    def instruments(self, exchange: str, market: Market) -> str:
        """What a market lists."""
        return f"{self.prefix}instruments:{exchange}:{market}"

    def instruments_version(self, exchange: str, market: Market) -> str:
        """Which list that is, and from when."""
        return f"{self.prefix}instruments:{exchange}:{market}:version"

    def instruments_lock(self, exchange: str, market: Market) -> str:
        """Who fetches it, or how long nobody shall."""
        return f"{self.prefix}instruments:{exchange}:{market}:lock"

    @property
    def accounts(self) -> str:
        """The accounts that are to be streamed."""
        return f"{self.prefix}accounts"

    @property
    def accounts_version(self) -> str:
        """Changes with every change of them."""
        return f"{self.prefix}accounts:version"

    @property
    def accounts_life(self) -> str:
        """Since when Redis has kept accounts."""
        return f"{self.prefix}accounts:life"

    @property
    def accounts_ends(self) -> str:
        """Until when who wants which account, where that ends by itself."""
        return f"{self.prefix}accounts:ends"

    def account_wanted(self, account_id: str) -> str:
        """Who wants an account."""
        return f"{self.prefix}account:{account_id}:wanted"

    def ledger(self, name: str) -> str:
        """What is known of an account, by ``ledger_name``."""
        return f"{self.prefix}ledger:{name}"

    def breaker(self, fingerprint: str) -> str:
        """Whether credentials are refused."""
        return f"{self.prefix}breaker:{fingerprint}"
