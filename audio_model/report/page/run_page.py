"""The page about one run."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from audio_model.decision import Reason
from audio_model.errors import printable
from audio_model.pages.frame import page, section, tile
from audio_model.pages.markup import Child, Element, tag
from audio_model.pages.tables import breakable, table_of
from audio_model.pages.texts import Text
from audio_model.ranges.numbers import IMPLAUSIBLE
from audio_model.report.exhibits import Exhibit
from audio_model.report.page.cards import card, path_of
from audio_model.report.page.drawing import (
    Axis,
    days,
    group_table,
    histograms,
    mark,
    named,
    percent,
    share_bar,
    stacked_bar,
)
from audio_model.report.page.groups import group_name, title_of
from audio_model.report.page.texts import text
from audio_model.report.slices import MAX_FOLDERS, Slice, SliceBy, SliceKind, group_folders
from audio_model.report.summary import SCORE_BINS, Summary, median_seconds, wilson_interval
from audio_model.steps import STEPS_PER_SECOND
from audio_model.tables.results import Outcome, Results

_SHOWN_GROUPS = _SHOWN_UNREADABLE = 20
_MAX_DAYS = 120
_STEPS_IN_A_BIN = 3
_MAX_SECOND_BINS = 50
_SHOWN_ITEMS = 5
"""Items that are shown of a list in the run's manifest."""


@dataclass(frozen=True)
class Exhibits:
    """The recordings that are shown for one reason."""

    readable: Sequence[Exhibit] = ()
    unreadable: Sequence[Exhibit] = ()
    """Recordings to show whose files are not where the results say."""


@dataclass(frozen=True)
class Gallery:
    """The recordings that a page shows."""

    uncertain: Exhibits = Exhibits()
    surest_recorded: Exhibits = Exhibits()
    surest_live: Exhibits = Exhibits()

    @property
    def sounds(self) -> int:
        """Return how many recordings can be played."""
        shown = (self.uncertain, self.surest_recorded, self.surest_live)
        return sum(len(exhibits.readable) for exhibits in shown)


def run_page(results: Results, summary: Summary, gallery: Gallery, model: str) -> str:
    """Return the page as HTML.

    Args:
        results: the rows' source.
        summary: the summary of the rows.
        gallery: recordings to look at.
        model: the model that drew the curves, by its file and digest.
    """
    lead: list[Child] = [
        text("report_lead", n=summary.total),
        " ",
        tag.b(breakable(str(results.path))),
    ]
    content: list[Element | None] = [_unfinished(results)]
    if summary.total == 0:
        content.append(tag.section(tag.p(text("empty"), class_="note")))
    else:
        content += [
            _overview(summary),
            _note(),
            _labels(summary),
            *_charts(summary),
            *(_slice(each) for each in summary.slices),
            *_gallery(gallery),
            _causes(summary),
        ]
    content.append(_ran(results, summary, model))
    return page(text("report_title"), tag.span(*lead), *content)


def _unfinished(results: Results) -> Element | None:
    done, planned = len(results.parts), results.planned
    if done >= planned:
        return None
    said = text("unfinished", done=done, planned=planned)
    return tag.section(tag.p(said, class_="warning"))


def _overview(summary: Summary) -> Element:
    counts, total = summary.counts, summary.total
    tiles = [
        tile(
            tag.span(f"{counts[kind]:,}", tag.small(percent(counts[kind], total))),
            mark(kind),
            text("errors" if kind is Outcome.ERROR else kind),
        )
        for kind in Outcome
    ]
    decided = counts[Outcome.RECORDED] + counts[Outcome.LIVE]
    median = median_seconds(sum(summary.decided.values(), Counter()))
    tiles += [
        tile(percent(decided, total), text("decided_share")),
        tile("–" if median is None else f"{median:.1f} s", text("median_decision")),
        tile(_hours(summary.seconds), text("hours_heard")),
    ]
    return section(
        text("overview"), stacked_bar(counts, class_="whole"), tag.dl(tiles, class_="tiles")
    )


def _labels(summary: Summary) -> Element | None:
    """Return the verdicts against the labels; None without labels."""
    if not summary.labels:
        return None
    tiles = []
    for label, key in ((Outcome.RECORDED, "hits"), (Outcome.LIVE, "false_alarms")):
        counts = summary.labels.get(label, Counter())
        heard = counts.total() - counts[Outcome.ERROR]
        if heard:
            flagged = counts[Outcome.RECORDED]
            low, high = (_share(each) for each in wilson_interval(flagged, heard))
            about = tag.small(text("interval", low=low, high=high))
            tiles.append(tile(tag.span(percent(flagged, heard), about), text(key)))
    rows: list[tuple[Child, Mapping[Outcome, int]]] = [
        (named(label), counts) for label, counts in sorted(summary.labels.items(), reverse=True)
    ]
    table = group_table(rows, text("label"), label=text("labels"), bars=True)
    return section(
        text("labels"),
        tag.dl(tiles, class_="tiles"),
        tag.figure(table, class_="groups"),
        about=text("labels_about"),
    )


