"""Turn the network's answers into a verdict with its evidence, by a rule.

A score is the calibrated probability of *recorded* where both classes are equally common
(``rule.PREVALENCE``), or as common as on the line that the rule was tuned for. The verdict
follows the score as a trigger. It becomes recorded when the score lies above ``recorded_at``, and
live when it lies below ``live_at``, each by a margin that shrinks as more voice is heard. It
stays so until the score crosses even odds against it, and is unknown then, as it was at first. So
a small step back changes nothing, and no verdict contradicts its score. The verdict after ``t``
seconds depends on those ``t`` seconds alone.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from audio_model.rule import DecisionRule, OperatingPoint
from audio_model.steps import STEPS_PER_SECOND, StepRow, Steps
from audio_model.times import iso


class VerdictKind(StrEnum):
    """A verdict on a call: recorded, live, or unknown."""

    RECORDED = "recorded"
    LIVE = "live"
    UNKNOWN = "unknown"


class Reason(StrEnum):
    """Why a verdict is unknown; ``NONE`` when it is not."""

    NONE = ""
    TOO_SHORT = "too_short"
    SILENCE = "silence"
    TONES = "tones_only"
    TOO_LITTLE_SPEECH = "too_little_speech"
    UNSURE = "unsure"
    NO_AUDIO = "no_audio"
    """A live call alone has this reason: its deadline passed and nothing had come."""
    OVERLOAD = "overload"
    """A live call alone has this reason: the machine was full when it began."""
    ERROR = "error"


@dataclass(frozen=True)
class KnownRecording:
    """The recording, heard before, that a call repeats."""

    recording: int
    """Its number in the store."""
    name: str
    offset: float
    """Second of the recording at which the call's audio begins; negative if it begins before."""
    start: float
    end: float
    """The matching stretch, in seconds of the call."""
    seconds: float
    """Matching seconds."""
    probability: float
    """Probability that these very samples were heard before."""
    first_heard: float
    last_heard: float
    """Seconds since 1970; before this call. nan if no time is known."""
    times_heard: int
    repeated: bool = False
    """Whether it is known since calls repeat it, and not because anybody added it."""

    @property
    def repetition(self) -> str | None:
        """Return how often it was heard, this call counted, and since when; None if it was added.

        ``3 calls since 2026-01-31T12:00:00Z``
        """
        if not self.repeated:
            return None
        since = "" if math.isnan(self.first_heard) else f" since {iso(self.first_heard)}"
        return f"{self.times_heard + 1} calls{since}"

    def as_dict(self) -> dict[str, object]:
        """Return the recording for JSON."""
        return {
            "recording": self.recording,
            "name": self.name,
            "offset": round(self.offset, 3),
            "start": round(self.start, 3),
            "end": round(self.end, 3),
            "seconds": round(self.seconds, 3),
            "probability": round(self.probability, 6),
            "first_heard": None if math.isnan(self.first_heard) else round(self.first_heard, 3),
            "last_heard": None if math.isnan(self.last_heard) else round(self.last_heard, 3),
            "times_heard": self.times_heard,
            "repeated": self.repetition,
        }


@dataclass(frozen=True)
class VerdictChange:
    """A moment at which the verdict became another one."""

    at: float
    """Seconds from the start of the audio."""
    verdict: VerdictKind

    def as_dict(self) -> dict[str, object]:
        """Return the change for JSON."""
        return {"at": self.at, "verdict": self.verdict.value}


@dataclass(frozen=True)
class Evidence:
    """The steps that led to a verdict. Each tuple has one entry a step."""

    times: tuple[float, ...]
    """End of the step, seconds from the start of the audio.

    The first step begins with the audio, or with a late voice.
    """
    scores: tuple[float, ...]
    voice: tuple[float, ...]
    """Probability that the step holds speech or music."""
    strongest: tuple[float, float] | None
    """Start and end, in seconds, of the stretch that moved the network's score most towards its
    verdict."""
    known: KnownRecording | None = None
    """The known recording that the call repeats, if a store was asked."""
    changes: tuple[VerdictChange, ...] = ()
    """The decisions by the scores alone, in order: the first one, and later changes."""


