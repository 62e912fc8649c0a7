"""A recording on a page: its sound, the sound's picture, and the score over it."""

import posixpath
from collections.abc import Sequence

from audio_model.errors import printable
from audio_model.frontend import SAMPLE_RATE, Samples, log_mel
from audio_model.pages.markup import Element, tag
from audio_model.pages.tables import breakable, stretched
from audio_model.pages.texts import Text
from audio_model.report.exhibits import Exhibit
from audio_model.report.page.drawing import named
from audio_model.report.page.media import curve_path, height_of, spectrogram_uri, wav_uri
from audio_model.report.page.texts import text
from audio_model.tables.results import Result


def card(exhibit: Exhibit) -> Element:
    """Return the card of a recording that could be read."""
    result, samples = exhibit.result, exhibit.samples
    assert samples is not None
    seconds = len(samples) / SAMPLE_RATE
    parts = [
        tag.h3(path_of(result)),
        _facts(result),
        _picture(exhibit, samples),
        _second_marks(seconds),
        tag.audio(
            controls="controls",
            preload="metadata",
            src=wav_uri(samples),
            aria_label=printable(result.path),
        ),
    ]
    if exhibit.score_now is not None:
        said = text("other_score", score=f"{exhibit.score_now:.3f}")
        parts.append(tag.p(said, class_="quiet"))
    return tag.article(parts, class_="card")


def path_of(result: Result) -> Element:
    """Return the path as an element, with its folder in a paler tone."""
    folder, name = posixpath.split(printable(result.path))
    channel = f" · {printable(result.channel)}" if result.channel else None
    return tag.span(
        tag.span(breakable(f"{folder.rstrip('/')}/"), class_="folder") if folder else None,
        breakable(name),
        channel,
        class_="path",
    )


def _facts(result: Result) -> Element:
    facts = [named(result.outcome)]
    if result.score is not None:
        facts.append(tag.span(text("score_at", score=f"{result.score:.3f}")))
    if result.decided_at is not None:
        facts.append(tag.span(text("decided_after", seconds=f"{result.decided_at:.2f}")))
    if result.seconds is not None and result.speech_seconds is not None:
        said = text(
            "speech_of", speech=f"{result.speech_seconds:.1f}", seconds=f"{result.seconds:.1f}"
        )
        facts.append(tag.span(said))
    return tag.p(facts, class_="facts")


def _picture(exhibit: Exhibit, samples: Samples) -> Element:
    seconds = len(samples) / SAMPLE_RATE
    features = log_mel(samples)
    layers: list[Element] = []
    if features.shape[1]:
        layers.append(tag.img(src=spectrogram_uri(features), alt=""))
    if exhibit.curve:
        layers += _curve(exhibit, seconds)
    playhead = tag.line(
        class_="playhead", x1="0%", x2="0%", y1="0%", y2="100%", visibility="hidden"
    )
    layers.append(tag.svg(playhead))
    return tag.div(layers, class_="picture", role="img", aria_label=_label(exhibit, seconds))


def _label(exhibit: Exhibit, seconds: float) -> Text:
    score = exhibit.result.score
    if score is None or not exhibit.curve:
        return text("figure_label_no_score", seconds=f"{seconds:.1f}")
    return text("figure_label", seconds=f"{seconds:.1f}", score=f"{score:.2f}")


def _curve(exhibit: Exhibit, seconds: float) -> list[Element]:
    # A call begins at even odds.
    points = [(0.0, 0.5), *exhibit.curve]
    path = curve_path(points)
    lines = [tag.path(d=path, class_=each) for each in ("curve-under", "curve")]
    marks = [
        tag.line(class_="even", x1="0%", x2="100%", y1="50%", y2="50%"),
        tag.text(text("recorded"), class_="side", x=8, y=16),
        tag.text(text("live"), class_="side", x=8, y="95%"),
    ]
    if exhibit.strongest is not None:
        start, end = exhibit.strongest
        marks.append(
            tag.rect(
                class_="strongest",
                x=f"{100 * start / seconds:.2f}%",
                y="94%",
                width=f"{100 * (end - start) / seconds:.2f}%",
                height="3%",
            )
        )
    at = exhibit.result.decided_at
    if at is not None:
        score = min(points, key=lambda point: abs(point[0] - at))[1]
        x, y = f"{100 * at / seconds:.2f}%", f"{height_of(score):.2f}%"
        marks.append(tag.circle(class_="moment", cx=x, cy=y, r=5))
    return [tag.svg(marks[0]), stretched(lines, seconds), tag.svg(*marks[1:])]


def _second_marks(seconds: float) -> Element:
    ticks: Sequence[int] = range(int(seconds) + 1)
    step = max(len(ticks) // 8, 1)
    marks = [
        tag.text(
            f"{second} s",
            x=f"{100 * second / seconds:.2f}%",
            y=11,
            text_anchor="start" if second == 0 else "end" if second > 0.97 * seconds else "middle",
        )
        for second in ticks[::step]
    ]
    return tag.svg(marks, class_="axis", aria_hidden="true")
