"""The page of figures: over time, by segment, by campaign, and of marks."""

from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlencode

from audio_model.desk import layout
from audio_model.desk.layout import View, text
from audio_model.pages.frame import section
from audio_model.pages.markup import Child, Element, tag
from audio_model.pages.tables import percent, stretched
from audio_model.pages.texts import Text
from audio_model.records.periods import Unit
from audio_model.records.statistics import StoreStatistics
from audio_model.records.tables import MOMENTS, Cell, Table

_SHARES = ("recorded_share",)
_GROWTHS = ("growth", "recorded_growth")
_SERVICE = ("95", "96")
_CAMPAIGNS = 2
"""Place of their table."""
MAX_ROWS = 20
"""Campaigns on the page. A phone shows a row as a card of eight lines."""


@dataclass(frozen=True)
class Asked:
    """The figures that a person wants."""

    unit: Unit
    first: str
    last: str
    """Days, ``2026-11-29``."""

    def query(self) -> str:
        """Return the choice as the query of an address."""
        return urlencode({"unit": self.unit, "from": self.first, "to": self.last})


def statistics_page(view: View, asked: Asked, figures: StoreStatistics, zone: str) -> str:
    """Return the page of figures, as charts and tables.

    Args:
        view: the reader.
        asked: the choice of figures.
        figures: all tables.
        zone: the name of the days' zone.
    """
    period = figures.period
    titles = [
        text("by_period"),
        text("by_segment", period=period.name),
        text("by_campaign", period=period.name),
        text("by_mark"),
        text("by_source"),
    ]
    parts: list[Child] = [
        tag.p(text("statistics_lead", zone=zone), class_="about"),
        _chooser(asked),
    ]
    for number, (table, title) in enumerate(zip(figures.tables, titles, strict=True)):
        link = tag.a(
            text("csv"),
            href=f"/statistics/{table.name}.csv?{asked.query()}",
            aria_label=_csv_label(title),
        )
        parts.append(
            section(
                title,
                tag.p(text("against", period=figures.before.name), class_="quiet")
                if number in (1, 2)
                else None,
                _chart(table) if number == 0 and table.rows else None,
                _table(view, table, title),
                tag.p(text("more_in_csv", n=len(table.rows) - MAX_ROWS), class_="quiet")
                if number == _CAMPAIGNS and len(table.rows) > MAX_ROWS
                else None,
                tag.p(link),
            )
        )
    return layout.page(view, "statistics", text("statistics_title"), *parts)


def _csv_label(title: Text) -> Text:
    return Text(f"{title.en}, CSV", f"{title.zh}，CSV")


def _chooser(asked: Asked) -> Element:
    options = [
        tag.option(text(each.value), value=each.value,
            selected="selected" if each is asked.unit else None,
        )
        for each in Unit
    ]  # fmt: skip
    return tag.form(
        tag.label(tag.span(text("unit")), tag.select(options, name="unit")),
        layout.field("from", "from", type="date", value=asked.first, required="required"),
        layout.field("to", "to", type="date", value=asked.last, required="required"),
        layout.button("show"),
        class_="fields",
        method="get",
        action="/statistics",
    )


def _chart(table: Table) -> Element:
    """Return columns of calls, with their recorded part at the bottom."""
    rows = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
    most = max(_int(row["calls"]) for row in rows) or 1
    bars = []
    for index, row in enumerate(rows):
        for key, class_ in (("calls", "unknown"), ("recorded", "recorded")):
            height = 100 * _int(row[key]) / most
            if height:
                said = f"{row['period']}: {_int(row['recorded']):,} / {_int(row['calls']):,}"
                bars.append(
                    tag.rect(
                        tag.title(said),
                        class_=class_,
                        x=index + 0.1,
                        y=100 - height,
                        width=0.8,
                        height=height,
                    )
                )
    names = [str(row["period"]) for row in rows]
    chart = stretched(bars, len(rows), label=text("period_chart"), class_="columns tall")
    ticks = [names[0], *([names[len(names) // 2]] if len(names) > 4 else []), names[-1]]
    return tag.figure(
        tag.p(text("recorded_of"), f" · {most:,}", class_="quiet"),
        chart,
        tag.div([tag.span(each) for each in dict.fromkeys(ticks)], class_="ticks"),
    )


def _table(view: View, table: Table, title: Text) -> Element:
    head = [text(f"column_{name}") for name in table.columns]
    rows: list[list[Child]] = [
        [_cell(view, name, cell) for name, cell in zip(table.columns, row, strict=True)]
        for row in _shown(table)
    ]
    return layout.table(title, head, rows)


def _shown(table: Table) -> Iterable[tuple[Cell, ...]]:
    """Return the rows that the page shows: the latest periods first, the largest campaigns."""
    match table.columns[0]:
        case "period":
            # Most days have no marks: their rows stand in the CSV.
            place = table.columns.index("marks") if "marks" in table.columns else None
            return [row for row in reversed(table.rows) if place is None or row[place]]
        case "campaign":
            return table.rows[:MAX_ROWS]
        case _:
            return table.rows


def _cell(view: View, name: str, cell: Cell) -> Child:
    if cell is None:
        return "–"
    if name in _SHARES and isinstance(cell, int | float):
        return percent(cell)
    if name in _GROWTHS and isinstance(cell, int | float):
        return f"{100 * cell:+.0f}\u00a0%"
    if name in MOMENTS and isinstance(cell, int | float):
        return view.moment(cell)
    if isinstance(cell, int):
        return f"{cell:,}"
    if name == "segment":
        depth = len(str(cell)) - 2 if str(cell).startswith(_SERVICE) else 0
        words = text(f"kind_{cell}") if f"kind_{cell}" in text.table else view.number(str(cell))
        return tag.span(words, class_=f"nested-{min(max(depth, 0), 2)}")
    if name == "mark":
        return text(f"campaign_{cell}") if cell else "–"
    return view.path(str(cell))


def _int(cell: Cell) -> int:
    return cell if isinstance(cell, int) else 0
