"""Campaigns over time, as one SVG file."""

import math
from collections.abc import Sequence
from xml.etree import ElementTree

from audio_model.errors import printable
from audio_model.known.campaigns import Campaign
from audio_model.times import utc

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
    width = _LEFT + _WIDTH + _RIGHT
    root = ElementTree.Element(
        "svg", xmlns="http://www.w3.org/2000/svg", viewBox=f"0 0 {width} {height}", role="img"
    )
    _add(root, "title", f"{len(campaigns)} campaigns over time")
    _add(root, "style", _STYLE)
    times = [call.time for campaign in shown for call in campaign.calls]
    known = [time for time in times if not math.isnan(time)]
    if not known:
        none = "no campaigns" if not shown else "no times known"
        _add(root, "text", none, x=_LEFT, y=_TOP + _ROW / 2)
        return ElementTree.tostring(root, encoding="unicode")
    low, high = min(known), max(known)
    span = max(high - low, 1.0)
    _add(root, "text", "campaign", x=8, y=20, class_="faint")
    _add(root, "text", "calls", x=_LEFT + _WIDTH + 10, y=20, class_="faint")
    for row, campaign in enumerate(shown):
        _draw_row(root, _TOP + row * _ROW, campaign, paths, (low, span))
    _draw_axis(root, height - _BOTTOM, low, span)
    return ElementTree.tostring(root, encoding="unicode")


def _draw_row(
    root: ElementTree.Element,
    top: float,
    campaign: Campaign,
    paths: Sequence[str],
    scale: tuple[float, float],
) -> None:
    low, span = scale
    counts = [0] * _BINS
    for call in campaign.calls:
        if not math.isnan(call.time):
            counts[min(_BINS - 1, int((call.time - low) / span * _BINS))] += 1
    base = top + _ROW - 4
    _add(root, "line", x1=_LEFT, x2=_LEFT + _WIDTH, y1=base, y2=base)
    name = printable(paths[campaign.exemplar.index])
    short = name if len(name) <= 32 else "…" + name[-31:]
    label = _add(root, "text", f"{campaign.number}  {short}", x=8, y=base - 4)
    _add(label, "title", name)
    _add(root, "text", str(len(campaign.calls)), x=_LEFT + _WIDTH + 10, y=base - 4)
    most = max(counts)
    for index, count in enumerate(counts):
        if count:
            tall = max(2.0, (_ROW - 8) * count / most)
            bar = _add(
                root,
                "rect",
                x=_LEFT + index * _WIDTH / _BINS,
                y=base - tall,
                width=_WIDTH / _BINS - 1,
                height=tall,
            )
            begin = _written(low + index * span / _BINS, span)
            _add(bar, "title", f"campaign {campaign.number}: {count} calls from {begin}")


def _draw_axis(root: ElementTree.Element, y: float, low: float, span: float) -> None:
    for tick in range(_TICKS):
        share = tick / (_TICKS - 1)
        x = _LEFT + share * _WIDTH
        _add(root, "line", x1=x, x2=x, y1=_TOP, y2=y)
        anchor = "start" if tick == 0 else "end" if tick == _TICKS - 1 else "middle"
        text = _written(low + share * span, span)
        _add(root, "text", text, x=x, y=y + 18, class_="faint", text_anchor=anchor)


def _written(time: float, span: float) -> str:
    """Return a time in UTC as text, as finely as the picture shows it."""
    at = utc(time)
    if span < 180:
        return at.strftime("%H:%M:%S")
    return at.strftime("%d %b %H:%M" if span < 30 * 86_400 else "%d %b %Y")


def _add(
    parent: ElementTree.Element, tag: str, text: str = "", **attributes: float | str
) -> ElementTree.Element:
    child = ElementTree.SubElement(parent, tag)
    child.text = text or None
    for name, value in attributes.items():
        written = f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
        child.set(name.rstrip("_").replace("_", "-"), written)
    return child
