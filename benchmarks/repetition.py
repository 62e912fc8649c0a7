"""Simulate a day of campaigns among live callers, found by repetition.

Run it with ``python -m benchmarks.repetition``. Each campaign plays one real recording. Every call
brings it through a line of its own: cut at the beginning, at another level, in noise, through
another codec, with lost packets, and one call in five slips. A live caller is a real clip of a
person, said anew for each call: its time is warped, differently in each part, and its pitch
shifted, so that words and voice recur and samples don't. Both come through lines of the same kinds.
The network is drawn at random. It hears half of a campaign's calls, and flags one live caller in a
hundred. It is sure of a third of those.

With ``--share`` that share of the campaigns and of the live callers is heard. The other calls of
the day are kept beforehand, with real codes in no order. So look-ups cost as much as in the whole
day, and a repetition needs the odds of the whole day. The run ends with its share of the day, or
after ``--minutes`` of the clock.
"""

import math
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np
from numpy.random import Generator

from audio_model.decision import Evidence, Reason, Verdict, VerdictKind
from audio_model.frontend import SAMPLE_RATE, Samples
from audio_model.known.fingerprint import NOTHING, Codes, fingerprint
from audio_model.known.follow import KnownFollower, KnownRecordings
from audio_model.known.recent import RecentCalls, Retention
from audio_model.known.recording import LearntBy
from audio_model.known.store import Store
from audio_model.rule import OperatingPoint
from audio_model.stream import PhoneCall
from benchmarks.command import parser_of
from benchmarks.known.slips import LONGEST_MS, SHORTEST_MS, slips
from benchmarks.known.speech import CODECS, Clip, load, lose
from training.augment import Codec, add_bed, coloured_noise, encode, level

HEARD_SECONDS = 6.0
LEAST_MESSAGE_SECONDS = 4.2
LEAST_LIVE_SECONDS = 2.0
SLIPPED = 0.2
MOST_LEAD_SECONDS = 1.0
KNOT_SECONDS = 0.35
SPEEDS = (0.75, 1.33)
"""Speeds of a live caller's parts: people's rates of speech differ by as much between phrases."""
PITCHES = (0.88, 1.14)
POINT = OperatingPoint(0.01, 0.9, 0.2, 0.01, 0.5, 0.05)


@dataclass(frozen=True)
class Day:
    """The size of the day: a whole day's numbers, and the share of it that is heard."""

    campaigns: int = 100
    campaign_calls: int = 1000
    live_calls: int = 400_000
    share: float = 0.02
    at_once: int = 1
    """Calls that are heard beside each other: all begin before the first of them ends."""
    minutes: float = math.inf
    """Minutes after which no more calls are heard."""
    hit: float = 0.5
    false_alarm: float = 0.01
    sure: float = 0.33
    """The share of the network's recorded verdicts that it learns from, by its own certainty."""
    live_told: float = 0.48
    recorded_told_live: float = 0.1


