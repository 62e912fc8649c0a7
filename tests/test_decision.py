"""Verdicts from hand-made answers: triggers, reasons, evidence, calibration, budgets."""

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio_model.decision import (
    STRETCH_STEPS,
    Decider,
    Reason,
    Verdict,
    VerdictChange,
    VerdictKind,
    decide,
    sigmoid,
)
from audio_model.errors import UsageError
from audio_model.rule import Calibration, DecisionRule, OperatingPoint
from audio_model.steps import STEP_SECONDS, STEPS_PER_SECOND, Heard, Steps

POINT = OperatingPoint(0.01, recorded_at=0.8, live_at=0.2, false_alarm=0.01, miss=0.3, passed=0.05)
AS_IS = Calibration((0.4, 1.0), (1.0, 1.0), (0.0, 0.0))
RULE = DecisionRule(AS_IS, (POINT,))
FIRST = 5
"""Steps of voice before a verdict: 0.4 s."""
HIGH, MIDDLE, LOW = 3.0, 0.0, -3.0

LOGITS = st.floats(-20, 20, width=32)


def steps(
    logits: Sequence[float],
    heard: Heard | Sequence[Heard] = Heard.VOICE,
    level_db: float = -20.0,
) -> Steps:
    kinds = [heard] * len(logits) if isinstance(heard, Heard) else list(heard)
    probability = np.full((len(logits), len(Heard)), 0.1, np.float32)
    probability[np.arange(len(kinds)), kinds] = 0.8
    return Steps(
        np.array(logits, np.float32), probability, np.full(len(logits), level_db, np.float32)
    )


def judged(given_steps: Steps, rule: DecisionRule = RULE) -> Verdict:
    return decide(given_steps, rule, rule.operating_points[0], len(given_steps) * STEP_SECONDS)


def kind_after_each(given_steps: Steps) -> list[VerdictKind]:
    return [judged(given_steps.until(n)).verdict for n in range(1, len(given_steps) + 1)]


@st.composite
def any_steps(draw: st.DrawFn) -> Steps:
    logits = draw(st.lists(LOGITS, max_size=40))
    kinds = draw(st.lists(st.sampled_from(Heard), min_size=len(logits), max_size=len(logits)))
    return steps(logits, kinds)


@pytest.mark.parametrize(("logit", "kind"), [(HIGH, VerdictKind.RECORDED), (LOW, VerdictKind.LIVE)])
def test_a_clear_score_decides_with_the_first_voice_that_suffices(
    logit: float, kind: VerdictKind
) -> None:
    answers = steps([logit] * 10)
    assert kind_after_each(answers) == [VerdictKind.UNKNOWN] * (FIRST - 1) + [kind] * 6
    verdict = judged(answers)
    assert verdict.decided_at == pytest.approx(0.4)
    assert verdict.reason is Reason.NONE
    assert verdict.score == pytest.approx(1 / (1 + math.exp(-logit)))
    assert verdict.logit == logit
    assert verdict.seconds == verdict.speech_seconds == pytest.approx(0.8)


def test_voice_counts_wherever_it_comes() -> None:
    kinds = [Heard.BACKGROUND, Heard.VOICE] * 6
    verdict = judged(steps([HIGH] * 12, kinds))
    assert verdict.decided_at == pytest.approx(10 * STEP_SECONDS)
    assert verdict.speech_seconds == pytest.approx(6 * STEP_SECONDS)


def test_between_the_thresholds_a_verdict_stays() -> None:
    logits = [HIGH] * FIRST + [MIDDLE] * 3 + [LOW] * 2 + [MIDDLE] * 3 + [HIGH]
    expected = (
        [VerdictKind.UNKNOWN] * (FIRST - 1)
        + [VerdictKind.RECORDED] * 4
        + [VerdictKind.LIVE] * 5
        + [VerdictKind.RECORDED]
    )
    assert kind_after_each(steps(logits)) == expected
    assert judged(steps(logits)).decided_at == pytest.approx(len(logits) * STEP_SECONDS)
    assert judged(steps(logits[:-1])).decided_at == pytest.approx((FIRST + 4) * STEP_SECONDS)


