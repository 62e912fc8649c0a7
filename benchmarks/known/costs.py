"""What a large store costs: filled with codes as speech has them, asked by real queries."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np
from numpy.random import Generator

from audio_model.detector import Detector
from audio_model.frontend import Samples
from audio_model.known.fingerprint import NOTHING, Codes, Fingerprint, fingerprint
from audio_model.known.matcher import Matcher, match_whole
from audio_model.known.recording import CODES_PER_POSITION, POSITIONS_PER_SECOND
from audio_model.known.store import Store
from audio_model.steps import STEP_SAMPLES
from audio_model.stream import hear_together
from benchmarks.timing import Task, interleaved

ADDED_AT_ONCE = 500


@dataclass(frozen=True)
class Costs:
    """Medians of CPU and wall milliseconds a query; a store's size in thousands of bytes."""

    recordings: int
    minutes: float
    kilobytes_a_minute: float
    fill_ms: float
    """CPU to add one recording."""
    cpu_ms: dict[str, float]
    wall_ms: dict[str, float]
    leg_ms: dict[str, float]
    """CPU for a live leg as it comes: the match, and the network alone and for 16 legs a run."""


def measure(
    n_recordings: int,
    seconds: float,
    known: Sequence[Samples],
    queries: dict[str, Sequence[Samples]],
    legs: Sequence[Samples],
    rng: Generator,
    folder: Path | None = None,
) -> Costs:
    """Fill a store with ``n_recordings`` of a length, some of them real, and time queries."""
    with TemporaryDirectory(dir=folder) as temporary:
        path = Path(temporary) / "known.db"
        fingerprints = [fingerprint(samples) for samples in known]
        pool = np.concatenate([found.codes for found in fingerprints])
        pool = pool[pool != NOTHING]
        with Store(path) as store:
            started = time.process_time()
            for found in fingerprints:
                store.add("real", found.codes)
            _fill(store, n_recordings - len(known), seconds, pool, rng)
            fill_ms = 1000 * (time.process_time() - started) / n_recordings
            minutes = sum(recording.seconds for recording in store.recordings()) / 60
        size = path.stat().st_size
        with Store(path) as store:
            asked = {name: [fingerprint(samples) for samples in of] for name, of in queries.items()}
            tasks = {
                name: Task(_asking(store, of), units=1000 * len(of)) for name, of in asked.items()
            }
            timings = interleaved(tasks, rounds=7)
            following = interleaved(_following(store, legs), rounds=5)
    return Costs(
        n_recordings,
        minutes,
        size / 1000 / minutes,
        fill_ms,
        {name: timing.cpu_us for name, timing in timings.items()},
        {name: timing.wall_us for name, timing in timings.items()},
        {name: timing.cpu_us for name, timing in following.items()},
    )


def fingerprint_ms(queries: Sequence[Samples]) -> float:
    """Return CPU milliseconds for the fingerprint of a query."""
    times = []
    for samples in queries:
        started = time.process_time()
        for _ in range(5):
            fingerprint(samples)
        times.append((time.process_time() - started) / 5)
    return 1000 * median(times)


def _fill(store: Store, n: int, seconds: float, pool: Codes, rng: Generator) -> None:
    """Fill a store with real codes, an eighth of whose bits are changed.

    So keys are as uneven as those of speech.
    """
    n_positions = round(seconds * POSITIONS_PER_SECOND)
    for first in range(0, n, ADDED_AT_ONCE):
        with store.writing():
            for _ in range(min(ADDED_AT_ONCE, n - first)):
                codes = pool[rng.integers(len(pool), size=n_positions)]
                changes = rng.integers(1 << 64, size=(3, n_positions), dtype=np.uint64)
                changed = codes ^ (changes[0] & changes[1] & changes[2])
                store.add("synthetic", np.repeat(changed, CODES_PER_POSITION), 0.0)


def _following(store: Store, legs: Sequence[Samples]) -> dict[str, Task]:
    detector = Detector.load()
    n_steps = len(legs[0]) // STEP_SAMPLES if legs else 0

    def match() -> None:
        for leg in legs:
            matcher = Matcher(store)
            for n in range(n_steps):
                matcher.feed(leg[n * STEP_SAMPLES : (n + 1) * STEP_SAMPLES])
            matcher.flush()

    def hear(at_once: int) -> None:
        for first in range(0, len(legs), at_once):
            streams = [(detector.stream(), leg) for leg in legs[first : first + at_once]]
            for n in range(n_steps):
                for stream, leg in streams:
                    step = leg[n * STEP_SAMPLES : (n + 1) * STEP_SAMPLES]
                    stream.receive((step * 32767).astype("<i2").tobytes())
                    stream.decode()
                hear_together([stream for stream, _ in streams], 1)

    units = 1000.0 * max(1, len(legs))
    return {
        "match": Task(match, units),
        "network, a leg a run": Task(lambda: hear(1), units),
        "network, 16 legs a run": Task(lambda: hear(16), units),
    }


def _asking(store: Store, fingerprints: Sequence[Fingerprint]) -> Callable[[], object]:
    return lambda: [match_whole(store, found) for found in fingerprints]
