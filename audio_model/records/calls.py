"""Calls as the store has them, from results that ``score`` wrote."""

import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path

from audio_model import times
from audio_model.decision import VerdictKind
from audio_model.ranges import rates, written
from audio_model.ranges.numbers import UNREADABLE, WITHHELD, Number, NumberKind
from audio_model.ranges.rates import CallAnswer
from audio_model.sources.open import from_folder
from audio_model.tables import cells
from audio_model.tables.columns import Wanted
from audio_model.tables.readers import DamagedRow, parse_table, read_table
from audio_model.tables.results import REQUIRED_COLUMNS, Outcome, Results, RowVerdict, parse_result
from audio_model.tables.rows import escape, unescape

CALL_COLUMNS = ("caller", "called", "time", "duration", "call", "campaign", "act")
"""Columns of results that say who called whom, all of them optional."""

KNOWN_PREFIX = "known "
"""Begins the name of a campaign that plays a known recording; its number follows."""

_SERVICE_DIGITS = 4
_MOBILE_LENGTH = len("+86139")
_IMPLAUSIBLE_LENGTH = len("?9521")


@dataclass(frozen=True, slots=True, kw_only=True)
class CallVerdict(RowVerdict):
    """A call with the detector's verdict. Its path is empty if no recording was kept."""

    id: str
    """The same call twice is one call: what is said of it last counts."""
    path: str = ""
    caller: str = ""
    called: str = ""
    time: float | None = None
    """Seconds since 1970; None if the row doesn't tell."""
    duration: float | None = None
    """Seconds from answer to hang-up."""
    known: str = ""
    """Number of the known recording that it repeats."""
    known_name: str = ""
    act: str = ""
    """The advice at the time of the call (``block``), if the row has it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRecord(CallVerdict):
    """A call as it comes to the store."""

    campaign: str = ""
    """Name of its campaign in the whole store."""


def answer_of(outcome: Outcome, reason: str) -> CallAnswer:
    """Return the answer that an outcome gives on a range."""
    if outcome is Outcome.ERROR:
        return CallAnswer.UNHEARD
    return rates.outcome(VerdictKind(outcome.value), reason)


def segment_of(number: Number) -> str:
    """Return the segment in which statistics count a number.

    A service number's segment is its first four digits (``9521``), a mobile number's the code of
    its network (``+86139``). A number that nobody can own has ``?`` and four digits, a text that
    can't be read ``?malformed``. Any other number has the name of its kind.
    """
    match number.kind:
        case NumberKind.SERVICE:
            return number.key[:_SERVICE_DIGITS]
        case NumberKind.MOBILE:
            return number.key[:_MOBILE_LENGTH]
        case NumberKind.IMPLAUSIBLE if number.key != UNREADABLE:
            return number.key[:_IMPLAUSIBLE_LENGTH]
        case NumberKind.IMPLAUSIBLE:
            return UNREADABLE
        case kind:
            return kind.value


def read_archive(
    path: str, columns: Mapping[str, str] | None = None
) -> Iterator[CallRecord | DamagedRow]:
    """Yield the calls of results: of a file, or of a run folder.

    Paths of recordings become absolute. A campaign that is a bare number, as ``known
    campaigns`` gives, is one of this archive alone; the number of a known recording is one of all.
    Where all calls of a bare number that play a known recording play the same, its others, such as
    the first one that taught it, are calls of that recording, too.

    Args:
        path: results, as for ``audio-model report``.
        columns: names of columns in the file, by ours.

    Raises ResultsError for what can't be read as a whole.
    """
    results = Results.open(path)
    archive = os.fspath(results.path.absolute())
    folder = results.start.absolute()

    played = _played(results, columns)

    def parse(values: Mapping[str, object], where: str) -> CallRecord:
        call = parse_record(values, folder, archive)
        known = played.get(_text(values, "campaign"))
        return replace(call, campaign=known_campaign(known)) if known else call

    for part in results.parts:
        yield from parse_table(str(part), Wanted(REQUIRED_COLUMNS, CALL_COLUMNS, columns), parse)


def _played(results: Results, columns: Mapping[str, str] | None) -> dict[str, str]:
    """Return the known recording of each campaign that has a bare number and one recording."""
    found: dict[str, str] = {}
    for part in results.parts:
        for _, values in read_table(part, Wanted(REQUIRED_COLUMNS, CALL_COLUMNS, columns)):
            if isinstance(values, str):
                continue
            name, known = _text(values, "campaign"), _text(values, "known")
            if known and name.isdecimal():
                found[name] = known if found.get(name, known) == known else ""
    return found


def parse_record(values: Mapping[str, object], folder: Path, archive: str) -> CallRecord:
    """Return a row's values as a call. Raises ValueError if they are none.

    Args:
        values: by the names of result and call columns.
        folder: where relative paths start.
        archive: what a campaign's bare number belongs to.
    """
    result = parse_result(values)
    path = escape(from_folder(folder, unescape(result.path)))
    known = _text(values, "known")
    moment = times.of_cell(values.get("time"))
    call = (_text(values, "call") or path) + (f"#{result.channel}" if result.channel else "")
    verdict = {each.name: getattr(result, each.name) for each in fields(RowVerdict)}
    return CallRecord(
        **verdict | {"path": path},
        id=call,
        caller=_text(values, "caller"),
        called=written.same(_text(values, "called")),
        time=None if math.isnan(moment) else moment,
        duration=cells.number(values, "duration"),
        known=known,
        known_name=_text(values, "known_name"),
        campaign=_campaign(_text(values, "campaign"), known, archive),
        act=_text(values, "act"),
    )


def known_campaign(recording: str | int) -> str:
    """Return the name of the campaign that plays a known recording."""
    return f"{KNOWN_PREFIX}{recording}"


def _campaign(name: str, known: str, archive: str) -> str:
    if known:
        return known_campaign(known)
    return f"{name} of {archive}" if name.isdecimal() else name


def has_number(number: Number) -> bool:
    """Return whether a call shows a number that can be looked up."""
    return number.key not in (WITHHELD, UNREADABLE)


def _text(values: Mapping[str, object], name: str) -> str:
    return escape(cells.text(values, name))
