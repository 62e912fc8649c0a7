import math
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from audio_model.decision import Reason, VerdictKind
from audio_model.gateway.events import CallInfo, Event, EventKind
from audio_model.gateway.outlets.history import History
from tests.gateway.fakes import verdict


def add(
    history: History, call: str, leg: str = "caller", kind: EventKind = EventKind.FINAL
) -> bytes:
    event = Event(kind, CallInfo(call, "twilio"), leg, verdict(VerdictKind.LIVE))
    body = msgspec.json.encode(event.as_dict())
    history.add(event, body)
    return body


def read(history: History, call: str) -> Any:
    record = history.find(call)
    assert record is not None
    return msgspec.json.decode(msgspec.json.encode(record.as_dict()))


def recent(history: History, limit: int | None) -> list[str]:
    return [record.id for record in history.recent(limit)]


def test_the_latest_event_of_each_leg_is_kept() -> None:
    history = History()
    assert history.find("a") is None
    add(history, "a", "caller", EventKind.VERDICT)
    callee = add(history, "a", "callee")
    assert not read(history, "a")["finished"]
    caller = add(history, "a", "caller")
    assert read(history, "a") == {
        "call": "a",
        "finished": True,
        "legs": {"caller": msgspec.json.decode(caller), "callee": msgspec.json.decode(callee)},
    }


def test_the_oldest_calls_are_forgotten_by_number_and_by_time() -> None:
    now = 0.0
    history = History(max_calls=3, max_seconds=10, clock=lambda: now)
    for call in "abcd":
        add(history, call)
        now += 1
    assert recent(history, 10) == ["d", "c", "b"]
    add(history, "b")
    assert recent(history, 2) == ["b", "d"]
    now = 12.5
    assert history.find("c") is None
    assert len(history) == 2
    now = 100
    assert len(history) == 0
    assert recent(history, 10) == []


def test_the_oldest_calls_are_forgotten_by_size() -> None:
    size = len(add(History(), "a"))
    # Some bytes more, for times differ in their digits.
    history = History(max_bytes=3 * size + 20)
    for call in "abcd":
        add(history, call)
        # Said anew it takes no more room.
        add(history, call)
    assert recent(history, 10) == ["d", "c", "b"]
    add(history, "d", "callee")
    assert recent(history, 10) == ["d", "c"]
    add(history, "e")
    assert recent(history, 10) == ["e", "d"]


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 2, 1, 0), (2, 3, 0, 1)])
def test_of_a_call_whose_stream_broke_the_surest_final_stands(order: tuple[int, ...]) -> None:
    """mod_audio_stream#82: a second stream of the same call had the rest."""
    finals = [
        replace(verdict(VerdictKind.UNKNOWN), reason=Reason.NO_AUDIO, score=math.nan),
        replace(verdict(VerdictKind.UNKNOWN), reason=Reason.UNSURE),
        verdict(VerdictKind.LIVE, 0.2),
        verdict(VerdictKind.RECORDED, 0.97),
    ]
    history = History()
    for n in order:
        add(history, "a", kind=EventKind.PROGRESS)
        assert not read(history, "a")["finished"]
        event = Event(EventKind.FINAL, CallInfo("a", "freeswitch"), "caller", finals[n])
        history.add(event, msgspec.json.encode(event.as_dict()))
    call = read(history, "a")
    assert call["finished"] and call["legs"]["caller"]["verdict"] == "recorded"
