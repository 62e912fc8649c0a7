"""A run of two folds whose networks were fitted without training, for commands that read it."""

import csv
from dataclasses import replace
from pathlib import Path

from tests import clips, readout, sounds
from training import config
from training.checkpoint import CHECKPOINT, network_folder
from training.data.corpus import Corpus
from training.evaluation import answers

CONFIG = """
[data]
manifests = ["manifest.csv"]

[split]
dev = 0.2
[split.folds]
one = ["live0", "recorded0"]
two = ["live1", "recorded1"]

[calibration]
budgets = [0.2]
lines = 1

[train]
workers = 1
"""


def write(folder: Path, *, voices: int = 5, seconds: float = 3.2) -> tuple[Path, Path]:
    """Four corpora of so many voices, and the answers to them; the run and its config."""
    rows = []
    for label, played in (("live", False), ("recorded", True)):
        for number in range(2 * voices):
            corpus = f"{label}{number % 2}"
            name = f"{corpus}/{number}.wav"
            clips.write(folder / name, sounds.voice(seconds, 50 + number, played=played))
            rows.append({"path": name, "label": label, "source": f"{label}-{number}"})
    with (folder / "manifest.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ["path", "label", "source"])
        writer.writeheader()
        writer.writerows(rows)
    file_of_config = folder / "config.toml"
    file_of_config.write_text(CONFIG, encoding="utf-8")
    settings = config.load(file_of_config)
    trained = replace(
        readout.checkpoint(), manifest_hash=Corpus.load(settings).manifest.hash, decision=None
    )
    run = folder / "run"
    for fold in (None, *settings.split.folds):
        network_folder(run, fold).mkdir(parents=True, exist_ok=True)
        trained.save(network_folder(run, fold) / CHECKPOINT)
    answers.answer_run(settings, run)
    return run, file_of_config
