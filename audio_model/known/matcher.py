"""Follow a call's audio and find the known recordings that it repeats."""

import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from audio_model.frontend import SAMPLE_RATE, Samples
from audio_model.known.band import Stretch
from audio_model.known.course import MAX_STEP
from audio_model.known.fingerprint import (
    CODES_PER_SECOND,
    KEY_MASK,
    N_CEPSTRAL,
    N_KEY_BITS,
    NO_FINGERPRINT,
    NOTHING,
    PATCH_FRAMES,
    Codes,
    Fingerprint,
    Fingerprinter,
    joined,
)
from audio_model.known.index import Hits
from audio_model.known.match import LEAST_PIECE, PATCH_SECONDS, Match, MatchedPiece
from audio_model.known.recording import CODES_PER_POSITION, POSITIONS_PER_SECOND, StoredRecording
from audio_model.known.stretch import best_stretch, settles

LOOK_UP_EVERY = 2
"""Codes: one each 32 ms is looked up, and each may be up to 16 ms off a stored one."""

MARGIN_SLOPE = 6.0
"""A bit is wrong with probability ``sigmoid(-MARGIN_SLOPE * margin)``."""

MAX_DISTANCE = 7
"""Most of the 32 bits behind the key that may differ in a hit."""

MAX_ALIGNMENTS = 6
"""Alignments that are compared at a time, those with the most hits."""

MIN_SHARE_OF_HITS = 0.2
"""Alignments with less than this share of the hits that the first has are not compared."""

MIN_SPAN = 8
"""Codes of the call between an alignment's first hit and its last for it to be compared: hits of
neighbours in time, which are alike, are nearly always chance."""

TIME_BITS = 20
_TIME_MASK = (1 << TIME_BITS) - 1
"""Codes of a call that are looked up at most: those of four and a half hours."""

FIRST_ROUND_SECONDS = 1.92
ROUND_SECONDS = 1.12
"""A stream is looked up when so much of it was heard, and then whenever so much more was: hardly
anything is sure before, and a look-up costs nearly as much for little audio as for more."""


class Effort(NamedTuple):
    """How much is looked up and compared."""

    min_key_probability: float
    """Least probability that a key is what the recording has; others are not looked up."""
    min_hits: int
    """Hits of an alignment for it to be compared."""


AMONG_RECORDINGS = Effort(0.05, 2)
"""One hit alone is nearly always chance. Where a line slips, few codes have sure keys."""

AMONG_CALLS = Effort(0.1, 4)
"""Among very many calls a few hits are chance, too, and a match that is sure has more."""


class Searched(Protocol):
    """A collection to search for recordings: a store, or the calls of the last hours."""

    def reading(self) -> AbstractContextManager[None]:
        """Keep one state for several look-ups."""

    def search(self, codes: Codes, max_distance: int) -> Hits:
        """Return where codes are; see :meth:`audio_model.known.store.Store.search`."""

    def at(self, position: int) -> tuple[StoredRecording, Codes] | None:
        """Return the recording at a position and its codes; None if it was removed."""


