"""Actors' dialogue from adventure games that Debian distributes, unpacked but not installed.

Telephone prompts are spoken by a dozen actors, women nearly all of them. Here are whole casts, men
for the most part, who act as well as read. Nobody noted who speaks which line, but for the
characters of Drascula; so a game in one language is one group.

They test models and train none: what is made of a game must be given away under the game's own
licence.

Layouts: ScummVM's engines ``drascula``, ``sky`` and ``queen``.
"""

import io
import struct
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import cached_property
from itertools import takewhile
from pathlib import Path

import numpy as np
import soundfile

from audio_model.frontend import Samples
from training.corpora.download import archive_version, debian
from training.corpora.engine import Origin, Voice, digests
from training.corpora.errors import CorpusError
from training.corpora.rnc import unpack
from training.corpora.script import Script

SAMPLE_RATE = 11025
MIN_SECONDS = 1.5
LICENCE = "free to copy and change under the same terms, not to sell (Debian main)"
FOLDER = Path("usr/share/scummvm")


class Game(ABC):
    """Lines of a game. Raises CorpusError if the package can't be fetched."""

    package: str
    corpus: str
    language = "en"
    speeds = (1.0, 1.0)

    def __init__(self, downloads: Path) -> None:
        self._archive, unpacked = debian(self.package, downloads)
        self._folder = unpacked / FOLDER

    @property
    def origins(self) -> Sequence[Origin]:
        """Return the package of the game."""
        version = archive_version(self._archive)
        return [Origin(f"Debian {self.package}", version, LICENCE, digests([self._archive]))]

    @cached_property
    def voices(self) -> Sequence[Voice]:
        """Return a voice for each character."""
        return [
            Voice(
                name=character,
                language=self.language,
                gender="",
                corpus=self.corpus,
                source=f"{self.corpus}:{character}",
                group=self.corpus,
                kind="actors, game",
                licence=LICENCE,
                may_train=False,
            )
            for character in self._lines
        ]

    def scripts(self, voice: Voice) -> Sequence[Script]:
        """Return the lines of a character."""
        return self._lines[voice.name]

    @cached_property
    def _lines(self) -> Mapping[str, Sequence[Script]]:
        """Return the lines of each character that are long enough, in the order of their names.

        Raises CorpusError.
        """
        try:
            names = sorted(self.lines())
        except (OSError, struct.error) as error:
            raise CorpusError(
                f"Debian {self.package}: it is not laid out as the game that was looked at: {error}"
            ) from error
        lines: dict[str, list[Script]] = {}
        for name in names:
            script = Script(f"{self.corpus}_{name}", name)
            lines.setdefault(self.character(name), []).append(script)
        return {character: tuple(scripts) for character, scripts in sorted(lines.items())}

    def character(self, name: str) -> str:
        """Return the speaker of a line, where that is known."""
        return "cast"

    @abstractmethod
    def lines(self) -> Sequence[str]:
        """Return the names of the lines of ``MIN_SECONDS`` and more.

        Raises CorpusError, OSError or struct.error for damaged or foreign files.
        """

    @abstractmethod
    def speak(self, voice: Voice, text: str, speed: float) -> tuple[Samples, int]:
        """Return a line as it is. Raises CorpusError."""


class Drascula(Game):
    """Alcachofa Soft, 1996: a file of 8-bit samples a line, in English, Spanish and Italian."""

    def __init__(self, package: str, language: str, downloads: Path) -> None:
        self.package, self.language = package, language
        self.corpus = f"game_drascula_{language}"
        super().__init__(downloads)
        self._folder = self._folder / "drascula" / language

    def lines(self) -> Sequence[str]:
        """Return the names of the files that are long enough."""
        # Links lead to what all languages share: noises, in a package of its own.
        files = [file for file in self._folder.glob("*.ALS") if not file.is_symlink()]
        return [f.stem for f in files if f.stat().st_size >= MIN_SECONDS * SAMPLE_RATE]

    def character(self, name: str) -> str:
        """Return the letters that a line's name begins with; without any, the hero speaks."""
        return "".join(takewhile(str.isalpha, name)) or "hero"

    def speak(self, voice: Voice, text: str, speed: float) -> tuple[Samples, int]:
        """Return a line as it is."""
        return from_bytes((self._folder / f"{text}.ALS").read_bytes()), SAMPLE_RATE


