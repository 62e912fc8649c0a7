"""Other fingerprints beside ours: audfprint, Chromaprint, landmarks, and Haitsma and Kalker's.

Each is asked for the likeliest recording by brute force, or in an index that holds all of its
hashes, so that what is compared is the fingerprint and not an index of it. Chromaprint and
audfprint are asked where they are installed (``apt-get install libchromaprint-tools``, ``pip
install audfprint2``). Panako, a program in Java of which no package is given out, is not.
"""

import importlib
import importlib.util
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray
from scipy import ndimage

from audio_model.frontend import SAMPLE_RATE, Samples
from audio_model.known.fingerprint import fingerprint
from audio_model.known.matcher import match_whole
from audio_model.known.store import Store


class Peer(Protocol):
    """A fingerprint with a search."""

    @staticmethod
    def installed() -> bool:
        """Return whether it is there to be asked."""
        return True

    def learn(self, recordings: Sequence[Samples]) -> None:
        """Take the recordings."""

    def best(self, call: Samples) -> tuple[int, float]:
        """Return the likeliest recording, and how alike it is: higher is more."""


class Ours(Peer):
    """The fingerprint of this project, with its store; alike by the log odds."""

    def __init__(self) -> None:
        self._store = Store(":memory:")
        self._indices: dict[int, int] = {}

    def learn(self, recordings: Sequence[Samples]) -> None:
        """Add the recordings to a store."""
        for index, samples in enumerate(recordings):
            self._indices[self._store.add("", fingerprint(samples).codes)] = index

    def best(self, call: Samples) -> tuple[int, float]:
        """Return the store's likeliest match."""
        match = match_whole(self._store, fingerprint(call))
        return (-1, -100.0) if match is None else (self._indices[match.recording.id], match.worth)


class SubFingerprints(Peer):
    """Words of 32 bits at equal steps; alike by the share of equal bits at the best alignment."""

    least_words = 4

    def __init__(self) -> None:
        self._words: list[NDArray[np.uint32]] = []

    def words(self, samples: Samples) -> NDArray[np.uint32]:
        """Return the words of a call. [shape=(n_words,)]"""
        raise NotImplementedError

    def learn(self, recordings: Sequence[Samples]) -> None:
        """Keep the words of each recording."""
        self._words = [self.words(samples) for samples in recordings]

    def best(self, call: Samples) -> tuple[int, float]:
        """Return the recording with the fewest wrong bits at any offset."""
        asked = self.words(call)
        best = (-1, 0.0)
        for index, known in enumerate(self._words):
            n = min(len(asked), len(known))
            if n < self.least_words:
                continue
            long, short = (known, asked) if len(known) >= len(asked) else (asked, known)
            windows = np.lib.stride_tricks.sliding_window_view(long, n)
            equal = 1 - np.bitwise_count(windows ^ short[:n]).mean(axis=1).min() / 32
            best = max(best, (index, float(equal)), key=lambda pair: pair[1])
        return best


class HaitsmaKalker(SubFingerprints):
    """Signs of differences of 33 bands, 300 to 2000 Hz, in frames of 0.37 s each 16 ms.

    Source: "A highly robust audio fingerprinting system", ISMIR 2002.
    """

    least_words = 32
    _LENGTH, _HOP = round(0.37 * SAMPLE_RATE), 128

    def words(self, samples: Samples) -> NDArray[np.uint32]:
        """Return the signs of differences in time and frequency. [shape=(n_words,)]"""
        if len(samples) < self._LENGTH + self._HOP:
            return np.zeros(0, np.uint32)
        frames = np.lib.stride_tricks.sliding_window_view(samples, self._LENGTH)[:: self._HOP]
        power = np.abs(np.fft.rfft(frames * np.hanning(self._LENGTH))) ** 2
        edges = np.geomspace(300, 2000, 34) * self._LENGTH / SAMPLE_RATE
        bands = np.add.reduceat(power, edges.astype(int), axis=1)[:, :33]
        change = np.diff(np.diff(bands, axis=1), axis=0) > 0
        return np.packbits(change, axis=1).view(np.uint32)[:, 0]


class Chromaprint(SubFingerprints):
    """libchromaprint's default algorithm, by its program ``fpcalc``."""

    @staticmethod
    def installed() -> bool:
        """Return whether ``fpcalc`` is installed."""
        return shutil.which("fpcalc") is not None

    def words(self, samples: Samples) -> NDArray[np.uint32]:
        """Return the words that ``fpcalc`` prints. [shape=(n_words,)]"""
        with TemporaryDirectory() as folder:
            path = Path(folder) / "call.wav"
            soundfile.write(path, samples, SAMPLE_RATE)
            done = subprocess.run(
                ["fpcalc", "-raw", "-length", "0", str(path)], capture_output=True, text=True
            )
        found = re.search(r"FINGERPRINT=([\d,]+)", done.stdout)
        if found is None:  # too short for it
            return np.zeros(0, np.uint32)
        return np.array([int(word) & 0xFFFFFFFF for word in found[1].split(",")], np.uint32)


