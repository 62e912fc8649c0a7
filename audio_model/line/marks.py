"""Marked calls: manifests of recordings whose class is certain.

=========== ========= ==========================================================================
path        required  as for ``audio-model score``
label       required  ``recorded``, 1 or 录音; ``live``, 0 or 真人; a row without one is passed over
source      required  one voice, campaign or caller
group       = source  what is never on both sides of a split
channel     mix       ``left``, ``right`` or ``mix``
=========== ========= ==========================================================================

The manifests of ``training``, of ``audio-model label`` and of ``audio-model ranges export`` are
of this kind.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Self

from audio_model.audio import Channel
from audio_model.errors import UsageError, printable
from audio_model.formats import suffix_of
from audio_model.sources.manifests import is_manifest, read_manifest
from audio_model.tables import cells
from audio_model.tables.readers import TABLE_SUFFIXES, TheirNames
from audio_model.tables.rows import Entry

CLASSES = ("live", "recorded")
"""Names of the labels 0 and 1."""
MIN_GROUPS = 3
"""Fewest groups of a class of which some can be held out and some learnt from."""
_REQUIRED, _OPTIONAL = ("label", "source"), ("group", "channel")
"""Columns beside the path."""
_SHOWN = 20


@dataclass(frozen=True)
class LabelledCall:
    """A call whose class is known."""

    path: str
    label: int
    """1 recorded, 0 live."""
    source: str
    group: str
    channel: Channel = Channel.MIX
    place: int | None = None
    """Where a tar's member lies in the archive."""

    @property
    def name(self) -> str:
        """Return the call's name in messages."""
        channel = "" if self.channel is Channel.MIX else f" ({self.channel})"
        return f"{printable(self.path)}{channel}"


@dataclass
class Marks:
    """The marks of some manifests, and the rows that can't be used."""

    marks: list[LabelledCall] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    """A line for each row that can't be used."""
    unmarked: int = 0
    """Rows without a label."""
    repeated: int = 0
    """Marks of a call that is marked the same already."""

    def leave_out(self, marks: Collection[LabelledCall], why: str) -> None:
        """Turn some marks into problems."""
        self.problems += [f"{mark.name}: {why}" for mark in self.marks if mark in marks]
        self.marks = [mark for mark in self.marks if mark not in marks]

    def read(self, paths: Iterable[str], names: TheirNames | None = None) -> Self:
        """Add what manifests say, in their order, and return all.

        Raises UsageError for a file that is no manifest.

        Args:
            paths: the manifests.
            names: names of columns in them.
        """
        seen = set(self.marks)
        for path in paths:
            self._read(path, names or TheirNames(), seen)
        return self

    def _read(self, path: str, names: TheirNames, seen: set[LabelledCall]) -> None:
        if suffix_of(path) in TABLE_SUFFIXES and not is_manifest(path):
            raise UsageError(f"{printable(path)}: no such file")
        if not is_manifest(path):
            raise UsageError(
                f"{printable(path)}: marks are a manifest (.csv, .jsonl or .parquet) with the "
                "columns path, label and source"
            )
        theirs = names.of(path, ("path", *_REQUIRED), _OPTIONAL)
        for entry in read_manifest(path, theirs, _REQUIRED, _OPTIONAL):
            if entry.problem:
                self.problems.append(f"{printable(entry.path)}: {entry.problem}")
                continue
            try:
                mark = _mark(entry)
            except ValueError as error:
                self.problems.append(f"{printable(entry.path)}: {error}")
                continue
            if mark is None:
                self.unmarked += 1
            elif mark in seen:
                self.repeated += 1
            else:
                seen.add(mark)
                self.marks.append(mark)


def _mark(entry: Entry) -> LabelledCall | None:
    label = cells.label(entry.carried, "label")
    if label is None:
        return None
    source = cells.word(entry.carried, "source")
    if not source:
        raise ValueError("it has no source: name the voice, campaign or caller")
    channel = cells.word(entry.carried, "channel").lower() or Channel.MIX
    if channel not in list(Channel):
        raise ValueError(f"channel is {channel!r}, neither left, right nor mix")
    group = cells.word(entry.carried, "group") or source
    return LabelledCall(entry.path, label, source, group, Channel(channel), entry.place)


def check(marks: Sequence[LabelledCall], audio: Sequence[str] | None = None) -> None:
    """Refuse marks that contradict each other, or are too few to learn from and to judge.

    Args:
        marks: the marks.
        audio: a digest of what each holds, if that is known.

    Raises UsageError that says what is wrong and names the calls.
    """
    if not marks:
        raise UsageError("no call is marked: both classes are needed")
    said = [
        *_contradictions("call", {m: m.name + m.channel for m in marks}),
        *_contradictions("audio of", dict(zip(marks, audio, strict=True)) if audio else {}),
    ]
    if said:
        more = f" and {len(said) - _SHOWN} more" if len(said) > _SHOWN else ""
        raise UsageError(
            f"marks contradict each other ({len(said)}): {'; '.join(said[:_SHOWN])}{more}"
        )
    for label, name in enumerate(CLASSES):
        mine = [mark for mark in marks if mark.label == label]
        if not mine:
            raise UsageError(f"no call is marked {name}: both classes are needed")
        groups = {mark.group for mark in mine}
        if len({mark.source for mark in mine}) == 1 or len(groups) == 1:
            raise UsageError(
                f"all calls marked {name} come from one source ({printable(mine[0].source)}): "
                "the fit would learn that source"
            )
        if len(groups) < MIN_GROUPS:
            raise UsageError(
                f"calls marked {name} come from {len(groups)} groups; at least {MIN_GROUPS} "
                "are needed, to hold some out"
            )


def _contradictions(kind: str, keys: dict[LabelledCall, str]) -> list[str]:
    marks: defaultdict[str, dict[int, LabelledCall]] = defaultdict(dict)
    for mark, key in keys.items():
        marks[key].setdefault(mark.label, mark)
    both = [of for of in marks.values() if len(of) > 1]
    return [
        f"{kind} {of[0].name} is marked live and recorded"
        + (f" ({of[1].name})" if of[1].name != of[0].name else "")
        for of in both
    ]
