"""``audio-model feedback``: what a person says of a call, kept and exported."""

import argparse
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from audio_model.errors import UsageError, printable
from audio_model.files import safe_name
from audio_model.ranges.rates import Mark
from audio_model.ranges.rows import MarkedCall
from audio_model.ranges.store import RangeStore
from audio_model.ranges.tables import write_manifest

DESCRIPTION = """\
Say of a call what it really was. The mark is kept in the store of number ranges and counts in the
ranges of the caller; all marks together are a manifest to train on."""

EPILOG = """\
examples:
  audio-model feedback ranges.db 1732456789.42 recorded
  audio-model feedback ranges.db --export marks.csv            for training.train
  audio-model feedback ranges.db --export marks.csv --audio kept/   recordings of --keep-audio

exit status:
  0 done, 2 wrong usage or an unknown call, 3 the manifest cannot be written
"""


def run(args: argparse.Namespace) -> int:
    """Mark or export; returns the exit status. Raises AudioModelError."""
    if (args.export is None) == (args.call is None) or (args.call is None) != (args.mark is None):
        raise UsageError("give a call and its mark, or --export")
    if not Path(args.store).is_file():
        raise UsageError(f"there is no store {printable(args.store)}")
    with closing(RangeStore(args.store)) as store:
        if args.export is None:
            for change in store.mark(args.call, Mark(args.mark)):
                print(f"{change.prefix}: {change.before} -> {change.after} ({change.why})")
            return 0
        marked = list(_with_audio(store.marks(), args.audio))
    n = write_manifest(args.export, marked)
    left_out = len(marked) - n
    rest = f"; of {left_out} more no recording is found" if left_out else ""
    print(f"{n} marked calls are in {printable(args.export)}{rest}", file=sys.stderr)
    return 0


def _with_audio(marked: Iterator[MarkedCall], folder: str | None) -> Iterator[MarkedCall]:
    """The calls, with the recordings that ``serve --keep-audio`` left in a folder."""
    for each in marked:
        path = each.call.path
        if not path and folder is not None:
            found = sorted(Path(folder).glob(f"*-{safe_name(each.call.id)}-caller.wav"))
            path = str(found[0]) if found else ""
        yield replace(each, call=replace(each.call, path=path))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what ``feedback`` takes."""
    parser.add_argument("store", metavar="STORE", help="of number ranges")
    parser.add_argument("call", nargs="?", metavar="CALL", help="its id, as in events and records")
    parser.add_argument("mark", nargs="?", choices=[*map(str, Mark)], help="what it was")
    parser.add_argument("--export", metavar="FILE", help="write all marks as a manifest (CSV)")
    parser.add_argument(
        "--audio", metavar="FOLDER", help="where serve --keep-audio has left recordings"
    )
