"""The pages in a real browser: Chromium, driven through Playwright."""

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import soundfile
from playwright.sync_api import Browser, Page

from audio_model import cli
from audio_model.pages.markup import Child, element, render
from audio_model.pages.tables import breakable
from audio_model.ranges.page import page as ranges_page
from audio_model.ranges.store import RangeStore
from tests import ranges_made, sounds
from tests.browser import NEEDS_CHROMIUM, Opened, launched, looks, opened_page

pytestmark = NEEDS_CHROMIUM


NASTY_NOTE = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launched() as chromium:
        yield chromium


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report, a comparison and number ranges of recordings with names that are not kind."""
    folder = tmp_path_factory.mktemp("pages")
    nasty = folder / 'calls<img src=x onerror="alert(1)">'
    nasty.mkdir()
    rows = ["path,date,caller,language"]
    for number in range(6):
        name = f"{nasty.name}/{number}.wav"
        soundfile.write(folder / name, sounds.voice(4, number, played=number % 2 == 0), 8000)
        quoted = name.replace('"', '""')
        rows.append(
            f'"{quoted}",2026-05-0{1 + number % 3},+86138000{number},{"zhen"[number % 2 * 2 :][:2]}'
        )
    (folder / "m.csv").write_text("\n".join(rows))
    results = str(folder / "r.jsonl")
    cli.main(["score", str(folder / "m.csv"), "--output", results])
    assert cli.main(["report", results, "--output", str(folder / "r.html")]) == 0
    assert cli.main(["compare", results, results, "--output", str(folder / "c.html")]) == 0
    heard = [*ranges_made.calls(["95213701", "9521370155"], 200, share=0.9, gap=60.0)]
    with closing(RangeStore(folder / "n.db")) as store:
        store.allow("95", NASTY_NOTE, 9e8, who="<b>Li</b>")
        store.disallow("95", NASTY_NOTE, 9.5e8, who="<b>Li</b>")
        store.hear(heard)
        (folder / "n.html").write_text(ranges_page(store, heard[-1].time), encoding="utf-8")
    return folder


@pytest.fixture
def opened(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Opened]:
    with opened_page(browser, getattr(request, "param", {})) as result:
        yield result


PAGES = ["r.html", "c.html", "n.html"]


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize(
    "opened",
    looks((1280, "light", "en-GB"), (390, "dark", "zh-CN"), (390, "light", "en-GB")),
    indirect=True,
)
def test_a_page_opens_without_errors_or_network_and_fits(
    opened: Opened, pages: Path, name: str
) -> None:
    page = opened.page
    page.goto((pages / name).as_uri())
    page.wait_for_load_state("networkidle")
    assert opened.said == []
    assert [url for url in opened.requested if not url.startswith(("data:", "file:"))] == []
    assert len([url for url in opened.requested if url.startswith("file:")]) == 1
    fits = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
    assert page.evaluate(fits)


UNNAMED = """() => [...document.querySelectorAll("svg, table, audio, [role=img], [role=region]")]
    .filter((node) => !node.closest("[aria-hidden=true]"))
    .filter((node) => !node.parentElement.closest("[role=img]"))
    .filter((node) => !(node.getAttribute("aria-label") || "").trim())
    .map((node) => node.outerHTML.slice(0, 200))"""


@pytest.mark.parametrize("name", PAGES)
def test_every_drawing_and_table_has_a_name(opened: Opened, pages: Path, name: str) -> None:
    opened.page.goto((pages / name).as_uri())
    assert opened.page.evaluate(UNNAMED) == []
    headings = "() => [...document.querySelectorAll('thead th')].filter((th) => !th.textContent)"
    assert opened.page.evaluate(f"({headings})().length") == 0


@pytest.mark.parametrize("opened", [{"viewport": {"width": 1280, "height": 800}}], indirect=True)
def test_the_history_of_ranges_fits_on_a_screen_and_breaks_no_range(
    opened: Opened, pages: Path
) -> None:
    page = opened.page
    page.goto((pages / "n.html").as_uri())
    history = page.locator(".history .scroll")
    assert history.evaluate("e => e.scrollWidth <= e.clientWidth")
    lines = "e => { const r = document.createRange(); r.selectNodeContents(e); return new Set("
    lines += "[...r.getClientRects()].map(each => Math.round(each.top))).size; }"
    for cell in history.locator("tbody td:nth-child(2)").all():
        assert cell.evaluate(lines) == 1, cell.text_content()


@pytest.mark.parametrize("opened", [{"viewport": {"width": 390, "height": 800}}], indirect=True)
def test_a_wide_table_moves_by_keys_under_its_first_column(opened: Opened, pages: Path) -> None:
    page = opened.page
    page.goto((pages / "n.html").as_uri())
    table = page.locator(".history .scroll")
    first = table.locator("tbody th").first
    table.focus()
    before = first.bounding_box()
    assert table.evaluate("table => table.scrollWidth > table.clientWidth")
    for _ in range(5):
        page.keyboard.press("ArrowRight")
    wait_until(page, "document.querySelector('.history .scroll').scrollLeft > 50")
    after = first.bounding_box()
    assert before is not None and after is not None
    assert before["x"] == pytest.approx(after["x"], abs=1)


@pytest.mark.parametrize(
    "opened",
    [{"viewport": {"width": width, "height": 800}} for width in (390, 1280)],
    indirect=True,
)
def test_names_of_lanes_stand_beside_their_bars_and_ticks_under_them(
    opened: Opened, pages: Path
) -> None:
    page = opened.page
    page.goto((pages / "n.html").as_uri())
    lane = page.locator(".lane").first
    name, bar = lane.locator("b").bounding_box(), lane.locator("svg").bounding_box()
    assert name is not None and bar is not None
    assert abs(name["y"] + name["height"] / 2 - bar["y"] - bar["height"] / 2) < 30
    ticks = page.locator(".lanes .axis text")
    assert 2 <= ticks.count() <= 7
    boxes = filter(None, (each.bounding_box() for each in ticks.all()))
    right = max(box["x"] + box["width"] for box in boxes)
    assert right <= page.evaluate("document.documentElement.clientWidth")


def test_a_long_path_breaks_at_its_parts(opened: Opened, pages: Path) -> None:
    page = opened.page
    page.goto((pages / "r.html").as_uri())
    page.set_content(
        "<style>.path { overflow-wrap: anywhere }</style><p class=path style='width: 12em'>"
        + render_parts(breakable("calls/branch-office-hangzhou/outgoing_recordings/rec_01.wav"))
    )
    lines = page.locator("p").evaluate(
        """p => { const lines = [[]]; let y = null;
        for (const node of p.childNodes) { if (node.nodeType !== 3) continue;
          const range = document.createRange(); range.selectNode(node);
          if (range.getClientRects().length > 1) lines.push("broken");
        } return lines.slice(1); }"""
    )
    assert lines == []


@pytest.mark.parametrize("opened", [{"locale": "zh-CN"}, {"locale": "en-GB"}], indirect=True)
def test_the_language_is_the_browsers_until_it_is_switched(opened: Opened, pages: Path) -> None:
    page = opened.page
    page.goto((pages / "r.html").as_uri())
    languages = {"zh-CN": "录音还是真人\N{FULLWIDTH QUESTION MARK}", "en": "Recorded or live?"}
    first = page.evaluate("navigator.language")[:2]
    for shown in ("zh-CN", "en") if first == "zh" else ("en", "zh-CN"):
        assert page.locator("html").get_attribute("lang") == shown
        assert page.locator("h1").inner_text() == languages[shown]
        assert page.title() == languages[shown]
        label = page.locator("figure [role=img]").first.get_attribute("aria-label")
        assert label == {"zh-CN": "分数", "en": "Scores"}[shown]
        page.locator("#language").click()


@pytest.mark.parametrize(
    "opened", [{"color_scheme": "dark"}, {"color_scheme": "light"}], indirect=True
)
def test_light_and_dark_can_be_switched(opened: Opened, pages: Path) -> None:
    page = opened.page
    page.goto((pages / "r.html").as_uri())
    background = "getComputedStyle(document.body).backgroundColor"
    first = page.evaluate(background)
    page.locator("#theme").click()
    assert page.evaluate(background) != first
    page.locator("#theme").click()
    assert page.evaluate(background) == first


def test_a_column_of_bars_begins_under_its_name(opened: Opened, pages: Path) -> None:
    opened.page.goto((pages / "r.html").as_uri())
    lefts = opened.page.evaluate("""
        [...document.querySelectorAll(".groups table")].map(table => {
            const name = document.createRange();
            name.selectNodeContents(table.querySelector("th:nth-child(2)"));
            const bar = table.querySelector("td .bar");
            return [name, bar].map(drawn => drawn.getBoundingClientRect().left);
        })""")
    assert lefts
    for name, bar in lefts:
        assert name == pytest.approx(bar, abs=1)


def render_parts(parts: list[Child]) -> str:
    return render(element("span", parts)).partition("\n")[2]


def wait_until(page: Page, expression: str) -> None:
    # Playwright's own way evaluates a string in the page, which the page does not allow.
    deadline = time.monotonic() + 60
    while not page.evaluate(expression):
        assert time.monotonic() < deadline, expression
        page.wait_for_timeout(20)


def test_a_recording_plays(opened: Opened, pages: Path) -> None:
    page = opened.page
    page.goto((pages / "r.html").as_uri())
    audio = page.locator("audio").first
    wait_until(page, "document.querySelector('audio').readyState >= 1")
    assert audio.evaluate("audio => audio.duration") == pytest.approx(4, abs=0.01)
    audio.evaluate("audio => { audio.muted = true; return audio.play(); }")
    wait_until(page, "document.querySelector('audio').currentTime > 0.2")
    playhead = page.locator(".playhead").first
    assert float((playhead.get_attribute("x1") or "0%").rstrip("%")) > 0
    # One at a time.
    page.locator("audio").nth(1).evaluate("audio => { audio.muted = true; return audio.play(); }")
    wait_until(page, "document.querySelector('audio').paused")
    # A click into the picture goes there.
    page.locator(".picture").nth(1).click()
    wait_until(page, "document.querySelectorAll('audio')[1].currentTime > 1.8")
    assert opened.said == []
