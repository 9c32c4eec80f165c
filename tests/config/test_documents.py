"""The documents say what the table says."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from config.documents import markdown, sample
from config.settings import load
from config.table import TABLE

ROOT = Path(__file__).parents[2]


def test_the_sample_is_made_from_the_table() -> None:
    assert (ROOT / ".env.sample").read_text() == sample(), "python -m config --sample > .env.sample"


def test_the_sample_taken_as_it_is_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(sample())
    fixed = {"WORKER_NAME": "one"}
    assert load(fixed, tmp_path / ".env") == load(fixed, None)


def test_the_sample_with_every_line_enabled_is_valid(tmp_path: Path) -> None:
    lines = sample().splitlines()
    names = [setting.name for setting in TABLE]
    enabled = [line[1:] for line in lines if line.lstrip("#").partition("=")[0] in names]
    assert len(enabled) == len(names)
    (tmp_path / ".env").write_text("\n".join(enabled))
    fixed = {"WORKER_NAME": "one"}
    assert load(fixed, tmp_path / ".env") == load(fixed, None)


def test_the_readme_has_the_table() -> None:
    assert markdown() in (ROOT / "README.md").read_text(), "python -m config --markdown"


def run(tmp_path: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "config", *arguments],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **environ},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_the_command_prints_what_counts_without_secrets(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("RABBIT_PASSWORD=hunter2hunter2\n")
    shown = run(tmp_path, HEALTH_PORT="4000")
    assert shown.returncode == 0
    rows = {line.split()[0]: line for line in shown.stdout.splitlines()}
    assert list(rows) == [setting.name for setting in TABLE]
    assert rows["HEALTH_PORT"].split() == ["HEALTH_PORT", "4000", "environment"]
    assert rows["RABBIT_PASSWORD"].split() == ["RABBIT_PASSWORD", "***", ".env"]
    assert "hunter2" not in shown.stdout


def test_the_command_refuses_wrong_settings_with_2(tmp_path: Path) -> None:
    refused = run(tmp_path, HEALTH_PORT="x", TOPOLOGY="y")
    assert refused.returncode == 2
    assert refused.stdout == ""
    assert len(refused.stderr.splitlines()) == 2
