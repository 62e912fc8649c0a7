"""Judge every clip by a rule that other clips chose: one corpus is left out at a time.

A threshold that a corpus chose says nothing of the next corpus. So the rule for each corpus is
fitted to the answers to all the others, of either class. Where a class has but one corpus, groups
of voices are left out instead. The rule of the model that ships is fitted to all.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

from audio_model.decision import VerdictKind, decide
from audio_model.errors import UsageError
from audio_model.rule import DecisionRule
from audio_model.steps import STEP_SECONDS
from training.config import CalibrationConfig
from training.data.manifest import Clip
from training.evaluation.answers import MAIN_CONDITIONS, Answers
from training.evaluation.judge import JudgedTake, judge
from training.evaluation.rule import fit_rule

N_PARTS = 5
"""Parts that groups are dealt to, where corpora can't be left out."""


@dataclass(frozen=True)
class Judgement:
    """Takes under rules that their own corpora did not choose, and the rule that all chose."""

    takes: dict[str, list[JudgedTake]]
    """By condition."""
    tones: list[VerdictKind]
    """Verdicts on call-progress tones, by the final rule."""
    rules: dict[str, DecisionRule]
    """The rule for each part that was left out, by the part's name."""
    final: DecisionRule
    """Fitted to every take."""


def cross_fit(answers: Answers, settings: CalibrationConfig) -> Judgement:
    """Fit a rule for each part that is left out, and judge the part by it.

    Raises UsageError if a class has too few groups to leave one out.
    """
    part_of = parts_of([take.clip for take in answers.heard])
    main = answers.of(*MAIN_CONDITIONS)
    rules: dict[str, DecisionRule] = {}
    judged: dict[str, list[JudgedTake]] = defaultdict(list)
    for part in sorted(set(part_of.values())):
        others = [take for take in main if part_of[take.clip.name] != part]
        rules[part] = fit_rule(others, settings)
        mine = [take for take in answers.heard if part_of[take.clip.name] == part]
        for take in judge(mine, rules[part]):
            judged[take.heard.condition].append(take)
    final = fit_rule(main, settings)
    point = final.reported_point
    tones = [
        decide(steps, final, point, len(steps) * STEP_SECONDS).verdict for steps in answers.tones
    ]
    return Judgement(dict(judged), tones, rules, final)


def parts_of(clips: Sequence[Clip]) -> dict[str, str]:
    """Return the part that each clip is left out with, by the clip's name.

    The part is the corpus if each class has at least two, or else one of ``N_PARTS`` that whole
    groups are dealt to. Raises UsageError if a class has fewer than two groups.
    """
    corpora = {label: {c.corpus for c in clips if c.label == label} for label in (0, 1)}
    if min(map(len, corpora.values())) > 1:
        return {clip.name: clip.corpus for clip in clips}
    part_of: dict[str, str] = {}
    for label in (0, 1):
        groups = sorted({c.group for c in clips if c.label == label}, key=_hash)
        if len(groups) < 2:
            raise UsageError(
                "to judge a model, at least two groups of each class are needed; "
                f"{'recorded' if label else 'live'} has {len(groups)}"
            )
        number = {group: str(n % N_PARTS) for n, group in enumerate(groups)}
        part_of |= {c.name: number[c.group] for c in clips if c.label == label}
    return part_of


def _hash(group: str) -> bytes:
    return blake2b(group.encode(errors="surrogateescape"), digest_size=8).digest()
