"""What is done to scenes at each pass, and what it leaves alone."""

import math

import numpy as np
import pytest
import torch

from audio_model.frontend import N_MELS, log_mel
from audio_model.steps import FRAMES_PER_STEP, Heard
from training.data.scenes import IGNORED
from training.perturb import (
    COLOUR_KNOTS,
    SILENCE,
    Perturbation,
    mask,
    mix,
    perturb,
    recolour,
    start_at_the_voice,
    start_late,
    warp,
)

BACKGROUND, TONE, VOICE = (int(kind) for kind in Heard)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("dim", [1, 2])
def test_a_hidden_band_is_one_band(dim: int) -> None:
    masked = mask(torch.ones(300, N_MELS, 30), dim, 6, seeded())
    widths = set()
    for scene in masked:
        band = scene if dim == 1 else scene.T
        assert (band == band[:, :1]).all()
        edges = torch.diff(band[:, 0], prepend=torch.ones(1), append=torch.ones(1)).abs().sum()
        assert edges in (0, 2)
        widths.add(int((band[:, 0] == 0).sum()))
    assert widths == set(range(7))


def test_recolouring_is_a_response_that_is_constant_in_time() -> None:
    scenes = torch.randn(2000, N_MELS, 5)
    offset = recolour(scenes, 2.0, seeded()) - scenes
    torch.testing.assert_close(offset, offset[..., :1].expand_as(offset), atol=1e-5, rtol=0)
    bends = (torch.diff(offset[..., 0], n=2, dim=1).abs() > 1e-5).sum(dim=1)
    assert bends.max() <= 2 * (COLOUR_KNOTS - 2)
    # Level and response are independent; ln of power over LOG_SCALE: 2 dB are 0.115.
    expected = 2 * math.sqrt(2) * math.log(10) / 10 / 4
    assert offset[:, 0, 0].std() == pytest.approx(expected, rel=0.1)
    assert torch.equal(recolour(scenes, 0.0, seeded()), scenes)


def test_warping_moves_a_peak_and_keeps_time() -> None:
    scenes = torch.zeros(400, N_MELS, 3)
    scenes[:, 20] = torch.tensor([1.0, 2.0, 3.0])
    warped = warp(scenes, 0.12, seeded())
    centre = (warped[..., 0] * torch.arange(N_MELS)).sum(1) / warped[..., 0].sum(1)
    # 20 / (1 + 0.12) - 0.12 * 8 and the other way, within a mel.
    assert 16 < centre.min() < 18
    assert 22.5 < centre.max() < 24.5
    torch.testing.assert_close(warped[..., 2], 3 * warped[..., 0])
    assert torch.equal(warp(scenes, 0.0, seeded()), scenes)


def test_warping_stays_within_the_mels() -> None:
    scenes = torch.rand(400, N_MELS, 2)
    warped = warp(scenes, 0.3, seeded())
    assert torch.isfinite(warped).all()
    assert warped.min() >= 0
    assert warped.max() <= 1


def test_mixing_tells_how_much_is_recorded() -> None:
    label = torch.tensor([0, 1] * 100)
    scenes = label[:, None, None].float().expand(-1, N_MELS, 4)
    mixed, recorded = mix(scenes, label, 0.4, seeded())
    torch.testing.assert_close(mixed[:, 0, 0], recorded)
    assert ((recorded - label).abs() <= 0.4).all()
    assert ((recorded - label).abs() > 0.2).sum() > 20
    assert torch.equal(mix(scenes, label, 0.0, seeded())[0], scenes)


def test_what_has_no_class_is_mixed_with_nothing() -> None:
    label = torch.tensor([IGNORED, 1] * 50)
    scenes = label[:, None, None].float().expand(-1, N_MELS, 4)
    mixed, recorded = mix(scenes, label, 0.4, seeded())
    assert torch.equal(mixed, scenes)
    assert torch.equal(recorded, label.float())


