from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from audio_model.errors import printable
from audio_model.pages.markup import element, render, tag
from audio_model.pages.texts import Text
from tests.report import made

NASTY = st.one_of(
    st.text(),
    st.text(alphabet="<>&\"'/=-! \n\t\0\u202e\udc80abs"),
    st.sampled_from(
        [
            "<script>alert(1)</script>",
            '"><img src=x onerror=alert(1)>',
            "</title></style></script><svg onload=alert(1)>",
            "<!-- --> <![CDATA[ ]]>",
            "{n} {path} %s &lt;",
        ]
    ),
)


def page(*content: Any, **attributes: Any) -> str:
    head = element("head", element("meta", charset="utf-8"), element("title", "t"))
    return render(element("html", head, element("body", element("p", *content, **attributes))))


@given(NASTY)
def test_text_from_outside_never_becomes_markup(text: str) -> None:
    name = printable(text)
    shown = page(
        name, element("b", "x"), name, Text(name, name), title=name, aria_label=Text(name, name)
    )
    tree = made.parse(shown)
    paragraph = tree.find(f".//{made.XHTML}p")
    assert paragraph is not None
    assert [node.tag for node in paragraph.iter()] == [
        f"{made.XHTML}{name}" for name in ("p", "b", "span")
    ]
    assert set(paragraph.attrib) == {"title", "aria-label", "data-zh-label"}
    assert set(paragraph.attrib.values()) == {name}
    assert "".join(paragraph.itertext()) == f"{name}x{name}{name}"


@given(st.text())
def test_names_are_one_line_without_what_is_unseen(name: str) -> None:
    shown = printable(name)
    assert shown.isprintable()
    assert shown == printable(name)
    shown.encode()


def test_a_text_alone_switches_with_its_element() -> None:
    made_of_one = element("p", Text("dog", "狗"))
    assert (made_of_one.text, made_of_one.attrib) == ("dog", {"data-zh": "狗"})
    mixed = element("p", "a ", Text("dog", "狗"), None, " b")
    assert mixed.attrib == {}
    assert "".join(mixed.itertext()) == "a dog b"


def test_an_element_by_its_tag_takes_any_attribute() -> None:
    made_by_tag = tag.input(name="secret", type="hidden", data_key=None, class_="a")
    assert made_by_tag.tag == "input"
    assert made_by_tag.attrib == {"name": "secret", "type": "hidden", "class": "a"}
