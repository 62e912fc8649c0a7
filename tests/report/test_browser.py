"""The pages in a real browser: Chromium, driven through Playwright."""

import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import soundfile
from playwright.sync_api import Browser, Page, sync_playwright

from audio_model import cli
from tests import sounds

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.peer,
    pytest.mark.skipif(
        CHROMIUM is None, reason="Chromium is not here: scripts/peers packages installs it"
    ),
]


@dataclass
class Opened:
    """A page, and what it did that it should not do."""

    page: Page
    said: list[str] = field(default_factory=list)
    requested: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=[*arguments, "--autoplay-policy=no-user-gesture-required"],
        )
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report and a comparison of recordings with names that are not kind."""
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
    return folder


@pytest.fixture
def opened(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Opened]:
    context = browser.new_context(**getattr(request, "param", {}))
    result = Opened(context.new_page())
    result.page.on("console", lambda message: result.said.append(message.text))
    result.page.on("pageerror", lambda error: result.said.append(str(error)))
    result.page.on("dialog", lambda dialog: result.said.append(dialog.message))
    result.page.on("request", lambda sent: result.requested.append(sent.url))
    yield result
    context.close()


@pytest.mark.parametrize("name", ["r.html", "c.html"])
@pytest.mark.parametrize(
    "opened",
    [
        {"viewport": {"width": width, "height": 800}, "color_scheme": light, "locale": language}
        for width, light, language in (
            (1280, "light", "en-GB"),
            (390, "dark", "zh-CN"),
            (390, "light", "en-GB"),
        )
    ],
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


def wait_until(page: Page, expression: str) -> None:
    # Playwright's own way evaluates a string in the page, which the page does not allow.
    deadline = time.monotonic() + 10
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
