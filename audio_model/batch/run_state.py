"""A run's folder: what was asked, the plan, the finished shards and their counts.

::

    run.json             what was asked, by what, when, and what came of it
    plan/                see :mod:`audio_model.batch.plan`
    part-000000.parquet  the rows of shard 0; there when it is finished, and only then
    counts.jsonl         the counts of finished shards, so that their rows are not read again
    unfinished/          what is being scored; what a killed run left there is removed
    lock                 held by the process that works here
"""

import json
import platform
import shutil
import socket
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any
from uuid import uuid4

from audio_model.batch.counts import CountsFile, count_rows
from audio_model.batch.plan import Plan, make_plan, part_name
from audio_model.batch.request import RunRequest
from audio_model.batch.shards import Shard
from audio_model.batch.tally import RunTally
from audio_model.errors import OutputError, UsageError, os_error_as, printable
from audio_model.files import PARTIAL, lock_alone, write_whole
from audio_model.tables.results import RUN
from audio_model.tables.rows import Entry
from audio_model.times import iso_now

PLAN, COUNTS, UNFINISHED, LOCK = "plan", "counts.jsonl", "unfinished", "lock"

_PARTIAL_RUN = RUN + PARTIAL
_LIBRARIES = ("audio-model", "numpy", "onnxruntime", "soundfile", "soxr", "av")


class RunState:
    """The state of a run on disk; see `open_run`."""

    def __init__(self, folder: Path, asked: RunRequest, run: dict[str, Any]) -> None:
        self.folder = folder
        self.tally = RunTally()
        """The counts of all finished shards."""
        self._asked, self._run = asked, run
        self._session: dict[str, Any] | None = None
        self._plan: Plan | None = None
        self._done: set[str] = set()
        self._counts = CountsFile(folder / COUNTS)

    @property
    def start(self) -> Path:
        """Return the folder that the run was begun in, where relative paths start."""
        return Path(self._run["folder"])

    @property
    def plan(self) -> Plan:
        """Return the run's plan. Raises ValueError before there is one."""
        if self._plan is None:
            raise ValueError("the run has no plan yet")
        return self._plan

    @property
    def finished(self) -> bool:
        """Return whether every shard has its result."""
        return len(self._done) == len(self.plan.sizes)

    def make_plan(self, entries: Callable[[], Iterable[Entry]]) -> None:
        """Plan the run, unless that was done, and count what is finished. Raises OutputError."""
        folder = self.folder / PLAN
        if folder.is_dir():
            self._plan = Plan.read(folder)
        else:
            self._save()
            self._plan = make_plan(folder, entries(), self._asked.shard_size)
        there = {path.name for path in self.folder.iterdir()}
        counts = self._counts.read()
        for number, size in enumerate(self._plan.sizes):
            name = part_name(number, self._asked.format)
            if name in there:
                self._done.add(name)
                if name not in counts:
                    counts[name] = count_rows(self.folder / name, size)
                    self._counts.append(name, counts[name])
                self.tally.merge(counts[name])

    def begin(self, how: Mapping[str, object]) -> None:
        """Note that this session scores shards from now on, and with what. Raises OutputError."""
        self._session = {
            "started": iso_now(),
            "ended": None,
            "host": socket.gethostname(),
            "system": platform.platform(),
            "versions": {"python": platform.python_version(), **_versions()},
            **how,
        }
        self._run["sessions"].append(self._session)
        self._save()

    def to_do(self) -> Iterator[Shard]:
        """Yield the shards without a result, in order."""
        # A process of a former session may still work, so its files are apart from this session's.
        unfinished = self.folder / UNFINISHED / uuid4().hex
        for number, size in enumerate(self.plan.sizes):
            output = self.folder / part_name(number, self._asked.format)
            if output.name not in self._done:
                yield Shard(size, self.plan.part(number), output, unfinished / str(number))

    def add(self, shard: Shard, tally: RunTally) -> None:
        """Count a shard that was finished. Raises OutputError."""
        self._done.add(shard.output.name)
        self.tally.merge(tally)
        self._counts.append(shard.output.name, tally)

    def end(self) -> None:
        """Remove unfinished work and note the counts. Raises OutputError."""
        shutil.rmtree(self.folder / UNFINISHED, ignore_errors=True)
        if self._session is not None:
            self._session["ended"] = iso_now()
            self._save()
        elif self._plan is not None and self.finished and not self._run.get("finished"):
            # Killed workers had finished the last shards, and nobody had noted it.
            self._save()

    def _save(self) -> None:
        if self._plan is not None:
            self._run["planned"] = {
                "shards": len(self._plan.sizes),
                "recordings": self._plan.recordings,
            }
            self._run["finished_shards"] = len(self._done)
            self._run["counts"] = self.tally.counts
            self._run["finished"] = iso_now() if self.finished else None
        write_whole(self.folder / RUN, json.dumps(self._run, indent=2))


@contextmanager
def open_run(folder: Path, asked: RunRequest, start: Path) -> Iterator[RunState]:
    """Begin a run in a new or empty folder, or resume the one that is there.

    Args:
        folder: the folder of the run.
        asked: the options that the result depends on.
        start: where relative paths start, if the run is begun now.

    Raises:
        UsageError: the folder holds a run with other options, or other files, or another process
            works there.
        OutputError: nothing can be written there.
    """
    with os_error_as(OutputError, f"cannot make the folder {folder}"):
        folder.mkdir(parents=True, exist_ok=True)
    names = {path.name for path in folder.iterdir()}
    if RUN not in names and (others := names - {LOCK, _PARTIAL_RUN}):
        raise UsageError(
            f"{printable(folder)} holds {printable(min(others))} but no {RUN}: give a new "
            "or an empty folder, or the folder of a run to resume"
        )
    with _locked(folder):
        run = _read_run(folder)
        if run is None:
            run = {"asked": asdict(asked), "folder": str(start), "finished": None, "sessions": []}
        else:
            asked.check_same(run["asked"], folder)
        shutil.rmtree(folder / UNFINISHED, ignore_errors=True)
        run_folder = RunState(folder, asked, run)
        try:
            yield run_folder
        except BaseException:
            # What went wrong first is what is to be told.
            with suppress(OutputError):
                run_folder.end()
            raise
        run_folder.end()


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    with ExitStack() as stack:
        with os_error_as(OutputError, f"cannot lock {folder / LOCK}"):
            alone = lock_alone(stack.enter_context((folder / LOCK).open("w")))
        if not alone:
            raise UsageError(f"{printable(folder)}: another process is scoring into it")
        yield


def _read_run(folder: Path) -> dict[str, Any] | None:
    try:
        run = json.loads((folder / RUN).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise OutputError(f"cannot read {folder / RUN}: {error}") from error
    if not isinstance(run, dict) or not {"asked", "folder", "sessions"} <= run.keys():
        raise OutputError(f"{folder / RUN} is not the manifest of a run")
    return run


def _versions() -> dict[str, str]:
    versions = {}
    for library in _LIBRARIES:
        with suppress(metadata.PackageNotFoundError):
            versions[library] = metadata.version(library)
    return versions