@dataclass
class Told:
    """The outcome of the calls."""

    behind_second: int = 0
    known: int = 0
    told: int = 0
    second: int = 0
    second_told: int = 0
    live: int = 0
    live_known: list[str] = field(default_factory=list)
    live_told: int = 0
    seconds: list[float] = field(default_factory=list)
    """Seconds from a call's start to the moment at which it was known."""
    cpu_ms: list[float] = field(default_factory=list)
    n_kept_before: int = 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Play the day and print the figures as Markdown."""
    parser = parser_of("repetition", __doc__)
    parser.add_argument("--data", type=Path, required=True, help="a folder with a manifest.csv")
    for name in ("campaigns", "campaign_calls", "live_calls"):
        flag = "--" + name.replace("_", "-")
        parser.add_argument(flag, type=int, default=getattr(Day(), name), help="in a whole day")
    parser.add_argument("--at-once", type=int, default=Day.at_once, help="calls at the same time")
    for name in ("share", "minutes", "hit", "false_alarm"):
        parser.add_argument(f"--{name.replace('_', '-')}", type=float, default=getattr(Day(), name))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="folder of the store")
    args = parser.parse_args(arguments)
    given = vars(args)
    day = Day(**{one.name: given[one.name] for one in fields(Day) if one.name in given})
    rng = np.random.default_rng(args.seed)
    speech = load(args.data)
    live = [clip for clip in speech.live if len(clip.samples) >= LEAST_LIVE_SECONDS * SAMPLE_RATE]
    with TemporaryDirectory(dir=args.folder) as folder:
        report(day, run(day, speech.recorded, live, Path(folder), rng), len(live), Path(folder))
    return 0


def run(
    day: Day, recorded: Sequence[Clip], live: Sequence[Clip], folder: Path, rng: Generator
) -> Told:
    """Hear a part of a day."""
    n_campaigns = max(1, round(day.campaigns * day.share))
    n_live = max(1, round(day.live_calls * day.share))
    messages = rng.choice(len(recorded), min(n_campaigns, len(recorded)), replace=False)
    path, keep = folder / "known.db", Retention(hours=48, calls=10_000_000)
    n_calls = len(messages) * day.campaign_calls + n_live
    whole = day.campaigns * day.campaign_calls + day.live_calls
    _fill(path, keep, live, whole - n_calls, rng)
    order = rng.permutation(n_calls)
    told = Told(n_kept_before=whole - n_calls)
    heard: dict[int, int] = {}
    begin = time.time() - 43_200
    until = time.monotonic() + 60 * day.minutes
    known = KnownRecordings(path, learn=True, keep=keep)
    for first in range(0, n_calls, day.at_once):
        if time.monotonic() > until:
            break
        legs = []
        for number, which in enumerate(order[first : first + day.at_once].tolist(), first):
            moment = begin + 86_400 * number / n_calls
            campaign = which // day.campaign_calls
            is_live = which >= len(messages) * day.campaign_calls
            name = f"call {which}"
            if is_live:
                clip = live[int(rng.integers(len(live)))]
                name = f"{clip.path} {which}"
                samples = through_line(said_anew(clip.samples, rng), rng)
            else:
                samples = through_line(recorded[messages[campaign]].samples, rng)
            network = _network(day, rng, is_live=is_live)
            call = PhoneCall(name, moment, f"9521{rng.integers(10**4):04d}", f"1390{which:07d}")
            started = time.process_time()
            follower = known.follow(call)
            follower.hear(samples)
            follower.flush()
            spent = time.process_time() - started
            legs.append((None if is_live else campaign, follower, network, spent))
        for of_campaign, follower, network, spent in legs:
            started = time.process_time()
            follower.conclude(network)
            verdict = follower.fuse(network, POINT)
            told.cpu_ms.append(1000 * (spent + time.process_time() - started))
            _count(told, heard, of_campaign, follower, verdict, network)
        if sys.stderr.isatty() and first % 100 == 0:
            print(f"\r{first} of {n_calls}", end="", file=sys.stderr)
    known.close()
    return told


def _count(
    told: Told,
    heard: dict[int, int],
    campaign: int | None,
    follower: KnownFollower,
    verdict: Verdict,
    network: Verdict,
) -> None:
    """Count what a call was told; ``campaign`` is None for a live one."""
    is_known, is_told = follower.weighs, verdict.verdict is VerdictKind.RECORDED
    if campaign is None:
        told.live += 1
        told.live_told += is_told and network.verdict is not VerdictKind.RECORDED
        if is_known:
            match = verdict.evidence.known
            name = "" if match is None else match.name
            told.live_known.append(f"{follower.call.name} ~ {name}")
        return
    heard[campaign] = heard.get(campaign, 0) + 1
    if heard[campaign] == 2:
        told.second += 1
        told.second_told += is_told
    elif heard[campaign] > 2:
        told.behind_second += 1
        told.known += is_known
        told.told += is_told
        if is_known and verdict.decided_at is not None:
            told.seconds.append(verdict.decided_at)


def through_line(samples: Samples, rng: Generator) -> Samples:
    """Return one call's first seconds, as a line brings them."""
    samples = samples[: round(HEARD_SECONDS * SAMPLE_RATE)]
    if rng.random() < SLIPPED:
        samples = slips(samples, (rng.uniform(SHORTEST_MS, LONGEST_MS),), rng)
    samples = level(samples, -26 + rng.uniform(-8, 8))
    samples = add_bed(samples, coloured_noise(len(samples), rng), rng.uniform(10, 30))
    lead = np.zeros(round(rng.uniform(0, MOST_LEAD_SECONDS) * SAMPLE_RATE), np.float32)
    codec = Codec(str(rng.choice(list(CODECS))))
    call = lose(encode(np.concatenate([lead, samples]), codec, rng), 0.03 * rng.random(), rng)
    return call[: round(HEARD_SECONDS * SAMPLE_RATE)]


