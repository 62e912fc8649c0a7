"""A timeline of held ranges: a lane for each, over one axis of the machine's clock."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise

from audio_model.errors import printable
from audio_model.pages.markup import Child, Element, tag
from audio_model.pages.texts import Text, joined
from audio_model.ranges.breaker import Change
from audio_model.ranges.texts import text
from audio_model.ranges.tree import State
from audio_model.times import DAY_SECONDS, local

MAX_LANES = 40
MAX_TICKS = 6
_MINUTE, _HOUR = 60, 3600
_STEPS = (
    *(_MINUTE * n for n in (1, 2, 5, 10, 15, 30)),
    *(_HOUR * n for n in (1, 2, 3, 6, 12)),
    *(DAY_SECONDS * n for n in (1, 2, 7, 14, 28, 91, 182, 365, 3650, 36500)),
)
"""Seconds between ticks."""
_LEAST_WIDTH = 0.5
"""Percent of the axis, so that a moment is seen."""

CLASSES = {State.WARNED: "unknown", State.OPEN: "recorded", State.HALF_OPEN: "live"}
"""Colours of the states that hold a range."""


def timeline(changes: Sequence[Change], now: float) -> Element:
    """Return the drawing.

    Args:
        changes: at least one, in the order of their times.
        now: the end of the axis, seconds since 1970.
    """
    lanes: dict[str, list[Change]] = {}
    for change in changes:
        if change.before is not change.after:
            # The range that moved last comes first.
            lanes[change.prefix] = [*lanes.pop(change.prefix, []), change]
    first = min(change.time for change in changes)
    span = max(now - first, 1.0)
    marks = [(100 * (at - first) / span, written) for at, written in ticks(first, first + span)]
    lines = [
        tag.line(class_="line", x1=f"{x:.2f}%", x2=f"{x:.2f}%", y1=0, y2="100%") for x, _ in marks
    ]
    rows = [
        _lane(prefix, lanes[prefix], first, span, lines) for prefix in list(lanes)[::-1][:MAX_LANES]
    ]
    return tag.figure(tag.div(rows, _axis(marks), class_="lanes"))


def ticks(first: float, last: float) -> list[tuple[float, str]]:
    """Return round moments of the machine's clock, in seconds since 1970, with their labels.

    Days are labelled at midnight, hours and minutes otherwise.
    """
    step = next((each for each in _STEPS if (last - first) / each <= MAX_TICKS), _STEPS[-1])
    begin = local(first).replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    found: list[tuple[float, str]] = []
    # Ticks are of the wall's clock, which daylight saving moves; there are few of them.
    n = int(max(first - begin.timestamp(), 0) // step)
    while len(found) <= 2 * MAX_TICKS:
        try:
            wall = begin + timedelta(seconds=step * n)
        except OverflowError:
            break
        n += 1
        at = wall.timestamp()
        if at > last:
            break
        if at >= first:
            found.append((at, _written(wall, step)))
    return found


def _written(wall: datetime, step: int) -> str:
    if step > 28 * DAY_SECONDS:
        return f"{wall:%Y-%m-%d}"
    return f"{wall:%m-%d}" if wall.hour == wall.minute == 0 else f"{wall:%H:%M}"


def _lane(
    prefix: str, changes: Sequence[Change], first: float, span: float, lines: Sequence[Element]
) -> Element:
    ends = [later.time for _, later in pairwise(changes)] + [first + span]
    parts: list[Child] = [*lines, tag.line(class_="base", x1="0%", x2="100%", y1="50%", y2="50%")]
    said: list[Text] = []
    for change, end in zip(changes, ends, strict=True):
        if change.after not in CLASSES:
            continue
        times = {"start": _clock(change.time), "end": _clock(end)}
        said.append(text("held_from", state=text(change.after), **times))
        width = min(max(100 * (end - change.time) / span, _LEAST_WIDTH), 100)
        x = min(100 * (change.time - first) / span, 100 - width)
        parts.append(
            tag.rect(
                tag.title(said[-1]),
                class_=CLASSES[change.after],
                x=f"{x:.2f}%",
                width=f"{width:.2f}%",
                y="20%",
                height="60%",
            )
        )
    drawing = tag.svg(parts, role="img", aria_label=joined(said))
    return tag.div(tag.b(printable(prefix)), drawing, class_="lane")


def _axis(marks: Sequence[tuple[float, str]]) -> Element:
    labels = [
        tag.text(
            written,
            x=f"{x:.2f}%",
            y=13,
            text_anchor="start" if x < 4 else "end" if x > 96 else "middle",
        )
        for x, written in marks
    ]
    axis = tag.svg(labels, class_="axis", aria_hidden="true")
    return tag.div(tag.span(), axis, class_="lane")


def _clock(moment: float) -> str:
    return f"{local(moment):%m-%d %H:%M:%S}"
