from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from audio_model.frontend import Samples
from training.corpora.engine import Origin, Voice
from training.corpora.script import Script

SAMPLE_RATE = 16000


def voice(name: str, language: str = "en") -> Voice:
    return Voice(
        name=name,
        language=language,
        gender="f",
        corpus=f"made_{language}",
        source=f"whistle:{name}",
        group=f"whistle:{name}",
        kind="a whistle",
        licence="CC0",
    )


@dataclass
class Whistle:
    """An engine whose voices whistle one note for three seconds, longer if they are slow."""

    voices: Sequence[Voice] = (voice("anna"), voice("ben"), voice("chen", "zh"))
    speeds: tuple[float, float] = (0.8, 1.25)
    origins: Sequence[Origin] = (Origin("PyPI whistle", "1.2", "CC0", (("note.bin", "ab12"),)),)
    said: list[tuple[str, str]] = field(default_factory=list)
    breath: int | None = None
    """Clips until it stops with an error."""

    def scripts(self, voice: Voice) -> Sequence[Script]:
        return [Script(f"{voice.language}_{i}", f"script {i}") for i in range(7)]

    def speak(self, voice: Voice, text: str, speed: float) -> tuple[Samples, int]:
        if len(self.said) == self.breath:
            raise KeyboardInterrupt
        self.said.append((voice.name, text))
        seconds = np.arange(int(3 / speed * SAMPLE_RATE)) / SAMPLE_RATE
        note = 300 + 100 * len(voice.name) + len(self.voices)
        return np.asarray(0.25 * np.sin(2 * np.pi * note * seconds), np.float32), SAMPLE_RATE
