"""What the end of an account's life means: who has to do what about it."""

from __future__ import annotations

import pytest

from common.exchanges.private import Denied, InquiryFailed, Trouble
from common.exchanges.protocol import RestFailure
from common.fleet.breaker import TRIPS
from common.fleet.client import RedisAway
from common.session.line import LineEnded
from common.session.outcome import Outcome, of_dial
from common.session.transport import DialFailed
from workers.ending import Ended, ended_by


@pytest.mark.parametrize(
    ("error", "trouble"),
    [
        (LineEnded(Denied("permission", "may not")), "permission"),
        (LineEnded(Outcome("closed", "auth", "4001 login failed")), "key"),
        (LineEnded(Outcome("closed", "transient", "1006")), "transient"),
        (LineEnded(Outcome("refused", "rate", "too many wait")), "rate"),
        (InquiryFailed(RestFailure("auth", "-2015"), "key"), "key"),
        (RedisAway("away"), "transient"),
        (Ended("config", "credentials"), "config"),
    ],
)
def test_what_an_end_means(error: Exception, trouble: Trouble) -> None:
    assert ended_by(error).trouble == trouble


def test_a_refused_handshake_is_of_what_has_run_out_and_not_of_the_key() -> None:
    """Tokens and listen keys are part of the address: a key that is wrong opens none."""
    ended = ended_by(LineEnded(of_dial(DialFailed("HTTP 401", status=401))))
    assert ended.trouble == "expired"
    assert ended.trouble not in TRIPS