class Audfprint(Peer):
    """Ellis's audfprint, in the package audfprint2; alike by the hashes at one alignment.

    As its program does, it looks a call up at four shifts of a frame. Its options are set for short
    calls: with its defaults, which are for music, it finds 24 % of noisy calls of 3 s among 120
    recordings, and with these all of them.
    """

    _SHIFTS = 4
    _DENSITY, _FANOUT, _PEAKS_A_FRAME, _LEAST_HASHES = 100.0, 8, 10, 2

    def __init__(self) -> None:
        core = "audfprint2.core"
        self._hashes_of = importlib.import_module(f"{core}.analyzer").landmarks2hashes
        self._analyzer = importlib.import_module(f"{core}.analyzer").Analyzer(self._DENSITY)
        self._analyzer.maxpairsperpeak = self._FANOUT
        self._analyzer.maxpksperframe = self._PEAKS_A_FRAME
        self._matcher = importlib.import_module(f"{core}.matcher").Matcher()
        self._matcher.threshcount = self._LEAST_HASHES
        self._table = importlib.import_module(f"{core}.hash_table").HashTable()

    @staticmethod
    def installed() -> bool:
        """Return whether the package is there."""
        return importlib.util.find_spec("audfprint2") is not None

    def learn(self, recordings: Sequence[Samples]) -> None:
        """Take the recordings."""
        for index, samples in enumerate(recordings):
            self._table.store(str(index), self._hashes(samples, 1).tolist())

    def best(self, call: Samples) -> tuple[int, float]:
        """Return the likeliest recording, and the hashes that it shares at one alignment."""
        hashes = self._hashes(call, self._SHIFTS)
        found = self._matcher.match_hashes(self._table, hashes) if len(hashes) else []
        return (int(found[0][0]), float(found[0][1])) if len(found) else (-1, 0.0)

    def _hashes(self, samples: Samples, shifts: int) -> NDArray[np.int32]:
        analyzer: Any = self._analyzer
        rate = analyzer.target_sr
        resampled = soxr.resample(samples, SAMPLE_RATE, rate)
        found = [np.zeros((0, 2), np.int32)]
        for shift in range(shifts):
            peaks = analyzer.find_peaks(resampled[shift * analyzer.n_hop // shifts :], rate)
            found.append(self._hashes_of(analyzer.peaks2landmarks(peaks)).reshape(-1, 2))
        return np.unique(np.concatenate(found), axis=0).astype(np.int32)


class Landmarks(Peer):
    """Pairs of spectral peaks; alike by the pairs that agree on one alignment.

    Source: Wang, "An industrial-strength audio search algorithm", ISMIR 2003; frames of 64 ms each
    16 ms and about 100 pairs a second, denser than music is usually given.
    """

    _FAN_OUT, _REACH = 8, 63

    def __init__(self) -> None:
        self._postings: dict[int, list[tuple[int, int]]] = {}

    def learn(self, recordings: Sequence[Samples]) -> None:
        """Keep the pairs of peaks of each recording."""
        for index, samples in enumerate(recordings):
            for time, key in self._pairs(samples):
                self._postings.setdefault(key, []).append((index, time))

    def best(self, call: Samples) -> tuple[int, float]:
        """Return the recording with most pairs at one offset."""
        votes: dict[tuple[int, int], int] = {}
        for time, key in self._pairs(call):
            for index, known in self._postings.get(key, ()):
                # Neighbouring alignments share their votes: a frame is never hit exactly.
                for shift in (0, 1):
                    place = (index, known - time + shift)
                    votes[place] = votes.get(place, 0) + 1
        if not votes:
            return -1, 0.0
        place = max(votes, key=lambda place: votes[place])
        return place[0], float(votes[place])

    def _pairs(self, samples: Samples) -> list[tuple[int, int]]:
        if len(samples) < 512:
            return []
        frames = np.lib.stride_tricks.sliding_window_view(samples, 512)[::128]
        loud = np.log(np.abs(np.fft.rfft(frames * np.hanning(512)))[:, 16:224] + 1e-4)
        peaks = (loud == ndimage.maximum_filter(loud, (9, 9))) & (loud > loud.mean() + loud.std())
        times, bins = np.nonzero(peaks)
        pairs = []
        for first in range(len(times)):
            for second in range(first + 1, min(len(times), first + 1 + self._FAN_OUT)):
                gap = int(times[second] - times[first])
                if 1 <= gap <= self._REACH:
                    key = int(bins[first]) << 14 | int(bins[second]) << 6 | gap
                    pairs.append((int(times[first]), key))
        return pairs


PEERS: dict[str, type[Peer]] = {
    "ours": Ours,
    "haitsma-kalker": HaitsmaKalker,
    "landmarks": Landmarks,
    "chromaprint": Chromaprint,
    "audfprint": Audfprint,
}