@pytest.mark.parametrize(
    ("first", "against", "kind"),
    [(HIGH, -0.1, VerdictKind.RECORDED), (LOW, 0.1, VerdictKind.LIVE)],
)
def test_a_verdict_ends_where_the_score_contradicts_it(
    first: float, against: float, kind: VerdictKind
) -> None:
    logits = [first] * FIRST + [-against, against, -against]
    unknown = VerdictKind.UNKNOWN
    kinds = [unknown] * (FIRST - 1) + [kind] * 2 + [unknown] * 2
    assert kind_after_each(steps(logits)) == kinds
    verdict = judged(steps(logits))
    assert verdict.decided_at is None
    assert verdict.reason is Reason.UNSURE


def test_caution_asks_for_more_while_little_was_heard() -> None:
    """With log odds of 3 against a threshold of 2, a margin of c / s is met after c s of voice."""
    rule = DecisionRule(
        AS_IS,
        (
            OperatingPoint(
                0.1, recorded_at=sigmoid(2), live_at=sigmoid(-2), false_alarm=0, miss=0, passed=0.05
            ),
        ),
        caution=2.0,
        live_caution=1.0,
    )
    for logit, kind, at in ((3.0, VerdictKind.RECORDED, 2.0), (-3.0, VerdictKind.LIVE, 1.04)):
        verdict = judged(steps([logit] * 40), rule)
        assert verdict.verdict is kind
        assert verdict.decided_at == pytest.approx(at)
        assert verdict.score == pytest.approx(sigmoid(logit))
    assert judged(steps([1.9] * 1000), rule).verdict is VerdictKind.UNKNOWN


@given(logits=st.lists(LOGITS, max_size=40))
def test_no_verdict_contradicts_its_score(logits: list[float]) -> None:
    verdict = judged(steps(logits))
    if verdict.verdict is VerdictKind.RECORDED:
        assert verdict.score >= 0.5
    if verdict.verdict is VerdictKind.LIVE:
        assert verdict.score <= 0.5


def test_a_score_on_a_threshold_decides() -> None:
    rule = DecisionRule(
        AS_IS,
        (
            OperatingPoint(
                0.1, recorded_at=sigmoid(2), live_at=sigmoid(-2), false_alarm=0, miss=0, passed=0.05
            ),
        ),
    )
    beside = {
        name: float(np.nextafter(np.float32(x), np.float32(0)))
        for name, x in {"+": 2, "-": -2}.items()
    }
    assert judged(steps([2.0] * FIRST), rule).verdict is VerdictKind.RECORDED
    assert judged(steps([beside["+"]] * FIRST), rule).verdict is VerdictKind.UNKNOWN
    assert judged(steps([-2.0] * FIRST), rule).verdict is VerdictKind.LIVE
    assert judged(steps([beside["-"]] * FIRST), rule).verdict is VerdictKind.UNKNOWN


def test_the_first_decision_is_told_and_what_changed_it() -> None:
    rule = DecisionRule(AS_IS, (POINT,))
    verdict = judged(steps([9.0] * FIRST + [-0.5] * 4 + [-9.0] * 4), rule)
    first, back, last = verdict.evidence.changes
    assert [c.verdict for c in (first, back, last)] == [
        VerdictKind.RECORDED, VerdictKind.UNKNOWN, VerdictKind.LIVE,
    ]  # fmt: skip
    assert first.at == pytest.approx(0.4)
    assert back.at == pytest.approx(0.48)
    assert (last.at, last.verdict) == (verdict.decided_at, verdict.verdict)


@given(logits=st.lists(st.sampled_from([-9.0, -0.5, 0.5, 9.0]), min_size=1, max_size=40))
def test_changes_end_in_the_verdict_and_never_repeat(logits: list[float]) -> None:
    verdict = judged(steps(logits), DecisionRule(AS_IS, (POINT,)))
    kinds = [VerdictKind.UNKNOWN, *(change.verdict for change in verdict.evidence.changes)]
    assert kinds[-1] is verdict.verdict
    assert all(one is not other for one, other in pairwise(kinds))
    times = [change.at for change in verdict.evidence.changes]
    assert times == sorted(set(times))


