"""Which voice speaks which script: every clip another pair, voices and scripts spread evenly."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
from numpy.random import Generator

from training.corpora.engine import SpeechEngine, Voice
from training.corpora.script import Script


@dataclass(frozen=True)
class Reading:
    """One clip to make."""

    voice: Voice
    script: Script
    speed: float

    @property
    def path(self) -> str:
        """Return the path relative to the output folder.

        Another word, voice or speed is another file.
        """
        said = f"{self.voice.source}|{self.script.id}|{self.script.text}|{self.speed}"
        return f"{self.voice.corpus}/{blake2b(said.encode(), digest_size=6).hexdigest()}.flac"


def draw(engine: SpeechEngine, n_clips: int, seed: int) -> Iterator[Reading]:
    """Yield at most ``n_clips`` readings, or fewer if voices have spoken all that they can.

    More clips from the same seed begin with the same readings.
    """
    rng = np.random.default_rng(seed)
    voices = [engine.voices[i] for i in rng.permutation(len(engine.voices))]
    decks: dict[tuple[Script, ...], list[Script]] = {}
    spoken: dict[Voice, set[str]] = {voice: set() for voice in voices}
    made = 0
    while voices and made < n_clips:
        for voice in list(voices):
            scripts = tuple(engine.scripts(voice))
            # Voices that can speak the same share them out.
            script = _deal(decks.setdefault(scripts, []), scripts, spoken[voice], rng)
            speed = round(rng.uniform(*engine.speeds), 2)
            if script is None:
                voices.remove(voice)
                continue
            if made == n_clips:
                return
            spoken[voice].add(script.id)
            made += 1
            yield Reading(voice, script, speed)


def _deal(
    deck: list[Script], scripts: Sequence[Script], spoken: set[str], rng: Generator
) -> Script | None:
    """Return the first script of the deck that the voice has not spoken; None if there is none."""
    for round_ in range(2):
        for i, script in enumerate(deck):
            if script.id not in spoken:
                return deck.pop(i)
        if round_ == 0:
            deck.extend(scripts[i] for i in rng.permutation(len(scripts)))
    return None
