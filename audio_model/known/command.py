"""``audio-model known``: a store of known recordings, by hand."""

import argparse
import math
import sys
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

from audio_model.audio import check_seconds
from audio_model.commands import (
    EXIT_DONE,
    EXIT_SOME,
    add_action,
    add_actions,
    add_command,
    add_seconds_argument,
    run_action,
)
from audio_model.errors import StoreError, UsageError
from audio_model.known import campaigns_command
from audio_model.known.fingerprint_files import fingerprint_files
from audio_model.known.match import Match
from audio_model.known.matcher import match_whole
from audio_model.known.recording import RecordingMark, StoredRecording
from audio_model.known.sounds import allow_sounds
from audio_model.known.store import Store
from audio_model.tables import csv_files
from audio_model.tables.columns import add_columns_argument
from audio_model.tables.rows import escape
from audio_model.times import DAY_SECONDS, iso

DEFAULT_SECONDS = 600.0

DESCRIPTION = """\
Keep a store of known recordings. The store is one file. It finds the same samples again from two or
three seconds of a call, at any offset, through another codec, another level and noise. A live voice
does not match: its words may recur, its samples do not."""

EPILOG = """\
examples:
  audio-model known add known.db campaigns/ greeting.wav    each is named by its path
  audio-model known match known.db calls/ > matches.csv     a row for each call
  audio-model known campaigns calls/ --output campaigns.csv group an archive by what it plays
  audio-model known list known.db
  audio-model known remove known.db 17 greeting.wav         by number or by name
  audio-model known remove known.db --unheard-days 90       learnt, and not heard since
  audio-model known add known.db campaigns.summary.csv      what known campaigns found
  audio-model known mark known.db 17 allowed                an announcement: no evidence
  audio-model known mark known.db 17 none                   take that back
  audio-model known sounds known.db                         music on hold and prompts: allowed
  audio-model known merge known.db branch-office.db         add what is new in another store

known match tells for each call which recording it repeats. The column repeats says whether the call
repeats the message itself or only a part that both share, such as a jingle. If the line slipped,
the column pieces has each piece: its begin and end in the call, and its offset in the recording.

PATH is a recording, a folder, a pattern in quotes, a manifest, or - for a list on standard input. A
manifest's column time gives the time of each call. Several processes may use a store at once.

exit status:
  0 done, 1 some recordings could not be read, 2 wrong usage or a damaged store
"""

_MATCH_COLUMNS = (
    "path",
    "recording",
    "name",
    "offset",
    "start",
    "end",
    "matched_seconds",
    "probability",
    "first_heard",
    "last_heard",
    "times_heard",
    "mark",
    "repeats",
    "speed",
    "pieces",
    "error",
)
_LIST_COLUMNS = ("recording", "name", "seconds", "first_heard", "last_heard", "times_heard", "mark")
_NO_MARK = "none"