def test_a_threshold_above_one_is_never_reached() -> None:
    point = OperatingPoint(
        0.1, recorded_at=math.nextafter(1, 2), live_at=0.1, false_alarm=0, miss=1, passed=0.05
    )
    assert judged(steps([1e4] * 20), DecisionRule(AS_IS, (point,))).verdict is VerdictKind.UNKNOWN


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        (steps([]), Reason.TOO_SHORT),
        (steps([HIGH] * 4), Reason.TOO_SHORT),
        (steps([HIGH] * 20, Heard.BACKGROUND, -60.1), Reason.SILENCE),
        (steps([HIGH] * 20, Heard.TONE, -60.1), Reason.SILENCE),
        (steps([HIGH] * 20, Heard.TONE), Reason.TONES),
        (steps([HIGH] * 20, [Heard.BACKGROUND] * 17 + [Heard.TONE] * 3), Reason.TONES),
        (
            steps([HIGH] * 20, [Heard.BACKGROUND] * 18 + [Heard.TONE] * 2),
            Reason.TOO_LITTLE_SPEECH,
        ),
        (steps([HIGH] * 20, Heard.BACKGROUND, -59.9), Reason.TOO_LITTLE_SPEECH),
        (
            steps([HIGH] * 20, [Heard.VOICE] * 4 + [Heard.BACKGROUND] * 16),
            Reason.TOO_LITTLE_SPEECH,
        ),
        (steps([MIDDLE] * 20), Reason.UNSURE),
    ],
)
def test_an_unknown_verdict_says_why(answers: Steps, reason: Reason) -> None:
    verdict = judged(answers)
    assert verdict.verdict is VerdictKind.UNKNOWN
    assert verdict.reason is reason
    assert verdict.decided_at is None
    assert verdict.evidence.strongest is None


def test_before_the_first_step_there_is_no_score() -> None:
    verdict = decide(steps([]), RULE, POINT, seconds=0.05)
    assert math.isnan(verdict.score)
    assert math.isnan(verdict.logit)
    assert verdict.seconds == 0.05
    assert verdict.evidence.times == verdict.evidence.scores == verdict.evidence.voice == ()


def test_evidence_has_an_entry_a_step() -> None:
    verdict = judged(steps([HIGH, LOW, MIDDLE], [Heard.VOICE, Heard.TONE, Heard.VOICE]))
    assert verdict.evidence.times == pytest.approx([0.08, 0.16, 0.24])
    assert verdict.evidence.scores == pytest.approx([sigmoid(HIGH), sigmoid(LOW), 0.5])
    assert verdict.evidence.voice == pytest.approx([0.8, 0.1, 0.8])


@pytest.mark.parametrize("sign", [1, -1])
def test_the_strongest_stretch_is_where_the_score_moved(sign: int) -> None:
    rise = [2.0] * 20 + [2 + 0.5 * n for n in range(1, STRETCH_STEPS + 1)] + [7.0] * 20
    strongest = judged(steps([sign * logit for logit in rise])).evidence.strongest
    assert strongest == pytest.approx((20 * STEP_SECONDS, 30 * STEP_SECONDS))


def test_a_call_that_was_clear_at_once_is_strongest_at_its_start() -> None:
    assert judged(steps([HIGH] * 30)).evidence.strongest == pytest.approx((0, 0.8))
    assert judged(steps([HIGH] * FIRST)).evidence.strongest == pytest.approx((0, 0.4))


@given(any_steps(), st.integers(0, 40))
def test_a_verdict_depends_on_what_was_heard_alone(answers: Steps, n: int) -> None:
    before, whole = judged(answers.until(n)), judged(answers)
    heard = len(before.evidence.scores)
    assert before.evidence.scores == whole.evidence.scores[:heard]
    decider = Decider(RULE, POINT)
    decider.add(answers.until(n).rows())
    # NaN differs from itself; the representation of a whole verdict tells everything apart.
    assert repr(decider.verdict(heard * STEP_SECONDS)) == repr(before)


@given(any_steps(), st.lists(st.integers(1, 7), min_size=40))
def test_steps_may_come_in_any_portions(answers: Steps, sizes: list[int]) -> None:
    decider = Decider(RULE, POINT)
    start = 0
    for size in sizes:
        end = start + size
        decider.add(answers.rows()[start:end])
        start = end
    assert repr(decider.verdict(len(answers) * STEP_SECONDS)) == repr(judged(answers))


