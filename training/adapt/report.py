"""What an adaptation came to, as plain data and for people."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from audio_model.errors import printable
from audio_model.fitting import metrics
from training.adapt.calls import NAMES, Calls, Marks
from training.adapt.choose import OLD, Candidate, Trial, by_group, weigh
from training.adapt.run import Adapted
from training.evaluation.figures import EVERY_METRIC, Figures
from training.evaluation.infer import HeardTake
from training.evaluation.report import interval, percent
from training.markdown import table

SECONDS = (1.0, 2.0, 4.0)
MEASURED = {name: EVERY_METRIC[name] for name in ("eer", "miss_at_1", "miss_at_5")}
DRAWS = 200


def figures(came: Adapted, calls: Calls, marks: Marks, rehearsal: Calls | None = None) -> Figures:
    """Return all figures of the report, as plain data."""
    of_chosen = came.trials[came.chosen]
    return {
        "adapted": came.is_new,
        "objections": list(came.objections),
        "calls": {
            name: {
                "calls": int((calls.label == label).sum()),
                "groups": len(np.unique(calls.group[calls.label == label])),
            }
            for label, name in enumerate(NAMES)
        },
        "left_out": marks.left_out,
        "rehearsed": 0 if rehearsal is None else len(rehearsal),
        "chosen": {"depth": came.chosen.depth.value, "share": came.chosen.share},
        "gain": {"mean": came.gain.mean, "low": came.gain.low},
        "held_out": {
            "before": error_rates(came.trials[OLD].answers),
            "after": error_rates(of_chosen.answers),
        },
        "unmet": came.general and dict(zip(("before", "after"), came.general, strict=True)),
        "tried": [tried(candidate, trial, calls) for candidate, trial in came.trials.items()],
    }


def error_rates(heard: Sequence[HeardTake]) -> list[Figures]:
    """Return error rates of the logit by seconds heard, with 95 % intervals over groups."""
    answers = weigh(heard)
    label = [each.label for each in answers]
    group = [each.group for each in answers]
    weight = [each.weight for each in answers]
    rows = []
    for seconds in SECONDS:
        logit = [each.steps.logit[each.last_step(seconds)] for each in answers]
        row: Figures = {"seconds": seconds}
        for name, metric in MEASURED.items():
            low, high = metrics.bootstrap(metric, logit, label, group, weight, n=DRAWS)
            row[name] = {"value": metric(logit, label, weight), "low": low, "high": high}
        rows.append(row)
    return rows


def tried(candidate: Candidate, trial: Trial, calls: Calls) -> Figures:
    """Return the log loss of one way of adapting."""
    live, recorded = by_group(trial.loss, calls, np.ones(len(calls), bool))
    loss = float(live.mean() + recorded.mean()) / 2
    return {"depth": candidate.depth.value, "share": candidate.share, "loss": loss}


def as_markdown(measured: Mapping[str, Any]) -> str:
    """Return the report as Markdown."""
    lines = [
        "# Adapted: a new model" if measured["adapted"] else "# Not adapted: the old model stays"
    ]
    lines += ["", *(f"- {reason}" for reason in measured["objections"])]
    counts = "; ".join(
        f"{of['calls']} {name} calls of {of['groups']} groups"
        for name, of in measured["calls"].items()
    )
    chosen, gain = measured["chosen"], measured["gain"]
    lines += [
        f"- Marked: {counts}.",
        f"- Best: depth `{chosen['depth']}`, {chosen['share']:.0%} of the way to what was learnt.",
        f"- The log loss of calls not learnt from changes by {-gain['mean']:+.3f} "
        f"(by {-gain['low']:+.3f} or less with 97.5 % confidence).",
        f"- {of_unmet(measured['unmet'])}",
        f"- {of_rehearsal(measured['rehearsed'])}",
        "",
        "## Your calls, each heard by a network that has not learnt from its group",
        "",
        *table(HEAD, rows_of(measured["held_out"])),
        "",
        "95 % intervals over groups. Before: the old network. Both from the plain logit, so no",
        "calibration plays a part. Groups of a class count alike.",
        "",
        "## What was tried",
        "",
        *table(
            ("depth", "share of the way", "log loss"),
            [(of["depth"], f"{of['share']:.0%}", f"{of['loss']:.3f}") for of in measured["tried"]],
        ),
    ]
    if measured["left_out"]:
        lines += ["", "## Left out", ""]
        rows = sorted(measured["left_out"].items())
        lines += table(("call", "why"), [tuple(map(printable, row)) for row in rows])
    return "\n".join([*lines, ""])


HEAD = (
    *("seconds", "EER before", "EER after", "miss at 1 % before", "after"),
    *("miss at 5 % before", "after"),
)


def rows_of(held_out: Mapping[str, Any]) -> list[Sequence[str]]:
    """Return the rows of before and after."""
    pairs = zip(held_out["before"], held_out["after"], strict=True)
    return [
        (
            f"{old['seconds']:g}",
            *(interval(of, name) for name in MEASURED for of in (old, new)),
        )
        for old, new in pairs
    ]


def of_rehearsal(n: int) -> str:
    """Return a sentence on what was rehearsed."""
    if n:
        return f"Rehearsed: the old answers to {n:,} other clips."
    return "Nothing was rehearsed: with `[rehearsal]` less of the general skill is lost."


def of_unmet(rates: Mapping[str, float] | None) -> str:
    """Return a sentence on the general skill."""
    if rates is None:
        return "General skill was not measured: `[unmet]` is empty, or nothing has changed."
    before, after = percent(rates["before"]), percent(rates["after"])
    return f"EER of the unmet clips, mean of as recorded and matched: {before}, then {after}."
