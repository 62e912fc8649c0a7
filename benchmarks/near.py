"""Measure verdicts on people near good microphones: ``python -m benchmarks.near``.

The corpora that choose the rule hold few such callers, so a network may gain there and lose here.
The live speech of the samples' two Debian packages is heard whole: radio amateurs, and people who
speak to a recogniser. Each file is cut into stretches that begin at four places, and they go
through the line of ``samples/build.py``. Needs Debian's ``apt-get``, which downloads 13 MB. Prints
Markdown.
"""

import importlib.util
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType

import numpy as np
import soundfile
import soxr

from audio_model.decision import VerdictKind
from audio_model.detector import Detector
from audio_model.frontend import SAMPLE_RATE, Samples
from benchmarks.command import parser_of
from training.markdown import table

BUILD = Path(__file__).parents[1] / "samples" / "build.py"

CODEC2, POCKETSPHINX = "codec2-examples", "pocketsphinx-testdata"
FILES: Mapping[str, tuple[str, ...]] = {
    CODEC2: (
        "raw/big_dog.raw", "raw/cq_ref.raw", "raw/cross.raw", "raw/forig.raw", "raw/g3plx.raw",
        "raw/hts.raw", "raw/kristoff.raw", "raw/mmt1.raw", "raw/morig.raw", "raw/ve9qrp.raw",
        "raw/vk5qi.raw", "raw/speech_orig_16k.wav",
    ),
    POCKETSPHINX: (
        "cards/002.wav", "cards/003.wav", "cards/004.wav", "cards/005.wav", "goforward.raw",
        "numbers.raw", "something.raw", "tidigits/dhd.2934z.raw",
    ),
}  # fmt: skip
"""Live speech. Left out are copies, audio books, a modem's signals, and what is shorter."""
FOLDERS = {CODEC2: "usr/share/codec2", POCKETSPHINX: "usr/share/pocketsphinx/test/data"}
RAW_RATES = {CODEC2: 8_000, POCKETSPHINX: 16_000}
"""Of files without a header, in Hz."""

STRETCH_SECONDS = 6.4
BEGINNINGS_SECONDS = (0.0, 1.6, 3.2, 4.8)
MIN_SECONDS = 1.5
"""A shorter stretch is left out: no verdict is due so early."""


@dataclass(frozen=True)
class Told:
    """Verdicts on the stretches of one file."""

    name: str
    of: Counter[VerdictKind]

    def share(self, kind: VerdictKind) -> float:
        """Return the share of stretches with this verdict."""
        return self.of[kind] / self.of.total()


def stretches(samples: Samples) -> Iterator[Samples]:
    """Cut samples at 8 kHz into stretches, from each beginning on."""
    length, least = round(STRETCH_SECONDS * SAMPLE_RATE), round(MIN_SECONDS * SAMPLE_RATE)
    for beginning in BEGINNINGS_SECONDS:
        for start in range(round(beginning * SAMPLE_RATE), len(samples), length):
            stretch = samples[start : start + length]
            if len(stretch) >= least:
                yield stretch


def read(path: Path, raw_rate: int) -> Samples:
    """Return a file's samples at 8 kHz. Headerless files are 16-bit at ``raw_rate``."""
    if path.suffix == ".raw":
        samples, rate = np.fromfile(path, "<i2") / 32768.0, raw_rate
    else:
        samples, rate = soundfile.read(path)
    return np.asarray(soxr.resample(samples, rate, SAMPLE_RATE), np.float32)


def builder() -> ModuleType:
    """Return ``samples/build.py``, which downloads packages and has the samples' line."""
    spec = importlib.util.spec_from_file_location("samples_build", BUILD)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Its dataclasses look their module up.
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def files(build: ModuleType, folder: Path) -> Iterator[tuple[str, Samples]]:
    """Download the packages to a folder, and yield each file's name and samples."""
    packages = build.Packages(folder)
    for package, names in FILES.items():
        root = packages.unpack("apt", package) / FOLDERS[package]
        for name in names:
            yield name, read(root / name, RAW_RATES[package])


def measure(detector: Detector, build: ModuleType, name: str, samples: Samples) -> Told:
    """Hear the stretches of a file, each through the line."""
    lines = (build.telephone(stretch).astype(np.float32) for stretch in stretches(samples))
    verdicts = [detector.score_samples(line, SAMPLE_RATE).verdict for line in lines]
    return Told(name, Counter(verdicts))


def as_markdown(told: list[Told]) -> str:
    """Return the figures as Markdown. Files weigh alike in the last row."""
    kinds = (VerdictKind.LIVE, VerdictKind.UNKNOWN, VerdictKind.RECORDED)
    rows = [[each.name, f"{each.of.total()}", *(f"{each.of[k]}" for k in kinds)] for each in told]
    total = sum(each.of.total() for each in told)
    shares = (sum(each.share(kind) for each in told) / len(told) for kind in kinds)
    rows.append(["all", f"{total}", *(f"{100 * share:.0f} %" for share in shares)])
    return "\n".join(table(["file", "stretches", *(kind.value for kind in kinds)], rows))


def main(arguments: list[str] | None = None) -> int:
    """Hear people near good microphones and print the verdicts."""
    parser = parser_of("near", __doc__)
    parser.add_argument("--model", type=Path, help="a model file other than the one that ships")
    options = parser.parse_args(arguments)
    detector, build = Detector.load(options.model), builder()
    with TemporaryDirectory() as folder:
        told = [measure(detector, build, *file) for file in files(build, Path(folder))]
    print(as_markdown(told))
    return 0


if __name__ == "__main__":
    sys.exit(main())
