"""One TOML file describes what is adapted to what."""

from dataclasses import dataclass, field, replace
from pathlib import Path

from audio_model.errors import UsageError
from training.adapt.depth import Depth
from training.config import UnmetConfig
from training.settings import read

SHIPPED = Path(__file__).parents[1] / "shipped/base.safetensors"


@dataclass(frozen=True)
class MarkedConfig:
    """The marked calls. Paths are relative to the config file."""

    manifests: tuple[Path, ...]
    """Read as one table; see :mod:`training.data.manifest`."""


@dataclass(frozen=True)
class RehearsalConfig:
    """Speech that the network knows, so that it goes on answering there as it did."""

    manifests: tuple[Path, ...] = ()
    """Paths relative to the config file. Without them more of the general skill is lost."""
    clips: int = 1400
    """Most clips that are heard, half of each class."""


@dataclass(frozen=True)
class AdaptConfig:
    """How the network is adapted, and when the new one replaces the old one."""

    base: Path = SHIPPED
    """The checkpoint that is adapted."""
    depths: tuple[str, ...] = tuple(Depth)
    """The depths that are tried; see :class:`training.adapt.depth.Depth`."""
    shares: tuple[float, ...] = (0.25, 0.5, 0.75, 1.0)
    """Shares of the way from the old weights to the learnt ones that are tried."""
    folds: int = 5
    passes: int = 20
    """How many times as many calls are drawn to learn from as there are."""
    batch_size: int = 32
    learning_rate: float = 1e-3
    label_smoothing: float = 0.05
    seconds: float = 4.0
    """Seconds to learn from the start of each call. The answers are to all of it."""
    max_lost: float = 0.01
    """The most that the equal error rate of the ``unmet`` clips may rise."""
    seed: int = 1
    threads: int = 1

    def __post_init__(self) -> None:
        if unknown := sorted(set(self.depths) - set(Depth)):
            raise UsageError(f"adapt.depths: {unknown[0]!r} is not one of {', '.join(Depth)}")
        if not self.depths or not self.shares:
            raise UsageError("adapt.depths and adapt.shares must name at least one each")
        if not all(0 < share <= 1 for share in self.shares):
            raise UsageError("adapt.shares must lie above 0 and up to 1")
        for name in ("folds", "passes", "batch_size", "threads"):
            if getattr(self, name) < (least := 2 if name in ("folds", "batch_size") else 1):
                raise UsageError(f"adapt.{name} must be at least {least}")


@dataclass(frozen=True)
class Settings:
    """All settings of an adaptation."""

    data: MarkedConfig
    unmet: UnmetConfig = field(default_factory=UnmetConfig)
    """Clips that no network learns from: they tell what is lost. Without them nobody knows."""
    rehearsal: RehearsalConfig = field(default_factory=RehearsalConfig)
    adapt: AdaptConfig = field(default_factory=AdaptConfig)


def load(path: Path) -> Settings:
    """Read a config. Raises UsageError that names the file and the setting."""
    settings = read(Settings, path)
    data, unmet, adapt = settings.data, settings.unmet, settings.adapt
    rehearsal, folder = settings.rehearsal, path.parent
    return Settings(
        replace(data, manifests=tuple((folder / of).resolve() for of in data.manifests)),
        replace(unmet, manifest=unmet.manifest and (folder / unmet.manifest).resolve()),
        replace(rehearsal, manifests=tuple((folder / of).resolve() for of in rehearsal.manifests)),
        replace(adapt, base=(folder / adapt.base).resolve()),
    )
