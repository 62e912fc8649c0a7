"""Campaigns over time, as one SVG file."""

import math
from collections.abc import Iterator, Sequence
from xml.etree import ElementTree

from audio_model.errors import printable
from audio_model.known.campaigns import Campaign
from audio_model.pages.markup import Element, tag
from audio_model.times import DAY_SECONDS, utc

MAX_CAMPAIGNS = 40
"""The largest; more are not told apart on one picture."""

_BINS = 96
_LEFT, _WIDTH, _RIGHT = 260, 720, 70
_ROW, _TOP, _BOTTOM = 26, 34, 34
_TICKS = 5
_STYLE = """
text { font: 12px sans-serif; fill: #222 } .faint { fill: #666 } line { stroke: #ddd }
rect { fill: #2a6f97 }
@media (prefers-color-scheme: dark) {
  svg { background: #16191d } text { fill: #e6e6e6 } .faint { fill: #9aa } line { stroke: #333 }
  rect { fill: #62b6cb }
}
"""


def picture(campaigns: Sequence[Campaign], paths: Sequence[str]) -> str:
    """Return an SVG with a row for each campaign: bars as high as the calls in that time.

    Args:
        campaigns: sorted as they are to be shown.
        paths: paths of the archive's recordings, which name the exemplars.
    """
    shown = campaigns[:MAX_CAMPAIGNS]
    height = _TOP + _ROW * max(1, len(shown)) + _BOTTOM
    times = [call.time for campaign in shown for call in campaign.calls]
    known = [time for time in times if not math.isnan(time)]
    if known:
        low, span = min(known), max(max(known) - min(known), 1.0)
        content = [
            tag.text("campaign", x=8, y=20, class_="faint"),
            tag.text("calls", x=_LEFT + _WIDTH + 10, y=20, class_="faint"),
        ]
        for row, campaign in enumerate(shown):
            content += _row(_TOP + row * _ROW, campaign, paths, low, span)
        content += _axis(height - _BOTTOM, low, span)
    else:
        none = "no campaigns" if not shown else "no times known"
        content = [tag.text(none, x=_LEFT, y=_TOP + _ROW / 2)]
    root = tag.svg(
        tag.title(f"{len(campaigns)} campaigns over time"),
        tag.style(_STYLE),
        content,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {_LEFT + _WIDTH + _RIGHT} {height}",
        role="img",
    )
    return ElementTree.tostring(root, encoding="unicode")


def _row(
    top: float, campaign: Campaign, paths: Sequence[str], low: float, span: float
) -> Iterator[Element]:
    counts = [0] * _BINS
    for call in campaign.calls:
        if not math.isnan(call.time):
            counts[min(_BINS - 1, int((call.time - low) / span * _BINS))] += 1
    base = top + _ROW - 4
    yield tag.line(x1=_LEFT, x2=_LEFT + _WIDTH, y1=base, y2=base)
    name = printable(paths[campaign.exemplar.index])
    short = name if len(name) <= 32 else "…" + name[-31:]
    yield tag.text(f"{campaign.number}  {short}", tag.title(name), x=8, y=base - 4)
    yield tag.text(str(len(campaign.calls)), x=_LEFT + _WIDTH + 10, y=base - 4)
    for index, count in enumerate(counts):
        if count:
            tall = max(2.0, (_ROW - 8) * count / max(counts))
            begin = _written(low + index * span / _BINS, span)
            yield tag.rect(
                tag.title(f"campaign {campaign.number}: {count} calls from {begin}"),
                x=_LEFT + index * _WIDTH / _BINS,
                y=base - tall,
                width=_WIDTH / _BINS - 1,
                height=tall,
            )


def _axis(y: float, low: float, span: float) -> Iterator[Element]:
    for tick in range(_TICKS):
        share = tick / (_TICKS - 1)
        x = _LEFT + share * _WIDTH
        yield tag.line(x1=x, x2=x, y1=_TOP, y2=y)
        anchor = "start" if tick == 0 else "end" if tick == _TICKS - 1 else "middle"
        text = _written(low + share * span, span)
        yield tag.text(text, x=x, y=y + 18, class_="faint", text_anchor=anchor)


def _written(time: float, span: float) -> str:
    """Return a time in UTC as text, as finely as the picture shows it."""
    at = utc(time)
    if span < 180:
        return at.strftime("%H:%M:%S")
    return at.strftime("%d %b %H:%M" if span < 30 * DAY_SECONDS else "%d %b %Y")
