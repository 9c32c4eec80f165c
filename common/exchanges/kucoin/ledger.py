"""Where a classic account has traded on spot, by its ledger: of all symbols at once. Pure.

Histories of spot are asked by symbol. What was bought and sold again unheard leaves no other trace: the
balances are as they were, and nobody knows what symbol to ask for.
https://www.kucoin.com/docs-new/rest/account-info/account-funding/get-account-ledgers-tradehf
"""

from __future__ import annotations

import re
from collections.abc import Generator

import msgspec
from msgspec import Struct

from common.exchanges.kucoin.account import private_request
from common.exchanges.kucoin.asking import DAY_MS
from common.exchanges.private import Credentials, Known, unmoved
from common.exchanges.protocol import RestRequest
from common.exchanges.wire import decoded

# The path with its weight, the most rows of one page, and how far back it reaches.
_LEDGER = ("/api/v1/hf/accounts/ledgers", 2)
ROWS = 200
REACH_MS = 3 * DAY_MS
# What an entry is about is written into a text: as JSON, or (in older pages) with the other quotes.
_SYMBOL = re.compile(r"""["']symbol["']\s*:\s*["']([^"']+)["']""")


class _Entry(Struct):
    id: int | str
    context: str | None = None


class _Body(Struct):
    data: list[_Entry]


_body = msgspec.json.Decoder(_Body)


def traded(credentials: Credentials, known: Known) -> Generator[RestRequest, bytes, set[str]]:
    """The symbols that were traded since then, as far as the ledger reaches.

    Raises:
        InquiryFailed: a full page leads no further.
    """
    symbols: set[str] = set()
    asked = {
        "bizType": "TRADE_EXCHANGE",
        "startAt": str(max(known.since_ms, known.until_ms - REACH_MS)),
        "endAt": str(known.until_ms),
        "limit": str(ROWS),
    }
    while True:
        request = private_request("spot", credentials, _LEDGER, asked)
        entries = decoded(_body, (yield request)).data
        found = (_SYMBOL.search(entry.context or "") for entry in entries)
        symbols |= {match[1] for match in found if match}
        if len(entries) < ROWS:
            return symbols
        last_id = str(entries[-1].id)
        if last_id == asked.get("lastId"):
            raise unmoved(_LEDGER[0])
        asked = {**asked, "lastId": last_id}