@given(any_steps())
def test_a_verdict_is_consistent(answers: Steps) -> None:
    verdict = judged(answers)
    assert (verdict.verdict is VerdictKind.UNKNOWN) == (verdict.decided_at is None)
    assert (verdict.verdict is VerdictKind.UNKNOWN) == (verdict.reason is not Reason.NONE)
    assert verdict.speech_seconds <= verdict.seconds + 1e-9
    if verdict.decided_at is not None:
        at = verdict.evidence.scores[round(verdict.decided_at / STEP_SECONDS) - 1]
        assert at >= POINT.recorded_at if verdict.verdict is VerdictKind.RECORDED else at <= 0.2


@pytest.mark.parametrize("log_odds", [0.0, 1.0, -1.0, 30.0, -30.0])
def test_sigmoid(log_odds: float) -> None:
    assert sigmoid(log_odds) == pytest.approx(1 / (1 + math.exp(-log_odds)), rel=1e-12)


def test_sigmoid_at_the_ends_of_the_scale() -> None:
    assert sigmoid(1e6) == 1.0
    assert sigmoid(-1e6) == 0.0


@given(LOGITS, LOGITS)
def test_sigmoid_rises(one: float, other: float) -> None:
    assert sigmoid(min(one, other)) <= sigmoid(max(one, other))


@st.composite
def any_calibration(draw: st.DrawFn) -> Calibration:
    knots = sorted(draw(st.lists(st.integers(1, 60), min_size=1, max_size=5, unique=True)))
    n = len(knots)
    values = st.lists(st.floats(-5, 5), min_size=n, max_size=n).map(tuple)
    return Calibration(tuple(k / 10 for k in knots), draw(values), draw(values))


@given(any_calibration(), LOGITS, st.floats(0, 8))
def test_calibration_interpolates(cal: Calibration, logit: float, voice_seconds: float) -> None:
    slope = np.interp(voice_seconds, cal.voice_seconds, cal.slope)
    offset = np.interp(voice_seconds, cal.voice_seconds, cal.offset)
    assert cal.log_odds(logit, voice_seconds) == pytest.approx(slope * logit + offset, abs=1e-6)


@given(any_calibration(), LOGITS)
def test_calibration_does_not_jump_at_its_knots(cal: Calibration, logit: float) -> None:
    for index, knot in enumerate(cal.voice_seconds):
        at = cal.slope[index] * logit + cal.offset[index]
        for near in (knot - 1e-9, knot, knot + 1e-9):
            assert cal.log_odds(logit, near) == pytest.approx(at, abs=1e-4)


def test_calibration_follows_the_voice_heard_not_the_time() -> None:
    cal = Calibration((0.4, 0.8), (1.0, 3.0), (0.0, 0.0))
    rule = DecisionRule(cal, (POINT,))
    voiced = judged(steps([1.0] * 10), rule)
    paused = judged(steps([1.0] * 10, [Heard.VOICE] * 5 + [Heard.BACKGROUND] * 5), rule)
    assert voiced.score == pytest.approx(sigmoid(3))
    assert paused.score == pytest.approx(sigmoid(1))


POINTS = tuple(
    OperatingPoint(
        budget, recorded_at=1 - budget, live_at=0.1, false_alarm=budget / 2, miss=0.1, passed=0.05
    )
    for budget in (0.05, 0.01, 0.1)
)


@pytest.mark.parametrize(
    ("budget", "chosen"), [(0.01, 0.01), (0.049, 0.01), (0.05, 0.05), (0.5, 0.1), (0.99, 0.1)]
)
def test_the_most_sensitive_point_within_a_budget(budget: float, chosen: float) -> None:
    assert DecisionRule(AS_IS, POINTS).operating_point(budget).max_false_alarm == chosen


@pytest.mark.parametrize("budget", [0.009, 0.0, -0.1, 1.0, 2.0, math.nan, math.inf])
def test_a_budget_that_was_not_measured_is_refused(budget: float) -> None:
    with pytest.raises(UsageError, match=r"from 0\.01 up to 1"):
        DecisionRule(AS_IS, POINTS).operating_point(budget)


def test_a_larger_budget_never_flags_less() -> None:
    chosen = [DecisionRule(AS_IS, POINTS).operating_point(b) for b in (0.01, 0.03, 0.07, 0.2)]
    assert all(one.recorded_at >= other.recorded_at for one, other in pairwise(chosen))


@st.composite
def any_rule(draw: st.DrawFn) -> DecisionRule:
    caution, live_caution = draw(st.tuples(st.floats(0, 3), st.floats(0, 3)))
    return DecisionRule(AS_IS, (POINT,), caution=caution, live_caution=live_caution)


