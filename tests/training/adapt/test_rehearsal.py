"""What is rehearsed: clips of every corpus, none of the marked voices, and the old answers kept."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from audio_model.errors import UsageError
from tests import clips, sounds
from tests.training import made
from tests.training.adapt.test_run import HOW, calls_of, old_network
from training.adapt.calls import Calls
from training.adapt.depth import Depth
from training.adapt.learn import fine_tune
from training.adapt.rehearsal import chosen_evenly, rehearsal_of
from training.adapt.settings import RehearsalConfig
from training.data import manifest as manifests


def test_half_is_of_each_class_and_corpora_share_alike() -> None:
    many = [replace(made.clip(f"a{n}", 0), corpus="large") for n in range(50)]
    many += [replace(made.clip(f"b{n}", 0), corpus="small") for n in range(3)]
    many += [replace(made.clip(f"c{n}", 1), corpus="voice") for n in range(50)]
    many += [replace(made.clip("d", 1), corpus="closed", may_train=False)]
    chosen = chosen_evenly(many, 20)
    assert Counter(clip.corpus for clip in chosen) == {"large": 7, "small": 3, "voice": 10}
    assert chosen == chosen_evenly(many, 20) != chosen_evenly(many, 20, seed=1)


def manifest_of(
    folder: Path, voices: range, labels: tuple[str, ...] = ("live", "recorded")
) -> Path:
    rows = []
    for label in labels:
        for n in voices:
            path = f"{label}{n}.wav"
            clips.write(folder / path, sounds.voice(1, 2 * n + (label == "recorded")))
            rows.append({"path": path, "label": label, "source": f"{label}{n}", "corpus": label})
    clips.write_manifest(folder / "manifest.csv", rows)
    return folder / "manifest.csv"


def test_marked_voices_are_not_rehearsed_and_a_class_must_be_left(tmp_path: Path) -> None:
    for name in ("known", "marked", "live"):
        (tmp_path / name).mkdir()
    known = manifest_of(tmp_path / "known", range(4))
    marked = manifests.load(manifest_of(tmp_path / "marked", range(2)))
    heard = rehearsal_of(old_network(), RehearsalConfig((known,)), [marked], 4.0)
    assert heard is not None
    assert {each.source for each in heard.old} == {"live2", "live3", "recorded2", "recorded3"}
    assert {each.condition for each in heard.old} == {"raw", "matched"}
    assert rehearsal_of(old_network(), RehearsalConfig(), [marked], 4.0) is None
    of_one = manifest_of(tmp_path / "live", range(5, 8), ("live",))
    with pytest.raises(UsageError, match="no recorded clip"):
        rehearsal_of(old_network(), RehearsalConfig((of_one,)), [marked], 4.0)


def test_answers_to_what_is_rehearsed_stay_nearer_to_the_old_ones() -> None:
    foreign, known = calls_of(8, 0, foreign=True), calls_of(8, 300)
    how = replace(HOW, passes=30)

    def moved(rehearsal: Calls | None) -> float:
        new = fine_tune(foreign, Depth.HEAD, range(len(foreign)), how, rehearsal)
        answers = known.heard_by(new, Depth.HEAD)
        return float(
            np.mean(
                [
                    np.abs(now.steps.logit - was.steps.logit).mean()
                    for now, was in zip(answers, known.old, strict=True)
                ]
            )
        )

    assert moved(known) < moved(None) / 2
