"""The parts that all pages of the desk share: the head, the navigation, forms, tables."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import tzinfo

from audio_model.desk.access import Session
from audio_model.desk.masks import mask, mask_text
from audio_model.errors import printable
from audio_model.pages.frame import switches
from audio_model.pages.markup import Child, Element, element, render, tag
from audio_model.pages.texts import Text, Texts
from audio_model.ranges.numbers import UNREADABLE, WITHHELD
from audio_model.records.people import Role
from audio_model.times import utc

text = Texts(__package__)

PAGES = ("queue", "ranges", "campaigns", "marks", "statistics", "log")


@dataclass(frozen=True)
class View:
    """The person that a page is made for, and what they may see."""

    session: Session
    zone: tzinfo

    def number(self, number: str) -> str:
        """Return a number or range as it may be shown, on one line."""
        shown = mask(number) if self.session.hides else number
        return printable(shown.removeprefix("+86") if shown.startswith("+861") else shown)

    def named(self, number: str) -> Child:
        """Return a number, or the words for a missing one."""
        words = {WITHHELD: "withheld", UNREADABLE: "unreadable"}
        return text(words[number]) if number in words else self.number(number)

    def path(self, path: str) -> str:
        """Return a path, an id or a name as it may be shown."""
        return printable(mask_text(path) if self.session.hides else path)

    def moment(self, seconds: float | None) -> Element:
        """Return a moment in the desk's zone."""
        if seconds is None:
            return tag.span("–")
        at = utc(seconds).astimezone(self.zone)
        return tag.time(at.strftime("%Y-%m-%d %H:%M"), datetime=at.isoformat(timespec="seconds"))

    def may(self, role: Role) -> bool:
        """Return whether the person may do what needs a role."""
        return self.session.person.role.may(role)


def page(view: View, name: str, title: Text, *content: Child) -> str:
    """Return a whole page of the desk."""
    links = [
        tag.a(text(f"nav_{each}"), href=f"/{each}", aria_current="page" if each == name else None)
        for each in PAGES
    ]
    person = view.session.person
    own = tag.div(
        tag.span(f"{person.name}", class_="quiet"),
        form(view, "/mask", button("show_numbers" if view.session.masked else "hide_numbers"))
        if not person.masked
        else None,
        form(view, "/sign-out", button("sign_out")),
        class_="own",
    )
    return _document(
        title,
        tag.header(
            tag.a(text("skip_to_content"), href="#main", class_="skip"),
            tag.nav(links, aria_label=text("nav")),
            tag.div(own, switches(), class_="tools"),
        ),
        tag.main(tag.h1(title), *content, id="main"),
    )


def bare_page(title: Text, *content: Child) -> str:
    """Return a page for somebody who has not signed in."""
    return _document(
        title,
        tag.header(tag.span(text("desk"), class_="brand"), switches()),
        tag.main(tag.h1(title), *content, id="main", class_="bare"),
    )


def _document(title: Text, *body: Element) -> str:
    head = tag.head(
        tag.meta(charset="utf-8"),
        tag.meta(name="viewport", content="width=device-width, initial-scale=1"),
        tag.meta(name="color-scheme", content="light dark"),
        tag.title(title),
        tag.link(rel="stylesheet", href="/assets/style.css"),
        tag.link(rel="stylesheet", href="/assets/desk.css"),
        tag.link(rel="icon", href="/assets/icon.svg"),
        tag.script(src="/assets/script.js", defer="defer"),
        tag.script(src="/assets/desk.js", defer="defer"),
    )
    # What a screen reader says once the page is there: it passes over what was there before.
    spoken = tag.p(id="spoken", class_="unseen", aria_live="polite")
    return render(tag.html(head, tag.body(*body, spoken, class_="desk"), lang="en"))


def form(view: View, action: str, *content: Child | Iterable[Child], class_: str = "") -> Element:
    """Return a form that changes something, with the session's secret in it."""
    return tag.form(
        tag.input(type="hidden", name="secret", value=view.session.secret),
        *content,
        method="post",
        action=action,
        class_=class_ or None,
    )


def hidden(name: str, value: str) -> Element:
    """Return a hidden field, which a form sends along."""
    return tag.input(type="hidden", name=name, value=value)


def button(key: str, *, hint: str = "", class_: str = "", **attributes: str) -> Element:
    """Return a button that sends its form. ``hint`` is the key that presses it."""
    return tag.button(
        tag.span(text(key)),
        tag.kbd(hint, aria_hidden="true") if hint else None,
        type="submit",
        class_=class_ or None,
        data_key=hint.lower() or None,
        aria_keyshortcuts=hint or None,
        **attributes,
    )


def no_default() -> Element:
    """Return a disabled button to put before the buttons of a form that decides something.

    Enter in a field presses the first button of its form. With this one nothing is decided by
    accident: a person has to press the button that says what it does.
    """
    return tag.button(type="submit", disabled="disabled", hidden="hidden")


def field(key: str, name: str, **attributes: str | int) -> Element:
    """Return an input field with its label."""
    return tag.label(tag.span(text(key)), tag.input(name=name, **attributes))


def table(
    caption: Text, head: Sequence[Child], rows: Sequence[Sequence[Child]], *, words: bool = False
) -> Element:
    """Return a table with a caption for screen readers.

    On a narrow screen each row is a card whose cells have their columns' names.
    """
    if not rows:
        return tag.p(text("nothing"), class_="quiet")
    named = [each if isinstance(each, Text) else Text(str(each), str(each)) for each in head]
    body = [
        tag.tr(
            [
                element(
                    "td" if index else "th",
                    tag.span(name, class_="cell-name", aria_hidden="true")
                    if index and name.en
                    else None,
                    tag.span(cell, class_="cell-value"),
                    scope=None if index else "row",
                )
                for index, (name, cell) in enumerate(zip(named, row, strict=True))
            ]
        )
        for row in rows
    ]
    return tag.div(
        tag.table(
            tag.caption(caption, class_="unseen"),
            tag.thead(tag.tr([tag.th(each, scope="col") for each in named])),
            tag.tbody(body),
            class_="words" if words else None,
        ),
        class_="scroll",
    )
