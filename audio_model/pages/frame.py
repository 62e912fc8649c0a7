"""The frame of every page: its head, the switches for language and light, sections."""

import base64
import hashlib
from collections.abc import Iterable
from datetime import datetime
from functools import cache
from importlib import resources

from audio_model.pages.markup import Child, Element, element, render
from audio_model.pages.texts import Text, Texts
from audio_model.times import zone_of

text = Texts(__package__)


def page(title: Text, lead: Child, *content: Child) -> str:
    """Return a whole page as HTML."""
    style, script = _file("style.css"), _file("script.js")
    # Whatever else were to get into a page, nothing but these two could run or be loaded.
    policy = (
        f"default-src 'none'; img-src data:; media-src data:; style-src {_digest(style)}; "
        f"script-src {_digest(script)}; base-uri 'none'; form-action 'none'"
    )
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=policy),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("meta", name="referrer", content="no-referrer"),
        element("title", title),
        element("style", style),
    )
    at = datetime.now().astimezone()
    date = f"{at:%Y-%m-%d %H:%M} {zone_of(at)}"
    body = element(
        "body",
        element(
            "header",
            element("div", element("h1", title), element("p", lead, class_="lead")),
            element(
                "div",
                _switch("language", text("switch_language")),
                _switch("theme", text("switch_theme")),
                class_="switches",
                hidden="hidden",
            ),
        ),
        element("main", *content),
        element("footer", element("p", text("made", date=date))),
        element("script", script),
    )
    return render(element("html", head, body, lang="en"))


def section(
    title: Child, *content: Child | Iterable[Child], about: Text | None = None, half: bool = False
) -> Element:
    """Return a part of a page under its heading. Two halves stand side by side if there is room."""
    return element(
        "section",
        element("h2", title),
        element("p", about, class_="about") if about else None,
        *content,
        class_="half" if half else None,
    )


def tile(number: Child, *about: Child) -> Element:
    """Return a large number with its caption."""
    return element("div", element("dt", *about), element("dd", number), class_="tile")


def _switch(name: str, said: Text) -> Element:
    return element("button", said, type="button", id=name)


@cache
def _file(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


def _digest(content: str) -> str:
    digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode("ascii")
    return f"'sha256-{digest}'"
