"""Test whether calls with the same tone match each other: ``python -m benchmarks.known.tones``.

Tones and cadences of networks come from ITU-T E.180, its supplement 2 and the countries' own
documents: ringing, busy, congestion, special information. To these come the tones of recorders, fax
machines and keys. Each call begins elsewhere in the cadence and comes through a line of its own:
level, noise, codec, lost packets. Each call is matched against the tones of all others.
"""

from collections.abc import Iterator, Sequence
from itertools import cycle

import numpy as np
from numpy.random import Generator

from audio_model.frontend import SAMPLE_RATE, Samples
from audio_model.known.fingerprint import fingerprint
from audio_model.known.match import Match
from audio_model.known.matcher import match_whole
from audio_model.known.store import Store
from benchmarks.command import parser_of
from benchmarks.known.speech import CODECS, lose
from training.augment import add_bed, coloured_noise, encode, level

HEARD_SECONDS = 7.0
CALLS_KEPT = 436_000
"""Among which a repetition must be sure."""

Cadence = Sequence[tuple[Sequence[float], float]]
"""Frequencies in Hz, none for a pause, and seconds of each part; begun anew at its end."""


def on_off(frequencies: Sequence[float], *seconds: float) -> Cadence:
    """Return a cadence that begins with a tone and has a pause behind each tone."""
    return [(frequencies if n % 2 == 0 else (), length) for n, length in enumerate(seconds)]


KEYS = {
    "0": (941, 1336), "1": (697, 1209), "2": (697, 1336), "3": (697, 1477), "4": (770, 1209),
    "5": (770, 1336), "6": (770, 1477), "7": (852, 1209), "8": (852, 1336), "9": (852, 1477),
}  # fmt: skip
"""ITU-T Q.23."""

TONES: dict[str, Cadence] = {
    "ringing, China": on_off((450,), 1, 4),
    "busy, China": on_off((450,), 0.35, 0.35),
    "congestion, China": on_off((450,), 0.7, 0.7),
    "ringing, United States": on_off((440, 480), 2, 4),
    "busy, United States": on_off((480, 620), 0.5, 0.5),
    "reorder, United States": on_off((480, 620), 0.25, 0.25),
    "dial tone, United States": [((350, 440), 1.0)],
    "call waiting, United States": on_off((440,), 0.3, 9.7),
    "ringing, United Kingdom": on_off((400, 450), 0.4, 0.2, 0.4, 2),
    "busy, United Kingdom": on_off((400,), 0.375, 0.375),
    "number unobtainable, United Kingdom": [((400,), 1.0)],
    "ringing, Germany": on_off((425,), 1, 4),
    "busy, Germany": on_off((425,), 0.48, 0.48),
    "congestion, Germany": on_off((425,), 0.24, 0.24),
    "ringing, France": on_off((440,), 1.5, 3.5),
    "ringing, Japan": on_off((385, 415), 1, 2),
    "busy, Japan": on_off((400,), 0.5, 0.5),
    "ringing, Australia": on_off((413, 438), 0.4, 0.2, 0.4, 2),
    "ringing, India": on_off((375, 425), 0.4, 0.2, 0.4, 2),
    "ringing, Russia": on_off((425,), 0.8, 3.2),
    "ringing, Brazil": on_off((425,), 1, 4),
    "ringing, Italy": on_off((425,), 1, 4),
    "ringing, Spain": on_off((425,), 1.5, 3),
    "special information": [((950,), 0.33), ((1400,), 0.33), ((1800,), 0.33), ((), 1.0)],
    "recorder (E.181)": on_off((1400,), 0.5, 14.5),
    "receiver off hook": on_off((1400, 2060, 2450, 2600), 0.1, 0.1),
    "fax, calling (T.30)": on_off((1100,), 0.5, 3),
    "fax, called (T.30)": on_off((2100,), 2.6, 0.8),
    "keys, one number dialled by a machine": [
        part for key in "1380013800" for part in on_off(KEYS[key], 0.1, 0.1)
    ],
}


def tone(cadence: Cadence, seconds: float) -> Samples:
    """Return some seconds of a tone."""
    parts, n = [], 0
    for frequencies, length in cycle(cadence):
        time = np.arange(round(length * SAMPLE_RATE)) / SAMPLE_RATE
        waves = [np.sin(2 * np.pi * frequency * time) for frequency in frequencies]
        parts.append(np.sum(waves, axis=0) if waves else np.zeros(len(time)))
        n += len(time)
        if n >= seconds * SAMPLE_RATE:
            break
    return np.concatenate(parts)[: round(seconds * SAMPLE_RATE)].astype(np.float32)


def call(cadence: Cadence, codec: int, rng: Generator) -> Samples:
    """Return a call that begins somewhere in a tone, through a line of its own."""
    whole = sum(length for _, length in cadence)
    begin = round(rng.uniform(0, whole) * SAMPLE_RATE)
    heard = level(tone(cadence, whole + HEARD_SECONDS)[begin:], -26 + rng.uniform(-8, 8))
    heard = heard[: round(HEARD_SECONDS * SAMPLE_RATE)]
    noisy = add_bed(heard, coloured_noise(len(heard), rng), rng.uniform(10, 40))
    return lose(encode(noisy, CODECS[codec % len(CODECS)], rng), 0.03 * rng.random(), rng)


def likeliest(calls: int, rng: Generator) -> Iterator[tuple[str, list[Match]]]:
    """Yield what the calls with each tone match in those before, the likeliest for each call."""
    with Store(":memory:") as store:
        for name, cadence in TONES.items():
            for codec in range(calls):
                codes = fingerprint(call(cadence, codec, rng)).codes
                if codes[::5].any():
                    store.add(name, codes)
        for name, cadence in TONES.items():
            found = (
                match_whole(store, fingerprint(call(cadence, codec + 3, rng)))
                for codec in range(calls)
            )
            yield name, [match for match in found if match is not None]


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a row for each tone."""
    parser = parser_of("known.tones", __doc__)
    parser.add_argument("--calls", type=int, default=20, help="calls of each tone")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(arguments)
    print("| tone | calls | told by a store | told as a repetition | the likeliest |")
    print("|---|---|---|---|---|")
    for name, matches in likeliest(args.calls, np.random.default_rng(args.seed)):
        told = sum(match.sure for match in matches)
        repeated = sum(match.is_sure_among(CALLS_KEPT) for match in matches)
        most = max((match.probability for match in matches), default=0.0)
        print(f"| {name} | {args.calls} | {told} | {repeated} | {most:.3f} |")


if __name__ == "__main__":
    main()
