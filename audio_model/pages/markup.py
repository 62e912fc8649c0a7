"""Elements of a page. They are a tree until they are written, so text cannot become markup."""

from collections.abc import Iterable
from functools import partial
from typing import Protocol
from xml.etree import ElementTree

from audio_model.pages.texts import Text

Element = ElementTree.Element
Child = Element | Text | str | None
Value = str | int | float | Text | None


def element(name: str, /, *children: Child | Iterable[Child], **attributes: Value) -> Element:
    """Return an HTML or SVG element.

    A text in several languages shows the first. The page's script switches to the others, which
    stand in ``data-zh`` (content) and ``data-zh-label`` (``aria_label``).

    Args:
        name: its tag's.
        children: elements and texts in order; None is left out.
        attributes: by their names, with ``_`` for ``-`` and ``class_`` for ``class``; None is
            left out.
    """
    made = ElementTree.Element(name)
    for attribute, value in attributes.items():
        attribute = attribute.rstrip("_").replace("_", "-")
        if isinstance(value, Text):
            made.set(attribute, value.en)
            made.set("data-zh-label", value.zh)
        elif value is not None:
            made.set(attribute, _attribute(value))
    flat = [child for child in _flatten(children) if child is not None]
    if len(flat) == 1 and isinstance(flat[0], Text):
        made.text = flat[0].en
        made.set("data-zh", flat[0].zh)
        return made
    for child in flat:
        if isinstance(child, Text):
            made.append(element("span", child))
        elif isinstance(child, Element):
            made.append(child)
        elif len(made):
            made[-1].tail = (made[-1].tail or "") + child
        else:
            made.text = (made.text or "") + child
    return made


class _Make(Protocol):
    def __call__(self, *children: Child | Iterable[Child], **attributes: Value) -> Element: ...


class _Tags:
    """Makes elements by the names of their tags: ``tag.p("Hello", class_="lead")``."""

    def __getattr__(self, name: str) -> _Make:
        """Return a function that makes an element as :func:`element` does."""
        return partial(element, name)


tag = _Tags()


def render(root: Element) -> str:
    """Return a whole page."""
    return "<!DOCTYPE html>\n" + ElementTree.tostring(root, encoding="unicode", method="html")


def _attribute(value: str | int | float) -> str:
    if isinstance(value, float):
        return f"{value:.4f}".rstrip("0").rstrip(".")
    return str(value)


def _flatten(children: Iterable[Child | Iterable[Child]]) -> Iterable[Child]:
    for child in children:
        if child is None or isinstance(child, str | Text | Element):
            yield child
        else:
            yield from child
