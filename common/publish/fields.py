"""A message, read field by field: what is missing or wrong is gathered, all of it, and never with a value. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from common.model.account import LONGEST_ID_BYTES, id_fits
from common.model.secret import Secret

LONGEST_LEASE_S = 7 * 86_400
LONGEST_NAME = 200


class Fields:
    """A part of a message, read field by field; what is wrong is gathered."""

    def __init__(
        self, values: Mapping[str, Any], within: str = "", problems: list[str] | None = None
    ) -> None:
        self._values = values
        self._within = within
        self.problems: list[str] = [] if problems is None else problems

    def part(self, name: str) -> Fields:
        """A part of this part; an empty one, and a problem, if there is none."""
        value = self._values.get(name)
        if not isinstance(value, dict):
            self.problems.append(f"{self._within}{name} is missing")
            value = {}
        return Fields(value, f"{self._within}{name}.", self.problems)

    def has(self, name: str) -> bool:
        """Whether something is said there."""
        return self._values.get(name) not in (None, "")

    def text(self, name: str, *, needed: bool = True, most: int = LONGEST_NAME) -> str:
        """A text; empty, and a problem, if it is needed and not there."""
        value = self._values.get(name)
        if value in (None, ""):
            if needed:
                self.problems.append(f"{self._within}{name} is missing")
            return ""
        if not isinstance(value, str):
            self.problems.append(f"{self._within}{name} is no text")
            return ""
        if len(value) > most:
            self.problems.append(f"{self._within}{name} is longer than {most} characters")
            return ""
        return value

    def name(self, name: str, *, needed: bool = True) -> str:
        """A name: a text without spaces, as it goes into keys of Redis and RabbitMQ."""
        value = self.text(name, needed=needed)
        if value and not (value.isprintable() and " " not in value):
            self.problems.append(f"{self._within}{name} holds a space, or what cannot be printed")
            return ""
        return value

    def account_id(self, name: str, *, needed: bool = True) -> str:
        """The name of an account."""
        value = self.name(name, needed=needed)
        if not id_fits(value):
            # ``é`` takes six: ``%C3%A9``.
            most = f"{LONGEST_ID_BYTES} characters when it is escaped"
            self.problems.append(f"{self._within}{name} is longer than {most}")
            return ""
        return value

    def one_of(self, name: str, words: tuple[str, ...], default: str) -> str:
        """One of these words."""
        value = self.text(name, needed=False) or default
        if value not in words:
            self.problems.append(f"{self._within}{name} is none of {', '.join(words)}")
            return default
        return value

    def truth(self, name: str) -> bool:
        """Yes or no; no where nothing is said."""
        value = self._values.get(name)
        if value not in (None, True, False):
            self.problems.append(f"{self._within}{name} is neither true nor false")
        return value is True

    def seconds(self, name: str) -> float | None:
        """How long; None where nothing is said."""
        value = self._values.get(name)
        if value is None:
            return None
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not 1 <= value <= LONGEST_LEASE_S:
            self.problems.append(f"{self._within}{name} is not 1 to {LONGEST_LEASE_S}")
            return None
        in_s: float = value
        return in_s

    def secret(self, name: str, *, needed: bool = True) -> Secret | None:
        """A secret, of whatever length a key may have."""
        value = self.text(name, needed=needed, most=10_000)
        return Secret(value) if value else None
