"""The page of what people did at the desk."""

from collections.abc import Sequence

from audio_model.desk import layout
from audio_model.desk.layout import View, text
from audio_model.errors import printable
from audio_model.pages.markup import Child, tag
from audio_model.records.deeds import Deed, DeedKind


def _said(view: View, deed: Deed) -> Child:
    """Return a mark in words, with its reason."""
    said, reason = deed.detail.get("said"), view.path(str(deed.detail.get("reason", "")))
    if said is None:
        return reason
    name = text(f"campaign_{said or 'none'}" if deed.what is DeedKind.CAMPAIGN else str(said))
    stands = deed.detail.get("contradicts")
    return tag.span(
        name,
        f": {reason}" if reason else None,
        tag.span("; ", text(f"stands_{stands}")) if stands else None,
    )


def log_page(view: View, deeds: Sequence[Deed]) -> str:
    """Return the page of what people did, the last first."""
    rows: list[list[Child]] = []
    for each in deeds:
        about: Child = view.path(each.about)
        if each.call is not None:
            about = tag.a(text("call", n=str(each.call)), href=f"/calls/{each.call}")
        rows.append(
            [
                view.moment(each.time),
                printable(each.who),
                tag.span(text(f"did_{each.what}")),
                about,
                _said(view, each),
                text("taken_back") if each.undone else "",
            ]
        )
    head: list[Child] = [*map(text, ("time", "who", "what", "about", "why")), ""]
    older = None
    if deeds:
        older = tag.p(tag.a(text("older"), href=f"/log?before={deeds[-1].n}"))
    return layout.page(
        view,
        "log",
        text("log_title"),
        layout.table(text("log_title"), head, rows, words=True),
        older,
    )
