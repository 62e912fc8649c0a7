"""A desk with calls that can be heard, for tests."""

from pathlib import Path
from zoneinfo import ZoneInfo

import soundfile

from audio_model.desk.app import Desk
from audio_model.desk.stores import Places, Stores
from audio_model.detector import Detector
from audio_model.ranges.store import RangeStore
from audio_model.records import people
from audio_model.records.calls import CallRecord
from audio_model.records.people import Person, Role
from audio_model.records.store import CallStore
from audio_model.tables.results import Outcome
from tests import sounds
from tests.records.made import NOON, THRESHOLDS

SHANGHAI = ZoneInfo("Asia/Shanghai")
NASTY = 'x<img src=x onerror="alert(1)">'


def places(folder: Path, *, known: bool = True) -> Places:
    """Where the stores of a desk are."""
    return Places(
        str(folder / "desk.db"),
        str(folder / "ranges.db"),
        str(folder / "known.db") if known else None,
    )


def fill(folder: Path, n: int = 8) -> Places:
    """Make stores: a campaign of four calls with sound, others by themselves, and names of evil."""
    at = places(folder)
    (folder / NASTY).mkdir(exist_ok=True)
    calls = []
    for number in range(n):
        path = folder / NASTY / f"{number}.wav"
        played = number < 4
        soundfile.write(path, sounds.voice(6, 0 if played else number, played=played), 8000)
        calls.append(
            CallRecord(
                id=f"call-{number}",
                outcome=(Outcome.RECORDED, Outcome.LIVE, Outcome.UNKNOWN)[number % 3],
                path=str(path),
                caller="95213742" if played else f"1391234{number:04d}",
                called=f"1380013800{number}",
                time=NOON + number,
                duration=12.0,
                score=(0.95, 0.1, 0.5)[number % 3],
                seconds=6.0,
                speech_seconds=4.0,
                campaign=NASTY if played else "",
                known_name=NASTY if number == 5 else "",
            )
        )
    gone = CallRecord(
        id="gone", outcome=Outcome.UNKNOWN, path="/nowhere.wav", score=0.9, caller=NASTY
    )
    calls.append(gone)
    with CallStore(at.calls) as store:
        store.add(calls, None, THRESHOLDS)
    assert at.ranges is not None
    RangeStore(at.ranges).close()
    return at


def tokens(at: Places) -> dict[Role, str]:
    """A token for each role; the person is called as the role."""
    with CallStore(at.calls) as store:
        return {role: people.add(store, Person(role.value, role)) for role in Role}


def desk(at: Places, detector: Detector) -> Desk:
    """A desk in Shanghai."""
    return Desk(Stores(at), detector, SHANGHAI, "Asia/Shanghai")
