"""The pool: scenes drawn once, found again, and dealt out in whole batches."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests import sounds
from tests.training import made
from training.augment import Line, Surroundings
from training.data import pool as pool_module
from training.data.pool import Pool, prepare
from training.data.scenes import Scene, SceneConfig, Scenes

N = 40


@pytest.fixture(scope="module")
def scenes() -> Scenes:
    voices = [
        made.sound(sounds.voice(0.6, seed, played=bool(label)), made.clip(f"{label}{seed}", label))
        for seed in range(3)
        for label in (0, 1)
    ]
    return Scenes(
        voices, Surroundings([], [], []), Line(), SceneConfig(seconds=0.64, lead=0), seed=0
    )


def batches_of(pool: Pool, size: int, seed: int = 0) -> list[tuple[torch.Tensor, ...]]:
    return list(pool.batches(size, torch.Generator().manual_seed(seed)))


@pytest.mark.parametrize("workers", [0, 2])
def test_it_holds_the_first_scenes(scenes: Scenes, tmp_path: Path, workers: int) -> None:
    pool = prepare(scenes, N, workers, tmp_path, "same")
    assert len(pool) == N
    for n in range(N):
        scene = scenes[n]
        np.testing.assert_allclose(pool.log_mel[n], scene.log_mel.numpy(), rtol=1e-3, atol=1e-3)
        assert pool.label[n] == scene.label
        np.testing.assert_array_equal(pool.heard[n], scene.heard.numpy())


def test_a_pool_that_is_there_is_not_drawn_again(scenes: Scenes, tmp_path: Path) -> None:
    drawn = prepare(scenes, N, 0, tmp_path / "a", {"seed": 1})

    class Drawn(Scenes):
        def __init__(self) -> None:
            """Nothing is there to draw from."""

        def __getitem__(self, index: int) -> Scene:
            raise AssertionError("drawn again")

    again = prepare(Drawn(), N, 0, tmp_path / "a", {"seed": 1})
    np.testing.assert_array_equal(again.log_mel, drawn.log_mel)
    for n_scenes, identity in ((N, {"seed": 2}), (N + 1, {"seed": 1})):
        with pytest.raises(AssertionError, match="drawn again"):
            prepare(Drawn(), n_scenes, 0, tmp_path / "a", identity)


def test_an_interrupted_pool_is_drawn_anew(
    scenes: Scenes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Interrupted(Scenes):
        def __init__(self) -> None:
            """What it draws is another's."""

        def __getitem__(self, index: int) -> Scene:
            if index == N - 1:
                raise KeyboardInterrupt
            return scenes[index]

    with pytest.raises(KeyboardInterrupt):
        prepare(Interrupted(), N, 0, tmp_path, "same")
    whole = prepare(scenes, N, 0, tmp_path, "same")
    assert np.abs(whole.log_mel[N - 1].astype(float)).max() > 0
    monkeypatch.setattr(pool_module, "_draw", None)
    np.testing.assert_array_equal(prepare(scenes, N, 0, tmp_path, "same").label, whole.label)


def test_batches_are_whole_and_no_scene_comes_twice(scenes: Scenes, tmp_path: Path) -> None:
    pool = prepare(scenes, N, 0, tmp_path, "same")
    dealt = batches_of(pool, 7)
    assert [len(label) for _, label, _ in dealt] == [7] * 5
    seen = torch.cat([log_mel for log_mel, _, _ in dealt]).flatten(1)
    assert seen.dtype == torch.float32
    assert len(torch.unique(seen, dim=0)) == 35
    assert batches_of(pool, N + 1) == []


def test_a_scene_comes_as_often_as_it_weighs(scenes: Scenes, tmp_path: Path) -> None:
    pool = prepare(scenes, N, 0, tmp_path, "same")
    weight = np.where(np.arange(N) % 2, 1.6, 0.4)
    known = {pool.log_mel[n].tobytes(): n for n in range(N)}
    times = np.zeros((50, N))
    for seed in range(50):
        for log_mel, _, _ in batches_of(replace(pool, weight=weight), 1, seed):
            times[seed, known[log_mel[0].numpy().astype(np.float16).tobytes()]] += 1
    assert set(times[:, 1::2].flat) <= {0, 1, 2} and set(times[:, ::2].flat) == {0, 1}
    # A pass that deals more than N scenes leaves some of them out.
    assert times[:, 1::2].mean() == pytest.approx(1.6, abs=0.12)
    assert times[:, ::2].mean() == pytest.approx(0.4, abs=0.06)


def test_parts_of_a_scene_stay_together(scenes: Scenes, tmp_path: Path) -> None:
    pool = prepare(scenes, N, 0, tmp_path, "same")
    known = {pool.log_mel[n].tobytes(): n for n in range(N)}
    for log_mel, label, heard in batches_of(pool, 8):
        for row in range(8):
            n = known[log_mel[row].numpy().astype(np.float16).tobytes()]
            assert label[row] == pool.label[n]
            np.testing.assert_array_equal(heard[row].numpy(), pool.heard[n])


def test_the_generator_gives_the_order(scenes: Scenes, tmp_path: Path) -> None:
    pool = prepare(scenes, N, 0, tmp_path, "same")
    one, same, other = batches_of(pool, 8), batches_of(pool, 8), batches_of(pool, 8, seed=1)
    assert all(torch.equal(a[0], b[0]) for a, b in zip(one, same, strict=True))
    assert not all(torch.equal(a[0], b[0]) for a, b in zip(one, other, strict=True))


def test_class_weights_make_classes_count_alike() -> None:
    label = np.array([0, 0, 0, 1, -1, 1, 0, 0])
    empty = np.zeros((8, 1, 1), np.float16)
    pool = Pool(empty, label, empty.astype(int), np.arange(8), np.arange(8), np.ones(8))
    live, recorded = pool.class_weights().tolist()
    assert live * 5 == pytest.approx(recorded * 2)
    assert live * 5 + recorded * 2 == pytest.approx(7)
    recorded_alone = replace(pool, scenes=np.array([3, 5]))
    assert recorded_alone.class_weights()[1] == 0.5
