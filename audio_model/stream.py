"""Packets to a verdict, a step at a time, by the network and the decision that files get."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from audio_model.audio import RawFormat, StreamResampler
from audio_model.decision import Decider, Decision, Verdict, VerdictKind
from audio_model.decoders.headerless import to_samples
from audio_model.errors import UsageError
from audio_model.formats import SAMPLE_BYTES
from audio_model.frontend import SAMPLE_RATE, Samples
from audio_model.model import Model, NetworkState, join_states
from audio_model.onset import LATE_SAMPLES, VoiceSearch
from audio_model.rule import OperatingPoint
from audio_model.steps import STEP_SAMPLES, STEP_SECONDS, StepRow, level_db, step_rows

Packet = bytes | bytearray | memoryview | NDArray[np.floating]

MAX_STEPS_A_RUN = 125
"""10 s: a longer stretch is heard in parts, so memory does not follow its length."""

SEARCH_STEPS_A_RUN = 6
"""While the first voice is awaited: what a run hears beyond its beginning is heard twice."""

LOUD_DB = -45.0
"""A leg with a step this loud before a late voice would begin is taken to begin at once."""

DEFAULT_WAIT_SECONDS = 10.0
"""Audio within which the first voice has to come for what follows it to be heard in full."""


@dataclass(frozen=True)
class PhoneCall:
    """A call's id, time and numbers. Known recordings tell calls apart by them."""

    name: str = ""
    """Its id, or its recording's path. Legs of one name are of one call."""
    time: float = math.nan
    """When its audio begins, in seconds since 1970; nan if unknown."""
    caller: str = ""
    called: str = ""


class Follower(Protocol):
    """A listener beside the network, which hears one leg and may change its verdict."""

    @property
    def weighs(self) -> bool:
        """Return whether the follower may change the network's verdict now."""

    def hear(self, samples: Samples) -> None:
        """Hear the leg's next samples, at 8 kHz. [shape=(n_samples,)]"""

    def look_ahead(self) -> None:
        """Look for what takes a while to find, since a verdict is due soon."""

    def flush(self) -> None:
        """Hear the rest at the end of the leg."""

    def fuse(self, verdict: Verdict, point: OperatingPoint) -> Verdict:
        """Return one verdict from the network's and from what the follower found."""

    def conclude(self, verdict: Verdict) -> None:
        """Count or learn the leg by the network's own verdict, if that was asked for."""


class Known(Protocol):
    """The recordings that calls may repeat.

    See :class:`audio_model.known.follow.KnownRecordings`.
    """

    def follow(self, call: PhoneCall) -> Follower:
        """Follow one leg of a call. A call that is learnt needs a name."""

    def close(self) -> None:
        """Let go of the file."""


