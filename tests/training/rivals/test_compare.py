"""The table: figures that are known, fairness between rivals, and every figure in the Markdown."""

import json
from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from audio_model.frontend import Samples
from tests import sounds
from tests.training import made
from training.evaluation.figures import Figures
from training.evaluation.infer import Take
from training.rivals.amd import Amd
from training.rivals.compare import all_rivals, as_markdown, compare
from training.rivals.published import PUBLISHED
from training.rivals.rival import N_SAMPLES, Thresholds, takes_of


def take(label: int, level: float, name: str, condition: str = "raw") -> Take:
    """A source of its own, whose samples all have one level: what :class:`Loud` scores."""
    return Take(made.clip(name, label), np.full(8000, level, np.float32), condition)


class Loud:
    """Scores by level; what it was fitted on is kept."""

    name = "loud"
    thresholds: Thresholds | None = None
    fitted: tuple[list[str], int] | None = None

    def fit(self, takes: Sequence[Take], seed: int) -> None:
        self.fitted = [take.clip.name for take in takes], seed

    def scores(self, clips: Sequence[Samples]) -> NDArray[np.float64]:
        return np.array([samples[0] for samples in clips], float)


HELD_OUT = [
    take(label, level, f"{condition}{label}{k}", condition)
    for condition, levels in (("raw", (0.1, 0.9)), ("matched", (0.5, 0.5)))
    for label, level in enumerate(levels)
    for k in range(20)
]


def test_each_condition_has_its_figures() -> None:
    rival = Loud()
    figures = compare([rival], [take(0, 0.1, "t")], HELD_OUT, {}, seed=7, draws=10)["loud"]
    assert rival.fitted == (["t"], 7)
    assert figures["raw"]["all"]["eer"] == {"value": 0, "low": 0, "high": 0}
    assert figures["matched"]["all"]["eer"]["value"] == 0.5
    assert figures["matched"]["all"]["miss_at_1"]["value"] == 1
    assert figures["raw"]["all"]["takes"] == 40
    assert "decides" not in figures["raw"]


def test_a_rival_with_a_rule_of_its_own_has_an_operating_point() -> None:
    class Decided(Loud):
        thresholds = Thresholds(live_at=0.25, recorded_at=0.75)

    takes = [
        *(take(0, level, f"live{n}") for n, level in enumerate([0.1, 0.1, 0.5, 0.75])),
        *(take(1, level, f"recorded{n}") for n, level in enumerate([0.9, 0.5, 0.5, 0.25])),
    ]
    figures = compare([Decided()], [], takes, {}, seed=0, draws=5)["loud"]["raw"]
    assert figures["decides"] == pytest.approx(
        {"false_alarm": 0.25, "miss": 0.75, "unsure_live": 0.25, "unsure_recorded": 0.5}
    )


def test_sources_count_alike() -> None:
    """One source of nine wrong clips is half of the recorded class."""
    wrong = [
        Take(made.clip(f"w{k}", 1, source="w"), np.full(8000, 0.0, np.float32), "raw")
        for k in range(9)
    ]
    takes = [take(0, 0.5, f"live{k}") for k in range(30)] + [take(1, 0.9, "right"), *wrong]
    figures = compare([Loud()], [], takes, {}, seed=0, draws=5)["loud"]["raw"]
    assert figures["all"]["miss_at_1"]["value"] == pytest.approx(0.5)


def test_takes_are_three_seconds_and_matched_ones_last_so_long() -> None:
    voices = [
        made.sound(sounds.voice(seconds, n), made.clip(f"{n}", label))
        for n, (seconds, label) in enumerate([(5.0, 0), (5.0, 1), (1.0, 1), (5.0, None)])
    ]
    takes = takes_of(voices, 0)
    lengths = {(take.condition, take.clip.name): len(take.samples) for take in takes}
    assert lengths == {
        ("raw", "0"): N_SAMPLES, ("raw", "1"): N_SAMPLES, ("raw", "2"): 8000,
        ("matched", "0"): N_SAMPLES, ("matched", "1"): N_SAMPLES,
    }  # fmt: skip
    again = takes_of(voices[::-1], 0)
    for one in takes:
        (other,) = (
            t for t in again if (t.condition, t.clip.name) == (one.condition, one.clip.name)
        )
        np.testing.assert_array_equal(one.samples, other.samples)


def test_a_group_of_one_class_stands_against_the_other() -> None:
    takes = [
        Take(made.clip(f"l{k}", 0, corpus="calls"), np.full(8000, 0.1, np.float32), "raw")
        for k in range(9)
    ]
    takes += [
        Take(made.clip(f"p{k}", 1, corpus="good"), np.full(8000, 0.9, np.float32), "raw")
        for k in range(9)
    ]
    takes += [
        Take(made.clip(f"q{k}", 1, corpus="bad"), np.full(8000, 0.0, np.float32), "raw")
        for k in range(9)
    ]
    groups = {"prompts": ["good"], "engines": ["bad"], "lines": ["calls"], "absent": ["none"]}
    figures = compare([Loud()], [], takes, groups, seed=0, draws=5)["loud"]["raw"]
    assert {name: of["takes"] for name, of in figures.items()} == {
        "all": 27, "prompts": 18, "engines": 18, "lines": 27,
    }  # fmt: skip
    assert figures["prompts"]["eer"]["value"] == 0
    assert figures["engines"]["eer"]["value"] == 1
    assert figures["all"]["miss_at_1"]["value"] == pytest.approx(0.5)


@pytest.fixture(scope="module")
def compared() -> Figures:
    return compare([Loud(), Amd()], [], HELD_OUT, {}, seed=0, draws=5)


def test_figures_are_plain_data(compared: Figures) -> None:
    assert json.loads(json.dumps(compared, allow_nan=False)) == compared


def test_markdown_tells_them_all(compared: Figures) -> None:
    text = as_markdown(compared)
    assert "| loud | 0.0% (0% to 0%) / 0% |" in text
    assert text.count("| Asterisk AMD rules | raw |") == 1
    assert "Measured elsewhere" in text
    for each in PUBLISHED:
        assert each.source in text
    blocks = [block for block in text.split("\n\n") if block.startswith("|")]
    assert len(blocks) == 2 + 1 + 1
    for block in blocks:
        assert len({line.count("|") for line in block.splitlines()}) == 1


def test_the_rivals_have_names_of_their_own() -> None:
    names = [rival.name for rival in all_rivals()]
    assert len(set(names)) == 4
