"""``audio-model ranges``: number ranges, what people say of their calls, and what is allowed."""

import argparse
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

from audio_model.commands import add_action, add_actions, add_command, run_action
from audio_model.errors import printable
from audio_model.files import safe_name
from audio_model.ranges import allow_command, count_command
from audio_model.ranges.rates import MarkedAs
from audio_model.ranges.rows import MarkedCall
from audio_model.ranges.tables import write_manifest

DESCRIPTION = """\
Find the number ranges that call with recordings, mark calls, and keep the list of ranges that are
always allowed. The store of number ranges keeps a mark and counts it in the caller's ranges. You
can export all marks as a manifest to train on."""

EPILOG = """\
examples:
  audio-model ranges count verdicts.csv --output ranges.csv --page ranges.html
  audio-model ranges mark ranges.db 1732456789.42 recorded
  audio-model ranges export ranges.db marks.csv                 for training.train
  audio-model ranges export ranges.db marks.csv --audio kept/   recordings of serve --keep-audio
  audio-model ranges allow add ranges.db 95588 --note 'the bank'

exit status:
  0 done, 1 some rows could not be taken, 2 wrong usage or an unknown call, 3 the output cannot be
  written
"""

run = run_action
_action = partial(add_action, store="the store of number ranges")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what ``ranges`` takes."""
    actions = add_actions(parser)
    add_command(actions, "count", count_command, "tell which ranges call with recordings, as CSV")
    marking = _action(actions, "mark", _mark, "mark what a call really was")
    marking.add_argument(
        "call", metavar="CALL", help="the call's id, as in events and call records"
    )
    marking.add_argument("mark", choices=[*map(str, MarkedAs)], help="what the call was")
    exporting = _action(actions, "export", _export, "write all marks as a manifest")
    exporting.add_argument("file", metavar="FILE", help="the manifest (.csv)")
    exporting.add_argument(
        "--audio", metavar="FOLDER", help="folder of serve --keep-audio, with the recordings"
    )
    add_command(actions, "allow", allow_command, "keep the list of ranges that always pass")


def _mark(args: argparse.Namespace) -> int:
    with closing(allow_command.open_store(args.store)) as store:
        for change in store.mark(args.call, MarkedAs(args.mark)):
            print(f"{change.prefix}: {change.before} -> {change.after} ({change.why})")
    return 0


def _export(args: argparse.Namespace) -> int:
    with closing(allow_command.open_store(args.store)) as store:
        marked = list(_with_audio(store.marks(), args.audio))
    n = write_manifest(args.file, marked)
    left_out = len(marked) - n
    rest = f"; {left_out} more were left out, without a recording" if left_out else ""
    print(f"{n} marked calls are in {printable(args.file)}{rest}", file=sys.stderr)
    return 0


def _with_audio(marked: Iterator[MarkedCall], folder: str | None) -> Iterator[MarkedCall]:
    """Yield the calls with the recordings that ``serve --keep-audio`` left in a folder."""
    for each in marked:
        path = each.call.path
        if not path and folder is not None:
            found = sorted(Path(folder).glob(f"*-{safe_name(each.call.id)}-caller.wav"))
            path = str(found[0]) if found else ""
        yield replace(each, call=replace(each.call, path=path))
