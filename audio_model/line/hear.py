"""The network's answers to marked calls. Each call is heard once, and all fits use that answer."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from hashlib import blake2b

from audio_model import audio
from audio_model.errors import AudioError
from audio_model.fitting.answer import Answer
from audio_model.fitting.own import group_weights
from audio_model.frontend import SAMPLE_RATE, Samples
from audio_model.line.groups import Groups
from audio_model.line.marks import LabelledCall
from audio_model.model import Model
from audio_model.onset import stretch_heard
from audio_model.sources.open import name_of, open_source
from audio_model.steps import STEP_SAMPLES, Steps, level_db
from audio_model.stream import DEFAULT_WAIT_SECONDS


@dataclass
class HeardMarks:
    """Marked calls, and the network's answers to them."""

    marks: list[LabelledCall] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    audio: list[str] = field(default_factory=list)
    """A digest of each call's samples."""
    problems: list[str] = field(default_factory=list)
    """A line for each call that could not be heard."""
    repeated: int = 0
    """Calls whose very samples another call with the same mark has."""


def hear_marks(model: Model, marks: Iterable[LabelledCall]) -> HeardMarks:
    """Hear calls one after the other. A call that can't be heard becomes a problem.

    Two groups that share a recording's samples become one group. Otherwise a rule would be judged
    by what it was fitted to.
    """
    heard = HeardMarks()
    seen: dict[tuple[str, int], str] = {}
    groups = Groups()
    for mark in marks:
        try:
            samples = _heard_of(model, mark)
        except AudioError as error:
            heard.problems.append(f"{mark.name}: {error.message}")
            continue
        if len(samples) < STEP_SAMPLES:
            heard.problems.append(f"{mark.name}: shorter than a step of the network")
            continue
        audio_digest = digest(samples)
        if (audio_digest, mark.label) in seen:
            heard.repeated += 1
            groups.join((seen[audio_digest, mark.label], mark.group))
            continue
        seen[audio_digest, mark.label] = mark.group
        heard.marks.append(mark)
        heard.audio.append(audio_digest)
        seconds = len(samples) / SAMPLE_RATE
        steps = _steps(model, samples)
        heard.answers.append(Answer(mark.label, mark.source, mark.group, seconds, steps, 1.0))
    heard.marks = [replace(mark, group=groups.name(mark.group)) for mark in heard.marks]
    weights = group_weights(
        [mark.label for mark in heard.marks], [mark.group for mark in heard.marks]
    )
    heard.answers = [
        replace(each, group=mark.group, weight=weight)
        for each, mark, weight in zip(heard.answers, heard.marks, weights, strict=True)
    ]
    return heard


def digest(samples: Samples) -> str:
    """Return what a call is known by in ``HeardMarks.audio``. [shape=(n_samples,)]"""
    return blake2b(samples.tobytes(), digest_size=16).hexdigest()


def _heard_of(model: Model, mark: LabelledCall) -> Samples:
    seconds = model.rule.max_seconds
    with open_source(mark.path, mark.place) as file:
        samples = audio.read(
            file,
            max_seconds=seconds + DEFAULT_WAIT_SECONDS,
            channel=mark.channel,
            name=name_of(mark.path),
        )
    return samples[stretch_heard(samples, seconds, lambda steps: _steps(model, steps).rows())]


def _steps(model: Model, samples: Samples) -> Steps:
    """Return the network's answers to the whole steps of some samples. [shape=(n_samples,)]"""
    whole = samples[: len(samples) // STEP_SAMPLES * STEP_SAMPLES]
    logit, kinds, _ = model.run(whole[None], model.start())
    return Steps(logit[0], kinds[0], level_db(whole))
