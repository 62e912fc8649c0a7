"""When a leg is to be answered: so long after its first voice, which is waited for."""

import asyncio
from time import monotonic
from typing import Protocol

from audio_model.stream import Follower, StreamDetector

LEAD_SECONDS, LEAD_SHARE = 0.25, 0.1
"""How long before its deadline a leg is concluded, at most and as a share of it.

Many calls may end at one moment, and hearing the rest of each and telling of it takes a while: the
deadline is when the last of them is to be answered.
"""
LOOK_SECONDS = 0.2
"""How long before it is concluded a leg is looked for in the calls heard before: in another thread,
for which no answer waits."""
TOGETHER_SECONDS = 0.01
"""Legs whose time is up within so long are concluded together, and none waits on for less."""
READ_SECONDS = 0.01
"""Within so long the loop reads what waits in a leg's socket, before it says that nothing came."""

MAX_AHEAD_SHARE = 0.25
"""By what share of the deadline a machine that is behind may conclude legs earlier still."""

UNREAD_SECONDS = 0.5
"""Audio that a leg may lack before a machine that is behind is taken for the cause."""


class DeadlineLeg(Protocol):
    """The leg that is to be answered; see :class:`audio_model.gateway.legs.Leg`."""

    stream: StreamDetector | None

    @property
    def seconds_received(self) -> float:
        """Return the seconds of audio so far."""

    def time_is_up(self) -> None:
        """Give the final event soon, or put the deadline off."""


class DeadlineEngine(Protocol):
    """The engine that concludes legs; see :class:`audio_model.gateway.engine.Engine`."""

    rest: float
    """Seconds for which a connection may rest between two reads."""

    def ahead(self) -> float:
        """Return by how many seconds legs are to be concluded earlier than on an idle machine."""

    @property
    def behind(self) -> bool:
        """Return whether audio may have come that was not read or not heard yet."""


class Deadline:
    """Tells one leg when its time is up.

    That is a moment before the deadline, for legs are concluded together. The deadline counts from
    the leg's start as if the first voice came at once. It is put off for as long as none has begun,
    and counts from the first voice once that is known.
    """

    def __init__(
        self,
        leg: DeadlineLeg,
        engine: DeadlineEngine,
        started: float,
        seconds: float,
        wait_seconds: float,
    ) -> None:
        """Begin to count.

        Args:
            started: when the leg began, by the monotonic clock.
            seconds: from the first voice to the final event.
            wait_seconds: how long the first voice is awaited. Without one, the final event is due
                after these or ``seconds``, whichever is more.
        """
        self._leg, self._engine, self._started = leg, engine, started
        self._seconds, self._wait_seconds = seconds, wait_seconds
        self._lead = min(LEAD_SECONDS, LEAD_SHARE * seconds)
        self._timer: asyncio.TimerHandle | None = None
        self.begin()
        self._asked = self.answer_by
        """When the final event was due as the leg was told that its time is up."""

    def begin(self) -> None:
        """Count from the leg's start: nothing of its audio was heard yet."""
        self.awaits_voice = True
        """Whether the first voice is not known yet."""
        self._set(self._started + self._seconds)

    def voice_began(self, voice_at: float, received: float) -> None:
        """Count from the first voice, if it came in time.

        Args:
            voice_at: the second of the audio at which it begins.
            received: seconds of audio so far.
        """
        self.awaits_voice = False
        # Audio is heard a moment after it came, and may come faster than it was spoken.
        since = self._engine.rest + received - voice_at
        began = max(self._started, monotonic() - since)
        if self._engine.behind:
            # It came before that, and was not read. Gateways send silence as well, most of them.
            began = min(began, self._started + voice_at)
        if began <= self._started + self._wait_seconds:
            self._set(began + self._seconds)

    @property
    def has_come(self) -> bool:
        """Return whether the leg's time is up, also by what was heard since it was told so."""
        return self.answer_by <= self._asked

    def put_off(self, received: float) -> bool:
        """Wait on for the first voice. Return False if there is no time to.

        ``received`` is in seconds of audio.
        """
        last = self._started + max(self._wait_seconds, self._seconds)
        if not self.awaits_voice or last - self.answer_by < TOGETHER_SECONDS:
            return False
        if monotonic() - self._started - received > UNREAD_SECONDS and self._engine.behind:
            # Whoever spoke at once is to be answered now, and the machine has not heard of it.
            return False
        self._set(min(self.answer_by + self._seconds, last))
        return True

    def end(self) -> None:
        """Let go of the leg, which has given its final event."""
        assert self._timer is not None
        self._timer.cancel()
        # In a circle both would stay until the collector of circles finds them.
        del self._leg

    def _set(self, answer_by: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self.answer_by = answer_by
        """When the final event is due, by the monotonic clock."""
        seconds = answer_by - monotonic() - self._lead - MAX_AHEAD_SHARE * self._seconds
        self._timer = asyncio.get_running_loop().call_later(seconds, self._near)

    def _near(self) -> None:
        """Conclude now if the machine is so far behind, or else as late as may be."""
        ahead = min(self._engine.ahead(), MAX_AHEAD_SHARE * self._seconds)
        left = self.answer_by - monotonic() - self._lead - ahead
        if left <= 0:
            self._conclude()
            return
        loop = asyncio.get_running_loop()
        at = loop.time() + left
        # Legs whose time is up at about the same moment are concluded together.
        at -= at % TOGETHER_SECONDS
        if self._follower is not None and left > LOOK_SECONDS:
            self._timer = loop.call_at(at - LOOK_SECONDS, self._look_ahead, at)
        else:
            self._timer = loop.call_at(at, self._conclude)

    def _look_ahead(self, at: float) -> None:
        """Look for the leg in calls heard before, and conclude it at a moment of the loop."""
        self._timer = asyncio.get_running_loop().call_at(at, self._conclude)
        if self._follower is not None:
            self._follower.look_ahead()

    @property
    def _follower(self) -> Follower | None:
        return None if self._leg.stream is None else self._leg.stream.follower

    def _conclude(self) -> None:
        if self._leg.seconds_received > 0:
            self._tell()
        else:
            # A loop that was held up meets its timers first, and all audio may wait in the socket.
            self._timer = asyncio.get_running_loop().call_later(READ_SECONDS, self._tell)

    def _tell(self) -> None:
        self._asked = self.answer_by
        self._leg.time_is_up()