def said_anew(samples: Samples, rng: Generator) -> Samples:
    """Return the same words in the same voice at another time: warped, at another pitch."""
    n_knots = int(len(samples) / SAMPLE_RATE / KNOT_SECONDS) + 2
    speeds = np.exp(rng.uniform(np.log(SPEEDS[0]), np.log(SPEEDS[1]), n_knots))
    pitch = np.exp(rng.uniform(np.log(PITCHES[0]), np.log(PITCHES[1])))
    knots = np.linspace(0, len(samples), n_knots)
    rate = np.interp(np.arange(len(samples)), knots, speeds) * pitch
    places = np.cumsum(rate)
    anew = np.interp(places[places < len(samples) - 1], np.arange(len(samples)), samples)
    return np.asarray(anew, np.float32)


def _network(day: Day, rng: Generator, *, is_live: bool) -> Verdict:
    drawn = rng.random()
    recorded = day.false_alarm if is_live else day.hit
    said_live = day.live_told if is_live else day.recorded_told_live
    if drawn < recorded:
        kind, score = VerdictKind.RECORDED, 0.97 if rng.random() < day.sure else 0.92
    elif drawn < recorded + said_live:
        kind, score = VerdictKind.LIVE, 0.1
    else:
        kind, score = VerdictKind.UNKNOWN, 0.5
    reason = Reason.UNSURE if kind is VerdictKind.UNKNOWN else Reason.NONE
    at = None if kind is VerdictKind.UNKNOWN else 2.0
    return Verdict(kind, score, 0.0, 6.0, 4.0, at, reason, Evidence((), (), (), None))


def _fill(path: Path, keep: Retention, live: Sequence[Clip], n: int, rng: Generator) -> None:
    """Keep ``n`` calls of real codes in no order."""
    codes: list[Codes] = [fingerprint(clip.samples).codes for clip in live[::4]]
    pool = np.concatenate(codes)
    pool = pool[pool != NOTHING]
    recent = RecentCalls(path, keep, busy_seconds=30.0, mapped=True)
    length = round(4.5 * 62.5)
    for first in range(0, n, 1000):
        with recent.adding():
            for number in range(first, min(n, first + 1000)):
                recent.add(PhoneCall(f"filler {number}"), rng.choice(pool, length))
    recent.close()


def report(day: Day, told: Told, n_clips: int, folder: Path) -> None:
    """Print the result as Markdown."""
    with Store(folder / "known.db", create=False) as store:
        by = [recording.learnt for recording in store.recordings()]
    size = sum(path.stat().st_size for path in folder.glob("known.db.heard.*"))
    n_kept = told.n_kept_before + len(told.cpu_ms)
    print(
        f"{day.share:g} of a day of {day.campaigns} campaigns of {day.campaign_calls:,} calls "
        f"among {day.live_calls:,} live ones: {told.behind_second + told.second} of campaigns and "
        f"{told.live} live ones of {n_clips} clips were heard, {n_kept:,} are kept in the end, "
        f"{size / 1e6:.0f} MB; load {os.getloadavg()[0]:g}\n"
    )
    print("| | of | |\n|---|---|---|")
    n = max(1, told.behind_second)
    print(f"| campaign calls behind the second: known | {n} | {told.known / n:.2%} |")
    print(f"| told, by the network or known | {n} | {told.told / n:.2%} |")
    print(f"| second calls told | {told.second} | {told.second_told} |")
    print(f"| live callers said to repeat something | {told.live} | {len(told.live_known)} |")
    print(f"| live callers told recorded for it | {told.live} | {told.live_told} |")
    print(f"| learnt from repetition | | {by.count(LearntBy.REPETITION)} |")
    print(f"| learnt from the network alone | | {by.count(LearntBy.NETWORK)} |")
    if told.seconds:
        print(f"| known after (median) | | {median(told.seconds):.2f} s |")
    mean = float(np.mean(told.cpu_ms))
    print(f"| CPU a call (mean; median) | | {mean:.1f} ms; {median(told.cpu_ms):.1f} ms |")
    print(f"| calls a second on one core | | {1000 / mean:.0f} |")
    for each in told.live_known[:20]:
        print(f"  {each}")


if __name__ == "__main__":
    sys.exit(main())
