"""Tables of pages, and their cells."""

import re
from collections.abc import Iterable, Sequence

from audio_model.errors import printable
from audio_model.pages.markup import Child, Element, element, tag
from audio_model.pages.texts import Text
from audio_model.times import local

_BEHIND = re.compile(r"(?<=[/\\_.:=&?-])(?=[^/\\_.:=&?-])")
"""Where a long name may break: behind its separators."""


def table_of(
    head: Sequence[Child], rows: Iterable[Sequence[Child]], *, label: Text, wide: Iterable[int] = ()
) -> Element:
    """Return a table; the first cell of a row names it, columns of numbers lie to the right.

    A table that is wider than its page moves sideways under its first column, by keys, too.

    Args:
        head: the names of the columns.
        rows: the cells of each row.
        label: the table's name for those who do not see it.
        wide: indices of the columns that a narrow page leaves out.
    """
    hidden = set(wide)

    def cell(name: str, index: int, content: Child, scope: str | None) -> Element:
        return element(name, content, scope=scope, class_="wide" if index in hidden else None)

    header = [cell("th", index, name, "col") for index, name in enumerate(head)]
    body = [
        tag.tr(
            [
                cell("td" if index else "th", index, content, None if index else "row")
                for index, content in enumerate(row)
            ]
        )
        for row in rows
    ]
    table = tag.table(tag.thead(tag.tr(header)), tag.tbody(body), aria_label=label)
    return tag.div(table, class_="scroll", role="region", aria_label=label, tabindex=0)


def bar(pieces: Iterable[Element], *, label: Text | None = None, class_: str = "bar") -> Element:
    """Return pieces of 100 by 10 units as a bar that stretches with its cell."""
    return stretched(pieces, 100, height=10, label=label, class_=class_)


def stretched(
    pieces: Iterable[Element],
    width: float,
    *,
    height: int = 100,
    label: Text | None = None,
    class_: str | None = None,
) -> Element:
    """Return a drawing of ``width`` by ``height`` units that fills whatever room it has.

    Without a label, screen readers leave it out.
    """
    named = {"role": "img", "aria_label": label} if label else {"aria_hidden": "true"}
    box = f"0 0 {width:g} {height}"
    return tag.svg(pieces, class_=class_, viewBox=box, preserveAspectRatio="none", **named)


def percent(share: str | float | None) -> str:
    """Return a share as whole percent; a dash for None."""
    return "–" if share is None else f"{100 * float(share):.0f}\u00a0%"


def breakable(name: str) -> list[Child]:
    """Return a path or another long name, as it may stand on a page, to be broken at its parts."""
    children: list[Child] = []
    for part in _BEHIND.split(printable(name)):
        children += [tag.wbr(), part]
    return children[1:]


def moment(seconds: float) -> Element:
    """Return a moment in seconds since 1970, to the second, by the machine's own clock."""
    at = local(seconds)
    return tag.time(f"{at:%m-%d %H:%M:%S}", datetime=at.isoformat(timespec="seconds"))
