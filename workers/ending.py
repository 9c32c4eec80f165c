"""How a life of an account ended, and for how long it is left alone."""

from __future__ import annotations

import random
from collections.abc import Mapping

from common.exchanges.private import Denied, InquiryFailed, Trouble
from common.exchanges.protocol import Reason
from common.fleet.account_record import AccountRecord
from common.fleet.breaker import TRIPS, Breaker
from common.fleet.client import RedisAway
from common.session.line import LineEnded
from common.session.outcome import Outcome, after

# Refused credentials, where nobody could be told of them.
UNTOLD_S = 60.0
# Many accounts are refused together, and must not all come again together.
SPREAD = 1.05

_REASONS: Mapping[Trouble, Reason] = {"rate": "rate", "config": "config"}


class Ended(Exception):  # noqa: N818 - it says what has happened
    """A life of the account is over."""

    def __init__(
        self, trouble: Trouble, detail: str, wait_s: float | None = None, *, known: bool = False
    ) -> None:
        super().__init__(detail)
        self.trouble: Trouble = trouble
        self.detail = detail
        self.wait_s = wait_s
        # Whether the breaker knows of it already.
        self.known = known


class Pauses:
    """How long one account rests between its lives.

    Args:
        record: which account.
        breaker: knows of refused credentials.
    """

    def __init__(self, record: AccountRecord, breaker: Breaker) -> None:
        # What a key may do differs by market, and an exchange may call it wrong where it may not.
        self._fingerprint = f"{record.fingerprint}:{record.exchange}:{record.market}"
        self._breaker = breaker
        self._failures = 0
        # Whether the breaker holds something against these credentials.
        self._refused = False

    async def look(self) -> None:
        """Whether the account may be tried now.

        Raises:
            Ended: its credentials were refused not long enough ago.
            RedisAway: nothing is known.
        """
        tripped = await self._breaker.look(self._fingerprint)
        if tripped is None:
            return
        self._refused = True
        if tripped.wait_s:
            raise Ended(tripped.trouble, tripped.detail, tripped.wait_s, known=True)

    async def proved(self) -> None:
        """Something genuine came of the account.

        Raises:
            RedisAway: the others do not know it.
        """
        if self._refused:
            await self._breaker.close(self._fingerprint)
            self._refused = False

    async def after(self, ended: Ended, flowed_s: float) -> float:
        """For how long to rest, after so many seconds in which it flowed."""
        if ended.trouble in TRIPS:
            wait_s = (ended.wait_s or 0.0) if ended.known else await self._trip(ended)
            return max(wait_s, 1.0) * random.uniform(1.0, SPREAD)
        reason = _REASONS.get(ended.trouble, "transient")
        outcome = Outcome("refused", reason, ended.detail, flowed_s, ended.wait_s)
        decision = after(outcome, self._failures, random.random())
        self._failures = decision.failures
        return decision.delay_s

    async def _trip(self, ended: Ended) -> float:
        try:
            return (await self._breaker.trip(self._fingerprint, ended.trouble, ended.detail)).wait_s
        except RedisAway:
            return UNTOLD_S


def ended_by(error: Exception) -> Ended:
    """What an error that ended a life means."""
    match error:
        case Ended():
            return error
        case InquiryFailed():
            return Ended(error.trouble, error.failure.detail, error.failure.retry_after_s)
        case LineEnded():
            return _line_ended(error.why)
        case _:
            return Ended("transient", f"{type(error).__name__}: {error}")


def _line_ended(why: Outcome | Denied) -> Ended:
    if isinstance(why, Denied):
        return Ended(why.trouble, why.detail)
    if why.reason == "auth":
        # A handshake shows what was opened for the account, which may have run out. Were the key wrong,
        # nothing would have been opened.
        return Ended("expired" if why.cause == "refused" else "key", why.detail)
    trouble: Trouble = "rate" if why.reason == "rate" else "transient"
    return Ended(trouble, f"{why.cause}: {why.detail}", why.retry_after_s)
