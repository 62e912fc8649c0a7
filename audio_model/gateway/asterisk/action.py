"""The action that follows an event."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from enum import StrEnum

from audio_model.decision import VerdictKind
from audio_model.gateway.asterisk.amd import channel_variables
from audio_model.gateway.events import Event, EventKind

TOLD_SECONDS = 1.0
"""How long a connection stays open for the channel's variables to be set."""


class HangUp(StrEnum):
    """The event at which the server ends a connection, and so the application in the dialplan."""

    NEVER = "never"
    """Audio goes on being taken and thrown away until Asterisk ends the call."""
    RECORDED = "recorded"
    """The connection ends as soon as the verdict is recorded. That verdict is final."""
    ALWAYS = "always"
    """The connection ends as soon as the verdict is recorded, live, or final: the dialplan goes
    on."""

    def asks(self, event: Event) -> bool:
        """Return whether an event is the one at which the connection ends."""
        verdict = event.verdict.verdict
        final = event.kind is EventKind.FINAL
        stands = event.kind is EventKind.VERDICT and verdict is not VerdictKind.UNKNOWN
        if self is HangUp.RECORDED:
            return (final or stands) and verdict is VerdictKind.RECORDED
        return self is HangUp.ALWAYS and (final or stands)


class Action(StrEnum):
    """The action that Asterisk takes on a verdict."""

    VARIABLE = "variable"
    HANGUP = "hangup"
    """Hang up on a recording, and do nothing to others."""
    TRANSFER = "transfer"
    """Set variables, and send a recording's channel to an extension."""


def asks_to_hang_up(action: Action, event: Event) -> bool:
    """Return whether the call is to end now."""
    return action is Action.HANGUP and _is_recording(event)


def asks_to_transfer(action: Action, event: Event) -> bool:
    """Return whether the channel is to go to the extension for recordings now."""
    return action is Action.TRANSFER and _is_recording(event)


def _is_recording(event: Event) -> bool:
    """Return whether an event says that a call begins with a recording.

    A verdict counts before it is final, as its rates do. A verdict that is revised later doesn't
    count: by then people may speak, and music on hold is recorded.
    """
    recorded = event.verdict.verdict is VerdictKind.RECORDED
    return recorded and event.kind in (EventKind.VERDICT, EventKind.FINAL)


def variables_to_set(action: Action, event: Event) -> dict[str, str]:
    """Return the channel variables to set now; none while nothing new is known."""
    if action is Action.HANGUP or event.kind is EventKind.PROGRESS:
        return {}
    verdict = event.verdict
    return channel_variables(verdict.verdict, event.score, verdict.reason, verdict.seconds)


async def until_told(told: Callable[[str], Awaitable[None]] | None, call_id: str) -> None:
    """Wait until all variables of a call's channel are set, for TOLD_SECONDS at most."""
    if told is not None:
        with suppress(TimeoutError):
            async with asyncio.timeout(TOLD_SECONDS):
                await told(call_id)
