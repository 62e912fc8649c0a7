"""The pages of ranges, campaigns and marks."""

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from audio_model.desk import layout
from audio_model.desk.layout import View, button, field, form, hidden, no_default, text
from audio_model.errors import printable
from audio_model.pages.frame import section, tile
from audio_model.pages.markup import Child, Element, tag
from audio_model.pages.tables import percent
from audio_model.ranges.breaker import Change, Policy
from audio_model.ranges.describe import range_values
from audio_model.ranges.named import holds_many_owners, is_too_wide
from audio_model.ranges.rows import Allowed
from audio_model.ranges.tree import Node, State
from audio_model.records.deeds import Deed, DeedKind
from audio_model.records.handsets import Taken
from audio_model.records.marks import Agreement, Trust
from audio_model.records.people import Role
from audio_model.records.store import StoredCampaign

_HANDLE_LENGTH = 24


@dataclass(frozen=True)
class RangesNow:
    """The present state of the store of ranges."""

    held: Sequence[Node]
    allowed: Sequence[Allowed]
    changes: Sequence[Change]
    """The latest ones, the last first."""
    policy: Policy


def handle(secret: str, prefix: str) -> str:
    """Return the name of a range in forms, so that the page's source shows no number."""
    digest = hmac.new(secret.encode(), prefix.encode(), "sha256")
    return digest.hexdigest()[:_HANDLE_LENGTH]


def ranges_page(view: View, now: RangesNow | None, done: Deed | None) -> str:
    """Return the page of open, warned and allowed ranges, with who decided and why."""
    title = text("ranges_title")
    if now is None:
        return layout.page(view, "ranges", title, tag.p(text("no_ranges"), class_="message"))
    why = {change.prefix: change for change in reversed(now.changes)}
    parts: list[Child] = [
        section(text("held"), _held(view, now, why)),
        section(text("allowed"), _allowed(view, now)),
    ]
    if view.may(Role.DECIDING):
        parts.append(_another(view))
    parts.append(section(text("changes"), _changes(view, now.changes)))
    return layout.page(view, "ranges", title, _done(view, done), *parts)


def _done(view: View, deed: Deed | None) -> Element | None:
    """Return a message of what a person has just decided."""
    if deed is None:
        return None
    name = view.path if deed.what is DeedKind.CAMPAIGN else view.number
    said = text("just_done", what=text(f"did_{deed.what}"), about=name(deed.about))
    return tag.p(said, class_="message", role="status")


def wide_page(view: View, prefix: str, fields: Mapping[str, str]) -> str:
    """Return the question whether a range of many owners is to be allowed, and what it means.

    Args:
        view: for whom.
        prefix: the range.
        fields: the fields of the form that asked for it.
    """
    sent = ("typed", "range", "call", "length", "reason")
    return layout.page(
        view,
        "ranges",
        text("ranges_title"),
        tag.p(text("wide_about", range=view.number(prefix)), class_="message wrong", role="alert"),
        form(
            view,
            "/ranges",
            [hidden(name, fields[name]) for name in sent if name in fields],
            hidden("sure", "yes"),
            button("allow_all_the_same", name="act", value="allow"),
            class_="fields",
        ),
        tag.p(tag.a(text("back_to_ranges"), href="/ranges")),
    )


def _held(view: View, now: RangesNow, why: Mapping[str, Change]) -> Element:
    rows: list[list[Child]] = []
    for node in now.held:
        values = range_values(node, now.policy)
        change = why.get(node.prefix)
        rows.append(
            [
                view.number(node.prefix),
                _state(node),
                percent(float(values["share"] or 0) if node.calls else None),
                f"{node.calls:,}",
                f"{node.distinct_called:,}",
                f"{node.blocked:,}",
                view.moment(node.since),
                view.moment(node.until or None),
                _by(view, change),
                _act(view, node.prefix, "close", "close_range", "allow", "allow"),
            ]
        )
    keys = ("range", "state", "share", "calls", "people_called", "blocked", "since", "until")
    return layout.table(text("held"), [*map(text, keys), text("by_whom"), text("action")], rows)


def _state(node: Node) -> Element:
    wide = node.state is State.WARNED and is_too_wide(node.prefix)
    said = text("warned_wide" if wide else node.state.value)
    return tag.span(said, class_=f"tag {node.state.value}")


def _by(view: View, change: Change | None) -> Child:
    if change is None or not change.who:
        return text("person_or_none")
    return printable(change.who) + (f": {view.path(change.note)}" if change.note else "")


def _act(view: View, prefix: str, *acts: str) -> Child:
    if not view.may(Role.DECIDING):
        return ""
    buttons = [
        button(key, name="act", value=act) for act, key in zip(acts[::2], acts[1::2], strict=True)
    ]
    return form(
        view,
        "/ranges",
        hidden("range", handle(view.session.secret, prefix)),
        no_default(),
        field("why", "reason", required="required", maxlength=500),
        buttons,
        class_="row-form",
    )


def _allowed(view: View, now: RangesNow) -> Element:
    rows: list[list[Child]] = [
        [
            tag.span(view.number(each.prefix), " · ", text("is_wide"))
            if holds_many_owners(each.prefix)
            else view.number(each.prefix),
            view.path(each.note),
            printable(each.who),
            view.moment(each.time),
            _act(view, each.prefix, "disallow", "disallow"),
        ]
        for each in now.allowed
    ]
    head = [*map(text, ("range", "why", "by_whom", "since")), text("action")]
    return layout.table(text("allowed"), head, rows, words=True)


