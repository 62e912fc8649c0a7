"""The folder of a line: the model in use, those before it, and a line of a log for each change.

================ ===================================================================
model.onnx       what ``serve`` and ``score`` are given
previous/        models that were replaced, by number
candidate.onnx   what was tuned last, replaced or not
rolled-back.onnx what a roll back put aside; it returns only with other marks
report.txt       what was said of the last renewal, ``report.json`` the same figures
log.jsonl        a line for each renewal and each roll back, also for one that was refused
.lock            held by the command that is at work
================ ===================================================================
"""

import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import astuple
from pathlib import Path
from typing import Any

import numpy as np

from audio_model.errors import OutputError, UsageError, os_error_as, printable
from audio_model.files import lock_alone, write_bytes, write_whole
from audio_model.model import Model
from audio_model.tables.rows import json_text
from audio_model.times import iso

ALIKE = 1e-6
"""Relative difference of two rules' numbers that the order of the marks may make."""


class LineFolder:
    """One line's folder."""

    def __init__(self, path: str) -> None:
        self.path = Path(path)
        self.model = self.path / "model.onnx"
        self.candidate = self.path / "candidate.onnx"
        self.rolled_back = self.path / "rolled-back.onnx"

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep other commands out: one would put the other's candidate in use, unproven.

        The folder is made if there is none. Raises UsageError if another is at work, OutputError.
        """
        lock = self.path / ".lock"
        with os_error_as(OutputError, f"cannot write {printable(lock)}"):
            self.path.mkdir(parents=True, exist_ok=True)
            file = lock.open("a")
        with file:
            if not lock_alone(file):
                raise UsageError(
                    f"{printable(self.path)}: another renewal is at work; wait until it ends"
                )
            yield

    def begin(self, model: Path) -> None:
        """Make the folder with a model in use, unless it has one. Raises OutputError."""
        with os_error_as(OutputError, f"cannot make {printable(self.path)}"):
            (self.path / "previous").mkdir(parents=True, exist_ok=True)
        if not self.model.exists():
            write_bytes(self.model, _read(model))

    def replace(self) -> Path:
        """Put the candidate in use, and return where the former model is kept.

        Raises OutputError.
        """
        numbers = [int(each.stem) for each in self._previous()]
        kept = self.path / "previous" / f"{max(numbers, default=0) + 1:04}.onnx"
        write_bytes(kept, _read(self.model))
        write_bytes(self.model, _read(self.candidate))
        return kept

    def roll_back(self) -> Path:
        """Put the model before the present one in use again; returns where the latter is kept.

        A model that is the present one is none: a renewal that was killed had kept it and not
        replaced it yet. Raises UsageError if there is none, OutputError if it can't be written.
        """
        previous, present = self._previous(), _read(self.model)
        while previous and _read(previous[-1]) == present:
            previous.pop().unlink()
        if not previous:
            raise UsageError(f"{printable(self.path)} holds no model to roll back to")
        write_bytes(self.rolled_back, present)
        write_bytes(self.model, _read(previous[-1]))
        previous[-1].unlink()
        return self.rolled_back

    def was_rolled_back(self) -> bool:
        """Return whether the candidate does what the model does that was rolled back last.

        What the two tell of their marks may differ: a row of no use changes no verdict. Raises
        ModelError.
        """
        if not self.rolled_back.exists():
            return False
        former, new = Model.load(self.rolled_back), Model.load(self.candidate)
        if former.about["weights_hash"] != new.about["weights_hash"]:
            return False
        one, other = (list(_numbers(astuple(each.rule))) for each in (former, new))
        return len(one) == len(other) and np.allclose(one, other, rtol=ALIKE)

    def report(self, text: str, values: dict[str, object]) -> None:
        """Write the report on the last renewal. Raises OutputError."""
        write_whole(self.path / "report.txt", text + "\n")
        write_whole(self.path / "report.json", json_text(values, indent=2))

    def log(self, what: str, **values: object) -> None:
        """Add a line to the log. Raises OutputError."""
        line = json_text({"time": iso(time.time()), "what": what, **values})
        named = os_error_as(OutputError, f"cannot write the log of {printable(self.path)}")
        with named, (self.path / "log.jsonl").open("a+b") as file:
            # A full disk or a lost machine may have cut the last line off.
            if end := file.seek(0, os.SEEK_END):
                file.seek(end - 1)
                line = line if file.read() == b"\n" else "\n" + line
            file.write(line.encode())

    def _previous(self) -> list[Path]:
        found = (self.path / "previous").glob("[0-9]*.onnx")
        return sorted(each for each in found if each.stem.isdigit())


def _numbers(values: Iterable[Any]) -> Iterator[float]:
    for value in values:
        if isinstance(value, tuple):
            yield from _numbers(value)
        else:
            yield value


def _read(path: Path) -> bytes:
    with os_error_as(OutputError, f"cannot read {printable(path)}"):
        return path.read_bytes()
