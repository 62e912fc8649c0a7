import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from audio_model import audio
from audio_model.desk import effects
from audio_model.desk.stores import Places
from audio_model.known import recording
from audio_model.known import store as known
from audio_model.known.fingerprint import fingerprint
from audio_model.ranges.store import RangeStore
from audio_model.records import marks
from audio_model.records.marks import Said
from audio_model.records.store import ALLOWED, RECORDED, CallStore
from tests.desk import made


@pytest.fixture
def at(filled: Places, tmp_path: Path) -> Places:
    at = made.places(tmp_path)
    with CallStore(filled.calls) as store:
        store.do("VACUUM INTO ?", (at.calls,))
    return at


def counted(at: Places, number: str = "95213742") -> tuple[int, int, int]:
    """Calls, and marks of both kinds, of a number's widest range."""
    with RangeStore(at.ranges) as ranges:
        nodes = ranges.chain(number)
        if not nodes:
            return 0, 0, 0
        return nodes[0].calls, nodes[0].marked_recorded, nodes[0].marked_live


def recordings(at: Places) -> list[tuple[str, str]]:
    assert at.known is not None
    with known.Store(at.known) as store:
        return [(Path(each.name).name, each.mark.value) for each in store.recordings()]


def test_a_campaigns_mark_counts_in_the_ranges_for_all_its_calls_and_is_learnt(at: Places) -> None:
    with CallStore(at.calls) as store:
        marks.give(store, 1, "wang", Said.RECORDED)
        effects.do_all(at)
        assert store.rows("SELECT * FROM effects") == []
    assert counted(at) == (4, 4, 0)
    assert recordings(at) == [("0.wav", "campaign")]


def test_undo_takes_all_of_it_back(at: Places) -> None:
    with CallStore(at.calls) as store:
        marks.give(store, 1, "wang", Said.RECORDED)
        effects.do_all(at)
        marks.undo(store, "wang")
        effects.do_all(at)
    assert counted(at) == (4, 0, 0)
    assert recordings(at) == []


def test_what_was_said_of_a_call_itself_goes_before_its_campaign(at: Places) -> None:
    with CallStore(at.calls) as store:
        marks.give(store, 2, "li", Said.LIVE)
        marks.mark_campaign(store, 1, RECORDED, "wang", made.NOON)
        effects.do_all(at)
    assert counted(at) == (4, 3, 1)


def test_a_recording_that_may_recur_is_allowed_and_says_nothing_of_calls(at: Places) -> None:
    assert at.known is not None
    with CallStore(at.calls) as store, known.Store(at.known) as heard:
        marks.give(store, 1, "wang", Said.RECORDED)
        effects.do_all(at)
        (one,) = heard.recordings()
        store.do("UPDATE campaigns SET name = ?", (f"known {one.id}",))
        marks.mark_campaign(store, 1, ALLOWED, "wang", made.NOON)
        effects.do_all(at)
        (one,) = heard.recordings()
        assert one.mark is recording.RecordingMark.ALLOWED
    assert counted(at)[1:] == (1, 0)


def test_a_call_whose_recording_is_gone_stops_nothing(at: Places) -> None:
    with CallStore(at.calls) as store:
        marks.give(store, 9, "wang", Said.RECORDED)
        marks.give(store, 5, "wang", Said.LIVE)
        effects.do_all(at)
        assert store.rows("SELECT * FROM effects") == []
    assert counted(at, "13912340004") == (1, 0, 1)


