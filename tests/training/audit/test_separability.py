"""A shortcut that was planted is found, and is gone after the matched channel."""

import numpy as np
import pytest

from audio_model.errors import UsageError
from tests import sounds
from tests.training import made
from training.audit.bounds import MAX_AUC_ALONE, MAX_AUC_TOGETHER
from training.audit.separability import N_FOLDS, deal, separability
from training.augment import MatchedChannel
from training.data.scenes import Sound
from training.evaluation.infer import Take, matched, raw


def voices(n: int, quieter_db: float = 0.0, seconds: float = 1.5) -> list[Sound]:
    """The same kind of voice in both classes, in four corpora; recorded is so much quieter."""
    voiced = []
    for k in range(n):
        for label in (0, 1):
            samples = sounds.voice(seconds, 2 * k + label)
            spread = np.random.default_rng([k, label]).uniform(-3, 3)
            samples *= np.float32(10 ** ((spread - label * quieter_db) / 20))
            of = made.clip(
                f"{label}{k}", label, source=f"{label}s{k % 10}", corpus=f"{label}c{k % 2}"
            )
            voiced.append(made.sound(samples, of))
    return voiced


def test_a_planted_level_exceeds_the_bound_until_it_is_matched() -> None:
    planted = voices(60, quieter_db=15)
    found = separability(raw(planted), "corpus")
    assert found["level_db"]["auc"] > 0.9
    assert found["all"]["auc"] > 0.9
    assert found["level_db"]["eer"] < 0.15
    cured = separability(matched(planted, MatchedChannel(), seed=0), "corpus")
    assert cured["level_db"]["auc"] < MAX_AUC_ALONE
    assert cured["all"]["auc"] < MAX_AUC_TOGETHER


@pytest.mark.slow
def test_a_corpus_that_is_known_tells_its_class_but_only_by_group() -> None:
    """Each corpus has a level of its own: no rule for another corpus follows from it."""
    levels = {"0c0": 0.1, "1c0": 0.2, "0c1": 0.4, "1c1": 0.05}
    takes = [
        Take(
            made.clip(f"{n}", label, source=f"{label}s{n % 12}", corpus=corpus),
            sounds.noise(0.3, n, levels[corpus]),
            "raw",
        )
        for n in range(160)
        for label in (n % 2,)
        for corpus in (f"{label}c{n // 2 % 2}",)
    ]
    assert separability(takes, "group")["level_db"]["auc"] > 0.95
    assert separability(takes, "corpus")["level_db"]["auc"] < 0.75


def test_a_language_of_one_class_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    # Each fold fits as many trees, however few takes there are.
    monkeypatch.setattr("training.audit.separability.N_FOLDS", 3)
    takes = [
        Take(
            made.clip(f"{n}", n % 2, source=f"s{n}", language="zh" if n % 4 == 1 else "en"),
            sounds.noise(0.2, n),
            "raw",
        )
        for n in range(120)
    ]
    found = separability(takes, "group")
    assert found["language"]["auc"] == pytest.approx(0.75, abs=0.05)
    assert found["level_db"]["auc"] < 0.65


def test_groups_stay_whole_and_no_fold_lacks_a_class() -> None:
    rng = np.random.default_rng(0)
    groups = [f"g{k}" for k in rng.integers(0, 14, 400)]
    labels = np.array([int(group[1:]) % 3 == 0 for group in groups]).astype(int)
    groups += ["both"] * 10
    labels = np.concatenate([labels, [0, 1] * 5])
    fold = deal(groups, labels)
    assert set(fold) == set(range(N_FOLDS))
    for group in set(groups):
        assert len(set(fold[np.array(groups) == group])) == 1
    for number in range(N_FOLDS):
        assert set(labels[fold == number]) == {0, 1}


def test_two_groups_of_a_class_are_two_folds() -> None:
    fold = deal(["a", "b", "c", "d", "e"], np.array([0, 0, 0, 1, 1]))
    assert set(fold) == {0, 1}
    assert fold[3] != fold[4]


def test_one_group_of_a_class_is_too_few() -> None:
    with pytest.raises(UsageError, match="two groups of each class"):
        deal(["a", "b", "c"], np.array([0, 0, 1]))
