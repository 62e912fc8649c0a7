"""Effects of marks on the other stores: ranges count them, known recordings are learnt.

Tasks stay in the store of calls until they are done, so a desk that is killed resumes them. The
ranges get a campaign's calls some hundred at a time.
"""

import logging
import math
import threading
from contextlib import ExitStack

from audio_model import audio
from audio_model.desk.stores import Places
from audio_model.errors import AudioError, AudioModelError, StoreError
from audio_model.known import store as known
from audio_model.known.fingerprint import fingerprint
from audio_model.known.matcher import match_whole
from audio_model.known.recording import RecordingMark
from audio_model.ranges.rates import MarkedAs
from audio_model.ranges.store import RangeStore
from audio_model.records.calls import KNOWN_PREFIX, known_campaign
from audio_model.records.store import ALLOWED, RECORDED, CallStore, StoredCall
from audio_model.sources.open import open_source
from audio_model.tables.rows import unescape

logger = logging.getLogger(__name__)

BATCH = 200
RETRY_SECONDS = 10.0
LEARNT_SECONDS = 60.0
"""The most of a recording that is learnt."""
_NEW = "new"
"""The former mark of a recording that the desk has added."""


class Effects:
    """A thread that does the tasks of the store of calls, whenever there are some."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._more, self._ending = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="desk-effects", daemon=True)

    def start(self) -> None:
        """Begin with the tasks that an earlier desk left."""
        self._more.set()
        self._thread.start()

    def more(self) -> None:
        """Wake the thread: there is something to do."""
        self._more.set()

    def close(self) -> None:
        """End after the task at hand."""
        self._ending.set()
        self._more.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._ending.is_set():
            self._more.wait(RETRY_SECONDS)
            self._more.clear()
            try:
                do_all(self._places, self._ending)
            except AudioModelError as error:
                logger.error("what was marked waits: %s", error)


def do_all(places: Places, ending: threading.Event | None = None) -> None:
    """Do all tasks. Raises StoreError if a store can't be used now."""
    with ExitStack() as stack:
        calls = stack.enter_context(CallStore(places.calls))
        ranges = recordings = None
        while (ending is None or not ending.is_set()) and (
            effect := calls.one(
                "SELECT n, kind, call, campaign, mark, who, behind FROM effects ORDER BY n LIMIT 1"
            )
        ):
            if ranges is None and places.ranges is not None:
                ranges = stack.enter_context(RangeStore(places.ranges))
            if recordings is None and places.known is not None:
                recordings = stack.enter_context(known.Store(places.known))
            n, kind, call, campaign, mark, who, behind = effect
            if kind == "call":
                _do_call(calls, ranges, recordings, call, mark, who)
            elif last := _do_campaign(calls, ranges, recordings, campaign, mark, behind):
                calls.do("UPDATE effects SET behind = ? WHERE n = ?", (last, n))
                continue
            calls.do("DELETE FROM effects WHERE n = ?", (n,))


def _do_call(
    calls: CallStore,
    ranges: RangeStore | None,
    recordings: known.Store | None,
    n: int,
    mark: str,
    who: str,
) -> None:
    call = calls.call(n)
    if ranges is not None:
        _tell(calls, ranges, [call], mark)
    if recordings is not None:
        if mark == RECORDED:
            _learn(calls, recordings, call)
        else:
            _unlearn(calls, recordings, n)


def _do_campaign(
    calls: CallStore,
    ranges: RangeStore | None,
    recordings: known.Store | None,
    campaign: int,
    mark: str,
    behind: int,
) -> int | None:
    """Tell the ranges of some calls of a campaign, and return the last; None if none is left."""
    found = calls.calls("campaign = ? AND n > ? ORDER BY n LIMIT ?", (campaign, behind, BATCH))
    if ranges is not None:
        # A mark on the call itself goes before a mark on its campaign.
        unmarked = [call for call in found if not call.settled]
        _tell(calls, ranges, unmarked, mark if mark == RECORDED else "")
    if found and ranges is not None:
        return found[-1].n
    if recordings is not None:
        for id in _recordings_of(calls, campaign):
            _mark_known(calls, recordings, id)
    return None


def _tell(calls: CallStore, ranges: RangeStore, found: list[StoredCall], mark: str) -> None:
    names: dict[int | None, str] = {None: ""}
    for each in found:
        if each.campaign not in names and each.campaign is not None:
            names[each.campaign] = getattr(calls.campaign(each.campaign), "name", "")
    heard = [each.for_ranges(names[each.campaign]) for each in found]
    ranges.mark_calls(
        [each for each in heard if each is not None], MarkedAs(mark) if mark else None
    )


