"""Records survive the way to Redis and back, and never grow without bound."""

from __future__ import annotations

import json

import msgspec
import pytest
from msgspec.structs import replace

from common.ops.records import MOST_NAMED, SessionState, decode, encode, named
from common.session.lifecycle import State
from tests.ops.fleet import CANDLES, healthy, shard, worker


def test_a_record_comes_back_as_it_was() -> None:
    changed = shard(
        CANDLES,
        reasons=("closed: 1006",),
        rejected=("a",),
        rejected_count=1,
        fenced=False,
        ends={"closed": 2},
        unreadable={"not_json": 1},
    )
    for record in [*healthy(), worker("price-3", changed, counters={"published": 5})]:
        assert decode(encode(record)) == record


def test_stored_records_are_camel_case_json() -> None:
    body = json.loads(encode(healthy()[0]))
    assert {"workerId", "startedMs", "updatedMs", "shards"} <= body.keys()
    assert body["shards"][0]["lastFrameAgeS"] == 0.5


def test_a_newer_worker_may_say_more() -> None:
    body = json.loads(encode(healthy()[0])) | {"mood": "fine"}
    assert decode(json.dumps(body).encode()) == healthy()[0]


@pytest.mark.parametrize("body", [b"null", b"{}", b"not json", b'{"workerId":1}'])
def test_what_is_no_record_is_refused(body: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        decode(body)


def test_states_are_the_words_of_the_session() -> None:
    assert set(msgspec.inspect.type_info(SessionState).values) == {state.value for state in State}


def test_names_are_bounded() -> None:
    assert named(["a", "b"]) == ("a", "b")
    assert len(named(f"{n}" for n in range(10**9))) == MOST_NAMED
    assert len(named(["x" * 10_000])[0]) == 200


def test_a_worker_without_a_name_goes_by_its_id() -> None:
    assert worker("price-1").label == "price-1"
    assert replace(worker("price-1"), name="").label == "price-1:a1b2c3"
