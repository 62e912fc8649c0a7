"""A page about ranges: what is held, all that was held and why, the tree, and the allow-list.

It is complete in one file, speaks English and Chinese, and is light or dark: the frame is the
report's. Times are those of the machine's own zone.
"""

from collections import Counter
from collections.abc import Iterable, Sequence

from audio_model.errors import printable
from audio_model.pages import frame
from audio_model.pages.markup import Child, Element, tag
from audio_model.pages.tables import moment, percent, table_of
from audio_model.pages.texts import Text, joined
from audio_model.ranges.breaker import Change, Why
from audio_model.ranges.describe import range_values
from audio_model.ranges.drawn import range_name, share_bar, state_name, tree
from audio_model.ranges.named import holds_many_owners
from audio_model.ranges.numbers import IMPLAUSIBLE, Flag
from audio_model.ranges.rows import Allowed, PastChange
from audio_model.ranges.store import RangeStore
from audio_model.ranges.texts import text
from audio_model.ranges.timeline import timeline
from audio_model.ranges.tree import Node, State
from audio_model.tables.rows import Value
from audio_model.times import local, zone_of

MAX_HELD = 200
MAX_CHANGES = 1000
"""On the page; a table of all is what ``--history`` writes."""
MAX_ALLOWED = 200
MAX_IMPLAUSIBLE = 40


def page(store: RangeStore, now: float, min_calls: int = 1) -> str:
    """Return the page as HTML.

    Args:
        store: what it is about.
        now: when the states are as they are shown, and the time line ends: of an archive, its last
            call. In seconds since 1970.
        min_calls: the fewest calls of a range that is shown though its breaker never moved.
    """
    nodes = {node.prefix: node for node in store.ranges()}
    history = list(store.history(MAX_CHANGES))
    n_changes = store.n_changes()
    held = sorted((node for node in nodes.values() if node.held), key=lambda node: -node.evidence)
    changed = {past.change.prefix for past in history}
    values = {
        prefix: range_values(node, store.policy)
        for prefix, node in nodes.items()
        if node.calls >= min_calls or node.held or prefix in changed
    }
    forged = [nodes[prefix] for prefix in _roots(nodes) if prefix.startswith(IMPLAUSIBLE)]
    allowed = store.allowed()
    zone = zone_of(local(now))
    about = text("history_about", zone=zone)
    if n_changes > len(history):
        about = text("history_part", zone=zone, shown=len(history), n=n_changes)
    return frame.page(
        text("title"),
        text("lead"),
        frame.section(
            text("now"),
            _tiles(nodes.values(), n_changes, len(allowed)),
            about=text("now_about", at=f"{local(now):%Y-%m-%d %H:%M}", zone=zone),
        ),
        frame.section(text("held"), _held([values[node.prefix] for node in held[:MAX_HELD]], zone)),
        frame.section(
            text("alarms"),
            timeline([past.change for past in history], now)
            if any(past.change.before is not past.change.after for past in history)
            else _quiet("no_alarms"),
            about=text("alarms_about", zone=zone),
        ),
        frame.section(text("history"), _history(history, zone), about=about),
        frame.section(
            text("implausible"),
            _implausible(forged, [values[node.prefix] for node in forged if node.prefix in values]),
            about=text("implausible_about", mark=IMPLAUSIBLE),
        ),
        frame.section(
            text("tree"),
            tag.figure(tree(nodes, values, changed, min_calls), class_="tree"),
            about=text("tree_about", mark=IMPLAUSIBLE),
        ),
        frame.section(text("allowed"), _allowed(allowed, zone), about=text("allowed_about")),
    )


def _quiet(key: str) -> Element:
    return tag.p(text(key), class_="quiet")


def _tiles(nodes: Iterable[Node], n_changes: int, n_allowed: int) -> Element:
    states: Counter[State] = Counter()
    blocked = 0
    for node in nodes:
        states[node.state] += 1
        blocked += node.blocked
    counts = {
        "are_open": states[State.OPEN],
        "are_half_open": states[State.HALF_OPEN],
        "are_warned": states[State.WARNED],
        "are_allowed": n_allowed,
        "n_changes": n_changes,
        "calls_blocked": blocked,
    }
    return tag.dl([frame.tile(f"{n:,}", text(key)) for key, n in counts.items()], class_="tiles")


