"""Fingerprint recordings by their paths, on all CPUs, in the order of the input."""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from audio_model import audio, times
from audio_model.errors import AudioError
from audio_model.known.fingerprint import Fingerprint, fingerprint
from audio_model.processes import map_on_all_cpus
from audio_model.sources.inputs import expand
from audio_model.sources.open import name_of, open_source
from audio_model.tables.rows import Entry

TIME_COLUMN = "time"
FIRST_COLUMN = "first"
"""When a campaign's first call was."""

DEADLY = "the process that read it died of it, twice (out of memory, or a crash in a decoder)"

_SUMMARY_COLUMNS = {"campaign", "calls", FIRST_COLUMN}


@dataclass(frozen=True)
class FileFingerprint:
    """One recording's fingerprint, or why it has none."""

    entry: Entry
    fingerprint: Fingerprint | None
    error: str
    time: float
    """Seconds since 1970: the manifest's column ``time``, of a summary of campaigns ``first``, or
    when the file was last changed; nan if none is known."""
    time_error: str = ""
    """Why the time that the manifest gives can't be read."""


def fingerprint_files(
    paths: Iterable[str], max_seconds: float, columns: Mapping[str, str] | None = None
) -> Iterator[FileFingerprint]:
    """Yield the fingerprints of recordings, folders, patterns and manifests.

    Args:
        max_seconds: audio that is heard of each.
        columns: names of columns in manifests, by ours.
    """
    return fingerprint_entries(expand(paths, columns=columns), max_seconds)


def fingerprint_entries(entries: Iterable[Entry], max_seconds: float) -> Iterator[FileFingerprint]:
    """Yield the fingerprints of entries, in their order. Raises WorkerError."""
    return map_on_all_cpus(partial(_fingerprint_file, max_seconds=max_seconds), entries, _lost)


def _lost(entry: Entry) -> FileFingerprint:
    return FileFingerprint(entry, None, DEADLY, *_time(entry))


def _fingerprint_file(entry: Entry, max_seconds: float) -> FileFingerprint:
    time, time_error = _time(entry)
    found, error = None, entry.problem
    if not error:
        try:
            with open_source(entry.path, entry.place) as file:
                samples = audio.read(file, max_seconds=max_seconds, name=name_of(entry.path))
            found = fingerprint(samples)
        except AudioError as raised:
            error = raised.message
        except OSError as raised:
            error = raised.strerror or str(raised)
    return FileFingerprint(entry, found, error, time, time_error)


def _time(entry: Entry) -> tuple[float, str]:
    """Return when a recording was heard, and why that can't be read."""
    given = entry.carried.get(TIME_COLUMN)
    if given is None and entry.carried.keys() >= _SUMMARY_COLUMNS:
        given = entry.carried[FIRST_COLUMN]
    if given is not None:
        try:
            return times.of_cell(given), ""
        except ValueError:
            return math.nan, f"its time can't be read: {given}"
    try:
        return Path(entry.path).stat().st_mtime, ""
    except (OSError, ValueError):  # it lies in an archive, or is remote
        return math.nan, ""
