"""Each part is judged by a rule that was fitted on other sources; what comes of it is written."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from audio_model.decision import VerdictKind
from audio_model.steps import Heard
from tests import clips, heard, readout, sounds
from training import evaluate
from training.config import CalibrationConfig
from training.evaluate import judged_part, quick_check
from training.evaluation.answers import Answers, Part
from training.evaluation.infer import HeardTake, raw

SETTINGS = CalibrationConfig(voice_seconds=(0.4,), budgets=(0.05,), cautions=(0.0,))


def takes(centre: float, n: int = 60) -> list[HeardTake]:
    """Scores around ``centre``: which value tells the classes apart depends on it."""
    rng = np.random.default_rng(0)
    return [
        heard.take(
            [centre + float(rng.normal(2 * (2 * label - 1)))] * 40,
            label,
            f"{label}{k}",
            condition="matched" if k % 2 else "raw",
        )
        for label in (0, 1)
        for k in range(n)
    ]


def test_the_rule_of_a_part_comes_from_the_others() -> None:
    """Fitted elsewhere, the middle lies elsewhere; the ranks, and so the EER, stay."""
    tone = heard.take([9.0] * 20, 0, "t", kinds=[Heard.TONE] * 20).steps
    answers = Answers(takes(0.0), [tone])
    own, _ = judged_part(Part("own", takes(0.0), answers), SETTINGS)
    shifted, tones = judged_part(Part("shifted", takes(6.0), answers), SETTINGS)
    assert own.keys() == shifted.keys() == {"raw", "matched"}
    assert tones == [VerdictKind.UNKNOWN]
    flagged = {
        name: np.mean([t.flagged for t in judged["raw"] if t.heard.label == 1])
        for name, judged in (("own", own), ("shifted", shifted))
    }
    assert flagged["own"] > 0.5
    assert flagged["shifted"] < 0.05


def test_a_quick_check_of_a_network_that_can() -> None:
    voices = [
        clips.sound(sounds.voice(3, seed, played=bool(label)), clips.clip(f"{label}{seed}", label))
        for seed in range(100, 108)
        for label in (0, 1)
    ]
    rates = quick_check(readout.network(), raw(voices))
    assert rates.keys() == {"dev_eer_1s", "dev_eer_3s"}
    assert rates["dev_eer_3s"] < 0.2
    assert all(math.isfinite(rate) for rate in rates.values())


def test_main_needs_a_calibrated_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "c.toml"
    config.write_text("[data]\nmanifests = ['m.csv']", encoding="utf-8")
    replace(readout.checkpoint(), decision=None).save(tmp_path / "checkpoint.safetensors")
    assert evaluate.main([str(tmp_path), "--config", str(config)]) == 2
    assert "training.evaluation.calibrate" in capsys.readouterr().err
