"""Elements of a page. They are a tree until they are written, so text cannot become markup."""

from collections.abc import Iterable
from xml.etree import ElementTree

from audio_model.pages.texts import Text

Element = ElementTree.Element
Child = Element | Text | str | None


def element(
    tag: str, *children: Child | Iterable[Child], **attributes: str | int | float | Text | None
) -> Element:
    """Return an HTML or SVG element.

    A text in several languages shows the first. The page's script switches to the others, which
    stand in ``data-zh`` (content) and ``data-zh-label`` (``aria_label``).

    Args:
        tag: its name.
        children: elements and texts in order; None is left out.
        attributes: by their names, with ``_`` for ``-`` and ``class_`` for ``class``; None is
            left out.
    """
    made = ElementTree.Element(tag)
    for name, value in attributes.items():
        name = name.rstrip("_").replace("_", "-")
        if isinstance(value, Text):
            made.set(name, value.en)
            made.set("data-zh-label", value.zh)
        elif value is not None:
            made.set(name, _attribute(value))
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
