"""The files in which a run's figures lie."""

import json
from collections.abc import Mapping
from pathlib import Path

from audio_model.files import write_whole


def write_figures(path: Path, figures: Mapping[str, object]) -> None:
    """Write figures as JSON, complete or not at all. Raises OutputError."""
    write_whole(path, json.dumps(figures, indent=1) + "\n")
