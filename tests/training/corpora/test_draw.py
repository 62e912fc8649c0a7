from collections import Counter
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from tests.training.corpora.whistle import Whistle, voice
from training.corpora.draw import Reading, draw
from training.corpora.engine import Voice
from training.corpora.script import Script

seeds = st.integers(0, 1000)
counts = st.integers(0, 30)


@given(counts, counts, seeds)
def test_more_clips_begin_with_the_same_readings(fewer: int, more: int, seed: int) -> None:
    first = list(draw(Whistle(), fewer, seed))
    again = list(draw(Whistle(), fewer + more, seed))
    assert again[:fewer] == first


@given(counts, seeds)
def test_voices_and_scripts_are_spread_evenly_and_no_pair_comes_twice(n: int, seed: int) -> None:
    readings = list(draw(Whistle(), n, seed))
    assert len(readings) == min(n, 21)
    pairs = {(reading.voice, reading.script) for reading in readings}
    assert len(pairs) == len(readings)
    voices = Counter(reading.voice for reading in readings)
    assert max(voices.values(), default=0) - min(voices.values(), default=0) <= 1
    english = Counter(r.script.id for r in readings if r.voice.language == "en")
    assert max(english.values(), default=0) <= len(readings) // 7 + 1


class Cast(Whistle):
    """Voices with scripts of their own, as actors have."""

    def scripts(self, voice: Voice) -> Sequence[Script]:
        return [Script(f"{voice.name}_{i}", f"line {i}") for i in range(len(voice.name))]


@given(counts, seeds)
def test_a_voice_speaks_its_own_scripts_alone(n: int, seed: int) -> None:
    readings = list(draw(Cast(), n, seed))
    assert len(readings) == min(n, len("anna" + "ben" + "chen"))
    assert all(reading.script.id.startswith(reading.voice.name) for reading in readings)


@given(seeds)
def test_speeds_stay_in_the_engines_range(seed: int) -> None:
    assert all(0.8 <= reading.speed <= 1.25 for reading in draw(Whistle(), 21, seed))


def test_another_seed_is_another_corpus() -> None:
    assert list(draw(Whistle(), 9, 1)) != list(draw(Whistle(), 9, 2))


def test_a_file_is_named_by_all_that_shapes_its_sound() -> None:
    reading = Reading(voice("anna"), Script("en_0", "Hello."), 1.0)
    assert reading.path == "made_en/754aff5e4d04.flac"
    others = [
        Reading(voice("ben"), reading.script, 1.0),
        Reading(reading.voice, Script("en_1", "Hello."), 1.0),
        Reading(reading.voice, Script("en_0", "Hello!"), 1.0),
        Reading(reading.voice, reading.script, 1.1),
    ]
    assert len({reading.path, *(other.path for other in others)}) == 5
