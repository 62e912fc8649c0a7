"""Effects of marks on the other stores: ranges count them, known recordings are learnt.

Tasks stay in the store of calls until they are done, so a desk that is killed resumes them. The
ranges get a campaign's calls some hundred at a time.
"""

import logging
import threading
from contextlib import ExitStack

from audio_model import audio
from audio_model.desk.stores import Places
from audio_model.errors import AudioError, AudioModelError, StoreError
from audio_model.known import store as known
from audio_model.known.fingerprint import fingerprint
from audio_model.known.matcher import match_whole
from audio_model.known.recording import Mark as KnownMark
from audio_model.ranges.rates import Mark
from audio_model.ranges.store import RangeStore
from audio_model.records import marks
from audio_model.records.calls import KNOWN_PREFIX
from audio_model.records.store import CallStore, StoredCall
from audio_model.sources.open import open_source
from audio_model.tables.rows import unescape

logger = logging.getLogger(__name__)

BATCH = 200
RETRY_SECONDS = 10.0
LEARNT_SECONDS = 60.0
"""The most of a recording that is learnt."""


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
        if mark == marks.RECORDED:
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
        _tell(calls, ranges, unmarked, mark if mark == marks.RECORDED else "")
    if found and ranges is not None:
        return found[-1].n
    name = getattr(calls.campaign(campaign), "name", "")
    if recordings is not None and name.startswith(KNOWN_PREFIX):
        _mark_known(recordings, name.removeprefix(KNOWN_PREFIX), mark)
    return None


def _tell(calls: CallStore, ranges: RangeStore, found: list[StoredCall], mark: str) -> None:
    names: dict[int | None, str] = {None: ""}
    for each in found:
        if each.campaign not in names and each.campaign is not None:
            names[each.campaign] = getattr(calls.campaign(each.campaign), "name", "")
    heard = [each.for_ranges(names[each.campaign]) for each in found]
    ranges.mark_calls([each for each in heard if each is not None], Mark(mark) if mark else None)


def _mark_known(recordings: known.Store, id: str, mark: str) -> None:
    if id.isdecimal() and recordings.recording(int(id)) is not None:
        wanted = {marks.RECORDED: KnownMark.CAMPAIGN, marks.ALLOWED: KnownMark.ALLOWED}
        recordings.mark(int(id), wanted.get(mark, KnownMark.NONE))


def _learn(calls: CallStore, recordings: known.Store, call: StoredCall) -> None:
    """Learn the recording that a call plays, so that it is known when it comes again."""
    if calls.one("SELECT 1 FROM learnt WHERE call = ?", (call.n,)) is not None:
        return
    recording, was = None, "new"
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
                id = recordings.add(call.path, heard.codes, call.time)
            except StoreError as error:
                if error.passing:
                    raise
                logger.warning("call %d was marked and can't be learnt: %s", call.n, error)
                return
    if recording is not None:
        id, was = recording.id, recording.mark.value
        if recording.mark is KnownMark.ALLOWED:
            return
    recordings.mark(id, KnownMark.CAMPAIGN)
    calls.do("INSERT OR REPLACE INTO learnt VALUES (?, ?, ?)", (call.n, id, was))


def _unlearn(calls: CallStore, recordings: known.Store, n: int) -> None:
    row = calls.one("SELECT recording, was FROM learnt WHERE call = ?", (n,))
    if row is None:
        return
    if recordings.recording(row[0]) is not None:
        if row[1] == "new":
            recordings.remove(row[0])
        else:
            recordings.mark(row[0], KnownMark(row[1]))
    calls.do("DELETE FROM learnt WHERE call = ?", (n,))
