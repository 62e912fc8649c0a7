import re
from contextlib import closing
from datetime import date
from xml.etree import ElementTree

import html5lib
import pytest

from audio_model.ranges import page as ranges_page
from audio_model.ranges.page import page
from audio_model.ranges.rates import CallAnswer
from audio_model.ranges.store import RangeStore
from audio_model.ranges.tree import RangeCall
from audio_model.times import local
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


def test_every_change_is_told_with_its_time_and_who_allowed() -> None:
    with closing(RangeStore(None)) as store:
        heard = list(calls(BLOCK, 150, share=1.0))
        store.hear(heard)
        store.allow("95", "checked", heard[-1].time + 60, who="Li")
        text = page(store, heard[-1].time + 120)
        n = store.n_changes()
        blocked = max(past.blocked or 0 for past in store.history())
    root = html5lib.parse(text, namespaceHTMLElements=False)
    (history,) = [each for each in root.iter("table") if each.get("aria-label") == "History"]
    rows = [["".join(cell.itertext()) for cell in row] for row in history.findall("tbody/tr")]
    assert len(rows) == n
    times = [each.get("datetime") for each in history.findall("tbody/tr/th/time")]
    assert times == sorted(times, reverse=True)
    assert rows[0][4] == "allowed by Li: checked"
    assert str(blocked) in {row[8] for row in rows}
    assert "wide: it holds many owners" in text


def test_the_page_says_when_it_was_made_and_of_which_moment_it_is() -> None:
    heard = list(calls(BLOCK, 20, share=1.0))
    with closing(RangeStore(None)) as store:
        store.hear(heard)
        text = page(store, heard[-1].time)
    assert f"Made by audio-model on {date.today():%Y-%m-%d}" in text
    assert f"At {local(heard[-1].time):%Y-%m-%d %H:%M} (" in text


def test_numbers_that_nobody_can_own_are_explained() -> None:
    with closing(RangeStore(None)) as store:
        odd = ["9521370011"] * 12 + ["9521"] * 3 + ["95990011"]
        store.hear([RangeCall(str(n), each, 1e9, CallAnswer.LIVE) for n, each in enumerate(odd)])
        root = html5lib.parse(page(store, 1e9), namespaceHTMLElements=False)
    (reasons,) = [
        each for each in root.iter("table") if each.get("aria-label", "")[:7] == "reasons"
    ]
    rows = [["".join(cell.itertext()) for cell in row] for row in reasons.findall("tbody/tr")]
    assert [row[:2] for row in rows] == [
        ["too long", "12"],
        ["wrong length", "3"],
        ["prefix not assigned", "1"],
    ]
    assert "too long (12), wrong length (3)" in "".join(root.itertext())


def test_a_page_of_many_changes_says_how_many_it_leaves_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ranges_page, "MAX_CHANGES", 2)
    with closing(RangeStore(None)) as store:
        store.hear(list(calls(BLOCK, 150, share=1.0)))
        store.tick(2e9)
        n = store.n_changes()
        assert f"The latest 2 of {n} changes" in page(store, 2e9)


def test_every_cell_stands_under_its_heading() -> None:
    with closing(RangeStore(None)) as store:
        heard = list(calls([*BLOCK, "9521370011"], 150, share=1.0))
        store.hear(heard)
        store.allow("95588", "checked", heard[-1].time, who="Li")
        root = html5lib.parse(page(store, heard[-1].time), namespaceHTMLElements=False)
    tables = list(root.iter("table"))
    assert {each.get("aria-label") for each in tables} >= {"Held now", "History", "Allow-list"}
    for table in tables:
        n = len(table.findall("thead/tr/th"))
        assert {len(row) for row in table.findall("tbody/tr")} == {n}
        headings = ["".join(each.itertext()) for each in table.findall("thead/tr/th")]
        assert len(set(headings)) == n
