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


def read(history: History, call: str) -> object:
    return msgspec.json.decode(msgspec.json.encode(history.get(call)))


def test_the_latest_event_of_each_leg_is_kept() -> None:
    history = History()
    assert history.get("a") is None
    add(history, "a", "caller", EventKind.VERDICT)
    callee = add(history, "a", "callee")
    assert not history.get("a")["finished"]  # type: ignore[index]
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
    assert [call["call"] for call in history.recent(10)] == ["d", "c", "b"]
    add(history, "b")
    assert [call["call"] for call in history.recent(2)] == ["b", "d"]
    now = 12.5
    assert history.get("c") is None
    assert len(history) == 2
    now = 100
    assert len(history) == 0
    assert list(history.recent(10)) == []


def test_the_oldest_calls_are_forgotten_by_size() -> None:
    size = len(add(History(), "a"))
    # Some bytes more, for times differ in their digits.
    history = History(max_bytes=3 * size + 20)
    for call in "abcd":
        add(history, call)
        # Said anew it takes no more room.
        add(history, call)
    assert [call["call"] for call in history.recent(10)] == ["d", "c", "b"]
    add(history, "d", "callee")
    assert [call["call"] for call in history.recent(10)] == ["d", "c"]
    add(history, "e")
    assert [call["call"] for call in history.recent(10)] == ["e", "d"]


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
        assert not history.get("a")["finished"]  # type: ignore[index]
        event = Event(EventKind.FINAL, CallInfo("a", "freeswitch"), "caller", finals[n])
        history.add(event, msgspec.json.encode(event.as_dict()))
    call: Any = read(history, "a")
    assert call["finished"] and call["legs"]["caller"]["verdict"] == "recorded"
