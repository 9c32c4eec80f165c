"""What is done for a live account beside hearing it: kept alive, compared with REST, and asked for what is owed."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Awaitable, Callable

from loguru import logger

from common.clocks import machine_s
from common.exchanges.private import Credentials, InquiryFailed
from common.session.venue import Venue
from workers.teller import Teller

# After what an order did, where the socket does not tell balances.
BALANCES_S = 2.0
# What is asked for by a frame that was not understood.
SOON_S = 5.0
# What could not be asked, and ends nothing.
AGAIN_S = 30.0
# So often one worker asks of all accounts of a place whether they are streamed still.
PROOFS_PER_S = 1.0


class Chores:
    """The chores of one life.

    Each is planned anew before it is done: what is asked for meanwhile is not forgotten with it.

    Args:
        venue: where the account is.
        teller: asks, and tells.
        url, credentials: what was opened, and with what.
        reconcile_s: how often it is compared with REST.
        crowd: tells how many accounts this worker has at that place.
    """

    def __init__(
        self,
        venue: Venue,
        teller: Teller,
        url: str,
        credentials: Credentials,
        reconcile_s: float,
        crowd: Callable[[], int],
    ) -> None:
        self._venue, self._teller = venue, teller
        self._url, self._credentials = url, credentials
        self._every_s = reconcile_s
        self._crowd = crowd
        self._rules = venue.private.markets[venue.market]
        # When each is due, in machine seconds.
        self._reconcile_s = machine_s() + self._beat_s()
        self._keep_s = math.inf
        self._owed_s = math.inf
        self._changed = asyncio.Event()
        self._plan_keeping()
        self.owe()

    # --- what is planned ------------------------------------------------------------------------

    def owe(self) -> None:
        """Fills may be missing that a state has told of."""
        in_s = self._teller.owed_in_s
        if in_s is not None:
            self._owed_s = min(self._owed_s, machine_s() + in_s)
            self._changed.set()

    def compare_soon(self) -> None:
        """Something happened, and it is not known what: REST knows."""
        self._compare_in(SOON_S)

    def traded(self) -> None:
        """Orders have changed; where the socket does not tell what that did to the balances, REST does."""
        if not self._rules.streams_balances:
            self._compare_in(BALANCES_S)

    def _compare_in(self, in_s: float) -> None:
        self._reconcile_s = min(self._reconcile_s, machine_s() + in_s)
        self._changed.set()

    def _plan_keeping(self) -> None:
        keep_s, proof_s = self._rules.keep_s, self._rules.proof_s
        if keep_s is None or self._venue.private.keep is None:
            return
        if proof_s is not None:
            keep_s = min(keep_s, max(proof_s, self._crowd() / PROOFS_PER_S))
        self._keep_s = machine_s() + keep_s * random.uniform(0.8, 1.0)

    def _beat_s(self) -> float:
        return self._every_s * random.uniform(0.75, 1.25)

    # --- what is done ---------------------------------------------------------------------------

    async def run(self) -> None:
        """For ever.

        Raises:
            InquiryFailed: the account cannot be streamed as it is.
        """
        while True:
            self._changed.clear()
            due_s = min(self._keep_s, self._owed_s, self._reconcile_s)
            try:
                async with asyncio.timeout(max(0.0, due_s - machine_s())):
                    await self._changed.wait()
            except TimeoutError:
                await self._do_due()

    async def _do_due(self) -> None:
        now_s = machine_s()
        if now_s >= self._keep_s:
            await self._keep()
        if now_s >= self._owed_s:
            self._owed_s = math.inf
            again_s = await self._patiently(self._teller.settle_owed())
            if again_s is not None:
                self._owed_s = min(self._owed_s, machine_s() + again_s)
            else:
                self.owe()
        if now_s >= self._reconcile_s:
            self._reconcile_s = math.inf
            again_s = await self._patiently(self._teller.reconcile(entire=False))
            self._compare_in(self._beat_s() if again_s is None else again_s)
            self.owe()

    async def _keep(self) -> None:
        keep = self._venue.private.keep
        assert keep is not None
        inquiry = keep(self._venue.market, self._credentials, self._url)
        again_s = await self._patiently(self._teller.ask(inquiry))
        if again_s is None:
            self._plan_keeping()
        else:
            self._keep_s = machine_s() + again_s

    async def _patiently(self, asking: Awaitable[None]) -> float | None:
        """What passes by itself ends nothing: when to ask again; None if it was answered."""
        try:
            await asking
        except InquiryFailed as failed:
            if failed.trouble not in ("transient", "rate"):
                raise
            logger.bind(place=self._venue.name, reason=failed.failure.detail).info(
                "an account could not be asked for, tried again"
            )
            return max(AGAIN_S, failed.failure.retry_after_s or 0.0) * random.uniform(1, 1.5)
        return None
