"""Group broadcast calls that one line brings: ``python -m benchmarks.known.broadcast --data DATA``.

Each archive has 23 calls of seven messages, which were sent six times to once. Two pairs of
messages are of one voice each. A message is four clips of its voice. Each call begins elsewhere in
it and lasts 6 to 12 s. All calls of an archive come through one codec, and each slips in its own
way: one and a half times in the mean, mostly by whole packets. The folder's ``unmet.csv`` counts,
too.
"""

import csv
import os
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.random import Generator

from audio_model import audio
from audio_model.frontend import SAMPLE_RATE, Samples
from audio_model.known.campaigns import Grouping
from audio_model.known.fingerprint import fingerprint
from benchmarks.command import parser_of
from benchmarks.known.slips import LONGEST_MS, SHORTEST_MS, Slip, slip
from benchmarks.known.speech import lose
from training.augment import Codec, add_bed, coloured_noise, encode, level

TABLES = ("unmet.csv", "manifest.csv")
COPIES = (6, 5, 4, 3, 2, 2, 1)
CLIPS_A_MESSAGE, CLIPS_A_VOICE = 4, 8
"""Clips in a message, and the least number that a voice has."""
MOST_SECONDS = 60.0
SLIPS = 1.5
CODECS = (Codec.ALAW, Codec.AMR_NB, Codec.MULAW, Codec.GSM)


@dataclass(frozen=True)
class Call:
    """One call of an archive."""

    message: int
    samples: Samples


def voices(folder: Path) -> dict[str, list[Path]]:
    """Return the clips of each recorded voice of a folder."""
    found = defaultdict(list)
    for table in TABLES:
        if (folder / table).is_file():
            with (folder / table).open(encoding="utf-8", newline="") as file:
                for row in csv.DictReader(file):
                    if row["label"] == "1" and row["corpus"] != "music":
                        found[f"{row['corpus']}|{row['source']}"].append(folder / row["path"])
    return {voice: clips for voice, clips in found.items() if len(clips) >= CLIPS_A_VOICE}


def archive(clips: dict[str, list[Path]], rng: Generator) -> list[Call]:
    """Return the calls of one archive, in the order in which they came."""
    a, b, *others = rng.choice(list(clips), len(COPIES) - 2, replace=False)
    codec = Codec(str(rng.choice(list(CODECS))))
    used: set[Path] = set()
    cuts = []
    for message, (voice, copies) in enumerate(zip((a, a, b, b, *others), COPIES, strict=True)):
        left = [clip for clip in clips[voice] if clip not in used]
        chosen = [left[n] for n in rng.permutation(len(left))[:CLIPS_A_MESSAGE]]
        used.update(chosen)
        said = np.concatenate([audio.read(clip, max_seconds=MOST_SECONDS) for clip in chosen])
        for _ in range(copies):
            begin = rng.uniform(0, min(4.0, 0.3 * len(said) / SAMPLE_RATE))
            end = begin + rng.uniform(6, 12)
            cut = said[int(begin * SAMPLE_RATE) : int(end * SAMPLE_RATE)]
            cuts.append(Call(message, cut))
    return [
        Call(cuts[n].message, _through(cuts[n].samples, codec, rng))
        for n in rng.permutation(len(cuts))
    ]


def _through(samples: Samples, codec: Codec, rng: Generator) -> Samples:
    n_slips = rng.poisson(SLIPS)
    places = (rng.uniform(0.1, 0.9, n_slips) * len(samples)).astype(int)
    for at in sorted(places.tolist(), reverse=True):
        ms = rng.choice([20, 20, 40, 60, 100, rng.uniform(SHORTEST_MS, LONGEST_MS)])
        kind = Slip(str(rng.choice(list(Slip))))
        samples = slip(samples, kind, at, min(int(ms * SAMPLE_RATE / 1000), at))
    samples = level(samples, -26 + rng.uniform(-8, 8))
    samples = add_bed(samples, coloured_noise(len(samples), rng), rng.uniform(15, 30))
    before = 0.0005 * rng.standard_normal(int(rng.uniform(0, 1) * SAMPLE_RATE))
    call = np.concatenate([before.astype(np.float32), samples])
    return lose(encode(call, codec, rng), 0.02 * rng.random(), rng)


def pairs(calls: Sequence[Call]) -> tuple[int, int, int]:
    """Return the pairs of calls with one message, and how many are grouped rightly and falsely."""
    grouping = Grouping()
    for call in calls:
        grouping.add(fingerprint(call.samples))
    of = {one.index: each.number for each in grouping.campaigns() for one in each.calls}
    alike = found = false = 0
    for a, b in combinations(range(len(calls)), 2):
        grouped = a in of and of[a] == of.get(b)
        if calls[a].message == calls[b].message:
            alike, found = alike + 1, found + grouped
        else:
            false += grouped
    return alike, found, false


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a row for each archive."""
    parser = parser_of("known.broadcast", __doc__)
    parser.add_argument("--data", type=Path, required=True, help="a folder with a manifest.csv")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="an archive for each")
    args = parser.parse_args(arguments)
    clips = voices(args.data)
    print("| archive | pairs of one message | grouped | pairs of others grouped |")
    print("|---|---|---|---|")
    for seed in args.seeds:
        alike, found, false = pairs(archive(clips, np.random.default_rng(seed)))
        print(f"| {seed} | {alike} | {found} | {false} |", flush=True)
    print(f"\nload {os.getloadavg()[0]:g}")


if __name__ == "__main__":
    main()
