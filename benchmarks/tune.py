"""Measure what a number of marks gives on lines that no network has met.

Run it with ``python -m benchmarks.tune``. Lines are made of corpora of the config's ``unmet``
manifest, in the matched channel. Each line begins with a rule that is fitted to the other corpora,
as the shipped rule is fitted to all. So the line is as new to the rule as to the network. Marks are
drawn by whole groups, and calls of the other groups judge. The JSON has every draw, the table their
means. The guard is tested in the first draws.

The run's answers are read where ``training.evaluate`` left them, so no network listens.
"""

import json
import math
import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.random import Generator

from audio_model.decision import sigmoid
from audio_model.errors import UsageError
from audio_model.files import write_whole
from audio_model.fitting import metrics
from audio_model.fitting.answer import probabilities
from audio_model.fitting.calibration import fit_calibration
from audio_model.fitting.own import LAST, beliefs, group_weights, tune_rule
from audio_model.fitting.student import rate_interval
from audio_model.line.guard import conditions, without_contradicted
from audio_model.line.judge import (
    Judged,
    balanced,
    cross_judge,
    ece_by_chance,
    figures_of,
    judge,
    log_loss,
)
from audio_model.line.marks import MIN_GROUPS
from audio_model.rule import DecisionRule, OperatingPoint
from benchmarks.command import parser_of
from training import checkpoint, config, markdown
from training.checkpoint import CHECKPOINT
from training.config import Config
from training.data import manifest
from training.evaluation.answers import FILE_NAME, MAIN_CONDITIONS, Answers, identity_in, load
from training.evaluation.infer import HeardTake
from training.evaluation.rule import fit_rule

TELEPHONE = ("getgoing", "hyke", "csvd_whatsapp_calls")
LINES = {
    "prompts": (
        *TELEPHONE,
        *("app_greetings", "kazoo", "libritts_mobilespeech_gt", "pbx_autodial_prompts"),
        *("pbx_prompts_other", "vo_reels"),
    ),
    "engines": (
        *TELEPHONE,
        *("polly", "tts_cartesia_eleven", "tts_clam_ditto", "tts_dectalk", "tts_openai"),
        *("tts_styletts2_family", "tts_xtts"),
    ),
    "mandarin": (
        *("common_voice_zh_tw_hk", "easyturn_zh_real", "aliyun_mic_questions"),
        *("hk_council_cantonese", "tts_mandarin_fastspeech", "tts_sherpa_onnx", "tts_zipvoice"),
    ),
}
"""Corpora of each line: two of telephones with prompts or synthesis, one in another language."""
MARKS = {
    "10": (5, 5),
    "30": (15, 15),
    "100": (50, 50),
    "200": (100, 100),
    "up to 125 + 12": (125, 12),
}
"""Live calls and recordings that are drawn, by what a row is called."""
BUDGET = 0.01
DRAWS = 20
GUARDED = 5
"""Draws in which the guard is asked: it judges each tenth by the other nine."""
MOST_DRAWN = 2 / 3
"""Share of a class's groups that may be marked, so that some are left to judge."""
SQUARED = "squared_calibration_error"
FIGURES = ("log_loss", "ece", SQUARED, "flagged", "caught")


@dataclass(frozen=True)
class Draw:
    """One draw of marks: figures of the calls left over, before and after tuning."""

    before: dict[str, float]
    after: dict[str, float]
    by_chance: float
    """Calibration error that a perfect score of the calls left over shows."""
    of_line: dict[str, float]
    """Figures of scores whose calibration was fitted to all calls of the line."""
    fitted: dict[str, float]
    """Figures of scores whose calibration was fitted to the very calls left over."""
    guard: bool | None
    """None where it was not asked."""
    marks: int
    callers: int
    """Live groups left over, by which the share flagged is known."""


def with_budget(rule: DecisionRule, budget: float) -> DecisionRule:
    """Return a rule that has a point for a budget, by what it believes of scores beyond its own.

    The corpora that are left are too few callers for the budget of the shipped rule.
    """
    if any(point.max_false_alarm == budget for point in rule.operating_points):
        return rule
    live, recorded, _ = beliefs(rule)
    at = live.exceeded_by(budget)
    first = rule.operating_points[0]
    point = OperatingPoint(
        budget, sigmoid(at), first.live_at, budget, 1 - recorded.share_above(at), first.passed
    )
    return replace(rule, operating_points=(point, *rule.operating_points))


