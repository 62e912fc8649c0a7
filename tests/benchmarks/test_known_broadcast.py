"""The archives of broadcast calls are what they say, and are grouped."""

import csv
from pathlib import Path

import numpy as np
import pytest
import soundfile

from benchmarks.known import broadcast
from tests.known.calls import spoken
from training.augment import Codec


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with (tmp_path / "manifest.csv").open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["path", "label", "corpus", "source"])
        for n in range(25):
            soundfile.write(tmp_path / f"{n}.wav", spoken(2.5, seed=n), 8000)
            # The last clip is of a voice that has no other.
            rows.writerow([f"{n}.wav", 1, "actors", n // 8])
    return tmp_path


def test_calls_of_one_message_are_pairs(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broadcast, "COPIES", (2, 2, 1, 1, 1))
    monkeypatch.setattr(broadcast, "CODECS", (Codec.MULAW,))
    clips = broadcast.voices(folder)
    assert [len(each) for each in clips.values()] == [8, 8, 8]
    calls = broadcast.archive(clips, np.random.default_rng(0))
    assert sorted(call.message for call in calls) == [0, 0, 1, 1, 2, 3, 4]
    assert all(5 < len(call.samples) / 8000 < 14 for call in calls)
    alike, found, false = broadcast.pairs(calls)
    assert (alike, false) == (2, 0) and found >= 1