@dataclass(frozen=True)
class Verdict:
    """A verdict on the first ``seconds`` of a call, with its evidence."""

    verdict: VerdictKind
    score: float
    """Calibrated probability of recorded in everything heard; nan before the first step."""
    logit: float
    """The network's own output behind the score; nan before the first step."""
    seconds: float
    speech_seconds: float
    """Seconds that hold speech or music."""
    decided_at: float | None
    """Seconds from the start at which the score crossed into the verdict; None while unknown."""
    reason: Reason
    evidence: Evidence
    noise_db: float = math.nan
    """Level that a tenth of the steps lie below, dBFS; nan before the first step."""
    snr_db: float = math.nan
    """How far the voice's median level lies above that; nan without voice."""
    codec: str = ""
    """What the container or the gateway says the audio came in; empty if it says nothing."""

    @classmethod
    def unheard(cls, reason: Reason, codec: str) -> Self:
        """Return the verdict on a call of which nothing is heard."""
        nothing = Evidence((), (), (), None)
        return cls(
            VerdictKind.UNKNOWN, math.nan, math.nan, 0.0, 0.0, None, reason, nothing, codec=codec
        )


NOISE_SHARE = 0.1
LEAST_NOISE_DB = -80.0
"""Digital silence and what lies below any codec's own noise are told as this."""

STRETCH_STEPS = 10
"""Steps (0.8 s) in the stretch that is shown as evidence."""


def sigmoid(log_odds: float) -> float:
    """Return the probability with these log odds."""
    if log_odds >= 0:
        return 1 / (1 + math.exp(-log_odds))
    return math.exp(log_odds) / (1 + math.exp(log_odds))


def log_odds_of(probability: float, near: float = 1e-12) -> float:
    """Return the log odds of a probability, which counts as no nearer to 0 or 1 than ``near``."""
    within = min(max(probability, near), 1 - near)
    return math.log(within) - math.log1p(-within)


_NEAR = 1e-6
"""Nearer to a threshold than this, in log odds or from an end of the scale, the score is asked."""

_AGAINST = {VerdictKind.RECORDED: -1, VerdictKind.LIVE: 1, VerdictKind.UNKNOWN: 0}
"""The sign of log odds that contradict a verdict."""

_TIMES = tuple(round((n + 1) / STEPS_PER_SECOND, 6) for n in range(1000))
"""Ends of a call's first steps, in seconds."""

Decision = tuple[VerdictKind, float | None]
"""A verdict, and the second at which the score crossed into it."""


