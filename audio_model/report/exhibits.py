"""The recordings that a page shows: their audio as it was heard, and the score over time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from audio_model import audio
from audio_model.audio import Channel, Encoding, RawFormat
from audio_model.detector import Detector
from audio_model.errors import AudioError
from audio_model.frontend import SAMPLE_RATE, Samples
from audio_model.sources.open import from_folder, open_source
from audio_model.tables.results import Result
from audio_model.tables.rows import unescape

MAX_SHOWN_SECONDS = 30.0
_SAME_SCORE = 1e-3
"""Scores of one model on two machines differ by less."""

_BEYOND = 1e9

Curve = Sequence[tuple[float, float]]
"""(seconds, score) at the end of each step."""


@dataclass(frozen=True)
class Exhibit:
    """One recording, ready to be drawn."""

    result: Result
    samples: Samples | None = None
    """8 kHz, what was heard of it [shape=(n_samples,)]; None if it cannot be read now."""
    curve: Curve = ()
    strongest: tuple[float, float] | None = None
    """The stretch, in seconds, that spoke most for the verdict."""
    problem: str = ""
    """Why there is no audio."""
    score_now: float | None = None
    """The score by the model at hand, where it differs from the row. There is no curve then."""


class Exhibitor:
    """Reads recordings again as a run heard them."""

    def __init__(
        self, detector: Detector, asked: Mapping[str, object], start: Path = Path()
    ) -> None:
        """Prepare to read recordings for a page.

        Args:
            detector: scores them, for the curve, where the rows hold none.
            asked: the options of the run, as its manifest has them; empty for a single file.
            start: the folder at which relative paths start.
        """
        self._detector, self._asked, self._start = detector, asked, start

    def exhibit(self, result: Result) -> Exhibit:
        """Read a recording and find its score over time. An error becomes part of the exhibit."""
        seconds = min(result.seconds or self._detector.rule.max_seconds, MAX_SHOWN_SECONDS)
        path = from_folder(self._start, unescape(result.path))
        try:
            samples = read_again(path, result.channel, self._asked, seconds)
        except AudioError as error:
            return Exhibit(result, problem=error.message)
        if curve := parse_curve(result.curve):
            return Exhibit(result, samples, curve, parse_stretch(result.strongest))
        verdict = self._detector.score_samples(samples, SAMPLE_RATE, max_seconds=seconds)
        if result.score is None or not abs(verdict.score - result.score) < _SAME_SCORE:
            return Exhibit(result, samples, score_now=verdict.score)
        evidence = verdict.evidence
        curve = tuple(zip(evidence.times, evidence.scores, strict=True))
        return Exhibit(result, samples, curve, evidence.strongest)


def read_again(path: str, channel: str, asked: Mapping[str, object], max_seconds: float) -> Samples:
    """Return a recording as a run heard it [shape=(n_samples,)], 8 kHz.

    Args:
        path: where the recording is.
        channel: the channel that the row names, or "".
        asked: the options of the run: its channel, and the format of files without a header.
        max_seconds: how much to read.

    Raises AudioError, also if the recording breaks a decoder: a page goes on without it.
    """
    named = (each for each in (channel, asked.get("channel")) if each in list(Channel))
    try:
        with open_source(path) as file:
            return audio.read(
                file,
                max_seconds=max_seconds,
                channel=Channel(str(next(named, Channel.MIX))),
                raw_format=parse_raw_format(asked.get("raw")),
                name=path,
            )
    except AudioError:
        raise
    except Exception as error:
        raise AudioError(path, f"{type(error).__name__}: {error}") from error


def parse_curve(value: object) -> Curve:
    """Return the curve of a row of JSON lines, empty if the value is none."""
    pairs = [_pair(point) for point in value] if isinstance(value, list) else []
    curve = [pair for pair in pairs if pair is not None and pair[0] >= 0 and 0 <= pair[1] <= 1]
    return curve if len(curve) == len(pairs) else ()


def parse_stretch(value: object) -> tuple[float, float] | None:
    """Return the start and end of a stretch in a row of JSON lines, or None."""
    pair = _pair(value)
    return pair if pair is not None and 0 <= pair[0] <= pair[1] else None


def _pair(value: object) -> tuple[float, float] | None:
    match value:
        case [int() | float() as first, int() | float() as second]:
            # NaN and infinities are no JSON, but Python reads them.
            fine = abs(first) < _BEYOND and abs(second) < _BEYOND
            return (float(first), float(second)) if fine else None
    return None


def parse_raw_format(value: object) -> RawFormat | None:
    """Return the format of headerless files (encoding, rate, channels) by a run's manifest."""
    match str(value).split():
        case [encoding, rate, channels] if encoding in list(Encoding):
            return RawFormat(Encoding(encoding), int(rate), int(channels))
    return None
