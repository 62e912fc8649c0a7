"""Tell recorded playback from a live human by the first seconds of a call.

>>> from audio_model import Detector
>>> verdict = Detector.load().score("call.wav")
>>> print(verdict.verdict, verdict.score, verdict.decided_at)
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from audio_model.audio import Channel, Encoding, RawFormat
    from audio_model.decision import Evidence, Reason, Verdict, VerdictKind
    from audio_model.detector import Detector
    from audio_model.errors import AudioError, AudioModelError, ModelError, StoreError, UsageError
    from audio_model.known.follow import KnownRecordings
    from audio_model.rule import OperatingPoint
    from audio_model.stream import StreamDetector

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

_MODULES = {
    "audio": ("Channel", "Encoding", "RawFormat"),
    "decision": ("Evidence", "Reason", "Verdict", "VerdictKind"),
    "detector": ("Detector",),
    "errors": ("AudioError", "AudioModelError", "ModelError", "StoreError", "UsageError"),
    "known.follow": ("KnownRecordings",),
    "rule": ("OperatingPoint",),
    "stream": ("StreamDetector",),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> object:
    """Import a name when it is asked for.

    Commands begin without the half second that the libraries take, and a store brings SQLite.
    """
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
