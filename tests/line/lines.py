"""Calls of a line as files and as answers, for tests of labels and tuning."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests import clips, sounds


def write_calls(folder: Path, n: int, seconds: float = 1.6) -> list[dict[str, str]]:
    """Write ``n`` calls, live and played in turn, each of a source of its own; a row for each."""
    rows = []
    for number in range(n):
        played = bool(number % 2)
        path = folder / f"{number:03}.wav"
        clips.write(path, sounds.voice(seconds, number, played=played))
        label = "recorded" if played else "live"
        rows.append({"path": str(path), "label": label, "source": f"{label} {number}"})
    return rows


def write_table(path: Path, rows: Sequence[Mapping[str, object]]) -> str:
    """Write rows as CSV; returns the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(dict.fromkeys(name for row in rows for name in row)))
        writer.writeheader()
        writer.writerows(rows)
    return str(path)
