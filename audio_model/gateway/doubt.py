"""Doubt what a gateway calls its audio: the pace and the bytes may contradict it."""

import asyncio
from time import monotonic
from typing import Protocol

from audio_model.formats import Encoding, RawFormat
from audio_model.gateway.guess import guess_encoding
from audio_model.gateway.pace import CHECK_SECONDS, PaceCheck


class _Leg(Protocol):
    """The leg whose audio is doubted; see :class:`audio_model.gateway.legs.Leg`."""

    raw_format: RawFormat

    @property
    def finished(self) -> bool: ...

    @property
    def seconds_received(self) -> float: ...

    def fail(self, detail: str, /) -> None: ...

    def hear_anew(self, raw_format: RawFormat, audio: bytes, /) -> None: ...


class _Engine(Protocol):
    @property
    def lags(self) -> bool: ...


class Doubt:
    """Watches the first seconds of one leg whose audio comes as it is spoken.

    A leg at the pace of another rate than its own gets no verdict. One that is called 16-bit and
    comes at the pace of G.711 is heard anew from its beginning, if its bytes are those of G.711.
    Pauses that are not sent have that pace, too, so the bytes have to agree. No packet waits for
    this: what was heard in the wrong encoding is half as long as what came, and too short to judge.
    """

    __slots__ = ("_engine", "_leg", "_pace", "_timer", "beginning")

    def __init__(self, leg: _Leg, engine: _Engine, *, of_encoding: bool) -> None:
        """Begin to watch a leg.

        Args:
            of_encoding: whether 16-bit audio may be G.711.
        """
        self._leg, self._engine = leg, engine
        self.beginning: list[bytes] | None = [] if of_encoding else None
        """The leg's packets from its start, which the leg adds to; None once its encoding is sure.
        They are joined only where that is needed, which it seldom is."""
        self._pace = PaceCheck(leg.raw_format.sample_rate)
        self._look_after(CHECK_SECONDS / 2)

    def end(self) -> None:
        """Watch no more."""
        self._timer.cancel()
        self.beginning = None

    def _look_after(self, seconds: float) -> None:
        self._timer = asyncio.get_running_loop().call_later(seconds, self._look)

    def _look(self) -> None:
        leg, pace = self._leg, self._pace
        if leg.finished:
            return
        if self._engine.lags:
            # Then the pace is that of this machine.
            pace = self._pace = PaceCheck(leg.raw_format.sample_rate)
        elif (rate := pace.look(monotonic(), leg.seconds_received)) is not None:
            leg.fail(f"the audio comes as at {rate} Hz, not at {leg.raw_format.sample_rate} Hz")
            return
        elif self.beginning and pace.is_g711:
            audio = b"".join(self.beginning)
            if (encoding := guess_encoding(audio)) is not Encoding.S16LE:
                self.end()
                leg.hear_anew(RawFormat(encoding), audio)
                return
        if pace.over:
            self.end()
        else:
            self._look_after(CHECK_SECONDS)
