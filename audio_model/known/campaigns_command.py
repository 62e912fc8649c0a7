"""``audio-model campaigns``: an archive's calls, grouped by the recording that they play."""

import argparse
import csv
import io
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from audio_model.audio import check_seconds
from audio_model.errors import UsageError
from audio_model.files import write_whole
from audio_model.formats import suffix_of
from audio_model.known.campaigns import Campaign, CampaignCall, Grouping
from audio_model.known.fingerprint_files import fingerprint_files
from audio_model.known.picture import picture
from audio_model.tables.rows import escape
from audio_model.times import iso

EXIT_DONE = 0
EXIT_SOME_ERRORS = 1

DEFAULT_SECONDS = 60.0

DESCRIPTION = """\
Group an archive into campaigns: calls that play the same recording, or cuts of it, whatever the
line did to it and however late it began. A name or digits spoken inside a template are one campaign
with it; another message in the same voice is another."""

EPILOG = """\
examples:
  audio-model campaigns calls/ --output campaigns.csv
  audio-model campaigns calls.csv --output campaigns.csv    a manifest; its column time (seconds
                                                            since 1970, or ISO 8601) tells when

writes
  campaigns.csv            path, campaign, offset, matched_seconds, error: a row for each call;
                           campaign is empty for a call that is alone, offset is the second of the
                           campaign's exemplar at which the call begins (negative: before it)
  campaigns.summary.csv    campaign, calls, first, last, seconds, exemplar: the largest first
  campaigns.svg            the largest campaigns over time

Without a column time, the time of a call is when its file was last changed.

exit status:
  0 done, 1 some recordings could not be read, 2 wrong usage, 3 the output cannot be written
"""

_COLUMNS = ("path", "campaign", "offset", "matched_seconds", "error")
_SUMMARY_COLUMNS = ("campaign", "calls", "first", "last", "seconds", "exemplar")


def run(args: argparse.Namespace) -> int:
    """Group; returns the exit status. Raises AudioModelError."""
    if suffix_of(args.output) != ".csv":
        raise UsageError(f"the output's name must end in .csv: {args.output}")
    check_seconds(args.max_seconds)
    grouping = Grouping()
    paths: list[str] = []
    errors: list[str] = []
    for heard in fingerprint_files(args.paths, args.max_seconds):
        paths.append(escape(heard.entry.path))
        errors.append(escape(heard.error))
        grouping.add(heard.fingerprint, heard.time)
    campaigns = grouping.campaigns()
    by_size = sorted(campaigns, key=lambda campaign: (-len(campaign.calls), campaign.number))
    stem = str(Path(args.output).with_suffix(""))
    write_whole(f"{stem}.svg", picture(by_size, paths))
    write_whole(f"{stem}.summary.csv", _csv(_SUMMARY_COLUMNS, _summary(by_size, paths)))
    write_whole(args.output, _csv(_COLUMNS, _rows(campaigns, paths, errors)))
    n_errors = sum(map(bool, errors))
    grouped = sum(len(campaign.calls) for campaign in campaigns)
    print(
        f"{len(paths)} calls: {grouped} in {len(campaigns)} campaigns, "
        f"{len(paths) - grouped - n_errors} alone, {n_errors} errors",
        file=sys.stderr,
    )
    return EXIT_SOME_ERRORS if n_errors else EXIT_DONE


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what ``campaigns`` takes."""
    parser.add_argument(
        "paths",
        nargs="+",
        metavar="PATH",
        help="a recording, a folder (searched below, too), a pattern in quotes, a manifest, or - "
        "for a list on standard input",
    )
    parser.add_argument("--output", required=True, metavar="FILE", help="the table (.csv)")
    parser.add_argument(
        "--max-seconds",
        type=float,
        default=DEFAULT_SECONDS,
        metavar="S",
        help="hear the first S seconds of each call (default: %(default)g)",
    )


def _rows(
    campaigns: Sequence[Campaign], paths: Sequence[str], errors: Sequence[str]
) -> Iterable[Sequence[object]]:
    placed: dict[int, tuple[int, CampaignCall]] = {
        call.index: (campaign.number, call) for campaign in campaigns for call in campaign.calls
    }
    for index, (path, error) in enumerate(zip(paths, errors, strict=True)):
        if index in placed:
            number, call = placed[index]
            yield path, number, f"{call.offset:.3f}", f"{call.matched_seconds:.3f}", error
        else:
            yield path, "", "", "", error


def _summary(campaigns: Sequence[Campaign], paths: Sequence[str]) -> Iterable[Sequence[object]]:
    for campaign in campaigns:
        exemplar = campaign.exemplar
        yield (
            campaign.number,
            len(campaign.calls),
            iso(campaign.first),
            iso(campaign.last),
            f"{exemplar.seconds:.2f}",
            paths[exemplar.index],
        )


def _csv(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return table.getvalue()
