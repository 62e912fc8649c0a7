"""Compare the verdicts on clips before and after a change."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from audio_model.decision import VerdictKind, sigmoid
from audio_model.rule import DecisionRule
from training.audit.changes import Change
from training.evaluation.figures import CLASSES, Figures
from training.evaluation.infer import HeardTake, Take
from training.evaluation.judge import judge


def choose(takes: Sequence[Take], n_each: int, seed: int = 0) -> list[Take]:
    """Return at most ``n_each`` takes of each class.

    One of each source comes first, then a second, and so on.
    """
    rng = np.random.default_rng(seed)
    in_turn: dict[int | None, list[tuple[int, Take]]] = defaultdict(list)
    taken: dict[str, int] = defaultdict(int)
    for index in rng.permutation(len(takes)):
        clip = takes[index].clip
        in_turn[clip.label].append((taken[clip.source], takes[index]))
        taken[clip.source] += 1
    return [
        take
        for label in (0, 1)
        for _, take in sorted(in_turn[label], key=lambda turn: turn[0])[:n_each]
    ]


def changed(takes: Sequence[Take], change: Change, seed: int = 0) -> list[Take]:
    """Return each take with the change, by a randomness of its own."""
    return [
        replace(take, samples=change(take.samples, np.random.default_rng([seed, number])))
        for number, take in enumerate(takes)
    ]


def effect(before: Sequence[HeardTake], after: Sequence[HeardTake], rule: DecisionRule) -> Figures:
    """Return the effect of a change on takes of both classes, in the same order before and after.

    ``changed`` is the share with another verdict at the end: ``opposed`` from recorded to live or
    back, ``unsure`` into or out of unknown. ``score_change`` is the mean distance of the scores.
    Each class also has its shares of verdicts before and after, and the mean move of the log odds
    towards recorded. Classes count alike, and sources within a class.
    """
    pairs = [(b, a) for b, a in zip(before, after, strict=True) if len(b.steps) and len(a.steps)]
    labels = np.array([b.label for b, _ in pairs])
    weights = np.array([b.weight for b, _ in pairs])
    for label in (0, 1):
        weights[labels == label] /= 2 * weights[labels == label].sum()
    judged = [judge(takes, rule) for takes in zip(*pairs, strict=True)]
    was, now = (np.array([take.verdict.verdict.value for take in takes]) for takes in judged)
    odds = np.array([[take.log_odds[-1] for take in takes] for takes in judged])
    scores = np.vectorize(sigmoid)(odds)
    is_changed = was != now
    unsure = is_changed & ((was == VerdictKind.UNKNOWN) | (now == VerdictKind.UNKNOWN))

    def of_class(label: int) -> Figures:
        mine, weight = labels == label, weights[labels == label]
        return {
            "takes": int(mine.sum()),
            "changed": float(np.average(is_changed[mine], weights=weight)),
            "log_odds_change": float(np.average((odds[1] - odds[0])[mine], weights=weight)),
            "before": _shares(was[mine], weight),
            "after": _shares(now[mine], weight),
        }

    return {
        "takes": len(pairs),
        "changed": float(weights @ is_changed),
        "opposed": float(weights @ (is_changed & ~unsure)),
        "unsure": float(weights @ unsure),
        "score_change": float(weights @ np.abs(scores[1] - scores[0])),
        **{name: of_class(label) for label, name in enumerate(CLASSES)},
    }


def _shares(verdicts: NDArray[np.str_], weights: NDArray[np.float64]) -> dict[str, float]:
    return {
        kind.value: float(np.average(verdicts == kind.value, weights=weights))
        for kind in VerdictKind
    }
