"""What a connection is subscribed to: paced, sized, matched by id, one bad symbol costs nobody."""

import itertools
import json
from collections.abc import Iterable, Sequence

from hypothesis import given
from hypothesis import strategies as st

from common.exchanges.protocol import Ack, Limits, Refusal, Request
from common.session.subscriptions import RATE_PAUSE_S, REJECTED_S, Subscriptions
from common.session.topics import Rejection, TopicState

LIMITS = Limits(
    topics_per_connection=100, topics_per_request=4, requests_per_s=2.0, lifetime_s=9e4, ack_s=10.0
)


def subscribe(topics: Sequence[str], request_id: int) -> Request:
    return Request(request_id, json.dumps(["+", *topics]))


def unsubscribe(topics: Sequence[str], request_id: int) -> Request:
    return Request(request_id, json.dumps(["-", *topics]))


def family(topic: str) -> str:
    """``/candles:btc`` and ``/ticker:btc`` are asked for separately."""
    return topic.partition(":")[0] if topic[0] == "/" else ""


def make(rejections: dict[str, Rejection] | None = None) -> Subscriptions:
    kept = {} if rejections is None else rejections
    return Subscriptions(LIMITS, subscribe, unsubscribe, family, kept, lambda: 0.5)


def want(subs: Subscriptions, topics: Iterable[str], now_s: float, silence_s: float = 30.0) -> None:
    subs.want(dict.fromkeys(topics, silence_s), now_s)


class Exchange:
    """Plays the exchange: refuses some topics, acks the rest."""

    def __init__(self, subs: Subscriptions, refused: set[str]) -> None:
        self.subs = subs
        self.refused = refused
        self.active: set[str] = set()
        self.sizes: list[int] = []

    def run(self, now_s: float, for_s: float) -> float:
        end_s = now_s + for_s
        while now_s < end_s:
            request = self.subs.next_request(now_s)
            if request is not None:
                self.answer(request, now_s)
            now_s += 0.1
        return now_s

    def answer(self, request: Request, now_s: float) -> None:
        kind, *topics = json.loads(request.text)
        self.sizes.append(len(topics))
        if kind == "-":
            self.active -= set(topics)
        elif self.refused & set(topics):
            self.subs.refused(Refusal(request.request_id, "config", "invalid stream"), now_s)
            return
        else:
            self.active |= set(topics)
        self.subs.acked(Ack(request.request_id), now_s)


def states(subs: Subscriptions) -> dict[str, str]:
    return {topic: str(status.state) for topic, status in subs.topics.items()}


def test_requests_are_sized_and_paced_as_the_exchange_allows() -> None:
    subs = make()
    want(subs, [f"t{n}" for n in range(10)], 0.0)
    times = [n / 10 for n in range(30) if subs.next_request(n / 10)]
    assert times == [0.0, 0.5, 1.0]
    assert subs.next_request(60.0) is None


def test_a_topic_is_live_only_after_its_first_frame() -> None:
    subs = make()
    want(subs, ["a"], 0.0)
    assert states(subs) == {"a": "wanted"}
    request = subs.next_request(0.0)
    assert request is not None
    assert states(subs) == {"a": "asked"}
    subs.acked(Ack(request.request_id), 0.1)
    assert states(subs) == {"a": "acked"}
    assert subs.heard("a", 0.2)
    assert states(subs) == {"a": "live"}
    assert not subs.heard("a", 0.3)


def test_a_push_may_come_before_its_ack() -> None:
    subs = make()
    want(subs, ["a"], 0.0)
    request = subs.next_request(0.0)
    assert request is not None
    subs.heard("a", 0.1)
    subs.acked(Ack(request.request_id), 0.2)
    assert states(subs) == {"a": "live"}


@given(st.sets(st.integers(0, 30), min_size=1), st.sets(st.integers(0, 30)))
def test_refused_topics_are_found_and_the_others_live(wanted: set[int], bad: set[int]) -> None:
    topics = {f"t{n}" for n in wanted}
    refused = {f"t{n}" for n in bad} & topics
    subs = make()
    exchange = Exchange(subs, refused)
    want(subs, topics, 0.0)
    exchange.run(0.0, 120.0)
    assert exchange.active == topics - refused
    rejected = {t for t, s in subs.topics.items() if s.state is TopicState.REJECTED}
    assert rejected == refused
    assert all(subs.topics[t].reason == "invalid stream" for t in rejected)
    assert max(exchange.sizes) <= LIMITS.topics_per_request
    assert subs.settled


def test_it_is_settled_only_when_every_topic_has_an_answer() -> None:
    subs = make()
    want(subs, ["a", "b", "c", "d", "e"], 0.0)
    assert not subs.settled
    first = subs.next_request(0.0)
    assert first is not None
    subs.acked(Ack(first.request_id), 0.1)
    assert not subs.settled
    second = subs.next_request(1.0)
    assert second is not None
    subs.acked(Ack(second.request_id), 1.1)
    assert subs.settled


