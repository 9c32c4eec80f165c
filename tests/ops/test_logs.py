"""The one log of a process: a line per event, for machines or people, without secrets."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from loguru import logger

from common.ops import logs

ROOT = Path(__file__).parents[2]
SECRET = "hunter2hunter2"


class Log(io.StringIO):
    """A stream, and what was written to it."""

    def __init__(self, *, terminal: bool = False) -> None:
        super().__init__()
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.getvalue().splitlines()]


@pytest.fixture
def log() -> Iterator[Log]:
    before = (sys.excepthook, logging.root.handlers[:], logging.root.level)
    stream = Log()
    logs.setup(level="DEBUG", secrets=[SECRET], fields={"worker": "price-1"}, stream=stream)
    yield stream
    logger.remove()
    logger.configure(extra={})
    logger.add(sys.stderr)
    logging.captureWarnings(False)
    sys.excepthook, logging.root.handlers[:] = before[:2]
    logging.root.setLevel(before[2])


def test_a_line_is_an_event_with_its_fields(log: Log) -> None:
    logger.bind(shard="binance:spot:candle:0", epoch=7).info("shard claimed")
    (line,) = log.lines
    assert line.pop("time").endswith("Z")
    assert line == {
        "level": "INFO",
        "event": "shard claimed",
        "worker": "price-1",
        "shard": "binance:spot:candle:0",
        "epoch": 7,
    }


def test_exceptions_say_what_they_are_and_where(log: Log) -> None:
    try:
        raise ConnectionRefusedError(111, "refused")
    except OSError:
        logger.exception("dial failed")
    (line,) = log.lines
    assert line["level"] == "ERROR"
    assert line["error"]["type"] == "ConnectionRefusedError"
    assert line["error"]["errno"] == 111
    assert "test_logs.py" in line["error"]["trace"]


def test_no_secret_passes_in_message_field_error_or_trace(log: Log) -> None:
    url = f"amqp://user:{SECRET}@host/"
    frame = {"op": "auth", "args": ["some key", "some signature"]}
    try:
        password = SECRET  # a local variable, as a debugger's trace would show it
        raise ValueError(f"cannot reach {url} with {password}") from KeyError(SECRET)  # noqa: TRY301
    except ValueError:
        logger.bind(url=url, frame=json.dumps(frame), password="other").exception(f"lost {url}")
    text = log.getvalue()
    assert len(log.lines) == 1
    for secret in (SECRET, "some key", "some signature", "other"):
        assert secret not in text


def test_lines_that_repeat_are_counted(log: Log) -> None:
    for number in range(50):
        logger.bind(reason="refused").warning("connection ended")
        logger.bind(reason="refused", number=number % 2).info("other fields, another line")
    assert len(log.lines) == 3
    logger.remove()  # the end of the process
    counted = {(line["event"], line.get("number")): line["repeated"] for line in log.lines[3:]}
    assert counted == {
        ("connection ended", None): 49,
        ("other fields, another line", 0): 24,
        ("other fields, another line", 1): 24,
    }


def test_the_standard_library_comes_the_same_way(log: Log) -> None:
    logging.getLogger("some.library").warning("lost %s", f"amqp://u:{SECRET}@host")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("old way", DeprecationWarning, stacklevel=1)
    first, second = log.lines
    assert first["logger"] == "some.library"
    assert first["event"] == "lost amqp://***@host"
    assert second["logger"] == "py.warnings"


def test_libraries_speak_from_a_warning_on_unless_we_debug() -> None:
    stream = Log()
    logs.setup(level="INFO", stream=stream)
    logging.getLogger("aiohttp").info("chatter")
    assert stream.lines == []


async def test_what_nobody_awaited_is_logged(log: Log) -> None:
    loop = asyncio.get_running_loop()
    logs.watch_loop(loop)
    try:
        loop.call_soon(lambda: 1 / 0)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    finally:
        loop.set_exception_handler(None)
    (line,) = (line for line in log.lines if line["level"] == "ERROR")
    assert line["event"] == "unhandled in the event loop"
    assert line["error"]["type"] == "ZeroDivisionError"


def test_an_endless_message_is_cut(log: Log) -> None:
    logger.bind(frame="x" * 1_000_000, deep=[["y" * 500] * 90] * 90).error("z" * 1_000_000)
    assert len(log.getvalue()) < 20_000
    assert len(log.lines) == 1


def test_a_field_that_cannot_be_printed_does_not_lose_the_line(log: Log) -> None:
    class Odd:
        def __str__(self) -> str:
            raise RuntimeError("no words")

    logger.bind(odd=Odd()).info("odd")
    assert [line["event"] for line in log.lines] == ["odd"]


@pytest.mark.parametrize("terminal", [False, True])
def test_people_get_text_that_no_peer_can_forge(terminal: bool) -> None:
    stream = Log(terminal=terminal)
    logs.setup(form="text", stream=stream)
    logger.bind(reason="bad\nINFO forged \x1b[2J", shard="a:b").warning("connection ended\nforged")
    text = stream.getvalue()
    assert text.count("\n") == 1
    assert "\x1b[2J" not in text
    assert "shard=a:b" in text
    assert ("\x1b[33m" in text) is terminal


def test_auto_means_text_on_a_terminal_and_json_elsewhere() -> None:
    for terminal in (True, False):
        stream = Log(terminal=terminal)
        logs.setup(stream=stream)
        logger.info("hello")
        assert stream.getvalue().startswith("{") is not terminal


def test_a_fatal_error_is_the_last_line_and_not_a_bare_trace() -> None:
    program = (
        "from common.ops import logs\n"
        f"logs.setup(secrets=['{SECRET}'])\n"
        f"raise RuntimeError('broken by {SECRET}')\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert ended.returncode == 1
    assert SECRET not in ended.stdout + ended.stderr.replace(program, "")
    line = json.loads(ended.stdout)
    assert (line["level"], line["event"]) == ("CRITICAL", "uncaught exception")
    assert line["error"]["message"] == "broken by ***"
