import re
from xml.etree import ElementTree

import html5lib

from audio_model.ranges.page import page
from audio_model.ranges.store import RangeStore
from tests.ranges_made import calls

SVG = "{http://www.w3.org/2000/svg}"
BLOCK = [f"952137{n:02d}" for n in range(100)]


def made() -> str:
    store = RangeStore(None)
    heard = list(calls(BLOCK, 150, share=1.0))
    store.hear(heard)
    store.hear(list(calls(["<script>alert(1)</script>", "13912345678"], 60, share=0.5, name="x")))
    text = page(store, heard[-1].time)
    store.close()
    return text


def test_the_page_is_html_and_needs_nothing_else() -> None:
    text = made()
    parser = html5lib.HTMLParser(strict=True)
    parser.parse(text)
    assert not re.search(r"""(?:src|href)=["'](?!data:)""", text)
    assert "default-src 'none'" in text


def test_held_ranges_their_evidence_and_their_alarms_are_shown() -> None:
    root = html5lib.parse(made(), namespaceHTMLElements=False)
    text = "".join(root.itertext())
    assert "952137" in text
    rows = root.findall(".//tbody/tr")
    assert len(rows) >= 3
    lanes = [each for each in root.iter(f"{SVG}rect") if each.get("class") == "recorded"]
    assert lanes


def test_every_text_is_in_chinese_too() -> None:
    root = html5lib.parse(made(), namespaceHTMLElements=False)
    shown = [each for each in root.iter() if each.get("data-zh") and each.tag != "button"]
    assert len(shown) > 20
    assert all(re.search(r"[\u4e00-\u9fff]", str(each.get("data-zh"))) for each in shown)


def test_text_from_outside_cannot_become_markup() -> None:
    assert "<script>alert" not in made()


def test_an_empty_store_has_a_page() -> None:
    store = RangeStore(None)
    root = html5lib.parse(page(store, 1.7e9), namespaceHTMLElements=False)
    assert isinstance(root, ElementTree.Element)
    assert "No range is held." in "".join(root.itertext())
    store.close()
