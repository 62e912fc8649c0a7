"""The model file: one ONNX graph with the decision rule in its metadata; load, check, run."""

import json
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from threading import local
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from audio_model.errors import ModelError, os_error_as, printable
from audio_model.frontend import Samples
from audio_model.model_file import ABOUT, unseal
from audio_model.rule import PREVALENCE, Calibration, DecisionRule, OperatingPoint
from audio_model.steps import STEP_SAMPLES

FORMAT = "audio-model 1"
INPUTS = ("samples", "state")
OUTPUTS = ("logit", "heard", "next_state")
DEFAULT_PATH = Path(__file__).parent / "weights" / "base.onnx"

NetworkState = NDArray[np.float32]


class Model:
    """The network of one model file, run on the CPU."""

    def __init__(self, path: Path, content: bytes) -> None:
        # Calls are private: nothing about them, or about the machine, is sent anywhere.
        onnxruntime.disable_telemetry_events()
        options = onnxruntime.SessionOptions()
        # One call is far too small to share between threads; processes share the cores instead.
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(
            content, options, providers=["CPUExecutionProvider"]
        )
        self.path = path
        self.about: dict[str, Any] = json.loads(
            self._session.get_modelmeta().custom_metadata_map[ABOUT]
        )
        if self.about.get("format") != FORMAT or self.about.get("step_samples") != STEP_SAMPLES:
            raise ModelError(
                f"{printable(path)}: made for another version of this package "
                f"({self.about.get('format')!r}; {FORMAT!r} is wanted)"
            )
        try:
            self.rule = rule_of(self.about["decision"])
            self.state_size = int(self.about["state_size"])
        except (KeyError, TypeError) as error:
            raise ModelError(
                f"{printable(path)}: made for another version of this package "
                f"(its metadata do not fit: {error})"
            ) from error

    @classmethod
    def load(cls, path: Path = DEFAULT_PATH) -> "Model":
        """Read and check a model file. Raises ModelError if it is missing, damaged or foreign."""
        with os_error_as(ModelError, f"{printable(path)}: the model can't be read"):
            content = path.read_bytes()
        unseal(path, content)
        return cls(path, content)

    def start(self, calls: int = 1) -> NetworkState:
        """Return the state of calls that have not begun. [shape=(calls, state_size)]"""
        return np.zeros((calls, self.state_size), np.float32)

    def run(
        self, samples: Samples, state: NetworkState
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], NetworkState]:
        """Hear the next steps of calls.

        Args:
            samples: 8 kHz. [shape=(calls, STEP_SAMPLES * n_steps)]
            state: from :meth:`start` or the last run. [shape=(calls, state_size)]

        Returns:
            logit [shape=(calls, n_steps)], heard [shape=(calls, n_steps, len(Heard))], next state.
        """
        logit, heard, next_state = self._session.run(
            OUTPUTS, dict(zip(INPUTS, (samples, state), strict=True))
        )
        return logit, heard, next_state


class _Room(local):
    """Memory for the states of one thread's runs, used again by each.

    To take new memory for each would cost as much again as the copy.
    """

    values: NetworkState = np.empty(0, np.float32)


_ROOM = _Room()


def join_states(states: Sequence[NetworkState]) -> NetworkState:
    """Return the states of calls as one array, which holds until this thread joins others.

    [shape=(state_size,)] each → [shape=(calls, state_size)]
    """
    if len(states) == 1:
        return states[0][None]
    n_values = len(states) * len(states[0])
    if n_values > len(_ROOM.values):
        _ROOM.values = np.empty(n_values, np.float32)
    return np.concatenate(states, out=_ROOM.values[:n_values]).reshape(len(states), -1)


def rule_of(values: dict[str, Any]) -> DecisionRule:
    """Return a decision rule from its JSON. Raises KeyError or TypeError if it does not fit."""
    # Files of before a rule had a prevalence of its own lack it.
    values = {"prevalence": PREVALENCE} | values
    rest = {f.name: values[f.name] for f in fields(DecisionRule)}
    calibration = {name: tuple(knots) for name, knots in values["calibration"].items()}
    rest["calibration"] = Calibration(**calibration)
    rest["operating_points"] = tuple(OperatingPoint(**p) for p in values["operating_points"])
    return DecisionRule(**rest)