run = run_action
_action = partial(add_action, store="the store's file")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what ``known`` takes."""
    actions = add_actions(parser)
    for name, action, about in (
        ("add", _add, "add recordings that are not in the store"),
        ("match", _match, "tell for each call which known recording it repeats, as CSV"),
    ):
        chosen = _action(actions, name, action, about)
        chosen.add_argument("paths", nargs="+", metavar="PATH")
        add_seconds_argument(chosen, DEFAULT_SECONDS)
        add_columns_argument(chosen, "manifests", "path=FILE,time=START")
    _action(actions, "list", _list, "list the known recordings, as CSV")
    removing = _action(actions, "remove", _remove, "remove recordings")
    removing.add_argument("recordings", nargs="*", metavar="RECORDING", help="number or name")
    removing.add_argument(
        "--unheard-days",
        type=float,
        default=math.inf,
        metavar="D",
        help="learnt recordings without a mark, not heard in the D days before the last call",
    )
    removing.add_argument(
        "--beyond",
        type=int,
        metavar="N",
        help="learnt recordings without a mark, except the N heard last",
    )
    marking = _action(actions, "mark", _mark, "mark the recordings of a name or number")
    marking.add_argument("recording", metavar="RECORDING", help="number or name")
    marking.add_argument(
        "mark",
        choices=[RecordingMark.ALLOWED.value, RecordingMark.CAMPAIGN.value, _NO_MARK],
        help="allowed: it may recur, and is no evidence in a call; "
        "campaign: a campaign plays it, which is also assumed without a mark; "
        "none: take the mark back",
    )
    _action(actions, "sounds", _sounds, "add the sounds that come with audio-model, as allowed")
    merging = _action(actions, "merge", _merge, "add the recordings of other stores that are new")
    merging.add_argument("others", nargs="+", metavar="OTHER")
    add_command(actions, "campaigns", campaigns_command, "group calls that play the same recording")


def _add(args: argparse.Namespace) -> int:
    check_seconds(args.max_seconds)
    errors = 0
    with Store(args.store) as store:
        for heard in fingerprint_files(args.paths, args.max_seconds, args.columns):
            path = escape(heard.entry.path)
            if heard.fingerprint is None:
                errors += 1
                print(f"{path}: {escape(heard.error)}", file=sys.stderr)
                continue
            if heard.time_error:
                errors += 1
                told = f"{heard.time_error}; it is added without one"
                print(f"{path}: {escape(told)}", file=sys.stderr)
            known = match_whole(store, heard.fingerprint)
            if known is not None and known.sure and known.covers_call:
                print(f"{path}: known as {known.recording.id} ({known.recording.name})")
                continue
            try:
                print(f"{path}: {store.add(path, heard.fingerprint.codes, heard.time)}")
            except StoreError as error:
                errors += 1
                print(error, file=sys.stderr)
    return EXIT_SOME if errors else EXIT_DONE


def _match(args: argparse.Namespace) -> int:
    check_seconds(args.max_seconds)
    errors = 0
    with Store(args.store, create=False) as store:
        rows = csv_files.Writer(sys.stdout)
        rows.writerow(_MATCH_COLUMNS)
        for heard in fingerprint_files(args.paths, args.max_seconds, args.columns):
            cells: Iterable[object] = [""] * (len(_MATCH_COLUMNS) - 2)
            if heard.fingerprint is None:
                errors += 1
            elif (match := match_whole(store, heard.fingerprint)) is not None and match.repeats:
                cells = _matched(match)
            rows.writerow([escape(heard.entry.path), *cells, escape(heard.error)])
    return EXIT_SOME if errors else EXIT_DONE


def _list(args: argparse.Namespace) -> int:
    with Store(args.store, create=False) as store:
        rows = csv_files.Writer(sys.stdout)
        rows.writerow(_LIST_COLUMNS)
        for recording in store.recordings():
            seconds = f"{recording.seconds:.2f}"
            rows.writerow([recording.id, recording.name, seconds, *_heard(recording)])
    return EXIT_DONE


def _remove(args: argparse.Namespace) -> int:
    days, most = args.unheard_days, args.beyond
    expires = days < math.inf or most is not None
    if not (args.recordings or expires):
        raise UsageError("name the recordings by number, name, --unheard-days or --beyond")
    if not days > 0 or (most is not None and most < 0):
        raise UsageError("--unheard-days must be above 0, and --beyond 0 or more")
    with Store(args.store, create=False) as store, store.writing():
        for asked in args.recordings:
            for id in _ids(store, asked):
                store.remove(id)
        while expires and store.expire(days * DAY_SECONDS, sys.maxsize if most is None else most):
            pass
    return EXIT_DONE


def _mark(args: argparse.Namespace) -> int:
    with Store(args.store, create=False) as store, store.writing():
        for id in _ids(store, args.recording):
            store.mark(
                id, RecordingMark.NONE if args.mark == _NO_MARK else RecordingMark(args.mark)
            )
    return EXIT_DONE


def _ids(store: Store, asked: str) -> list[int]:
    """Return ids of the recordings of a name or, if there are none, of a number.

    Raises StoreError.
    """
    ids = [recording.id for recording in store.named(asked)]
    if not ids and asked.isdecimal() and store.recording(int(asked)) is not None:
        ids = [int(asked)]
    if not ids:
        raise StoreError(f"{store.path}: no recording {asked}")
    return ids


def _sounds(args: argparse.Namespace) -> int:
    with Store(args.store) as store:
        print(f"{args.store}: {allow_sounds(store)} new sounds are allowed")
    return EXIT_DONE


def _merge(args: argparse.Namespace) -> int:
    with Store(args.store) as store:
        for path in args.others:
            if Path(path).resolve() == Path(args.store).resolve():
                raise StoreError(f"{path}: a store cannot be merged into itself")
            with Store(path, create=False) as other:
                new = store.merge(other)
                print(f"{path}: {new} recordings, {len(other) - new} known already")
    return EXIT_DONE


def _matched(match: Match) -> Iterator[object]:
    yield match.recording.id
    yield match.recording.name
    for seconds in (match.offset, match.start, match.end, match.seconds):
        yield f"{seconds:.3f}"
    yield f"{match.probability:.6f}"
    yield from _heard(match.recording)
    yield match.repeats
    yield f"{match.speed:g}"
    yield " ".join(f"{part.start:.2f}-{part.end:.2f}@{part.offset:.3f}" for part in match.pieces)


def _heard(recording: StoredRecording) -> tuple[object, ...]:
    return (
        iso(recording.first_heard),
        iso(recording.last_heard),
        recording.times_heard,
        recording.mark.value,
    )
