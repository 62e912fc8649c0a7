"""Runs into a folder in processes of their own, and what is there afterwards."""

import csv
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).parents[2]
PROGRAM = Path(__file__).with_name("program.py")


def make(folder: Path, count: int) -> list[str]:
    """So many empty recordings; their paths, seen from the folder above."""
    folder.mkdir(exist_ok=True)
    names = [f"{folder.name}/{number:05}.wav" for number in range(count)]
    for name in names:
        (folder.parent / name).touch()
    return names


def start(
    folder: Path,
    *options: str,
    path: str = "calls",
    output: str = "out/",
    seconds: float = 0.0,
    limit: Callable[[], None] | None = None,
) -> subprocess.Popen[str]:
    """Begin to score into a folder as CSV, in a process group of its own."""
    given = ["score", path, "--output", output, "--format", "csv", *options]
    return subprocess.Popen(
        [sys.executable, PROGRAM, *given],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT), "FAKE_SECONDS": str(seconds)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=limit,
    )


def finish(process: subprocess.Popen[str]) -> tuple[int, str]:
    """The exit status and what was said on standard error."""
    out, error = process.communicate(timeout=300)
    assert "audio-model" not in out and "Traceback" not in out + error
    return process.returncode, error


def score(folder: Path, *options: str) -> tuple[int, str]:
    return finish(start(folder, *options))


def until(condition: Callable[[], object]) -> None:
    """Wait until a condition holds, on a machine however busy, and not for ever."""
    deadline = time.monotonic() + 600
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.002)


def parts(folder: Path) -> list[Path]:
    return sorted((folder / "out").glob("part-*.csv"))


def rows(folder: Path) -> list[dict[str, str]]:
    """The rows of all finished shards, in order."""
    found = []
    for part in parts(folder):
        with part.open(newline="") as file:
            found += list(csv.DictReader(file))
    return found


def scored(folder: Path) -> list[str]:
    return [row["path"] for row in rows(folder)]


def manifest(folder: Path) -> dict[str, Any]:
    run: dict[str, Any] = json.loads((folder / "out" / "run.json").read_text())
    return run


def workers(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """The processes that score for a run."""
    found = []
    for child in psutil.Process(process.pid).children():
        try:
            if any("spawn_main" in part for part in child.cmdline()):
                found.append(child)
        except psutil.NoSuchProcess:
            continue
    return found
