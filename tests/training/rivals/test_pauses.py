"""Timing features of segments that are known, and of real detection."""

from pathlib import Path

import numpy as np
import pytest

from audio_model import audio
from tests import sounds
from training.rivals.pauses import FEATURES, Pauses, timing

SAMPLE = Path(__file__).parents[3] / "samples" / "recorded-prompt-en.wav"


def features(segments: list[tuple[float, float]], seconds: float) -> dict[str, float]:
    return dict(zip(FEATURES, timing(segments, seconds).tolist(), strict=True))


def test_three_segments() -> None:
    assert features([(0.5, 1.0), (1.2, 2.0), (2.6, 2.8)], 3.0) == pytest.approx({
        "initial_silence": 0.5, "final_silence": 0.2, "speech": 1.5, "speech_share": 0.5,
        "segments": 3, "first_segment": 0.5, "last_segment": 0.2,
        "segment_mean": 0.5, "segment_max": 0.8, "segment_std": np.std([0.5, 0.8, 0.2]),
        "pauses": 2, "pause_mean": 0.4, "pause_max": 0.6, "pause_std": 0.2,
        "longest_silence": 0.6,
    })  # fmt: skip


def test_one_segment_and_none() -> None:
    one = features([(0.0, 2.0)], 3.0)
    assert (one["pauses"], one["pause_mean"], one["longest_silence"]) == (0, 0, 1)
    none = features([], 3.0)
    assert none["initial_silence"] == none["final_silence"] == none["longest_silence"] == 3
    assert none["speech_share"] == none["segments"] == none["segment_max"] == 0


def test_silence_holds_no_speech_and_a_batch_changes_nothing() -> None:
    rival = Pauses()
    clips = [sounds.silence(3), sounds.voice(3, 1), sounds.noise(1.234), sounds.voice(0.5, 2)]
    together = rival.features(clips)
    for row, clip in zip(together, clips, strict=True):
        np.testing.assert_allclose(row, rival.features([clip])[0], atol=1e-6)
    assert dict(zip(FEATURES, together[0], strict=True))["speech"] == 0
    assert together.shape == (4, len(FEATURES))


def test_a_voice_is_found_where_it_is() -> None:
    voice = audio.read(SAMPLE, max_seconds=2)
    (alone,), (late,) = (
        Pauses().segments([np.concatenate([sounds.silence(seconds), voice])])
        for seconds in (0, 1.024)
    )
    assert alone
    assert late[0][0] - alone[0][0] == pytest.approx(1.024, abs=0.1)
