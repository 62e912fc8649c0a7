"""The ONNX file equals PyTorch, the front end, and what another runtime computes from it."""

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
import onnx.reference
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from audio_model import frontend
from audio_model.errors import UsageError
from audio_model.model import INPUTS, OUTPUTS, Model
from audio_model.steps import STEP_SAMPLES
from tests import fixture, sounds
from tests.training import readout
from training import export
from training.call_graph import CallGraph
from training.checkpoint import Checkpoint

N_STEPS = 30
CALLS = sounds.unlike_calls(2.4)[:, : N_STEPS * STEP_SAMPLES]


@pytest.fixture(scope="module")
def trained() -> Checkpoint:
    return readout.checkpoint()


@pytest.fixture(scope="module")
def model_path(trained: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file as this machine makes it: other processors make other bits of the weights."""
    path = tmp_path_factory.mktemp("export") / "model.onnx"
    export.export_model(trained, path)
    return path


@pytest.fixture(scope="module")
def model(model_path: Path) -> Model:
    return Model.load(model_path)


@pytest.fixture(scope="module")
def graph(trained: Checkpoint) -> CallGraph:
    return CallGraph(trained.build()).eval()


def of_torch(
    graph: CallGraph, samples: NDArray[np.float32], state: NDArray[np.float32]
) -> list[NDArray[np.float32]]:
    with torch.no_grad():
        return [x.numpy() for x in graph(torch.from_numpy(samples), torch.from_numpy(state))]


def test_the_model_of_the_runtimes_tests_is_what_is_made_here(model: Model) -> None:
    """``OMP_NUM_THREADS=1 python -m tests.training.readout`` makes it anew."""
    kept = Model.load(fixture.MODEL)
    assert kept.about == {**model.about, "weights_hash": kept.about["weights_hash"]}
    for theirs, ours in zip(
        kept.run(CALLS, kept.start(6)), model.run(CALLS, model.start(6)), strict=True
    ):
        np.testing.assert_allclose(theirs, ours, rtol=0, atol=1e-3)


@given(
    rows=st.lists(st.sampled_from(range(len(CALLS))), min_size=1, max_size=8),
    sizes=st.lists(st.integers(1, N_STEPS), max_size=5),
)
@settings(max_examples=30)
def test_the_file_equals_the_network(
    model: Model, graph: CallGraph, rows: list[int], sizes: list[int]
) -> None:
    calls = CALLS[rows]
    state = other = model.start(len(rows))
    cuts = [0, *np.minimum(np.cumsum(sizes, dtype=int), N_STEPS).tolist(), N_STEPS]
    for start, end in pairwise(cuts):
        if start == end:
            continue
        samples = calls[:, start * STEP_SAMPLES : end * STEP_SAMPLES]
        theirs = of_torch(graph, samples, other)
        ours = model.run(samples, state)
        *answers, state = ours
        *others, other = theirs
        for one, another in zip(answers, others, strict=True):
            np.testing.assert_allclose(one, another, rtol=1e-5, atol=1e-5)
        # It holds log-mels times LOG_SCALE: beside a tone, a float's rounding moves one by 1e-5.
        np.testing.assert_allclose(state, other, rtol=1e-5, atol=frontend.LOG_SCALE * 1e-5)


def test_the_network_s_own_answers(model: Model, trained: Checkpoint) -> None:
    """Nothing is lost between the features of training and the file."""
    network = trained.build()
    features = torch.from_numpy(np.stack([frontend.log_mel(call) for call in CALLS]))
    with torch.no_grad():
        logit, heard = network.whole(features)
    file_logit, file_heard, _ = model.run(CALLS, model.start(len(CALLS)))
    np.testing.assert_allclose(file_logit, logit.numpy(), rtol=0, atol=1e-4)
    probability = torch.softmax(heard, 1).transpose(1, 2).numpy()
    np.testing.assert_allclose(file_heard, probability, rtol=0, atol=1e-4)


@pytest.mark.slow
def test_another_runtime_gives_the_same_numbers(model: Model, model_path: Path) -> None:
    """onnx's own evaluator, which shares no code with ONNX Runtime."""
    theirs = onnx.reference.ReferenceEvaluator(str(model_path))
    state = model.start(2)
    for start in range(0, 12, 4):
        samples = CALLS[:2, start * STEP_SAMPLES : (start + 4) * STEP_SAMPLES]
        inputs = dict(zip(INPUTS, (samples, state), strict=True))
        for one, other in zip(model.run(samples, state), theirs.run(OUTPUTS, inputs), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)
        state = model.run(samples, state)[-1]


def test_the_graph_uses_standard_operators_alone(model_path: Path) -> None:
    proto = onnx.load_model(model_path)
    assert [(o.domain, o.version) for o in proto.opset_import] == [("", export.OPSET)]
    assert all(node.domain == "" for node in proto.graph.node)


def test_the_same_checkpoint_gives_the_same_bytes(
    trained: Checkpoint, model_path: Path, tmp_path: Path
) -> None:
    export.export_model(trained, tmp_path / "again.onnx")
    assert (tmp_path / "again.onnx").read_bytes() == model_path.read_bytes()


def test_the_file_says_what_it_is(trained: Checkpoint, graph: CallGraph) -> None:
    about = json.loads(json.dumps(export.about(trained, graph.state_size)))
    assert about["sample_rate"] == 8000
    assert about["step_samples"] == STEP_SAMPLES
    assert about["state_size"] == graph.state_size
    assert about["decision"]["max_seconds"] == fixture.RULE.max_seconds
    assert about["network"]["temporal_channels"] == trained.network.temporal_channels
    assert about["weights_hash"] == trained.weights_hash


def test_the_hash_of_the_weights_tells_them_apart(trained: Checkpoint) -> None:
    weights = {name: tensor.clone() for name, tensor in trained.weights.items()}
    again = Checkpoint(trained.network, dict(reversed(weights.items())), "another", {})
    assert again.weights_hash == trained.weights_hash
    weights["heard.bias"][0] += 1e-6
    assert again.weights_hash != trained.weights_hash


def test_a_checkpoint_without_operating_points_is_refused(
    trained: Checkpoint, tmp_path: Path
) -> None:
    bare = Checkpoint(trained.network, trained.weights, "h", {})
    with pytest.raises(UsageError, match=r"training\.evaluate"):
        export.export_model(bare, tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


def test_main_exports_a_run(trained: Checkpoint, tmp_path: Path) -> None:
    trained.save(tmp_path / "checkpoint.safetensors")
    assert export.main([str(tmp_path)]) == 0
    assert Model.load(tmp_path / "model.onnx").rule == fixture.RULE


def test_main_tells_of_a_missing_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert export.main([str(tmp_path / "none")]) == 2
    assert str(tmp_path / "none") in capsys.readouterr().err
