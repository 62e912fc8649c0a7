"""Make recorded speech: ``python -m training.corpora.build --output DIR [--engine NAME ...]``.

A second run makes only what is missing. What each engine needs is in README.md beside this file.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from training.command import status_of
from training.corpora.debian import Espeak, Festival, Flite
from training.corpora.draw import draw
from training.corpora.engine import SpeechEngine
from training.corpora.games import Drascula, Queen, Sky
from training.corpora.hibari import Hibari
from training.corpora.kokoro import Kokoro
from training.corpora.open_jtalk import OpenJTalk
from training.corpora.pico import Pico
from training.corpora.piper import Piper
from training.corpora.prompts import PACKAGES, Package, Prompts
from training.corpora.write import Folder
from training.data.manifest import Clip
from training.data.manifest import load as load_manifest

SEED = 3


@dataclass(frozen=True)
class Resources:
    """Files that an engine may need."""

    downloads: Path
    known: Sequence[Clip] = ()
    """Clips that need not be made again, and live ones to copy."""


@dataclass(frozen=True)
class Builder:
    """The way to load an engine, and its default number of clips."""

    load: Callable[[Resources], SpeechEngine]
    n_clips: int


def _kokoro(name: str, *languages: str) -> Callable[[Resources], SpeechEngine]:
    return lambda given: Kokoro(f"made_{name}", languages, given.downloads)


def _hifigan(given: Resources) -> SpeechEngine:
    # The only builder that needs PyTorch.
    from training.corpora.hifigan import HifiGan

    return HifiGan(given.known)


def _prompts(package: Package) -> Callable[[Resources], SpeechEngine]:
    return lambda given: Prompts(package, given.downloads, given.known)


GAMES = {
    "drascula_en": Builder(lambda given: Drascula("drascula", "en", given.downloads), 130),
    "drascula_es": Builder(lambda given: Drascula("drascula-spanish", "es", given.downloads), 130),
    "drascula_it": Builder(lambda given: Drascula("drascula-italian", "it", given.downloads), 130),
    "sky": Builder(lambda given: Sky(given.downloads), 200),
    "queen": Builder(lambda given: Queen(given.downloads), 250),
}
"""Made only where they are asked for by name, since no shipped model may learn from them."""
BUILDERS = {
    "kokoro_en": Builder(_kokoro("kokoro_en", "en"), 300),
    "kokoro_zh": Builder(_kokoro("kokoro_zh", "zh"), 200),
    "kokoro_other": Builder(_kokoro("kokoro_other", "es", "fr", "hi", "it", "ja", "pt"), 200),
    "piper": Builder(lambda _: Piper(), 50),
    "hibari": Builder(lambda _: Hibari(), 60),
    "pico": Builder(lambda _: Pico(), 60),
    "open_jtalk": Builder(lambda _: OpenJTalk(), 20),
    "flite": Builder(lambda _: Flite(), 30),
    "festival": Builder(lambda _: Festival(), 56),
    "espeak": Builder(lambda _: Espeak(), 20),
    "hifigan": Builder(_hifigan, 600),
    **{
        package.voice.corpus.removeprefix("debian_"): Builder(_prompts(package), package.n_clips)
        for package in PACKAGES
    },
    **GAMES,
}


def build(engine: SpeechEngine, folder: Folder, n_clips: int, *, seed: int = SEED) -> int:
    """Make the drawn clips that are not there yet, and return how many they were.

    Raises CorpusError.
    """
    drawn = draw(engine, n_clips, seed)
    missing = [reading for reading in drawn if reading.path not in folder.made]
    folder.describe(engine)
    for reading in tqdm(missing, unit="clip", disable=None):
        samples, sample_rate = engine.speak(reading.voice, reading.script.text, reading.speed)
        folder.add(reading, samples, sample_rate)
    return len(missing)


def _count(text: str) -> int:
    count = int(text)
    if count < 1:
        raise argparse.ArgumentTypeError(f"at least 1 is wanted, not {text}")
    return count


def main(arguments: Sequence[str] | None = None) -> int:
    """Build a corpus and return the exit status, 2 after an error."""
    parser = argparse.ArgumentParser(prog="python -m training.corpora.build", description=__doc__)
    parser.add_argument("--output", type=Path, required=True, help="folder of the clips")
    parser.add_argument(
        "--engine",
        nargs="+",
        choices=BUILDERS,
        default=[name for name in BUILDERS if name not in GAMES],
        help=f"default: all but {', '.join(GAMES)}",
    )
    parser.add_argument(
        "--clips", type=_count, help="clips of each engine, instead of its own number"
    )
    parser.add_argument(
        "--known",
        type=Path,
        help="manifest whose prompts are left out, and whose live clips are copied by hifigan",
    )
    return status_of(_build_all, parser.parse_args(arguments))


def _build_all(options: argparse.Namespace) -> None:
    known = load_manifest(options.known).clips if options.known else ()
    given = Resources(options.output / "downloads", known)
    folder = Folder(options.output)
    for name in options.engine:
        builder = BUILDERS[name]
        made = build(builder.load(given), folder, options.clips or builder.n_clips)
        print(f"{name}: {made} clips made")


if __name__ == "__main__":
    sys.exit(main())