def draw_marks(
    takes: Sequence[HeardTake], sizes: tuple[int, int], rng: Generator
) -> tuple[list[HeardTake], list[HeardTake]]:
    """Draw marks of each class by whole groups; the marks, and calls of other groups."""
    marks: list[HeardTake] = []
    for label, size in enumerate(sizes):
        groups: dict[str, list[HeardTake]] = defaultdict(list)
        for take in takes:
            if take.label == label:
                groups[take.group].append(take)
        order = list(groups)
        rng.shuffle(order)
        drawn: list[HeardTake] = []
        for number, group in enumerate(order):
            if len(drawn) >= size or number >= len(order) * MOST_DRAWN:
                break
            drawn += groups[group][: size - len(drawn)]
        marks += drawn
    used = {take.group for take in marks}
    return marks, [take for take in takes if take.group not in used]


def with_wrong(marks: Sequence[HeardTake], share: float, rng: Generator) -> list[HeardTake]:
    """Return the marks with a share of them wrong; a wrong mark is a group of its own."""
    wrong = set(rng.choice(len(marks), round(share * len(marks)), replace=False).tolist())
    return [
        replace(take, label=1 - take.label, group=f"{take.group} (wrong)") if n in wrong else take
        for n, take in enumerate(marks)
    ]


def weighted(takes: Sequence[HeardTake]) -> list[HeardTake]:
    """Return takes whose groups count alike."""
    weights = group_weights([take.label for take in takes], [take.group for take in takes])
    return [replace(take, weight=weight) for take, weight in zip(takes, weights, strict=True)]


def measured(takes: Sequence[HeardTake], judged: Judged) -> dict[str, float]:
    """Return figures of held-out calls."""
    label, weight = np.array([take.label for take in takes]), balanced(takes)
    group = [take.group for take in takes]
    probability = probabilities(judged.log_odds)
    return {
        "log_loss": log_loss(judged.log_odds, label, weight),
        "ece": metrics.ece(probability, label, weight),
        SQUARED: metrics.squared_calibration_error(probability, label, group, weight),
        "flagged": float(np.average(judged.recorded[label == 0], weights=weight[label == 0])),
        "caught": float(np.average(judged.recorded[label == 1], weights=weight[label == 1])),
    }


def tried(
    takes: Sequence[HeardTake],
    before: DecisionRule,
    sizes: tuple[int, int],
    wrong: float,
    seed: int,
) -> Draw | None:
    """Tune to one draw of marks and judge the rest; None if too few calls are left."""
    rng = np.random.default_rng([seed, sum(sizes)])
    marks, rest = draw_marks(takes, sizes, rng)
    if min(sum(take.label == label for take in rest) for label in (0, 1)) < 20:
        return None
    marks = weighted(with_wrong(marks, wrong, rng) if wrong else marks)
    rest = weighted(rest)
    rule = tune_rule(marks, before)
    after = judge(rest, rule, BUDGET)
    old, new = measured(rest, judge(rest, before, BUDGET)), measured(rest, after)
    by_chance = ece_by_chance(rest, after, draws=20).mean
    of_line, fitted = (
        measured(rest, judge(rest, _fitted_to(calls, rule, before), BUDGET))
        for calls in (weighted(takes), rest)
    )
    guard = guarded(marks, before) if seed < GUARDED else None
    callers = len({take.group for take in rest if take.label == 0})
    return Draw(old, new, by_chance, of_line, fitted, guard, len(marks), callers)


def _fitted_to(
    calls: Sequence[HeardTake], rule: DecisionRule, before: DecisionRule
) -> DecisionRule:
    """Return a rule whose calibration is fitted to some calls alone."""
    return replace(rule, calibration=fit_calibration(calls, before.calibration, last=LAST))


def guarded(marks: Sequence[HeardTake], before: DecisionRule) -> bool:
    """Return whether the guard would put the tuned rule in use; what is refused, it would not."""
    groups = [{mark.group for mark in marks if mark.label == label} for label in (0, 1)]
    if min(map(len, groups)) < MIN_GROUPS:
        return False
    sides = {
        "before": judge(marks, before, BUDGET),
        "after": cross_judge(marks, before, BUDGET),
    }
    live, recorded = groups
    change = without_contradicted(marks, sides, 200)
    told = conditions(figures_of(marks, sides, 200), change, BUDGET, (len(live), len(recorded)))
    return all(each.holds for each in told)


