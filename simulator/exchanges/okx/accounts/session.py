"""What a socket of OKX's knows once somebody has logged in on it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from simulator.accounts.account import Account
from simulator.exchanges.common import Refused
from simulator.exchanges.okx.accounts import channels
from simulator.exchanges.okx.accounts.signing import login
from simulator.feeds import Wanted
from simulator.world import World

if TYPE_CHECKING:
    from simulator.exchanges.okx.accounts import OkxAccounts


class Session:
    """One socket's: nobody's at first, then one account's until the socket ends."""

    def __init__(self, world: World, private: OkxAccounts, address: str) -> None:
        self._world, self._private, self._address = world, private, address
        self.account: Account | None = None

    def log_in(self, message: Mapping[str, Any]) -> None:
        """Whose it is from now on.

        Raises:
            Refused: it is somebody's already, or this is nobody.
        """
        if self.account is not None:
            detail = "The WebSocket endpoint does not allow multiple or repeated logins."
            raise Refused("60031", detail)
        self.account = login(self._world, message, self._address)

    def owner(self) -> Account:
        """Whose it is.

        Raises:
            Refused: nobody has logged in.
        """
        if self.account is None:
            raise Refused("60011", "Please log in")
        return self.account

    def wanted(self, topic: str) -> Wanted:
        """What a subscription hears."""
        return self._private.wanted(self.owner(), channels.arg_of(topic))

    def narrowed(self, topic: str, payload: str) -> str | None:
        """A payload as it is told here."""
        return channels.narrowed(topic, self.owner(), payload)

    def standing(self, topic: str) -> str | None:
        """How a channel stands, as it is told here; None where that is not told."""
        told = self._private.standing(self.owner(), channels.arg_of(topic)["channel"])
        return None if told is None else self.narrowed(topic, told)

    def connections(self, channel: str) -> int:
        """How many connections of the account have subscribed to a channel."""
        return self._private.connections(self.owner(), channel)