def _share(share: float) -> str:
    return f"{100 * share:.{1 if share < 0.1 else 0}f} %"


def _hours(seconds: float) -> str:
    hours = seconds / 3600
    return f"{hours:,.0f}" if hours >= 100 else f"{hours:.2g}"


def _note() -> Element:
    return tag.section(
        tag.h2(text("note_title")),
        tag.div(tag.p(text("note_score")), tag.p(text("note_unknown"))),
        class_="note",
    )


def _charts(summary: Summary) -> Iterable[Element]:
    ticks = [(value / 4, f"{value / 4:g}") for value in range(5)]
    scores = Axis(0, 1, SCORE_BINS, ticks, text("score_axis"))
    verdicts = (Outcome.RECORDED, Outcome.UNKNOWN, Outcome.LIVE)
    yield section(
        text("scores"),
        histograms({kind: summary.scores[kind] for kind in verdicts}, scores, text("scores")),
        about=text("scores_about"),
    )
    for key, counts, kinds in (
        ("decisions", summary.decided, (Outcome.RECORDED, Outcome.LIVE)),
        ("speech", summary.speech, verdicts),
    ):
        axis = _seconds_axis(max((step for kind in kinds for step in counts[kind]), default=0))
        panels = {kind: _binned(counts[kind], axis) for kind in kinds}
        yield section(
            text(key), histograms(panels, axis, text(key)), about=text(f"{key}_about"), half=True
        )
    if summary.reasons:
        total = summary.reasons.total()
        rows: list[list[Child]] = [
            [_reason(reason), share_bar(count, total), f"{count:,}", percent(count, total)]
            for reason, count in summary.reasons.most_common()
        ]
        head = [text("reason"), text("share_drawn"), text("count"), text("share")]
        table = table_of(head, rows, label=text("reasons"))
        yield section(text("reasons"), tag.figure(table, class_="groups"))


def _reason(reason: str) -> Child:
    return text(f"reason_{reason}") if reason in list(Reason) else printable(reason)


