"""Score entries one after the other. An error in one of them leaves the others alone."""

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from io import RawIOBase
from itertools import islice
from typing import TYPE_CHECKING

from audio_model import times
from audio_model.audio import Channel, RawFormat, channel_count
from audio_model.detector import Detector, Hearing, ScoreOptions, hear_beside
from audio_model.errors import AudioError, AudioModelError
from audio_model.sources.open import MemberPath, is_remote, name_of, open_source
from audio_model.stream import PhoneCall
from audio_model.tables import cells
from audio_model.tables.rows import Entry, Row, escape

if TYPE_CHECKING:
    from audio_model.known.recent import Retention


def load_detector(
    model: str | None,
    max_false_alarm: float,
    known: str | None,
    *,
    learn: bool,
    keep: "Retention | None" = None,
) -> Detector:
    """Load a detector, with a store of known recordings if one is given.

    Raises AudioModelError if either can't be used.
    """
    if known is None:
        return Detector.load(model, max_false_alarm=max_false_alarm)
    # Imported here: few runs have a store.
    from audio_model.known.follow import KnownRecordings

    recordings = KnownRecordings(known, learn=learn, keep=keep)
    return Detector.load(model, max_false_alarm=max_false_alarm, known=recordings)


def score_entry(entry: Entry, detector: Detector, options: ScoreOptions) -> Iterator[Row]:
    """Yield the rows of one entry: one, or one for each channel. An error is a row, too."""
    if entry.problem:
        yield Row(entry, error=entry.problem)
        return
    name = name_of(entry.path)
    channels: list[Channel | None] = [options.channel]
    file: RawIOBase | None = None
    with ExitStack() as source:
        while channels:
            channel = channels.pop(0)
            try:
                if file is None:
                    file = source.enter_context(open_source(entry.path, entry.place))
                if channel is None:
                    channels += _channels(file, name, options.raw_format)
                    continue
                asked = replace(options, channel=channel)
                verdict = detector.begin(file, asked, name, phone_call(entry)).conclude()
            # The boundary: a decoder may fail in ways of its own on a file that nobody has seen
            # yet, and the thousand files behind it are still to be scored.
            except Exception as error:
                row = error_row(entry, channel, error)
            else:
                row = Row(entry, verdict, channel)
            yield row


TOGETHER = 16
"""Recordings that are heard together. Recordings of 6 s take 0.80 to 0.85 of the time that they
take one by one. Of sixteen, more have equally much to hear than of eight."""


def score_entries(
    entries: Iterable[Entry],
    detector: Detector,
    options: ScoreOptions,
    together: int = TOGETHER,
) -> Iterator[list[Row]]:
    """Yield the rows of each entry, in their order, as :func:`score_entry` gives them.

    Local files are read some ahead, and those with as much to hear are heard together.
    """
    if detector.learns or options.channel is None:
        together = 1
    remaining = iter(entries)
    while group := list(islice(remaining, together)):
        if len(group) == 1:
            yield list(score_entry(group[0], detector, options))
        else:
            yield from _score_group(group, detector, options)


def _score_group(
    group: Sequence[Entry], detector: Detector, options: ScoreOptions
) -> Iterator[list[Row]]:
    with ExitStack() as files:
        begun = [_begin(entry, detector, options, files) for entry in group]
        try:
            hear_beside(hearing for hearing in begun if isinstance(hearing, Hearing))
        # The boundary, as in score_entry: which of them it was shows when they are heard apart.
        except Exception:
            begun = [None] * len(group)
        for entry, hearing in zip(group, begun, strict=True):
            if isinstance(hearing, Row):
                yield [hearing]
            elif hearing is None:
                yield list(score_entry(entry, detector, options))
            else:
                try:
                    row = Row(entry, hearing.conclude(), options.channel)
                except Exception as error:
                    row = error_row(entry, options.channel, error)
                yield [row]


def _begin(
    entry: Entry, detector: Detector, options: ScoreOptions, files: ExitStack
) -> Hearing | Row | None:
    """Begin to hear an entry, and return it, or its row if it can't be read.

    Return None for an entry that must be scored alone: it is no recording, or part of an archive,
    or far away.
    """
    if entry.problem or is_remote(entry.path) or MemberPath.parse(entry.path) is not None:
        return None
    try:
        file = files.enter_context(open_source(entry.path, entry.place))
        return detector.begin(file, options, name_of(entry.path), phone_call(entry))
    except Exception as error:
        return error_row(entry, options.channel, error)


def phone_call(entry: Entry) -> PhoneCall:
    """Return the call of a manifest's row: columns ``call``, ``time``, ``caller``, ``called``.

    Without an id a call has the name of its recording. A time that can't be read is unknown; see
    :func:`has_unreadable_time`.
    """
    if not entry.carried:
        return PhoneCall(escape(entry.path))
    values = entry.carried
    try:
        moment = times.of_cell(values.get("time"))
    except ValueError:
        moment = math.nan
    name = escape(cells.text(values, "call") or entry.path)
    return PhoneCall(name, moment, cells.text(values, "caller"), cells.text(values, "called"))


def has_unreadable_time(entry: Entry) -> bool:
    """Return whether a manifest gives the call a time that can't be read."""
    try:
        times.of_cell(entry.carried.get("time"))
    except ValueError:
        return True
    return False


def error_row(entry: Entry, channel: Channel | None, error: Exception) -> Row:
    """Return the row of a recording that could not be scored.

    Raises the error again if it is of the settings, and not of the recording.
    """
    if isinstance(error, AudioError):
        return Row(entry, channel=channel, error=error.message)
    if isinstance(error, AudioModelError):
        raise error
    return Row(entry, channel=channel, error=" ".join(f"{type(error).__name__}: {error}".split()))


def _channels(file: RawIOBase, name: str, raw_format: RawFormat | None) -> list[Channel]:
    match channel_count(file, raw_format, name=name):
        case 1:
            return [Channel.MIX]
        case 2:
            return [Channel.LEFT, Channel.RIGHT]
        case count:
            raise AudioError(name, f"has {count} channels; left and right need a recording of two")
