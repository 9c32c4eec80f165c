"""The page of budgets tells what the exchanges' data says, budget for budget."""

from __future__ import annotations

from pathlib import Path

from common.exchanges.registry import EXCHANGES

PAGE = Path(__file__).parents[2] / "docs" / "budgets.md"


def test_every_budget_is_on_the_page_with_its_figures() -> None:
    rows = [
        tuple(cell.strip() for cell in line.strip("|").split("|"))
        for line in PAGE.read_text().splitlines()
        if line.startswith("| ")
    ]
    told = [row for row in rows if row[0] in EXCHANGES]
    known: list[tuple[str, ...]] = []
    for exchange in EXCHANGES.values():
        for name, budget in exchange.budgets.items():
            # Endpoints of one exchange that are limited alike share a line.
            word = "each endpoint" if name.startswith("/api/") else name
            row = (
                exchange.name, word, f"{budget.capacity} in {budget.window_s:g} s",
                f"{budget.burst}", f"{budget.per_s:g}/s",
            )  # fmt: skip
            if row not in known:
                known.append(row)
    assert sorted(told) == sorted(known)
