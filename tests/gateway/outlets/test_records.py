from dataclasses import replace
from pathlib import Path

import pytest

from audio_model.decision import Reason, VerdictKind
from audio_model.gateway.events import CallInfo, Event, EventKind
from audio_model.gateway.outlets import records
from audio_model.gateway.outlets.records import CallRecorder, record_of
from audio_model.records.priority import Thresholds
from audio_model.records.store import CallStore
from tests.gateway.fakes import verdict

NEAR = Thresholds(0.9, 0.2)


def event(call: str, said: VerdictKind, leg: str = "caller", **values: object) -> Event:
    info = CallInfo(call, "twilio", "95213742", "13800138000")
    kind = values.pop("kind", EventKind.FINAL)
    assert isinstance(kind, EventKind)
    return Event(kind, info, leg, verdict(said), time=1_790_000_000.25)


def test_final_verdicts_of_callers_are_calls_of_the_desk(tmp_path: Path) -> None:
    path = tmp_path / "desk.db"
    recorder = CallRecorder(path, NEAR, tmp_path / "kept")
    for each in (
        event("a", VerdictKind.UNKNOWN),
        event("b", VerdictKind.RECORDED),
        event("a", VerdictKind.LIVE, "called"),
        event("c", VerdictKind.LIVE, kind=EventKind.PROGRESS),
    ):
        recorder.add(each, b"")
    recorder.close()
    with CallStore(path) as store:
        first, second = store.calls("1 ORDER BY id")
    assert (first.id, first.number, first.time) == ("a", "95213742", 1_790_000_000.25)
    assert first.path.endswith("kept/unknown-20260921T141320.250Z-twilio-a-caller.wav")
    assert first.queue is not None
    # What was decided is not kept, so that there is nothing to hear.
    assert (second.outcome, second.path, second.queue) == ("recorded", "", None)


def test_an_error_is_no_verdict() -> None:
    one = event("a", VerdictKind.UNKNOWN)
    told = replace(verdict(VerdictKind.UNKNOWN), reason=Reason.ERROR)
    failed = Event(EventKind.FINAL, one.call, "caller", told, "broke")
    record = record_of(failed, None)
    assert (record.outcome, record.error) == ("error", "broke")


def test_calls_wait_for_a_store_that_is_locked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "BUSY_SECONDS", 0.01)
    monkeypatch.setattr(records, "RETRY_SECONDS", 0.02)
    path = tmp_path / "desk.db"
    recorder = CallRecorder(path, NEAR, None)
    with CallStore(path) as store:
        with store.writing():
            recorder.add(event("a", VerdictKind.LIVE), b"")
            recorder._thread.join(0.1)
            assert len(recorder._waiting) == 1
        recorder.add(event("b", VerdictKind.LIVE), b"")
        for _ in range(500):
            if len(store.calls("1")) == 2:
                break
            recorder._thread.join(0.02)
        recorder.close()
        assert [call.id for call in store.calls("1 ORDER BY id")] == ["a", "b"]