class StreamDetector:
    """Follows one leg of a call. Made by :meth:`audio_model.Detector.stream`.

    Packets of any size give the verdict of the whole recording. If the first voice is late, more
    than 1.2 s after the start, the network begins anew there. After ``max_seconds`` of audio from
    there or the start the detector is ``finished``: further packets are ignored at no cost. A voice
    is awaited for ``wait_seconds``. Later it is still heard, but no longer for that; without voice
    the detector is finished after ``wait_seconds`` or ``max_seconds``, whichever is more.

    Use ``feed`` for one leg. Use ``receive``, which only puts packets aside, to follow many calls,
    and ``decode`` when several legs have enough for :func:`hear_together`.
    """

    def __init__(
        self,
        model: Model,
        point: OperatingPoint,
        raw_format: RawFormat,
        max_seconds: float,
        known: Known | None = None,
        call: PhoneCall | None = None,
        *,
        wait_seconds: float = DEFAULT_WAIT_SECONDS,
    ) -> None:
        if raw_format.channels != 1:
            raise UsageError("a stream is one leg: feed each channel to its own detector")
        self.model, self._point, self._format = model, point, raw_format
        self.codec = raw_format.codec
        """The codec that the verdict names. A caller who knows a better name sets it."""
        self._known, self._call = known, call or PhoneCall()
        self._max_samples = round(max_seconds * SAMPLE_RATE)
        self._wait_samples = round(wait_seconds * SAMPLE_RATE)
        # Decoding and resampling cost per call, hardly per sample: bytes wait for a step's worth.
        self._sample_bytes = SAMPLE_BYTES[raw_format.encoding]
        self._step_bytes = round(STEP_SECONDS * raw_format.sample_rate) * self._sample_bytes
        self.reset()

    def reset(self) -> None:
        """Forget the call; the next packet begins another."""
        self._resampler = StreamResampler(self._format.sample_rate)
        self._decider = Decider(self.model.rule, self._point)
        self.follower: Follower | None = (
            None if self._known is None else self._known.follow(self._call)
        )
        """Matches the leg with what is known; None without known recordings."""
        self._told: Decision = (VerdictKind.UNKNOWN, None)
        self._state = self.model.start()[0]
        self._search: VoiceSearch | None = VoiceSearch()
        """None once the first voice has begun, or none came."""
        self.voice_at: float | None = None
        """Second from which the first voice is heard, 0 if it is not late; None before it began."""
        self._end = max(self._wait_samples, self._max_samples)
        """The sample at which the leg is over, as far as is known now."""
        self._room = self._wait_samples + self._max_samples
        """The sample beyond which none is taken: a voice may still begin in what waits."""
        self._bytes = bytearray()
        self._waiting: list[Samples] = []
        self._n_waiting = 0
        self._n_received = 0
        self._n_heard = self._n_told = 0
        """Samples that the network, and that the follower has heard."""

    @property
    def finished(self) -> bool:
        """Return whether all audio that counts is decoded; whole steps may still wait.

        While the first voice is awaited, those steps may hold it, and then more audio counts.
        """
        return self._n_received >= self._end and (self._search is None or not self._n_steps())

    @property
    def seconds_received(self) -> float:
        """Return the seconds of audio so far, without what a resampler holds back."""
        waiting = len(self._bytes) // self._sample_bytes * SAMPLE_RATE / self._format.sample_rate
        return min(self._n_received + waiting, self._end) / SAMPLE_RATE

    def decode(self) -> int:
        """Decode what was received and return the number of whole steps ready for one run."""
        if not self.finished:
            self._decode()
        return self.n_ready

    @property
    def n_ready(self) -> int:
        """Return how many whole steps are decoded and ready for one run of the network."""
        n_steps = min(self._n_steps(), MAX_STEPS_A_RUN)
        if n_steps <= SEARCH_STEPS_A_RUN or self._search is None:
            return n_steps
        if self._n_heard == 0 and _begins_at_once(self._waiting[0]):
            # All there is to hear of the leg, for a run costs less a step the longer it is.
            return min(n_steps, max(self._max_samples // STEP_SAMPLES, SEARCH_STEPS_A_RUN))
        return SEARCH_STEPS_A_RUN

    def _n_steps(self) -> int:
        """Return how many whole steps are decoded, unheard, and count as far as is known now."""
        beyond = self._n_received - self._end
        return (self._n_waiting - beyond if beyond > 0 else self._n_waiting) // STEP_SAMPLES

    def feed(self, packet: Packet) -> Verdict | None:
        """Hear a packet.

        Args:
            packet: bytes in the stream's encoding, or float samples in [-1, 1] at its sample
                rate. [shape=(n_samples,)] Bytes may be cut anywhere.

        Returns:
            The verdict, if this packet has changed it, or else None.

        Raises UsageError if the packet is neither, AudioError for NaN or infinite samples.
        """
        if self.finished:
            return None
        if isinstance(packet, bytes | bytearray | memoryview):
            self._bytes += packet
        elif isinstance(packet, np.ndarray):
            self._decode()
            self.put(self._resampler.feed(packet))
        else:
            raise UsageError(f"a packet is bytes or samples, not {type(packet).__name__}")
        self.hear_waiting()
        return self.changed()

    def receive(self, packet: bytes) -> bool:
        """Put bytes aside for :func:`hear_together` and return whether a step may be whole."""
        # Not self.finished: this is called for each packet of each leg.
        if self._n_received >= self._room:
            return False
        self._bytes += packet
        return len(self._bytes) >= self._step_bytes

    def put(self, samples: Samples) -> None:
        """Put samples at 8 kHz aside, to be heard by :meth:`flush`. [shape=(n_samples,)]"""
        room = self._room - self._n_received
        if len(samples) > room:
            samples = samples[: max(0, room)]
        self._n_received += len(samples)
        self._waiting.append(samples)
        self._n_waiting += len(samples)

    def flush(self) -> Verdict:
        """End the call: hear what the resampler still holds and return the verdict."""
        if not self.finished:
            self._decode()
            self.put(self._resampler.flush())
        self.hear_waiting()
        if self.follower is not None:
            self.follower.flush()
        verdict = self.verdict()
        self._told = verdict.verdict, verdict.decided_at
        return verdict

    def verdict(self) -> Verdict:
        """Return the verdict on what was heard so far."""
        verdict = self.network_verdict()
        return verdict if self.follower is None else self.follower.fuse(verdict, self._point)

    def network_verdict(self) -> Verdict:
        """Return the verdict without known recordings."""
        return self._decider.verdict(self.seconds_received, self.codec)

    def _decode(self) -> None:
        whole = len(self._bytes) // self._sample_bytes * self._sample_bytes
        if whole == 0:
            return
        packet, self._bytes = self._bytes, self._bytes[whole:]
        del packet[whole:]
        samples = to_samples(packet, self._format.encoding)
        # Decoded bytes need neither the check nor, at the model's rate, the filter of a resampler.
        if self._format.sample_rate != SAMPLE_RATE:
            samples = self._resampler.feed(samples)
        self.put(samples)

    def take(self, n_steps: int) -> tuple[Samples, NetworkState]:
        """Take the next whole steps for a run of the network, and the state it goes on from.

        What the run gives is for :meth:`hear`. Raises ValueError if fewer steps are decoded.
        """
        n_samples = n_steps * STEP_SAMPLES
        if n_samples > self._n_waiting:
            raise ValueError(f"{n_steps} steps are not there yet")
        waiting = self._waiting[0] if len(self._waiting) == 1 else np.concatenate(self._waiting)
        self._n_waiting -= n_samples
        if not self._n_waiting:
            self._waiting = []
            return waiting, self._state
        # A copy: a view of the rest, however short, would keep what was heard.
        self._waiting = [waiting[n_samples:].copy()]
        return waiting[:n_samples], self._state

    def hear(self, samples: Samples, steps: Sequence[StepRow], state: NetworkState) -> None:
        """Hear what the network says of the steps that were taken.

        Args:
            samples: as :meth:`take` gave them.
            steps: the network's answers to them.
            state: the network's after them, of this leg alone.
        """
        if self.follower is not None:
            self._tell(self.follower, samples)
        self._n_heard += len(samples)
        if self._search is not None:
            seen = self._search.steps_seen
            begins = self._search.add(samples, steps)
            if begins == 0:
                # It may have taken longer to find the voice than was to be heard.
                found = self._search.steps_seen
                self.voice_at = 0.0
                self._end = max(self._max_samples, found * STEP_SAMPLES)
                steps = steps[: self._end // STEP_SAMPLES - seen]
                self._settle()
            elif begins is not None:
                self._decider.add(steps[: self._search.steps_seen - seen])
                self._begin_anew(begins, self._search.since(begins, samples))
                return
        self._state = state
        self._decider.add(steps)
        if self._search is not None and self._n_received >= self._end and not self._n_steps():
            self._settle()

    def _begin_anew(self, at: int, samples: Samples) -> None:
        """Begin anew at the sample where a late voice starts."""
        if at <= self._wait_samples:
            self._end = at + self._max_samples
        self.voice_at = at / SAMPLE_RATE
        self._decider.begin_anew(self.voice_at)
        self._state = self.model.start()[0]
        self._waiting.insert(0, samples)
        self._n_waiting += len(samples)
        self._n_heard = at
        self._settle()

    def _settle(self) -> None:
        """Fix the end of the leg: no first voice is searched for any more."""
        self._search, self._room = None, self._end
        if (beyond := min(self._n_waiting, self._n_received - self._end)) > 0:
            self._waiting = [np.concatenate(self._waiting)[:-beyond]]
            self._n_waiting -= beyond
            self._n_received -= beyond

    def _tell(self, follower: Follower, samples: Samples) -> None:
        """Let the follower hear what it has not heard yet.

        The network hears a beginning twice, and the follower once.
        """
        fresh = self._n_heard + len(samples) - self._n_told
        if fresh > 0:
            self._n_told += fresh
            follower.hear(samples[-fresh:])

    def changed(self) -> Verdict | None:
        """Return the verdict if it is another one than was told last, or else None."""
        if self.follower is None or not self.follower.weighs:
            if self._decider.decided == self._told:
                return None
            self._told = self._decider.decided
            return self.verdict()
        verdict = self.verdict()
        decision = verdict.verdict, verdict.decided_at
        if decision == self._told:
            return None
        self._told = decision
        return verdict

    def hear_waiting(self) -> bool:
        """Hear all whole steps that wait and return whether the leg is finished."""
        while n_steps := self.decode():
            run_together([self], n_steps)
        return self.finished


def hear_together(streams: Sequence[StreamDetector], n_steps: int) -> list[Verdict | None]:
    """Run the network once over the next ``n_steps`` of several legs.

    A run costs less for each leg the more legs and steps it has; a leg's verdict is the same as if
    it were alone. All streams are of one model and have decoded as many steps.

    Returns:
        For each leg its verdict if this has changed it, or else None.
    """
    run_together(streams, n_steps)
    return [stream.changed() for stream in streams]


def run_together(streams: Sequence[StreamDetector], n_steps: int) -> None:
    """Do what :func:`hear_together` does, without asking what has changed."""
    taken = [stream.take(n_steps) for stream in streams]
    samples = _as_batch([samples for samples, _ in taken])
    state = join_states([state for _, state in taken])
    logit, heard, next_state = streams[0].model.run(samples, state)
    levels = level_db(samples.reshape(-1)).reshape(len(streams), n_steps)
    for stream, heard_samples, steps, after in zip(
        streams, samples, step_rows(logit, heard, levels), next_state, strict=True
    ):
        # A copy: a view would keep the states of all the others.
        stream.hear(heard_samples, steps, after.copy())


def _begins_at_once(samples: Samples) -> bool:
    """Return whether a leg's first voice seems not to be late.

    This is a guess, which costs or saves time and changes no verdict.
    """
    levels = level_db(samples[:LATE_SAMPLES])
    return bool(len(levels) and levels.max() > LOUD_DB)


def _as_batch(legs: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Return the legs as one array.

    One leg becomes a view, so that a file's samples need not be copied.
    """
    # In two thirds of the time that numpy.stack takes.
    return legs[0][None] if len(legs) == 1 else np.concatenate(legs).reshape(len(legs), -1)
