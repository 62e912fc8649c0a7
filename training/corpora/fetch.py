"""Files from their public origin: of a git repository by commit, or of an address by SHA-256.

What comes is what was looked at: git checks every object of a commit against its name, and a file
from an address is kept only if its SHA-256 agrees. A second run fetches nothing that is there.
"""

import os
import shutil
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path

from training.corpora.download import run
from training.corpora.engine import sha256
from training.corpora.errors import CorpusError

TIMEOUT_SECONDS = 60.0
COMPLETE = ".complete"
"""In a checkout that has all that was asked for: the commit and the patterns."""

_OFFLINE = (
    "could not resolve host",
    "could not connect",
    "couldn't connect",
    "failed to connect",
    "network is unreachable",
    "connection refused",
    "connection timed out",
)
"""How git says that no network is there, or no server."""


def repository(
    address: str, commit: str, files: Sequence[str], folder: Path, without: Sequence[str] = ()
) -> list[Path]:
    """Return files of one commit of a git repository, sorted; only they are fetched.

    Args:
        address: of the repository, anything that git takes.
        commit: all 40 digits.
        files: patterns below the root, with ``*`` within a folder and ``**`` across folders.
        folder: where the files are kept, for this repository alone.
        without: patterns of files that are left out.

    Raises CorpusError if they can't be had, or if a pattern has no file.
    """
    asked = "\n".join([commit, *files, "", *without])
    mark = folder / COMPLETE
    if not mark.is_file() or mark.read_text(encoding="utf-8") != asked:
        patterns = [f":(glob){pattern}" for pattern in files]
        patterns += [f":(exclude,glob){pattern}" for pattern in without]
        try:
            _check_out(address, commit, patterns, folder)
        except CorpusError as error:
            raise CorpusError(_why(f"{address} at {commit}", str(error), folder)) from error
        mark.write_text(asked, encoding="utf-8")
    listed = _git(folder, "ls-files", "-z").split("\0")
    return sorted(folder / path for path in listed if path)


def _check_out(address: str, commit: str, patterns: Sequence[str], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / ".git").exists():
        _git(folder, "init", "--quiet")
        _git(folder, "remote", "add", "origin", address)
    # Without blobs first: of a large repository only the files that are asked for are fetched.
    _git(folder, "fetch", "--quiet", "--depth=1", "--filter=blob:none", "origin", commit)
    # The index holds what was checked out, and nothing of what was asked for before.
    _git(folder, "read-tree", "--empty")
    _git(folder, "checkout", "--quiet", commit, "--", *patterns)


def _git(folder: Path, *arguments: str) -> str:
    return run(["git", "-C", os.fspath(folder), *arguments])


def file(address: str, digest: str, path: Path) -> Path:
    """Return a file that was fetched from an address, if its SHA-256 is the one that is named.

    Raises CorpusError if it can't be had, or is another file.
    """
    if path.is_file() and sha256(path) == digest:
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.part")
    try:
        with (
            urllib.request.urlopen(address, timeout=TIMEOUT_SECONDS) as answer,
            partial.open("wb") as output,
        ):
            shutil.copyfileobj(answer, output)
    except urllib.error.HTTPError as error:
        raise CorpusError(f"{address}: {error.code} {error.reason}") from error
    except (urllib.error.URLError, OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise CorpusError(
            f"{address}: cannot be reached ({reason}). It needs a network; or put the file at "
            f"{path} by hand"
        ) from error
    found = sha256(partial)
    if found != digest:
        partial.unlink()
        raise CorpusError(f"{address}: SHA-256 {found}, not {digest}: it is another file by now")
    partial.replace(path)
    return path


def _why(what: str, said: str, folder: Path) -> str:
    """Return a message that tells a missing network from a missing commit or file."""
    if any(words in said.lower() for words in _OFFLINE):
        return (
            f"{what}: cannot be reached ({said}). It needs a network; or clone it by hand into "
            f"{folder}"
        )
    return f"{what}: {said}"
