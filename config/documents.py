"""The README's table of settings and ``.env.sample``, made from the table. Pure."""

from __future__ import annotations

from itertools import groupby
from textwrap import wrap

from config.setting import Setting
from config.table import TABLE

_HEAD = """\
# Settings. Copy to .env and change what you need: every line that is commented out shows its
# default. The environment wins over this file. A secret NAME may instead be given as NAME_FILE,
# the path of a file that holds it. `python -m config` shows what counts and where it came from.
"""


def markdown() -> str:
    """One table per group."""
    parts = []
    for group, settings in groupby(TABLE, key=lambda setting: setting.group):
        rows = [
            f"| {_names(s)} | {_default(s)} | {s.meaning} | {_cell(s.allowed)} |" for s in settings
        ]
        head = ["| setting | default | what it is | allowed |", "|---|---|---|---|"]
        parts.append("\n".join([f"**{group}**", "", *head, *rows]))
    return "\n\n".join(parts) + "\n"


def sample() -> str:
    """A ``.env`` in which every setting stands, commented out, with its default."""
    parts = [_HEAD]
    for group, settings in groupby(TABLE, key=lambda setting: setting.group):
        lines = ["", f"# ---- {group} ".ljust(90, "-"), ""]
        for setting in settings:
            computed = f" Default: {setting.computed}." if setting.computed else ""
            text = f"{setting.meaning}{computed} Allowed: {setting.allowed}."
            lines += [f"# {line}" for line in wrap(text, 96)]
            lines += [f"#{setting.name}={setting.default}", ""]
        parts.append("\n".join(lines[:-1]) + "\n")
    return "".join(parts)


def _names(setting: Setting) -> str:
    file = " 🔒" if setting.secret else ""
    return f"`{setting.name}`{file}"


def _default(setting: Setting) -> str:
    return _cell(f"`{setting.default}`" if setting.default else setting.computed or "none")


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
