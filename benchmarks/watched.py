"""A run of ``audio-model score`` into a folder, watched: its rate over time, memory and CPU."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
import soundfile

from audio_model.frontend import SAMPLE_RATE

_SAMPLE_SECONDS = 1.0
_LINKS_EACH = 50_000
"""Names of one file; ext4 admits 65,000."""
_FOLDER_HOLDS = 10_000

_KINDS = (("PCM_16", SAMPLE_RATE), ("PCM_16", 2 * SAMPLE_RATE), ("ULAW", SAMPLE_RATE))


@dataclass(frozen=True)
class Watched:
    """One run.

    Attributes:
        recordings: scored in it.
        wall_s: with the start and the end of all processes.
        cpu_s: of all processes that ended before it did; not of Ray's own.
        first_shard_s: until the first shard was finished.
        finished: seconds since the first shard was finished, and recordings finished since then,
            shard by shard: what comes before is the start.
        memory: seconds since the run began, and MiB resident in all processes together, where
            what they share counts for each.
    """

    recordings: int
    wall_s: float
    cpu_s: float
    first_shard_s: float
    finished: list[tuple[float, int]]
    memory: list[tuple[float, float]]

    @property
    def rate(self) -> float:
        """Return recordings a second between the first and the last finished shard."""
        seconds, recordings = self.finished[-1]
        return recordings / seconds

    @property
    def cpu_us(self) -> float:
        """Return CPU microseconds a recording, start-up included."""
        return 1e6 * self.cpu_s / self.recordings

    @property
    def slope(self) -> float:
        """Change of the rate from the first to the last quarter, as a share of the whole rate."""
        n = len(self.finished)
        first = _rate_between(self.finished[0], self.finished[n // 4])
        last = _rate_between(self.finished[-1 - n // 4], self.finished[-1])
        return (last - first) / self.rate

    def memory_at(self, share: float) -> float:
        """Return the MiB when such a share of the time was over."""
        return self.memory[min(int(share * len(self.memory)), len(self.memory) - 1)][1]


def _rate_between(start: tuple[float, int], end: tuple[float, int]) -> float:
    return (end[1] - start[1]) / (end[0] - start[0])


def make_recordings(folder: Path, count: int) -> None:
    """Make so many names of a few recordings of 30 s: PCM at 8 and 16 kHz, and µ-law.

    They are hard links, in folders of ten thousand. So their content is in the page cache while
    each name is opened for itself.
    """
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    originals = []
    for number in range(max(count // _LINKS_EACH + 1, 2 * len(_KINDS))):
        subtype, sample_rate = _KINDS[number % len(_KINDS)]
        t = np.arange(30 * sample_rate) / sample_rate
        syllables = np.clip(np.sin(2 * np.pi * rng.uniform(1, 3) * t), 0, None)
        hum = np.sin(2 * np.pi * rng.uniform(100, 250) * t)
        samples = syllables * (0.3 * hum + 0.05 * rng.standard_normal(len(t)))
        originals.append(folder.with_name(f"{folder.name}-{number}.wav"))
        soundfile.write(originals[-1], samples, sample_rate, subtype=subtype)
    for number in range(count):
        below = folder / f"{number // _FOLDER_HOLDS:05}"
        if number % _FOLDER_HOLDS == 0:
            below.mkdir()
        (below / f"{number:08}.wav").hardlink_to(originals[number % len(originals)])


def command(calls: Path, results: Path, *options: str) -> list[str]:
    """Return the command that scores a folder into another."""
    score = [sys.executable, "-m", "audio_model", "score", str(calls), "--output", f"{results}/"]
    return [*score, *options]


def watch(calls: Path, results: Path, *options: str, kill_after: int | None = None) -> Watched:
    """Score a folder and watch it.

    Args:
        calls: the folder of recordings.
        results: the run folder; what is finished in it already is not counted.
        options: of ``audio-model score``.
        kill_after: kill all of it (SIGKILL) when so many shards more are finished.

    Raises RuntimeError if it fails by itself.
    """
    former = set(results.glob("part-*"))
    memory = []
    began = time.time()
    given = command(calls, results, *options)
    process = subprocess.Popen(
        given, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    killed = False
    while True:
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        if pid:
            break
        memory.append((time.time() - began, _resident_mib(process.pid)))
        done = len(set(results.glob("part-*")) - former)
        if kill_after is not None and done >= kill_after and not killed:
            killed = True
            os.killpg(process.pid, signal.SIGKILL)
        time.sleep(_SAMPLE_SECONDS)
    wall_s = time.time() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0 and not killed:
        raise RuntimeError(f"{' '.join(given)} ended with status {process.returncode}")
    finished = _finished(results, former)
    return Watched(
        recordings=sum(size for _, size in finished),
        wall_s=wall_s,
        cpu_s=usage.ru_utime + usage.ru_stime,
        first_shard_s=finished[0][0] - began,
        finished=_since_the_first(finished),
        memory=memory,
    )


def _finished(results: Path, former: set[Path]) -> list[tuple[float, int]]:
    """Return when each new shard was finished, and its size."""
    sizes = json.loads((results / "plan" / "plan.json").read_text())["shards"]
    return sorted(
        (part.stat().st_mtime, sizes[int(part.stem.removeprefix("part-"))])
        for part in set(results.glob("part-*")) - former
    )


def _since_the_first(finished: list[tuple[float, int]]) -> list[tuple[float, int]]:
    since = []
    recordings = -finished[0][1]
    for at, size in finished:
        recordings += size
        since.append((at - finished[0][0], recordings))
    return since


def _resident_mib(pid: int) -> float:
    total = 0
    try:
        top = psutil.Process(pid)
        for process in [top, *top.children(recursive=True)]:
            with suppress(psutil.NoSuchProcess):
                total += process.memory_info().rss
    except psutil.NoSuchProcess:
        pass
    return total / 2**20
