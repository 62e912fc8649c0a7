"""Measure recall, false matches, CPU and size of known recordings: ``python -m benchmarks.known``.

Each recording is learnt through one codec and queried through another: cut anywhere, at another
level, in noise, with lost packets, and with a beep before every second query. Without ``--data``
the few samples of the repository are used, and the figures only check that it works.

Recordings of all corpora are learnt. A hash of their names divides the corpora into two halves. One
half chose the weights of wander and of contrary seconds. The other half chose only the slope and
the offset of the probability, and queries come from it. False matches are reported for both. The
fingerprint, the definition of a hit and the most that a match may wander were chosen on both.

Queries that slip or play at another speed go to the same store: a jitter buffer drops, repeats,
silences, squeezes or stretches 5 to 250 ms, one to four times in three seconds.
"""

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.random import Generator

from audio_model.frontend import SAMPLE_RATE, Samples
from audio_model.known.fingerprint import fingerprint
from audio_model.known.match import SURE, Match
from audio_model.known.matcher import match_whole
from audio_model.known.recording import LearntBy
from audio_model.known.store import Store
from benchmarks.command import parser_of
from benchmarks.known import costs
from benchmarks.known.calibration import Told, Twins, print_fit, print_reliability
from benchmarks.known.peers import PEERS
from benchmarks.known.shared import share_samples
from benchmarks.known.slips import LONGEST_MS, SHORTEST_MS, at_speed, at_tempo, slips
from benchmarks.known.speech import CODECS, Clip, Line, Query, Speech, as_learnt, load, query
from training.augment import Codec

SAMPLES = Path(__file__).parents[2] / "samples"
USUAL = Line(codec=None, snr_db=15, loss=0.03)
LENGTHS = (1.5, 2.0, 3.0, 5.0)
OFFSET_TOLERANCE = 0.05
PEER_LENGTHS = (2.0, 3.0, 5.0)
MOVED_SECONDS = 3.0
MOST_SLIPS = 4
SPEEDS = (0.97, 0.98, 0.99, 1.01, 1.02, 1.03)
MOVED_TOLERANCE = MOST_SLIPS * LONGEST_MS / 1000 + OFFSET_TOLERANCE
"""Seconds that the offset of a query that slips or drifts may be off: as much as all slips."""
LIVE_SECONDS = (3.0, 6.0)
LEG_SECONDS = 4.0
LEG_SAMPLES = round(LEG_SECONDS * SAMPLE_RATE)
SHOWN = 12


@dataclass(frozen=True)
class Learnt:
    """A store of the recordings, and how each was learnt."""

    clips: Sequence[Clip]
    samples: Sequence[Samples]
    codecs: Sequence[Codec]
    store: Store
    ids: dict[int, int]
    """The clip of each recording of the store."""
    asked: Sequence[int]
    """Clips that queries are cut from: those of corpora that chose none of the weights."""


def main() -> None:
    """Measure known recordings and print the figures as Markdown."""
    parser = parser_of("known", __doc__)
    parser.add_argument("--data", type=Path, default=SAMPLES, help="a folder with a manifest.csv")
    parser.add_argument("--queries", type=int, default=400, help="queries of each kind")
    parser.add_argument("--sizes", type=int, nargs="*", default=[], help="stores to fill and time")
    parser.add_argument(
        "--seconds", type=float, default=30.0, help="seconds of a recording in them"
    )
    parser.add_argument("--fit", action="store_true", help="fit the probability's two numbers")
    parser.add_argument(
        "--peers",
        nargs="*",
        choices=PEERS,
        help="compare with all other fingerprints, or with these",
    )
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    rng = np.random.default_rng(args.seed)
    speech = load(args.data)
    print(
        f"{len(speech.recorded)} recordings, {len(speech.live)} live; load {os.getloadavg()[0]:g}"
    )
    learnt = _learn(speech.recorded, rng)
    told = [
        *_print_recall(learnt, args.queries, rng),
        *_print_moved(learnt, args.queries, rng),
    ]
    twins = _print_false(learnt, speech)
    print_reliability(told, twins)
    if args.fit:
        print_fit(told, twins)
    if args.peers is not None:
        _print_peers(args.peers or list(PEERS), learnt, speech, args.queries, rng)
    for size in args.sizes:
        _print_costs(size, args.seconds, learnt, speech, rng)


def _learn(clips: Sequence[Clip], rng: Generator) -> Learnt:
    store = Store(":memory:")
    samples, codecs, ids = [], [], {}
    for index, clip in enumerate(clips):
        heard, codec = as_learnt(clip, rng)
        samples.append(heard)
        codecs.append(codec)
        ids[store.add(clip.path, fingerprint(heard).codes, learnt=LearntBy.NETWORK)] = index
    asked = [index for index, clip in enumerate(clips) if not _has_chosen(clip)]
    return Learnt(clips, samples, codecs, store, ids, asked or range(len(clips)))


