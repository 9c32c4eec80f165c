"""What is kept of an account that is wanted, and which of two records of it counts. Pure; wall times."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct
from msgspec.structs import replace

from common.fleet.ledgers import ledger_name
from common.model.streams import Market


class AccountRecord(Struct, frozen=True):
    """One account as it is kept.

    Attributes:
        paper: it is traded on paper; its prices are the exchange's.
        sealed: its credentials (``common.fleet.vault``).
        fingerprint: which credentials those are.
        restarts: counts the times it was told to begin anew.
        opened_ms: since when it has been wanted, by the wall; what happened before is nobody's.
        given_ms: since when these are its credentials.
        restored: Redis has lost it once, and what was known of it.
    """

    account_id: str
    exchange: str
    market: Market
    sealed: str
    fingerprint: str
    paper: bool = False
    restarts: int = 0
    opened_ms: int = 0
    given_ms: int = 0
    restored: bool = False

    @property
    def ledger(self) -> str:
        """Under which name it is known what has happened in it."""
        return ledger_name(self.exchange, self.market, self.account_id, paper=self.paper)


def as_opened(record: AccountRecord, kept: AccountRecord | None, now_ms: int) -> AccountRecord:
    """How what is opened now is kept, where this is. Opened again with what it has, it stays as it is."""
    if kept is None or kept.ledger != record.ledger:
        return replace(record, opened_ms=now_ms, given_ms=now_ms)
    if _is_same(kept, record):
        return kept
    return replace(record, opened_ms=kept.opened_ms, given_ms=now_ms, restored=kept.restored)


def better_known(record: AccountRecord, kept: AccountRecord) -> Mapping[str, str | int]:
    """What somebody knows better of an account than what is there since Redis has lost it.

    What was opened anew is owed what happened since it was opened at first; and who has put it back may not
    have known its newest credentials.
    """
    if kept.ledger != record.ledger:
        return {}
    better: dict[str, str | int] = {}
    if record.opened_ms < kept.opened_ms:
        better |= {"opened_ms": record.opened_ms, "restored": True}
    if record.given_ms > kept.given_ms:
        names = ("sealed", "fingerprint", "given_ms")
        better |= {name: getattr(record, name) for name in names}
    return better


def _is_same(kept: AccountRecord, record: AccountRecord) -> bool:
    """Whether they are the same but for since when, how often begun, and what it was sealed with."""
    return record == replace(
        kept,
        sealed=record.sealed,
        restarts=record.restarts,
        opened_ms=record.opened_ms,
        given_ms=record.given_ms,
        restored=record.restored,
    )
