"""SVOX Pico, six parametric voices that many PBXs speak with, inside PyPI's ``py-nanotts``."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from audio_model.frontend import Samples
from training.corpora.engine import Origin, SpeechEngine, Voice, digests, module_of, version_of

SAMPLE_RATE = 16000
VOICES = tuple(
    Voice(
        name=name,
        language=name[:2],
        gender="f",
        corpus="made_pico",
        source=f"pico:pico_{name}",
        group=f"pico:pico_{name}",
        kind="parametric TTS",
        licence="Apache-2.0",
    )
    for name in ("en-US", "en-GB", "de-DE", "es-ES", "fr-FR", "it-IT")
)


class Pico(SpeechEngine):
    """The engine SVOX Pico. Raises CorpusError if the package is missing."""

    voices = VOICES
    speeds = (0.8, 1.25)

    def __init__(self) -> None:
        nanotts = module_of("py-nanotts", "py_nanotts")
        self._engine = nanotts.NanoTTS()
        self._folder = Path(str(nanotts.__file__)).parent / "lang"

    @property
    def origins(self) -> Sequence[Origin]:
        """Return the package with the hashes of its files."""
        files = digests(sorted(self._folder.glob("*.bin")))
        return [Origin("PyPI py-nanotts", version_of("py-nanotts"), "Apache-2.0", files)]

    def speak(self, voice: Voice, text: str, speed: float) -> tuple[Samples, int]:
        """Let the engine speak a text."""
        # At its default volume the engine clips.
        pcm = self._engine.speak(text, voice=voice.name, speed=speed, volume=0.5)
        return np.asarray(np.frombuffer(pcm, "<i2") / 32768, np.float32), SAMPLE_RATE
