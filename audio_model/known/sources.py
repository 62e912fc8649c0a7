"""Recordings from paths to fingerprints, on all CPUs, in the order of the input."""

import math
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from multiprocessing import get_context
from pathlib import Path

from audio_model import audio
from audio_model.batch.inputs import expand
from audio_model.batch.rows import Entry
from audio_model.batch.sources import name_of, open_source
from audio_model.batch.workers import usable_cpus
from audio_model.errors import AudioError
from audio_model.known.fingerprint import Fingerprint, fingerprint

_AT_ONCE = 512
"""Recordings whose fingerprints are held in memory."""

_CHUNK = 8

TIME_COLUMN = "time"


@dataclass(frozen=True)
class Heard:
    """One recording's fingerprint, or why it has none."""

    entry: Entry
    fingerprint: Fingerprint | None
    error: str
    time: float
    """Seconds since 1970: the manifest's column ``time``, or when the file was last changed;
    nan if neither is known."""


def hear(paths: Iterable[str], max_seconds: float) -> Iterator[Heard]:
    """The fingerprints of recordings, folders, patterns and manifests.

    Args:
        max_seconds: audio that is heard of each.
    """
    entries = expand(paths)
    first = list(islice(entries, _AT_ONCE))
    workers = min(usable_cpus(), len(first) // _CHUNK)
    if workers < 2:
        while first:
            yield from (_hear(entry, max_seconds) for entry in first)
            first = list(islice(entries, _AT_ONCE))
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        while first:
            yield from pool.map(_hear, first, [max_seconds] * len(first), chunksize=_CHUNK)
            first = list(islice(entries, _AT_ONCE))


def _hear(entry: Entry, max_seconds: float) -> Heard:
    time = _time(entry)
    if entry.problem:
        return Heard(entry, None, entry.problem, time)
    try:
        with open_source(entry.path, entry.place) as file:
            samples = audio.read(file, max_seconds=max_seconds, name=name_of(entry.path))
    except AudioError as error:
        return Heard(entry, None, error.message, time)
    except OSError as error:
        return Heard(entry, None, error.strerror or str(error), time)
    return Heard(entry, fingerprint(samples), "", time)


def _time(entry: Entry) -> float:
    given = entry.carried.get(TIME_COLUMN)
    if isinstance(given, datetime):
        return given.timestamp()
    if given is not None:
        return _told_time(str(given))
    try:
        return Path(entry.path).stat().st_mtime
    except (OSError, ValueError):  # it lies in an archive, or is remote
        return math.nan


def _told_time(text: str) -> float:
    with suppress(ValueError):
        return float(text)
    with suppress(ValueError):
        return datetime.fromisoformat(text).timestamp()
    return math.nan
