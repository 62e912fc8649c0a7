"""Older engines that Debian packages: Flite, Festival and eSpeak NG.

Each is a program that writes a WAV file; none of the voices forbids any use of what it says.
"""

import tempfile
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path

import soundfile

from audio_model.frontend import Samples
from training.corpora.download import debian_version, run
from training.corpora.engine import Origin, SpeechEngine, Voice


class Program(SpeechEngine):
    """An engine that is installed as Debian packages; the first is the program's."""

    packages: tuple[str, ...]
    licence: str
    voices: tuple[Voice, ...]
    speeds = (0.85, 1.25)

    def __init__(self) -> None:
        """Find the program. Raises CorpusError if a package is not installed."""
        self._versions = {package: debian_version(package) for package in self.packages}

    @property
    def origins(self) -> Sequence[Origin]:
        """Return the packages with their versions and licence."""
        return [
            Origin(f"Debian {package}", version, self.licence)
            for package, version in self._versions.items()
        ]

    def speak(self, voice: Voice, text: str, speed: float) -> tuple[Samples, int]:
        """Let the program speak a text."""
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "speech.wav"
            self._write(voice, text, speed, file)
            samples, sample_rate = soundfile.read(file, dtype="float32")
        return samples, sample_rate

    @abstractmethod
    def _write(self, voice: Voice, text: str, speed: float, file: Path) -> None:
        """Speak into a WAV file."""


def _voices(
    engine: str, kind: str, licence: str, voices: Mapping[str, tuple[str, str, str]]
) -> tuple[Voice, ...]:
    """Return an engine's voices, from its name for each to the manifest's, language and gender."""
    return tuple(
        Voice(
            name=name,
            language=language,
            gender=gender,
            corpus=f"made_{engine}",
            source=f"{engine}:{engine}_{known_as}",
            group=f"{engine}:{engine}_{known_as}",
            kind=kind,
            licence=licence,
        )
        for name, (known_as, language, gender) in voices.items()
    )


FLITE_LICENCE = "BSD-like (CMU Flite)"
FLITE_VOICES = {"kal16": "m", "awb": "m", "rms": "m", "slt": "f"}


class Flite(Program):
    """CMU Flite, with the voices that its package has."""

    packages = ("flite",)
    licence = FLITE_LICENCE
    voices = _voices(
        "flite",
        "parametric TTS",
        FLITE_LICENCE,
        {name: (name, "en", gender) for name, gender in FLITE_VOICES.items()},
    )

    def _write(self, voice: Voice, text: str, speed: float, file: Path) -> None:
        stretch = f"duration_stretch={1 / speed:.3f}"
        run(["flite", "-voice", voice.name, "--setf", stretch, "-t", text, "-o", str(file)])


FESTIVAL_LICENCE = "festival/festvox free (see Debian copyright)"
FESTIVAL_VOICES = {
    "kal_diphone": ("kal_diphone", "en", "m"),
    "ked_diphone": ("ked_diphone", "en", "m"),
    "cmu_us_slt_arctic_hts": ("slt_hts", "en", "f"),
    "lp_diphone": ("lp_diphone", "it", "f"),
    "pc_diphone": ("pc_diphone", "it", "m"),
    "msu_ru_nsh_clunits": ("nsh_clunits", "ru", "m"),
    "hindi_NSK_diphone": ("hindi_nsk", "hi", "m"),
    "czech_dita": ("czech_dita", "cs", "f"),
    "czech_krb": ("czech_krb", "cs", "m"),
    "czech_machac": ("czech_machac", "cs", "m"),
    "czech_ph": ("czech_ph", "cs", "m"),
    "suo_fi_lj_diphone": ("suo_fi_lj", "fi", "f"),
    "hy_fi_mv_diphone": ("hy_fi_mv", "fi", "m"),
    "upc_ca_ona_hts": ("upc_ca_ona_hts", "ca", "f"),
}
"""Festival's name to the manifest's name, the language and the gender."""
ENCODINGS = {"cs": "iso-8859-2", "fi": "iso-8859-1", "it": "iso-8859-1", "ca": "iso-8859-1"}
"""Encodings of voices that don't read UTF-8."""


class Festival(Program):
    """Festival, with the voices of Debian's packages."""

    packages = (
        *("festival", "festvox-kallpc16k", "festvox-kdlpc16k", "festvox-us-slt-hts"),
        *("festvox-italp16k", "festvox-itapc16k", "festvox-ru", "festvox-hi-nsk"),
        *("festvox-czech-dita", "festvox-czech-krb", "festvox-czech-machac", "festvox-czech-ph"),
        *("festvox-suopuhe-lj", "festvox-suopuhe-mv", "festvox-ca-ona-hts"),
    )
    licence = FESTIVAL_LICENCE
    voices = _voices("festival", "concatenative and HTS TTS", FESTIVAL_LICENCE, FESTIVAL_VOICES)

    def _write(self, voice: Voice, text: str, speed: float, file: Path) -> None:
        words = text.replace("\\", " ").replace('"', " ")
        program = (
            f"(voice_{voice.name})\n"
            f"(Parameter.set 'Duration_Stretch {1 / speed:.3f})\n"
            f'(set! speech (utt.synth (Utterance Text "{words}")))\n'
            f'(utt.save.wave speech "{file}" \'riff)\n'
        )
        encoding = ENCODINGS.get(voice.language, "utf-8")
        batch = file.with_suffix(".scm")
        batch.write_bytes(program.encode(encoding, errors="replace"))
        run(["festival", "-b", str(batch)])


ESPEAK_LICENCE = "GPL-3 engine (output free)"
ESPEAK_VOICES = {
    "en-us": ("en", "m"),
    "en-gb+f3": ("en", "f"),
    "cmn": ("zh", "m"),
    "cmn+f2": ("zh", "f"),
    "es": ("es", "m"),
    "fr": ("fr", "m"),
    "it": ("it", "m"),
    "pt-br": ("pt", "m"),
    "ru": ("ru", "m"),
    "de": ("de", "m"),
}
ESPEAK_WORDS_PER_MINUTE = 175


class Espeak(Program):
    """eSpeak NG, a formant synthesiser."""

    packages = ("espeak-ng",)
    licence = ESPEAK_LICENCE
    voices = _voices(
        "espeak",
        "formant TTS",
        ESPEAK_LICENCE,
        {name: (name, language, gender) for name, (language, gender) in ESPEAK_VOICES.items()},
    )

    def _write(self, voice: Voice, text: str, speed: float, file: Path) -> None:
        rate = str(round(ESPEAK_WORDS_PER_MINUTE * speed))
        run(["espeak-ng", "-v", voice.name, "-s", rate, "-w", str(file), text])
