"""Charts as inline SVG: bars stretch with the page, texts keep their size.

Every chart has a table of the same numbers behind it, and tells outcomes apart by a mark and a
name beside the colour.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from audio_model.pages.markup import Child, Element, tag
from audio_model.pages.tables import bar, stretched, table_of
from audio_model.pages.texts import Text, joined
from audio_model.report.page.texts import text
from audio_model.tables.results import Outcome

_LEAST_BAR = 2.0
"""Percent of a chart's height, so that one among a million is seen."""

_MARKS = {
    Outcome.RECORDED: "M0 0H10V10H0Z",
    Outcome.UNKNOWN: "M5 1A4 4 0 1 0 5 9A4 4 0 1 0 5 1ZM5 3A2 2 0 1 1 5 7A2 2 0 1 1 5 3Z",
    Outcome.LIVE: "M5 0A5 5 0 1 0 5 10A5 5 0 1 0 5 0Z",
    Outcome.ERROR: "M1.5 0L5 3.5L8.5 0L10 1.5L6.5 5L10 8.5L8.5 10L5 6.5L1.5 10L0 8.5L3.5 5L0 1.5Z",
}
"""Square, ring, disc and cross, 10 by 10."""


@dataclass(frozen=True)
class Axis:
    """Equal bins from ``low`` to ``high``, and the values that are written under them."""

    low: float
    high: float
    bins: int
    ticks: Sequence[tuple[float, str]]
    name: Text
    decimals: int = 2

    def bounds(self, index: int) -> tuple[str, str]:
        """Return the text of a bin's two ends."""
        width = (self.high - self.low) / self.bins
        low = self.low + index * width
        return f"{low:.{self.decimals}f}", f"{low + width:.{self.decimals}f}"


def mark(outcome: Outcome) -> Element:
    """Return the sign of an outcome."""
    return tag.svg(
        tag.path(d=_MARKS[outcome], fill_rule="evenodd"),
        class_=f"mark {outcome}",
        viewBox="0 0 10 10",
        aria_hidden="true",
    )


def named(outcome: Outcome) -> Element:
    """Return the sign and the name of an outcome."""
    return tag.span(mark(outcome), text(outcome), class_="named")


def stacked_bar(counts: Mapping[Outcome, int], *, class_: str = "bar") -> Element:
    """Return one bar, divided by the counts, with the outcomes in their usual order."""
    total = sum(counts.values()) or 1
    pieces, said = [], []
    start = 0.0
    for outcome in Outcome:
        width = 100 * counts.get(outcome, 0) / total
        if width:
            said.append(_counted(text(outcome), counts[outcome], total))
            title = tag.title(said[-1])
            pieces.append(
                tag.rect(title, class_=str(outcome), x=start, y=0, width=width, height=10)
            )
        start += width
    return bar(pieces, label=joined(said), class_=class_)


def share_bar(count: int, total: int) -> Element:
    """Return one bar, as long as its share."""
    return bar([tag.rect(x=0, y=0, width=100 * count / total, height=10)], class_="bar share")


def histograms(panels: Mapping[Outcome, Sequence[int]], axis: Axis, label: Text) -> Element:
    """Return histograms one above the other over one axis, each with a scale of its own."""
    shown = {outcome: counts for outcome, counts in panels.items() if any(counts)}
    if not shown:
        return tag.p(text("none"), class_="quiet")
    rows: list[Element] = []
    for outcome, counts in shown.items():
        total = tag.span(f"{sum(counts):,}", class_="number")
        highest = tag.span(text("highest", n=max(counts)), class_="quiet")
        rows.append(_panel([named(outcome), total, highest], columns(counts, axis, outcome)))
    rows.append(axis_line(axis))
    table = [
        [" – ".join(axis.bounds(index)), *(f"{counts[index]:,}" for counts in shown.values())]
        for index in range(axis.bins)
        if any(counts[index] for counts in shown.values())
    ]
    return chart(rows, label, table_of([text("range"), *map(named, shown)], table, label=label))


def columns(counts: Sequence[int], axis: Axis, class_: str, *, power: float = 1) -> Element:
    """Return bars over an axis, whose heights follow the counts to a power."""
    most = max(counts)
    bars = []
    for index, count in enumerate(counts):
        if count:
            height = max(100 * (count / most) ** power, _LEAST_BAR)
            low, high = axis.bounds(index)
            said = text("bin", low=low, high=high, n=count)
            bars.append(_column(index, 100 - height, height, said))
    return stretched(bars, axis.bins, class_=f"columns {class_}")


