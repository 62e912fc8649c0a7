"""The desk in a real browser, worked at with the keyboard alone."""

import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from audio_model.records import deeds, marks
from audio_model.records.people import Role
from audio_model.records.store import CallStore
from tests.browser import NEEDS_CHROMIUM, Opened, launched, looks, opened_page
from tests.desk import made

pytestmark = NEEDS_CHROMIUM

PAGES = ("queue", "calls/1", "ranges", "campaigns", "marks", "statistics", "log")


@dataclass
class Desk:
    """A desk that is served, and who may sign in."""

    url: str
    store: str
    tokens: dict[Role, str]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launched() as chromium:
        yield chromium


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    at = made.fill(tmp_path)
    tokens = made.tokens(at)
    assert at.ranges is not None and at.known is not None
    command = ["desk", "serve", at.calls, "--ranges", at.ranges, "--known", at.known, "--port", "0"]
    server = subprocess.Popen(
        [sys.executable, "-m", "audio_model", *command, "--zone", "Asia/Shanghai"],
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stderr is not None
        line = server.stderr.readline()
        found = re.search(r"http://\S+", line)
        assert found is not None, line + server.stderr.read()
        yield Desk(found[0], at.calls, tokens)
    finally:
        server.terminate()
        assert server.wait(30) == 0
        assert server.stderr is not None
        server.stderr.close()


@pytest.fixture
def opened(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Opened]:
    # Chromium's advice on password managers is about a field for a name, which a token has not.
    with opened_page(
        browser, getattr(request, "param", {}), heeded=lambda text: "[DOM]" not in text
    ) as result:
        yield result


def sign_in(page: Page, desk: Desk, role: Role) -> None:
    page.goto(desk.url)
    # The field has the focus: nothing needs to be pointed at.
    expect(page.locator("[name=token]")).to_be_focused()
    page.keyboard.type(desk.tokens[role])
    page.keyboard.press("Enter")
    page.wait_for_url("**/queue")


@pytest.mark.parametrize(
    "opened",
    looks((1280, "light", "en-GB"), (390, "dark", "zh-CN")),
    indirect=True,
)
def test_every_page_fits_and_asks_only_its_own_server(opened: Opened, desk: Desk) -> None:
    page = opened.page
    sign_in(page, desk, Role.DECIDING)
    for name in PAGES:
        page.goto(f"{desk.url}/{name}")
        page.wait_for_load_state("networkidle")
        fits = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
        assert page.evaluate(fits), name
        beyond = page.evaluate(
            "[...document.querySelectorAll('.cell-value')].filter(e => innerWidth < 640 && "
            "e.getBoundingClientRect().right > innerWidth).map(e => e.textContent)"
        )
        assert beyond == [], name
        assert page.locator("h1").count() == 1
        unnamed = page.evaluate(
            "[...document.querySelectorAll('button:not([hidden]), a, input:not([type=hidden]), "
            "select, audio, [role=img], table')].filter(e => !(e.getAttribute('aria-label') || "
            "e.textContent.trim() || (e.labels && e.labels.length))).map(e => e.outerHTML)"
        )
        assert unnamed == [], name
    assert opened.said == []
    assert {url for url in opened.requested if not url.startswith((desk.url, "data:"))} == set()
    chinese = page.evaluate("navigator.language").startswith("zh")
    assert page.title() == ("日志" if chinese else "Log")
    assert page.locator("html").get_attribute("lang") == ("zh-CN" if chinese else "en")


def test_a_person_hears_marks_and_takes_back_with_the_keyboard_alone(
    opened: Opened, desk: Desk
) -> None:
    page = opened.page
    sign_in(page, desk, Role.MARKING)
    first = page.locator("article").get_attribute("aria-label")
    page.keyboard.press("Space")
    for _ in range(200):
        # Playwright's own way to wait evaluates text, which the desk's policy forbids.
        if page.evaluate("document.querySelector('audio').currentTime") > 0.1:
            break
        page.wait_for_timeout(50)
    assert not page.evaluate("document.querySelector('audio').paused")
    page.keyboard.press("Space")
    assert page.evaluate("document.querySelector('audio').paused")
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.querySelector('audio').currentTime") > 2
    page.keyboard.press("r")
    expect(page.locator("[role=status]").first).to_contain_text("all 4 calls of its campaign")
    # A screen reader is told of it, and goes on at the next call.
    expect(page.locator("[aria-live=polite]")).to_contain_text("all 4 calls of its campaign")
    assert page.evaluate("document.activeElement.matches('.call h2')")
    assert page.locator("article").get_attribute("aria-label") != first
    page.keyboard.press("z")
    expect(page.locator("article")).to_have_attribute("aria-label", str(first))
    expect(page.locator("[role=status]").first).to_contain_text("Taken back: the mark")
    for key in "rlus":
        # The next call is there before its script is, which listens to keys and moves the focus.
        expect(page.locator(".call h2")).to_be_focused()
        before = page.locator("article").get_attribute("aria-label")
        page.keyboard.press(key)
        expect(page.locator("article")).not_to_have_attribute("aria-label", str(before))
    with CallStore(desk.store) as store:
        said = [each.what.value for each in deeds.log(store, 100)][::-1]
        given = [row[0] for row in store.rows("SELECT mark FROM marks ORDER BY n")]
        assert len(marks.of_call(store, 1)) == 1
    assert said[:4] == ["signed_in", "listened", "marked", "undone"]
    assert given == ["recorded", "live", "unsure"]
    # One of the calls has lost its recording, which the page says, too.
    assert all("404" in each for each in opened.said)


def test_a_recording_that_is_gone_is_told(opened: Opened, desk: Desk) -> None:
    page = opened.page
    sign_in(page, desk, Role.READING)
    page.goto(f"{desk.url}/calls/9")
    expect(page.locator(".unheard")).to_be_visible()
    expect(page.locator(".picture")).to_be_hidden()


def test_tab_goes_through_the_answers_in_their_order(opened: Opened, desk: Desk) -> None:
    page = opened.page
    sign_in(page, desk, Role.MARKING)
    page.locator(".answers button").first.focus()
    for name in ("Recorded", "Live", "Not sure", "Wrong number", "Skip"):
        expect(page.locator(":focus")).to_have_accessible_name(re.compile(f"^{name}"))
        page.keyboard.press("Tab")


def test_letters_typed_into_a_field_are_text(opened: Opened, desk: Desk) -> None:
    page = opened.page
    sign_in(page, desk, Role.DECIDING)
    page.locator("summary").click()
    page.locator("[name=reason]").focus()
    page.keyboard.type("rlz")
    assert page.locator("[name=reason]").input_value() == "rlz"
    assert page.url.endswith("/queue")
    with CallStore(desk.store) as store:
        assert store.rows("SELECT * FROM marks") == []


def test_language_and_light_stay_from_page_to_page(opened: Opened, desk: Desk) -> None:
    page = opened.page
    sign_in(page, desk, Role.READING)
    page.locator("#language").click()
    page.locator("#theme").click()
    theme = page.locator("html").get_attribute("data-theme")
    page.goto(f"{desk.url}/ranges")
    assert page.locator("h1").inner_text() == "当前号段"
    assert page.locator("html").get_attribute("data-theme") == theme


def test_a_range_is_opened_from_the_call_that_was_heard(opened: Opened, desk: Desk) -> None:
    page = opened.page
    sign_in(page, desk, Role.DECIDING)
    page.goto(f"{desk.url}/calls/1")
    page.locator("summary").click()
    page.locator("[name=reason]").fill("loans <b>again</b>")
    page.get_by_role("button", name="Open the breaker").click()
    page.wait_for_url("**/ranges")
    expect(page.locator("main")).to_contain_text("deciding: loans <b>again</b>")
    assert page.locator("main b").count() == 0 and opened.said == []


def test_enter_in_a_field_decides_nothing(opened: Opened, desk: Desk) -> None:
    page = opened.page
    sign_in(page, desk, Role.DECIDING)
    page.goto(f"{desk.url}/ranges")
    page.locator("[name=typed]").fill("95213")
    page.keyboard.press("Tab")
    page.keyboard.type("loans")
    page.keyboard.press("Enter")
    page.wait_for_load_state("networkidle")
    for name in ("calls/1", "campaigns"):
        page.goto(f"{desk.url}/{name}")
        if page.locator("summary").count():
            page.locator("summary").click()
        page.locator("[name=reason]").first.fill("loans")
        page.keyboard.press("Enter")
        page.wait_for_load_state("networkidle")
        assert page.url == f"{desk.url}/{name}"
    with CallStore(desk.store) as store:
        assert {each.what.value for each in deeds.log(store, 100)} <= {"signed_in", "listened"}
    # The keyboard goes on to the button that is meant.
    page.goto(f"{desk.url}/ranges")
    page.locator("[name=typed]").fill("95213")
    page.keyboard.press("Tab")
    page.keyboard.type("loans")
    page.keyboard.press("Tab")
    expect(page.locator(":focus")).to_have_accessible_name("Open the breaker")
    page.keyboard.press("Enter")
    expect(page.locator("[role=status]").first).to_contain_text("opened 95213")
    for field in page.locator(".row-form [name=reason]").all():
        field.fill("a mistake")
        page.keyboard.press("Enter")
    page.wait_for_load_state("networkidle")
    with CallStore(desk.store) as store:
        assert [each.what.value for each in deeds.log(store, 2)] == ["opened", "signed_in"]


def test_reading_shows_no_answers(opened: Opened, desk: Desk) -> None:
    page = opened.page
    sign_in(page, desk, Role.READING)
    assert page.locator(".answers").count() == 0
    page.keyboard.press("r")
    assert page.url.endswith("/queue")
