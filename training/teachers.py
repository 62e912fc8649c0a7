"""The networks that learn before the network of a run, and teach it: processes side by side."""

import sys
from dataclasses import replace
from multiprocessing.process import BaseProcess
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from audio_model.errors import UsageError
from audio_model.processes import be_a_worker, spawn
from training import checkpoint
from training.checkpoint import CHECKPOINT
from training.data.pool import open_pool
from training.epochs import Learning
from training.network import Network

TEACHERS = "teachers"
"""Folder of a run that holds a folder for each of them."""


def teach(student: Learning, scenes: Path, weight: NDArray[np.float64]) -> None:
    """Train the teachers of a run from its scenes, or go on training them.

    ``weight`` is that of the pool's scenes. Raises UsageError if a teacher can't learn, or has
    learnt by another config.
    """
    teachers = _teachers(student)
    for teacher in teachers:
        # Also of one that has learnt all: another config must not take it over.
        teacher.state()
    waiting = [t for t in teachers if not (t.folder / CHECKPOINT).exists()]
    at_once = max(1, student.settings.train.workers)
    while waiting:
        some, waiting = waiting[:at_once], waiting[at_once:]
        for teacher in some:
            teacher.folder.mkdir(parents=True, exist_ok=True)
        print("learning: " + ", ".join(str(t.folder) for t in some), file=sys.stderr)
        if len(some) == 1:
            _learn(some[0], scenes, weight)
            continue
        running = [spawn(_learn_aside, teacher, scenes, weight) for teacher in some]
        _wait(running, some)


def teachers_of(student: Learning) -> list[Network]:
    """Return the trained teachers of a run; none where the config asks for none."""
    return [checkpoint.load(t.folder / CHECKPOINT).build() for t in _teachers(student)]


def _teachers(student: Learning) -> list[Learning]:
    settings, folder = student.settings, student.folder / TEACHERS
    return [
        replace(
            student,
            settings=replace(
                settings,
                network=settings.teaching.network,
                train=replace(settings.train, seed=settings.train.seed + number),
                teaching=replace(settings.teaching, teachers=0),
            ),
            folder=folder / str(number),
        )
        for number in range(1, settings.teaching.teachers + 1)
    ]


def _learn(teacher: Learning, scenes: Path, weight: NDArray[np.float64]) -> None:
    teacher.run(replace(open_pool(scenes), weight=weight), lambda _: {})


def _learn_aside(teacher: Learning, scenes: Path, weight: NDArray[np.float64]) -> None:
    be_a_worker()
    _learn(teacher, scenes, weight)


def _wait(running: list[BaseProcess], teachers: list[Learning]) -> None:
    """Wait for all of them. One that fails has said why; the others end their work."""
    for process in running:
        process.join()
    for process, teacher in zip(running, teachers, strict=True):
        if process.exitcode:
            why = "see above"
            if (killed := -process.exitcode) > 0:
                why = f"its process was killed (signal {killed}); is there memory for it?"
            raise UsageError(f"{teacher.folder}: the teacher could not learn; {why}")