def _held(rows: Sequence[dict[str, Value]], zone: str) -> Element:
    if not rows:
        return _quiet("none_held")
    head = [
        *map(text, ("range", "kind", "state")),
        text("since", zone=zone),
        text("until"),
        *map(text, ("share", "calls", "called", "blocked", "short", "campaigns")),
    ]
    cells: list[list[Child]] = [
        [
            range_name(str(row["prefix"])),
            _kind(row),
            tag.span(text("warned_wide"), class_="named")
            if row["too_wide_to_block"]
            else state_name(State(str(row["state"]))),
            moment(float(row["since"] or 0)),
            moment(float(row["until"] or 0)),
            share_bar(row),
            f"{row['calls']:,}",
            f"{row['distinct_called']:,}",
            f"{row['calls_blocked']:,}",
            percent(row["short_share"]),
            f"{row['campaigns']:,}",
        ]
        for row in rows
    ]
    return tag.figure(table_of(head, cells, label=text("held")))


def _history(history: Sequence[PastChange], zone: str) -> Element:
    """Return a table of changes, the latest first."""
    if not history:
        return _quiet("no_alarms")
    head = [
        text("time", zone=zone),
        *map(text, ("range", "change", "until", "why", "nats", "said", "called", "blocked")),
    ]
    rows: list[list[Child]] = []
    for past in reversed(history):
        change, known = past.change, past.change.evidence
        rows.append(
            [
                moment(change.time),
                range_name(change.prefix),
                _moved(change),
                moment(change.until) if change.until else "–",
                why(change),
                f"{known['evidence']} / {known['open_at']}" if known else "–",
                f"{known['recorded']} / {known['live']}" if known else "–",
                f"{known['distinct_called']:,}" if known else "–",
                f"{past.blocked:,}" if past.blocked and change.after is State.OPEN else "–",
            ]
        )
    figure = tag.figure(table_of(head, rows, label=text("history")), class_="history")
    return figure


def _moved(change: Change) -> Element:
    if change.before is change.after:
        return state_name(change.after)
    return tag.span(state_name(change.before), " → ", state_name(change.after))


def why(change: Change) -> Text:
    """Return why a breaker moved, in words."""
    if change.why in (Why.ALLOWED, Why.DISALLOWED) and (change.who or change.note):
        who: str | Text = printable(change.who) or text("somebody")
        return text(f"why_{change.why}_by", who=who, note=printable(change.note) or "–")
    return text(f"why_{change.why}", ranges=printable(", ".join(change.ranges)))


def _implausible(forged: Sequence[Node], rows: Sequence[dict[str, Value]]) -> Element:
    """Return why numbers can't be, how often each reason was met, and where."""
    if not forged:
        return _quiet("none_implausible")
    met: Counter[str] = Counter()
    for node in forged:
        met.update({flag: node.kinds.get(flag, 0) for flag in Flag})
    reasons: list[list[Child]] = [
        [text(flag), f"{met[flag]:,}", text(f"about_{flag}")] for flag in Flag if met[flag]
    ]
    ordered = sorted(rows, key=lambda row: -float(row["calls"] or 0))[:MAX_IMPLAUSIBLE]
    places: list[list[Child]] = [
        [
            range_name(str(row["prefix"])),
            state_name(State(str(row["state"]))),
            share_bar(row),
            f"{row['calls']:,}",
            f"{row['distinct_called']:,}",
            _reasons(str(row["reasons"] or "")),
        ]
        for row in ordered
    ]
    places_head = list(map(text, ("range", "state", "share", "calls", "called", "reasons")))
    return tag.figure(
        table_of(list(map(text, ("reason", "calls", "meaning"))), reasons, label=text("reasons")),
        table_of(places_head, places, label=text("implausible")),
        class_="notes",
    )


def _kind(row: dict[str, Value]) -> Child:
    if row["reasons"]:
        return _reasons(str(row["reasons"]))
    return text(f"kind_{row['kind']}") if row["kind"] else "–"


def _reasons(counted: str) -> Text:
    """Return reasons as ``range_values`` has them, in words: each with its number of calls."""
    pairs = (each.rsplit(" ", 1) for each in counted.split("; ") if each)
    return joined(text("reason_of", reason=text(flag), n=int(n)) for flag, n in pairs)


def _allowed(allowed: Sequence[Allowed], zone: str) -> Element:
    if not allowed:
        return _quiet("none_allowed")
    head = [*map(text, ("range", "note", "who")), text("time", zone=zone)]
    rows: list[list[Child]] = [
        [
            tag.span(printable(entry.prefix), " · ", text("is_wide"))
            if holds_many_owners(entry.prefix)
            else printable(entry.prefix),
            printable(entry.note) or "–",
            printable(entry.who) or "–",
            moment(entry.time),
        ]
        for entry in allowed[:MAX_ALLOWED]
    ]
    return tag.figure(table_of(head, rows, label=text("allowed")), class_="notes")


def _roots(nodes: dict[str, Node]) -> list[str]:
    """Return the widest ranges."""
    return [prefix for prefix in nodes if prefix[:-1] not in nodes]
