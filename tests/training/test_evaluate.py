"""Figures of scores whose figures are known."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from audio_model.decision import Calibration, DecisionRule, OperatingPoint, VerdictKind
from audio_model.steps import Heard
from tests import clips, heard, readout, sounds
from training import evaluate, report
from training.evaluate import (
    PREFIX_SECONDS,
    by_slice,
    decisions,
    figures_at,
    figures_of,
    quick_check,
    tone_figures,
)
from training.infer import HeardTake, raw

POINT = OperatingPoint(0.01, recorded_at=0.8, live_at=0.2, false_alarm=0, miss=0)
RULE = DecisionRule(Calibration((0.4,), (1.0,), (0.0,)), (POINT,))
N = 40


def takes(live: float, recorded: float, n: int = N, steps: int = 80) -> list[HeardTake]:
    return [
        heard.take(
            [logit] * steps,
            label,
            f"{label}{k}",
            corpus=f"corpus{k % 2}",
            language="" if k % 4 else "sw",
        )
        for label, logit in ((0, live), (1, recorded))
        for k in range(n)
    ]


def noise(apart: float, seed: int = 0, n: int = 1000) -> list[HeardTake]:
    rng = np.random.default_rng(seed)
    return [
        heard.take([float(rng.normal(apart * (2 * label - 1)))] * 10, label, f"{label}{k}")
        for label in (0, 1)
        for k in range(n)
    ]


def test_perfect_scores() -> None:
    figures = figures_at(takes(-12, 12), RULE, 1.0, draws=20)
    assert figures["seconds"] == 1.0
    assert figures["auc"] == {"value": 1, "low": 1, "high": 1}
    for name in ("eer", "miss_at_1", "miss_at_5"):
        assert figures[name] == {"value": 0, "low": 0, "high": 0}
    for name in ("ece", "brier"):
        assert figures[name]["value"] < 1e-4


def test_scores_that_are_all_the_same() -> None:
    figures = figures_at(takes(0, 0), RULE, 1.0, draws=20)
    assert figures["auc"]["value"] == figures["eer"]["value"] == 0.5
    assert figures["miss_at_5"]["value"] == 1
    assert figures["ece"]["value"] == pytest.approx(0, abs=1e-12)
    assert figures["brier"]["value"] == 0.25


def test_scores_the_wrong_way_round() -> None:
    figures = figures_at(takes(12, -12), RULE, 1.0, draws=20)
    assert figures["auc"]["value"] == 0
    assert figures["eer"]["value"] == 1
    assert figures["brier"]["value"] > 0.99


def test_scores_that_know_nothing() -> None:
    figures = figures_at(noise(0), RULE, 1.0, draws=50)
    for name in ("auc", "eer"):
        assert figures[name]["value"] == pytest.approx(0.5, abs=0.04)
        assert figures[name]["low"] < 0.5 < figures[name]["high"]


def test_overlapping_normal_scores() -> None:
    """Classes a distance of 2 apart: EER is the normal tail at 1, AUC at the root of 2."""
    figures = figures_at(noise(1.0), RULE, 1.0, draws=50)
    assert figures["eer"]["value"] == pytest.approx(0.1587, abs=0.025)
    assert figures["auc"]["value"] == pytest.approx(0.9214, abs=0.015)
    assert figures["eer"]["low"] < figures["eer"]["value"] < figures["eer"]["high"]


def test_a_prefix_is_judged_by_what_was_heard_in_it() -> None:
    """Wrong in the first second, right after it; a clip that ends before counts by its end."""
    mixed = [
        heard.take([-sign * 9] * 12 + [sign * 9] * 30, label, f"{label}{k}")
        for label, sign in ((0, -1), (1, 1))
        for k in range(20)
    ]
    assert figures_at(mixed, RULE, 0.96, draws=5)["auc"]["value"] == 0
    assert figures_at(mixed, RULE, 1.04, draws=5)["auc"]["value"] == 1
    assert figures_at(mixed, RULE, 60.0, draws=5)["auc"]["value"] == 1


def test_a_take_shorter_than_a_step_has_no_score() -> None:
    nothing = [heard.take([], label, f"empty{label}") for label in (0, 1)]
    assert figures_at(takes(-9, 9) + nothing, RULE, 1.0, draws=5)["eer"]["value"] == 0


def test_sources_weigh_alike() -> None:
    good = [heard.take([9.0] * 10, 1, f"good{k}", weight=0.1) for k in range(10)]
    bad = [heard.take([-9.0] * 10, 1, "bad", weight=1.0)]
    live = [heard.take([0.0] * 10, 0, f"live{k}") for k in range(200)]
    figures = figures_at(good + bad + live, RULE, 1.0, draws=5)
    assert figures["miss_at_5"]["value"] == pytest.approx(0.5)


def test_verdicts_are_counted_by_class() -> None:
    summary, verdicts = decisions(takes(-3, 3) + takes(0, 0), RULE, POINT)
    assert summary["max_false_alarm"] == 0.01
    assert summary["verdicts"]["live"] == {"recorded": 0, "live": 0.5, "unknown": 0.5}
    assert summary["verdicts"]["recorded"] == {"recorded": 0.5, "live": 0, "unknown": 0.5}
    assert summary["decided_at"] == pytest.approx({"p10": 0.4, "median": 0.4, "p90": 0.4})
    assert len(verdicts) == 4 * N


def test_a_false_alarm_counts_whatever_the_end_says() -> None:
    """``recorded`` at a moment and taken back: an alarm; a recording flagged late is no miss."""
    taken_back = [heard.take([9.0] * 8 + [-9.0] * 8, 0, f"live{k}") for k in range(4)]
    late = [heard.take([-9.0] * 8 + [9.0] * 8, 1, f"recorded{k}") for k in range(4)]
    summary, _ = decisions(taken_back + late + takes(-3, -3, n=4), RULE, POINT)
    assert summary["false_alarm"] == pytest.approx(0.5)
    assert summary["miss"] == pytest.approx(0.5)
    assert summary["verdicts"]["live"]["recorded"] == 0


def test_nobody_decided() -> None:
    summary, _ = decisions(takes(0, 0), RULE, POINT)
    assert summary["decided_at"] is None
    assert summary["verdicts"]["live"]["unknown"] == 1


def test_slices() -> None:
    given = takes(-3, 3) + takes(3, 3, n=2)
    _, verdicts = decisions(given, RULE, POINT)
    rows = by_slice(given, verdicts, lambda clip: clip.corpus)
    assert [(row["label"], row["slice"], row["takes"]) for row in rows] == [
        (0, "corpus0", 21), (0, "corpus1", 21), (1, "corpus0", 21), (1, "corpus1", 21),
    ]  # fmt: skip
    assert rows[0]["recorded"] == pytest.approx(1 / 21)
    for row in rows:
        assert sum(row[kind.value] for kind in VerdictKind) == pytest.approx(1)


def test_tones_must_stay_unknown() -> None:
    tone = heard.take([9.0] * 20, 0, "t", kinds=[Heard.TONE] * 20).steps
    speech = heard.take([9.0] * 20, 0, "t").steps
    assert tone_figures([tone] * 3 + [speech], RULE, POINT) == {
        "takes": 4, "recorded": 0.25, "live": 0, "unknown": 0.75,
    }  # fmt: skip
    assert tone_figures([], RULE, POINT)["takes"] == 0


@pytest.fixture(scope="module")
def figures() -> dict[str, Any]:
    raw_figures = figures_of(takes(-3, 3), RULE, POINT, draws=5)
    tones = tone_figures([], RULE, POINT)
    return {"raw": raw_figures, "line": figures_of(takes(0, 1), RULE, POINT, 5), "tones": tones}


def test_figures_are_plain_data(figures: dict[str, Any]) -> None:
    assert json.loads(json.dumps(figures, allow_nan=False)) == figures
    raw_figures = figures["raw"]
    assert raw_figures["takes"] == raw_figures["groups"] == {"live": N, "recorded": N}
    assert [row["seconds"] for row in raw_figures["by_prefix"]] == list(PREFIX_SECONDS)
    assert {row["slice"] for row in raw_figures["by_language"]} == {"", "sw"}


def test_the_report_tells_them_all(figures: dict[str, Any]) -> None:
    text = report.as_markdown(figures)
    assert text.count("| 0.5 s |") == 2
    assert f"{N} takes of {N} recorded voices" in text
    assert "as recorded" in text
    assert "through a simulated line" in text
    assert "Decided after 0.40 s in the median" in text
    widths = {}
    for line in text.splitlines():
        if line.startswith("|"):
            widths.setdefault(line.count("|"), line)
    assert sorted(widths) == [5, 7, 8]


def test_plots_are_drawn(figures: dict[str, Any], tmp_path: Path) -> None:
    report.draw({"raw": takes(-3, 3), "line": takes(0, 1)}, figures, RULE, tmp_path)
    drawn = {path.name for path in tmp_path.iterdir()}
    assert drawn == {
        "det.png", "error_by_prefix.png",
        *(f"{plot}_{c}.png" for plot in ("reliability", "scores") for c in ("raw", "line")),
    }  # fmt: skip
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in tmp_path.iterdir())


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
    config.write_text("[data]\nmanifest = 'm.csv'", encoding="utf-8")
    replace(readout.checkpoint(), decision=None).save(tmp_path / "checkpoint.safetensors")
    assert evaluate.main([str(tmp_path), "--config", str(config)]) == 2
    assert "training.calibrate" in capsys.readouterr().err
