"""A detector that hears nothing: for tests of what goes on around the real one."""

import os
import time
from pathlib import Path
from typing import Any

from audio_model.audio import Channel, RawFormat, SeekableFile
from audio_model.decision import Evidence, Reason, Verdict, VerdictChange, VerdictKind
from audio_model.detector import Detector, ScoreOptions
from audio_model.errors import AudioError

VERDICT = Verdict(
    verdict=VerdictKind.RECORDED,
    score=0.1 + 0.2,
    logit=1e-17,
    seconds=2.0,
    speech_seconds=1.5,
    decided_at=0.48,
    reason=Reason.NONE,
    evidence=Evidence(
        (0.08, 0.16),
        (0.5, 0.1 + 0.2),
        (0.25, 1.0),
        (0.0, 0.8),
        changes=(VerdictChange(0.48, VerdictKind.RECORDED),),
    ),
    noise_db=-62.5,
    snr_db=31.0,
    codec="gsm",
)


class FakeDetector(Detector):
    """Every file that exists is a recording; those named broken* fail in their own way."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, float | None, Channel, RawFormat | None]] = []

    @classmethod
    def load(  # type: ignore[override]
        cls, model: str | None = None, *, max_false_alarm: float = 0.01
    ) -> "FakeDetector":
        return cls()

    def score(  # type: ignore[override]
        self,
        recording: str | SeekableFile,
        *,
        max_seconds: float | None = None,
        wait_seconds: float = 10.0,
        channel: Channel = Channel.MIX,
        raw_format: RawFormat | None = None,
        name: str = "",
        call: str = "",
    ) -> Verdict:
        path = recording if isinstance(recording, str) else name
        self.heard.append((path, max_seconds, channel, raw_format))
        if Path(path).name.startswith("broken"):
            raise ZeroDivisionError("in the\ndecoder")
        if isinstance(recording, str) and not os.path.lexists(path):
            raise AudioError(path, "no such file")
        time.sleep(float(os.environ.get("FAKE_SECONDS", "0")))
        return VERDICT

    def begin(  # type: ignore[override]
        self, recording: str | SeekableFile, options: ScoreOptions, name: str = "", call: Any = ""
    ) -> "FakeHearing":
        verdict = self.score(
            recording,
            max_seconds=options.max_seconds,
            channel=options.channel or Channel.MIX,
            raw_format=options.raw_format,
            name=name,
        )
        return FakeHearing(verdict)

    learns = False

    def close(self) -> None:
        """There is no store to let go of."""


class FakeHearing:
    """A recording of which the verdict is known at once."""

    def __init__(self, verdict: Verdict) -> None:
        self._verdict = verdict

    def conclude(self) -> Verdict:
        return self._verdict
