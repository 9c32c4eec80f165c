"""One life of a private socket: dial → join its accounts → hear them → end. It ends with an ``Outcome``.

The protocol is a ``Conversation`` of the exchange's; here are the socket, the pace, and the judgement of
silence. A socket that answers nothing is given up; so is an account on it that is not opened in time. A
frame alone proves nothing: what counts is an answer to a probe, or a word on the only account there is.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Awaitable, Callable, Iterable

import msgspec

from common.clocks import machine_s
from common.exchanges.listings import Unlisted
from common.exchanges.private import (
    Alive,
    Conversation,
    Credentials,
    Denied,
    Opened,
    PrivateRules,
    Said,
)
from common.exchanges.private import Turn as Answer
from common.exchanges.protocol import Notice, Unreadable
from common.exchanges.signing import BadKey
from common.model.instruments import Catalog
from common.session.address import Address
from common.session.line import Line
from common.session.opening import open_socket
from common.session.outcome import Outcome
from common.session.transport import Dial, Socket, SocketClosed

SEND_S = 10.0
CLOSE_S = 5.0
KEEP_S = 1.0
LARGEST_FRAME_BYTES = 8 * 1024 * 1024

EXPIRED = Outcome("rotated", "benign", "its time is over")
LEFT = Outcome("asked", "benign", "no account is on it any more")
UNOPENED = Outcome("unanswered", "transient", "the account was not opened in time")

# Returns when one more account may be joined, or what stands against it.
Turn = Callable[[], Awaitable[Outcome | None]]


class PrivateConnection:
    """One socket with its accounts.

    Args:
        rules: of its market.
        conversation: the exchange's protocol, new.
        ping: the exchange's own ping, given a number; None for WebSocket pings.
        address, dial: the way there.
        catalog: gives the market's instruments as they are known now; it may say ``Unlisted``.
        learn: renews them for the sake of one.
        now_ms: the exchange's time.
        turn: waits until an account may be joined.
        unreadable: is told of frames that could not be read.
    """

    def __init__(
        self,
        rules: PrivateRules,
        conversation: Conversation,
        ping: Callable[[int], str] | None,
        address: Address,
        dial: Dial,
        catalog: Callable[[], Catalog],
        learn: Callable[[str], Awaitable[None]],
        now_ms: Callable[[], int],
        turn: Turn,
        unreadable: Callable[[Unreadable], None],
    ) -> None:
        self._rules = rules
        self._conversation = conversation
        self._ping = ping
        self._address = address
        self._dial = dial
        self._catalog = catalog
        self._learn = learn
        self._now_ms = now_ms
        self._turn = turn
        self._unreadable = unreadable
        self._joining: deque[tuple[Line, Credentials]] = deque()
        self._lines: dict[str, Line] = {}
        # Accounts that were joined and are not opened, and since when.
        self._unopened_s: dict[str, float] = {}
        self._to_send: deque[str] = deque()
        self._wake = asyncio.Event()
        self._newcomers = asyncio.Event()
        self._end: Outcome | None = None
        self._opened_s = self._proved_s = self._pinged_s = machine_s()
        # Many are opened together, and must not all end together.
        self._lifetime_s = rules.lifetime_s * random.uniform(0.9, 1.0)
        self._probed_s: float | None = None
        self._pings = 0
        self.frames = 0

    # --- its accounts -------------------------------------------------------------------------

    @property
    def has_room(self) -> bool:
        """Whether one more account may be on it."""
        return self._end is None and self.accounts < self._rules.accounts_per_connection

    @property
    def accounts(self) -> int:
        """How many are on it, or about to be."""
        return len(self._lines) + len(self._joining)

    def join(self, line: Line, credentials: Credentials) -> None:
        """One more account; it is joined when it is its turn."""
        self._joining.append((line, credentials))
        self._newcomers.set()

    def leave(self, line: Line) -> None:
        """Nobody listens to this account any more; with the last one the connection ends."""
        waiting = [pair for pair in self._joining if pair[0] is not line]
        self._joining = deque(waiting)
        if self._lines.get(line.account) is line:
            self._drop(line.account)
        if not self.accounts:
            self._end = self._end or LEFT
        self._wake.set()

    def _drop(self, account: str) -> None:
        del self._lines[account]
        self._unopened_s.pop(account, None)
        self._to_send.extend(self._conversation.leave(account))

    # --- its life -----------------------------------------------------------------------------

    async def run(self) -> Outcome:
        """Live, and say how it ended; all its lines end with it."""
        outcome = Outcome("asked", "benign", "stopped")
        try:
            outcome = await self._live()
        finally:
            self._end = self._end or outcome
            for line in [*self._lines.values(), *(line for line, _ in self._joining)]:
                line.end(outcome)
        return outcome

    async def _live(self) -> Outcome:
        socket = await open_socket(self._address, self._dial)
        if isinstance(socket, Outcome):
            return socket
        self._opened_s = self._proved_s = self._pinged_s = machine_s()
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [
                    group.create_task(self._read(socket)),
                    group.create_task(self._keep(socket)),
                    group.create_task(self._join_all()),
                ]
                await asyncio.wait(tasks[:2], return_when=asyncio.FIRST_COMPLETED)
                for task in tasks:
                    task.cancel()
        finally:
            await _close(socket)
        ended = self._end or Outcome("closed", "transient", "the socket ended")
        return msgspec.structs.replace(ended, flowed_s=self._proved_s - self._opened_s)

    # --- reading ------------------------------------------------------------------------------

    async def _read(self, socket: Socket) -> None:
        try:
            while True:
                frame = await socket.receive()
                self.frames += 1
                if len(frame) > LARGEST_FRAME_BYTES:
                    self._unreadable(Unreadable("too_large", f"{len(frame)} bytes"))
                    continue
                await self._take(frame)
        except SocketClosed as closed:
            reason = self._rules.close_codes.get(closed.code, "transient")
            self._end = self._end or Outcome("closed", reason, str(closed))

    async def _take(self, frame: bytes) -> None:
        try:
            turn = await self._understood(frame)
        except Exception as error:  # noqa: BLE001 - whatever it is, it costs this frame and no other
            self._unreadable(Unreadable("defect", f"{type(error).__name__}: {error}"))
            return
        self._to_send.extend(turn.send)
        for said in turn.said:
            self._hear(said)
        if turn.send:
            self._wake.set()

    async def _understood(self, frame: bytes) -> Answer:
        """What a frame says; nothing of it counts until all instruments that it needs are known."""
        while True:
            try:
                return self._conversation.receive(frame, self._catalog(), self._now_ms())
            except Unlisted as unlisted:
                await self._learn(unlisted.symbol)

    def _hear(self, said: Said) -> None:
        account, what = said
        if isinstance(what, Unreadable):
            self._unreadable(what)
        if isinstance(what, Notice):
            if what.kind == "closing":
                self._end = self._end or EXPIRED
                self._wake.set()
            return
        # Of several accounts any may have been ended without a word, whatever is told of the others.
        is_word = len(self._lines) == 1 and not isinstance(what, Unreadable | Denied)
        if is_word or isinstance(what, Alive):
            self._proved_s, self._probed_s = machine_s(), None
        if isinstance(what, Alive):
            return
        for line in self._meant(account):
            if isinstance(what, Denied):
                self._drop(line.account)
                line.end(what)
                self._wake.set()
                continue
            if isinstance(what, Opened):
                self._unopened_s.pop(line.account, None)
            line.put(what)

    def _meant(self, account: str | None) -> Iterable[Line]:
        if account is None:
            return list(self._lines.values())
        line = self._lines.get(account)
        return () if line is None else (line,)

    # --- keeping the rules --------------------------------------------------------------------

    async def _join_all(self) -> None:
        """Accounts, one after another, as fast as the exchange allows."""
        while self._end is None:
            if not self._joining:
                self._newcomers.clear()
                await self._newcomers.wait()
            against = await self._turn()
            if self._end is None and self._joining:
                line, credentials = self._joining.popleft()
                if against is None:
                    self._join(line, credentials)
                else:
                    self._send_away(line, against)
            self._wake.set()
            await asyncio.sleep(1 / self._rules.joins_per_s)

    def _send_away(self, line: Line, against: Outcome) -> None:
        """It is not its turn: whoever is on already stays, and with nobody on there is no connection."""
        line.end(against)
        if not self.accounts:
            self._end = self._end or against

    def _join(self, line: Line, credentials: Credentials) -> None:
        self._lines[line.account] = line
        self._unopened_s[line.account] = machine_s()
        try:
            self._to_send += self._conversation.join(line.account, credentials, self._now_ms())
        except BadKey as error:
            self._drop(line.account)
            line.end(Denied("key", str(error)))

    async def _keep(self, socket: Socket) -> None:
        try:
            while self._end is None:
                await self._send_due(socket)
                self._judge()
                if self._end is None:
                    await self._pause()
        except SocketClosed:
            return  # the reader sees the same end, with its code
        except TimeoutError:
            self._end = Outcome("stalled", "transient", f"could not send for {SEND_S:g} s")

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(KEEP_S):
                await self._wake.wait()
        except TimeoutError:
            return
        finally:
            self._wake.clear()

    async def _send_due(self, socket: Socket) -> None:
        now_s = machine_s()
        async with asyncio.timeout(SEND_S):
            while self._to_send:
                await socket.send(self._to_send.popleft())
            if self._rules.ping_s is not None and now_s - self._pinged_s >= self._rules.ping_s:
                self._pinged_s = now_s
                await self._send_ping(socket)

    async def _send_ping(self, socket: Socket) -> None:
        self._pings += 1
        if self._ping is None:
            await socket.ping()
        else:
            await socket.send(self._ping(self._pings))

    def _judge(self) -> None:
        """Whether it is to end, and what is to be asked."""
        now_s, rules = machine_s(), self._rules
        for account, since_s in list(self._unopened_s.items()):
            if now_s - since_s >= rules.answer_s:
                line = self._lines[account]
                self._drop(account)
                line.end(UNOPENED)
        if now_s - self._opened_s >= self._lifetime_s:
            self._end = EXPIRED
        elif self._probed_s is not None and now_s - self._probed_s >= rules.answer_s:
            self._end = Outcome("stalled", "transient", f"no answer in {rules.answer_s:g} s")
        elif self._probed_s is None and now_s - self._proved_s >= rules.probe_s:
            self._to_send.extend(self._conversation.probe())
            self._probed_s = now_s
            self._wake.set()


async def _close(socket: Socket) -> None:
    try:
        async with asyncio.timeout(CLOSE_S):
            await socket.close()
    except TimeoutError:
        return  # the transport drops it with the task
