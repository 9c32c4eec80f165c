"""Drives an inquiry: the requests it makes, answered with what the test has ready."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import TypeVar

from common.exchanges.private import InquiryFailed, Trouble
from common.exchanges.protocol import RestFailure, RestRequest

_T = TypeVar("_T")
Answer = bytes | InquiryFailed


def refused(detail: str, trouble: Trouble = "transient") -> InquiryFailed:
    """An answer that is a failure."""
    return InquiryFailed(RestFailure("transient", detail), trouble)


def answered(
    inquiry: Generator[RestRequest, bytes, _T], answers: Sequence[Answer]
) -> tuple[_T, list[RestRequest]]:
    """What it found out, and what it asked. It has to ask exactly as often as there are answers."""
    asked: list[RestRequest] = []
    waiting = list(answers)
    try:
        request = next(inquiry)
        while True:
            asked.append(request)
            assert waiting, f"nothing is ready for {request.url} {dict(request.params)}"
            answer = waiting.pop(0)
            request = (
                inquiry.throw(answer) if isinstance(answer, InquiryFailed) else inquiry.send(answer)
            )
    except StopIteration as stop:
        assert not waiting, f"{len(waiting)} answers were not asked for"
        return stop.value, asked
