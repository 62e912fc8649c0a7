"""Tune a rule to marked calls: the model file and its report."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from audio_model.errors import printable
from audio_model.fitting.answer import Answer
from audio_model.fitting.own import at_prevalence, tune_rule
from audio_model.line.guard import (
    Condition,
    Figures,
    conditions,
    without_contradicted,
)
from audio_model.line.hear import HeardMarks
from audio_model.line.judge import (
    CHANGE,
    ByChance,
    Figure,
    Judged,
    against_marks,
    cross_judge,
    ece_by_chance,
    error_without_chance,
    figures_of,
    judge_tuned,
    most_contradicted,
)
from audio_model.line.learnt import TUNED, TUNED_TO, InUse, untuned_rule
from audio_model.line.marks import CLASSES, Marks
from audio_model.line.prevalence import Prevalence
from audio_model.model import Model
from audio_model.model_file import with_about
from audio_model.rule import DecisionRule

SHORT_VOICE_SECONDS = 2.0
MANY = 0.5
"""Share of a class's calls from which on one group is more than the rest."""
SUSPICIOUS = 3.0
"""Log odds against a mark from which on it should be listened to again: 20 to 1."""
_SHOWN = 5
"""Sources of both classes that are named."""
FAVOURED = (
    "The rule in use was tuned to some of these calls, or may have been, and can't be judged as if "
    "it had not: many others that it was tuned to are not among them. That favours it."
)


@dataclass(frozen=True)
class Tuning:
    """A rule fitted to a line's own calls, with its proof."""

    before: DecisionRule
    """At even prevalence."""
    rule: DecisionRule
    """At the prevalence that was asked for."""
    budget: float
    groups: tuple[int, int]
    """Groups of live calls, and of recordings."""
    figures: Figures
    """Before, after and their difference, on calls that were held out."""
    ece_by_chance: ByChance
    """The calibration error that so few calls show of a perfect score."""
    error_without_chance: Mapping[str, Figure]
    """The calibration error before and after, as a root mean square without what chance adds."""
    guard: Sequence[Condition]
    limits: Sequence[str]
    """The limits of what the marks show."""
    suspicious: Sequence[int]
    """Marks to be listened to again, by their number."""

    @property
    def holds(self) -> bool:
        """Return whether the rule may replace the one before."""
        return all(each.holds for each in self.guard)


def tune(
    heard: HeardMarks,
    model: Model,
    budget: float,
    prevalence: float | None,
    in_use: InUse | None = None,
) -> Tuning:
    """Fit a rule to calls that were heard and checked, and judge it on calls held out.

    Args:
        heard: the calls.
        model: whose network heard them.
        budget: the share of live callers who may be called recorded, for the figures.
        prevalence: the share of recordings that scores are to stand for; the model's by default.
        in_use: what to measure against; the model before any tuning by default.

    Raises UsageError for a budget that the model has no point for.
    """
    answers, before = heard.answers, untuned_rule(model)
    in_use = in_use or InUse(answers, before, before)
    sides = {
        "before": judge_tuned(in_use.answers, in_use.rule, in_use.before, in_use.tuned_to, budget),
        "after": cross_judge(answers, before, budget),
    }
    figures = figures_of(answers, sides)
    rule = tune_rule(answers, before)
    wanted = model.rule.prevalence if prevalence is None else prevalence
    live, recorded = ({a.group for a in answers if a.label == label} for label in (0, 1))
    groups = len(live), len(recorded)
    uncontradicted = without_contradicted(answers, sides)
    doubtful = figures["log_loss"][CHANGE]["high"] < 0 <= uncontradicted["high"]
    return Tuning(
        before,
        at_prevalence(rule, wanted),
        budget,
        groups,
        figures,
        ece_by_chance(answers, sides["after"]),
        {
            "before": error_without_chance(in_use.answers, sides["before"]),
            "after": error_without_chance(answers, sides["after"]),
        },
        conditions(figures, uncontradicted, budget, groups),
        [*limits(answers, budget), *([FAVOURED] if in_use.favoured else [])],
        suspicious(answers, sides, every_contradicted=doubtful),
    )


