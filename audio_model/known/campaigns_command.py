"""``audio-model known campaigns``: an archive's calls, grouped by the recording that they play."""

import argparse
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from audio_model.audio import check_seconds
from audio_model.commands import EXIT_DONE, EXIT_SOME, add_seconds_argument, check_ending
from audio_model.files import making, write_whole
from audio_model.known.campaigns import Campaign, CampaignCall, Grouping
from audio_model.known.fingerprint_files import fingerprint_entries
from audio_model.known.picture import picture
from audio_model.known.progress import SUFFIX, CampaignProgress, HeardEntry, digest_of
from audio_model.sources.inputs import expand
from audio_model.tables import csv_files
from audio_model.tables.columns import add_columns_argument
from audio_model.tables.rows import Entry, escape, free_names, json_value, text_value
from audio_model.times import iso

DEFAULT_SECONDS = 60.0

DESCRIPTION = """\
Group an archive into campaigns: calls that play the same recording or cuts of it, through any line
and however late it began. A message with a name or digits filled in belongs to the campaign of its
template. Another message in the same voice is another campaign."""

EPILOG = """\
examples:
  audio-model known campaigns calls/ --output campaigns.csv
  audio-model known campaigns calls.csv --output campaigns.csv    a manifest; its column time
                                       (seconds since 1970, or ISO 8601) is the call's

writes
  campaigns.csv            path, campaign, offset, matched_seconds, error, and the other columns of
                           a manifest: a row for each call. campaign is empty for a call that is
                           alone. offset is the second of the campaign's exemplar at which the call
                           begins (negative: before it)
  campaigns.summary.csv    campaign, calls, first, last, seconds, exemplar: the largest first. If
                           a manifest has the columns called and caller, people and numbers, too.
                           audio-model known add known.db campaigns.summary.csv reads it
  campaigns.svg            the largest campaigns over time

If the command is killed or stopped, give it again: it goes on where it was. Until the tables are
written, campaigns.heard.partial keeps what was heard. Without a column time, a call's time is when
its file was last changed.

exit status:
  0 done, 1 some recordings could not be read, 2 wrong usage, 3 the output cannot be written
"""

_COLUMNS = ("path", "campaign", "offset", "matched_seconds", "error")
_SUMMARY_COLUMNS = (
    "campaign",
    "calls",
    "first",
    "last",
    "seconds",
    "exemplar",
    "people",
    "numbers",
)


def run(args: argparse.Namespace) -> int:
    """Group the calls and return the exit status. Raises AudioModelError."""
    check_ending(args.output, ".csv")
    check_seconds(args.max_seconds)
    with making(args.output):
        return _run(args)


def _run(args: argparse.Namespace) -> int:
    stem = str(Path(args.output).with_suffix(""))
    archive = _hear(args, f"{stem}{SUFFIX}")
    campaigns = archive.grouping.campaigns()
    by_size = sorted(campaigns, key=lambda campaign: (-len(campaign.calls), campaign.number))
    paths = [escape(entry.path) for entry in archive.entries]
    write_whole(f"{stem}.svg", picture(by_size, paths))
    write_whole(
        f"{stem}.summary.csv",
        csv_files.as_text(_SUMMARY_COLUMNS, _summary(by_size, paths, archive.entries)),
    )
    names = free_names(dict.fromkeys(chain(*(e.carried for e in archive.entries))), _COLUMNS)
    write_whole(
        args.output,
        csv_files.as_text([*_COLUMNS, *names.values()], _rows(campaigns, archive, names)),
    )
    archive.progress.delete()
    n_errors = sum(map(bool, archive.errors))
    grouped = {call.index for campaign in campaigns for call in campaign.calls}
    # A call whose time alone can't be read is grouped, too.
    n_alone = sum(n not in grouped and not error for n, error in enumerate(archive.errors))
    print(
        f"{len(paths)} calls: {len(grouped)} in {len(campaigns)} campaigns, "
        f"{n_alone} alone, {n_errors} errors",
        file=sys.stderr,
    )
    return EXIT_SOME if n_errors else EXIT_DONE


@dataclass
class _Archive:
    """The calls of an archive, each heard now or by a run that was cut off."""

    progress: CampaignProgress
    grouping: Grouping
    entries: list[Entry] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


def _hear(args: argparse.Namespace, progress_path: str) -> _Archive:
    max_seconds: float = args.max_seconds
    progress = CampaignProgress(progress_path)
    archive = _Archive(progress, Grouping(progress))
    entries = expand(args.paths, columns=args.columns)
    for known in progress.calls_heard():
        entry = next(entries, None)
        if entry is None or digest_of(entry, max_seconds) != known.asked:
            # Other calls were asked for then: nothing of it helps.
            entries = chain(archive.entries, [] if entry is None else [entry], entries)
            progress.delete()
            progress = CampaignProgress(progress_path)
            archive = _Archive(progress, Grouping(progress))
            break
        archive.entries.append(entry)
        archive.errors.append(known.error)
        archive.grouping.take(known.call)
    if archive.entries:
        print(f"goes on after {len(archive.entries)} calls that were heard before", file=sys.stderr)
    for heard in fingerprint_entries(entries, max_seconds):
        error = escape(heard.error or heard.time_error)
        with progress.writing():
            call = archive.grouping.add(heard.fingerprint, heard.time)
            progress.note(HeardEntry(digest_of(heard.entry, max_seconds), call, error))
        archive.entries.append(heard.entry)
        archive.errors.append(error)
    return archive


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what ``known campaigns`` takes."""
    parser.add_argument(
        "paths",
        nargs="+",
        metavar="PATH",
        help="a recording, a folder (searched below, too), a pattern in quotes, a manifest, or - "
        "for a list on standard input",
    )
    parser.add_argument("--output", required=True, metavar="FILE", help="the table (.csv)")
    add_seconds_argument(parser, DEFAULT_SECONDS)
    add_columns_argument(parser, "manifests", "path=FILE,time=START")


def _rows(
    campaigns: Sequence[Campaign], archive: _Archive, names: Mapping[str, str]
) -> Iterable[Sequence[object]]:
    placed: dict[int, tuple[int, CampaignCall]] = {
        call.index: (campaign.number, call) for campaign in campaigns for call in campaign.calls
    }
    for index, (entry, error) in enumerate(zip(archive.entries, archive.errors, strict=True)):
        cells: tuple[object, ...] = ("", "", "")
        if index in placed:
            number, call = placed[index]
            cells = (number, f"{call.offset:.3f}", f"{call.matched_seconds:.3f}")
        carried = (text_value(json_value(entry.carried.get(name))) for name in names)
        yield escape(entry.path), *cells, error, *carried


def _summary(
    campaigns: Sequence[Campaign], paths: Sequence[str], entries: Sequence[Entry]
) -> Iterable[Sequence[object]]:
    for campaign in campaigns:
        exemplar = campaign.exemplar
        yield (
            campaign.number,
            len(campaign.calls),
            iso(campaign.first),
            iso(campaign.last),
            f"{exemplar.seconds:.2f}",
            paths[exemplar.index],
            *(_different(campaign, entries, name) for name in ("called", "caller")),
        )


def _different(campaign: Campaign, entries: Sequence[Entry], column: str) -> int | None:
    """Return how many values a column has in a campaign's calls; None without the column."""
    values = (entries[call.index].carried.get(column) for call in campaign.calls)
    return len({str(value) for value in values if value not in (None, "")}) or None
