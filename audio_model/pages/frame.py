"""The frame of every page: its head, the switches for language and light, sections."""

import base64
import hashlib
from collections.abc import Iterable
from datetime import datetime
from functools import cache
from importlib import resources

from audio_model.pages.markup import Child, Element, render, tag
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
    head = tag.head(
        tag.meta(charset="utf-8"),
        tag.meta(http_equiv="Content-Security-Policy", content=policy),
        tag.meta(name="viewport", content="width=device-width, initial-scale=1"),
        tag.meta(name="color-scheme", content="light dark"),
        tag.meta(name="referrer", content="no-referrer"),
        tag.title(title),
        tag.style(style),
    )
    at = datetime.now().astimezone()
    date = f"{at:%Y-%m-%d %H:%M} {zone_of(at)}"
    body = tag.body(
        tag.header(
            tag.div(tag.h1(title), tag.p(lead, class_="lead")),
            switches(),
        ),
        tag.main(*content),
        tag.footer(tag.p(text("made", date=date))),
        tag.script(script),
    )
    return render(tag.html(head, body, lang="en"))


def section(
    title: Child, *content: Child | Iterable[Child], about: Text | None = None, half: bool = False
) -> Element:
    """Return a part of a page under its heading. Two halves stand side by side if there is room."""
    return tag.section(
        tag.h2(title),
        tag.p(about, class_="about") if about else None,
        *content,
        class_="half" if half else None,
    )


def tile(number: Child, *about: Child) -> Element:
    """Return a large number with its caption."""
    return tag.div(tag.dt(*about), tag.dd(number), class_="tile")


def switches() -> Element:
    """Return the switches for language and light. The page's script shows them."""
    return tag.div(
        tag.button(text("switch_language"), type="button", id="language"),
        tag.button(text("switch_theme"), type="button", id="theme"),
        class_="switches",
        hidden="hidden",
    )


@cache
def _file(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


def _digest(content: str) -> str:
    digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode("ascii")
    return f"'sha256-{digest}'"