def test_a_rejected_topic_is_not_asked_for_again() -> None:
    subs = make()
    exchange = Exchange(subs, {"bad"})
    want(subs, ["bad", "good"], 0.0)
    now_s = exchange.run(0.0, 10.0)
    exchange.sizes.clear()
    for _ in range(100):
        subs.overdue(now_s)
        now_s = exchange.run(now_s, 10.0)
        subs.heard("good", now_s)
    assert exchange.sizes == []


def test_a_transient_refusal_is_asked_again_ever_more_rarely() -> None:
    subs = make()
    want(subs, ["a"], 0.0)
    asked: list[float] = []
    for tenth in range(6000):
        request = subs.next_request(tenth / 10)
        if request is not None:
            asked.append(tenth / 10)
            subs.refused(Refusal(request.request_id, "transient", "busy"), tenth / 10)
    waits = [later - earlier for earlier, later in itertools.pairwise(asked)]
    assert waits == sorted(waits)
    assert waits[0] >= 5.0
    assert max(waits) <= 301.0


def test_what_is_no_longer_wanted_is_given_up() -> None:
    subs = make()
    exchange = Exchange(subs, set())
    want(subs, ["a", "b"], 0.0)
    now_s = exchange.run(0.0, 5.0)
    want(subs, ["b", "c"], now_s)
    exchange.run(now_s, 5.0)
    assert exchange.active == {"b", "c"}
    assert set(subs.topics) == {"b", "c"}


def test_a_topic_given_up_before_it_was_asked_for_is_never_sent() -> None:
    subs = make()
    want(subs, ["a"], 0.0)
    want(subs, [], 0.0)
    assert subs.next_request(0.0) is None


def test_unanswered_requests_are_sent_again_and_counted() -> None:
    subs = make()
    want(subs, ["a"], 0.0)
    assert subs.next_request(0.0) is not None
    assert subs.overdue(9.9) == ()
    assert subs.unanswered == 0
    subs.overdue(10.0)
    assert subs.unanswered == 1
    again = subs.next_request(10.0)
    assert again is not None
    subs.acked(Ack(again.request_id), 10.1)
    assert subs.unanswered == 0
    assert states(subs) == {"a": "acked"}


def test_accepted_and_silent_is_said_and_asked_for_ever_more_rarely() -> None:
    subs = make()
    exchange = Exchange(subs, set())
    want(subs, ["a"], 0.0)
    now_s, said = exchange.run(0.0, 1.0), []
    while now_s < 2000.0:
        if subs.overdue(now_s):
            said.append(now_s)
            assert subs.topics["a"].reason == "accepted, but nothing came"
        now_s = exchange.run(now_s, 1.0)
    waits = [later - earlier for earlier, later in itertools.pairwise(said)]
    assert 30.0 <= said[0] <= 32.0
    assert waits == sorted(waits)
    assert waits[-1] > 400.0


def test_a_live_topic_that_says_nothing_for_too_long_is_asked_for_again() -> None:
    subs = make()
    exchange = Exchange(subs, set())
    want(subs, ["a"], 0.0, silence_s=15.0)
    exchange.run(0.0, 1.0)
    subs.heard("a", 1.0)
    subs.heard("a", 5.0)
    assert subs.overdue(19.9) == ()
    assert subs.overdue(20.0) == ("a",)
    assert subs.topics["a"].silent
    subs.heard("a", 21.0)
    assert not subs.topics["a"].silent


def test_silent_topics_are_asked_for_together() -> None:
    subs = make()
    exchange = Exchange(subs, set())
    want(subs, ["a", "b", "c"], 0.0)
    now_s = exchange.run(0.0, 1.0)
    exchange.sizes.clear()
    assert subs.overdue(now_s + 30.0) == ("a", "b", "c")
    exchange.run(now_s + 30.0, 1.0)
    assert exchange.sizes == [3]


def test_too_many_requests_silence_us_for_a_minute_and_the_batch_stays_one() -> None:
    subs = make()
    want(subs, ["a", "b", "c", "d", "e"], 0.0)
    request = subs.next_request(0.0)
    assert request is not None
    subs.refused(Refusal(request.request_id, "rate", "too many"), 0.0)
    assert [n for n in range(int(RATE_PAUSE_S)) if subs.next_request(n)] == []
    sent = [subs.next_request(RATE_PAUSE_S * 1.5 + n) for n in range(5)]
    assert sorted(len(json.loads(r.text)) - 1 for r in sent if r) == [1, 4]


