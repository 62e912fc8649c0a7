"""How deep to learn and how far to go, told by calls that were not learnt from.

Whole groups are dealt to folds. For each depth a network learns without a fold, goes several shares
of the way, and hears the fold. Old and new are compared by the log loss of calibrated scores, each
under a calibration that the other folds fitted: an offset or a slope alone is what ``audio-model
tune`` gives, without another network.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from audio_model.fitting.answer import probabilities
from audio_model.fitting.calibration import fit_calibration
from audio_model.fitting.own import WRONG, group_weights
from audio_model.rule import Calibration
from training.adapt.calls import Calls
from training.adapt.depth import Depth
from training.adapt.learn import fine_tune, part_of_the_way
from training.adapt.settings import AdaptConfig
from training.evaluation.infer import HeardTake

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Candidate:
    """A way to adapt. A share of 0 is the old network."""

    depth: Depth
    share: float


OLD = Candidate(Depth.HEAD, 0.0)


@dataclass(frozen=True)
class Trial:
    """A candidate's answers to every call, from networks that have not learnt the call's fold."""

    answers: Sequence[HeardTake]
    loss: Array
    """Log loss of each call under a calibration of the other folds. [shape=(n_calls,)]"""


def folds_of(calls: Calls, n: int, seed: int) -> NDArray[np.int64]:
    """Deal the groups of each class to folds of about as many groups. [shape=(n_calls,)]"""
    rng = np.random.default_rng(seed)
    fold = np.empty(len(calls), np.int64)
    of_class = [np.unique(calls.group[calls.label == label]) for label in (0, 1)]
    both = np.intersect1d(of_class[0], of_class[1])
    # Groups of both classes come first in both, so that they have one fold.
    first = rng.permutation(both).tolist() if len(both) else []
    for label, every in enumerate(of_class):
        groups = [*first, *rng.permutation(np.setdiff1d(every, both)).tolist()]
        number = {group: k % n for k, group in enumerate(groups)}
        for call in np.flatnonzero(calls.label == label).tolist():
            fold[call] = number[str(calls.group[call])]
    return fold


def n_folds(calls: Calls, settings: AdaptConfig) -> int:
    """Return as many folds as are asked for, or as the smaller class has groups."""
    groups = [len(np.unique(calls.group[calls.label == label])) for label in (0, 1)]
    return min(settings.folds, *groups)


def cross_validate(
    calls: Calls, calibration: Calibration, settings: AdaptConfig, rehearsal: Calls | None = None
) -> tuple[dict[Candidate, Trial], NDArray[np.int64]]:
    """Try every depth and share on every fold. Returns the trials, and the fold of each call.

    The old network is among the candidates. ``calibration`` is the one to begin from.
    """
    fold = folds_of(calls, n_folds(calls, settings), settings.seed)
    answers: dict[Candidate, dict[int, HeardTake]] = {OLD: dict(enumerate(calls.old))}
    depths = [Depth(name) for name in settings.depths]
    with tqdm(total=len(depths) * (fold.max() + 1), desc="trying", disable=None) as progress:
        for depth in depths:
            for number in range(fold.max() + 1):
                others = np.flatnonzero(fold != number).tolist()
                mine = np.flatnonzero(fold == number).tolist()
                new = fine_tune(calls, depth, others, settings, rehearsal)
                for share in settings.shares:
                    network = part_of_the_way(calls.network, new, share)
                    heard = calls.heard_by(network, depth, mine)
                    of = answers.setdefault(Candidate(depth, share), {})
                    of |= dict(zip(mine, heard, strict=True))
                progress.update()
    trials = {}
    for candidate, of in answers.items():
        heard = [of[number] for number in range(len(calls))]
        trials[candidate] = Trial(heard, losses(heard, fold, calibration))
    return trials, fold


def losses(
    answers: Sequence[HeardTake], fold: NDArray[np.int64], start: Calibration
) -> NDArray[np.float64]:
    """Return each call's log loss, calibrated by the other folds' calls. [shape=(n_calls,)]

    It is the mean over the steps after enough voice, or 0 without any. A share of wrong marks is
    assumed, so that one of them can't outweigh the rest. Nothing holds a calibration to the old
    one: a network that is merely less sure must not pass for one that knows more.
    """
    weighed = weigh(answers)
    loss = np.zeros(len(answers))
    for number in np.unique(fold):
        others = [each for each, of in zip(weighed, fold, strict=True) if of != number]
        calibration = fit_calibration(others, start, wrong=WRONG)
        for call in np.flatnonzero(fold == number).tolist():
            answer = answers[call]
            log_odds = answer.log_odds(calibration)
            log_odds = log_odds[answer.voice_seconds >= calibration.voice_seconds[0]]
            if len(log_odds):
                right = 1.0 if answer.label else -1.0
                chance = probabilities(right * log_odds)
                loss[call] = -np.mean(np.log(WRONG + (1 - 2 * WRONG) * chance))
    return loss


def weigh(answers: Sequence[HeardTake]) -> list[HeardTake]:
    """Return the answers with the groups of a class counting alike."""
    weights = group_weights([each.label for each in answers], [each.group for each in answers])
    return [replace(each, weight=weight) for each, weight in zip(answers, weights, strict=True)]


def by_group(loss: Array, calls: Calls, which: NDArray[np.bool_]) -> tuple[Array, Array]:
    """Return the mean of each live group, and of each recorded one, over some of the calls."""
    of_class = []
    for label in (0, 1):
        mine = which & (calls.label == label)
        _, index = np.unique(calls.group[mine], return_inverse=True)
        of_class.append(np.bincount(index, loss[mine]) / np.bincount(index))
    return of_class[0], of_class[1]


def best(
    trials: dict[Candidate, Trial], calls: Calls, which: NDArray[np.bool_] | None = None
) -> Candidate:
    """Return the candidate with the least loss on some of the calls, or on all.

    Classes count alike, then groups. Of equals it is the one named first, so the old network.
    """
    which = np.ones(len(calls), bool) if which is None else which

    def mean_loss(candidate: Candidate) -> float:
        live, recorded = by_group(trials[candidate].loss, calls, which)
        return float(live.mean() + recorded.mean())

    return min(trials, key=mean_loss)


def chosen_by_others(
    trials: dict[Candidate, Trial], fold: NDArray[np.int64], calls: Calls
) -> Array:
    """Return each call's loss by the candidate that the other folds choose. [shape=(n_calls,)]

    The least of many losses is too small by chance. It is not on a fold that had no say.
    """
    loss = np.empty(len(calls))
    for number in np.unique(fold):
        mine = fold == number
        loss[mine] = trials[best(trials, calls, ~mine)].loss[mine]
    return loss
