"""Drawings on the page of ranges: names, states, shares, and the tree of ranges."""

from collections.abc import Mapping, Sequence, Set

from audio_model.errors import printable
from audio_model.pages.markup import Child, Element, tag
from audio_model.pages.tables import bar, percent
from audio_model.ranges.numbers import UNREADABLE, WITHHELD
from audio_model.ranges.texts import text
from audio_model.ranges.tree import Node, State
from audio_model.tables.rows import Value

MAX_RANGES = 200
"""In the tree; those that matter most."""
_SUSPECT = 0.95

Values = Mapping[str, Mapping[str, Value]]
"""The facts about ranges by their prefixes, as :func:`describe.range_values` has them."""


def range_name(prefix: str) -> Child:
    """Return the name of a range."""
    if prefix == WITHHELD:
        return text("withheld")
    return text("unreadable") if prefix == UNREADABLE else printable(prefix)


def state_name(state: State) -> Element:
    """Return the name of a state."""
    return tag.span(text(state), class_="named")


def share_bar(row: Mapping[str, Value], *, beside: bool = True) -> Element:
    """Return the share of recordings as a bar with its interval; ``beside`` it, as a number."""
    mean, low, high = (100 * float(row[key] or 0) for key in ("share", "share_low", "share_high"))
    said = f"{mean:.0f} % ({low:.0f}–{high:.0f} %)"
    drawn = bar(
        [
            tag.title(said),
            tag.rect(class_="unknown", x=0, y=0, width=100, height=10, opacity=0.2),
            tag.rect(class_="recorded", x=low, y=0, width=high - low, height=10, opacity=0.35),
            tag.rect(class_="recorded", x=0, y=3, width=mean, height=4),
        ]
    )
    return tag.div(drawn, tag.small(said), class_="numbered") if beside else drawn


def tree(
    nodes: Mapping[str, Node], values: Values, changed: Set[str], min_calls: int
) -> Element | None:
    """Return the tree of ranges that matter as a list of lists; None without any.

    Args:
        nodes: all ranges.
        values: what is known of those that may be shown.
        changed: ranges whose breaker has moved.
        min_calls: the fewest calls of a range that is shown though its breaker never moved.
    """
    return _branches(_chosen(nodes, values, changed, min_calls), values)


def _chosen(
    nodes: Mapping[str, Node], values: Values, changed: Set[str], min_calls: int
) -> list[str]:
    """Return the prefixes to show: held and suspect ones, the widest, and those above them."""
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


def _below(prefix: str, changed: Set[str]) -> bool:
    """Return whether a range is part of one that was held."""
    return any(prefix[:length] in changed for length in range(1, len(prefix)))


def _says_nothing(prefix: str, nodes: Mapping[str, Node], chosen: Set[str]) -> bool:
    """Return whether a range holds little beside its only child."""
    below = [each for each in chosen if each[:-1] == prefix]
    return len(below) == 1 and nodes[below[0]].calls > 0.9 * nodes[prefix].calls


def _branches(prefixes: Sequence[str], values: Values) -> Element | None:
    """Return the prefixes below one, as a list of lists; ``prefixes`` are sorted."""
    items: list[Element] = []
    index = 0
    while index < len(prefixes):
        prefix = prefixes[index]
        end = index + 1
        while end < len(prefixes) and prefixes[end].startswith(prefix):
            end += 1
        row = values[prefix]
        items.append(
            tag.li(
                tag.b(range_name(prefix)),
                " · ",
                state_name(State(str(row["state"]))),
                " · ",
                text("n_calls", n=int(row["calls"] or 0)),
                f" · {percent(row['share'])} "
                f"({percent(row['share_low'])}–{percent(row['share_high'])})",
                share_bar(row, beside=False),
                _branches(prefixes[index + 1 : end], values),
            )
        )
        index = end
    return tag.ul(items) if items else None