def table(results: dict[str, list[Draw]]) -> str:
    """Return the means over draws as a table in Markdown."""
    head = [
        "line, marks", "log loss", "ECE", "a perfect score's",
        "RMS without chance", "fitted to all calls of the line, to the judges, RMS",
        "live flagged (95 % of one draw)",
        "recordings caught", "draws with a worse log loss", "guard lets through",
    ]  # fmt: skip
    rows = []
    for name, draws in results.items():
        if not draws:
            rows.append([name, "too few calls are left to judge", *[""] * (len(head) - 2)])
            continue
        mean = {
            key: [float(np.mean([getattr(d, side)[key] for d in draws])) for side in SIDES]
            for key in FIGURES
        }
        callers = round(float(np.mean([d.callers for d in draws])))
        low, high = rate_interval(mean["flagged"][1] * callers, callers)
        worse = sum(d.after["log_loss"] > d.before["log_loss"] for d in draws)
        asked = [draw.guard for draw in draws if draw.guard is not None]
        change = np.array([d.after["log_loss"] - d.before["log_loss"] for d in draws])
        rows.append([
            name,
            f"{mean['log_loss'][0]:.3f} → {mean['log_loss'][1]:.3f} "
            f"({change.mean():+.3f} ± {1.96 * change.std(ddof=1) / len(draws) ** 0.5:.3f})",
            _arrow(mean["ece"]), f"{100 * np.mean([d.by_chance for d in draws]):.1f} %",
            _arrow([_root(of) for of in mean[SQUARED]]),
            ", ".join(
                f"{100 * _root(float(np.mean([of[SQUARED] for of in oracle]))):.1f} %"
                for oracle in ([d.of_line for d in draws], [d.fitted for d in draws])
            ),
            f"{_arrow(mean['flagged'])} ({100 * low:.1f} to {100 * high:.1f} %)",
            _arrow(mean["caught"]), f"{worse} of {len(draws)}",
            f"{sum(asked)} of {len(asked)}",
        ])  # fmt: skip
    return "\n".join(markdown.table(head, rows))


SIDES = ("before", "after")


def _root(squared: float) -> float:
    """Return the root of an estimate that may lie below 0."""
    return math.sqrt(max(0.0, squared))


def _arrow(pair: Sequence[float]) -> str:
    return f"{100 * pair[0]:.1f} → {100 * pair[1]:.1f} %"


def read_answers(path: Path, run: Path) -> tuple[Config, Answers]:
    """Return a run's config, and its network's answers to the clips of ``unmet``.

    Raises AudioModelError if the config has no such clips or the run no such answers.
    """
    settings = config.load(path)
    if settings.unmet.manifest is None:
        raise UsageError(f"{path}: lines are made of [unmet], and it has none")
    trained = checkpoint.load(run / CHECKPOINT)
    file = run / FILE_NAME
    if trained.weights_hash not in (identity_in(file) or ""):
        raise UsageError(f"{file}: no answers of these weights; training.evaluate gives them")
    return settings, load(file, manifest.load(settings.unmet.manifest).clips)


def main(arguments: list[str] | None = None) -> int:
    """Measure and print; returns the exit status."""
    parser = parser_of("tune", __doc__)
    parser.add_argument("--config", type=Path, required=True, help="config of the run")
    parser.add_argument(
        "--run", type=Path, required=True, help="run folder, with checkpoint and answers"
    )
    parser.add_argument("--draws", type=int, default=DRAWS)
    parser.add_argument("--output", type=Path, help="JSON file for every draw")
    args = parser.parse_args(arguments)
    settings, answers = read_answers(args.config, args.run)
    main_takes = [take for take in answers.of(*MAIN_CONDITIONS) if len(take.steps)]
    matched = [take for take in answers.calls("matched") if len(take.steps)]
    results: dict[str, list[Draw]] = {}
    for line, corpora in LINES.items():
        others = [take for take in main_takes if take.clip.corpus not in corpora]
        before = with_budget(fit_rule(others, settings.calibration), BUDGET)
        takes = [take for take in matched if take.clip.corpus in corpora]
        for wrong in (0.0, 0.1):
            for marked, sizes in MARKS.items():
                name = f"{line}, {marked}" + (f", {wrong:.0%} of them wrong" if wrong else "")
                draws = [tried(takes, before, sizes, wrong, seed) for seed in range(args.draws)]
                results[name] = [draw for draw in draws if draw is not None]
                print(name, file=sys.stderr)
    print(table(results))
    if args.output is not None:
        every = {name: [vars(draw) for draw in draws] for name, draws in results.items()}
        write_whole(args.output, json.dumps(every, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
