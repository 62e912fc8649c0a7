"""One TOML file describes a run, from the manifest to the shipped weights."""

import json
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from audio_model.errors import UsageError
from audio_model.steps import FRAMES_PER_STEP
from training.augment import Line
from training.data.scenes import SceneConfig
from training.evaluation.rule import RuleSettings
from training.network import NetworkConfig
from training.perturb import Perturbation
from training.settings import read


@dataclass(frozen=True)
class DataConfig:
    """The data. Paths are relative to the config file."""

    manifests: tuple[Path, ...]
    """Read as one table; see :mod:`training.data.manifest`."""
    beds: Path | None = None
    """A CSV with columns path and kind (``bed`` or ``rir``); lines have no beds without it."""
    max_seconds: float = 6.5
    leave_out: tuple[str, ...] = ()
    """Corpora or sources of the manifests that are not used at all."""
    music_kind: str = "music"
    """Clips whose ``kind`` begins so are also played under voices of both classes."""


@dataclass(frozen=True)
class SplitConfig:
    """How clips are split into train, dev and test."""

    dev: float = 0.12
    test: float = 0.12
    seed: int = 1
    holdout: dict[str, str] = field(default_factory=dict)
    """Corpus or source to the split that it is forced into."""


@dataclass(frozen=True)
class UnmetConfig:
    """Clips that no network learns from. They choose the decision rule and give the figures.

    Without them the test split does both.
    """

    manifest: Path | None = None
    """Path relative to the config file."""
    groups: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Name of a group in the report to the corpora in it."""


@dataclass(frozen=True)
class TrainConfig:
    """How the network is trained."""

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
    """How far scenes are dealt so that both classes are of one pitch; see data/balance.py."""
    min_voice_steps: int = 5
    """Steps of voice before the logit is asked for: 0.4 s."""
    threads: int = 1
    """Two are hardly faster for so small a network; it depends on them which bits come out."""
    workers: int = 2
    """Processes that draw scenes, and then those in which teachers learn."""
    bfloat16: bool = False
    """Multiply in bfloat16: twice as fast on a processor that has it, slower on one that hasn't."""

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "threads"):
            if getattr(self, name) < 1:
                raise UsageError(f"train.{name} must be at least 1")
        if self.scenes < self.batch_size:
            raise UsageError("train.scenes must be at least train.batch_size")


@dataclass(frozen=True)
class TeachingConfig:
    """Larger networks that learn first, from the same scenes, and teach the network of the run.

    What several networks agree on is a calmer target than a label, and a smaller network can reach
    it (Hinton et al., "Distilling the knowledge in a neural network", 2015).
    """

    teachers: int = 0
    """How many there are. They differ in their seeds, which follow that of the run."""
    network: NetworkConfig = field(default_factory=NetworkConfig)
    weight: float = 0.7
    """Share of a target that is the mean of the teachers' answers; the rest is the label."""

    def __post_init__(self) -> None:
        if self.teachers < 0:
            raise UsageError("teaching.teachers must be at least 0")
        if not 0 <= self.weight <= 1:
            raise UsageError("teaching.weight must be between 0 and 1")


@dataclass(frozen=True)
class SteadyingConfig:
    """Epochs at the end, in which the network learns to answer alike wherever its steps fall.

    Their target is the mean of its own former answers to a scene that begins at several places of
    a step. That mean misses fewer recordings than one answer does (training/EXPERIMENTS.md, 107).
    """

    epochs: int = 0
    learning_rate: float = 6e-4
    beginnings: int = 4
    """Beginnings of a scene, spread evenly over a step."""
    weight: float = 0.95
    """Share of a target that is the mean of the answers; the rest is the label."""

    def __post_init__(self) -> None:
        if self.epochs < 0:
            raise UsageError("steadying.epochs must be at least 0")
        if self.beginnings < 1 or FRAMES_PER_STEP % self.beginnings:
            raise UsageError(f"steadying.beginnings must divide {FRAMES_PER_STEP}")
        if not 0 <= self.weight <= 1:
            raise UsageError("steadying.weight must be between 0 and 1")


@dataclass(frozen=True)
class TextureConfig:
    """Epochs at the very end, in which the network's texture learns, from the labels alone.

    The rest of the network stays as it is. It is skipped where ``network.texture_channels`` is 0.
    """

    epochs: int = 6
    learning_rate: float = 2e-3
    weight_decay: float = 0.1

    def __post_init__(self) -> None:
        if self.epochs < 1:
            raise UsageError("texture.epochs must be at least 1")


@dataclass(frozen=True)
class CalibrationConfig(RuleSettings):
    """The parts of the rule that are fitted on answers to unlearnt clips."""

    lines: int = 3
    """Simulated lines that each clip is sent through."""


@dataclass(frozen=True)
class Config:
    """All settings of a training."""

    data: DataConfig
    split: SplitConfig = field(default_factory=SplitConfig)
    unmet: UnmetConfig = field(default_factory=UnmetConfig)
    line: Line = field(default_factory=Line)
    scene: SceneConfig = field(default_factory=SceneConfig)
    network: NetworkConfig = field(default_factory=NetworkConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    teaching: TeachingConfig = field(default_factory=TeachingConfig)
    steadying: SteadyingConfig = field(default_factory=SteadyingConfig)
    texture: TextureConfig = field(default_factory=TextureConfig)
    perturbation: Perturbation = field(default_factory=Perturbation)
    calibration: CalibrationConfig = field(default_factory=CalibrationConfig)


def load(path: Path) -> Config:
    """Read the config of a run. Raises UsageError that names the file and the setting."""
    config = read(Config, path)
    data, unmet = config.data, config.unmet
    folder = path.parent
    data = replace(
        data,
        manifests=tuple((folder / manifest).resolve() for manifest in data.manifests),
        beds=data.beds and (folder / data.beds).resolve(),
    )
    unmet = replace(unmet, manifest=unmet.manifest and (folder / unmet.manifest).resolve())
    return replace(config, data=data, unmet=unmet)


def plain(config: Config) -> dict[str, Any]:
    """Return the settings as plain data, without the paths of this machine."""
    names = tuple(Path(manifest.name) for manifest in config.data.manifests)
    data = replace(config.data, manifests=names, beds=None)
    unmet = replace(config.unmet, manifest=None)
    text = json.dumps(asdict(replace(config, data=data, unmet=unmet)), default=str)
    values: dict[str, Any] = json.loads(text)
    return values
