"""How far lines lie apart is told right, of answers whose lines are made so."""

import numpy as np
import pytest

from audio_model.fitting.calibration import as_is
from audio_model.rule import DecisionRule
from benchmarks.priors import apart, callers, corpora, deviations
from tests.answers import steps
from tests.training import made
from training.evaluation.infer import HeardTake

AS_IS = as_is((0.4, 1.0))


def corpus(name: str, label: int, mean: float, n: int, rng: np.random.Generator) -> list[HeardTake]:
    """Return takes of as many sources, whose log odds lie one apart about a mean."""
    return [
        HeardTake.of(
            made.clip(f"{name}{k}", label, corpus=name),
            "raw",
            1.6,
            steps([rng.normal(mean, 1.0)] * 20),
            1.0,
        )
        for k in range(n)
    ]


def test_an_outlier_moves_one_deviation_and_not_the_other() -> None:
    values = np.append(np.random.default_rng(0).normal(0, 0.5, 999), 100.0)
    with_it, without = deviations(values)
    assert with_it > 3
    assert without == pytest.approx(0.5, abs=0.05)


def test_a_corpus_of_few_groups_is_no_line() -> None:
    rng = np.random.default_rng(0)
    takes = [*corpus("few", 0, -1, 7, rng), *corpus("enough", 0, -1, 8, rng)]
    assert list(corpora(takes, 0)) == ["enough"]
    assert corpora(takes, 1) == {}


def test_lines_lie_as_far_apart_as_they_were_made() -> None:
    rng = np.random.default_rng(1)
    # Log odds one apart about -0.5 and 0.5 are calibrated as they are.
    takes = [*corpus("live", 0, -0.5, 400, rng), *corpus("recorded", 1, 0.5, 400, rng)]
    (slope,), (offset,) = (values.tolist() for values in vars(apart(takes, AS_IS)).values())
    assert (slope, offset) == (pytest.approx(0, abs=0.25), pytest.approx(0, abs=0.25))
    # A line whose calls all score 1.5 higher.
    takes = [*corpus("live", 0, 1.0, 400, rng), *corpus("recorded", 1, 2.0, 400, rng)]
    (offset,) = apart(takes, AS_IS).offset.tolist()
    assert offset == pytest.approx(-1.5, abs=0.4)


def test_callers_reach_as_high_as_they_were_made() -> None:
    takes = corpus("live", 0, -1.0, 400, np.random.default_rng(2))
    (of,) = callers(takes, DecisionRule(AS_IS, ()))
    assert (of.corpus, of.n) == ("live", 400)
    assert of.mean == pytest.approx(-1.0, abs=0.2)
    assert of.deviation == pytest.approx(1.0, abs=0.15)