def test_what_was_refused_for_good_is_not_asked_for_by_the_next_connection() -> None:
    kept: dict[str, Rejection] = {}
    first = make(kept)
    exchange = Exchange(first, {"bad"})
    want(first, ["bad"], 0.0)
    exchange.run(0.0, 1.0)
    second = make(kept)
    want(second, ["bad", "good"], 10.0)
    request = second.next_request(10.0)
    assert request is not None
    assert json.loads(request.text) == ["+", "good"]
    assert second.topics["bad"].reason == "invalid stream"
    second.acked(Ack(request.request_id), 10.0)
    second.overdue(REJECTED_S - 1)
    assert second.topics["bad"].state is TopicState.REJECTED
    second.overdue(REJECTED_S + 1)
    assert second.topics["bad"].state is TopicState.WANTED


def test_a_topic_that_speaks_while_it_waits_to_be_asked_again_stays_live() -> None:
    subs = make()
    exchange = Exchange(subs, set())
    want(subs, ["a"], 0.0)
    exchange.run(0.0, 1.0)
    subs.heard("a", 1.0)
    assert subs.ask_all_again(2.0) == ("a",)
    subs.heard("a", 2.1)
    exchange.run(2.2, 1.0)
    assert states(subs) == {"a": "live"}


def test_an_answer_to_nothing_of_ours_is_no_sign_of_being_answered() -> None:
    subs = make()
    want(subs, ["a", "b", "c", "d", "e"], 0.0)
    assert subs.next_request(0.0)
    assert subs.next_request(1.0)
    subs.overdue(20.0)
    assert subs.unanswered == 2
    subs.refused(Refusal(None, "config", "which?"), 20.0)
    subs.acked(Ack(99), 20.0)
    assert subs.unanswered == 2


def test_a_refusal_without_an_id_belongs_to_the_only_request_on_its_way() -> None:
    subs = make()
    want(subs, ["a"], 0.0)
    assert subs.next_request(0.0) is not None
    assert subs.refused(Refusal(None, "config", "invalid"), 0.1) == ("a",)


def test_an_answer_to_nothing_of_ours_changes_nothing() -> None:
    subs = make()
    want(subs, ["a"], 0.0)
    subs.acked(Ack(99), 0.0)
    assert subs.refused(Refusal(99, "config", "x"), 0.0) == ()
    assert states(subs) == {"a": "wanted"}


# --- answers that name topics, or nothing ---------------------------------------------------


def test_an_exchange_may_answer_topic_by_topic() -> None:
    subs = make()
    want(subs, ["a", "b", "c"], 0.0)
    request = subs.next_request(0.0)
    assert request is not None
    assert subs.acked(Ack(request.request_id, ("b",)), 0.1) == ("b",)
    assert subs.refused(Refusal(request.request_id, "unsupported", "no such", ("c",)), 0.1) == (
        "c",
    )
    states = {topic: status.state for topic, status in subs.topics.items()}
    assert states == {"a": TopicState.ASKED, "b": TopicState.ACKED, "c": TopicState.REJECTED}
    assert subs.acked(Ack(request.request_id, ("a",)), 0.2) == ("a",)
    assert subs.settled


def test_answers_without_an_id_find_their_request_by_the_topic() -> None:
    subs = make()
    want(subs, ["a", "b"], 0.0)
    subs.next_request(0.0)
    want(subs, ["b", "c"], 1.0)
    subs.next_request(1.0)  # gives a up
    subs.next_request(2.0)  # asks for c
    assert subs.acked(Ack(topics=("b", "c")), 2.1) == ("b", "c")
    assert subs.acked(Ack(topics=("a",)), 2.2) == ()


def test_answers_that_name_nothing_come_in_order() -> None:
    subs = make()
    want(subs, ["/x:a", "/y:b"], 0.0)
    first, second = subs.next_request(0.0), subs.next_request(1.0)
    assert first is not None
    assert second is not None
    assert subs.acked(Ack(), 1.1) == ("/x:a",)
    assert subs.acked(Ack(), 1.2) == ("/y:b",)
    assert subs.acked(Ack(), 1.3) == ()


def test_topics_of_different_families_never_share_a_request() -> None:
    subs = make()
    want(subs, ["/x:a", "/y:b", "/x:c"], 0.0)
    sent = []
    for second in range(3):
        request = subs.next_request(float(second))
        if request is not None:
            sent.append(json.loads(request.text)[1:])
    assert sent == [["/x:a", "/x:c"], ["/y:b"]]


def test_what_is_unanswered_topic_by_topic_is_asked_again_without_the_rest() -> None:
    subs = make()
    want(subs, ["a", "b"], 0.0)
    request = subs.next_request(0.0)
    assert request is not None
    subs.acked(Ack(request.request_id, ("a",)), 0.1)
    subs.overdue(LIMITS.ack_s + 0.1)
    again = subs.next_request(LIMITS.ack_s + 0.2)
    assert again is not None
    assert json.loads(again.text) == ["+", "b"]
