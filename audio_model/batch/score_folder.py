"""Score into a run folder: plan, hand out shards, count, and resume a former run."""

import hashlib
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from tqdm import tqdm

from audio_model.batch.malloc import keep_freed_memory
from audio_model.batch.request import RunRequest
from audio_model.batch.run_state import open_run
from audio_model.batch.shards import Job, Workers
from audio_model.batch.stopping import StopSignals
from audio_model.batch.tally import RunTally
from audio_model.detector import Detector, ScoreOptions
from audio_model.errors import ModelError, os_error_as, printable
from audio_model.known.recent import Retention
from audio_model.model import DEFAULT_PATH
from audio_model.scoring import load_detector
from audio_model.sources.inputs import STANDARD_INPUT, expand
from audio_model.sources.open import from_folder, is_remote
from audio_model.tables.rows import Columns
from audio_model.tables.writers import OutputFormat

PROGRESS_AFTER_SECONDS = 2


@dataclass(frozen=True)
class FolderRun:
    """The options of a run into a folder."""

    folder: Path
    paths: tuple[str, ...]
    """The paths of the recordings; see :func:`audio_model.sources.inputs.expand`."""
    options: ScoreOptions
    max_false_alarm: float
    model: str | None
    """A model file; None: the one that is shipped."""
    format: OutputFormat
    shard_size: int
    known: str | None = None
    """A store of known recordings."""
    learn: bool = False
    columns: Mapping[str, str] | None = None
    """Names of columns in manifests, by ours."""
    keep: Retention | None = None
    """For how long calls are kept to learn from."""

    def request(self) -> RunRequest:
        """Return what the result depends on. Raises ModelError if the model cannot be read."""
        here = Path.cwd()
        raw = self.options.raw_format
        return RunRequest(
            paths=tuple(p if p == STANDARD_INPUT else from_folder(here, p) for p in self.paths),
            model=_model_hash(self.model),
            max_false_alarm=self.max_false_alarm,
            channel="each" if self.options.channel is None else self.options.channel,
            max_seconds=self.options.max_seconds,
            wait_seconds=self.options.wait_seconds,
            raw=None if raw is None else f"{raw.encoding} {raw.sample_rate} {raw.channels}",
            format=self.format,
            shard_size=self.shard_size,
            known=self.known,
            learn=self.learn,
            columns=self.columns,
        )

    def start(self) -> Path:
        """Return the folder from which relative paths start; the root if no path is relative."""
        absolute = all(is_remote(path) or Path(path).is_absolute() for path in self.paths)
        return Path("/") if absolute else Path.cwd()


@dataclass(frozen=True)
class FolderResult:
    """The result of a run into a folder so far."""

    now: RunTally
    """Counts of this session."""
    all: RunTally
    """Everything in the folder."""
    planned: int
    """Recordings that are to be there in the end."""
    left_out: Counter[str] = field(default_factory=Counter)
    """Files that are taken for no recordings, by their endings, where the plan was made by now."""


def score_folder(
    given: FolderRun,
    engine_of: Callable[[Job], Workers],
    how: dict[str, object],
    stop: StopSignals,
) -> FolderResult:
    """Score what is not yet scored, up to a signal.

    Args:
        given: what to score and where to.
        engine_of: makes the engine for a job.
        how: what the run manifest is to say of this session beside its time and place.
        stop: entered. The first signal lets the shards at hand be finished.

    Raises:
        AudioModelError: see `open_run` and `Workers.score`.
        Stopped: a signal came before there was a shard at hand, or a second one.
    """
    load = partial(_load_same, given, _model_hash(given.model))
    with stop.raising():
        load().close()
    left_out: Counter[str] = Counter()
    with open_run(given.folder, given.request(), given.start()) as run:
        with stop.raising():
            run.make_plan(lambda: expand(given.paths, left_out, given.columns))
        if run.finished:
            return FolderResult(RunTally(), run.tally, run.plan.recordings, left_out)
        run.begin(how)
        columns = Columns(
            each_channel=given.options.channel is None,
            known=given.known is not None,
            carried=run.plan.carried,
        )
        job = Job(load, given.options, columns, run.start)
        progress = tqdm(
            total=run.plan.recordings,
            initial=run.tally.recordings,
            unit=" recordings",
            delay=PROGRESS_AFTER_SECONDS,
            disable=not sys.stderr.isatty(),
        )
        with ExitStack() as stack:
            with stop.raising():
                engine = stack.enter_context(engine_of(job))
            now = RunTally()
            stack.enter_context(progress)
            for shard, tally in engine.score(stop.until_stopped(run.to_do())):
                run.add(shard, tally)
                now.merge(tally)
                progress.update(tally.recordings)
        return FolderResult(now, run.tally, run.plan.recordings, left_out)


def _model_hash(model: str | None) -> str:
    path = DEFAULT_PATH if model is None else Path(model)
    named = os_error_as(ModelError, f"{printable(path)}: the model can't be read")
    with named, path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _load_same(given: FolderRun, sha256: str) -> Detector:
    """Load a detector from the model file of that hash, in any process on any machine."""
    if _model_hash(given.model) != sha256:
        where = "the shipped model" if given.model is None else printable(given.model)
        raise ModelError(f"{where} differs from the model that the run was begun with")
    keep_freed_memory()
    return load_detector(
        given.model, given.max_false_alarm, given.known, learn=given.learn, keep=given.keep
    )