def _recordings_of(calls: CallStore, campaign: int) -> set[int]:
    """Return the known recording that a campaign plays, and those that its calls taught."""
    rows = calls.rows(
        "SELECT recording FROM learnt JOIN calls ON calls.n = learnt.call WHERE campaign = ?",
        (campaign,),
    )
    found = {int(id) for (id,) in rows}
    name = getattr(calls.campaign(campaign), "name", "")
    id = name.removeprefix(KNOWN_PREFIX)
    return found | {int(id)} if id != name and id.isdecimal() else found


def _mark_known(calls: CallStore, recordings: known.Store, id: int) -> None:
    """Mark a recording as the desk says; as it was before, where the desk says nothing now."""
    recording = recordings.recording(id)
    if recording is None:
        calls.do("DELETE FROM taught WHERE recording = ?", (id,))
        return
    row = calls.one("SELECT was, became FROM taught WHERE recording = ?", (id,))
    # Whoever marked it elsewhere since then has the word.
    was = recording.mark.value if row is None or row[1] != recording.mark.value else str(row[0])
    wanted = _wanted(calls, id, was)
    if wanted is not None:
        calls.do("INSERT OR REPLACE INTO taught VALUES (?, ?, ?)", (id, was, wanted.value))
        recordings.mark(id, wanted)
        return
    if was == _NEW:
        recordings.remove(id)
    else:
        recordings.mark(id, RecordingMark(was))
    calls.do("DELETE FROM taught WHERE recording = ?", (id,))


def _wanted(calls: CallStore, id: int, was: str) -> RecordingMark | None:
    """Return what the desk says of a recording; None if it says nothing.

    Decisions on its campaigns come first, then what somebody allowed elsewhere, then marks.
    """
    row = calls.one("SELECT n FROM campaigns WHERE name = ?", (known_campaign(id),))
    plays = None if row is None else calls.campaign(row[0])
    taught = calls.rows(
        "SELECT coalesce(mark, '') FROM learnt JOIN calls ON calls.n = learnt.call "
        "LEFT JOIN campaigns ON campaigns.n = calls.campaign WHERE recording = ?",
        (id,),
    )
    if (plays is not None and plays.mark == ALLOWED) or (ALLOWED,) in taught:
        return RecordingMark.ALLOWED
    if plays is not None and plays.decided:
        return RecordingMark.CAMPAIGN if plays.mark == RECORDED else RecordingMark.NONE
    if was == RecordingMark.ALLOWED.value:
        return RecordingMark.ALLOWED
    if taught or (plays is not None and plays.mark == RECORDED):
        return RecordingMark.CAMPAIGN
    return None


def _learn(calls: CallStore, recordings: known.Store, call: StoredCall) -> None:
    """Learn the recording that a call plays, so that it is known when it comes again."""
    campaign = None if call.campaign is None else calls.campaign(call.campaign)
    if campaign is not None and campaign.mark == ALLOWED:
        return
    if calls.one("SELECT 1 FROM learnt WHERE call = ?", (call.n,)) is not None:
        return
    recording = None
    if call.known.isdecimal():
        recording = recordings.recording(int(call.known))
    if recording is None:
        path = unescape(call.path)
        try:
            with open_source(path) as file:
                heard = fingerprint(audio.read(file, max_seconds=LEARNT_SECONDS, name=path))
        except (AudioError, OSError) as error:
            logger.warning("call %d was marked and can't be learnt: %s", call.n, error)
            return
        match = match_whole(recordings, heard)
        if match is not None and match.sure and match.covers_call:
            recording = match.recording
        else:
            try:
                at = math.nan if call.time is None else call.time
                id = recordings.add(call.path, heard.codes, at)
            except StoreError as error:
                if error.passing:
                    raise
                logger.warning("call %d was marked and can't be learnt: %s", call.n, error)
                return
    if recording is None:
        mark = RecordingMark.NONE.value
        calls.do("INSERT OR REPLACE INTO taught VALUES (?, ?, ?)", (id, _NEW, mark))
    else:
        id = recording.id
        if recording.mark is RecordingMark.ALLOWED:
            return
    calls.do("INSERT OR REPLACE INTO learnt VALUES (?, ?)", (call.n, id))
    _mark_known(calls, recordings, id)


def _unlearn(calls: CallStore, recordings: known.Store, n: int) -> None:
    row = calls.one("SELECT recording FROM learnt WHERE call = ?", (n,))
    if row is not None:
        calls.do("DELETE FROM learnt WHERE call = ?", (n,))
        _mark_known(calls, recordings, row[0])
