"""Checkpoints come back whole, or say why they don't."""

import json
import pickle
import struct
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from audio_model.errors import ModelError, OutputError, UsageError
from audio_model.files import write_bytes
from tests import clips
from tests.training import readout
from training import checkpoint
from training.checkpoint import Checkpoint
from training.data import manifest


@pytest.fixture(scope="module")
def trained() -> Checkpoint:
    return readout.checkpoint()


@pytest.fixture
def saved(trained: Checkpoint, tmp_path: Path) -> Path:
    path = tmp_path / "checkpoint.safetensors"
    trained.save(path)
    return path


def refused(path: Path) -> str:
    with pytest.raises(ModelError) as caught:
        checkpoint.load(path)
    assert str(path) in str(caught.value)
    return str(caught.value)


def test_everything_comes_back(trained: Checkpoint, saved: Path) -> None:
    loaded = checkpoint.load(saved)
    assert trained.learnt is not None
    assert replace(loaded, weights={}) == replace(trained, weights={})
    assert loaded.weights.keys() == trained.weights.keys()
    for name, tensor in trained.weights.items():
        assert loaded.weights[name].dtype == tensor.dtype
        assert torch.equal(loaded.weights[name], tensor)


def test_an_uncalibrated_one_comes_back_too(trained: Checkpoint, tmp_path: Path) -> None:
    bare = replace(trained, decision=None, metrics={})
    bare.save(tmp_path / "c")
    assert checkpoint.load(tmp_path / "c").decision is None


def test_an_older_one_does_not_say_what_it_learnt_from(saved: Path) -> None:
    content = saved.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    about = json.loads(header["__metadata__"]["about"])
    del about["learnt"]
    header["__metadata__"]["about"] = json.dumps(about)
    older = json.dumps(header).encode()
    saved.write_bytes(struct.pack("<Q", len(older)) + older + content[8 + length :])
    assert checkpoint.load(saved).learnt is None


def test_the_network_that_is_built_is_the_one_that_was_saved(
    trained: Checkpoint, saved: Path
) -> None:
    features = torch.randn(1, 40, 80)
    built = checkpoint.load(saved).build()
    assert not built.training
    with torch.no_grad():
        assert torch.equal(built.whole(features)[0], readout.network().whole(features)[0])


def test_the_same_checkpoint_is_the_same_file(trained: Checkpoint, saved: Path) -> None:
    before = saved.read_bytes()
    checkpoint.load(saved).save(saved)
    assert saved.read_bytes() == before


def test_it_is_no_pickle(saved: Path) -> None:
    content = saved.read_bytes()
    with pytest.raises(pickle.UnpicklingError):
        pickle.loads(content)
    (header_bytes,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + header_bytes])
    assert json.loads(header["__metadata__"]["about"])["format"] == checkpoint.FORMAT


def test_a_missing_file(tmp_path: Path) -> None:
    refused(tmp_path / "none.safetensors")


@pytest.mark.parametrize("left", [0, 5, 100, -1, -1000])
def test_a_truncated_file(saved: Path, left: int) -> None:
    saved.write_bytes(saved.read_bytes()[:left])
    refused(saved)


@pytest.mark.parametrize("content", [b"text\n" * 100, pickle.dumps({"a": 1}), b"\0" * 1000])
def test_a_foreign_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "c.safetensors"
    path.write_bytes(content)
    refused(path)


def test_someone_else_s_safetensors(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    path = tmp_path / "c.safetensors"
    save_file({"weight": torch.zeros(3)}, path)
    assert "not a checkpoint of this project" in refused(path)


def rewritten(path: Path, change: dict[str, object]) -> None:
    from safetensors import safe_open
    from safetensors.torch import save_file

    with safe_open(path, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        about = json.loads(file.metadata()["about"])
    save_file(tensors, path, {"about": json.dumps(about | change)})


@pytest.mark.parametrize(
    "change",
    [
        {"format": "audio-model checkpoint 99"},
        {"network": {"layers": 3}},
        {"decision": {"calibration": 1}},
    ],
)
def test_a_header_that_makes_no_sense(saved: Path, change: dict[str, object]) -> None:
    rewritten(saved, change)
    refused(saved)


def test_a_header_that_is_damaged(saved: Path) -> None:
    content = saved.read_bytes()
    at = content.index(b'{\\"config')
    saved.write_bytes(content[:at] + b"?" + content[at + 1 :])
    refused(saved)


def test_a_damaged_weight(saved: Path) -> None:
    content = bytearray(saved.read_bytes())
    content[-1000] ^= 1
    saved.write_bytes(content)
    assert "damaged" in refused(saved)


def test_the_manifest_is_checked(trained: Checkpoint, tmp_path: Path) -> None:
    loaded = manifest.load(clips.write_corpus(tmp_path, voices=1, seconds=0.1, n_tones=0))
    with pytest.raises(UsageError, match=r"manifest\.csv"):
        trained.check_manifest(loaded)
    replace(trained, manifest_hash=loaded.hash).check_manifest(loaded)


def test_an_interrupted_write_leaves_the_old_file(
    trained: Checkpoint, saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = saved.read_bytes()

    def interrupted(descriptor: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("os.fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        replace(trained, manifest_hash="other").save(saved)
    assert saved.read_bytes() == before
    assert list(saved.parent.iterdir()) == [saved]


def test_a_full_disk_leaves_the_old_file(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OutputError, match="No space left"):
        write_bytes(saved, b"half")
    assert checkpoint.load(saved)
