"""SIGHUP: read settings again while calls go on, and apply those that need no restart."""

import logging
from collections.abc import Iterator
from dataclasses import fields, replace
from typing import Any

from audio_model.gateway.config.settings import Settings

logger = logging.getLogger(__name__)

RELOADED = {
    "listening": ("tls_certificate", "tls_key", "public_url"),
    "access": (),
    "limits": (),
    "webhook": ("url", "secret", "retries"),
    "number_ranges": (
        "ranges_honest_share",
        "ranges_campaign_share",
        "ranges_warnings",
        "ranges_openings",
    ),
}
"""Options that can change, by their group; all of a group that names none."""


def reloadable(group: str, option: str) -> bool:
    """Return whether an option can change while the server runs."""
    return group in RELOADED and (not RELOADED[group] or option in RELOADED[group])


def merged(old: Settings, new: Settings) -> tuple[Settings, list[str]]:
    """Return the settings that hold after a reload, and the options that wait for a restart."""
    waiting = []
    groups: dict[str, Any] = {}
    for group, option in _options(old):
        before, after = getattr(getattr(old, group), option), getattr(getattr(new, group), option)
        if reloadable(group, option):
            groups[group] = replace(groups.get(group, getattr(old, group)), **{option: after})
        elif before != after:
            waiting.append(f"{group}.{option}")
    return replace(old, **groups), waiting


def _options(settings: Settings) -> Iterator[tuple[str, str]]:
    for group in fields(settings):
        for option in fields(getattr(settings, group.name)):
            yield group.name, option.name
