"""The pages for users keep up with the code."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from common.exchanges.registry import EXCHANGES
from common.publish.account_answers import CODES

DOCS = Path(__file__).parents[1] / "docs"
PAGES = [
    DOCS / "exchanges.md",
    DOCS / "accounts.md",
    DOCS / "compat.md",
    *sorted((DOCS / "exchanges").glob("*.md")),
]


@pytest.mark.parametrize("name", EXCHANGES)
def test_every_exchange_has_a_page_and_a_line_in_the_index(name: str) -> None:
    assert (DOCS / "exchanges" / f"{name}.md").exists()
    assert f"](exchanges/{name}.md)" in (DOCS / "exchanges.md").read_text()


@pytest.mark.parametrize("name", EXCHANGES)
def test_a_page_names_the_hosts_that_are_dialled(name: str) -> None:
    page = (DOCS / "exchanges" / f"{name}.md").read_text()
    for rules in EXCHANGES[name].markets.values():
        for url in (rules.rest.url, *(channel.url for channel in rules.channels.values())):
            assert (urlsplit(url).hostname or "") in page


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
        assert (page.parent / target).exists(), target


def test_every_code_of_an_answer_is_explained() -> None:
    page = (DOCS / "accounts.md").read_text()
    rows = [line for line in page.splitlines() if line.startswith("|")]
    explained = {code for row in rows for code in re.findall(r"`([a-z_]+)`", row)}
    assert set(CODES) <= explained