class Sky(Game):
    """Beneath a Steel Sky, Revolution Software, 1994: 8-bit samples in one packed file."""

    package = "beneath-a-steel-sky"
    corpus = "game_sky"
    LINES = range(50_000, 55_300)
    """The numbers of files that hold a line."""
    HEADER = struct.Struct("<11H")
    UNPACKED_SIZE = 6
    """The header's field that says how long the file is with its header."""

    @cached_property
    def _index(self) -> dict[int, bytes]:
        """Return the files that hold a line, by their number in the game's one file."""
        folder = self._folder / self.package
        index, files = (folder / "sky.dnr").read_bytes(), (folder / "sky.dsk").read_bytes()
        found = {}
        for at in range(4, len(index), 8):
            number = int.from_bytes(index[at : at + 2], "little")
            start = int.from_bytes(index[at + 2 : at + 5], "little")
            # The highest bit says that it is counted in 16 bytes.
            start = (start & 0x7FFFFF) << 4 if start & 0x800000 else start
            size = int.from_bytes(index[at + 5 : at + 8], "little") & 0x3FFFFF
            if number in self.LINES:
                found[number] = files[start : start + size]
        return found

    def lines(self) -> Sequence[str]:
        """Return the numbers of the lines that are long enough."""
        shortest = MIN_SECONDS * SAMPLE_RATE + self.HEADER.size
        return [
            str(number)
            for number, file in self._index.items()
            if self.HEADER.unpack_from(file)[self.UNPACKED_SIZE] >= shortest
        ]

    def speak(self, voice: Voice, text: str, speed: float) -> tuple[Samples, int]:
        """Unpack a line."""
        return from_bytes(unpack(self._index[int(text)][self.HEADER.size :])), SAMPLE_RATE


class Queen(Game):
    """Flight of the Amazon Queen, Interactive Binary Illusions, 1995: MP3 files in one file."""

    package = "flight-of-the-amazon-queen"
    corpus = "game_queen"
    MAGIC = b"QTBL"
    COUNT_AT = 13
    ENTRY = struct.Struct(">12sxII")
    """Name, start and size of a file."""

    @cached_property
    def _files(self) -> dict[str, bytes]:
        """Return the spoken files by their names."""
        file = self._folder / self.package / "queen.1c"
        content = file.read_bytes()
        if not content.startswith(self.MAGIC):
            raise CorpusError(f"{file}: it is not the file of the game that was looked at")
        (n_files,) = struct.unpack_from(">H", content, self.COUNT_AT)
        found = {}
        for number in range(n_files):
            at = self.COUNT_AT + 2 + number * self.ENTRY.size
            name, start, size = self.ENTRY.unpack_from(content, at)
            stem, _, suffix = name.rstrip(b"\0").decode().partition(".")
            if suffix == "SB":
                found[stem] = content[start : start + size]
        return found

    def lines(self) -> Sequence[str]:
        """Return the names of the files that are long enough and can be read."""
        names = []
        for name, file in self._files.items():
            try:
                seconds = soundfile.info(io.BytesIO(file)).duration
            except soundfile.LibsndfileError:
                continue  # Some are empty.
            if seconds >= MIN_SECONDS:
                names.append(name)
        return names

    def speak(self, voice: Voice, text: str, speed: float) -> tuple[Samples, int]:
        """Decode a line. Raises CorpusError."""
        try:
            samples, sample_rate = soundfile.read(io.BytesIO(self._files[text]), dtype="float32")
        except soundfile.LibsndfileError as error:
            raise CorpusError(f"{self.package}: {text}: {error.error_string}") from error
        return samples, sample_rate


def from_bytes(pcm: bytes) -> Samples:
    """Convert unsigned 8-bit samples."""
    return np.asarray(np.frombuffer(pcm, np.uint8) / 128 - 1, np.float32)
