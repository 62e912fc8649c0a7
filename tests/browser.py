"""Chromium, driven through Playwright."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)

NEEDS_CHROMIUM = [
    pytest.mark.slow,
    pytest.mark.peer,
    pytest.mark.skipif(
        CHROMIUM is None, reason="Chromium is not here: scripts/peers packages installs it"
    ),
]


def looks(*of: tuple[int, str, str]) -> list[dict[str, Any]]:
    """Options of pages by their width, ``light`` or ``dark``, and language."""
    return [
        {"viewport": {"width": width, "height": 800}, "color_scheme": light, "locale": language}
        for width, light, language in of
    ]


@dataclass
class Opened:
    """A page, and what it did that it should not do."""

    page: Page
    said: list[str] = field(default_factory=list)
    requested: list[str] = field(default_factory=list)


@contextmanager
def launched() -> Iterator[Browser]:
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=[*arguments, "--autoplay-policy=no-user-gesture-required"],
        )
        yield chromium
        chromium.close()


@contextmanager
def opened_page(
    browser: Browser, options: dict[str, Any], *, heeded: Callable[[str], bool] = bool
) -> Iterator[Opened]:
    """A page of its own; of what the console says only what is ``heeded`` counts."""
    context = browser.new_context(**options)
    result = Opened(context.new_page())
    said = result.said.append
    result.page.on("console", lambda message: said(message.text) if heeded(message.text) else None)
    result.page.on("pageerror", lambda error: said(str(error)))
    result.page.on("dialog", lambda dialog: said(dialog.message))
    result.page.on("request", lambda sent: result.requested.append(sent.url))
    yield result
    context.close()
