"""The page about the changes between two results."""

from collections.abc import Iterable, Mapping

from audio_model.errors import printable
from audio_model.pages.frame import page, section, tile
from audio_model.pages.markup import Child, Element, tag
from audio_model.pages.tables import table_of
from audio_model.pages.texts import Text
from audio_model.report.compare import (
    CLASSES,
    SHIFT_STEPS,
    Comparison,
    Missing,
    Shifts,
    ShiftsOfSlice,
)
from audio_model.report.compare_text import QUANTILES, gap_sides
from audio_model.report.drift import Drift
from audio_model.report.page.cards import path_of
from audio_model.report.page.drawing import (
    Axis,
    axis_line,
    chart,
    columns,
    named,
    percent,
    stacked_bar,
)
from audio_model.report.page.groups import group_name, title_of
from audio_model.report.page.texts import text
from audio_model.tables.results import Outcome, Result

_SHOWN_GROUPS = 20
_BINS_A_SIDE = 40
_LEAST_REACH = 50
"""Steps of a shift that are drawn however small all are."""


def compare_page(comparison: Comparison, old: str, new: str, max_flips: float | None) -> str:
    """Return the page as HTML.

    Args:
        comparison: the changes.
        old, new: names of the two sides, as they were given.
        max_flips: the share of verdicts that may flip, if one was set.
    """
    lead = tag.span(
        text("old"), " ", tag.b(printable(old)), " · ", text("new"), " ", tag.b(printable(new))
    )
    return page(
        text("compare_title"),
        lead,
        _verdict(comparison, max_flips),
        *(_joined(comparison) if comparison.overall.joined else ()),
        _drift(comparison.drift),
        *(_slice(each) for each in comparison.slices if len(each.groups) > 1),
        _largest(comparison),
        _missing(comparison),
    )


def _joined(comparison: Comparison) -> Iterable[Element]:
    return _overview(comparison), _matrix(comparison), _shifts(comparison)


def _drift(drift: Drift) -> Element:
    rows: list[list[Child]] = []
    for gap in drift.gaps():
        sizes = (f"{100 * size:.1f}" for size in (gap.size, gap.chance))
        said = tag.b(text("is_drift")) if gap.is_drift else ""
        rows.append([text(f"drift_{gap.name}"), *gap_sides(gap), *sizes, said])
    head = [text(key) for key in ("measure", "old", "new", "gap", "gap_by_chance", "is_drift")]
    table = table_of(head, rows, label=text("drift"), wide=(4,))
    old, new = (f"{n:,}" for n in drift.rows)
    about = text("drift_about", old=old, new=new)
    return section(text("drift"), tag.figure(table), about=about)


def _verdict(comparison: Comparison, max_flips: float | None) -> Element | None:
    if max_flips is None:
        return None
    over = comparison.overall.flip_rate > max_flips
    said = text("too_many_flips" if over else "within_flips", limit=f"{100 * max_flips:g} %")
    return tag.section(tag.p(said, class_="warning" if over else "note"))


def _overview(comparison: Comparison) -> Element:
    overall = comparison.overall
    share = tag.small(percent(overall.flips, overall.joined))
    tiles = [
        tile(f"{overall.joined:,}", text("joined")),
        tile(tag.span(f"{overall.flips:,}", share), text("flips")),
        tile(f"{comparison.opposite:,}", text("opposite")),
        tile(_signed(overall.mean), text("mean_shift")),
    ]
    return tag.section(tag.dl(tiles, class_="tiles"))


def _matrix(comparison: Comparison) -> Element:
    counts = comparison.matrix
    of_old = {old: sum(counts[old, new] for new in Outcome) for old in Outcome}
    of_new = {new: sum(counts[old, new] for old in Outcome) for new in Outcome}
    rows: list[list[Child]] = [
        [
            named(old),
            *(_cell(counts[old, new], _change(old, new)) for new in Outcome),
            _cell(of_old[old]),
        ]
        for old in Outcome
    ]
    rows.append([text("all_rows"), *map(_cell, of_new.values()), _cell(comparison.overall.joined)])
    bars: list[list[Child]] = [
        [text("old"), stacked_bar(of_old)],
        [text("new"), stacked_bar(of_new)],
    ]
    return section(
        text("matrix"),
        tag.figure(
            table_of([text("side"), text("verdicts")], bars, label=text("verdicts")),
            table_of(
                [text("old_to_new"), *map(named, Outcome), text("all_rows")],
                rows,
                label=text("matrix"),
            ),
            class_="matrix",
        ),
        about=text("matrix_about"),
    )