def _has_chosen(clip: Clip) -> bool:
    corpus = clip.path.partition("/")[0]
    return int(hashlib.md5(corpus.encode()).hexdigest(), 16) % 2 == 0


def _queries(learnt: Learnt, n: int, seconds: float, line: Line, rng: Generator) -> Iterator[Query]:
    for n_th in range(n):
        first_round = n_th < len(learnt.asked) <= n
        index = learnt.asked[n_th if first_round else int(rng.integers(len(learnt.asked)))]
        yield query(learnt.clips, index, seconds, line, learnt.codecs[index], rng)


def _print_recall(learnt: Learnt, n: int, rng: Generator) -> list[Told]:
    kinds = [(f"{seconds:g} s", seconds, USUAL) for seconds in LENGTHS]
    kinds += [(f"3 s, {codec}", 3.0, Line(codec, 15, 0.03)) for codec in CODECS]
    kinds += [(f"3 s, {snr} dB", 3.0, Line(None, snr, 0.03)) for snr in (5, 10, 20, 30)]
    kinds += [(f"3 s, {loss:.0%} lost", 3.0, Line(None, 15, loss)) for loss in (0.0, 0.08, 0.15)]
    print(f"\nqueries of {len(learnt.asked)} recordings, which chose no weights")
    print(f"\n| query (15 dB, 3 % lost, other codec unless said) | found | sure (p ≥ {SURE}) |")
    print("|---|---|---|")
    told: list[Told] = []
    for name, seconds, line in kinds:
        queries = _queries(learnt, n, seconds, line, rng)
        told += _ask(name, queries, learnt, n, OFFSET_TOLERANCE)
    return told


def _ask(
    name: str, queries: Iterable[Query], learnt: Learnt, n: int, tolerance: float
) -> Iterator[Told]:
    """Ask each query for its recording and for the likeliest of all others, and print a row."""
    found = sure = 0
    for asked in queries:
        path = learnt.clips[asked.clip].path
        codes = fingerprint(asked.samples)
        if (other := match_whole(learnt.store, codes, path)) is not None:
            yield Told(path, other, right=False)
        if (match := match_whole(learnt.store, codes)) is not None:
            right = _is_right(match, asked, learnt, tolerance)
            yield Told(path, match, right)
            found += right and match.probability >= 0.5
            sure += right and match.sure
    print(f"| {name} | {found / n:.1%} | {sure / n:.1%} |", flush=True)


def _moves(rng: Generator) -> Iterator[tuple[str, float, Callable[[Samples], Samples]]]:
    """Yield what a line does to time: a name, the seconds to cut for it, and a function."""

    def slip(samples: Samples, count: int) -> Samples:
        return slips(samples, tuple(rng.uniform(SHORTEST_MS, LONGEST_MS, count)), rng)

    for count in range(1, MOST_SLIPS + 1):
        yield f"{count} slips", MOVED_SECONDS, partial(slip, count=count)
    for name, play in (("pitch too", at_speed), ("tempo alone", at_tempo)):
        for speed in SPEEDS:
            yield f"speed {speed:g}, {name}", MOVED_SECONDS * speed, partial(play, speed=speed)


def _print_moved(learnt: Learnt, n: int, rng: Generator) -> list[Told]:
    print(f"\n| {MOVED_SECONDS:g} s heard (15 dB, 3 % lost, other codec) | found | sure |")
    print("|---|---|---|")
    told: list[Told] = []
    for name, seconds, move in _moves(rng):
        queries = _queries(learnt, n, seconds, USUAL, rng)
        moved = (replace(asked, samples=move(asked.samples)) for asked in queries)
        told += _ask(name, moved, learnt, n, MOVED_TOLERANCE)
    return told


def _is_right(match: Match, asked: Query, learnt: Learnt, tolerance: float) -> bool:
    return (
        learnt.ids[match.recording.id] == asked.clip
        and abs(match.offset - asked.offset) <= tolerance
    )


