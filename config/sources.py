"""Where a setting's text comes from: environment first, ``.env`` second, files for secrets.

A variable that is set but empty means the default, whatever ``.env`` says. Values are taken as
they stand: nothing in ``.env`` is expanded, so a password may hold ``$``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from io import StringIO
from pathlib import Path

from dotenv import dotenv_values
from dotenv.parser import parse_stream
from msgspec import Struct

from config.setting import Setting
from config.table import NAMES

# A secret is a line or a certificate, not a disk image.
SECRET_FILE_BYTES = 64 * 1024
_TYPO_LIKENESS = 0.8


class Problem(Struct, frozen=True, order=True):
    """One wrong setting: its name, what is wrong with it, and what is allowed."""

    name: str
    wrong: str
    allowed: str = ""

    def __str__(self) -> str:
        return f"{self.name}: {self.wrong}" + (f"; allowed: {self.allowed}" if self.allowed else "")


class Text(Struct, frozen=True):
    """A setting's text and the place it was found."""

    value: str
    source: str


def read_dotenv(path: str | Path | None) -> tuple[dict[str, str], list[Problem]]:
    """The variables of a ``.env`` file, which need not be there, and what is wrong with it."""
    if path is None:
        return {}, []
    label = Path(path).name
    try:
        text = Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}, []
    except (OSError, UnicodeDecodeError) as error:
        return {}, [Problem(label, f"cannot be read: {_why(error)}", "a text file, or none")]
    problems = list(_lines_in_error(label, text))
    found = dotenv_values(stream=StringIO(text), interpolate=False)
    variables = {name: value for name, value in found.items() if value is not None}
    return variables, [*problems, *_typos(label, variables)]


def find(
    setting: Setting, places: Mapping[str, Mapping[str, str]]
) -> tuple[Text | None, Problem | None]:
    """A setting's text, from the first of the places that has it, or why it cannot be had."""
    for source, variables in places.items():
        given = [name for name in setting.names if name in variables]
        if len(given) > 1 and all(variables[name] for name in given):
            return None, Problem(setting.name, f"set twice: {' and '.join(given)}", "one of them")
        if len(given) > 1:
            given = [name for name in given if variables[name]] or given[:1]
        if given == [setting.name]:
            return Text(variables[setting.name].strip(), source), None
        if given:
            return _from_file(setting, variables[given[0]], f"{given[0]} in {source}")
    return None, None


def _from_file(setting: Setting, path: str, source: str) -> tuple[Text | None, Problem | None]:
    """A secret from its file, without the line break that editors add."""
    if not path:
        return Text("", source), None
    try:
        with Path(path).open("rb") as file:
            raw = file.read(SECRET_FILE_BYTES + 1)
        value = raw.decode().removesuffix("\n").removesuffix("\r")
    except (OSError, ValueError) as error:
        wrong = f"the file {path} cannot be read: {_why(error)}"
        return None, Problem(f"{setting.name}_FILE", wrong, "a readable text file")
    if not value or len(raw) > SECRET_FILE_BYTES:
        wrong = f"the file {path} is {'too large' if value else 'empty'}"
        return None, Problem(f"{setting.name}_FILE", wrong, "a file that holds the value alone")
    return Text(value, source), None


def _lines_in_error(label: str, text: str) -> Iterator[Problem]:
    """Lines that say nothing, and variables given twice. Never quotes a value."""
    seen: set[str] = set()
    for binding in parse_stream(StringIO(text)):
        line = binding.original.line
        if binding.error or (binding.key is not None and binding.value is None):
            yield Problem(f"{label} line {line}", "cannot be understood", "NAME=value")
        elif binding.key in seen:
            yield Problem(binding.key, f"set twice in {label}, again at line {line}", "once")
        if binding.key is not None:
            seen.add(binding.key)


def _typos(label: str, variables: Mapping[str, str]) -> Iterator[Problem]:
    """Names that are none of ours but look like one: a setting that would silently not count."""
    for name in variables:
        if name in NAMES:
            continue
        near = get_close_matches(name.upper(), sorted(NAMES), n=1, cutoff=_TYPO_LIKENESS)
        if near:
            yield Problem(name, f"in {label} is not a setting", f"did you mean {near[0]}?")


def _why(error: Exception) -> str:
    return error.strerror or type(error).__name__ if isinstance(error, OSError) else "not UTF-8"
