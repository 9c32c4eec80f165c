"""Tables for people, as text."""

from __future__ import annotations

import io
import shutil
import sys
from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table

# Where nobody looks at a terminal (a pipe, a file), lines may be this long.
PIPE_WIDTH = 200


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """The rows under their columns; what is too long for the terminal is wrapped."""
    drawn = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        drawn.add_column(column)
    for row in rows:
        drawn.add_row(*row)
    page = io.StringIO()
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else PIPE_WIDTH
    Console(file=page, width=width).print(drawn)
    return "".join(line.rstrip() + "\n" for line in page.getvalue().splitlines())
