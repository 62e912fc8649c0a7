"""Figures of judged takes, as plain data: by length of audio, and slice by slice."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audio_model.decision import VerdictKind
from training import metrics
from training.answers import MAIN_CONDITIONS
from training.judge import JudgedTake
from training.manifest import Clip

Figures = dict[str, Any]
CLASSES = ("live", "recorded")
PREFIX_SECONDS = (0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0)
SLICE_SECONDS = 3.0
"""Audio heard in the figures of slices."""
DECISION_SECONDS = (1.0, 1.5, 2.0, 3.0, 4.0)
MIN_SOURCES = 2
"""Of each class; with fewer, error rates would be those of a voice."""


def miss_at(budget: float) -> metrics.Metric:
    return lambda s, c, w: metrics.miss_at_false_alarm(s, c, w, max_false_alarm=budget)


EVERY_METRIC: Mapping[str, metrics.Metric] = {
    "eer": metrics.eer,
    "miss_at_0.1": miss_at(0.001),
    "miss_at_1": miss_at(0.01),
    "miss_at_5": miss_at(0.05),
    "auc": metrics.auc,
    "ece": metrics.ece,
    "brier": metrics.brier,
}
SLICE_METRICS = {name: EVERY_METRIC[name] for name in ("eer", "miss_at_1", "auc")}


def error_rates(
    takes: Sequence[JudgedTake],
    seconds: float,
    draws: int,
    measured: Mapping[str, metrics.Metric] = EVERY_METRIC,
) -> Figures | None:
    """Metrics of the score after so many seconds, with 95 % intervals over groups.

    Both classes and, within them, all sources count alike. None where a class has too few.
    """
    label = np.array([take.heard.label for take in takes])
    sources = [
        {t.heard.clip.source for t, of in zip(takes, label, strict=True) if of == each}
        for each in (0, 1)
    ]
    if min(map(len, sources)) < MIN_SOURCES:
        return None
    score = [take.score(seconds) for take in takes]
    group = [take.heard.clip.group for take in takes]
    weight = weights(takes)
    figures: Figures = {
        "seconds": seconds,
        "takes": dict(zip(CLASSES, np.bincount(label, minlength=2).tolist(), strict=True)),
        "sources": dict(zip(CLASSES, map(len, sources), strict=True)),
    }
    for name, metric in measured.items():
        low, high = metrics.bootstrap(metric, score, label, group, weight, n=draws)
        figures[name] = {"value": metric(score, label, weight), "low": low, "high": high}
    return figures


def weights(takes: Sequence[JudgedTake]) -> NDArray[np.float64]:
    """Both classes count alike, and so do the sources that are there within each."""
    label = np.array([take.heard.label for take in takes])
    weight = metrics.source_weights([take.heard.clip.source for take in takes])
    for each in np.unique(label):
        weight[label == each] /= weight[label == each].sum()
    return weight


def by_prefix(takes: Sequence[JudgedTake], draws: int, *, whole: bool) -> list[Figures]:
    """Error rates at each prefix; with ``whole`` takes that end before it are left out.

    A take that ends early is judged by all of it, and how long recordings are differs from how
    long live clips are. Where the classes must be matched, that must not count.
    """
    rows = [
        error_rates([t for t in takes if not whole or t.lasts(seconds)], seconds, draws)
        for seconds in PREFIX_SECONDS
    ]
    return [row for row in rows if row is not None]


def decisions(takes: Sequence[JudgedTake]) -> Figures:
    """How often which verdict is given to each class, and when."""
    label = np.array([take.heard.label for take in takes])
    weight = np.array([take.heard.weight for take in takes])
    kind = np.array([take.verdict.verdict for take in takes])
    flagged = np.array([take.flagged for take in takes])
    at = np.array([np.inf if t.verdict.decided_at is None else t.verdict.decided_at for t in takes])
    figures: Figures = {}
    for value, name in enumerate(CLASSES):
        of = label == value
        if not of.any():
            continue
        share = {
            each.value: float(np.average(kind[of] == each, weights=weight[of]))
            for each in VerdictKind
        }
        by = {
            f"{seconds:g}": float(np.average(at[of] <= seconds, weights=weight[of]))
            for seconds in DECISION_SECONDS
        }
        times = at[of & np.isfinite(at)]
        quantiles = np.quantile(times, (0.1, 0.5, 0.9)).tolist() if len(times) else None
        figures[name] = share | {
            "flagged": float(np.average(flagged[of], weights=weight[of])),
            "decided_by": by,
            "decided_at": quantiles and dict(zip(("p10", "median", "p90"), quantiles, strict=True)),
        }
    return figures


def by_corpus(takes: Sequence[JudgedTake], draws: int) -> list[Figures]:
    """Each corpus against the other class of the same part."""
    rows = []
    for label, corpus in sorted({(t.heard.label, t.heard.clip.corpus) for t in takes}):
        mine = [t for t in takes if (t.heard.label, t.heard.clip.corpus) == (label, corpus)]
        others = [t for t in takes if t.heard.label != label]
        rows.append(
            {"label": label, "slice": corpus, "takes": len(mine), **shares(mine)}
            | {"errors": error_rates(mine + others, SLICE_SECONDS, draws, SLICE_METRICS)}
        )
    return rows


def by_language(takes: Sequence[JudgedTake], draws: int) -> list[Figures]:
    """Each language, its live callers against its recordings where it has both."""
    rows = []
    for language in sorted({t.heard.clip.language for t in takes}):
        mine = [t for t in takes if t.heard.clip.language == language]
        errors = error_rates(mine, SLICE_SECONDS, draws, SLICE_METRICS)
        for label in sorted({t.heard.label for t in mine}):
            of_class = [t for t in mine if t.heard.label == label]
            rows.append(
                {"label": label, "slice": language, "takes": len(of_class), **shares(of_class)}
                | {"errors": errors}
            )
    return rows


def shares(takes: Sequence[JudgedTake]) -> dict[str, float]:
    """Share of each verdict; takes count alike."""
    kinds = [take.verdict.verdict for take in takes]
    return {kind.value: kinds.count(kind) / len(kinds) for kind in VerdictKind}


def of_part(
    judged: Mapping[str, Sequence[JudgedTake]], tones: Sequence[VerdictKind], draws: int
) -> Figures:
    """All figures of a part, from its judged takes by condition."""
    figures: Figures = {
        condition: {
            "takes": _count(judged[condition], lambda clip: clip.name),
            "groups": _count(judged[condition], lambda clip: clip.group),
            "by_prefix": by_prefix(judged[condition], draws, whole=condition == "matched"),
            "decision": decisions(judged[condition]),
            "by_corpus": by_corpus(judged[condition], draws),
            "by_language": by_language(judged[condition], draws),
        }
        for condition in MAIN_CONDITIONS
    }
    figures["slices"] = {
        condition: {
            "errors": error_rates(takes, SLICE_SECONDS, draws, SLICE_METRICS),
            "decision": decisions(takes),
        }
        for condition, takes in judged.items()
        if condition not in MAIN_CONDITIONS
    }
    figures["tones"] = {
        "takes": len(tones),
        **{kind.value: tones.count(kind) / max(1, len(tones)) for kind in VerdictKind},
    }
    return figures


def summary(measured: Mapping[str, Figures]) -> Figures:
    """What a model file tells of its figures: each part's, after ``SLICE_SECONDS``."""
    return {
        part: {
            condition: {
                "errors": next(
                    (r for r in of[condition]["by_prefix"] if r["seconds"] == SLICE_SECONDS), None
                ),
                "decision": of[condition]["decision"],
            }
            for condition in MAIN_CONDITIONS
        }
        for part, of in measured.items()
    }


def _count(takes: Sequence[JudgedTake], key: Callable[[Clip], str]) -> dict[str, int]:
    return {
        name: len({key(t.heard.clip) for t in takes if t.heard.label == label})
        for label, name in enumerate(CLASSES)
    }
