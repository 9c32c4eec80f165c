"""One setting, as data."""

from __future__ import annotations

from msgspec import Struct

from config.values import Reader


class Setting(Struct, frozen=True, kw_only=True):
    """One setting.

    ``default`` is a text as the operator would write it, empty where there is none;
    ``computed`` says in words what an empty one becomes. A ``secret`` one may also be given as
    ``NAME_FILE``, a file that holds it, and is never printed.
    """

    name: str
    group: str
    read: Reader
    allowed: str
    meaning: str
    default: str = ""
    computed: str = ""
    secret: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """The variables it may be given by."""
        return (self.name, f"{self.name}_FILE") if self.secret else (self.name,)