def axis_line(axis: Axis) -> Element:
    """Return the labels under a chart."""
    labels = []
    for value, written in axis.ticks:
        share = (value - axis.low) / (axis.high - axis.low)
        anchor = "start" if share < 0.02 else "end" if share > 0.98 else "middle"
        labels.append(tag.text(written, x=f"{100 * share:.2f}%", y=13, text_anchor=anchor))
    line = tag.svg(labels, class_="axis", aria_hidden="true")
    return tag.div(line, tag.p(axis.name, class_="axis-name"), class_="panel")


def days(counts: Mapping[str, Mapping[Outcome, int]], label: Text, group: Text) -> Element:
    """Return stacked columns, one a day (or month), over the share that was recorded."""
    most = max(sum(day.values()) for day in counts.values()) or 1
    stacks, shares = [], []
    for index, (day, by_outcome) in enumerate(counts.items()):
        total = sum(by_outcome.values())
        if not total:
            continue
        top = 100.0
        for outcome in Outcome:
            height = 100 * by_outcome.get(outcome, 0) / most
            top -= height
            if height:
                stacks.append(_column(index, top, height, f"{day}: {total:,}", outcome))
        recorded = by_outcome.get(Outcome.RECORDED, 0)
        said = f"{day}: {percent(recorded, total)}"
        shares.append(_column(index, 97 * (1 - recorded / total), 3, said, Outcome.RECORDED))
    names = list(counts)
    middle = [(len(names) / 2, names[len(names) // 2])] if len(names) > 4 else []
    ticks = [(0.0, names[0]), *middle, *([(len(names), names[-1])] if len(names) > 1 else [])]
    axis = Axis(0, len(names), len(names), ticks, group)
    calls = stretched(stacks, len(names), class_="columns tall")
    highest = tag.span(text("highest", n=most), class_="quiet")
    recorded_shares = stretched(shares, len(names), class_="columns")
    scale = tag.span("0 – 100 %", class_="quiet")
    rows = [
        _panel([*map(named, Outcome), highest], calls),
        _panel([tag.span(text("share_recorded")), scale], recorded_shares),
        axis_line(axis),
    ]
    return chart(rows, label, group_table(counts.items(), group, label=label))


def _column(
    index: int, top: float, height: float, said: Text | str, outcome: Outcome | None = None
) -> Element:
    """Return a column of a chart; what it says is read where a pointer rests on it."""
    return tag.rect(
        tag.title(said), class_=outcome, x=index + 0.07, y=top, width=0.86, height=height
    )


def _panel(head: Iterable[Element], drawn: Element) -> Element:
    return tag.div(tag.div(head, class_="panel-head"), drawn, class_="panel")


def group_table(
    groups: Iterable[tuple[Child, Mapping[Outcome, int]]],
    name: Text,
    *,
    label: Text,
    bars: bool = False,
) -> Element:
    """Return a table of counts of groups by outcome, with a bar each if asked for."""
    rows: list[list[Child]] = []
    for group, counts in groups:
        total = sum(counts.values())
        if not total:
            continue
        row: list[Child] = [group]
        if bars:
            row.append(stacked_bar(counts))
        row += [f"{total:,}", *(f"{counts.get(outcome, 0):,}" for outcome in Outcome)]
        row.append(percent(counts.get(Outcome.RECORDED, 0), total))
        rows.append(row)
    drawn = [text("verdicts")] if bars else []
    head: list[Child] = [name, *drawn, text("total"), *map(named, Outcome)]
    wide = range(len(head) - 4, len(head))
    return table_of([*head, text("share_recorded")], rows, label=label, wide=wide)


def chart(rows: Iterable[Element], label: Text, table: Element) -> Element:
    """Return a drawing with a name for readers who do not see it, and its table behind it."""
    drawing = tag.div(rows, role="img", aria_label=label)
    return tag.figure(drawing, tag.details(tag.summary(text("as_table")), table))


def percent(part: int, whole: int) -> str:
    """Return a share as text, exact enough for its size."""
    if not whole:
        return "–"
    share = 100 * part / whole
    return f"{share:.0f} %" if share in (0, 100) else f"{share:.{1 if share >= 1 else 2}f} %"


def _counted(name: Text, count: int, total: int) -> Text:
    said = f"{{name}}: {count:,} ({percent(count, total)})"
    return Text(said, said).format(name=name)
