"""A dead man's switch: Asterisk ends the channel to a server that no longer reports.

The dialplan gives that channel, never the caller's, a few seconds to live, and names it:
``UserEvent(AudioModel,Call: ${CALL_ID},Alive: 2.5)``. While the call is heard here, those seconds
begin anew three times in each of them. A server that hangs renews nothing: the channel ends, and
with it the ``Dial()`` that holds the caller. An action that comes late finds no such channel and
harms nobody. Source: Asterisk documentation, "AbsoluteTimeout".
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass

logger = logging.getLogger(__name__)

ACTION = "AbsoluteTimeout"
MIN_SECONDS, MAX_SECONDS = 1.0, 60.0
OFTEN = 3
"""Times that the seconds begin anew in each of them."""
MAX_CHANNELS = 10_000
"""Channels kept at once; those beyond end by themselves."""

Hears = Callable[[str], bool]
"""Tells whether a call, by its id, is being heard."""
Send = Callable[[str, dict[str, str]], None]
"""Has an action sent about a call."""


@dataclass(frozen=True)
class _Channel:
    name: str
    seconds: float


class Alive:
    """Keeps channels open while their calls are heard. Used in the event loop's thread alone."""

    def __init__(self, hears: Hears, send: Send) -> None:
        self._hears, self._send = hears, send
        self._timers: dict[str, asyncio.TimerHandle] = {}

    def __len__(self) -> int:
        return len(self._timers)

    def keep(self, call_id: str, channel: str, seconds: str) -> None:
        """Keep a channel open while its call is heard.

        ``seconds`` is the dialplan's text: how long the channel lives without this server.
        """
        try:
            wanted = float(seconds)
        except ValueError:
            wanted = 0.0
        if not MIN_SECONDS <= wanted <= MAX_SECONDS:
            logger.warning("AMI: Alive must be %g to %g seconds", MIN_SECONDS, MAX_SECONDS)
        elif len(self._timers) < MAX_CHANNELS:
            self.stop(call_id)
            self._later(call_id, _Channel(channel, wanted))

    def stop(self, call_id: str) -> None:
        """Stop keeping a call's channel open: it is gone, or nobody needs it."""
        if (timer := self._timers.pop(call_id, None)) is not None:
            timer.cancel()

    def close(self) -> None:
        """Stop keeping any channel open."""
        for call_id in list(self._timers):
            self.stop(call_id)

    def _later(self, call_id: str, channel: _Channel) -> None:
        loop = asyncio.get_running_loop()
        wait = channel.seconds / OFTEN
        self._timers[call_id] = loop.call_later(wait, self._again, call_id, channel)

    def _again(self, call_id: str, channel: _Channel) -> None:
        del self._timers[call_id]
        if self._hears(call_id):
            timeout = {"Channel": channel.name, "Timeout": f"{channel.seconds:g}"}
            self._send(call_id, {"Action": ACTION, **timeout})
            self._later(call_id, channel)
