"""A run whose network was fitted without training, for commands that read it."""

import csv
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tests import clips, sounds
from tests.training import readout
from training import config, evaluate
from training.checkpoint import CHECKPOINT
from training.data.corpus import Corpus
from training.evaluation import report

CONFIG = """
[data]
manifests = ["learnt.csv"]

[split]
dev = 0.3
test = 0.0

[unmet]
manifest = "unmet.csv"

[unmet.groups]
lines = ["live0", "live1"]
prompts = ["recorded0", "recorded1"]

[calibration]
budgets = [0.2]
lines = 1

[train]
workers = 1
"""


def write(folder: Path, *, voices: int = 5, seconds: float = 3.2) -> tuple[Path, Path]:
    """Write a run as :func:`unevaluated` does, and evaluate it. Returns the run and its config."""
    run, file_of_config = unevaluated(folder, voices=voices, seconds=seconds)
    with pytest.MonkeyPatch.context() as patch:
        # Plots take half of the time and have tests of their own.
        patch.setattr(report, "draw", lambda *_: None)
        evaluate.evaluate_run(config.load(file_of_config), run, draws=10)
    return run, file_of_config


def unevaluated(folder: Path, *, voices: int = 5, seconds: float = 3.2) -> tuple[Path, Path]:
    """Write four corpora of so many voices that judge, four voices to learn from, and a run.

    Returns the run, whose network has no rule yet, and its config.
    """
    _write_manifest(folder, "learnt", range(900, 904), seconds)
    _write_manifest(folder, "unmet", range(2 * voices), seconds)
    file_of_config = folder / "config.toml"
    file_of_config.write_text(CONFIG, encoding="utf-8")
    settings = config.load(file_of_config)
    run = folder / "run"
    run.mkdir()
    trained = replace(
        readout.checkpoint(), manifest_hash=Corpus.load(settings).manifest.hash, decision=None
    )
    trained.save(run / CHECKPOINT)
    return run, file_of_config


def _write_manifest(folder: Path, name: str, numbers: Sequence[int], seconds: float) -> None:
    rows = []
    for label, played in (("live", False), ("recorded", True)):
        for number in numbers:
            corpus = f"{label}{number % 2}"
            path = f"{name}/{corpus}/{number}.wav"
            clips.write(folder / path, sounds.voice(seconds, 50 + number, played=played))
            source = f"{label}-{number}"
            rows.append({"path": path, "label": label, "source": source, "corpus": corpus})
    with (folder / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ["path", "label", "source", "corpus"])
        writer.writeheader()
        writer.writerows(rows)
