"""Counts over a run: recordings, verdicts, errors, and the audio that was heard."""

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from audio_model.decision import VerdictKind
from audio_model.tables.rows import Row


@dataclass
class RunTally:
    """Counts over a run."""

    recordings: int = 0
    errors: int = 0
    verdicts: Counter[VerdictKind] = field(default_factory=Counter)
    audio_seconds: float = 0.0
    untimed: int = 0
    """Recordings whose time can't be read, where a store learns from them."""
    started: float = field(default_factory=time.monotonic)

    def add(self, row: Row) -> None:
        """Count a row."""
        if row.verdict is None:
            self.errors += 1
        else:
            self.verdicts[row.verdict.verdict] += 1
            self.audio_seconds += row.verdict.seconds

    def merge(self, other: "RunTally") -> None:
        """Add the counts of another tally."""
        self.recordings += other.recordings
        self.errors += other.errors
        self.verdicts += other.verdicts
        self.audio_seconds += other.audio_seconds
        self.untimed += other.untimed

    @property
    def counts(self) -> dict[str, float]:
        """Return the counts as plain values."""
        return {
            "recordings": self.recordings,
            **{kind.value: self.verdicts[kind] for kind in VerdictKind},
            "errors": self.errors,
            "audio_seconds": self.audio_seconds,
            **({"untimed": self.untimed} if self.untimed else {}),
        }

    @classmethod
    def of_counts(cls, counts: Mapping[str, float]) -> "RunTally":
        """Return the tally that gave these `counts`. Raises KeyError if one is missing."""
        return cls(
            recordings=int(counts["recordings"]),
            errors=int(counts["errors"]),
            verdicts=Counter({kind: int(counts[kind.value]) for kind in VerdictKind}),
            audio_seconds=counts["audio_seconds"],
            untimed=int(counts.get("untimed", 0)),
        )

    @property
    def untimed_text(self) -> str:
        """Return how many recordings a store counts without a time, as text; empty if none."""
        if not self.untimed:
            return ""
        some = f"{self.untimed} recording{'s' * (self.untimed != 1)}"
        return f"the store counts {some} without a time: what the manifest says can't be read"

    @property
    def summary(self) -> str:
        """Return the counts as one line of text."""
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