def _another(view: View) -> Element:
    return section(
        text("new_range"),
        form(
            view,
            "/ranges",
            no_default(),
            field("what_range", "typed", required="required", maxlength=64, inputmode="tel"),
            field("why", "reason", required="required", maxlength=500),
            button("open_range", name="act", value="open"),
            button("close_range", name="act", value="close"),
            button("allow", name="act", value="allow"),
            class_="fields",
        ),
        about=text("new_range_about"),
    )


def _changes(view: View, changes: Sequence[Change]) -> Element:
    rows: list[list[Child]] = [
        [
            view.moment(each.time),
            view.number(each.prefix),
            tag.span(text(each.before.value), " → ", text(each.after.value)),
            text(f"why_{each.why}"),
            _by(view, each),
        ]
        for each in changes
    ]
    head = list(map(text, ("time", "range", "state", "reason", "by_whom")))
    return layout.table(text("changes"), head, rows, words=True)


def campaigns_page(view: View, campaigns: Sequence[StoredCampaign], done: Deed | None) -> str:
    """Return the page of the largest campaigns, and people's marks on them."""
    rows: list[list[Child]] = []
    for each in campaigns:
        acts: Child = ""
        if view.may(Role.DECIDING):
            acts = form(
                view,
                f"/campaigns/{each.n}/mark",
                no_default(),
                field("why", "reason", required="required", maxlength=500),
                [
                    button(f"campaign_{mark or 'none'}", name="mark", value=mark)
                    for mark in ("recorded", "allowed", "")
                    if mark != each.mark or not each.decided
                ],
                class_="row-form",
            )
        rows.append(
            [
                tag.span(view.path(each.name), class_="path"),
                f"{each.calls:,}",
                view.moment(each.first),
                view.moment(each.last),
                tag.span(
                    text(f"campaign_{each.mark or 'none'}"),
                    f" · {printable(each.who)}",
                    f": {view.path(each.note)}" if each.note else None,
                )
                if each.mark or each.decided
                else "–",
                tag.a(text("hear"), href=f"/calls/{each.exemplar}"),
                acts,
            ]
        )
    head: list[Child] = [
        *map(text, ("campaign", "calls", "first", "last", "mark")),
        "",
        text("action"),
    ]
    return layout.page(
        view,
        "campaigns",
        text("campaigns_title"),
        _done(view, done),
        tag.p(text("campaigns_about"), class_="about"),
        layout.table(text("campaigns_title"), head, rows),
    )


def marks_page(
    view: View,
    trusts: Sequence[Trust],
    between: Agreement,
    with_detector: Agreement,
    people: Sequence[tuple[str, int]],
    taken: Taken | None = None,
) -> str:
    """Return the page of marks: their sources, their agreement, import and export."""
    tiles = [
        tile(
            percent(each.same / each.compared if each.compared else None),
            text(key, n=each.compared),
        )
        for each, key in ((between, "agreement_of"), (with_detector, "with_detector_of"))
    ]
    rows: list[list[Child]] = [
        [
            view.path(each.source),
            f"{each.marks:,}",
            f"{each.given:.2f}",
            f"{each.compared:,}",
            f"{each.agreed:,}",
            f"{each.now:.2f}",
        ]
        for each in trusts
    ]
    head = list(map(text, ("source", "marked", "given_trust", "compared", "agreed", "trust_now")))
    parts: list[Child] = [
        _taken(view, taken),
        section(text("agreement_title"), tag.dl(tiles, class_="tiles")),
        section(
            text("by_person"),
            layout.table(
                text("by_person"),
                [text("who"), text("marked")],
                [[printable(name), f"{n:,}"] for name, n in people],
            ),
        ),
        section(
            text("sources"), layout.table(text("sources"), head, rows), about=text("sources_about")
        ),
    ]
    if view.may(Role.DECIDING):
        parts += [_import(view), _export(view)]
    return layout.page(view, "marks", text("marks_title"), *parts)


def _taken(view: View, taken: Taken | None) -> Element | None:
    if taken is None:
        return None
    problems = [tag.li(f"{each.where}: {view.path(each.problem)}") for each in taken.problems]
    return tag.div(
        tag.p(text("imported", **taken.counts), role="status"),
        tag.ul(problems) if problems else None,
        class_="message wrong" if taken.damaged else "message",
    )


def _import(view: View) -> Element:
    made = form(
        view,
        "/marks/import",
        tag.label(
            tag.span(text("file")),
            tag.input(
                type="file", name="file", required="required", accept=".csv,.tsv,.txt,.jsonl"
            ),
        ),
        field("source", "source", required="required", maxlength=64),
        field("trust", "trust", required="required", value="0.7", inputmode="decimal"),
        button("import"),
        class_="fields",
    )
    made.set("enctype", "multipart/form-data")
    return section(text("import_title"), made, about=text("import_about"))


def _export(view: View) -> Element:
    return section(
        text("export_title"),
        form(view, "/marks/export", button("export")),
        about=text("export_about"),
    )
