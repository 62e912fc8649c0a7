"""A call's sound and its picture: decoded once, and kept for a while."""

import json
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from xml.etree import ElementTree

from audio_model.detector import Detector
from audio_model.errors import AudioError
from audio_model.frontend import SAMPLE_RATE, Samples, log_mel
from audio_model.pages.markup import Element, tag
from audio_model.records.store import StoredCall
from audio_model.report.exhibits import read_again
from audio_model.report.page.media import curve_path, spectrogram_uri, wav
from audio_model.tables.rows import unescape

MAX_SECONDS = 60.0
"""The most of a call that people can hear."""
_KEPT = 32
"""Calls whose sound is kept: 480 kB each at most."""


@dataclass(frozen=True)
class PlayableCall:
    """A call that was decoded."""

    wav: bytes
    """8 kHz µ-law."""
    picture: bytes
    """SVG: the spectrogram, and the score over it."""


class CallPlayer:
    """Reads recordings of a store's calls. May be used from several threads."""

    def __init__(self, detector: Detector) -> None:
        self._detector = detector
        self._lock = threading.Lock()
        self._kept: OrderedDict[int, PlayableCall] = OrderedDict()

    def hear(self, call: StoredCall, asked: str) -> PlayableCall:
        """Return a call's sound and picture.

        Args:
            call: a call of the store.
            asked: how its archive was heard, as JSON: its channel, and the format of headerless
                files.

        Raises AudioError if it can't be read now.
        """
        with self._lock:
            if call.n in self._kept:
                self._kept.move_to_end(call.n)
                return self._kept[call.n]
        heard = self._hear(call, json.loads(asked))
        with self._lock:
            self._kept[call.n] = heard
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return heard

    def _hear(self, call: StoredCall, asked: Mapping[str, object]) -> PlayableCall:
        path = unescape(call.path)
        if not path:
            raise AudioError("", "no recording of the call was kept")
        samples = read_again(path, call.channel, asked, MAX_SECONDS)
        verdict = self._detector.score_samples(samples, SAMPLE_RATE)
        evidence = verdict.evidence
        curve = list(zip(evidence.times, evidence.scores, strict=True))
        return PlayableCall(
            wav=wav(samples),
            picture=_picture(samples, curve, evidence.strongest, verdict.decided_at),
        )


def _picture(
    samples: Samples,
    curve: list[tuple[float, float]],
    strongest: tuple[float, float] | None,
    decided_at: float | None,
) -> bytes:
    seconds = max(len(samples) / SAMPLE_RATE, 0.1)
    features = log_mel(samples)
    layers: list[Element] = [tag.rect(width=seconds, height=100, fill="#0d0f1e")]
    if features.shape[1]:
        layers.append(
            tag.image(
                href=spectrogram_uri(features),
                width=seconds,
                height=100,
                preserveAspectRatio="none",
                opacity=0.85,
            )
        )
    layers.append(_line(f"M0 50H{seconds:.2f}", 1, 0.5, dashes="2 4"))
    if strongest is not None:
        start, end = strongest
        layers.append(
            tag.rect(x=start, width=end - start, y=95, height=3, fill="#ffffff", opacity=0.9)
        )
    if curve:
        # A call begins at even odds.
        points = [(0.0, 0.5), *curve]
        path = curve_path(points)
        layers += [_line(path, 5, 0.75, colour="#0d0f1e"), _line(path, 2, 1.0)]
    if decided_at is not None:
        layers.append(_line(f"M{decided_at:.2f} 0V100", 1.5, 0.9, dashes="6 3"))
    svg = tag.svg(
        layers,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {seconds:.3f} 100",
        preserveAspectRatio="none",
    )
    return ElementTree.tostring(svg)


def _line(
    path: str, width: float, opacity: float, *, colour: str = "#ffffff", dashes: str | None = None
) -> Element:
    return tag.path(
        d=path,
        fill="none",
        stroke=colour,
        stroke_width=width,
        stroke_dasharray=dashes,
        stroke_linejoin="round",
        opacity=opacity,
        vector_effect="non-scaling-stroke",
    )
