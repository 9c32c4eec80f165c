"""The proof, in short: the whole fleet under fire for a minute and a half, and nothing is lost."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.children import PROJECT

pytestmark = pytest.mark.engines

STREAMS = (
    "binance:*:candle:*:1m,okx:spot:candle:*:3m,kucoin:spot:candle:*:1m,kucoin:spot:candle:*:3m"
)
ZEROS = ("missing", "wrong", "outOfOrder", "duplicatedUnexplained", "unsaid")
# Starting, everything flowing, the run itself, and the fleet's orderly end.
WITHIN_S = 240


def chaos(*arguments: str, folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "scripts.chaos", *arguments, "--streams", STREAMS, "--json"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(PROJECT), "TMPDIR": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


@pytest.mark.timeout(WITHIN_S + 30)
def test_a_fleet_under_fire_loses_nothing_and_hides_nothing(tmp_path: Path) -> None:
    with chaos("--minutes", "1.5", "--speed", "20", "--seed", "1", folder=tmp_path) as run:
        out, err = run.communicate(timeout=WITHIN_S)
    told = json.loads(out)
    assert {name: told[name] for name in ZEROS} == dict.fromkeys(ZEROS, 0), err
    assert run.returncode == 0, err
    assert told["faults"] >= 25
    assert told["expected"] == told["delivered"] > told["streams"]
    # Binance's three markets, and the spot markets of two others: at least so many symbols.
    assert told["streams"] >= 20
    assert {"kill", "rabbit_kill", "redis_kill", "net_cut"} <= told["faultsByKind"].keys()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.timeout(150)
def test_a_request_to_end_ends_cleanly_with_the_comparison_so_far(tmp_path: Path) -> None:
    with chaos("--minutes", "1.5", "--speed", "20", folder=tmp_path) as run:
        assert run.stderr is not None
        for line in run.stderr:
            if "disturbing" in line:
                break
        run.send_signal(signal.SIGINT)
        out, err = run.communicate(timeout=100)
    assert run.returncode == 1, err
    told = json.loads(out)
    assert "interrupted" in told["problems"]
    assert told["streams"] > 0
    assert list(tmp_path.iterdir()) == []
