"""Voice actors' telephone prompts from Debian's Asterisk packages, unpacked but not installed."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from audio_model.frontend import SAMPLE_RATE, Samples
from training.corpora.download import archive_version, debian
from training.corpora.engine import Origin, Voice, digests
from training.corpora.errors import CorpusError
from training.corpora.script import Script
from training.corpora.write import is_silent, to_telephone
from training.data.manifest import Clip

MIN_SECONDS = 1.5
SAME = 0.88
"""Similarity above which two prompts hold the same take. In 140 English prompts, the same take
reached 0.89 to 1 through another cut; different ones 0.25 typically, and 0.80 at most."""
HOP_SAMPLES = SAMPLE_RATE // 100
SMOOTH = np.hanning(7) / np.hanning(7).sum()
SOUNDS = Path("usr/share/asterisk/sounds")
ACTOR = "voice actor, prompts"


@dataclass(frozen=True)
class Package:
    """A Debian package of prompts by one voice, which lie in a folder of its own."""

    name: str
    folder: str
    voice: Voice
    n_clips: int


def _package(
    *names: str, source: str, gender: str, licence: str, n_clips: int, group: str = ""
) -> Package:
    tag, name, folder = names
    voice = Voice(
        name=folder,
        language=tag[:2],
        gender=gender,
        corpus=f"debian_asterisk_{tag}",
        source=source,
        group=group or source,
        kind=f"{ACTOR} (same voice as asterisk_en)" if tag == "es" else ACTOR,
        licence=licence,
    )
    return Package(name, folder, voice, n_clips)


PACKAGES = (
    _package(
        *("en", "asterisk-core-sounds-en-wav", "en_US_f_Allison"),
        source="asterisk_en:allison_smith_en",
        group="allison",
        gender="f",
        licence="CC-BY-SA-3.0",
        n_clips=90,
    ),
    _package(
        *("es", "asterisk-core-sounds-es-wav", "es_MX_f_Allison"),
        source="asterisk_es:allison_smith_es",
        group="allison",
        gender="f",
        licence="CC-BY-SA-3.0",
        n_clips=60,
    ),
    _package(
        *("es_co", "asterisk-prompt-es-co", "es"),
        source="asterisk_es_co:avatar_es_co",
        gender="f",
        licence="GPL-2",
        n_clips=60,
    ),
    _package(
        *("fr", "asterisk-core-sounds-fr-wav", "fr_CA_f_June"),
        source="asterisk_fr:june_wallack_fr",
        group="june",
        gender="f",
        licence="CC-BY-SA-3.0",
        n_clips=60,
    ),
    _package(
        *("fr_armelle", "asterisk-prompt-fr-armelle", "fr"),
        source="asterisk_fr_armelle:armelle_fr",
        gender="f",
        licence="BSD-2-like",
        n_clips=60,
    ),
    _package(
        *("it", "asterisk-core-sounds-it-wav", "it_IT_m_Carlo"),
        source="asterisk_it:carlo_flora_it",
        gender="m",
        licence="CC-BY-3.0/CC-BY-SA-3.0",
        n_clips=30,
    ),
    _package(
        *("it_menardi", "asterisk-prompt-it-menardi-wav", "it_IT_f_Menardi"),
        source="asterisk_it_menardi:menardi_it",
        gender="f",
        licence="CC BY-SA 3.0 IT (Marco Menardi, Paola Dal Zot)",
        n_clips=90,
    ),
    _package(
        *("ru", "asterisk-core-sounds-ru-wav", "ru_RU_f_IvrvoiceRU"),
        source="asterisk_ru:ivrvoice_ru_f",
        gender="f",
        licence="CC-BY-3.0",
        n_clips=90,
    ),
)


class Prompts:
    """The prompts of a package that no clip of ``known`` holds, by their name or by their sound.

    Raises CorpusError if the package can't be fetched.
    """

    speeds = (1.0, 1.0)

    def __init__(self, package: Package, downloads: Path, known: Iterable[Clip] = ()) -> None:
        self._package = package
        self._archive, unpacked = debian(package.name, downloads)
        self._folder = unpacked / SOUNDS / package.folder
        self._known = [clip for clip in known if clip.group == package.voice.group]
        self.voices = (package.voice,)

    @property
    def origins(self) -> Sequence[Origin]:
        """Return the package with its hash."""
        version = archive_version(self._archive)
        archive = digests([self._archive])
        return [
            Origin(f"Debian {self._package.name}", version, self._package.voice.licence, archive)
        ]

    def scripts(self, voice: Voice) -> Sequence[Script]:
        """Return the prompts that were not made yet."""
        return self._unheard

    def speak(self, voice: Voice, text: str, speed: float) -> tuple[Samples, int]:
        """Read a prompt as it is. Raises CorpusError."""
        return read_prompt(self._folder / text)

    @cached_property
    def _unheard(self) -> tuple[Script, ...]:
        source = self._package.voice.source
        names = {clip.text for clip in self._known if clip.source == source}
        heard = [spectrum(to_telephone(*read_prompt(clip.path))) for clip in self._known]
        unheard = []
        for file in sorted(self._folder.rglob("*")):
            prompt = file.relative_to(self._folder)
            name = "__".join(prompt.with_suffix("").parts)
            if file.suffix not in (".wav", ".gsm") or name in names:
                continue
            clip = to_telephone(*read_prompt(file))
            if len(clip) < MIN_SECONDS * SAMPLE_RATE or is_silent(clip):
                continue
            this = spectrum(clip)
            if not any(similarity(this, other) > SAME for other in heard):
                heard.append(this)
                unheard.append(Script(name, prompt.as_posix()))
        return tuple(unheard)


def read_prompt(file: Path) -> tuple[Samples, int]:
    """Read a WAV or FLAC file, or bare GSM frames, with its sample rate. Raises CorpusError."""
    raw = {"samplerate": SAMPLE_RATE, "channels": 1, "format": "RAW", "subtype": "GSM610"}
    try:
        samples, sample_rate = soundfile.read(
            file, dtype="float32", **(raw if file.suffix == ".gsm" else {})
        )
    except soundfile.LibsndfileError as error:
        raise CorpusError(f"{file}: {error.error_string}") from error
    return samples, sample_rate


def spectrum(clip: Samples) -> NDArray[np.complex128]:
    """Return the transform of the loudness's changes, of unit energy, twice as long as any clip.

    Silence does not change, so trimming it moves the curve and leaves its shape.
    """
    hops = clip[: len(clip) // HOP_SAMPLES * HOP_SAMPLES].reshape(-1, HOP_SAMPLES)
    loudness = np.sqrt(np.mean(np.square(hops, dtype=np.float64), axis=1))
    change = np.diff(np.convolve(loudness, SMOOTH))
    unit = change / max(float(np.linalg.norm(change)), 1e-9)
    return np.asarray(np.fft.rfft(unit, 2048))


def similarity(one: NDArray[np.complex128], other: NDArray[np.complex128]) -> float:
    """Return the correlation of two such curves where they fit best, at most 1."""
    return float(np.fft.irfft(one * other.conj()).max())
