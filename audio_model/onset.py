"""The onset of a leg's voice: the sample from which the network hears it.

A call's first seconds may be silence, comfort noise or ringback. The network was trained with leads
of at most 1.2 s, and a longer one moves its answers. So the network begins anew shortly before a
voice that is late, and the seconds without voice before it change nothing.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from audio_model.frontend import SAMPLE_RATE, Samples
from audio_model.steps import STEP_SAMPLES, StepRow

VOICED_STEPS, WITHIN_STEPS = 3, 4
"""Voice has begun once so many of so many steps in a row hold it: a click or a ring's edge does
not make it."""

STEPS_BEFORE, STEPS_AFTER = 5, 4
"""The beginning is looked for within so many steps before and from the first of them."""

RISE_SAMPLES = 240
"""30 ms: the level of so much is compared with that of as much before it."""

FLOOR = 1e-6
"""Power (-60 dBFS) beneath which a rise is none."""

FIRST_SHARE = 0.7
"""The voice begins with the first rise, in dB, of so much of the steepest one.

Measured with ``benchmarks.late``: a later syllable may be steeper, and whether it is still within
reach depends on where the steps fall.
"""

LATE_SAMPLES = 9600
"""1.2 s. A voice that begins later is late: network and thresholds were fitted to earlier ones."""

RUN_IN_SAMPLES = 1600
"""0.2 s before a late voice are heard with it.

Most clips that thresholds are chosen on hold as much before their first word. With none, more live
callers were flagged (2.5 % against 0.3 % of the unmet ones, one run).
"""

_KEPT = (WITHIN_STEPS - 1 + STEPS_BEFORE) * STEP_SAMPLES + RUN_IN_SAMPLES


class VoiceSearch:
    """Looks for the first voice of one leg while its steps come."""

    def __init__(self) -> None:
        self._n_steps = self._n_found = 0
        self._voiced: list[bool] = []
        """Whether each of the last ``WITHIN_STEPS`` steps holds voice."""
        self._kept = np.zeros(0, np.float32)
        """The last samples before the next step."""

    @property
    def steps_seen(self) -> int:
        """Return how many steps it took to find the voice, or were seen without finding it."""
        return self._n_found or self._n_steps

    def add(self, samples: Samples, steps: Sequence[StepRow]) -> int | None:
        """Hear the next steps.

        Args:
            samples: at 8 kHz. [shape=(STEP_SAMPLES * len(steps),)]
            steps: the network's answers to them.

        Returns:
            The sample from which the leg is to be heard, counted from the first one ever added,
            once it is known: 0, unless the voice is late. None before; what follows is not to be
            added then.
        """
        for n, (_, background, tone, voice, _) in enumerate(steps):
            voiced = voice >= tone and voice >= background
            self._voiced = [*self._voiced[1 - WITHIN_STEPS :], voiced]
            if sum(self._voiced) >= VOICED_STEPS:
                last = self._n_steps + n
                first = last + 1 - len(self._voiced) + self._voiced.index(True)
                begins = self._begin(samples, first, last)
                self._n_found = last + 1
                return 0 if begins < LATE_SAMPLES else begins - RUN_IN_SAMPLES
        self._n_steps += len(steps)
        self._kept = np.concatenate([self._kept, samples])[-_KEPT:]
        return None

    def since(self, begins: int, samples: Samples) -> Samples:
        """Return the samples from where the voice begins to the end of those last added."""
        every = np.concatenate([self._kept, samples])
        return every[begins - (self._n_steps * STEP_SAMPLES - len(self._kept)) :]

    def _begin(self, samples: Samples, first: int, last: int) -> int:
        low = max(0, first - STEPS_BEFORE) * STEP_SAMPLES
        high = min(last + 1, first + STEPS_AFTER) * STEP_SAMPLES
        if high <= LATE_SAMPLES:
            # Wherever in the stretch it begins, it is not late.
            return low
        stretch = self.since(max(0, low - RISE_SAMPLES), samples)[
            : high - max(0, low - RISE_SAMPLES)
        ]
        # Before a call there is silence.
        missing = RISE_SAMPLES - min(low, RISE_SAMPLES)
        rise = _rise(np.concatenate([np.zeros(missing, np.float32), stretch]))
        steepest = float(rise.max())
        at = int(np.argmax(rise >= min(FIRST_SHARE * steepest, steepest)))
        return low + at + int(np.argmax(rise[at : at + RISE_SAMPLES]))


def onset_of(samples: Samples, hear: Callable[[Samples], Sequence[StepRow]]) -> int:
    """Return the sample from which a whole call is heard: 0, unless its voice is late.

    Args:
        samples: at 8 kHz. [shape=(n_samples,)]
        hear: gives the network's answers to whole steps.
    """
    whole = samples[: len(samples) // STEP_SAMPLES * STEP_SAMPLES]
    return VoiceSearch().add(whole, hear(whole)) or 0


def stretch_heard(
    samples: Samples, seconds: float, hear: Callable[[Samples], Sequence[StepRow]]
) -> slice:
    """Return what the detector hears of a call: its beginning, or a late voice.

    Args:
        samples: at 8 kHz, of ``seconds`` and the time in which a voice is awaited, or of all the
            call. [shape=(n_samples,)]
        seconds: the most that is heard.
        hear: gives the network's answers to whole steps.
    """
    begins = onset_of(samples, hear)
    return slice(begins, begins + round(seconds * SAMPLE_RATE))


def _rise(samples: Samples) -> NDArray[np.float64]:
    """Return by how many dB the level rises at each sample that has enough before and behind."""
    energy = np.concatenate([[0.0], np.cumsum(np.square(samples, dtype=np.float64))])
    power = (energy[RISE_SAMPLES:] - energy[:-RISE_SAMPLES]) / RISE_SAMPLES + FLOOR
    rise: NDArray[np.float64] = 10 * np.log10(power[RISE_SAMPLES:-1] / power[: -RISE_SAMPLES - 1])
    return rise
