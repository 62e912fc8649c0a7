"""Can the label be told from nuisances alone?

Trees learn the label from each nuisance and from all together, on some groups (or whole corpora)
and are asked on others. Trees that know a corpus tell its class; only by whole corpora do the
figures say what carries over to a corpus that nobody has met. In the matched condition, where both
classes pass one chain, what is left must be near chance.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier

from audio_model.errors import UsageError
from audio_model.fitting import metrics
from audio_model.fitting.metrics import source_weights
from training.data import nuisance
from training.data.manifest import Clip
from training.evaluation.figures import Figures
from training.evaluation.infer import Take
from training.rivals.rival import balanced_weights
from training.rivals.trees import shallow_trees

N_FOLDS = 5
KEYS: dict[str, Callable[[Clip], str]] = {
    "group": lambda clip: clip.group,
    "corpus": lambda clip: clip.corpus,
}
"""Keys that never lie on both sides of the cross-validation."""


def separability(takes: Sequence[Take], by: str, seed: int = 0) -> Figures:
    """Return AUC and EER of trees on each nuisance, on ``all`` of them and on the ``language``.

    ``by`` is one of ``KEYS``. The codec has no column of its own: ``values`` and ``edge_hz`` are
    its traces. Raises UsageError for fewer than two groups of a class.
    """
    takes = [take for take in takes if take.clip.label is not None]
    labels = np.array([take.clip.label for take in takes])
    fold = deal([KEYS[by](take.clip) for take in takes], labels)
    table = nuisance.table([take.samples for take in takes])
    _, language = np.unique([take.clip.language for take in takes], return_inverse=True)
    trees = shallow_trees(seed)
    by_language = shallow_trees(seed).set_params(categorical_features=[0])

    def figures(model: HistGradientBoostingClassifier, columns: NDArray[np.float64]) -> Figures:
        scores = _held_out_scores(model, columns, labels, balanced_weights(takes), fold)
        weights = source_weights([take.clip.source for take in takes])
        measured = {metric.__name__: metric for metric in (metrics.auc, metrics.eer)}
        return {name: metric(scores, labels, weights) for name, metric in measured.items()}

    each = {name: figures(trees, table[:, [n]]) for n, name in enumerate(nuisance.NAMES)}
    return each | {
        "language": figures(by_language, language[:, None].astype(float)),
        "all": figures(trees, table),
    }


def _held_out_scores(
    model: HistGradientBoostingClassifier,
    columns: NDArray[np.float64],
    labels: NDArray[np.int64],
    weights: NDArray[np.float64],
    fold: NDArray[np.int64],
) -> NDArray[np.float64]:
    scores = np.empty(len(labels))
    for number in range(fold.max() + 1):
        held_out = fold == number
        model.fit(columns[~held_out], labels[~held_out], sample_weight=weights[~held_out])
        scores[held_out] = model.predict_proba(columns[held_out])[:, 1]
    return scores


def deal(groups: Sequence[str], labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the fold of each clip. [shape=(n_clips,)]

    Whole groups are dealt, the largest first, to the fold that needs them most. Each fold has both
    classes, and so do the other folds together.
    """
    names, group = np.unique(np.asarray(groups), return_inverse=True)
    clips = np.stack([np.bincount(group[labels == each], minlength=len(names)) for each in (0, 1)])
    n_folds = min(N_FOLDS, *(clips > 0).sum(axis=1).tolist())
    if n_folds < 2:
        raise UsageError("at least two groups of each class are needed to hold some out")
    held = np.zeros((2, n_folds))
    fold = np.empty(len(names), np.int64)
    # Groups of both classes come first: the others fill what they leave.
    for index in np.lexsort((-clips.sum(axis=0), -(clips > 0).sum(axis=0))):
        label = int(np.argmax(clips[:, index]))
        fold[index] = np.argmin(held[label])
        held[:, fold[index]] += clips[:, index]
    return fold[group]
