"""Tell recorded playback from a live human by the first seconds of a call.

>>> from audio_model import Detector
>>> verdict = Detector.load().score("call.wav")
>>> print(verdict.verdict, verdict.score, verdict.decided_at)
"""

from typing import TYPE_CHECKING

from audio_model.audio import Channel, Encoding, RawFormat
from audio_model.decision import Evidence, Reason, Verdict, VerdictKind
from audio_model.detector import Detector
from audio_model.errors import AudioError, AudioModelError, ModelError, StoreError, UsageError
from audio_model.rule import OperatingPoint
from audio_model.stream import StreamDetector

if TYPE_CHECKING:
    from audio_model.known.follow import KnownRecordings

__all__ = [
    "AudioError",
    "AudioModelError",
    "Channel",
    "Detector",
    "Encoding",
    "Evidence",
    "KnownRecordings",
    "ModelError",
    "OperatingPoint",
    "RawFormat",
    "Reason",
    "StoreError",
    "StreamDetector",
    "UsageError",
    "Verdict",
    "VerdictKind",
]


def __getattr__(name: str) -> object:
    """Import what few programs need when it is asked for: a store brings SQLite."""
    if name == "KnownRecordings":
        from audio_model.known.follow import KnownRecordings

        return KnownRecordings
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
