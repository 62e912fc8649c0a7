"""The model file: what it tells, how it runs, and that nothing else is taken for it."""

import json
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audio_model import model as model_module
from audio_model.errors import ModelError
from audio_model.model import INPUTS, OUTPUTS, Model, join_states
from audio_model.model_file import seal
from audio_model.steps import STEP_SAMPLES, Heard
from tests import fixture, sounds

CALLS = np.stack([sounds.voice(3.2, seed, played=bool(seed % 2)) for seed in range(4)])
N_STEPS = CALLS.shape[1] // STEP_SAMPLES


@pytest.fixture(scope="module")
def content(model_path: Path) -> bytes:
    return model_path.read_bytes()


def refused(path: Path) -> str:
    with pytest.raises(ModelError) as caught:
        Model.load(path)
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message
    return message


def test_the_rule_comes_back_as_it_was_stored(model: Model) -> None:
    assert model.rule == fixture.RULE


def test_the_file_tells_what_it_is_made_of(model: Model, model_path: Path) -> None:
    assert model.path == model_path
    assert model.about["manifest_hash"] == "0123456789abcdef"
    assert model.about["metrics"] == {"raw": {"eer": 0.25}}
    assert model.about["heard"] == [kind.name.lower() for kind in Heard]


def test_shapes(model: Model) -> None:
    logit, heard, state = model.run(CALLS, model.start(4))
    assert logit.shape == (4, N_STEPS)
    assert heard.shape == (4, N_STEPS, len(Heard))
    assert state.shape == model.start(4).shape == (4, model.state_size)
    np.testing.assert_allclose(heard.sum(axis=2), 1, atol=1e-5)


def test_calls_in_a_batch_do_not_touch(model: Model) -> None:
    together = model.run(CALLS, model.start(4))
    for row in range(4):
        alone = model.run(CALLS[row : row + 1], model.start())
        for one, other in zip(alone, together, strict=True):
            np.testing.assert_allclose(one[0], other[row], rtol=1e-5, atol=1e-5)


@given(st.lists(st.integers(1, 9), min_size=1, max_size=N_STEPS))
@settings(max_examples=30)
def test_a_call_may_come_in_any_chunks(model: Model, chunks: list[int]) -> None:
    cuts = [0, *np.minimum(np.cumsum(chunks), N_STEPS), N_STEPS]
    state, parts = model.start(4), []
    for start, end in pairwise(cuts):
        if start < end:
            samples = CALLS[:, start * STEP_SAMPLES : end * STEP_SAMPLES]
            logit, heard, state = model.run(samples, state)
            parts.append((logit, heard))
    logit, heard, last = model.run(CALLS, model.start(4))
    np.testing.assert_allclose(np.concatenate([p[0] for p in parts], 1), logit, atol=1e-5)
    np.testing.assert_allclose(np.concatenate([p[1] for p in parts], 1), heard, atol=1e-5)
    np.testing.assert_allclose(state, last, rtol=1e-5, atol=1e-5)


def test_joined_states_are_the_calls_and_each_thread_has_its_own() -> None:
    states = [np.full(5, n, np.float32) for n in range(3)]
    joined = join_states(states)
    with ThreadPoolExecutor(1) as other:
        other.submit(join_states, [state + 7 for state in states]).result()
    np.testing.assert_array_equal(joined, np.stack(states))
    np.testing.assert_array_equal(join_states(states[:2]), np.stack(states[:2]))
    np.testing.assert_array_equal(join_states(states[2:]), states[2][None])


def test_running_leaves_the_state_that_came_in_alone(model: Model) -> None:
    _, _, state = model.run(CALLS[:1], model.start())
    kept = state.copy()
    first = model.run(CALLS[1:2], state)
    np.testing.assert_array_equal(state, kept)
    np.testing.assert_array_equal(model.run(CALLS[1:2], state)[0], first[0])


@given(st.data())
@settings(max_examples=60)
def test_any_flipped_bit_is_seen(
    content: bytes, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    damaged = bytearray(content)
    damaged[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    path = tmp_path_factory.getbasetemp() / "damaged.onnx"
    path.write_bytes(damaged)
    assert refused(path)


@pytest.mark.parametrize("left", [0, 1, 76, 1000, -1, -72, -73, -1000])
def test_a_truncated_file_is_refused(content: bytes, tmp_path: Path, left: int) -> None:
    path = tmp_path / "truncated.onnx"
    path.write_bytes(content[:left])
    assert "its end is missing" in refused(path)


def test_a_file_with_something_behind_it_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "longer.onnx"
    for more in (b"\0", content):
        path.write_bytes(content + more)
        assert refused(path)


def test_another_onnx_file_is_refused(tmp_path: Path) -> None:
    x, y = (
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1]) for name in ("x", "y")
    )
    graph = onnx.helper.make_graph([onnx.helper.make_node("Relu", ["x"], ["y"])], "g", [x], [y])
    path = tmp_path / "relu.onnx"
    path.write_bytes(onnx.helper.make_model(graph).SerializeToString())
    assert "not a model of this project" in refused(path)


def test_a_text_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "notes.onnx"
    path.write_text("not a model\n" * 100, encoding="utf-8")
    assert "not a model of this project" in refused(path)


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    assert "No such file" in refused(tmp_path / "none.onnx")
    assert "can't be read" in refused(tmp_path)


def test_the_message_stays_one_line_whatever_the_name(tmp_path: Path) -> None:
    with pytest.raises(ModelError) as caught:
        Model.load(tmp_path / "two\nlines.onnx")
    assert "\n" not in str(caught.value)
    assert r"two\nlines.onnx" in str(caught.value)


@pytest.mark.parametrize("change", [{"format": "audio-model 99"}, {"step_samples": 320}])
def test_a_file_of_another_version_is_refused(
    content: bytes, tmp_path: Path, change: dict[str, object]
) -> None:
    proto = onnx.load_model_from_string(content)
    (entry,) = (e for e in proto.metadata_props if e.key == "about")
    entry.value = json.dumps(json.loads(entry.value) | change)
    del proto.metadata_props[1:]
    path = tmp_path / "future.onnx"
    path.write_bytes(seal(proto.SerializeToString()))
    assert "another version" in refused(path)


def test_the_seal_is_a_line_of_metadata_to_everyone_else(content: bytes) -> None:
    proto = onnx.load_model_from_string(content)
    onnx.checker.check_model(proto, full_check=True)
    assert [entry.key for entry in proto.metadata_props] == ["about", "digest"]
    assert [i.name for i in proto.graph.input] == list(INPUTS)
    assert [o.name for o in proto.graph.output] == list(OUTPUTS)
    assert proto.SerializeToString(deterministic=True) == content


def test_a_sealed_file_is_taken_whatever_its_name(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "模型"
    path.write_bytes(content)
    assert Model.load(path).rule == fixture.RULE


def test_default_path_lies_in_the_package() -> None:
    assert model_module.DEFAULT_PATH.is_relative_to(Path(model_module.__file__).parent)