def _cell(count: int, kind: str = "") -> Element:
    return tag.span(f"{count:,}", class_=f"cell {kind if count else 'quiet'}".strip())


def _change(old: Outcome, new: Outcome) -> str:
    if old is new:
        return ""
    return "turned" if old in CLASSES and new in CLASSES else "flipped"


def _shifts(comparison: Comparison) -> Element:
    overall = comparison.overall
    if overall.mean_size is None:
        return section(text("shifts"), tag.p(text("no_scores"), class_="quiet"))
    counts, axis = _drawn(comparison.histogram)
    rows: list[list[Child]] = [
        [" – ".join(axis.bounds(index)), f"{count:,}"]
        for index, count in enumerate(counts)
        if count
    ]
    drawing = tag.div(columns(counts, axis, "shift tall", power=0.5), class_="panel")
    low, middle, high = (_signed(comparison.quantile(share)) for share in QUANTILES)
    said = text("quantiles", low=low, middle=middle, high=high, size=f"{overall.mean_size:.4f}")
    return section(
        text("shifts"),
        chart(
            [drawing, axis_line(axis)],
            text("shifts"),
            table_of([text("range"), text("count")], rows, label=text("shifts")),
        ),
        tag.p(said, class_="about"),
        about=text("shifts_about"),
    )


def _drawn(histogram: Mapping[int, int]) -> tuple[list[int], Axis]:
    """Return the shifts as far as they reach, in bins of whole steps.

    Zero is in the centre of the middle bin.
    """
    reach = max(max(map(abs, histogram)), _LEAST_REACH)
    steps = 2 * (reach // (2 * _BINS_A_SIDE) + 1) - 1
    side = (reach + steps // 2) // steps
    counts = [0] * (2 * side + 1)
    for shift, count in histogram.items():
        counts[(shift + side * steps + steps // 2) // steps] += count
    edge = (side + 0.5) * steps / SHIFT_STEPS
    tick = max(round(edge / 2, 1), 0.05)
    values = [n * tick for n in range(-2, 3) if abs(n * tick) <= edge]
    ticks = [(value, f"{value:+.2g}" if value else "0") for value in values]
    return counts, Axis(-edge, edge, len(counts), ticks, text("shift_axis"), decimals=4)


def _slice(each: ShiftsOfSlice) -> Element:
    title = title_of(each.by)
    rows: list[list[Child]] = [
        [group_name(each.by, name), *_cells(group)] for name, group in each.shown(_SHOWN_GROUPS)
    ]
    head = [
        text(key)
        for key in (
            "group",
            "joined",
            "flip_rate",
            "mean_shift_short",
            "mean_size",
            "share_old",
            "share_new",
        )
    ]
    table = table_of(head, rows, label=title, wide=(1, 4, 5))
    return section(title, tag.figure(table))


def _cells(shifts: Shifts) -> Iterable[Child]:
    yield f"{shifts.joined:,}"
    yield percent(shifts.flips, shifts.joined)
    yield _signed(shifts.mean)
    yield "–" if shifts.mean_size is None else f"{shifts.mean_size:.4f}"
    for count in shifts.recorded:
        yield percent(count, shifts.joined)


def _largest(comparison: Comparison) -> Element | None:
    rows: list[list[Child]] = []
    for old, new in comparison.largest.sorted():
        if old.score is None or new.score is None or old.score == new.score:
            continue
        rows.append([path_of(new), *_side(old), *_side(new), _signed(new.score - old.score)])
    if not rows:
        return None
    score_of = [text("score_of_side", side=text(side)) for side in ("old", "new")]
    head = [text("recording"), text("old"), score_of[0], text("new"), score_of[1], text("shift")]
    table = table_of(head, rows, label=text("largest"), wide=(2, 4))
    return section(text("largest"), tag.figure(table))


def _side(result: Result) -> Iterable[Child]:
    yield named(result.outcome)
    yield "–" if result.score is None else f"{result.score:.3f}"


def _missing(comparison: Comparison) -> Element | None:
    sides: Mapping[str, Missing] = {
        "only_old": comparison.only_old,
        "only_new": comparison.only_new,
    }
    lists = [
        _missing_list(text(key, n=side.count), side) for key, side in sides.items() if side.count
    ]
    return section(text("missing"), tag.figure(lists, class_="warning")) if lists else None


def _missing_list(title: Text, missing: Missing) -> Element:
    items = [tag.li(path_of(result)) for result in missing.examples]
    if missing.count > len(items):
        items.append(tag.li("…"))
    return tag.div(tag.h3(title), tag.ul(items))


def _signed(value: float | None) -> str:
    return "–" if value is None else f"{value:+z.3f}"
