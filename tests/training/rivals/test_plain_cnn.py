"""The plain CNN learns, is as large as ours, and knows no condition but the raw one."""

import numpy as np
import pytest
import torch

from tests import sounds
from tests.training import made
from training.evaluation.infer import Take
from training.rivals import plain_cnn
from training.rivals.plain_cnn import PlainCnn, network


def takes(n: int, condition: str = "raw", *, flipped: bool = False) -> list[Take]:
    return [
        Take(
            made.clip(f"{label}{k}", label),
            sounds.voice(1.0, k, played=bool(label) != flipped),
            condition,
        )
        for k in range(n)
        for label in (0, 1)
    ]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plain_cnn, "BATCH_SIZE", 16)
    monkeypatch.setattr(plain_cnn, "DRAWS", 160)


def test_it_has_79_thousand_parameters() -> None:
    assert sum(p.numel() for p in network().parameters()) == pytest.approx(79_000, abs=1000)


@pytest.mark.slow
def test_it_learns_what_tells_played_from_live() -> None:
    rival = PlainCnn()
    rival.fit(takes(12), 0)
    scores = rival.scores([sounds.voice(1.0, 500 + k, played=bool(k % 2)) for k in range(20)])
    assert scores[1::2].min() > scores[::2].max()


@pytest.mark.slow
def test_it_is_repeatable_and_learns_from_raw_takes_alone() -> None:
    given = takes(6)
    heard = [sounds.voice(5.0, 70), sounds.voice(0.3, 71)]
    scores = []
    for extra in ([], takes(6, "matched", flipped=True)):
        rival = PlainCnn()
        rival.fit([*given, *extra], 3)
        scores.append(rival.scores(heard))
    np.testing.assert_array_equal(scores[0], scores[1])
    np.testing.assert_allclose(rival.scores([heard[0][:24_000]]), scores[0][:1], atol=1e-5)


def test_scoring_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plain_cnn, "DRAWS", 16)
    rival = PlainCnn()
    rival.fit(takes(4), 0)
    before = {name: t.clone() for name, t in rival._network.state_dict().items()}
    rival.scores([sounds.voice(1.0)])
    assert all(torch.equal(before[name], t) for name, t in rival._network.state_dict().items())
