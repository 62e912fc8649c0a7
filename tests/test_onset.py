"""The first voice is found to the sample, wherever it begins and however its steps come."""

import numpy as np
import pytest

from audio_model.onset import RUN_IN_SAMPLES, VoiceSearch, onset_of
from audio_model.steps import STEP_SAMPLES, Heard, StepRow
from tests import sounds

VOICE = sounds.voice(2, 9, played=True)


def heard(kinds: list[Heard]) -> list[StepRow]:
    return [[0.0, *(float(kind is each) for each in Heard), -20.0] for kind in kinds]


def kinds(samples: sounds.Samples, begins: int) -> list[Heard]:
    """What a perfect network hears: voice in every step that holds most of one."""
    return [
        Heard.VOICE if at + STEP_SAMPLES // 2 >= begins else Heard.BACKGROUND
        for at in range(0, len(samples) - STEP_SAMPLES + 1, STEP_SAMPLES)
    ]


def find(samples: sounds.Samples, begins: int, steps_a_run: int = 1) -> tuple[int, np.ndarray]:
    search, of_step = VoiceSearch(), heard(kinds(samples, begins))
    for n in range(0, len(of_step), steps_a_run):
        run = samples[n * STEP_SAMPLES : (n + steps_a_run) * STEP_SAMPLES]
        run = run[: len(run) // STEP_SAMPLES * STEP_SAMPLES]
        at = search.add(run, of_step[n : n + steps_a_run])
        if at is not None:
            return at, search.since(at, run)
    raise AssertionError("no voice was found")


@pytest.mark.parametrize("lead", [0, 1, 639, 5000, 9000])
def test_a_voice_that_is_not_late_is_heard_from_the_start(lead: int) -> None:
    samples = np.concatenate([np.zeros(lead, np.float32), VOICE])
    assert find(samples, lead)[0] == 0


@pytest.mark.parametrize("lead", [16_001, 24_000, 40_319])
def test_a_late_one_is_found_to_the_sample_after_any_silence(lead: int) -> None:
    at_once, _ = find(np.concatenate([np.zeros(16_000, np.float32), VOICE]), 16_000)
    assert 0 <= at_once + RUN_IN_SAMPLES - 16_000 < 800
    samples = np.concatenate([np.zeros(lead, np.float32), VOICE])
    at, since = find(samples, lead)
    assert abs(at - at_once - (lead - 16_000)) <= 1
    np.testing.assert_array_equal(since, samples[at : at + len(since)])


@pytest.mark.parametrize("steps_a_run", [2, 6, 25])
def test_it_is_the_same_however_many_steps_come_at_once(steps_a_run: int) -> None:
    samples = np.concatenate([sounds.noise(1.5, level=0.003), VOICE])
    assert find(samples, 12_000, steps_a_run)[0] == find(samples, 12_000)[0]


def test_it_lies_where_the_voice_rises_from_noise_and_not_where_steps_do() -> None:
    samples = np.concatenate([sounds.noise(1.5, level=0.003), VOICE])
    assert find(samples, 12_000)[0] + RUN_IN_SAMPLES == pytest.approx(12_000, abs=400)


def test_steps_that_hold_voice_now_and_then_are_none() -> None:
    search = VoiceSearch()
    now_and_then = heard([Heard.VOICE, Heard.VOICE, Heard.TONE, Heard.BACKGROUND] * 20)
    assert search.add(np.zeros(80 * STEP_SAMPLES, np.float32), now_and_then) is None


def test_three_of_four_steps_are_voice() -> None:
    search = VoiceSearch()
    steps = heard([Heard.VOICE, Heard.TONE, Heard.VOICE, Heard.VOICE])
    assert search.add(VOICE[: 4 * STEP_SAMPLES], steps) is not None


@pytest.mark.parametrize("lead", [0, 5000, 16_001])
def test_a_whole_call_is_heard_from_where_its_legs_are(lead: int) -> None:
    samples = np.concatenate([np.zeros(lead, np.float32), VOICE])
    assert onset_of(samples, lambda some: heard(kinds(some, lead))) == find(samples, lead)[0]


def test_a_call_without_voice_is_heard_from_its_start() -> None:
    silent = np.zeros(20_077, np.float32)
    assert onset_of(silent, lambda some: heard([Heard.BACKGROUND] * (len(some) // 640))) == 0