def test_nothing_is_changed_where_all_is_off() -> None:
    scenes, label = torch.randn(4, N_MELS, 24), torch.tensor([0, 1, 0, IGNORED])
    held = torch.full((4, 3), VOICE)
    off = Perturbation(
        at_the_voice=0, late_frames=0, recolour_db=0, warp=0, mel_mask=0, frame_mask=0, mix=0
    )
    same, recorded, same_held = perturb(scenes, label, held, off, seeded())
    assert torch.equal(same, scenes)
    assert torch.equal(recorded, label.float())
    assert torch.equal(same_held, held)


def test_the_generator_gives_the_change() -> None:
    scenes, label = torch.randn(8, N_MELS, 80), torch.tensor([0, 1] * 4)
    held = torch.full((8, 10), VOICE)
    one, same, other = (
        perturb(scenes, label, held, Perturbation(), seeded(seed))[0] for seed in (0, 0, 1)
    )
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_a_scene_can_begin_at_its_voice() -> None:
    """The step before the first voice or that voice, and what follows in its order."""
    held = torch.tensor([[BACKGROUND] * 5 + [VOICE, BACKGROUND, VOICE]]).repeat(100, 1)
    step_number = torch.arange(8).repeat_interleave(FRAMES_PER_STEP).float()
    scenes = step_number.expand(100, N_MELS, -1).clone()
    generator = torch.Generator().manual_seed(0)
    moved, moved_held = start_at_the_voice(scenes, held, 1.0, generator)
    firsts = set()
    for scene, of in zip(moved, moved_held, strict=True):
        first = int(scene[0, 0])
        firsts.add(first)
        assert torch.equal(of[: 8 - first], held[0, first:])
        assert (of[8 - first :] == IGNORED).all()
        assert torch.equal(scene[:, : 8 * (8 - first)], scenes[0, :, 8 * first :])
        assert (scene[:, 8 * (8 - first) :] == SILENCE).all()
    assert firsts == {4, 5}
    stays, same = start_at_the_voice(scenes, held, 0.0, generator)
    assert torch.equal(stays, scenes)
    assert torch.equal(same, held)


@pytest.mark.parametrize("kind", [BACKGROUND, TONE, IGNORED])
def test_a_scene_without_voice_begins_where_it_did(kind: int) -> None:
    scenes, held = torch.randn(4, N_MELS, 24), torch.full((4, 3), kind)
    moved, same = start_at_the_voice(scenes, held, 1.0, torch.Generator().manual_seed(0))
    assert torch.equal(moved, scenes)
    assert torch.equal(same, held)


def test_a_scene_can_begin_late() -> None:
    """By each number of frames up to the most; a step is what its middle held before."""
    held = torch.tensor([[BACKGROUND, VOICE, TONE, VOICE, BACKGROUND, VOICE]]).repeat(200, 1)
    n_frames = 6 * FRAMES_PER_STEP
    scenes = torch.arange(n_frames).float().expand(200, N_MELS, -1).clone()
    of_frame = held[0].repeat_interleave(FRAMES_PER_STEP)
    moved, moved_held = start_late(scenes, held, FRAMES_PER_STEP - 1, seeded())
    met = set()
    for scene, of in zip(moved, moved_held, strict=True):
        late = int(scene[0, 0])
        met.add(late)
        assert torch.equal(scene[:, : n_frames - late], scenes[0, :, late:])
        assert (scene[:, n_frames - late :] == SILENCE).all()
        for step, kind in enumerate(of.tolist()):
            middle = FRAMES_PER_STEP * step + FRAMES_PER_STEP // 2 + late
            assert kind == (of_frame[middle] if middle < n_frames else IGNORED)
    assert met == set(range(FRAMES_PER_STEP))
    stays, same = start_late(scenes, held, 0, seeded())
    assert torch.equal(stays, scenes)
    assert torch.equal(same, held)


def test_silence_is_what_the_front_end_says_it_is() -> None:
    np.testing.assert_allclose(log_mel(np.zeros(800, np.float32)), SILENCE, rtol=1e-5)
