"""The checkpoint: plain tensors and plain data that rebuild the model. Never a pickle."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from audio_model.errors import ModelError, UsageError
from audio_model.files import write_bytes
from audio_model.rule import DecisionRule
from training.data.learnt import LearntData
from training.data.manifest import Manifest
from training.network import Network, NetworkConfig
from training.settings import from_dict

FORMAT = "audio-model checkpoint 1"
CHECKPOINT = "checkpoint.safetensors"
"""Its name in the folder of its network."""


@dataclass(frozen=True)
class Checkpoint:
    """A trained network with its settings, its rule and its figures."""

    network: NetworkConfig
    weights: Mapping[str, Tensor]
    manifest_hash: str
    """Hash of the manifest, after deduplication, whose train split made the weights."""
    config: dict[str, Any]
    """The run's settings as plain data, paths left out."""
    decision: DecisionRule | None = None
    """None until ``training.evaluate`` has chosen it."""
    metrics: dict[str, Any] = field(default_factory=dict)
    """Figures on held-out sources, as ``training.evaluate`` wrote them."""
    learnt: LearntData | None = None
    """What the weights were learnt from; of adapted ones, what their base was learnt from.

    None if an older version trained them.
    """

    @property
    def weights_hash(self) -> str:
        """Return a hex digest of the weights, the same for equal numbers."""
        digest = blake2b(digest_size=16)
        for name, tensor in sorted(self.weights.items()):
            digest.update(name.encode() + tensor.contiguous().numpy().tobytes())
        return digest.hexdigest()

    def build(self) -> Network:
        """Return the network with these weights."""
        network = Network(self.network).eval()
        network.load_state_dict(dict(self.weights))
        return network

    def check_manifest(self, manifest: Manifest) -> None:
        """Raise UsageError if the weights come from another manifest."""
        if manifest.hash != self.manifest_hash:
            raise UsageError(
                f"{manifest.path}: not the manifest that this checkpoint was trained on "
                f"(hash {manifest.hash}, not {self.manifest_hash})"
            )

    def save(self, path: Path) -> None:
        """Write to a temporary file, then rename."""
        about = {
            "format": FORMAT,
            "network": asdict(self.network),
            "weights_hash": self.weights_hash,
            "manifest_hash": self.manifest_hash,
            "config": self.config,
            "decision": self.decision and asdict(self.decision),
            "metrics": self.metrics,
            "learnt": self.learnt and asdict(self.learnt),
        }
        tensors = {name: tensor.contiguous() for name, tensor in self.weights.items()}
        write_bytes(path, save(tensors, {"about": json.dumps(about, sort_keys=True)}))


def load(path: Path) -> Checkpoint:
    """Read a checkpoint. Raises ModelError if the file is missing, damaged or foreign."""
    try:
        with safe_open(path, framework="pt") as file:
            about = json.loads((file.metadata() or {}).get("about", "{}"))
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError, json.JSONDecodeError) as error:
        raise ModelError(f"{path}: no readable checkpoint: {error}") from error
    if about.get("format") != FORMAT:
        raise ModelError(f"{path}: not a checkpoint of this project ({FORMAT!r} is wanted)")
    decision, learnt = about["decision"], about.get("learnt")
    try:
        loaded = Checkpoint(
            network=from_dict(NetworkConfig, about["network"]),
            weights=weights,
            manifest_hash=about["manifest_hash"],
            config=about["config"],
            decision=from_dict(DecisionRule, decision) if decision else None,
            metrics=about["metrics"],
            learnt=from_dict(LearntData, learnt) if learnt else None,
        )
    except UsageError as error:
        raise ModelError(f"{path}: made by another version of this package: {error}") from error
    if loaded.weights_hash != about["weights_hash"]:
        raise ModelError(f"{path}: the checkpoint is damaged (its digest does not agree)")
    return loaded
