"""Answering machine detection by rules, as Asterisk's ``AMD()`` documents it.

Written from the documentation alone: the application's reference page and the comments of the
sample ``amd.conf``, whose values are the defaults here. Where they leave a choice open, it is:
silence is measured since the last frame with voice, a greeting's length is the voice in it
without the pauses, and the words of one are counted when they have lasted ``min_word_length``.

AMD was made for outbound calls, where the callee's greeting is short and a machine's is long.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from audio_model.frontend import SAMPLE_RATE, Samples
from training.evaluation.infer import Take
from training.rivals.rival import Thresholds, heard

FRAME_MS = 20
FRAME_SAMPLES = SAMPLE_RATE * FRAME_MS // 1000
FULL_SCALE = 32768


@dataclass(frozen=True)
class AmdOptions:
    """``amd.conf``. A limit holds when it is exceeded, not when it is reached."""

    initial_silence_ms: int = 2500
    greeting_ms: int = 1500
    after_greeting_silence_ms: int = 800
    total_analysis_ms: int = 5000
    min_word_ms: int = 100
    between_words_silence_ms: int = 50
    maximum_number_of_words: int = 2
    silence_threshold: int = 256
    """Mean absolute amplitude of a frame, full scale is 32768; below it is silence."""
    maximum_word_ms: int = 5000


class Status(StrEnum):
    """The values of ``AMDSTATUS``."""

    HUMAN = "HUMAN"
    MACHINE = "MACHINE"
    NOTSURE = "NOTSURE"


class Cause(StrEnum):
    """The values of ``AMDCAUSE``."""

    INITIALSILENCE = "INITIALSILENCE"
    HUMAN = "HUMAN"
    LONGGREETING = "LONGGREETING"
    MAXWORDLENGTH = "MAXWORDLENGTH"
    MAXWORDS = "MAXWORDS"
    TOOLONG = "TOOLONG"


@dataclass(frozen=True)
class AmdResult:
    """The result of AMD()."""

    status: Status
    cause: Cause
    measure: int
    """The measure that exceeded the cause's limit: words, or else milliseconds."""
    at_ms: int
    """Audio heard when the rules were sure, or all of it."""


def detect(samples: Samples, options: AmdOptions) -> AmdResult:
    """Apply the rules to a call from its start. [shape=(n_samples,)]

    Audio that ends too early is NOTSURE, as audio that takes too long is.
    """
    frames = samples[: len(samples) // FRAME_SAMPLES * FRAME_SAMPLES].reshape(-1, FRAME_SAMPLES)
    voiced = np.mean(np.abs(frames), axis=1) * FULL_SCALE >= options.silence_threshold
    silence_ms = word_ms = greeting_ms = words = now_ms = 0
    counted = in_greeting = False

    def conclude(status: Status, cause: Cause, measure: int) -> AmdResult:
        return AmdResult(status, cause, measure, now_ms)

    for voice in voiced.tolist():
        if now_ms > options.total_analysis_ms:
            break
        now_ms += FRAME_MS
        if voice:
            if silence_ms >= options.between_words_silence_ms:
                word_ms, counted = 0, False
            silence_ms = 0
            word_ms += FRAME_MS
            greeting_ms = greeting_ms + FRAME_MS if in_greeting else word_ms
            if word_ms >= options.min_word_ms and not counted:
                counted = in_greeting = True
                words += 1
            if words > options.maximum_number_of_words:
                return conclude(Status.MACHINE, Cause.MAXWORDS, words)
            if word_ms > options.maximum_word_ms:
                return conclude(Status.MACHINE, Cause.MAXWORDLENGTH, word_ms)
            if in_greeting and greeting_ms > options.greeting_ms:
                return conclude(Status.MACHINE, Cause.LONGGREETING, greeting_ms)
        else:
            silence_ms += FRAME_MS
            if in_greeting and silence_ms > options.after_greeting_silence_ms:
                return conclude(Status.HUMAN, Cause.HUMAN, silence_ms)
            if not in_greeting and silence_ms > options.initial_silence_ms:
                return conclude(Status.MACHINE, Cause.INITIALSILENCE, silence_ms)
    return conclude(Status.NOTSURE, Cause.TOOLONG, now_ms)


SCORES = {Status.HUMAN: 0.0, Status.NOTSURE: 0.5, Status.MACHINE: 1.0}


class Amd:
    """The rules with their documented defaults."""

    name = "Asterisk AMD rules"
    thresholds = Thresholds(live_at=SCORES[Status.HUMAN], recorded_at=SCORES[Status.MACHINE])

    def fit(self, takes: Sequence[Take], seed: int) -> None:
        """Do nothing: the rules are fixed."""

    def scores(self, clips: Sequence[Samples]) -> NDArray[np.float64]:
        """Return a score for each status. [shape=(n_clips,)]"""
        results = [detect(heard(samples), AmdOptions()) for samples in clips]
        return np.array([SCORES[result.status] for result in results])
