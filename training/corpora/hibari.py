"""Hibari, a small neural engine that learnt from Kokoro's af_heart: PyPI's ``hibari-tts``."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from audio_model.frontend import Samples
from training.corpora.engine import Origin, SpeechEngine, Voice, digests, module_of, version_of

VOICE = Voice(
    name="heart",
    language="en",
    gender="f",
    corpus="made_hibari",
    source="hibari:hibari_af_heart",
    group="af_heart",
    kind="neural TTS (voice as in kokoro_en af_heart)",
    licence="Apache-2.0",
)


class Hibari(SpeechEngine):
    """The engine Hibari. Raises CorpusError if the package is missing."""

    voices = (VOICE,)
    speeds = (0.8, 1.35)

    def __init__(self) -> None:
        self._model = module_of("hibari-tts", "hibari").Hibari(VOICE.name)

    @property
    def origins(self) -> Sequence[Origin]:
        """Return the package with the hash of its model."""
        model = digests([Path(self._model.model_path)])
        return [Origin("PyPI hibari-tts", version_of("hibari-tts"), "Apache-2.0", model)]

    def speak(self, voice: Voice, text: str, speed: float) -> tuple[Samples, int]:
        """Let the model speak a text."""
        samples = self._model(text, speed=speed, seed=0)
        return np.asarray(samples, np.float32), self._model.sample_rate
