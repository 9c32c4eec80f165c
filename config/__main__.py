"""``python -m config``: what counts and where it came from, secrets masked.

``--markdown`` and ``--sample`` print the README's table and ``.env.sample`` instead.
"""

from __future__ import annotations

import argparse
import os
import sys

from config.documents import markdown, sample
from config.settings import EXIT_BAD_SETTINGS, BadSettings, load_effective
from config.table import TABLE


def main(arguments: list[str] | None = None) -> int:
    """Print what is asked for; the exit status is 2 if a setting is wrong."""
    parser = argparse.ArgumentParser(prog="python -m config", description=__doc__)
    parser.add_argument("--markdown", action="store_true", help="the table of settings, for docs")
    parser.add_argument("--sample", action="store_true", help="a .env with every setting in it")
    asked = parser.parse_args(arguments)
    if asked.markdown or asked.sample:
        sys.stdout.write(markdown() if asked.markdown else sample())
        return 0
    try:
        effective = load_effective(os.environ)
    except BadSettings as bad:
        sys.stderr.write("".join(f"bad setting: {problem}\n" for problem in bad.problems))
        return EXIT_BAD_SETTINGS
    rows = [(s.name, effective.shown[s.name], effective.sources[s.name]) for s in TABLE]
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    for name, value, source in rows:
        sys.stdout.write(f"{name:<{widths[0]}}  {value:<{widths[1]}}  {source}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
