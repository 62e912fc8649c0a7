"""The report on a tuning: a table of before and after, and its limits."""

from collections.abc import Callable, Mapping, Sequence

from audio_model.line.judge import CHANGE, Figure
from audio_model.line.marks import CLASSES
from audio_model.line.prevalence import Prevalence
from audio_model.line.tune import Tuned, Tuning
from audio_model.tables.screen import aligned

NAMES = {
    "log_loss": "log loss",
    "ece": "calibration error",
    "eer": "equal error rate",
    "live_flagged": "live callers flagged",
    "recordings_caught": "recordings caught",
    "live_told": "live callers told",
    "recordings_passed": "recordings told live",
}
_SHOWN_SUSPICIOUS = 10


def as_text(made: Tuned) -> str:
    """Return the report for a terminal."""
    tuning, marks = made.tuning, made.heard.marks
    parts = [_counts(made.counts), figures_text(tuning)]
    parts.append(
        "Before is the rule that was there, after the new one. Neither is judged on calls that it "
        "was tuned to: groups are held out in turn."
    )
    parts.append(calibration_text(tuning))
    parts.append(score_text(tuning, made.unlabelled))
    parts.append("\n".join(["What these marks can't tell:", *_listed(tuning.limits)]))
    if tuning.suspicious:
        named = [f"marked {CLASSES[marks[n].label]}: {marks[n].name}" for n in tuning.suspicious]
        parts.append(
            "\n".join(["Listen to these again: scores contradict their marks.", *_listed(
                _first(named, _SHOWN_SUSPICIOUS))])
        )  # fmt: skip
    said = "holds" if tuning.holds else "does not hold"
    parts.append("\n".join([f"The guard {said}:", *(
        f"  {'yes' if each.holds else 'NO '}  {each.text}" for each in tuning.guard)]))  # fmt: skip
    return "\n\n".join(parts)


def figures_text(tuning: Tuning) -> str:
    """Return the table of before and after."""
    head = [f"at a budget of {tuning.budget:.2%}", "before", "after", "change"]
    rows = []
    for name, shown in NAMES.items():
        of = tuning.figures[name]
        show = _number if name == "log_loss" else _percent
        rows.append([
            shown, _interval(of["before"], show), _interval(of["after"], show),
            _interval(of[CHANGE], show, "+"),
        ])  # fmt: skip
    return aligned([head, *rows])


def calibration_text(tuning: Tuning) -> str:
    """Return how much of the calibration error is chance."""
    chance, real = tuning.ece_by_chance, tuning.error_without_chance
    before, after = (_interval(real[side], _percent) for side in ("before", "after"))
    return (
        "Some of the calibration error is chance. Of a perfect score calls as few as these show\n"
        f"{_percent(chance.mean, '')}, and up to {_percent(chance.high, '')} in 95 of 100 cases. "
        "Without chance, as a root mean square, the error is\n"
        f"{before} before and {after} after."
    )


def score_text(tuning: Tuning, unlabelled: Prevalence | None) -> str:
    """Return what a score means, and where the share of recordings comes from."""
    text = (
        f"A score is the probability of a recording where {tuning.rule.prevalence:.1%} of the "
        "calls play one"
    )
    if unlabelled is None:
        return text + "; --prevalence or --unlabelled set it to your line's share."
    return (
        f"{text}: the share in {unlabelled.calls:,} calls that nobody marked "
        f"({unlabelled.low:.1%} to {unlabelled.high:.1%}, as far as these marks tell what a score "
        "means)."
    )


def as_values(made: Tuned) -> dict[str, object]:
    """Return the report for JSON."""
    tuning, marks, unlabelled = made.tuning, made.heard.marks, made.unlabelled
    return {
        "marks": made.counts,
        "budget": tuning.budget,
        "figures": tuning.figures,
        "ece_by_chance": {"mean": tuning.ece_by_chance.mean, "high": tuning.ece_by_chance.high},
        "calibration_error_without_chance": tuning.error_without_chance,
        "prevalence": tuning.rule.prevalence,
        "unlabelled": unlabelled and {
            "share": unlabelled.share, "low": unlabelled.low, "high": unlabelled.high,
            "calls": unlabelled.calls,
        },
        "limits": list(tuning.limits),
        "suspicious": [
            {"path": marks[n].path, "channel": marks[n].channel.value,
             "label": CLASSES[marks[n].label]}
            for n in tuning.suspicious
        ],
        "problems": made.problems,
        "guard": {
            "holds": tuning.holds,
            "conditions": [{"text": each.text, "holds": each.holds} for each in tuning.guard],
        },
    }  # fmt: skip


def _counts(of: Mapping[str, int]) -> str:
    text = (
        f"{of['live']} live calls of {of['callers']} callers, {of['recorded']} recordings of "
        f"{of['sources_of_recordings']} sources"
    )
    rest = {
        "marked twice": of["repeated"],
        "without a mark": of["unmarked"],
        "of no use": of["problems"],
    }
    return "; ".join([text, *(f"{n} {what}" for what, n in rest.items() if n)])


def _interval(figure: Figure, show: Callable[[float, str], str], sign: str = "") -> str:
    value, low, high = (show(figure[name], sign) for name in ("value", "low", "high"))
    return f"{value} ({low} to {high})"


def _number(value: float, sign: str) -> str:
    return f"{value:{sign}.3f}"


def _percent(value: float, sign: str) -> str:
    return f"{100 * value:{sign}.1f} %"


def _first(lines: list[str], most: int) -> list[str]:
    more = [f"and {len(lines) - most} more"] if len(lines) > most else []
    return lines[:most] + more


def _listed(lines: Sequence[str]) -> list[str]:
    return [f"  {line}" for line in lines]