def _print_false(learnt: Learnt, speech: Speech) -> Twins:
    """Print what matches falsely, and return the pairs of recordings that match as a whole."""
    live: list[tuple[str, Match]] = []
    comparisons = 0
    for clip in speech.live:
        for seconds in LIVE_SECONDS:
            cut = clip.samples[: round(seconds * SAMPLE_RATE)]
            match = match_whole(learnt.store, fingerprint(cut))
            comparisons += len(learnt.clips)
            if match is not None:
                live.append((clip.path, match))
    _print_likeliest("live speech", live, comparisons)
    others: list[tuple[str, Match]] = []
    n_share = 0
    for clip in learnt.clips:
        match = match_whole(learnt.store, fingerprint(clip.samples), clip.path)
        if match is not None:
            others.append((clip.path, match))
            if match.sure:
                theirs = learnt.clips[learnt.ids[match.recording.id]].samples
                n_share += share_samples(clip.samples, theirs, match)
    _print_likeliest(
        "recordings against all others, those of the same voice and engine among them",
        others,
        len(learnt.clips) * (len(learnt.clips) - 1),
    )
    print(f"{n_share} of those that are sure are the same samples for half a second at least")
    return frozenset(
        frozenset((path, match.recording.name))
        for path, match in others
        if match.probability >= 0.5
    )


def _print_likeliest(name: str, matches: list[tuple[str, Match]], comparisons: int) -> None:
    matches.sort(key=lambda pair: -pair[1].worth)
    even = sum(match.probability >= 0.5 for _, match in matches)
    sure = sum(match.sure for _, match in matches)
    print(f"\n{name}: {comparisons} comparisons, {even} with p ≥ 0.5, {sure} sure; the likeliest:")
    for path, match in matches[:SHOWN]:
        known = match.recording.name
        print(f"  {match.probability:.4f}  {path} ~ {known}, {match.seconds:.2f} s")


def _print_peers(
    names: Sequence[str], learnt: Learnt, speech: Speech, n: int, rng: Generator
) -> None:
    peers = {name: PEERS[name]() for name in names if PEERS[name].installed()}
    asked = {
        f"{seconds:g} s": list(_queries(learnt, n, seconds, USUAL, rng)) for seconds in PEER_LENGTHS
    }
    for name, seconds, move in _moves(rng):
        whole = _queries(learnt, n, seconds, USUAL, rng)
        moved = [replace(one, samples=move(one.samples)) for one in whole]
        asked[f"{MOVED_SECONDS:g} s, {name}"] = moved
    live = [clip.samples for clip in speech.live[:: max(1, len(speech.live) // n)]]
    print("\n| fingerprint | query | right recording first | and above every live caller |")
    print("|---|---|---|---|")
    for name, peer in peers.items():
        peer.learn(learnt.samples)
        bars: dict[int, float] = {}
        for kind, queries in asked.items():
            length = round(float(kind.split()[0]) * SAMPLE_RATE)
            if length not in bars:
                found = (peer.best(samples[:length])[1] for samples in live)
                bars[length] = max(found, default=0.0)
            first = above = 0
            for one in queries:
                index, alike = peer.best(one.samples)
                first += index == one.clip
                above += index == one.clip and alike > bars[length]
            print(f"| {name} | {kind} | {first / n:.1%} | {above / n:.1%} |", flush=True)


def _print_costs(size: int, seconds: float, learnt: Learnt, speech: Speech, rng: Generator) -> None:
    known = learnt.samples[: size // 4]
    part = replace(learnt, clips=learnt.clips[: len(known)], asked=range(len(known)))
    queries: dict[str, Sequence[Samples]] = {
        "2 s, known": [q.samples for q in _queries(part, 60, 2.0, USUAL, rng)],
        "3 s, known": [q.samples for q in _queries(part, 60, 3.0, USUAL, rng)],
        "3 s, unknown": [clip.samples[: 3 * SAMPLE_RATE] for clip in speech.live[:60]],
    }
    legs = [clip.samples[:LEG_SAMPLES] for clip in speech.live if len(clip.samples) >= LEG_SAMPLES]
    measured = costs.measure(size, seconds, known, queries, legs[:60], rng)
    print(
        f"\n{size} recordings, {measured.minutes:.0f} minutes: "
        f"{measured.kilobytes_a_minute:.1f} KB a minute, {measured.fill_ms:.2f} ms CPU to add one; "
        f"fingerprint of 3 s {costs.fingerprint_ms(queries['3 s, unknown']):.2f} ms CPU; "
        f"load {os.getloadavg()[0]:g}"
    )
    for name in queries:
        cpu, wall = measured.cpu_ms[name], measured.wall_ms[name]
        print(f"  {name}: {cpu:.2f} ms CPU, {wall:.2f} ms wall a query", flush=True)
    print(f"  {LEG_SECONDS:g} s of a leg, in steps of 80 ms:", flush=True)
    for name, cpu in measured.leg_ms.items():
        print(f"    {name}: {cpu:.2f} ms CPU", flush=True)


if __name__ == "__main__":
    main()
