"""The interface of every builder: voices, the scripts that they can speak, and origins."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import import_module, metadata
from pathlib import Path
from types import ModuleType
from typing import Protocol

from audio_model.frontend import Samples
from training.corpora.errors import CorpusError
from training.corpora.script import Script, load


@dataclass(frozen=True)
class Voice:
    """One voice as the manifest knows it; see :mod:`training.data.manifest` for the columns."""

    name: str
    """The engine's own name for it."""
    language: str
    """ISO 639-1."""
    gender: str
    """f, m, or empty where neither is meant."""
    corpus: str
    source: str
    group: str
    kind: str
    licence: str
    may_train: bool = True
    """Whether the licence lets a model be trained that is given away under other terms."""


@dataclass(frozen=True)
class Origin:
    """A package that a corpus was made with, and its files that shape the sound."""

    package: str
    version: str
    licence: str
    sha256: tuple[tuple[str, str], ...] = ()
    """File name and hex digest."""


class SpeechEngine(Protocol):
    """Speaks scripts. A function loads it, and raises CorpusError if it can't."""

    @property
    def voices(self) -> Sequence[Voice]:
        """Return the voices of the engine."""

    @property
    def speeds(self) -> tuple[float, float]:
        """Return the range of the speaking rate. 1 is the voice's own rate."""

    @property
    def origins(self) -> Sequence[Origin]:
        """Return the origin of each part of the engine."""

    def scripts(self, voice: Voice) -> Sequence[Script]:
        """Return the scripts that the voice can speak: by default those in its language."""
        return load(voice.language)

    def speak(self, voice: Voice, text: str, speed: float) -> tuple[Samples, int]:
        """Return samples [shape=(n_samples,)] and their sample rate (Hz)."""


def sha256(file: Path) -> str:
    """Return the SHA-256 of a file."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def digests(files: Iterable[Path]) -> tuple[tuple[str, str], ...]:
    """Return each file's name with its SHA-256."""
    return tuple((file.name, sha256(file)) for file in files)


def version_of(distribution: str) -> str:
    """Return the installed version of a Python package.

    Raises CorpusError if it is not installed.
    """
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        raise CorpusError(
            f"{distribution} is not installed: see training/corpora/requirements.txt"
        ) from None


def module_of(distribution: str, module: str) -> ModuleType:
    """Return a module of a Python package that only some builders need. Raises CorpusError."""
    version_of(distribution)
    return import_module(module)
