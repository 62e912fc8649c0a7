"""Labels for nothing: what tables say of calls that is certain, and never the network's opinion.

========== ================================= ====================================================
label      columns                           why it is certain
========== ================================= ====================================================
recorded   ``known``, ``known_repeated``     these very samples were heard before
recorded   ``campaign``, ``matched_seconds`` other calls of the archive hold the same samples
live       ``channel``, ``speech_seconds``   both legs of a long call talk: nobody talks to a
                                             recording for so long
either     ``mark``, ``trust``               somebody who took the call says so
========== ================================= ====================================================

``verdict``, ``score`` and ``logit`` are not read. Two-way talk tells of each leg, repetition of the
leg or the mix that was heard. What speaks for both classes is a conflict, for people to settle.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from audio_model.audio import Channel
from audio_model.errors import printable
from audio_model.line.groups import Groups
from audio_model.line.marks import CLASSES, LabelledCall
from audio_model.sources.open import from_folder
from audio_model.tables import cells
from audio_model.tables.columns import Wanted
from audio_model.tables.readers import TheirNames, read_table
from audio_model.tables.results import Results

KNOWN_CONFIDENCE = 0.999
"""The same as :data:`audio_model.known.fuse.RECORDED_IF_KNOWN`."""
CAMPAIGN_CONFIDENCE = 0.99
"""A sure match of two calls; a phrase that two people are greeted by is shorter."""
TALK_CONFIDENCE = 0.95
"""Some recordings are argued with."""
MARK_CONFIDENCE = 0.9
"""People err in one mark of ten, unless a column ``trust`` says otherwise."""
LEAST_MATCHED_SECONDS = 3.0
"""A beep, a ringing tone or a greeting that matches is shorter."""
LEAST_CALL_SECONDS, LEAST_TALK_SECONDS = 60.0, 10.0
"""How long a call is, and how long each leg of it talks, if it is two-way talk."""
_OPTIONAL = (
    *("channel", "known", "known_name", "known_repeated", "campaign", "matched_seconds"),
    *("seconds", "speech_seconds", "duration", "caller", "mark", "trust"),
)


@dataclass(frozen=True)
class LabelReason:
    """A reason why one call is of a class."""

    label: int
    source: str
    confidence: float
    why: str


@dataclass
class Labels:
    """The labels of calls that are certain, by path and channel, in the order of the rows."""

    evidence: dict[tuple[str, str], list[LabelReason]] = field(
        default_factory=lambda: defaultdict(list)
    )
    rows: int = 0
    problems: list[str] = field(default_factory=list)

    def agreed(self) -> Iterator[tuple[tuple[str, str], LabelReason, str]]:
        """Yield calls of which all evidence says the same, with the surest, and their groups.

        A call that repeats a known recording and is of a campaign makes one group of both, for all
        calls of either.
        """
        agreed = {
            call: found
            for call, found in self.evidence.items()
            if len({each.label for each in found}) == 1
        }
        groups = Groups()
        for found in agreed.values():
            groups.join(each.source for each in found)
        for call, found in agreed.items():
            surest = max(found, key=lambda each: each.confidence)
            yield call, surest, groups.name(surest.source)

    def dispute(self, marks: Iterable[LabelledCall]) -> list[LabelledCall]:
        """Return the marks that other evidence contradicts. Their calls become conflicts."""
        disputed = []
        for mark in marks:
            call = from_folder(Path.cwd(), mark.path), mark.channel.value
            found = self.evidence.get(call, [])
            if any(each.label != mark.label for each in found):
                name = CLASSES[mark.label]
                source = f"{name} {mark.source}"
                found.append(LabelReason(mark.label, source, MARK_CONFIDENCE, f"marked {name}"))
                disputed.append(mark)
        return disputed

    def conflicts(self) -> Iterator[tuple[tuple[str, str], list[LabelReason]]]:
        """Yield calls of which evidence says both."""
        for call, found in self.evidence.items():
            if len({each.label for each in found}) > 1:
                yield call, found


@dataclass
class _Legs:
    """The facts about the legs of one call."""

    talk: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    caller: str = ""


def label(paths: Iterable[str], names: TheirNames | None = None) -> Labels:
    """Read tables and label the calls that they prove.

    Args:
        paths: run folders and tables.
        names: names of columns in them.

    Raises ResultsError.
    """
    labels, legs = Labels(), defaultdict[str, _Legs](_Legs)
    names = names or TheirNames()
    for table in paths:
        results = Results.open(table)
        for part in results.parts:
            theirs = names.of(part, ("path",), _OPTIONAL)
            for where, values in read_table(part, Wanted(("path",), _OPTIONAL, theirs)):
                labels.rows += 1
                try:
                    if isinstance(values, str):
                        raise ValueError(values)
                    _read(values, results.start, labels, legs)
                except ValueError as error:
                    labels.problems.append(f"{printable(part)}, {where}: {error}")
    for path, of in legs.items():
        if len(of.talk) == 2 and min(of.talk.values()) >= LEAST_TALK_SECONDS:
            if of.seconds < LEAST_CALL_SECONDS:
                continue
            for channel, talk in of.talk.items():
                far = f"{channel} of {of.caller or path}"
                why = f"both legs talk ({talk:.0f} s of {of.seconds:.0f} s on this one)"
                labels.evidence[path, channel].append(
                    LabelReason(0, f"{CLASSES[0]} {far}", TALK_CONFIDENCE, why)
                )
    return labels


def _read(
    values: Mapping[str, object], start: Path, labels: Labels, legs: Mapping[str, _Legs]
) -> None:
    path = cells.word(values, "path")
    if not path:
        raise ValueError("it has no path")
    path = from_folder(start.absolute(), path)
    channel = cells.word(values, "channel")
    if channel and channel not in list(Channel):
        raise ValueError(f"channel is {channel!r}, neither left, right nor mix")
    caller = cells.word(values, "caller")
    call = path, channel or Channel.MIX.value
    labels.evidence[call] += _evidence(values, caller or path)
    if not labels.evidence[call]:
        del labels.evidence[call]
    if channel in (Channel.LEFT, Channel.RIGHT):
        of = legs[path]
        talk, seconds, duration = (
            cells.number(values, name) or 0.0 for name in ("speech_seconds", "seconds", "duration")
        )
        of.talk[channel] = max(of.talk.get(channel, 0.0), talk)
        of.seconds = max(of.seconds, seconds, duration)
        of.caller = of.caller or caller


def _evidence(values: Mapping[str, object], caller: str) -> Iterator[LabelReason]:
    if known := cells.word(values, "known"):
        name = cells.word(values, "known_name") or known
        why = cells.word(values, "known_repeated") or f"repeats the known recording {name}"
        yield LabelReason(1, f"{CLASSES[1]} {name}", KNOWN_CONFIDENCE, why)
    if campaign := cells.word(values, "campaign"):
        matched = cells.number(values, "matched_seconds") or 0.0
        if matched >= LEAST_MATCHED_SECONDS:
            why = f"{matched:.1f} s are in other calls of campaign {campaign}, too"
            source = f"{CLASSES[1]} campaign {campaign}"
            yield LabelReason(1, source, CAMPAIGN_CONFIDENCE, why)
    try:
        mark = cells.label(values, "mark")
    except ValueError:
        # People also mark calls as unsure, or as a wrong number.
        mark = None
    if mark is not None:
        trust = cells.number(values, "trust")
        if trust is None:
            trust = MARK_CONFIDENCE
        if not 0 <= trust <= 1:
            raise ValueError(f"trust is {trust:g}, not a share from 0 to 1")
        yield LabelReason(mark, f"{CLASSES[mark]} {caller}", trust, f"marked {CLASSES[mark]}")