@given(any_steps(), any_rule())
def test_changes_are_what_was_seen_after_each_step(answers: Steps, rule: DecisionRule) -> None:
    """Asked after every step, the verdict becomes another one at just these moments."""
    expected, before = [], VerdictKind.UNKNOWN
    for n in range(1, len(answers) + 1):
        now = judged(answers.until(n), rule)
        if now.verdict is not before:
            expected.append(VerdictChange(now.evidence.times[-1], now.verdict))
            before = now.verdict
    verdict = judged(answers, rule)
    assert verdict.evidence.changes == tuple(expected)
    if verdict.verdict is not VerdictKind.UNKNOWN:
        assert verdict.decided_at == expected[-1].at


@given(any_steps(), any_rule(), any_calibration())
def test_it_is_decided_as_the_rule_is_defined(
    answers: Steps, rule: DecisionRule, calibration: Calibration
) -> None:
    """By the score of every step, to the bit, though most scores need not be taken."""
    rule = replace(rule, calibration=calibration)
    kind, voiced, kinds = VerdictKind.UNKNOWN, 0, []
    for logit, heard in zip(answers.logit.tolist(), answers.heard.tolist(), strict=True):
        voiced += heard[Heard.VOICE] == max(heard)
        seconds = voiced / STEPS_PER_SECOND
        log_odds = calibration.log_odds(logit, seconds)
        if seconds >= rule.min_voice_seconds:
            if sigmoid(log_odds - rule.caution / seconds) >= POINT.recorded_at:
                kind = VerdictKind.RECORDED
            elif sigmoid(log_odds + rule.live_caution / seconds) <= POINT.live_at:
                kind = VerdictKind.LIVE
            elif (kind is VerdictKind.RECORDED and log_odds < 0) or (
                kind is VerdictKind.LIVE and log_odds > 0
            ):
                kind = VerdictKind.UNKNOWN
        kinds.append(kind)
        verdict = judged(answers.until(len(kinds)), rule)
        assert verdict.verdict is kind
        assert verdict.score == sigmoid(log_odds)
        assert verdict.speech_seconds == seconds


@given(any_steps(), st.integers(0, 40), any_rule())
def test_what_was_said_is_never_unsaid(answers: Steps, n: int, rule: DecisionRule) -> None:
    before, whole = judged(answers.until(n), rule), judged(answers, rule)
    said = before.evidence.changes
    assert whole.evidence.changes[: len(said)] == said


def test_noise_is_the_quietest_tenth_and_the_voice_is_told_against_it() -> None:
    kinds = [Heard.BACKGROUND] * 4 + [Heard.VOICE] * 10
    levels = [-60.0, -59, -58, -57, *(-30.0 + n for n in range(10))]
    answers = replace(steps([MIDDLE] * 14, kinds), level_db=np.array(levels, np.float32))
    verdict = judged(answers)
    assert verdict.noise_db == -59
    assert verdict.snr_db == -25 - -59


def test_digital_silence_is_told_as_the_least_noise() -> None:
    kinds = [Heard.BACKGROUND] * 5 + [Heard.VOICE] * 5
    levels = np.array([-100.0] * 5 + [-20.0] * 5, np.float32)
    verdict = judged(replace(steps([MIDDLE] * 10, kinds), level_db=levels))
    assert (verdict.noise_db, verdict.snr_db) == (-80, 60)


def test_noise_needs_a_step_and_its_ratio_a_voice() -> None:
    nothing, background = judged(steps([])), judged(steps([MIDDLE] * 9, Heard.BACKGROUND, -50.0))
    assert math.isnan(nothing.noise_db) and math.isnan(nothing.snr_db)
    assert background.noise_db == -50 and math.isnan(background.snr_db)


def test_noise_before_a_late_voice_does_not_count() -> None:
    decider = Decider(RULE, POINT)
    decider.add(steps([MIDDLE] * 50, Heard.BACKGROUND, -70.0).rows())
    decider.begin_anew(4.0)
    decider.add(steps([MIDDLE] * 10, Heard.VOICE, -25.0).rows())
    assert (decider.verdict(4.8).noise_db, decider.verdict(4.8).snr_db) == (-25, 0)


def test_the_codec_is_said_as_it_was_told() -> None:
    assert Decider(RULE, POINT).verdict(1.0, "gsm").codec == "gsm"
