"""A run whose network was fitted without training, for commands that read a finished run."""

from dataclasses import replace
from pathlib import Path

from tests import clips, readout
from training import config, evaluate
from training.checkpoint import CHECKPOINT
from training.data.corpus import Corpus

CONFIG = """
[data]
manifests = ["manifest.csv"]

[split]
dev = 0.2
test = 0.0

[unmet]
manifest = "unmet.csv"
[unmet.groups]
even = ["live0", "recorded0"]
odd = ["live1", "recorded1"]

[calibration]
budgets = [0.2]
lines = 1

[train]
workers = 1
"""


def write(folder: Path, *, voices: int = 10, seconds: float = 3.2) -> tuple[Path, Path]:
    """Write so many voices of each class to learn from, and so many to be judged by.

    Those of the manifest are of a corpus each, those of ``unmet`` of two corpora a class. The run
    is evaluated. Returns its folder and its config.
    """
    clips.write_corpus(folder, voices=voices, corpora=voices, seconds=seconds)
    unmet = {"corpora": 2, "first": 50, "n_tones": 0, "name": "unmet.csv"}
    clips.write_corpus(folder, voices=voices, seconds=seconds, **unmet)
    file_of_config = folder / "config.toml"
    file_of_config.write_text(CONFIG, encoding="utf-8")
    settings = config.load(file_of_config)
    run = folder / "run"
    run.mkdir()
    manifest = Corpus.load(settings).manifest
    replace(readout.checkpoint(), manifest_hash=manifest.hash).save(run / CHECKPOINT)
    evaluate.evaluate_run(settings, run, draws=5)
    return run, file_of_config
