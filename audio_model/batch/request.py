"""The request that a run depends on, and the difference between two requests as text."""

import json
from collections.abc import Mapping
from dataclasses import MISSING, Field, asdict, dataclass, field, fields
from pathlib import Path

from audio_model.errors import UsageError, printable
from audio_model.tables.writers import OutputFormat

_LONGEST_SHOWN = 200


@dataclass(frozen=True)
class RunRequest:
    """The options that a run depends on. A run resumes only with the same ones."""

    paths: tuple[str, ...] = field(metadata={"name": "PATH"})
    """Absolute."""
    model: str = field(metadata={"name": "--model"})
    """The SHA-256 of its file."""
    max_false_alarm: float = field(metadata={"name": "--max-false-alarm"})
    channel: str = field(metadata={"name": "--channel"})
    max_seconds: float | None = field(metadata={"name": "--max-seconds"})
    raw: str | None = field(metadata={"name": "--raw-encoding, --raw-rate or --raw-channels"})
    format: OutputFormat = field(metadata={"name": "--format"})
    shard_size: int = field(metadata={"name": "--shard-size"})
    known: str | None = field(default=None, metadata={"name": "--known"})
    """Absolute."""
    learn: bool = field(default=False, metadata={"name": "--learn"})
    columns: Mapping[str, str] | None = field(default=None, metadata={"name": "--columns"})
    wait_seconds: float = field(default=0.0, metadata={"name": "--wait-seconds"})
    """0 in a run that was begun before there was this option."""

    def check_same(self, former: Mapping[str, object], folder: Path) -> None:
        """Raise UsageError that names the options that differ from those of the run."""
        now = json.loads(json.dumps(asdict(self)))
        differences = [
            f"{each.metadata['name']} was {_shown(former.get(each.name, _default(each)))}, "
            f"now {_shown(now[each.name])}"
            for each in fields(self)
            if former.get(each.name, _default(each)) != now[each.name]
        ]
        if differences:
            raise UsageError(
                f"{printable(folder)} holds a run that was begun with other settings: "
                f"{'; '.join(differences)}. Give another folder, or the same as then"
            )


def _default(option: "Field[object]") -> object:
    """Return the value of an option for a run that began before the option existed."""
    return None if option.default is MISSING else option.default


def _shown(value: object) -> str:
    text = "not given" if value is None else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST_SHOWN else text[:_LONGEST_SHOWN] + "..."
