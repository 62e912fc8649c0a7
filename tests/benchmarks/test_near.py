"""Stretches of live speech near microphones, and the verdicts on them."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from audio_model.decision import VerdictKind
from audio_model.detector import Detector
from audio_model.frontend import SAMPLE_RATE
from benchmarks import near
from tests import sounds


@given(seconds=st.floats(0, 30))
@settings(max_examples=30)
def test_stretches_begin_at_each_beginning_and_last_as_long_as_they_can(seconds: float) -> None:
    samples = np.arange(round(seconds * SAMPLE_RATE), dtype=np.float32)
    length, least = round(6.4 * SAMPLE_RATE), round(1.5 * SAMPLE_RATE)
    found = list(near.stretches(samples))
    begins = [round(each[0]) for each in found]
    expected = [
        start
        for beginning in (0.0, 1.6, 3.2, 4.8)
        for start in range(round(beginning * SAMPLE_RATE), len(samples), length)
        if len(samples) - start >= least
    ]
    assert begins == expected
    for each in found:
        assert len(each) == min(length, len(samples) - round(each[0]))


def test_files_with_and_without_a_header_are_read_alike(tmp_path: Path) -> None:
    pcm = (sounds.voice(2, 1) * 32767).astype("<i2")
    pcm.tofile(tmp_path / "a.raw")
    soundfile.write(tmp_path / "a.wav", pcm, 16_000, subtype="PCM_16")
    one, other = (near.read(tmp_path / name, 16_000) for name in ("a.raw", "a.wav"))
    np.testing.assert_allclose(one, other, atol=1e-6)
    assert len(one) == len(pcm) // 2


def test_stretches_are_heard_through_the_line_of_the_samples(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    detector, build = Detector.load(), near.builder()
    heard: list[float] = []
    line = build.telephone

    def telephone(stretch: np.ndarray) -> np.ndarray:
        heard.append(len(stretch) / SAMPLE_RATE)
        through: np.ndarray = line(stretch)
        return through

    monkeypatch.setattr(build, "telephone", telephone)
    told = near.measure(detector, build, "a", sounds.voice(8, 1))
    assert heard == pytest.approx([6.4, 1.6, 6.4, 4.8, 3.2])
    assert told.name == "a"
    assert told.of.total() == 5


def test_files_weigh_alike() -> None:
    live, unknown, recorded = VerdictKind.LIVE, VerdictKind.UNKNOWN, VerdictKind.RECORDED
    told = [
        near.Told("one", Counter({live: 9, recorded: 1})),
        near.Told("other", Counter({unknown: 1})),
    ]
    *_, one, other, last = near.as_markdown(told).splitlines()
    assert one == "| one | 10 | 9 | 0 | 1 |"
    assert other == "| other | 1 | 0 | 1 | 0 |"
    assert last == "| all | 11 | 45 % | 50 % | 5 % |"
