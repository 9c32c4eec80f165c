"""Logs: one line per event on stdout, JSON for machines and text for people, without secrets.

Call ``setup`` once, first thing in a process. After that ``loguru.logger`` is the only way to log:
the standard library's loggers, warnings and uncaught exceptions come the same way. A line is a
stable event name with fields, so bind what varies: ``logger.bind(shard=key).info("shard claimed")``.
Lines that repeat are counted, not written (``repeats``); nothing is written that ``redaction``
would not let pass.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import traceback
from collections.abc import Iterable, Mapping
from datetime import UTC
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, TextIO

from loguru import logger

from common.ops.errors import describe_error
from common.ops.redaction import Redactor
from common.ops.repeats import Repeat, Repeats

if TYPE_CHECKING:
    import loguru

LINE_CHARACTERS = 16_000
FIELD_CHARACTERS = 4_000

_COLOURS = {"WARNING": "\x1b[33m", "ERROR": "\x1b[31m", "CRITICAL": "\x1b[1;31m"}
_DIM, _PLAIN = "\x1b[2m", "\x1b[0m"
# What these say below a warning is their business, unless somebody debugs.
_CHATTY = logging.WARNING

_STANDARD_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")

_redactor = Redactor()
describe = describe_error


def setup(
    *,
    level: str = "INFO",
    form: Literal["auto", "json", "text"] = "auto",
    secrets: Iterable[str] = (),
    fields: Mapping[str, str] | None = None,
    stream: TextIO | None = None,
) -> None:
    """Send every log line of this process through one sink; ``fields`` stand on every line."""
    out = sys.stdout if stream is None else stream
    hide(*secrets)
    sink = _Sink(out, as_json=form == "json" or (form == "auto" and not out.isatty()))
    logger.remove()
    logger.configure(extra=dict(fields or {}))
    # The format is a function so that loguru adds no trace of its own, and `diagnose` is off
    # because it would print the values of local variables.
    logger.add(sink, level=level, format=_message_only, backtrace=False, diagnose=False)
    debugging = logger.level(level).no <= logging.DEBUG
    logging.basicConfig(handlers=[_Bridge()], level=0 if debugging else _CHATTY, force=True)
    logging.captureWarnings(True)
    sys.excepthook = _uncaught


def hide(*secrets: str) -> None:
    """Register values that may never appear in a line."""
    _redactor.hide(*secrets)


def redacted(text: str) -> str:
    """The text as a log line would show it: for health pages and stored records."""
    return _redactor.text(text)


def watch_loop(loop: asyncio.AbstractEventLoop) -> None:
    """Log what nobody awaited: an error in a callback or a forgotten task."""
    loop.set_exception_handler(_in_loop)


def _message_only(record: loguru.Record) -> str:
    return "{message}"


class _Sink:
    """Where every line ends up. Loguru calls it one line at a time."""

    def __init__(self, out: TextIO, *, as_json: bool) -> None:
        self._out = out
        self._as_json = as_json
        self._coloured = not as_json and out.isatty()
        self._repeats: Repeats = Repeats()

    def write(self, message: str) -> None:
        record: loguru.Record = message.record  # type: ignore[attr-defined]
        line = _line(record)
        now_s = record["time"].timestamp()
        for repeat in self._repeats.over(now_s):
            self._put(_counted(repeat))
        key = json.dumps({name: line[name] for name in line if name != "time"}, sort_keys=True)
        if self._repeats.first(key, line, now_s):
            self._put(line)
        self._out.flush()

    def stop(self) -> None:
        """Called by loguru when the sink is replaced or the process ends."""
        for repeat in self._repeats.rest():
            self._put(_counted(repeat))
        self._out.flush()

    def _put(self, line: dict[str, Any]) -> None:
        text = json.dumps(line, ensure_ascii=False) if self._as_json else self._text(line)
        self._out.write(f"{text}\n")

    def _text(self, line: dict[str, Any]) -> str:
        """``03:54:06.123 WARNING  connection ended  shard=… reason=…``, the trace below it."""
        rest = {name: line[name] for name in line if name not in ("time", "level", "event")}
        trace = ""
        if "error" in rest and isinstance(rest["error"], dict):
            rest["error"] = dict(rest["error"])
            trace = "\n" + rest["error"].pop("trace", "")
        fields = " ".join(f"{name}={_word(value)}" for name, value in rest.items())
        moment, level, event = line["time"][11:23], line["level"], _visible(line["event"])
        if self._coloured:
            moment = f"{_DIM}{moment}{_PLAIN}"
            event = f"{event}{_PLAIN}"
            level = f"{_COLOURS.get(level, '')}{level}{' ' * (8 - len(level))}"
        return f"{moment} {level:<8} {event}  {fields}".rstrip() + trace.rstrip()


def _line(record: loguru.Record) -> dict[str, Any]:
    """A record as the fields of its line, masked and bounded."""
    moment = record["time"].astimezone(UTC).isoformat(timespec="milliseconds")
    line: dict[str, Any] = {
        "time": moment.replace("+00:00", "Z"),
        "level": record["level"].name,
        "event": _redactor.text(record["message"])[:FIELD_CHARACTERS],
    }
    for name, value in record["extra"].items():
        line[name] = _bounded(_redactor.field(name, value))
    failure = record["exception"]
    if failure is not None and failure.value is not None:
        line["error"] = _redactor.value(describe_error(failure.value))
        line["error"]["trace"] = _trace(failure.value, failure.traceback)
    return line


def _trace(error: BaseException, where: TracebackType | None) -> str:
    lines = traceback.format_exception(type(error), error, where, limit=-20)
    return _redactor.text("".join(lines).rstrip())[-LINE_CHARACTERS:]


def _bounded(value: Any) -> Any:
    if isinstance(value, str):
        return value[:FIELD_CHARACTERS]
    if isinstance(value, list | dict) and len(json.dumps(value)) > FIELD_CHARACTERS:
        return json.dumps(value, ensure_ascii=False)[:FIELD_CHARACTERS]
    return value


def _counted(repeat: Repeat) -> dict[str, Any]:
    """The line again, told once for all the times it was held back."""
    return repeat.line | {"repeated": repeat.count}


def _word(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return json.dumps(text, ensure_ascii=False) if not text or " " in text else _visible(text)


def _visible(text: str) -> str:
    """Without line breaks and escapes: a peer's words must not forge lines or drive a terminal."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


class _Bridge(logging.Handler):
    """From the standard library's loggers to loguru."""

    def emit(self, record: logging.LogRecord) -> None:
        level: str | int = record.levelname
        if level not in _STANDARD_LEVELS:
            level = record.levelno
        source = logger.bind(logger=record.name).opt(exception=record.exc_info)
        source.log(level, "{}", record.getMessage())


def _uncaught(kind: type[BaseException], error: BaseException, where: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, where)
        return
    logger.opt(exception=(kind, error, where)).critical("uncaught exception")


def _in_loop(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    error = context.get("exception")
    about = logger.bind(detail=str(context.get("message", "")))
    about.opt(exception=error).error("unhandled in the event loop")