def test_a_large_campaign_goes_on_where_it_was(at: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(effects, "BATCH", 2)
    told = []
    tell = effects._tell

    def once(*args: object) -> None:
        told.append(args)
        if len(told) == 2:
            raise KeyboardInterrupt
        tell(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(effects, "_tell", once)
    with CallStore(at.calls) as store:
        marks.mark_campaign(store, 1, RECORDED, "wang", made.NOON)
        with pytest.raises(KeyboardInterrupt):
            effects.do_all(at)
        assert counted(at) == (2, 2, 0)
        effects.do_all(at)
    assert counted(at) == (4, 4, 0)


def test_a_desk_without_the_other_stores_only_keeps_marks(at: Places) -> None:
    alone = Places(at.calls)
    with CallStore(at.calls) as store:
        marks.give(store, 1, "wang", Said.RECORDED)
        effects.do_all(alone)
        assert store.rows("SELECT * FROM effects") == []


def known_campaign(at: Places, store: CallStore, mark: recording.RecordingMark) -> None:
    """The first four calls play a recording that is known, and bears a mark."""
    assert at.known is not None
    with known.Store(at.known) as heard, Path(store.call(1).path).open("rb") as file:
        id = heard.add("0.wav", fingerprint(audio.read(file, max_seconds=60)).codes)
        heard.mark(id, mark)
    store.do("UPDATE campaigns SET name = ?", (f"known {id}",))
    store.do("UPDATE calls SET known = ? WHERE campaign = 1", (str(id),))


@pytest.mark.parametrize("was", recording.RecordingMark)
def test_undo_gives_a_known_recording_the_mark_it_had(
    at: Places, was: recording.RecordingMark
) -> None:
    with CallStore(at.calls) as store:
        known_campaign(at, store, was)
        marks.give(store, 1, "wang", Said.RECORDED)
        effects.do_all(at)
        kept = recording.RecordingMark.ALLOWED is was
        assert recordings(at) == [("0.wav", "allowed" if kept else "campaign")]
        marks.undo(store, "wang")
        effects.do_all(at)
    assert recordings(at) == [("0.wav", was.value)]


def test_a_recording_that_two_calls_taught_stays_while_one_of_them_says_so(at: Places) -> None:
    with CallStore(at.calls) as store:
        store.do("UPDATE calls SET campaign = NULL")
        for n, who in ((1, "wang"), (2, "li")):
            marks.give(store, n, who, Said.RECORDED)
        effects.do_all(at)
        marks.undo(store, "wang")
        effects.do_all(at)
        assert recordings(at) == [("0.wav", "campaign")]
        marks.undo(store, "li")
        effects.do_all(at)
        assert recordings(at) == []


def test_undo_leaves_what_was_said_of_a_recording_elsewhere_since(at: Places) -> None:
    assert at.known is not None
    with CallStore(at.calls) as store:
        marks.give(store, 1, "wang", Said.RECORDED)
        effects.do_all(at)
        with known.Store(at.known) as heard:
            (one,) = heard.recordings()
            heard.mark(one.id, recording.RecordingMark.ALLOWED)
        marks.undo(store, "wang")
        effects.do_all(at)
    assert recordings(at) == [("0.wav", "allowed")]


@pytest.mark.parametrize("said", [Said.LIVE, Said.WRONG_NUMBER, Said.RECORDED])
def test_a_mark_leaves_a_recording_allowed_that_somebody_decided_may_recur(
    at: Places, said: Said
) -> None:
    with CallStore(at.calls) as store:
        known_campaign(at, store, recording.RecordingMark.NONE)
        marks.mark_campaign(store, 1, ALLOWED, "deciding", made.NOON, "the bank's greeting")
        effects.do_all(at)
        marks.give(store, 1, "wang", said)
        effects.do_all(at)
        assert store.campaigns(1)[0].mark == ALLOWED
    assert recordings(at) == [("0.wav", "allowed")]


def test_a_campaign_that_may_recur_teaches_no_recording_and_allows_those_it_taught(
    at: Places,
) -> None:
    with CallStore(at.calls) as store:
        marks.mark_campaign(store, 1, ALLOWED, "deciding", made.NOON, "the bank's greeting")
        marks.give(store, 1, "wang", Said.RECORDED)
        effects.do_all(at)
        assert recordings(at) == []
        marks.mark_campaign(store, 1, RECORDED, "deciding", made.NOON, "it is a loan")
        marks.give(store, 2, "wang", Said.RECORDED)
        effects.do_all(at)
        assert recordings(at) == [("1.wav", "campaign")]
        marks.mark_campaign(store, 1, ALLOWED, "deciding", made.NOON, "it is the bank")
        effects.do_all(at)
    assert recordings(at) == [("1.wav", "allowed")]


def test_an_older_store_knows_what_its_recordings_were(at: Places) -> None:
    with CallStore(at.calls) as store:
        known_campaign(at, store, recording.RecordingMark.NONE)
        marks.give(store, 1, "wang", Said.RECORDED)
        effects.do_all(at)
    with closing(sqlite3.connect(at.calls)) as db, db:
        # As it was written by a format that took the campaign's own mark for the one before.
        db.execute("DROP INDEX settled_in")
        db.execute("DROP TABLE taught")
        db.execute("ALTER TABLE learnt ADD COLUMN was TEXT NOT NULL DEFAULT 'campaign'")
        db.execute("PRAGMA user_version = 4")
    with CallStore(at.calls) as store:
        marks.undo(store, "wang")
        effects.do_all(at)
    assert recordings(at) == [("0.wav", "")]
