"""Recorded playback or live human, from the first seconds of a call.

>>> from audio_model import Detector
>>> verdict = Detector.load().score("call.wav")
>>> print(verdict.verdict, verdict.score, verdict.decided_at)
"""

from audio_model.audio import Channel, Encoding, RawFormat
from audio_model.decision import Evidence, OperatingPoint, Reason, Verdict, VerdictKind
from audio_model.detector import Detector
from audio_model.errors import AudioError, AudioModelError, ModelError, UsageError
from audio_model.stream import StreamDetector

__all__ = [
    "AudioError",
    "AudioModelError",
    "Channel",
    "Detector",
    "Encoding",
    "Evidence",
    "ModelError",
    "OperatingPoint",
    "RawFormat",
    "Reason",
    "StreamDetector",
    "UsageError",
    "Verdict",
    "VerdictKind",
]