def _seconds_axis(last_step: int) -> Axis:
    """Return an axis whose bins hold whole steps.

    Otherwise some bins would look emptier than their neighbours.
    """
    bins = last_step // _STEPS_IN_A_BIN + 1
    steps = _STEPS_IN_A_BIN * -(-bins // _MAX_SECOND_BINS)
    bins = last_step // steps + 1
    high = bins * steps / STEPS_PER_SECOND
    stride = max(round(high / 7), 1)
    ticks = [(float(second), str(second)) for second in range(0, int(high) + 1, stride)]
    return Axis(0, high, bins, ticks, text("seconds_axis"))


def _binned(counts: Counter[int], axis: Axis) -> list[int]:
    steps = round(axis.high * STEPS_PER_SECOND) // axis.bins
    binned = [0] * axis.bins
    for step, count in counts.items():
        binned[step // steps] += count
    return binned


def _slice(each: Slice) -> Element | None:
    if len(each.groups) < 2:
        return None
    column = printable(each.by.column)
    title = title_of(each.by)
    match each.by.kind:
        case SliceKind.DAY:
            counts, key = _by_day(each.groups)
            title = text(key, column=column)
            return section(
                title, days(counts, title, text("month" if key == "by_month" else "day"))
            )
        case SliceKind.FOLDER:
            folders: dict[str, Counter[Outcome]] = {}
            for folder, above in group_folders(each.groups, MAX_FOLDERS).items():
                folders.setdefault(above, Counter()).update(each.groups[folder])
            return _group_section(title, each.by, folders, each.beyond)
        case SliceKind.NUMBER:
            about = text("most_recorded_first")
            return _group_section(title, each.by, each.groups, each.beyond, about)
        case SliceKind.PREFIX:
            about = text("prefixes_about", mark=IMPLAUSIBLE)
            return _group_section(title, each.by, each.groups, each.beyond, about)
        case SliceKind.CATEGORY:
            return _group_section(title, each.by, each.groups, each.beyond)


def _group_section(
    title: Text,
    by: SliceBy,
    groups: Mapping[str, Counter[Outcome]],
    beyond: Counter[Outcome],
    about: Text | None = None,
) -> Element:
    most_recorded = by.kind in (SliceKind.NUMBER, SliceKind.PREFIX)

    def rank(item: tuple[str, Counter[Outcome]]) -> tuple[int, int, str]:
        name, counts = item
        recorded = counts[Outcome.RECORDED] if most_recorded else 0
        return -recorded, -counts.total(), name

    ordered = sorted(groups.items(), key=rank)
    rows: list[tuple[Child, Mapping[Outcome, int]]] = [
        (group_name(by, name), counts) for name, counts in ordered[:_SHOWN_GROUPS]
    ]
    rest = ordered[_SHOWN_GROUPS:]
    if rest:
        added: Counter[Outcome] = Counter()
        for _, counts in rest:
            added.update(counts)
        rows.append((text("other_groups", n=len(rest)), added))
    rows.append((text("beyond_groups"), beyond))
    table = group_table(rows, text("group"), label=title, bars=True)
    return section(title, tag.figure(table, class_="groups"), about=about)


def _by_day(groups: Mapping[str, Counter[Outcome]]) -> tuple[dict[str, Counter[Outcome]], str]:
    """Return counts of every day from the first to the last, or of every month for many days."""
    found = sorted(date.fromisoformat(day) for day in groups)
    if (found[-1] - found[0]).days < _MAX_DAYS:
        every = [
            (found[0] + timedelta(days)).isoformat()
            for days in range((found[-1] - found[0]).days + 1)
        ]
        return {day: groups.get(day, Counter()) for day in every}, "by_day"
    months: dict[str, Counter[Outcome]] = {}
    for number in range(
        12 * found[0].year + found[0].month, 12 * found[-1].year + found[-1].month + 1
    ):
        months[f"{(number - 1) // 12:04}-{(number - 1) % 12 + 1:02}"] = Counter()
    for day, counts in groups.items():
        months[day[:7]].update(counts)
    return months, "by_month"


def _gallery(gallery: Gallery) -> Iterable[Element]:
    first = True
    for key, exhibits in (
        ("uncertain", gallery.uncertain),
        ("surest_recorded", gallery.surest_recorded),
        ("surest_live", gallery.surest_live),
    ):
        if not exhibits.readable and not exhibits.unreadable:
            continue
        about = [tag.p(text("figure_about"), class_="about")] if first else []
        if first and gallery.sounds:
            said = text("holds_voices", n=gallery.sounds)
            about.append(tag.p(said, class_="about"))
        first = False
        yield section(
            text(key),
            *about,
            tag.div(map(card, exhibits.readable), class_="cards"),
            _unreadable(exhibits.unreadable),
            about=text("uncertain_about") if key == "uncertain" else None,
        )


def _unreadable(exhibits: Sequence[Exhibit]) -> Element | None:
    if not exhibits:
        return None
    rows: list[list[Child]] = [
        [
            path_of(exhibit.result),
            named(exhibit.result.outcome),
            f"{exhibit.result.score:.3f}",
            tag.span(printable(exhibit.problem), class_="path"),
        ]
        for exhibit in exhibits[:_SHOWN_UNREADABLE]
    ]
    head = [text("recording"), text("verdicts"), text("score"), text("error")]
    table = table_of(head, rows, label=text("unreadable", n=len(exhibits)))
    return tag.details(tag.summary(text("unreadable", n=len(exhibits))), table, class_="words")


def _causes(summary: Summary) -> Element | None:
    if not summary.causes:
        return None
    rows: list[list[Child]] = []
    for name, cause in sorted(summary.causes.items(), key=lambda item: -item[1].count):
        examples = [tag.div(breakable(result.path), class_="path") for result in cause.examples]
        said = printable(name) if name else text("other_causes")
        rows.append([tag.span(said, class_="path"), f"{cause.count:,}", tag.div(examples)])
    table = table_of([text("cause"), text("count"), text("examples")], rows, label=text("causes"))
    return section(text("causes"), tag.figure(table, class_="words"))


def _ran(results: Results, summary: Summary, model: str) -> Element:
    facts: list[tuple[Child, str]] = [
        (text("ran_results"), str(results.path)),
        (text("ran_rows"), f"{summary.total:,}"),
    ]
    if results.rate is not None:
        facts.append((text("ran_rate"), f"{results.rate:,.0f}"))
    facts += [(printable(name), value) for name, value in _flat(results.run)]
    facts.append((text("ran_model"), model))
    terms = [part for name, value in facts for part in (tag.dt(name), tag.dd(printable(value)))]
    return section(text("ran"), tag.figure(tag.dl(terms, class_="ran")))


def _flat(values: Mapping[str, object], prefix: str = "") -> Iterable[tuple[str, str]]:
    for name, value in values.items():
        name = f"{prefix}{name}"
        if isinstance(value, Mapping):
            yield from _flat(value, f"{name} · ")
        elif isinstance(value, list) and all(isinstance(item, Mapping) for item in value):
            for number, item in enumerate(value, start=1):
                yield from _flat(item, f"{name} {number} · ")
        elif isinstance(value, list):
            more = [f"(+ {len(value) - _SHOWN_ITEMS:,})"] if len(value) > _SHOWN_ITEMS else []
            yield name, ", ".join([*map(str, value[:_SHOWN_ITEMS]), *more])
        elif value is not None:
            yield name, str(value)