class Decider:
    """Follows one call: :meth:`add` steps as they come, ask :meth:`verdict` at any time."""

    def __init__(self, rule: DecisionRule, point: OperatingPoint) -> None:
        self._rule, self._point = rule, point
        # A score takes an exponential; only where these are crossed is one needed.
        self._near_recorded = log_odds_of(point.recorded_at, _NEAR) - _NEAR
        self._near_live = log_odds_of(point.live_at, _NEAR) + _NEAR
        self._kind = VerdictKind.UNKNOWN
        self._against = _AGAINST[self._kind]
        self._decided_at: float | None = None
        self._changes: list[VerdictChange] = []
        self._tone_steps = 0
        self._loudest_db = -math.inf
        self._start = 0.0
        self._logit = math.nan
        self._voice_steps = 0
        self._log_odds: list[float] = []
        self._voice: list[float] = []
        self._levels_db: list[float] = []
        self._voice_levels_db: list[float] = []

    def begin_anew(self, at: float) -> None:
        """Count voice and scores from this second on: a late voice begins there.

        What was loud or a tone before still counts for the reason of an unknown verdict.
        """
        # Some steps before it that hold voice are too few for a verdict to stand on.
        self._decide(VerdictKind.UNKNOWN)
        self._start = at
        self._logit = math.nan
        self._voice_steps = 0
        self._log_odds, self._voice = [], []
        self._levels_db, self._voice_levels_db = [], []

    @property
    def decided(self) -> Decision:
        """Return the verdict, and the second at which the score crossed into it."""
        return self._kind, self._decided_at

    def add(self, steps: Sequence[StepRow]) -> None:
        """Take the network's answers to the next steps."""
        by_voice = self._rule.by_voice
        n_voice = self._voice_steps
        by_voice.reach(n_voice + len(steps))
        slopes, offsets = by_voice.slope, by_voice.offset
        cautions, live_cautions = by_voice.caution, by_voice.live_caution
        # Looked up once: each step passes here.
        every_log_odds, voices, levels_db = self._log_odds, self._voice, self._levels_db
        near_recorded, near_live = self._near_recorded, self._near_live
        for logit, background, tone, voice, level_db in steps:
            self._logit = logit
            levels_db.append(level_db)
            if level_db > self._loudest_db:
                self._loudest_db = level_db
            if voice >= tone and voice >= background:
                n_voice += 1
                self._voice_levels_db.append(level_db)
            if tone >= voice and tone >= background:
                self._tone_steps += 1
            log_odds = slopes[n_voice] * logit + offsets[n_voice]
            every_log_odds.append(log_odds)
            voices.append(voice)
            for_recorded = log_odds - cautions[n_voice]
            for_live = log_odds + live_cautions[n_voice]
            if for_recorded >= near_recorded and sigmoid(for_recorded) >= self._point.recorded_at:
                self._decide(VerdictKind.RECORDED)
            elif for_live <= near_live and sigmoid(for_live) <= self._point.live_at:
                self._decide(VerdictKind.LIVE)
            elif self._against * log_odds > 0 and cautions[n_voice] < math.inf:
                self._decide(VerdictKind.UNKNOWN)
        self._voice_steps = n_voice

    def _decide(self, kind: VerdictKind) -> None:
        if kind is not self._kind:
            at = self._at(len(self._log_odds))
            self._kind, self._against = kind, _AGAINST[kind]
            self._decided_at = None if kind is VerdictKind.UNKNOWN else at
            self._changes.append(VerdictChange(at, kind))

    def verdict(self, seconds: float, codec: str = "") -> Verdict:
        """Return the verdict on the ``seconds`` of audio heard so far, which came in ``codec``."""
        noise_db = max(_quantile(self._levels_db, NOISE_SHARE), LEAST_NOISE_DB)
        scores = tuple([sigmoid(log_odds) for log_odds in self._log_odds])
        return Verdict(
            verdict=self._kind,
            score=scores[-1] if scores else math.nan,
            logit=self._logit,
            seconds=seconds,
            speech_seconds=self._voice_steps / STEPS_PER_SECOND,
            decided_at=self._decided_at,
            reason=self._reason(seconds),
            evidence=Evidence(
                times=self._times(len(scores)),
                scores=scores,
                voice=tuple(self._voice),
                strongest=self._strongest(),
                changes=tuple(self._changes),
            ),
            noise_db=noise_db,
            snr_db=_quantile(self._voice_levels_db, 0.5) - noise_db,
            codec=codec,
        )

    def _reason(self, seconds: float) -> Reason:
        if self._kind is not VerdictKind.UNKNOWN:
            return Reason.NONE
        if self._voice_steps / STEPS_PER_SECOND >= self._rule.min_voice_seconds:
            return Reason.UNSURE
        if seconds < self._rule.min_voice_seconds:
            return Reason.TOO_SHORT
        if self._loudest_db < self._rule.silence_db:
            return Reason.SILENCE
        if self._tone_steps / STEPS_PER_SECOND >= self._rule.min_tone_seconds:
            return Reason.TONES
        return Reason.TOO_LITTLE_SPEECH

    def _strongest(self) -> tuple[float, float] | None:
        if self._kind is VerdictKind.UNKNOWN:
            return None
        sign = 1 if self._kind is VerdictKind.RECORDED else -1
        # A call starts at even odds, so the first steps count from zero.
        odds = [0.0, *self._log_odds]
        width = min(STRETCH_STEPS, len(self._log_odds))
        moved = [sign * (end - start) for start, end in zip(odds, odds[width:], strict=False)]
        start = moved.index(max(moved))
        return self._at(start), self._at(start + width)

    def _times(self, n_steps: int) -> tuple[float, ...]:
        """Return the ends of so many steps."""
        if self._start == 0 and n_steps <= len(_TIMES):
            return _TIMES[:n_steps]
        return tuple(self._at(n + 1) for n in range(n_steps))

    def _at(self, n_steps: int) -> float:
        """Return the second at which so many steps from the first voice have passed."""
        return round(self._start + n_steps / STEPS_PER_SECOND, 6)


def _quantile(values: list[float], share: float) -> float:
    """Return the value that a share of them lie below; nan of none."""
    return sorted(values)[int(share * len(values))] if values else math.nan


def decide(steps: Steps, rule: DecisionRule, point: OperatingPoint, seconds: float) -> Verdict:
    """Return the verdict on one stretch of audio from its start."""
    decider = Decider(rule, point)
    decider.add(steps.rows())
    return decider.verdict(seconds)
