"""A file that says something else of itself: the same graph, read by everyone."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest

from audio_model.errors import ModelError
from audio_model.model import Model
from audio_model.model_file import ABOUT, seal, unseal, with_about
from tests import sounds


def metadata(content: bytes) -> dict[str, str]:
    proto = onnx.load_model_from_string(content)
    onnx.checker.check_model(proto, full_check=True)
    assert len({p.key for p in proto.metadata_props}) == len(proto.metadata_props)
    return {p.key: p.value for p in proto.metadata_props}


def test_only_what_the_file_says_changes(model_path: Path, tmp_path: Path) -> None:
    content = model_path.read_bytes()
    about = json.loads(metadata(content)[ABOUT]) | {"more": "x" * 5000}
    path = tmp_path / "other.onnx"
    path.write_bytes(with_about(model_path, content, about))
    assert json.loads(metadata(path.read_bytes())[ABOUT]) == about
    old, new = Model.load(model_path), Model.load(path)
    assert new.about == about
    samples = sounds.voice(1.6)[None, :12800]
    for one, other in zip(
        old.run(samples, old.start()), new.run(samples, new.start()), strict=True
    ):
        np.testing.assert_array_equal(one, other)


def test_other_metadata_stay(model_path: Path) -> None:
    proto = onnx.load_model_from_string(unseal(model_path, model_path.read_bytes()))
    entry = proto.metadata_props.add()
    entry.key, entry.value = "of others", "stays"
    content = with_about(model_path, seal(proto.SerializeToString()), {"a": 1})
    assert metadata(content)["of others"] == "stays"
    assert json.loads(metadata(content)[ABOUT]) == {"a": 1}


def test_a_damaged_file_is_not_written_anew(model_path: Path) -> None:
    content = bytearray(model_path.read_bytes())
    content[1000] ^= 1
    with pytest.raises(ModelError, match="damaged"):
        with_about(model_path, bytes(content), {})
