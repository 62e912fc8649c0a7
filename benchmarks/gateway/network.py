"""The network alone, in legs that one core carries; Silero VAD's in the same units."""

from collections.abc import Callable, Mapping
from functools import partial
from importlib import resources
from importlib.util import find_spec

import numpy as np
import onnxruntime

from audio_model.model import Model
from audio_model.steps import STEP_SAMPLES, STEP_SECONDS
from benchmarks.timing import Task, Timing, interleaved

SHAPES = ((1, 1), (16, 1), (8, 6), (16, 6), (16, 12))
"""Legs a run, steps of 80 ms a run."""

SILERO = "Silero VAD (ONNX Runtime, batch 1, 32 ms)"
_SILERO_SAMPLES, _SILERO_CONTEXT = 256, 32
"""At 8 kHz: a chunk, and what is repeated of the one before."""


def name_of(legs: int, steps: int) -> str:
    """Return the name of a run with so many legs and steps."""
    return f"ours, {legs} legs × {steps * STEP_SECONDS:.2f} s"


def tasks(model: Model) -> Mapping[str, Task]:
    """Return a run of each shape. The units are leg-seconds."""
    rng = np.random.default_rng(0)
    found = {}
    for legs, steps in SHAPES:
        samples = 0.1 * rng.standard_normal((legs, steps * STEP_SAMPLES), np.float32)
        state = model.start(legs)
        found[name_of(legs, steps)] = Task(
            partial(model.run, samples, state), units=legs * steps * STEP_SECONDS
        )
    if find_spec("silero_vad") is not None:
        found[SILERO] = Task(silero(), units=_SILERO_SAMPLES / 8000)
    return found


def silero() -> Callable[[], object]:
    """Return a run of the model that the package silero-vad ships, without its torch."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    file = resources.files("silero_vad") / "data" / "silero_vad.onnx"
    session = onnxruntime.InferenceSession(
        file.read_bytes(), options, providers=["CPUExecutionProvider"]
    )
    chunk = {
        "input": np.zeros((1, _SILERO_CONTEXT + _SILERO_SAMPLES), np.float32),
        "state": np.zeros((2, 1, 128), np.float32),
        "sr": np.array(8000, np.int64),
    }
    return lambda: session.run(None, chunk)


def legs_per_core(timing: Timing) -> float:
    """Return how many legs a core carries, by a task whose units are leg-seconds."""
    return 1e6 / timing.cpu_us


def measure(rounds: int) -> dict[str, Timing]:
    """Time every shape."""
    return interleaved(tasks(Model.load()), rounds)
