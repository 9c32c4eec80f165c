"""Every channel of every exchange, played frame by frame against the real connection."""

from pathlib import Path

import pytest

from common.exchanges.registry import EXCHANGES
from tests.exchanges.transcripts import play
from tests.support.virtual_time import virtual_time

HERE = Path(__file__).parent
TRANSCRIPTS = sorted(HERE.glob("*/transcripts/*.txt"))


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: f"{path.parts[-3]}/{path.stem}")
def test_transcript(path: Path) -> None:
    @virtual_time
    async def check() -> None:
        await play(EXCHANGES[path.parts[-3]], path)

    check()


@pytest.mark.parametrize("exchange", EXCHANGES.values(), ids=lambda exchange: exchange.name)
def test_every_channel_of_every_market_has_one(exchange: object) -> None:
    name = exchange.name  # type: ignore[attr-defined]
    have = {path.stem for path in TRANSCRIPTS if path.parts[-3] == name}
    for market, rules in EXCHANGES[name].markets.items():
        for channel in rules.channels:
            assert f"{market}_{channel}" in have
