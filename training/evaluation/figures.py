"""Figures of judged takes, as plain data: by length of audio, and slice by slice.

Classes count alike; within a class corpora count alike, and within a corpus its sources.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audio_model.decision import VerdictKind
from audio_model.fitting import metrics
from training.data.manifest import Clip
from training.evaluation.answers import MAIN_CONDITIONS
from training.evaluation.crossfit import Judgement
from training.evaluation.judge import JudgedTake

Figures = dict[str, Any]
Groups = Mapping[str, Sequence[str]]
"""Name of a group in the report to its corpora."""
CLASSES = ("live", "recorded")
PREFIX_SECONDS = (0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0)
VOICE_SECONDS = (0.5, 1.0, 2.0, 3.0, 4.0)
SLICE_SECONDS = 4.0
"""Audio heard in the figures of slices; a shorter take is heard to its end."""
DECISION_SECONDS = (1.0, 1.5, 2.0, 3.0, 4.0)
MIN_SOURCES = 2
"""Fewest sources of each class; with fewer, error rates would be those of a voice."""


def miss_at(budget: float) -> metrics.Metric:
    """Return the metric of misses at a budget of false alarms."""
    return lambda s, c, w: metrics.rates_at_false_alarm(s, c, w, max_false_alarm=budget).miss


EVERY_METRIC: Mapping[str, metrics.Metric] = {
    "eer": metrics.eer,
    "miss_at_1": miss_at(0.01),
    "miss_at_5": miss_at(0.05),
    "auc": metrics.auc,
    "ece": metrics.ece,
    "brier": metrics.brier,
}
SLICE_METRICS = {name: EVERY_METRIC[name] for name in ("eer", "miss_at_1", "miss_at_5")}


def error_rates(
    takes: Sequence[JudgedTake],
    scores: Sequence[float],
    draws: int,
    measured: Mapping[str, metrics.Metric] = EVERY_METRIC,
) -> Figures | None:
    """Return metrics of the takes' scores, with 95 % intervals over groups.

    It is None for too few sources.
    """
    label = np.array([take.heard.label for take in takes])
    sources = [
        {t.heard.clip.source for t, of in zip(takes, label, strict=True) if of == each}
        for each in (0, 1)
    ]
    if min(map(len, sources)) < MIN_SOURCES:
        return None
    group = [take.heard.clip.group for take in takes]
    weight = weights(takes)
    figures: Figures = {
        "takes": dict(zip(CLASSES, np.bincount(label, minlength=2).tolist(), strict=True)),
        "sources": dict(zip(CLASSES, map(len, sources), strict=True)),
    }
    for name, metric in measured.items():
        low, high = metrics.bootstrap(metric, scores, label, group, weight, n=draws)
        figures[name] = {"value": metric(scores, label, weight), "low": low, "high": high}
    return figures


def after(
    takes: Sequence[JudgedTake],
    seconds: float,
    draws: int,
    measured: Mapping[str, metrics.Metric] = SLICE_METRICS,
) -> Figures | None:
    """Return error rates after so many seconds of audio. A shorter take is heard to its end."""
    return error_rates(takes, [take.score(seconds) for take in takes], draws, measured)


def weights(takes: Sequence[JudgedTake]) -> NDArray[np.float64]:
    """Return weights that make classes count alike, then corpora, then their sources.

    They sum to 2.
    """
    label = np.array([take.heard.label for take in takes])
    clips = [take.heard.clip for take in takes]
    weight = metrics.corpus_weights(
        [f"{clip.label}/{clip.corpus}" for clip in clips], [clip.source for clip in clips]
    )
    for each in np.unique(label):
        weight[label == each] /= weight[label == each].sum()
    return weight


def by_prefix(takes: Sequence[JudgedTake], draws: int, *, whole: bool) -> list[Figures]:
    """Return error rates at each prefix. With ``whole``, takes that end before it are left out.

    A take that ends early is judged by all of it. Recordings and live clips differ in length, so
    such takes are left out where the classes must be matched.
    """
    rows = []
    for seconds in PREFIX_SECONDS:
        lasting = [take for take in takes if not whole or take.lasts(seconds)]
        if row := after(lasting, seconds, draws, EVERY_METRIC):
            rows.append({"seconds": seconds} | row)
    return rows


def by_voice(takes: Sequence[JudgedTake], draws: int) -> list[Figures]:
    """Return error rates after so many seconds of voice, of the takes that have them."""
    rows = []
    for seconds in VOICE_SECONDS:
        scored = [(take, take.score_after_voice(seconds)) for take in takes]
        kept = [(take, score) for take, score in scored if score is not None]
        row = error_rates([t for t, _ in kept], [s for _, s in kept], draws, SLICE_METRICS)
        if row:
            rows.append({"seconds": seconds} | row)
    return rows


def decisions(takes: Sequence[JudgedTake]) -> Figures:
    """Return how often each verdict is given to each class, when, and how it changes."""
    label = np.array([take.heard.label for take in takes])
    every = weights(takes)
    figures: Figures = {}
    for value, name in enumerate(CLASSES):
        if not (label == value).any():
            continue
        mine = [take for take, of in zip(takes, label, strict=True) if of == value]
        weight = every[label == value]

        def share(flags: Sequence[bool], weight: NDArray[np.float64] = weight) -> float:
            return float(np.average(flags, weights=weight))

        first = np.array([t.changes[0].at if t.changes else np.inf for t in mine])
        times = first[np.isfinite(first)]
        quantiles = np.quantile(times, (0.1, 0.5, 0.9)).tolist() if len(times) else None
        enough = np.array([take.has_enough_voice for take in mine])
        unknown = np.array([take.verdict.verdict is VerdictKind.UNKNOWN for take in mine])
        figures[name] = {
            **{
                kind.value: share([take.verdict.verdict is kind for take in mine])
                for kind in VerdictKind
            },
            "said_recorded": share([take.said(VerdictKind.RECORDED) for take in mine]),
            "said_live": share([take.said(VerdictKind.LIVE) for take in mine]),
            "unknown_of_enough_voice": share(unknown[enough].tolist(), weight[enough])
            if enough.any()
            else None,
            "changed_later": share([len(take.changes) > 1 for take in mine]),
            "first_by": {f"{s:g}": share((first <= s).tolist()) for s in DECISION_SECONDS},
            "first_at": quantiles and dict(zip(("p10", "median", "p90"), quantiles, strict=True)),
        }
    return figures


def of_slice(takes: Sequence[JudgedTake], others: Sequence[JudgedTake], draws: int) -> Figures:
    """Return figures of a slice. ``others`` stand in for a class that the slice lacks."""
    present = {take.heard.label for take in takes}
    against = [take for take in others if take.heard.label not in present]
    return {
        "takes": len(takes),
        "clips": len({take.heard.clip.name for take in takes}),
        "groups": len({take.heard.clip.group for take in takes}),
        "decision": decisions(takes),
        "errors": after([*takes, *against], SLICE_SECONDS, draws),
    }


def by_corpus(takes: Sequence[JudgedTake], draws: int) -> list[Figures]:
    """Compare each corpus with the whole other class."""
    rows = []
    for label, corpus in sorted({(t.heard.label, t.heard.clip.corpus) for t in takes}):
        mine = [t for t in takes if (t.heard.label, t.heard.clip.corpus) == (label, corpus)]
        rows.append({"label": label, "slice": corpus} | of_slice(mine, takes, draws))
    return rows


def by_group(takes: Sequence[JudgedTake], groups: Groups, draws: int) -> list[Figures]:
    """Compare each group of corpora, with the whole other class if it has only one class."""
    rows = []
    for name, corpora in groups.items():
        if mine := [take for take in takes if take.heard.clip.corpus in corpora]:
            rows.append({"slice": name} | of_slice(mine, takes, draws))
    return rows


def by_language(takes: Sequence[JudgedTake], draws: int) -> list[Figures]:
    """Compare live callers and recordings of each language (its first subtag)."""
    rows = []
    for language in sorted({spoken(take.heard.clip) for take in takes}):
        mine = [take for take in takes if spoken(take.heard.clip) == language]
        rows.append({"slice": language} | of_slice(mine, [], draws))
    return rows


def spoken(clip: Clip) -> str:
    """Return the language of a clip without region or script: ``zh`` for ``zh-TW``."""
    return clip.language.replace("/", "-").split("-")[0]


def of_judgement(judgement: Judgement, groups: Groups, draws: int) -> Figures:
    """Return all figures of a run, from its judged takes."""
    conditions: Figures = {}
    for condition in MAIN_CONDITIONS:
        takes = judgement.takes[condition]
        conditions[condition] = {
            "takes": _count(takes, lambda clip: clip.name),
            "groups": _count(takes, lambda clip: clip.group),
            "corpora": _count(takes, lambda clip: clip.corpus),
            "all": of_slice(takes, [], draws),
            "by_prefix": by_prefix(takes, draws, whole=condition == "matched"),
            "by_voice": by_voice(takes, draws),
            "by_group": by_group(takes, groups, draws),
            "by_language": by_language(takes, draws),
            "by_corpus": by_corpus(takes, draws),
        }
        conditions[condition]["all"]["errors"] = after(takes, SLICE_SECONDS, draws, EVERY_METRIC)
    tones = judgement.tones
    return {
        "conditions": conditions,
        "slices": {
            condition: of_slice(takes, [], draws)
            for condition, takes in judgement.takes.items()
            if condition not in MAIN_CONDITIONS
        },
        "tones": {
            "takes": len(tones),
            **{kind.value: tones.count(kind) / max(1, len(tones)) for kind in VerdictKind},
        },
    }


def summary(measured: Figures) -> Figures:
    """Return the figures that a model file holds: each condition's, after ``SLICE_SECONDS``."""
    return {name: of["all"] for name, of in measured["conditions"].items()}


def _count(takes: Sequence[JudgedTake], key: Callable[[Clip], str]) -> dict[str, int]:
    return {
        name: len({key(t.heard.clip) for t in takes if t.heard.label == label})
        for label, name in enumerate(CLASSES)
    }
