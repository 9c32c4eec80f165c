"""What a person sees while it runs: a live picture on a terminal, a line now and then else."""

from __future__ import annotations

import time
from collections import Counter
from typing import Self

from msgspec import Struct
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

LINE_EVERY_S = 5.0
_STYLES = {"ok": "green", "starting": "yellow"}


class Picture(Struct, frozen=True, kw_only=True):
    """The state of things. ``left_s``: until the end; ``phase`` is for people."""

    phase: str
    elapsed_s: float
    left_s: float
    planned: int
    carried: int
    failed: int
    running: tuple[str, ...]
    by_family: Counter[str]
    candles: int
    repeats: int
    health: str
    reasons: tuple[str, ...]
    rss_mb: float


class Screen:
    """A context manager; ``show`` is called a few times a second."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, auto_refresh=False) if console.is_terminal else None
        self._line_s = 0.0

    def show(self, picture: Picture) -> None:
        """The state of things."""
        if self._live is not None:
            self._live.update(_full(picture), refresh=True)
        elif time.monotonic() - self._line_s > LINE_EVERY_S:
            self._line_s = time.monotonic()
            self._console.print(_line(picture), markup=False, highlight=False)

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()


def _line(picture: Picture) -> str:
    return (
        f"{picture.elapsed_s:5.0f} s  {picture.phase}: {picture.carried} of {picture.planned} "
        f"faults, {picture.failed} failed, {picture.candles} candles, {picture.repeats} repeated; "
        f"health {picture.health}, {picture.rss_mb:.0f} MB; {', '.join(picture.running)}"
    )


def _full(picture: Picture) -> Group:
    head = Text.assemble(
        f"{picture.elapsed_s:.0f} s  {picture.phase}, {picture.left_s:.0f} s left   health ",
        (picture.health, _STYLES.get(picture.health, "red")),
        f"   {picture.candles:,} candles, {picture.repeats:,} repeated   {picture.rss_mb:.0f} MB",
    )
    for reason in picture.reasons[:3]:
        head.append(f"\n  {reason}", style="yellow")
    title = f"{picture.carried} of {picture.planned} faults, {picture.failed} failed"
    table = Table(title=title, title_justify="left")
    for name in ("on", "carried out", "now"):
        table.add_column(name)
    now = dict.fromkeys(picture.by_family, "")
    for text in picture.running:
        family, _, what = text.partition(" ")
        now[family] = f"{now.get(family, '')} {what}".strip()
    for family, what in sorted(now.items()):
        table.add_row(family, str(picture.by_family[family]), what)
    return Group(head, table)