def limits(answers: Sequence[Answer], budget: float) -> list[str]:
    """Return what the marks can't show, in sentences."""
    callers = len({each.group for each in answers if each.label == 0})
    said = [
        f"{callers} live callers resolve false-alarm rates down to {1 / callers:.2%}. With none of "
        f"them flagged the rate may still be {3 / callers:.2%} (95 %)."
    ]
    if budget * callers < 1:
        said.append(
            f"The budget of {budget:.2%} is below that: its threshold rests on how scores are "
            f"spread, not on callers counted. {round(1 / budget)} live callers would show it."
        )
    live, recorded = ({a.group for a in answers if a.label == label} for label in (0, 1))
    if both := sorted(live & recorded):
        shown = ", ".join(map(printable, both[:_SHOWN]))
        more = f" and {len(both) - _SHOWN} more" if len(both) > _SHOWN else ""
        said.append(
            f"Of {len(both)} sources there are live calls and recordings ({shown}{more}). Listen "
            "again unless you know that they call with both."
        )
    for label, name in enumerate(CLASSES):
        mine = [each for each in answers if each.label == label]
        groups = [each.group for each in mine]
        largest = max(set(groups), key=groups.count)
        share = groups.count(largest) / len(mine)
        if share > MANY:
            said.append(
                f"{share:.0%} of the calls marked {name} are of one group ({printable(largest)}): "
                "it counts as one."
            )
        short = sum(each.voice_seconds[-1] < SHORT_VOICE_SECONDS for each in mine) / len(mine)
        if short > MANY:
            said.append(
                f"{short:.0%} of the calls marked {name} hold less than {SHORT_VOICE_SECONDS:g} s "
                "of voice: little is known of longer ones."
            )
    return said


def suspicious(
    answers: Sequence[Answer], sides: Mapping[str, Judged], *, every_contradicted: bool
) -> list[int]:
    """Return the calls to listen to again, the worst first.

    A call is among them if a score contradicts its mark by more than 20 to 1. The new score was
    chosen without the call. The score before the tuning counts, too, because wrong marks teach the
    new one to doubt. With ``every_contradicted`` all calls that the guard leaves out are among
    them.
    """
    against = np.max([against_marks(answers, judged) for judged in sides.values()], axis=0)
    listed = against > SUSPICIOUS
    if every_contradicted:
        listed[most_contradicted(answers, sides)] = True
    return [int(n) for n in np.argsort(-against) if listed[n]]


@dataclass(frozen=True)
class Tuned:
    """A tuned model, and what it was tuned to."""

    model: Model
    """The model as it was before."""
    marks: Marks
    heard: HeardMarks
    unlabelled: Prevalence | None
    tuning: Tuning

    @property
    def problems(self) -> list[str]:
        """Return a line for each row that can't be used."""
        return [*self.marks.problems, *self.heard.problems]

    @property
    def counts(self) -> dict[str, int]:
        """Return how many marks there are, and how many were left out and why."""
        labels = [mark.label for mark in self.heard.marks]
        return {
            "live": labels.count(0),
            "recorded": labels.count(1),
            "callers": self.tuning.groups[0],
            "sources_of_recordings": self.tuning.groups[1],
            "repeated": self.marks.repeated + self.heard.repeated,
            "unmarked": self.marks.unmarked,
            "problems": len(self.problems),
        }

    def file(self) -> bytes:
        """Return a model file with the same network and the new rule."""
        tuning, path = self.tuning, self.model.path
        about = self.model.about | {
            "decision": asdict(tuning.rule),
            TUNED: {
                "before": asdict(tuning.before),
                "marks": self.counts,
                TUNED_TO: sorted(self.heard.audio),
                "figures": tuning.figures,
                "guard": [asdict(each) for each in tuning.guard],
            },
        }
        return with_about(path, path.read_bytes(), json.loads(json.dumps(about)))
