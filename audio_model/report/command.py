"""``audio-model report``: one page about a run."""

import argparse
import hashlib
import sys
from pathlib import Path

from audio_model.commands import check_ending
from audio_model.detector import Detector
from audio_model.files import write_whole
from audio_model.model import DEFAULT_PATH
from audio_model.report.exhibits import Exhibit, Exhibitor
from audio_model.report.page.run_page import Exhibits, Gallery, run_page
from audio_model.report.summary import Smallest, Summary, summarise
from audio_model.tables.columns import add_columns_argument
from audio_model.tables.results import Outcome, Result, Results

_SHOWN_UNCERTAIN, _SHOWN_SURE = 12, 2

DESCRIPTION = """\
Make one page of HTML about results: verdicts, scores, times, folders and other slices, errors by
cause, and the recordings to check, with sound. The page needs no network and no other file."""

EPILOG = """\
examples:
  audio-model report results/ --output report.html      a run folder
  audio-model report verdicts.jsonl --output report.html
  audio-model report results/ --output report.html --no-sound    without any caller's voice

Recordings are read again from the paths in the results. A run folder knows where its relative paths
start; those of a single file start in the current folder. The page also shows columns that a
manifest carried: days, numbers, and columns of few values.
"""


def run(args: argparse.Namespace) -> int:
    """Make the page and return 0. Raises AudioModelError."""
    check_ending(args.output, ".html", what="the page")
    results = Results.open(args.results, args.columns)
    detector = Detector.load(args.model)
    summary = summarise(results)
    gallery = Gallery() if args.no_sound else _gallery(summary, detector, results)
    write_whole(args.output, run_page(results, summary, gallery, _about(args.model)))
    print(f"{args.output}: {summary.total} results", file=sys.stderr)
    return 0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what ``report`` takes."""
    parser.add_argument(
        "results",
        metavar="RESULTS",
        help="a run folder, or a result file (.csv, .jsonl or .parquet)",
    )
    parser.add_argument("--output", required=True, metavar="FILE", help="the page (.html)")
    add_columns_argument(parser, "RESULTS", "label=HUMAN,caller=A_NUMBER")
    parser.add_argument(
        "--model",
        metavar="FILE",
        help="the model of the run, for the curves, if not the one shipped",
    )
    parser.add_argument(
        "--no-sound",
        action="store_true",
        help="leave out the recordings to check: the page then holds no caller's voice",
    )


def _gallery(summary: Summary, detector: Detector, results: Results) -> Gallery:
    exhibitor = Exhibitor(detector, results.run.get("asked", {}), results.start)
    shown: set[tuple[str, str]] = set()

    def exhibits(candidates: Smallest[Result], wanted: int) -> Exhibits:
        readable: list[Exhibit] = []
        unreadable: list[Exhibit] = []
        for result in candidates.sorted():
            if len(readable) < wanted and (result.path, result.channel) not in shown:
                shown.add((result.path, result.channel))
                exhibit = exhibitor.exhibit(result)
                (unreadable if exhibit.samples is None else readable).append(exhibit)
        return Exhibits(readable, unreadable)

    # Among few recordings the surest may be the least sure, too. They are shown as the surest.
    surest = {
        kind: exhibits(candidates, _SHOWN_SURE) for kind, candidates in summary.surest.items()
    }
    uncertain = exhibits(summary.uncertain, _SHOWN_UNCERTAIN)
    return Gallery(uncertain, surest[Outcome.RECORDED], surest[Outcome.LIVE])


def _about(model: str | None) -> str:
    path = DEFAULT_PATH if model is None else Path(model)
    return f"{path.name}, SHA-256 {hashlib.sha256(path.read_bytes()).hexdigest()}"
