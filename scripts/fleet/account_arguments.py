"""The arguments of ``accounts``. None of them is a secret, and what looks like one is refused unquoted."""

from __future__ import annotations

from argparse import SUPPRESS, Action, ArgumentParser, ArgumentTypeError, Namespace
from typing import Any, NoReturn

from common.exchanges.registry import EXCHANGES
from common.model.streams import MARKETS
from common.publish.fields import LONGEST_LEASE_S
from scripts.fleet.accounts import ANSWERS
from scripts.fleet.command import Command
from scripts.fleet.credentials import WAYS, looks_secret

BY = "cli"
_NOT_HERE = (
    "secrets are not taken from arguments, which stay in the shell's history and in the list of "
    f"processes: {WAYS}"
)
_SECRETS = ("--key", "--secret", "--passphrase", "--api-key", "--api-secret", "--private-key")


class _Refuse(Action):
    """An option that others have and that we do not take; its value is not quoted."""

    def __call__(self, parser: ArgumentParser, *_: Any) -> NoReturn:
        """Refuse it."""
        parser.error(_NOT_HERE)


def _plain(text: str) -> str:
    if looks_secret(text):
        raise ArgumentTypeError(f"this looks like a secret; {_NOT_HERE}")
    return text


def _lease_s(text: str) -> float:
    try:
        lease_s = float(text)
    except ValueError:
        lease_s = 0.0
    if not 1 <= lease_s <= LONGEST_LEASE_S:
        raise ArgumentTypeError(f"a lease is 1 to {LONGEST_LEASE_S} seconds")
    return lease_s


def _one_of(*words: str) -> Any:
    def read(text: str) -> str:
        if _plain(text) not in words:
            raise ArgumentTypeError(f"one of {', '.join(words)}")
        return text

    return read


def _arguments(parser: ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")

    def action(name: str, help_: str, *, of_one: bool = False) -> ArgumentParser:
        one: ArgumentParser = actions.add_parser(
            name, help=help_, description=f"{help_[0].upper()}{help_[1:]}.", allow_abbrev=False
        )
        if of_one:
            one.add_argument(
                "--id", required=True, type=_plain, metavar="ID", help="the account's name"
            )
        one.add_argument(
            "--json", action="store_true", default=SUPPRESS, help="JSON instead of text"
        )
        one.add_argument(*_SECRETS, nargs="?", action=_Refuse, help=SUPPRESS)
        return one

    _of_open(action("open", "stream an account; its secrets are asked for", of_one=True))
    closing = action("close", "stop streaming it", of_one=True)
    closing.add_argument(
        "--subscriber", type=_plain, metavar="NAME", help="for this one only; else for everybody"
    )
    action("restart", "let it begin anew", of_one=True)
    action("list", "which accounts are wanted, by whom, until when")
    action("show", "one account: who wants it, which credentials, who streams it", of_one=True)
    action("key", "make a key for CREDENTIALS_KEY")
    action("rotate", "seal the credentials of every account anew, with the first key")


def _of_open(parser: ArgumentParser) -> None:
    def option(name: str, help_: str, **more: Any) -> None:
        parser.add_argument(name, help=help_, **({"type": _plain} | more))

    option("--exchange", f"one of {', '.join(EXCHANGES)}", required=True, type=_one_of(*EXCHANGES))
    option("--market", f"one of {', '.join(MARKETS)}", required=True, type=_one_of(*MARKETS))
    option("--secrets-file", "JSON or NAME=value lines with key, secret, passphrase; - for stdin")
    option("--subscriber", f"who wants it; {BY} by default", default=BY, metavar="NAME")
    option("--lease-s", "wanted for so many seconds; else until closed", type=_lease_s)
    environments = _one_of("live", "sandbox")
    option("--environment", "live (the default) or sandbox", default="live", type=environments)
    option("--region", "where it was opened, in the exchange's word (eu, my)", default="")
    kinds = _one_of("hmac", "ed25519", "es256")
    option("--kind", "hmac, ed25519 or es256; by the secret's form if left out", type=kinds)
    parser.add_argument("--subaccount", action="store_true", help="it is a sub-account")
    parser.add_argument("--paper", action="store_true", help="it trades on paper")
    parser.epilog = f"Credentials: {WAYS}."


def _answer(asked: Namespace) -> str:
    return ANSWERS[asked.action](asked)


COMMAND = Command(
    "accounts",
    "open, close, list, show, restart accounts; make and rotate the key of their credentials",
    _answer,
    _arguments,
    discreet=True,
)
