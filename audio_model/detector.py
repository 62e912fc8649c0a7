"""The detector: load a model once, score many recordings."""

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from io import RawIOBase
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from audio_model import audio
from audio_model.audio import Channel, Encoding, LegAudio, RawFormat, SeekableFile
from audio_model.decision import Verdict
from audio_model.errors import AudioError, UsageError
from audio_model.frontend import SAMPLE_RATE
from audio_model.model import DEFAULT_PATH, Model
from audio_model.rule import DEFAULT_MAX_FALSE_ALARM, DecisionRule, OperatingPoint
from audio_model.stream import DEFAULT_WAIT_SECONDS, Known, PhoneCall, StreamDetector, run_together

_USUAL_LEAD_SECONDS = 0.5
"""Seconds read from a file beyond ``max_seconds`` at first. More are read only for a late voice."""


@dataclass(frozen=True)
class ScoreOptions:
    """How each recording is heard."""

    channel: Channel | None = Channel.MIX
    """The leg of a file with several channels; None: each channel apart, where that is possible."""
    max_seconds: float | None = None
    """Seconds to hear from the first voice on. None: as many as the model was measured for."""
    raw_format: RawFormat | None = None
    """The format of headerless files whose names don't tell it."""
    wait_seconds: float = DEFAULT_WAIT_SECONDS
    """Audio within which the first voice has to come to be heard for so long."""


class Detector:
    """Tells recorded playback from a live human.

    >>> detector = Detector.load()
    >>> verdict = detector.score("call.wav")
    >>> verdict.verdict, verdict.score
    """

    def __init__(
        self,
        model: Model,
        max_false_alarm: float = DEFAULT_MAX_FALSE_ALARM,
        known: Known | None = None,
    ) -> None:
        self._model, self._known = model, known
        self.operating_point: OperatingPoint = model.rule.operating_point(max_false_alarm)

    @classmethod
    def load(
        cls,
        model: str | os.PathLike[str] | None = None,
        *,
        max_false_alarm: float = DEFAULT_MAX_FALSE_ALARM,
        known: Known | None = None,
    ) -> "Detector":
        """Load a model file, by default the one that comes with the package.

        ``max_false_alarm`` is the share of live callers that may be called recorded; the most
        sensitive operating point within it is taken. ``known`` finds calls that repeat an earlier
        recording. It belongs to one thread, and so does a detector with it. Raises ModelError for a
        missing, damaged or foreign file, UsageError for a budget that the model was not measured
        for.
        """
        path = Path(model) if model is not None else DEFAULT_PATH
        return cls(Model.load(path), max_false_alarm, known)

    def knowing(self, known: Known) -> "Detector":
        """Return a detector with known recordings, which shares this one's model in memory."""
        return Detector(self._model, self.operating_point.max_false_alarm, known)

    def within(self, max_false_alarm: float) -> "Detector":
        """Return a detector with another budget, which shares this one's model in memory.

        Raises UsageError for a budget that the model was not measured for.
        """
        return Detector(self._model, max_false_alarm, self._known)

    def within_smallest_budget(self) -> "Detector":
        """Return a detector with the fewest false alarms that the model allows.

        It shares this one's model in memory.
        """
        budget = min(point.max_false_alarm for point in self.rule.operating_points)
        return self.within(budget)

    def close(self) -> None:
        """Let go of the known recordings."""
        if self._known is not None:
            self._known.close()

    @property
    def rule(self) -> DecisionRule:
        """Return the model's decision rule."""
        return self._model.rule

    @property
    def about(self) -> dict[str, object]:
        """Return what the model file says of itself: decision rule, network, hashes, figures."""
        return dict(self._model.about)

    def score(
        self,
        recording: str | os.PathLike[str] | SeekableFile,
        *,
        max_seconds: float | None = None,
        wait_seconds: float = DEFAULT_WAIT_SECONDS,
        channel: Channel = Channel.MIX,
        raw_format: RawFormat | None = None,
        name: str = "<file>",
        call: str | PhoneCall = "",
    ) -> Verdict:
        """Return the verdict on the first seconds of voice in a recording.

        Args:
            recording: a file's path, or a binary file that is open and can seek.
            max_seconds: audio to hear from the first voice on, by default as much as the model was
                measured for.
            wait_seconds: audio within which the first voice has to come to be heard for so long.
            channel: the leg of a file with several channels.
            raw_format: how a file without a header is to be read.
            name: that of an open file: its ending tells as a path's does, and errors give it.
            call: its name, or all that is known of it, for known recordings that learn.

        Raises AudioError if the recording can't be read or holds no usable samples, UsageError
        if the arguments do not fit together, StoreError if known recordings fail.
        """
        options = ScoreOptions(channel, max_seconds, raw_format, wait_seconds)
        return self.begin(recording, options, name, call).conclude()

    def begin(
        self,
        recording: str | os.PathLike[str] | SeekableFile,
        options: ScoreOptions,
        name: str = "<file>",
        call: str | PhoneCall = "",
    ) -> "Hearing":
        """Read the beginning of a recording, to be heard beside others by :func:`hear_beside`.

        ``name``, ``call`` and the errors are those of :meth:`score`. An open file is needed up to
        the verdict.
        """
        if isinstance(recording, np.ndarray):
            raise UsageError("give samples to score_samples, with their sample_rate")
        # Asked in this order: whether a class fits a protocol takes longest.
        if not isinstance(recording, str | os.PathLike | RawIOBase | SeekableFile):
            raise UsageError(
                f"a recording is a path or an open binary file, not {type(recording).__name__}"
            )
        seconds, wait_seconds = self._checked_seconds(options.max_seconds), options.wait_seconds
        stream = self.stream(max_seconds=seconds, wait_seconds=wait_seconds, call=call)
        read = partial(
            audio.read_leg,
            recording,
            channel=options.channel or Channel.MIX,
            raw_format=options.raw_format,
            name=name,
        )
        lead = min(wait_seconds, _USUAL_LEAD_SECONDS)
        return Hearing(stream, read, seconds + lead, seconds + wait_seconds)

    @property
    def learns(self) -> bool:
        """Return whether one recording may be learnt and found in the next.

        Recordings then have to be heard one by one.
        """
        return self._known is not None

    def score_samples(
        self,
        samples: NDArray[np.floating],
        sample_rate: int,
        *,
        max_seconds: float | None = None,
        wait_seconds: float = DEFAULT_WAIT_SECONDS,
        call: str | PhoneCall = "",
    ) -> Verdict:
        """Return the verdict on the first seconds of voice in one leg's samples.

        Args:
            samples: floats in [-1, 1]. [shape=(n_samples,)]
            sample_rate: Hz.
            max_seconds: audio to hear from the first voice on, by default as much as the model was
                measured for.
            wait_seconds: audio within which the first voice has to come to be heard for so long.
            call: its name, or all that is known of it, for known recordings that learn.

        Raises AudioError if the samples are none or not finite, UsageError for arguments that
        can't work, StoreError if known recordings fail.
        """
        if not isinstance(samples, np.ndarray):
            raise UsageError(f"samples are a NumPy array, not {type(samples).__name__}")
        if samples.ndim != 1:
            raise UsageError(f"samples must have one dimension, not {samples.ndim}")
        seconds = self._checked_seconds(max_seconds)
        audio.check_rate(sample_rate)
        stream = self.stream(max_seconds=seconds, wait_seconds=wait_seconds, call=call)
        most = int((seconds + wait_seconds + 1) * sample_rate)
        heard = audio.to_model_rate(samples[:most], sample_rate)
        if len(heard) == 0:
            raise AudioError("<samples>", "holds no samples")
        stream.put(heard)
        return _conclude(stream)

    def stream(
        self,
        sample_rate: int = SAMPLE_RATE,
        encoding: Encoding = Encoding.S16LE,
        *,
        max_seconds: float | None = None,
        wait_seconds: float = DEFAULT_WAIT_SECONDS,
        call: str | PhoneCall = "",
    ) -> StreamDetector:
        """Return a detector for one leg of a live call, which is fed packet by packet.

        ``call`` is as in :meth:`score`. Whether the call is learnt is up to the caller; see
        :meth:`audio_model.known.follow.KnownFollower.conclude`. Raises UsageError for arguments
        that can't work.
        """
        raw_format = RawFormat(encoding, sample_rate)
        seconds = self._checked_seconds(max_seconds)
        audio.check_wait(wait_seconds)
        return StreamDetector(
            self._model,
            self.operating_point,
            raw_format,
            seconds,
            self._known,
            PhoneCall(call) if isinstance(call, str) else call,
            wait_seconds=wait_seconds,
        )

    def _checked_seconds(self, max_seconds: float | None) -> float:
        if max_seconds is None:
            return self.rule.max_seconds
        audio.check_seconds(max_seconds)
        return max_seconds


