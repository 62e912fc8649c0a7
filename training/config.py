"""One TOML file describes a run, from the manifest to the shipped weights."""

import re
import tomllib
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import dacite

from audio_model.errors import UsageError
from training.augment import Line
from training.dataset import SceneConfig
from training.network import NetworkConfig
from training.perturb import Perturbation

T = TypeVar("T")
EVERY_FOLD = "all"
"""Name of all folds together, and of the network that learns from all."""


@dataclass(frozen=True)
class DataConfig:
    """Paths are relative to the config file."""

    manifests: tuple[Path, ...]
    """Read as one table; see :mod:`training.manifest`."""
    beds: Path | None = None
    """A CSV with columns path and kind (``bed`` or ``rir``); lines have no beds without it."""
    max_seconds: float = 6.5
    music_kind: str = "music"
    """Clips whose ``kind`` begins so are also played under voices of both classes."""


@dataclass(frozen=True)
class SplitConfig:
    dev: float = 0.12
    test: float = 0.12
    seed: int = 1
    holdout: dict[str, str] = field(default_factory=dict)
    """Corpus or source to the split that it is forced into."""
    folds: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Name of a fold to the corpora, or single sources, that it holds out.

    A network is trained for each fold without its corpora, and its answers to them choose the
    thresholds and give the figures of the model that is shipped, which learns from every fold.
    Without folds the dev split chooses and the test split gives the figures.
    """

    def __post_init__(self) -> None:
        if len(self.folds) == 1:
            raise UsageError(
                "split.folds: at least two are wanted, for each is judged by the others"
            )
        for name in self.folds:
            if not re.fullmatch(r"[\w-]+", name) or name == EVERY_FOLD:
                raise UsageError(
                    f"split.folds: {name!r} is no name for a fold: letters, digits, _ and - "
                    f"are wanted, and not {EVERY_FOLD!r}, which stands for all of them"
                )


@dataclass(frozen=True)
class TrainConfig:
    seed: int = 1
    scenes: int = 32_000
    """Scenes in the pool; an epoch is a pass over it."""
    epochs: int = 16
    batch_size: int = 64
    learning_rate: float = 2e-3
    weight_decay: float = 0.02
    warmup: float = 0.05
    """Share of the steps in which the learning rate rises; after it, a cosine to zero."""
    average: float = 0.998
    """Decay a step of the averaged weights, which are what is kept."""
    label_smoothing: float = 0.05
    heard_weight: float = 0.3
    """Weight of the loss of what each step holds, beside the loss of the logit."""
    pitch_balance: float = 0.5
    """How far scenes are dealt so that both classes are of one pitch; see training/balance.py."""
    min_voice_steps: int = 5
    """Steps of voice before the logit is asked for: 0.4 s."""
    threads: int = 1
    """Two are hardly faster for so small a network; it depends on them which bits come out."""
    workers: int = 2
    """Processes that draw scenes, and that train networks side by side."""
    bfloat16: bool = False
    """Multiply in bfloat16: twice as fast on a processor that has it, slower on one that hasn't."""

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "threads"):
            if getattr(self, name) < 1:
                raise UsageError(f"train.{name} must be at least 1")
        if self.scenes < self.batch_size:
            raise UsageError("train.scenes must be at least train.batch_size")


@dataclass(frozen=True)
class CalibrationConfig:
    """What is fitted on answers to clips that were not learnt from."""

    voice_seconds: tuple[float, ...] = (0.4, 1.0, 2.0, 4.0)
    budgets: tuple[float, ...] = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1)
    """False-alarm rates for which operating points are stored."""
    cautions: tuple[float, ...] = (0.0, 0.5, 1.0, 2.0, 3.0)
    """To choose from, see :class:`audio_model.decision.DecisionRule`."""
    max_miss: float = 0.05
    """Share of recordings of which ``live`` may be said."""
    lines: int = 3
    """Simulated lines that each clip is sent through."""


@dataclass(frozen=True)
class Config:
    data: DataConfig
    split: SplitConfig = field(default_factory=SplitConfig)
    line: Line = field(default_factory=Line)
    scene: SceneConfig = field(default_factory=SceneConfig)
    network: NetworkConfig = field(default_factory=NetworkConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    perturbation: Perturbation = field(default_factory=Perturbation)
    calibration: CalibrationConfig = field(default_factory=CalibrationConfig)


def load(path: Path) -> Config:
    """Read a config. Raises UsageError that names the file and the setting."""
    try:
        config = from_dict(Config, tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: not TOML: {error}") from error
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from error
    data = config.data
    folder = path.parent
    data = replace(
        data,
        manifests=tuple((folder / manifest).resolve() for manifest in data.manifests),
        beds=data.beds and (folder / data.beds).resolve(),
    )
    return replace(config, data=data)


def from_dict(kind: type[T], values: dict[str, Any]) -> T:
    """Rebuild a config dataclass from plain data. Raises UsageError that names the setting."""
    rules = dacite.Config(strict=True, cast=[tuple, Path], type_hooks={float: _as_float})
    try:
        return dacite.from_dict(kind, values, rules)
    except dacite.DaciteError as error:
        raise UsageError(str(error)) from error


def _as_float(value: object) -> object:
    """TOML writes 1 where a float is meant; anything else is left for dacite to refuse."""
    return float(value) if type(value) is int else value
