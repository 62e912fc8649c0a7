"""Names of slices and of their groups on a page."""

from audio_model.errors import printable
from audio_model.pages.markup import Child, Element, tag
from audio_model.pages.tables import breakable
from audio_model.pages.texts import Text
from audio_model.ranges.numbers import IMPLAUSIBLE, UNREADABLE, WITHHELD
from audio_model.report.page.texts import text
from audio_model.report.slices import SliceBy, SliceKind

_TITLES = {
    SliceKind.CATEGORY: "by_column",
    SliceKind.DAY: "by_day",
    SliceKind.NUMBER: "by_number",
    SliceKind.PREFIX: "by_prefix",
}


def title_of(by: SliceBy) -> Text:
    """Return the heading of a slice."""
    if by.kind is SliceKind.FOLDER:
        return text("by_folder")
    return text(_TITLES[by.kind], column=printable(by.column))


def group_name(by: SliceBy, group: str) -> Element:
    """Return the name of a group of a slice."""
    said: list[Child] | Text = breakable(group)
    if by.kind in (SliceKind.NUMBER, SliceKind.PREFIX):
        if group == WITHHELD:
            said = text("prefix_withheld")
        elif group == UNREADABLE:
            said = text("prefix_unreadable")
        elif group.startswith(IMPLAUSIBLE):
            said = text("prefix_implausible", prefix=printable(group))
    return tag.span(said, class_="path")