class Hearing:
    """A recording that was read and not heard yet. :meth:`Detector.begin` makes it."""

    def __init__(
        self,
        stream: StreamDetector,
        read: Callable[..., LegAudio],
        at_first: float,
        at_most: float,
    ) -> None:
        """Read the beginning of a recording.

        Args:
            stream: a new stream detector.
            read: reads ``max_seconds`` from the start.
            at_first: seconds to read now.
            at_most: seconds to read where a voice is late.
        """
        self.stream, self._read, self._at_most = stream, read, at_most
        leg = read(max_seconds=at_first)
        self._n_read = len(leg.samples)
        self._has_more = self._n_read == round(at_first * SAMPLE_RATE)
        stream.codec = leg.codec
        stream.put(leg.samples)

    def conclude(self) -> Verdict:
        """Hear the rest and return the verdict. Raises as :meth:`Detector.score` does."""
        if self._has_more and not self.stream.hear_waiting():
            self.stream.put(self._read(max_seconds=self._at_most).samples[self._n_read :])
        return _conclude(self.stream)


def hear_beside(hearings: Iterable[Hearing]) -> None:
    """Hear several recordings together: those with equally many steps share a run of the network.

    The verdicts are the same as for recordings heard alone. The more recordings a run has, the
    less each costs.
    """
    waiting = [hearing.stream for hearing in hearings]
    while waiting:
        alike: dict[int, list[StreamDetector]] = {}
        for stream in waiting:
            if n_steps := stream.n_ready:
                alike.setdefault(n_steps, []).append(stream)
        for n_steps, streams in alike.items():
            run_together(streams, n_steps)
        # Those whose first voice was found, or is not yet, have more to hear.
        waiting = [stream for streams in alike.values() for stream in streams]


def _conclude(stream: StreamDetector) -> Verdict:
    """Hear samples to their end, and teach the store if it learns."""
    verdict = stream.flush()
    if stream.follower is None:
        return verdict
    stream.follower.conclude(stream.network_verdict())
    # Another process may have taught the store meanwhile what this call repeats.
    return stream.verdict()
