"""Packets to a verdict: the same network and decision as for files, a step at a time."""

import numpy as np
from numpy.typing import NDArray

from audio_model.audio import RawFormat, StreamResampler
from audio_model.companding import alaw_decode, mulaw_decode
from audio_model.decision import Decider, OperatingPoint, Verdict
from audio_model.errors import UsageError
from audio_model.formats import Encoding
from audio_model.frontend import SAMPLE_RATE, Samples
from audio_model.model import Model
from audio_model.steps import STEP_SAMPLES, Steps, level_db

Packet = bytes | bytearray | memoryview | NDArray[np.floating]

MAX_STEPS_A_RUN = 125
"""10 s: a longer stretch is heard in parts, so memory does not follow its length."""


class StreamDetector:
    """Follows one leg of a call. Made by :meth:`audio_model.Detector.stream`.

    Packets of any size give the verdict of the whole recording. After ``max_seconds`` of audio
    the detector is ``finished``: further packets are ignored at no cost.
    """

    def __init__(
        self, model: Model, point: OperatingPoint, raw_format: RawFormat, max_seconds: float
    ) -> None:
        if raw_format.channels != 1:
            raise UsageError("a stream is one leg: feed each channel to its own detector")
        self._model, self._point, self._format = model, point, raw_format
        self._max_samples = round(max_seconds * SAMPLE_RATE)
        self.reset()

    def reset(self) -> None:
        """Forget the call; the next packet begins another."""
        self._resampler = StreamResampler(self._format.sample_rate)
        self._decider = Decider(self._model.rule, self._point)
        self._state = self._model.start()
        self._waiting: list[Samples] = []
        self._n_waiting = 0
        self._n_heard = 0
        self._odd_byte = b""

    @property
    def finished(self) -> bool:
        """Whether ``max_seconds`` of audio were heard."""
        return self._n_heard >= self._max_samples

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
        if isinstance(packet, np.ndarray):
            samples = packet
        elif isinstance(packet, bytes | bytearray | memoryview):
            samples = self._decode(bytes(packet))
        else:
            raise UsageError(f"a packet is bytes or samples, not {type(packet).__name__}")
        return self._hear(self._resampler.feed(samples))

    def flush(self) -> Verdict:
        """The call is over: hear what the resampler still holds and give the verdict."""
        if not self.finished:
            self._hear(self._resampler.flush())
        return self.verdict()

    def verdict(self) -> Verdict:
        """The verdict on what was heard so far."""
        return self._decider.verdict(self._n_heard / SAMPLE_RATE)

    def _decode(self, packet: bytes) -> Samples:
        match self._format.encoding:
            case Encoding.MULAW:
                pcm = mulaw_decode(np.frombuffer(packet, np.uint8))
            case Encoding.ALAW:
                pcm = alaw_decode(np.frombuffer(packet, np.uint8))
            case Encoding.S16LE:
                packet = self._odd_byte + packet
                whole = len(packet) // 2 * 2
                self._odd_byte = packet[whole:]
                pcm = np.frombuffer(packet[:whole], "<i2")
        return pcm.astype(np.float32) / np.float32(32768)

    def _hear(self, samples: Samples) -> Verdict | None:
        samples = samples[: self._max_samples - self._n_heard]
        self._n_heard += len(samples)
        self._waiting.append(samples)
        self._n_waiting += len(samples)
        if self._n_waiting < STEP_SAMPLES:
            return None
        before = self._decider.decided
        waiting = np.concatenate(self._waiting)
        whole = len(waiting) // STEP_SAMPLES * STEP_SAMPLES
        for start in range(0, whole, MAX_STEPS_A_RUN * STEP_SAMPLES):
            end = min(whole, start + MAX_STEPS_A_RUN * STEP_SAMPLES)
            logit, heard, self._state = self._model.run(waiting[None, start:end], self._state)
            self._decider.add(Steps(logit[0], heard[0], level_db(waiting[start:end])))
        self._waiting = [waiting[whole:]]
        self._n_waiting = len(waiting) - whole
        return self.verdict() if self._decider.decided != before else None
