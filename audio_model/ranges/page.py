"""A page about ranges: what is held, the tree around it, alarms over time, and their evidence.

It is complete in one file, speaks English and Chinese, and is light or dark: the frame is the
report's.
"""

from collections.abc import Sequence

from audio_model.errors import printable
from audio_model.pages import frame
from audio_model.pages.markup import Child, Element, element
from audio_model.pages.texts import Text, Texts
from audio_model.ranges.breaker import Change
from audio_model.ranges.describe import range_values
from audio_model.ranges.store import RangeStore
from audio_model.ranges.tree import Node, State
from audio_model.times import utc

MAX_RANGES = 200
"""In the tree; those that matter most."""
MAX_LANES = 40
MAX_CHANGES = 200
_SUSPECT = 0.95
_LANE_HEIGHT = 18

_text = Texts(__package__)

_CLASSES = {State.WARNED: "unknown", State.OPEN: "recorded", State.HALF_OPEN: "live"}
_HEADS = ("range", "state", "share", "calls", "called", "short", "campaigns")
_CHANGE_HEADS = ("time", "range", "change", "why", "nats", "said", "called")
_TILES = ("are_open", "are_warned", "n_changes")


def page(store: RangeStore, now: float, min_calls: int = 1) -> str:
    """The page as HTML.

    Args:
        store: what it is about.
        now: the end of the time line, seconds since 1970.
        min_calls: of a range that is shown though it is not held.
    """
    nodes = {node.prefix: node for node in store.ranges()}
    changes = store.changes(limit=MAX_CHANGES)
    held = [node for node in nodes.values() if node.held]
    counts = [
        sum(node.state is State.OPEN for node in held),
        sum(node.state is State.WARNED for node in held),
        len(changes),
    ]
    tiles = [frame.tile(str(n), said) for n, said in zip(counts, map(_text, _TILES), strict=True)]
    changed = {change.prefix for change in changes}
    values = {
        prefix: range_values(node, store.policy)
        for prefix, node in nodes.items()
        if node.calls >= min_calls or node.held or prefix in changed
    }
    held.sort(key=lambda node: -node.evidence)
    shown = _chosen(nodes, values, changed, min_calls)
    return frame.page(
        _text("title"),
        _text("lead"),
        frame.section(_text("now"), element("dl", tiles, class_="tiles")),
        frame.section(_text("held"), _table([values[node.prefix] for node in held[:MAX_RANGES]])),
        frame.section(_text("alarms"), _lanes(changes, now), about=_text("alarms_about")),
        frame.section(
            _text("tree"), element("figure", _tree(shown, values)), about=_text("tree_about")
        ),
        frame.section(_text("evidence"), _changes(changes)),
        made=utc(now),
    )


def _table(rows: Sequence[dict[str, str | float | None]]) -> Element:
    if not rows:
        return element("p", _text("none_held"), class_="quiet")
    head = element("tr", [element("th", each) for each in map(_text, _HEADS)])
    body = [
        element(
            "tr",
            element("th", printable(str(row["prefix"])), scope="row"),
            element("td", _state(State(str(row["state"])))),
            element("td", _bar(row)),
            element("td", f"{row['calls']:,}"),
            element("td", f"{row['distinct_called']:,}"),
            element("td", _percent(row["short_share"])),
            element("td", f"{row['campaigns']:,}"),
        )
        for row in rows
    ]
    table = element("table", element("thead", head), element("tbody", body))
    return element("figure", element("div", table, class_="scroll"))


