"""Open JTalk's Japanese voice Mei (HTS), inside PyPI's ``pyopenjtalk-plus``."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from audio_model.frontend import Samples
from training.corpora.engine import Origin, SpeechEngine, Voice, digests, module_of, version_of

VOICE = Voice(
    name="mei_normal",
    language="ja",
    gender="f",
    corpus="made_open_jtalk",
    source="open_jtalk:mei_normal",
    group="open_jtalk:mei_normal",
    kind="parametric TTS",
    licence="CC BY 3.0 (MMDAgent project)",
)


class OpenJTalk(SpeechEngine):
    """The engine Open JTalk. Raises CorpusError if the package is missing."""

    voices = (VOICE,)
    speeds = (0.85, 1.25)

    def __init__(self) -> None:
        openjtalk = module_of("pyopenjtalk-plus", "pyopenjtalk")
        self._speak = openjtalk.tts
        self._folder = Path(str(openjtalk.__file__)).parent / "htsvoice"

    @property
    def origins(self) -> Sequence[Origin]:
        """Return the package with the hashes of its voices."""
        files = digests(self._folder.glob("*.htsvoice"))
        version = version_of("pyopenjtalk-plus")
        return [Origin("PyPI pyopenjtalk-plus", version, VOICE.licence, files)]

    def speak(self, voice: Voice, text: str, speed: float) -> tuple[Samples, int]:
        """Let the engine speak a text."""
        samples, sample_rate = self._speak(text, speed=speed)
        return np.asarray(samples / 32768, np.float32), sample_rate