class Matcher:
    """Follows one call. Feed it samples as they come, and ask for the best match at any time."""

    def __init__(
        self,
        store: Searched,
        own: str = "",
        on_round: Callable[[bool], None] | None = None,
        effort: Effort = AMONG_RECORDINGS,
        thorough: bool = False,
    ) -> None:
        """Begin to follow a call.

        Args:
            own: the call's name. Recordings that were learnt from a call of that name are left out.
            on_round: called with whether the call is over, when samples that were fed have been
                looked up.
            effort: how much is looked up and compared.
            thorough: whether slips and speeds are sought in every recording, though one explains
                all of the call.
        """
        self._store, self._own, self._on_round = store, own, on_round
        self._effort, self._thorough = effort, thorough
        self._fingerprinter = Fingerprinter()
        self._waiting: list[Samples] = []
        self._n_waiting = 0
        self._n_heard = 0
        self._n_looked_up = 0
        self.codes: Codes = np.zeros(0, np.uint64)
        """The codes of everything heard."""
        self._fingerprint = NO_FINGERPRINT
        self._parts: list[Fingerprint] = []
        """Fingerprints that follow it."""
        self._hits = np.zeros(0, np.int64)
        """Alignment of each hit, and in the lowest bits the code of the call, sorted."""
        self._refuted: set[tuple[tuple[int, int], int]] = set()
        """Bands whose hits were chance, and how many those were; only more make them worth a look
        while the call goes on."""
        self.matches: tuple[Match, ...] = ()
        """The possible matches so far, one a recording, the likeliest first."""
        self.sure_at: float | None = None
        """Second of the call at which :attr:`match` became sure; None while it is not."""

    @property
    def match(self) -> Match | None:
        """Return the likeliest match so far, however unlikely.

        A recording that is allowed doesn't count, nor what :attr:`Match.may_be_chance`.
        """
        return next(
            (m for m in self.matches if not (m.recording.may_recur or m.may_be_chance)), None
        )

    @property
    def allowed(self) -> tuple[Match, ...]:
        """Return the sure matches with recordings that may recur."""
        return tuple(m for m in self.matches if m.recording.may_recur and m.sure)

    @property
    def seconds(self) -> float:
        """Return the seconds of samples that were heard."""
        return self._n_heard / SAMPLE_RATE

    @property
    def fingerprint(self) -> Fingerprint:
        """Return the fingerprint of everything heard."""
        if self._parts:
            self._fingerprint = joined([self._fingerprint, *self._parts])
            self._parts.clear()
        return self._fingerprint

    @property
    def sure(self) -> bool:
        """Return whether :attr:`match` is sure enough to be reported."""
        return self.match is not None and self.match.sure

    def feed(self, samples: Samples) -> None:
        """Hear samples at 8 kHz, of any number: packets of any size give the same matches.

        Raises StoreError.
        """
        self._waiting.append(samples)
        self._n_waiting += len(samples)
        while self._n_waiting >= (n_samples := self._round_samples()):
            self._hear(n_samples)
            # What is sure already is only asked again when the call is over.
            if not self.sure:
                self._look_up(over=False)
            if self._on_round is not None:
                self._on_round(False)

    def flush(self) -> None:
        """Hear samples that wait for a full round, at the end of the call. Raises StoreError."""
        self.hear_waiting()
        self._look_up(over=True)
        if self._on_round is not None:
            self._on_round(True)

    def hear_waiting(self) -> None:
        """Hear samples that wait for a full round, and look nothing up yet."""
        self._hear(self._n_waiting)

    def add(self, fingerprint: Fingerprint, *, over: bool = True) -> None:
        """Hear codes that follow those before, and whether the call is over. Raises StoreError."""
        self.append(fingerprint)
        self._look_up(over)

    def _round_samples(self) -> int:
        seconds = ROUND_SECONDS if self._n_heard else FIRST_ROUND_SECONDS
        return round(seconds * SAMPLE_RATE)

    def _hear(self, n_samples: int) -> None:
        samples = np.concatenate([np.zeros(0, np.float32), *self._waiting])
        self._waiting = [samples[n_samples:].copy()]
        self._n_waiting -= n_samples
        self._n_heard += n_samples
        self.append(self._fingerprinter.feed(samples[:n_samples]))

    def append(self, fingerprint: Fingerprint) -> None:
        """Hear codes that follow those before, and look nothing up yet."""
        self.codes = np.concatenate([self.codes, fingerprint.codes])
        self._parts.append(fingerprint)

    def _look_up(self, over: bool) -> None:
        n_before = self._n_looked_up
        self._n_looked_up = min(len(self.codes), _TIME_MASK + 1)
        first = n_before + -n_before % LOOK_UP_EVERY
        heard = self.fingerprint[first : self._n_looked_up : LOOK_UP_EVERY]
        looked_up, codes = likely_codes(heard, self._effort.min_key_probability)
        if len(codes) == 0 and not self.matches:
            return
        with self._store.reading():
            hits = self._store.search(codes, MAX_DISTANCE)
            times = first + LOOK_UP_EVERY * looked_up[hits.asked]
            alignments = CODES_PER_POSITION * hits.positions - times
            self._hits = np.concatenate([self._hits, alignments << TIME_BITS | times])
            self._hits.sort()
            self._compare(over)
        if not self.sure:
            self.sure_at = None
        elif self.sure_at is None:
            self.sure_at = self.seconds

    def _compare(self, over: bool) -> None:
        found: dict[int, tuple[StoredRecording, list[Stretch]]] = {}
        settled = False
        chance = set() if over else self._refuted
        for (recording, codes), alignments, n_hits in self._likely_alignments(chance):
            stretch = best_stretch(
                self.codes,
                self.fingerprint.cepstra,
                recording,
                codes,
                alignments,
                n_hits,
                plain=settled,
            )
            settled = settled or (not self._thorough and settles(stretch))
            if stretch.evidence > 0 and stretch.pieces:
                found.setdefault(recording.id, (recording, []))[1].append(stretch)
            else:
                self._refuted.add((alignments, n_hits))
        telling = float((self.codes != NOTHING).sum()) / CODES_PER_SECOND + PATCH_SECONDS
        matches = [_match(recording, parts, telling) for recording, parts in found.values()]
        self.matches = tuple(sorted(matches, key=lambda match: -match.worth))

    def _likely_alignments(
        self, chance: set[tuple[tuple[int, int], int]]
    ) -> Iterator[tuple[tuple[StoredRecording, Codes], tuple[int, int], int]]:
        """Yield bands of alignments with the most hits, the one with most first.

        What the call itself has taught is none of them: it has far more hits than all others.

        Args:
            chance: bands that are left out, with how many hits they have.

        Yields:
            the recording and its codes, the band's lowest and highest alignment, and how many hits
            it has.
        """
        if len(self._hits) == 0:
            return
        alignments, times = self._hits >> TIME_BITS, self._hits & _TIME_MASK
        # Pieces of one stretch are a step of a jitter buffer's apart.
        steps = np.flatnonzero(alignments[1:] - alignments[:-1] > MAX_STEP) + 1
        edges = np.concatenate([[0], steps, [len(alignments)]])
        sizes = np.diff(edges)
        # Among many recordings nearly all groups are chance, and too small.
        large = np.flatnonzero(sizes >= self._effort.min_hits)
        least, n_left = float(self._effort.min_hits), MAX_ALIGNMENTS
        for group in large[np.argsort(-sizes[large], kind="stable")].tolist():
            begin, size = int(edges[group]), int(sizes[group])
            if size < least or not n_left:
                return
            if np.ptp(times[begin : begin + size]) < MIN_SPAN:
                continue
            band = (int(alignments[begin]), int(alignments[begin + size - 1]))
            if (band, size) in chance:
                least, n_left = max(least, MIN_SHARE_OF_HITS * size), n_left - 1
                continue
            middle = begin + size // 2
            known = self._store.at(int(alignments[middle] + times[middle]) // CODES_PER_POSITION)
            if known is not None and known[0].learnt and known[0].name == self._own:
                continue
            least, n_left = max(least, MIN_SHARE_OF_HITS * size), n_left - 1
            if known is not None:
                yield known, band, size


def match_whole(store: Searched, fingerprint: Fingerprint, own: str = "") -> Match | None:
    """Return the likeliest match of a whole recording, or None if none can be as likely as not.

    The match may be unlikely all the same. Recordings that are allowed count like all others.
    ``own`` is as for a :class:`Matcher`. Raises StoreError.
    """
    matcher = Matcher(store, own)
    matcher.add(fingerprint)
    return matcher.matches[0] if matcher.matches else None


def match_kept(store: Searched, kept: Codes) -> Match | None:
    """Return the likeliest match of a recording by the codes that another store keeps of it.

    Each of them stands for the codes about it, so that two recordings that were cut elsewhere have
    codes at the same times. Where those are two codes off (40 ms), half of the matches are missed.
    Raises StoreError.
    """
    codes = np.repeat(kept, CODES_PER_POSITION)[CODES_PER_POSITION // 2 :]
    return match_whole(
        store,
        Fingerprint(
            codes,
            np.ones((len(codes), N_KEY_BITS), np.float32),
            np.zeros((len(codes) + PATCH_FRAMES - 1, N_CEPSTRAL), np.float16),
        ),
    )


def likely_codes(
    fingerprint: Fingerprint, min_probability: float
) -> tuple[NDArray[np.int64], Codes]:
    """Return codes to look up: those heard, and those with one or two unsure key bits changed.

    Those whose key is less likely to be the recording's than ``min_probability`` are left out.

    Returns:
        Which of the fingerprint's codes each stems from, and the codes, no two of the same key.
        [shape=(n_likely,)]
    """
    n = len(fingerprint)
    margins = np.float32(MARGIN_SLOPE) * fingerprint.margins
    heard = np.log1p(np.exp(-margins)).sum(axis=1)
    heard[fingerprint.codes == NOTHING] = np.inf
    weakest = np.argpartition(margins, (0, 1), axis=1)[:, :2]
    first, second = margins[np.arange(n), weakest.T]
    changed, also = (np.uint64(1) << weakest.astype(np.uint64)).T
    changes = np.concatenate([np.zeros(n, np.uint64), changed, also, changed | also])
    costs = np.concatenate([heard, heard + first, heard + second, heard + first + second])
    likely = np.flatnonzero(costs <= -math.log(min_probability))
    cheapest = likely[np.argsort(costs[likely], kind="stable")]
    looked_up = cheapest % n
    codes = fingerprint.codes[looked_up] ^ changes[cheapest]
    # Neighbours in time often share a key. The surest of them finds what all would find.
    _, chosen = np.unique((codes & KEY_MASK).astype(np.uint16), return_index=True)
    return looked_up[chosen], codes[chosen]


def _match(recording: StoredRecording, stretches: list[Stretch], telling: float) -> Match:
    """Return one match of the stretches of a recording.

    Where stretches overlap, the better one counts.
    """
    taken: list[Stretch] = []
    for stretch in sorted(stretches, key=lambda stretch: -stretch.evidence):
        if all(stretch.end <= other.begin or stretch.begin >= other.end for other in taken):
            taken.append(stretch)
    best = taken[0]
    # A cut part counts only if it could stand alone; the many weak ones are chance.
    parts = [best, *(other for other in taken[1:] if other.evidence >= LEAST_PIECE)]
    zero = CODES_PER_POSITION * recording.first_position
    pieces = [
        MatchedPiece(
            piece.begin / CODES_PER_SECOND,
            (piece.end - 1) / CODES_PER_SECOND + PATCH_SECONDS,
            (piece.alignment - zero) / CODES_PER_SECOND,
        )
        for part in parts
        for piece in part.pieces
    ]
    return Match(
        recording=recording,
        offset=(best.alignment - zero) / CODES_PER_SECOND,
        start=min(part.begin for part in parts) / CODES_PER_SECOND,
        end=(max(part.end for part in parts) - 1) / CODES_PER_SECOND + PATCH_SECONDS,
        seconds=sum((part.n_codes - 1) / CODES_PER_SECOND for part in parts)
        + PATCH_SECONDS * len(parts),
        overlap=best.overlap / POSITIONS_PER_SECOND + PATCH_SECONDS,
        telling=telling,
        evidence=sum(part.evidence for part in parts),
        wander=best.wander,
        pieces=tuple(sorted(pieces, key=lambda piece: piece.start)),
        speed=best.speed,
    )
