"""Score entries one after the other: whatever happens to one of them, the others are scored."""

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from io import RawIOBase

from audio_model.audio import Channel, RawFormat, channel_count
from audio_model.batch.rows import Entry, Row, escape
from audio_model.batch.sources import name_of, open_source
from audio_model.decision import VerdictKind
from audio_model.detector import Detector
from audio_model.errors import AudioError, AudioModelError


@dataclass(frozen=True)
class ScoreOptions:
    """How each recording is heard."""

    channel: Channel | None = Channel.MIX
    """None: each channel apart, one row for each."""
    max_seconds: float | None = None
    """None: as long as the model was measured for."""
    raw_format: RawFormat | None = None
    """What headerless files hold, if their names don't say."""


@dataclass
class Tally:
    """Counts over a run."""

    recordings: int = 0
    errors: int = 0
    verdicts: Counter[VerdictKind] = field(default_factory=Counter)
    audio_seconds: float = 0.0
    started: float = field(default_factory=time.monotonic)

    def add(self, row: Row) -> None:
        if row.verdict is None:
            self.errors += 1
        else:
            self.verdicts[row.verdict.verdict] += 1
            self.audio_seconds += row.verdict.seconds

    def merge(self, other: "Tally") -> None:
        """Count what another one counted, too."""
        self.recordings += other.recordings
        self.errors += other.errors
        self.verdicts += other.verdicts
        self.audio_seconds += other.audio_seconds

    @property
    def counts(self) -> dict[str, float]:
        """The counts as plain values."""
        return {
            "recordings": self.recordings,
            **{kind.value: self.verdicts[kind] for kind in VerdictKind},
            "errors": self.errors,
            "audio_seconds": self.audio_seconds,
        }

    @classmethod
    def of_counts(cls, counts: Mapping[str, float]) -> "Tally":
        """What `counts` gave. Raises KeyError if one is missing."""
        return cls(
            recordings=int(counts["recordings"]),
            errors=int(counts["errors"]),
            verdicts=Counter({kind: int(counts[kind.value]) for kind in VerdictKind}),
            audio_seconds=counts["audio_seconds"],
        )

    @property
    def summary(self) -> str:
        counts = [f"{self.verdicts[kind]} {kind}" for kind in VerdictKind]
        counts.append(f"{self.errors} error{'s' * (self.errors != 1)}")
        return (
            f"{self.recordings} recording{'s' * (self.recordings != 1)}: {', '.join(counts)}; "
            f"{self.audio_seconds / 3600:.3f} hours of audio heard"
        )

    def __str__(self) -> str:
        elapsed = time.monotonic() - self.started
        rate = self.recordings / max(elapsed, 1e-9)
        return f"{self.summary} in {elapsed:.1f} s, {rate:.0f} recordings a second"


def score_entry(entry: Entry, detector: Detector, options: ScoreOptions) -> Iterator[Row]:
    """The rows for one entry: one, or one for each channel. An error is a row."""
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
                verdict = detector.score(
                    file,
                    max_seconds=options.max_seconds,
                    channel=channel,
                    raw_format=options.raw_format,
                    name=name,
                    call=escape(entry.path),
                )
            except AudioError as error:
                row = Row(entry, channel=channel, error=error.message)
            except AudioModelError:
                raise
            # The boundary: a decoder may fail in ways of its own on a file that nobody has seen
            # yet, and the thousand files behind it are still to be scored.
            except Exception as error:
                message = " ".join(f"{type(error).__name__}: {error}".split())
                row = Row(entry, channel=channel, error=message)
            else:
                row = Row(entry, verdict, channel)
            yield row


def _channels(file: RawIOBase, name: str, raw_format: RawFormat | None) -> list[Channel]:
    match channel_count(file, raw_format, name=name):
        case 1:
            return [Channel.MIX]
        case 2:
            return [Channel.LEFT, Channel.RIGHT]
        case count:
            raise AudioError(name, f"has {count} channels; left and right are scored apart of two")
