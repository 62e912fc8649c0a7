import pytest

from audio_model.errors import UnknownCallError
from audio_model.records import deeds, imports, marks, queue
from audio_model.records.marks import Mark, Said
from audio_model.records.priority import QueueReason
from audio_model.records.store import CallStore
from tests.records.made import NOON, THRESHOLDS, call, number_of, store_of
from tests.records.made import queue as queued


@pytest.fixture(autouse=True)
def _one_listener(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(marks, "SECOND_EARS", 10**9)


def fill(store: CallStore, n: int) -> None:
    calls = (call(str(each), campaign="loan", speech_seconds=each) for each in range(n))
    store.add(calls, None, THRESHOLDS)


def campaign_of(n: int) -> CallStore:
    """A store with a campaign of so many calls; the last one stands for it."""
    store = store_of()
    fill(store, n)
    return store


def say(store: CallStore, id: str, who: str, said: Said) -> deeds.Deed:
    return marks.give(store, number_of(store, id), who, said, NOON)


def test_the_most_useful_calls_come_first() -> None:
    store = store_of(
        call("far", score=0.55),
        call("near", score=0.89),
        *(call(f"small{n}", "recorded", campaign="small", speech_seconds=n) for n in range(3)),
        *(call(f"large{n}", "recorded", campaign="large", speech_seconds=n) for n in range(9)),
        call("lost", path=""),
    )
    assert queued(store) == ["large8", "small2", "near", "far"]


def test_two_people_never_get_one_call() -> None:
    store = store_of(*(call(str(n)) for n in range(3)))
    first, second = queue.lease(store, "wang", NOON), queue.lease(store, "li", NOON)
    assert first and second and first.n != second.n
    assert queue.lease(store, "wang", NOON) == first
    assert not queue.take(store, first.n, "li", NOON)
    late = NOON + queue.LEASE_SECONDS + 1
    again = queue.lease(store, "zhao", late)
    assert again is not None and again.n == first.n


def test_a_mark_settles_its_call_and_the_next_one_comes() -> None:
    store = store_of(call("a", score=0.89), call("b"))
    a = queue.lease(store, "wang", NOON)
    assert a is not None
    marks.give(store, a.n, "wang", Said.RECORDED, NOON)
    assert store.call(a.n).settled == "recorded"
    following = queue.lease(store, "wang", NOON)
    assert following is not None and following.id == "b"


def test_a_recorded_campaign_is_marked_as_a_whole() -> None:
    store = campaign_of(4)
    assert queued(store) == ["3"]
    say(store, "3", "wang", Said.RECORDED)
    assert (store.campaigns(1)[0].mark, queued(store)) == ("recorded", [])
    assert store.rows("SELECT kind, mark FROM effects ORDER BY kind") == [
        ("call", "recorded"),
        ("campaign", "recorded"),
    ]


def test_a_live_caller_in_a_recorded_campaign_is_disputed_until_somebody_decides() -> None:
    store = campaign_of(4)
    say(store, "3", "wang", Said.RECORDED)
    deed = say(store, "0", "li", Said.LIVE)
    assert (store.campaigns(1)[0].mark, queued(store)) == ("recorded", ["0"])
    assert store.call(number_of(store, "0")).why == QueueReason.DISPUTED
    assert deeds.log(store, 1)[0].detail["contradicts"] == deed.detail["contradicts"] == "recorded"
    # The archive is imported again: the dispute waits on.
    fill(store, 4)
    assert queued(store) == ["0"]
    marks.mark_campaign(store, 1, "", "zhao", NOON, "two recordings")
    assert (store.campaigns(1)[0].mark, queued(store)) == ("", [])


def test_a_recording_in_a_campaign_with_a_live_caller_is_disputed() -> None:
    store = campaign_of(4)
    say(store, "0", "li", Said.LIVE)
    assert say(store, "3", "wang", Said.RECORDED).detail["contradicts"] == "live"
    assert (store.campaigns(1)[0].mark, queued(store)) == ("", ["3"])


@pytest.mark.parametrize(
    ("decided", "said", "contradicts"),
    [
        ("allowed", Said.LIVE, ""),
        ("allowed", Said.WRONG_NUMBER, ""),
        ("allowed", Said.UNSURE, ""),
        ("allowed", Said.RECORDED, "allowed"),
        ("recorded", Said.RECORDED, ""),
        ("recorded", Said.LIVE, "recorded"),
        ("recorded", Said.WRONG_NUMBER, "recorded"),
        ("", Said.RECORDED, ""),
        ("", Said.LIVE, ""),
    ],
)
def test_marks_of_its_calls_leave_a_campaign_as_somebody_decided(
    decided: str, said: Said, contradicts: str
) -> None:
    store = campaign_of(2)
    marks.mark_campaign(store, 1, decided, "zhao", NOON, "its greeting")
    before = store.campaigns(1)[0]
    deed = say(store, "0", "wang", said)
    assert store.campaigns(1)[0] == before
    assert deed.detail["contradicts"] == contradicts
    assert ("0" in queued(store)) == (bool(contradicts) or said is Said.UNSURE)
    marks.undo(store, "wang", NOON)
    assert store.campaigns(1)[0] == before


def test_a_campaign_is_recorded_while_a_call_of_it_says_so() -> None:
    store = campaign_of(4)
    say(store, "3", "wang", Said.RECORDED)
    say(store, "2", "li", Said.RECORDED)
    say(store, "3", "wang", Said.LIVE)
    assert store.campaigns(1)[0].mark == "recorded"
    marks.undo(store, "wang", NOON)
    marks.undo(store, "wang", NOON)
    assert store.campaigns(1)[0].mark == "recorded"
    say(store, "2", "li", Said.LIVE)
    assert store.campaigns(1)[0].mark == ""


def test_undo_leaves_what_its_own_person_decided_since() -> None:
    store = campaign_of(2)
    say(store, "1", "wang", Said.RECORDED)
    marks.mark_campaign(store, 1, "allowed", "wang", NOON, "its greeting")
    marks.undo(store, "wang", NOON)
    assert store.campaigns(1)[0].mark == "allowed"


def test_undo_gives_back_the_call_its_place_and_its_campaign() -> None:
    store = store_of(*(call(str(n), campaign="loan", speech_seconds=n) for n in range(4)))
    n = number_of(store, "3")
    before = store.call(n)
    marks.give(store, n, "wang", Said.RECORDED, NOON)
    undone = marks.undo(store, "wang", NOON)
    assert undone is not None and undone.call == n
    assert store.call(n) == before
    assert (store.campaigns(1)[0].mark, marks.of_call(store, n)) == ("", [])
    assert queue.holder(store, n, NOON) == "wang"
    assert marks.undo(store, "wang", NOON) is None
    assert marks.undo(store, "li", NOON) is None


def test_undo_of_a_second_thought_gives_back_the_first() -> None:
    store = store_of(call("a"))
    marks.give(store, 1, "wang", Said.LIVE, NOON)
    marks.give(store, 1, "wang", Said.RECORDED, NOON)
    marks.undo(store, "wang", NOON)
    assert [each.said for each in marks.of_call(store, 1)] == [Said.LIVE]
    assert store.call(1).settled == "live"


def test_a_skipped_call_is_left_to_others_and_comes_back_when_that_is_undone() -> None:
    store = store_of(call("a"))
    queue.lease(store, "wang", NOON)
    queue.skip(store, 1, "wang")
    deeds.note(store, "wang", deeds.DeedKind.SKIPPED, call=1)
    assert queue.lease(store, "wang", NOON) is None
    marks.undo(store, "wang", NOON)
    assert queue.lease(store, "wang", NOON) is not None


def test_who_is_not_sure_leaves_the_call_to_a_second_person() -> None:
    store = store_of(call("a"))
    marks.give(store, 1, "wang", Said.UNSURE, NOON)
    assert store.call(1).why == QueueReason.SECOND
    assert queue.lease(store, "wang", NOON) is None
    assert queue.lease(store, "li", NOON) is not None
    marks.give(store, 1, "li", Said.WRONG_NUMBER, NOON)
    assert (store.call(1).settled, store.call(1).queue) == ("live", None)


def test_two_who_disagree_are_settled_by_a_third() -> None:
    store = store_of(call("a"))
    marks.give(store, 1, "wang", Said.RECORDED, NOON)
    marks.give(store, 1, "li", Said.LIVE, NOON)
    assert (store.call(1).settled, store.call(1).why) == ("", QueueReason.DISPUTED)
    marks.give(store, 1, "zhao", Said.RECORDED, NOON)
    assert (store.call(1).settled, store.call(1).queue) == ("recorded", None)
    agreement = marks.between_people(store)
    assert (agreement.compared, agreement.same) == (3, 1)


def handset(store: CallStore, n: int, who: str, said: Said, source: str = "app") -> None:
    marks.write(store, Mark(source, who, said, 0.7, NOON, n, "95213742"), NOON)
    marks.settle_handsets(store, n)


def test_handsets_that_contradict_the_detector_put_a_call_forward() -> None:
    store = store_of(call("told", "live", score=0.1), call("near", score=0.89))
    handset(store, 1, "a", Said.RECORDED)
    assert (queued(store)[0], store.call(1).why) == ("told", QueueReason.DISPUTED)
    handset(store, 2, "a", Said.RECORDED)
    assert store.call(2).why == QueueReason.NEAR


def test_marks_are_weighed_against_each_other_and_the_detector() -> None:
    store = store_of(call("a", score=0.5))
    heard = store.call(1)
    many = [Mark("app", str(n), Said.RECORDED, 0.7, NOON, 1) for n in range(3)]
    assert marks.probability(heard, [], {}) == pytest.approx(0.5)
    assert marks.probability(heard, many, {}) > 0.9
    one_more = [*many, Mark("", "wang", Said.LIVE, 0.98, NOON, 1)]
    assert marks.probability(heard, one_more, {}) < 0.5
    assert marks.probability(heard, many, {"app": 0.5}) == pytest.approx(0.5)


def test_a_source_that_the_desk_contradicts_is_trusted_less() -> None:
    store = store_of(*(call(str(n)) for n in range(10)))
    for n in range(1, 11):
        handset(store, n, "a", Said.RECORDED, "good")
        handset(store, n, "b", Said.LIVE, "bad")
        marks.give(store, n, "wang", Said.RECORDED, NOON)
    good, bad = sorted(marks.trusts(store), key=lambda each: -each.now)
    assert (good.source, good.agreed, bad.source, bad.agreed) == ("good", 10, "bad", 0)
    assert good.now == pytest.approx(0.85) and bad.now == pytest.approx(0.35)


def test_one_call_in_many_is_heard_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(marks, "SECOND_EARS", 1)
    store = store_of(call("a"))
    marks.give(store, 1, "wang", Said.RECORDED, NOON)
    assert store.call(1).why == QueueReason.SECOND
    marks.give(store, 1, "li", Said.RECORDED, NOON)
    assert store.call(1).queue is None


def test_a_call_that_is_not_there_is_told() -> None:
    with pytest.raises(UnknownCallError):
        marks.give(store_of(), 5, "wang", Said.LIVE)


def test_the_log_tells_what_was_done_and_undone() -> None:
    store = store_of(call("a"))
    marks.give(store, 1, "wang", Said.LIVE, NOON)
    marks.undo(store, "wang", NOON)
    assert [(each.what, each.undone) for each in deeds.log(store, 10)] == [
        ("undone", False),
        ("marked", True),
    ]


def test_scores_that_become_frequent_are_drift() -> None:
    day = 86_400.0
    usual = [
        call(f"u{n}", time=NOON - (1 + n % 20) * day, score=n // 20 % 10 / 10 + 0.05)
        for n in range(400)
    ]
    today = [call(f"t{n}", time=NOON, score=0.55) for n in range(50)]
    store = store_of(*usual, *today)
    assert queue.find_drift(store, NOON) == 20
    assert {each.id[0] for each in store.calls("why = 'drift'")} == {"t"}
    assert queue.find_drift(store_of(*usual), NOON - day) == 0
    # Live calls that come meanwhile are not put forward hour by hour.
    more = [call(f"v{n}", score=0.55, time=NOON + 60) for n in range(30)]
    store.add(more, None, THRESHOLDS)
    assert imports.keep_up(store) == 0
    store.do("UPDATE calls SET queue = NULL, why = '' WHERE why = 'drift'")
    assert imports.keep_up(store) == 20


def test_progress_counts_the_queue_and_the_days_marks() -> None:
    store = store_of(*(call(str(n)) for n in range(5)))
    marks.give(store, 1, "wang", Said.LIVE, NOON - 86_400)
    marks.give(store, 2, "wang", Said.LIVE, NOON + 1)
    marks.give(store, 3, "li", Said.RECORDED, NOON + 2)
    assert queue.progress(store, "wang", NOON) == queue.QueueProgress(2, 3, 2, 1)
