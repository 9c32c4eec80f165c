"""One life of a private socket, in virtual time: what is sent when, and what ends whom."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
from msgspec.structs import replace

from common.clocks import machine_s
from common.exchanges.listings import Strict
from common.exchanges.private import (
    Alive,
    Credentials,
    Denied,
    Hosts,
    Opened,
    PrivateRules,
    Said,
    Turn,
)
from common.exchanges.protocol import Notice, Unreadable
from common.exchanges.signing import BadKey
from common.exchanges.told import DeltaTold
from common.model.instruments import Catalog
from common.model.secret import Secret
from common.session.line import Line, LineEnded
from common.session.outcome import Outcome
from common.session.private import EXPIRED, LEFT, UNOPENED, PrivateConnection
from common.session.transport import DialFailed, Socket, SocketClosed
from tests.fleet.test_sharding import instrument
from tests.support.virtual_time import virtual_time

KEY = Credentials(Secret("k" * 8), Secret("s" * 8))
RULES = PrivateRules(
    hosts={("live", ""): Hosts("https://rest", "wss://socket")},
    accounts_per_connection=2,
    joins_per_s=2.0,
    lifetime_s=1000.0,
    ping_s=20.0,
    probe_s=30.0,
    answer_s=10.0,
)
TOLD = DeltaTold(asset="BTC", delta="1", time_ms=1)


class Wire:
    """A socket whose other end is the test."""

    def __init__(self) -> None:
        self.sent: list[tuple[float, str]] = []
        self._frames: asyncio.Queue[bytes | SocketClosed] = asyncio.Queue()
        self.closed = False

    def texts(self) -> list[str]:
        return [text for _, text in self.sent]

    def say(self, *frames: bytes) -> None:
        for frame in frames:
            self._frames.put_nowait(frame)

    def cut(self, code: int = 1006) -> None:
        self._frames.put_nowait(SocketClosed(code, ""))

    async def send(self, text: str) -> None:
        self.sent.append((machine_s(), text))

    async def receive(self) -> bytes:
        frame = await self._frames.get()
        if isinstance(frame, SocketClosed):
            raise frame
        return frame

    async def ping(self) -> None:
        await self.send("<ping>")

    async def probe(self) -> None:
        await self.send("<ping>")

    async def close(self) -> None:
        self.closed = True


class Protocol:
    """``join a`` is answered by ``open a``; every word that is understood is a frame of two."""

    def join(self, account: str, credentials: Credentials, now_ms: int) -> Sequence[str]:
        if credentials is not KEY:
            raise BadKey("the secret is no key")
        return (f"join {account} {now_ms}",)

    def leave(self, account: str) -> Sequence[str]:
        return (f"leave {account}",)

    def receive(self, frame: bytes, catalog: Catalog, now_ms: int) -> Turn:
        word, _, account = frame.decode().partition(" ")
        match word:
            case "open":
                return Turn((Said(account, Opened()),))
            case "told":
                return Turn((Said(account, TOLD),))
            case "deny":
                return Turn((Said(account, Denied("key", "revoked")),))
            case "alive":
                return Turn((Said(None, Alive()),))
            case "closing":
                return Turn((Said(None, Notice("closing", "")),))
            case "pong":
                return Turn()
            case "challenge":
                return Turn(send=("answer",))
            case "contracts":
                size = catalog.get("NEW")
                delta = "?" if size is None else size.contract_size or ""
                return Turn((Said(account, replace(TOLD, delta=delta)),))
            case "strange":
                return Turn((Said(None, Unreadable("wrong_shape", "")),))
        raise ZeroDivisionError

    def probe(self) -> Sequence[str]:
        return ("probe",)


class Stage:
    """A connection that runs, and the wire it has."""

    def __init__(self) -> None:
        self.wire = Wire()
        self.problems: list[Unreadable] = []
        self.turn: Outcome | None = None
        self.catalog = self.newer = Strict({})
        self.learned: list[str] = []
        self.listed = asyncio.Event()
        self.it = PrivateConnection(
            RULES, Protocol(), None, self._address, self._dial, self._catalog, self._learn,
            lambda: 7, self._turn, self.problems.append,
        )  # fmt: skip
        self.task: asyncio.Task[Outcome] | None = None
        self.refuses: DialFailed | None = None

    def _catalog(self) -> Catalog:
        return self.catalog

    async def _learn(self, symbol: str) -> None:
        self.learned.append(symbol)
        await self.listed.wait()
        # The account's name, so that the frame is told to it.
        self.catalog = self.newer

    async def _address(self) -> str:
        return "wss://socket"

    async def _dial(self, _: str) -> Socket:
        if self.refuses is not None:
            raise self.refuses
        return self.wire

    async def _turn(self) -> Outcome | None:
        return self.turn

    def join(self, name: str) -> Line:
        line = Line(name)
        self.it.join(line, KEY)
        return line

    def start(self) -> None:
        self.task = asyncio.create_task(self.it.run())

    async def ended(self) -> Outcome:
        assert self.task is not None
        return await self.task


@asynccontextmanager
async def open_stage(*names: str) -> AsyncIterator[tuple[Stage, list[Line]]]:
    """A socket on which these accounts are open."""
    stage = Stage()
    lines = [stage.join(name) for name in names]
    stage.start()
    for line in lines:
        await asyncio.sleep(0.6)
        stage.wire.say(f"open {line.account}".encode())
    for line in lines:
        assert await line.next(1.0) == Opened()
    yield stage, lines
    if stage.task is not None:
        stage.task.cancel()


async def why(line: Line) -> object:
    while True:
        try:
            assert await line.next(2000.0) is not None
        except LineEnded as ended:
            return ended.why


@virtual_time
async def test_accounts_are_joined_one_after_another_at_the_exchanges_time() -> None:
    stage = Stage()
    for name in ("a", "b"):
        stage.join(name)
    assert not stage.it.has_room
    stage.start()
    await asyncio.sleep(2.0)
    assert stage.wire.texts() == ["join a 7", "join b 7"]
    (first_s, _), (second_s, _) = stage.wire.sent
    assert second_s - first_s == pytest.approx(0.5)


@virtual_time
async def test_each_hears_its_own_and_all_hear_what_is_about_all() -> None:
    async with open_stage("a", "b") as (stage, (a, b)):
        stage.wire.say(b"told a", b"strange")
        assert await a.next(1.0) == TOLD
        assert isinstance(await a.next(1.0), Unreadable)
        assert isinstance(await b.next(1.0), Unreadable)
        assert [problem.kind for problem in stage.problems] == ["wrong_shape"]


@pytest.mark.parametrize(
    ("newer", "size"),
    [(Strict({"NEW": replace(instrument("NEW", "linear"), contract_size="10")}), "10"),
     (Strict({}, {"NEW"}.__contains__), "?")],
    ids=["listed since", "not listed anywhere"],
)  # fmt: skip
@virtual_time
async def test_what_needs_an_instrument_that_is_not_listed_waits_until_the_list_is_renewed(
    newer: Strict, size: str
) -> None:
    """It is told with its size, and what came after it stays behind it."""
    async with open_stage("a") as (stage, (a,)):
        stage.newer = newer
        stage.wire.say(b"contracts a", b"told a")
        assert await a.next(3.0) is None
        assert stage.learned == ["NEW"]
        stage.listed.set()
        assert await a.next(1.0) == replace(TOLD, delta=size)
        assert await a.next(1.0) == TOLD
        assert stage.learned == ["NEW"]


@virtual_time
async def test_one_that_is_refused_costs_no_other() -> None:
    async with open_stage("a", "b") as (stage, (a, b)):
        stage.wire.say(b"deny a", b"told b")
        assert await why(a) == Denied("key", "revoked")
        assert await b.next(1.0) == TOLD
        await asyncio.sleep(0.1)
        assert stage.wire.texts()[-1] == "leave a"
        assert stage.it.has_room


@virtual_time
async def test_what_the_protocol_has_to_answer_is_answered_at_once() -> None:
    async with open_stage("a") as (stage, _):
        stage.wire.say(b"challenge")
        await asyncio.sleep(0.01)
        assert stage.wire.texts()[-1] == "answer"


@virtual_time
async def test_a_defect_of_the_parser_costs_one_frame() -> None:
    async with open_stage("a") as (stage, (a,)):
        stage.wire.say(b"what?", b"told a")
        assert await a.next(1.0) == TOLD
        assert [problem.kind for problem in stage.problems] == ["defect"]


@virtual_time
async def test_one_that_is_not_opened_in_time_is_given_up_alone() -> None:
    async with open_stage("a") as (stage, (a,)):
        late = stage.join("b")
        began_s = machine_s()
        assert await why(late) is UNOPENED
        assert 10.0 <= machine_s() - began_s < 13.0
        assert not a.ended


@virtual_time
async def test_a_secret_that_is_no_key_is_told_and_nothing_is_sent() -> None:
    async with open_stage("a") as (stage, _):
        line = Line("b")
        stage.it.join(line, Credentials(Secret("other"), Secret("no key")))
        assert await why(line) == Denied("key", "the secret is no key")
        assert "join b 7" not in stage.wire.texts()


@virtual_time
async def test_pongs_are_no_sign_of_life_an_answer_to_a_probe_is() -> None:
    async with open_stage("a") as (stage, (a,)):
        for _ in range(32):
            stage.wire.say(b"pong")
            await asyncio.sleep(1.0)
        assert stage.wire.texts().count("probe") == 1
        stage.wire.say(b"alive")
        await asyncio.sleep(25.0)
        assert not a.ended
        ended = await why(a)
        assert isinstance(ended, Outcome)
        assert (ended.cause, ended.reason) == ("stalled", "transient")
        assert stage.wire.texts().count("probe") == 2
        assert stage.wire.closed


@virtual_time
async def test_what_is_told_is_a_sign_of_life_too() -> None:
    async with open_stage("a") as (stage, (a,)):
        for _ in range(20):
            stage.wire.say(b"told a")
            await asyncio.sleep(20.0)
        assert "probe" not in stage.wire.texts()
        assert not a.ended
        assert stage.wire.texts().count("<ping>") >= 19


@virtual_time
async def test_what_is_told_of_one_is_no_sign_of_life_of_another() -> None:
    """The exchange may have ended that one without a word; asked, it says which there are."""
    async with open_stage("a", "b") as (stage, (a, b)):
        for _ in range(10):
            stage.wire.say(b"told a", b"alive")
            await asyncio.sleep(20.0)
        assert "probe" not in stage.wire.texts(), "answered all the while"
        for second in range(40):
            stage.wire.say(b"told a")
            if second == 15:
                stage.wire.say(b"alive")
            await asyncio.sleep(1.0)
        assert stage.wire.texts().count("probe") == 1
        assert not a.ended
        assert not b.ended


@virtual_time
async def test_all_lines_end_with_the_socket_and_say_why() -> None:
    async with open_stage("a", "b") as (stage, lines):
        waiting = Line("c")
        stage.it.join(waiting, KEY)
        stage.wire.cut(1006)
        outcome = await stage.ended()
        assert outcome.cause == "closed"
        for line in (*lines, waiting):
            assert isinstance(await why(line), Outcome)
        assert not stage.it.has_room


@virtual_time
async def test_a_socket_ends_before_its_time_is_cut_off_and_when_it_is_told_to() -> None:
    async with open_stage("a") as (stage, (a,)):
        began_s = machine_s()

        async def live() -> None:
            while not a.ended:
                stage.wire.say(b"alive")
                await asyncio.sleep(10.0)

        await live()
        assert (await stage.ended()).cause == EXPIRED.cause
        assert 900.0 <= machine_s() - began_s + 1 <= 1011.0
    async with open_stage("a") as (stage, _):
        stage.wire.say(b"closing")
        assert (await stage.ended()).cause == "rotated"


@virtual_time
async def test_the_last_one_that_leaves_ends_it() -> None:
    async with open_stage("a", "b") as (stage, (a, b)):
        stage.it.leave(a)
        await asyncio.sleep(0.1)
        assert stage.wire.texts()[-1] == "leave a"
        stage.it.leave(b)
        assert (await stage.ended()).cause == LEFT.cause


@virtual_time
async def test_what_stands_against_dialling_or_joining_is_said_on_every_line() -> None:
    stage = Stage()
    line = stage.join("a")
    stage.refuses = DialFailed("HTTP 429", status=429, retry_after_s=9.0)
    stage.start()
    ended = await why(line)
    assert isinstance(ended, Outcome)
    assert (ended.reason, ended.retry_after_s) == ("rate", 9.0)
    stage = Stage()
    line = stage.join("a")
    stage.turn = Outcome("refused", "rate", "banned", 0.0, 5.0)
    stage.start()
    ended = await why(line)
    assert isinstance(ended, Outcome)
    assert (ended.detail, ended.retry_after_s) == ("banned", 5.0)


@virtual_time
async def test_an_account_whose_turn_does_not_come_ends_no_other() -> None:
    async with open_stage("a") as (stage, (first,)):
        stage.turn = Outcome("refused", "rate", "banned", 0.0, 5.0)
        second = stage.join("b")
        ended = await why(second)
        assert isinstance(ended, Outcome)
        assert ended.detail == "banned"
        stage.wire.say(b"told a")
        assert await first.next(1.0) == TOLD
        stage.turn = None
        third = stage.join("c")
        await asyncio.sleep(1.0)
        stage.wire.say(b"open c")
        assert await third.next(1.0) == Opened()
