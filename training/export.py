"""The file of the model, from a checkpoint: ``python -m training.export RUN``.

One self-contained ONNX graph holds the front end, the network and its state, so that any runtime
in any language can follow a call:

======== =============================== ==========================================================
input    samples (batch, 640 n)          8 kHz float in [-1, 1], a whole number of steps of 80 ms
input    state (batch, state_size)       zeros at the start of a call, else the last ``next_state``
output   logit (batch, n)                recorded against live, of everything heard so far
output   heard (batch, n, 3)             probability of background, tone, voice in each step
output   next_state (batch, state_size)
======== =============================== ==========================================================

The graph is built from the numbers of :mod:`audio_model.frontend`. The decision rule and what the
model was made of stand in the file's metadata, as JSON under the key ``about``.
"""

import json
import sys
import warnings
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from audio_model import frontend, model
from audio_model.errors import UsageError
from audio_model.steps import STEP_SAMPLES, Heard
from training import checkpoint
from training.checkpoint import CHECKPOINT, Checkpoint
from training.command import run_command
from training.files import write_atomically
from training.network import Network

OPSET = 17
"""Old enough for runtimes in the field, new enough for every operator here."""


class StreamingLogMel(nn.Module):
    """:func:`audio_model.frontend.log_mel` for chunks of whole hops, as matrix products.

    The window is symmetric about its middle, so a frame is folded there into an even and an odd
    half before the Fourier transform, which halves its cost. Phases are then counted from the
    middle; powers are the same.
    """

    def __init__(self) -> None:
        super().__init__()
        filterbank = frontend.mel_filterbank()
        bins = np.flatnonzero(filterbank.any(axis=1))
        middle = frontend.WIN_LENGTH // 2
        window = frontend.hann_window()[middle:]
        n = np.arange(middle)
        angle = 2 * np.pi * np.outer(n, bins) / frontend.N_FFT
        # Sample 0 of the periodic window weighs nothing, and the middle one is its own mirror.
        half = np.where(n == 0, 0.5, 1.0)
        self.cosine = _constant((window * half)[:, None] * np.cos(angle))
        self.sine = _constant(window[:, None] * np.sin(angle))
        self.filterbank = _constant(filterbank[bins])
        self.middle = middle

    def forward(self, samples: Tensor) -> Tensor:
        """[shape=(batch, HISTORY_SAMPLES + n)] → [shape=(batch, N_MELS, n // HOP_LENGTH)]"""
        hops = samples.reshape(samples.shape[0], -1, frontend.HOP_LENGTH)
        last = frontend.BLOCKS_PER_WINDOW - 1
        # Ends that count from the back are constants of the graph; others would be computed in it.
        frames = torch.cat([hops[:, n : (n - last) or None] for n in range(last + 1)], dim=-1)
        later = frames[..., self.middle :]
        # Mirrored: the middle sample first, then backwards to sample 1.
        earlier = torch.flip(frames[..., 1 : self.middle + 1], dims=[-1])
        real = (later + earlier) @ self.cosine
        imaginary = (later - earlier) @ self.sine
        power = (real.square() + imaginary.square()) @ self.filterbank
        log = torch.log(power + frontend.POWER_FLOOR)
        return ((log + frontend.LOG_OFFSET) / frontend.LOG_SCALE).transpose(1, 2)


def _constant(values: NDArray[np.float64]) -> nn.Buffer:
    return nn.Buffer(torch.from_numpy(values.astype(np.float32)))


def front_end_flops() -> int:
    """Multiplications and additions of the front end's matrix products for one frame."""
    front_end = StreamingLogMel()
    return 2 * sum(matrix.numel() for matrix in front_end.buffers())


class CallGraph(nn.Module):
    """What the file computes: a chunk of samples and the state in, answers and the state out.

    The flat state is the samples that the next frames still need, then the network's own.
    """

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.log_mel = StreamingLogMel()
        self.network = network
        self.state_size = frontend.HISTORY_SAMPLES + network.state_size

    def forward(self, samples: Tensor, state: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """samples [shape=(batch, STEP_SAMPLES * n)], state [shape=(batch, state_size)]"""
        samples = torch.cat([state[:, : frontend.HISTORY_SAMPLES], samples], dim=1)
        log_mel = self.log_mel(samples)
        logit, heard, rest = self.network(log_mel, state[:, frontend.HISTORY_SAMPLES :])
        probability = torch.softmax(heard, dim=1).transpose(1, 2)
        return logit, probability, torch.cat([samples[:, -frontend.HISTORY_SAMPLES :], rest], dim=1)


def to_onnx(graph: CallGraph) -> onnx.ModelProto:
    """The graph with batch and number of steps left open."""
    n_steps = 3
    samples, state = torch.zeros(2, n_steps * STEP_SAMPLES), torch.zeros(2, graph.state_size)
    with TemporaryDirectory() as folder, warnings.catch_warnings():
        # PyTorch warns that this exporter is the old one; the new one needs onnxscript.
        warnings.simplefilter("ignore", DeprecationWarning)
        file = Path(folder) / "graph.onnx"
        torch.onnx.export(
            graph,
            (samples, state),
            file,
            input_names=list(model.INPUTS),
            output_names=list(model.OUTPUTS),
            dynamic_axes={
                "samples": {0: "batch", 1: "samples"},
                "state": {0: "batch"},
                "logit": {0: "batch", 1: "steps"},
                "heard": {0: "batch", 1: "steps"},
                "next_state": {0: "batch"},
            },
            opset_version=OPSET,
            dynamo=False,
        )
        proto = onnx.load_model(file)
    onnx.checker.check_model(proto, full_check=True)
    return proto


def about(trained: Checkpoint, state_size: int) -> dict[str, Any]:
    """What the file says of itself. Raises UsageError if the checkpoint is not calibrated."""
    if trained.decision is None:
        raise UsageError("the checkpoint holds no operating points: run training.evaluate first")
    return {
        "format": model.FORMAT,
        "sample_rate": frontend.SAMPLE_RATE,
        "step_samples": STEP_SAMPLES,
        "state_size": state_size,
        "heard": [kind.name.lower() for kind in Heard],
        "decision": asdict(trained.decision),
        "network": asdict(trained.network),
        "weights_hash": trained.weights_hash,
        "manifest_hash": trained.manifest_hash,
        "metrics": trained.metrics,
    }


def export_model(trained: Checkpoint, path: Path) -> None:
    """Write the model file. Raises UsageError if the checkpoint is not calibrated."""
    graph = CallGraph(trained.build()).eval()
    described = about(trained, graph.state_size)
    proto = to_onnx(graph)
    entry = proto.metadata_props.add()
    entry.key, entry.value = "about", json.dumps(described, sort_keys=True)
    write_atomically(path, model.seal(proto.SerializeToString(deterministic=True)))


def export_run(run: Path) -> None:
    """``checkpoint.safetensors`` of a run to its ``model.onnx``. Raises AudioModelError."""
    export_model(checkpoint.load(run / CHECKPOINT), run / "model.onnx")
    print(f"{run / 'model.onnx'}", file=sys.stderr)


def main(arguments: list[str] | None = None) -> int:
    return run_command(
        "export", __doc__, arguments, lambda o: export_run(o.run), needs_config=False
    )


if __name__ == "__main__":
    sys.exit(main())
