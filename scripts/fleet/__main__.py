"""Ask the fleet: ``python -m scripts.fleet COMMAND --help`` tells of each command.

Exit status: 0 answered, 1 there is no answer (stderr says why), 2 wrong arguments or settings, 130
interrupted.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence

from scripts.fleet import account_arguments, budget, exchanges, last, plan, replay, status, wants
from scripts.fleet.command import Command, NoAnswer

EXIT_INTERRUPTED = 130

# A new command is a module with a ``COMMAND`` and a line here.
COMMANDS: tuple[Command, ...] = (
    exchanges.COMMAND,
    last.COMMAND,
    status.COMMAND,
    plan.COMMAND,
    *wants.COMMANDS,
    account_arguments.COMMAND,
    budget.COMMAND,
    replay.COMMAND,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Answer one question."""
    parser = _parser()
    words = _joined(sys.argv[1:] if arguments is None else arguments)
    asked, strays = parser.parse_known_args(words)
    if strays:
        quoted = "not repeated here, for they may be secret" if asked.discreet else " ".join(strays)
        parser.error(f"unrecognized arguments: {quoted}")
    try:
        told, status = asked.run(asked), 0
    except NoAnswer as nothing:
        sys.stderr.write(f"{nothing}\n")
        told, status = nothing.told, nothing.status
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    sys.stdout.write(told)
    return status


def _joined(arguments: Sequence[str]) -> list[str]:
    """``--from -2h`` as ``--from=-2h``: argparse takes what begins with a dash for an option."""
    joined: list[str] = []
    for word in arguments:
        if joined and joined[-1].startswith("--") and re.fullmatch(r"-[0-9]+[a-z]", word):
            joined[-1] += f"={word}"
        else:
            joined.append(word)
    return joined


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m scripts.fleet", description="Ask the fleet.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in COMMANDS:
        one = commands.add_parser(
            command.name,
            help=command.help,
            description=f"{command.help[0].upper()}{command.help[1:]}.",
            epilog=command.epilog,
        )
        if command.arguments is not None:
            command.arguments(one)
        one.add_argument("--json", action="store_true", help="JSON instead of text")
        one.set_defaults(run=command.answer, discreet=command.discreet)
    return parser


if __name__ == "__main__":
    sys.exit(main())
