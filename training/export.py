"""Write the model file of a checkpoint: ``python -m training.export RUN``.

One self-contained ONNX graph holds the front end, the network and its state, so that any runtime
in any language can follow a call:

======== =============================== ==========================================================
input    samples (batch, 640 n)          8 kHz float in [-1, 1], a whole number of steps of 80 ms
input    state (batch, state_size)       zeros at the start of a call, else the last ``next_state``
output   logit (batch, n)                recorded against live, of everything heard so far
output   heard (batch, n, 3)             probability of background, tone, voice in each step
output   next_state (batch, state_size)
======== =============================== ==========================================================

The graph is :class:`training.call_graph.CallGraph`, from the numbers of
:mod:`audio_model.frontend`. The file's metadata hold the decision rule and what the model was
made of, as JSON under the key ``about``.
"""

import json
import sys
import warnings
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import onnx
import torch

from audio_model import frontend, model
from audio_model.errors import UsageError
from audio_model.files import write_bytes
from audio_model.line.learnt import ADAPTED_TO
from audio_model.model_file import ABOUT, seal
from audio_model.steps import STEP_SAMPLES, Heard
from training import checkpoint
from training.call_graph import CallGraph
from training.checkpoint import CHECKPOINT, Checkpoint
from training.command import run_command

MODEL = "model.onnx"
"""Its name in the folder of its network."""
OPSET = 17
"""Old enough for runtimes in the field, new enough for every operator here."""


def to_onnx(graph: CallGraph) -> onnx.ModelProto:
    """Convert the graph, with batch and number of steps left open."""
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
    """Return the description in the model file. Raises UsageError without a calibration."""
    if trained.decision is None:
        raise UsageError("the checkpoint holds no operating points: run training.evaluate first")
    described = {
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
    if ADAPTED_TO in trained.config:
        described[ADAPTED_TO] = trained.config[ADAPTED_TO]
    return described


def export_model(trained: Checkpoint, path: Path) -> None:
    """Write the model file. Raises UsageError if the checkpoint is not calibrated."""
    graph = CallGraph(trained.build()).eval()
    described = about(trained, graph.state_size)
    proto = to_onnx(graph)
    entry = proto.metadata_props.add()
    entry.key, entry.value = ABOUT, json.dumps(described, sort_keys=True)
    write_bytes(path, seal(proto.SerializeToString(deterministic=True)))


def export_run(run: Path) -> None:
    """Write a run's ``model.onnx`` from ``checkpoint.safetensors``. Raises AudioModelError."""
    export_model(checkpoint.load(run / CHECKPOINT), run / MODEL)
    print(f"{run / MODEL}", file=sys.stderr)


def main(arguments: list[str] | None = None) -> int:
    """Export a run and return the exit status."""
    return run_command(
        "export", __doc__, arguments, lambda o: export_run(o.run), needs_config=False
    )


if __name__ == "__main__":
    sys.exit(main())
