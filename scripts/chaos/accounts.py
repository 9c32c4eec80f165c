"""The accounts of a run against the truth, given what was done. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from common.exchanges.registry import PRIVATE
from scripts.chaos.account_causes import disturbed, explains, felt_by_accounts
from scripts.chaos.account_words import judge_lateness, judge_parking, words_of
from scripts.chaos.carried import Carried
from scripts.chaos.causes import mute, ownerless
from scripts.chaos.evidence import Evidence
from scripts.chaos.truth import told_of
from scripts.quick.account_judge import judge_account
from scripts.quick.account_verdict import AccountVerdict, Body
from scripts.quick.accounts import Opened

# An exchange's clock is measured by a request and its answer, which a fault may slow down.
MEASURED_WITHIN_S = 2.0
# Of the orders that can be found by nothing if they are not heard, at most so many are not: something is
# always going on somewhere, which is no excuse for all of them.
MOST_UNHEARD = 0.25


def judge_accounts(
    evidence: Evidence,
    opened: Sequence[Opened],
    truths: Mapping[str, Body],
    users: Collection[str],
) -> AccountVerdict:
    """The verdict on all of them.

    Args:
        evidence: what the run has brought to light.
        opened: which accounts were streamed.
        truths: what is true of each, by the exchange's name of it.
        users: the workers that serve accounts, as faults call them.
    """
    verdict, clock = AccountVerdict(), evidence.clock
    told, said = told_of(evidence.deliveries), words_of(evidence.deliveries)
    felt = felt_by_accounts(evidence.carried, users)
    quiet = sorted([*mute(felt), *ownerless(felt)])
    for one in opened:
        rules, truth = PRIVATE[one.exchange].markets[one.market], truths[one.name]
        messages = told.get(one.account_id, ())
        judge_account(
            verdict,
            messages,
            truth,
            one.market,
            fees=rules.streams_fees,
            lists_all=rules.lists_all,
            dated=rules.dates_orders,
            disturbed=disturbed(felt, one.exchange, one.name, clock),
            early_ms=_early_s(felt, one.exchange) * 1000 * clock.speed,
            explains=explains(felt, said.get(one.account_id, ())),
        )
        words = said.get(one.account_id, ())
        judge_lateness(verdict, one, messages, words, truth, clock, quiet)
    judge_parking(verdict, opened, said, felt)
    if verdict.orders_unheard > MOST_UNHEARD * verdict.orders_by_symbol:
        reason = f"{verdict.orders_unheard} of {verdict.orders_by_symbol} without a trade unheard"
        verdict.blame("orders_missing", "by symbol", reason)
    return verdict


def _early_s(felt: Sequence[Carried], exchange: str) -> float:
    """How far what was taken for the exchange's time may have been behind."""
    set_back_s = [
        abs(float(one.fault.how["s"]))
        for one in felt
        if one.fault.kind == "skew_clock" and one.fault.target.partition(":")[0] == exchange
    ]
    return MEASURED_WITHIN_S + max(set_back_s, default=0.0)