def _chosen(
    nodes: dict[str, Node],
    values: dict[str, dict[str, str | float | None]],
    changed: set[str],
    min_calls: int,
) -> list[str]:
    """Prefixes for the tree: held and suspect ones, the widest, and what they hang from."""
    roots = [p for p in nodes if p[:-1] not in nodes and nodes[p].calls >= min_calls]
    weighty = [
        prefix
        for prefix, node in nodes.items()
        if node.held
        or prefix in changed
        or (
            not _below(prefix, changed)
            and node.calls >= min_calls
            and float(values[prefix]["above_honest"] or 0) >= _SUSPECT
        )
    ]
    weighty.sort(key=lambda prefix: (not nodes[prefix].held, -nodes[prefix].calls))
    roots.sort(key=lambda prefix: -nodes[prefix].calls)
    chosen = set(weighty[:MAX_RANGES]) | set(roots[: MAX_RANGES // 4])
    for prefix in list(chosen):
        while prefix[:-1] in values:
            prefix = prefix[:-1]
            chosen.add(prefix)
    return sorted(
        prefix
        for prefix in chosen
        if nodes[prefix].held or not _says_nothing(prefix, nodes, chosen)
    )


def _below(prefix: str, changed: set[str]) -> bool:
    """Whether a range is part of one that was held."""
    return any(prefix[:length] in changed for length in range(1, len(prefix)))


def _says_nothing(prefix: str, nodes: dict[str, Node], chosen: set[str]) -> bool:
    """Whether a range is all but its only child."""
    below = [each for each in chosen if each[:-1] == prefix]
    return len(below) == 1 and nodes[below[0]].calls > 0.9 * nodes[prefix].calls


def _tree(
    prefixes: Sequence[str], values: dict[str, dict[str, str | float | None]]
) -> Element | None:
    """The prefixes below one, as a list of lists; ``prefixes`` are sorted."""
    items: list[Element] = []
    index = 0
    while index < len(prefixes):
        prefix = prefixes[index]
        end = index + 1
        while end < len(prefixes) and prefixes[end].startswith(prefix):
            end += 1
        row = values[prefix]
        items.append(
            element(
                "li",
                element("b", printable(prefix)),
                " · ",
                _state(State(str(row["state"]))),
                " · ",
                _text("n_calls", n=int(row["calls"] or 0)),
                f" · {_percent(row['share'])} "
                f"({_percent(row['share_low'])}–{_percent(row['share_high'])})",
                _bar(row),
                _tree(prefixes[index + 1 : end], values),
            )
        )
        index = end
    return element("ul", items) if items else None


def _bar(row: dict[str, str | float | None]) -> Element:
    """The share of recordings with its interval."""
    mean, low, high = (100 * float(row[key] or 0) for key in ("share", "share_low", "share_high"))
    return element(
        "svg",
        element("title", f"{mean:.0f} % ({low:.0f}–{high:.0f} %)"),
        element("rect", class_="unknown", x=0, y=0, width=100, height=10, opacity=0.2),
        element("rect", class_="recorded", x=low, y=0, width=high - low, height=10, opacity=0.35),
        element("rect", class_="recorded", x=0, y=3, width=mean, height=4),
        class_="bar",
        viewBox="0 0 100 10",
        preserveAspectRatio="none",
        aria_hidden="true",
    )


def _lanes(changes: Sequence[Change], now: float) -> Element:
    """What was held when: a lane for each range, the last to change on top."""
    if not changes:
        return element("p", _text("no_alarms"), class_="quiet")
    lanes: dict[str, list[Change]] = {}
    for change in changes:
        lanes.setdefault(change.prefix, []).insert(0, change)
    first = min(change.time for change in changes)
    span = max(now - first, 1.0)
    parts: list[Child] = []
    names = list(lanes)[:MAX_LANES]
    for lane, prefix in enumerate(names):
        y = lane * _LANE_HEIGHT
        ends = [change.time for change in lanes[prefix][1:]] + [now]
        for change, end in zip(lanes[prefix], ends, strict=True):
            if change.after in _CLASSES:
                parts.append(
                    element(
                        "rect",
                        element("title", f"{printable(prefix)}: {_clock(change.time)}"),
                        class_=_CLASSES[change.after],
                        x=f"{100 * (change.time - first) / span:.2f}%",
                        width=f"{max(100 * (end - change.time) / span, 0.4):.2f}%",
                        y=y + 12,
                        height=5,
                    )
                )
        parts.append(element("text", printable(prefix), x=0, y=y + 9))
    return element(
        "figure",
        element(
            "svg", element("g", parts, class_="axis"), height=len(names) * _LANE_HEIGHT + 4,
            role="img", aria_label=_text("alarms"),
        ),
        element("p", f"{_clock(first)} – {_clock(now)} UTC", class_="quiet"),
    )  # fmt: skip


def _changes(changes: Sequence[Change]) -> Element:
    if not changes:
        return element("p", _text("no_alarms"), class_="quiet")
    head = element("tr", [element("th", each) for each in map(_text, _CHANGE_HEADS)])
    body = [
        element(
            "tr",
            element("th", _clock(change.time), scope="row"),
            element("td", printable(change.prefix)),
            element("td", _state(change.before), " → ", _state(change.after)),
            element("td", _why(change)),
            element("td", f"{change.evidence['evidence']} / {change.evidence['open_at']}"),
            element("td", f"{change.evidence['recorded']} / {change.evidence['live']}"),
            element("td", str(change.evidence["distinct_called"])),
        )
        for change in changes
    ]
    table = element("table", element("thead", head), element("tbody", body))
    return element("figure", element("div", table, class_="scroll"))


def _state(state: State) -> Element:
    return element("span", _text(state), class_="named")


def _why(change: Change) -> Text:
    return _text(f"why_{change.why}", ranges=printable(", ".join(change.ranges)))


def _percent(share: str | float | None) -> str:
    return "–" if share is None else f"{100 * float(share):.0f} %"


def _clock(moment: float) -> str:
    return utc(moment).strftime("%m-%d %H:%M:%S")
