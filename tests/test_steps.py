import numpy as np
import pytest

from audio_model.frontend import SAMPLE_RATE
from audio_model.steps import (
    STEP_SAMPLES,
    STEP_SECONDS,
    STEPS_PER_SECOND,
    Heard,
    Steps,
    level_db,
    step_rows,
)
from tests import sounds


def test_a_step_is_80_ms() -> None:
    assert STEP_SECONDS == 0.08
    assert [n / STEPS_PER_SECOND for n in (3, 47, 70)] == [0.24, 3.76, 5.6]
    assert STEP_SAMPLES == 640 == STEP_SECONDS * SAMPLE_RATE


def test_level_of_known_sounds() -> None:
    np.testing.assert_allclose(level_db(sounds.tone(0.8, 1000, 1.0)), -3.0103, atol=1e-3)
    np.testing.assert_allclose(level_db(sounds.noise(8, level=0.01)).mean(), -40, atol=0.1)


@pytest.mark.parametrize("constant", [0.0, 0.5, -1.0])
def test_a_constant_has_no_level(constant: float) -> None:
    np.testing.assert_allclose(level_db(sounds.silence(0.8) + np.float32(constant)), -100, atol=1)


def test_only_whole_steps_have_a_level() -> None:
    samples = sounds.noise(1)
    assert len(level_db(samples[: STEP_SAMPLES - 1])) == 0
    np.testing.assert_array_equal(
        level_db(samples[: 3 * STEP_SAMPLES + 5]), level_db(samples[: 3 * STEP_SAMPLES])
    )


def test_until_keeps_the_first_steps() -> None:
    logit, heard = np.arange(5, dtype=np.float32), np.eye(3, dtype=np.float32)[[0, 1, 2, 2, 0]]
    first = Steps(logit, heard, -logit).until(2)
    assert len(first) == 2
    np.testing.assert_array_equal(first.logit, [0, 1])
    np.testing.assert_array_equal(first.heard.argmax(1), [Heard.BACKGROUND, Heard.TONE])
    np.testing.assert_array_equal(first.level_db, [0, -1])


def test_rows_hold_a_step_each() -> None:
    logit, heard = np.arange(2, dtype=np.float32), np.eye(3, dtype=np.float32)[[Heard.TONE] * 2]
    steps = Steps(logit, heard, -logit)
    assert len(steps) == 2
    assert steps.rows() == [[0, 0, 1, 0, 0], [1, 0, 1, 0, -1]]
    assert step_rows(*(np.stack([each, each]) for each in (logit, heard, -logit))) == [
        steps.rows(),
        steps.rows(),
    ]
    assert Steps(logit[:0], heard[:0], logit[:0]).rows() == []
