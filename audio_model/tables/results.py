"""Read results: a file of any format, or a run folder with its shards."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

from audio_model.decision import VerdictKind
from audio_model.errors import ResultsError, printable
from audio_model.formats import suffix_of
from audio_model.tables import cells
from audio_model.tables.columns import Wanted
from audio_model.tables.readers import TABLE_SUFFIXES, DamagedRow, parse_table
from audio_model.tables.rows import EVIDENCE_KEYS, KNOWN_COLUMNS, RESULT_COLUMNS

RUN = "run.json"
"""The file of a run folder that tells of its run."""
REQUIRED_COLUMNS = ("path", "verdict", "score")
_PART = re.compile(r"part-\d+\.(?:csv|jsonl|parquet)")
_NOT_CARRIED = {*RESULT_COLUMNS, *EVIDENCE_KEYS, *KNOWN_COLUMNS} - {"known_name"}
"""Which known recordings calls repeat is told as a manifest's column is."""


class Outcome(StrEnum):
    """The outcome of a row of results: its verdict, or an error, which differs from an unknown."""

    RECORDED = "recorded"
    UNKNOWN = "unknown"
    LIVE = "live"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class RowVerdict:
    """The verdict on a recording, or on one channel of it, as a row of results has it."""

    path: str
    """The path in the row, where undecodable bytes are escaped."""
    outcome: Outcome
    channel: str = ""
    score: float | None = None
    seconds: float | None = None
    """Audio that was heard."""
    speech_seconds: float | None = None
    decided_at: float | None = None
    """Seconds from the start of the call."""
    reason: str = ""
    error: str = ""


@dataclass(frozen=True, slots=True)
class Result(RowVerdict):
    """One row of results."""

    noise_db: float | None = None
    """dBFS."""
    snr_db: float | None = None
    codec: str = ""
    carried: Mapping[str, object] = field(default_factory=dict)
    curve: object = None
    """The score over time of JSON lines, unchecked; None in other formats."""
    strongest: object = None
    """So with the stretch that spoke most for the verdict."""


@dataclass(frozen=True)
class Results:
    """Rows of results on disk, and the facts about their run."""

    path: Path
    parts: tuple[Path, ...]
    run: Mapping[str, Any]
    """The facts that a run folder has about its run; empty for a single file."""
    columns: Mapping[str, str] | None = None
    """Names of columns in the files, by ours."""

    @property
    def planned(self) -> int:
        """Return how many files the finished run will have."""
        return int((self.run.get("planned") or {}).get("shards", len(self.parts)))

    @property
    def rate(self) -> float | None:
        """Return the recordings scored a second over all sessions; None if the run doesn't say."""
        try:
            seconds = sum(
                (
                    datetime.fromisoformat(each["ended"]) - datetime.fromisoformat(each["started"])
                ).total_seconds()
                for each in self.run["sessions"]
            )
            return float(self.run["counts"]["recordings"] / seconds)
        except (KeyError, TypeError, ValueError, ZeroDivisionError):
            return None

    @property
    def start(self) -> Path:
        """Return the folder at which relative paths of recordings start."""
        return Path(self.run.get("folder", ""))

    @classmethod
    def open(cls, path: str, columns: Mapping[str, str] | None = None) -> Self:
        """Find the files of results. Raises ResultsError if there are none.

        Args:
            path: a run folder or a file.
            columns: names of columns in the files, by ours.
        """
        found = Path(path)
        if found.is_dir():
            parts = sorted(part for part in found.iterdir() if _PART.fullmatch(part.name))
            if not parts:
                raise ResultsError(f"{printable(path)}: the folder holds no results (part-*)")
            return cls(found, tuple(parts), _read_run(found / RUN), columns)
        if not found.exists():
            raise ResultsError(f"{printable(path)}: no such file or folder")
        if suffix_of(path) not in TABLE_SUFFIXES:
            endings = ", ".join(TABLE_SUFFIXES)
            raise ResultsError(
                f"{printable(path)}: results are a run folder or a file that ends in {endings}"
            )
        return cls(found, (found,), {}, columns)

    def __iter__(self) -> Iterator[Result]:
        """Yield the rows as they are asked for. A damaged row becomes an error of its file.

        Raises ResultsError for a file that cannot be read as a whole.
        """
        for part in self.parts:
            wanted = Wanted(REQUIRED_COLUMNS, theirs=self.columns)
            for row in parse_table(str(part), wanted, lambda values, _: parse_result(values)):
                yield row if isinstance(row, Result) else _damaged(row)


def _read_run(path: Path) -> Mapping[str, Any]:
    try:
        run = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ResultsError(f"{printable(path)}: cannot be read: {error}") from error
    if not isinstance(run, dict):
        raise ResultsError(f"{printable(path)}: not a JSON object")
    return run


def _damaged(row: DamagedRow) -> Result:
    said = f"a row of the results is damaged, {row.where}: {row.problem}"
    return Result(row.file, Outcome.ERROR, error=said)


def parse_result(values: Mapping[str, object]) -> Result:
    """Return a row's values, text or numbers, as a result. Raises ValueError if they are none."""
    path, verdict = values.get("path"), values.get("verdict")
    if not isinstance(path, str) or not path:
        raise ValueError(f"path is {json.dumps(path, default=str)}")
    if verdict not in list(VerdictKind):
        raise ValueError(f"verdict is {json.dumps(verdict, default=str)}")
    error, reason = cells.text(values, "error"), cells.text(values, "reason")
    score = cells.number(values, "score")
    if score is not None and not 0 <= score <= 1:
        raise ValueError(f"score is {score:g}")
    return Result(
        path=path,
        outcome=Outcome.ERROR if error or reason == "error" else Outcome(str(verdict)),
        channel=cells.text(values, "channel"),
        score=score,
        seconds=cells.number(values, "seconds"),
        speech_seconds=cells.number(values, "speech_seconds"),
        decided_at=cells.number(values, "decided_at"),
        noise_db=cells.number(values, "noise_db"),
        snr_db=cells.number(values, "snr_db"),
        codec=cells.text(values, "codec"),
        reason=reason,
        error=error,
        carried={name: value for name, value in values.items() if name not in _NOT_CARRIED},
        curve=values.get("curve"),
        strongest=values.get("strongest"),
    )
