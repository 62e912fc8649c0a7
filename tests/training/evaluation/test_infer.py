"""What the network says of takes is what the detector will say of them."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from audio_model.detector import Detector
from audio_model.frontend import HOP_LENGTH
from audio_model.steps import STEP_SAMPLES, Heard
from tests import fixture, sounds
from tests.training import heard, made, readout
from training.augment import Line, MatchedChannel, Surroundings
from training.data.scenes import Sound
from training.evaluation.infer import BATCH_SIZE, hear, listen, matched, raw, through_lines
from training.network import Network

NOTHING = Surroundings([], [], [])


@pytest.fixture(scope="module")
def network() -> Network:
    return readout.network()


@pytest.fixture(scope="module")
def voices() -> list[Sound]:
    lengths = (3.0, 0.5, 6.2, 0.05, 1.234)
    return [
        made.sound(
            sounds.voice(seconds, n, played=bool(n % 2)), made.clip(f"{n}.wav", n % 2, source="s")
        )
        for n, seconds in enumerate(lengths)
    ]


def test_the_detector_says_the_same(
    network: Network, detector: Detector, voices: list[Sound]
) -> None:
    """Evaluation by PyTorch, deployment by ONNX Runtime: one and the same score."""
    takes = raw(voices)
    for of, take in zip(takes, hear(network, takes), strict=True):
        verdict = detector.score_samples(of.samples, 8000)
        assert take.seconds == min(len(of.samples) / 8000, 6)
        odds = take.log_odds(fixture.RULE.calibration)
        np.testing.assert_allclose(1 / (1 + np.exp(-odds)), verdict.evidence.scores, atol=1e-4)
        if len(odds):
            assert take.voice_seconds[-1] == pytest.approx(verdict.speech_seconds)
            assert take.steps.logit[-1] == pytest.approx(verdict.logit, abs=1e-4)


@pytest.mark.parametrize("lead", [0.0, 0.4, 4.0])
def test_of_a_take_is_heard_what_the_detector_hears(
    network: Network, detector: Detector, lead: float
) -> None:
    """A late voice is heard from where it begins, and nothing for more than the rule's 6 s."""
    call = np.concatenate([sounds.silence(lead), sounds.voice(8, 3, played=True)])
    at_once = made.sound(sounds.voice(8, 4), made.clip("at once.wav", 0))
    takes = raw([at_once, made.sound(call, made.clip("call.wav", 1)), at_once])
    takes_heard = hear(network, takes)
    for of, take in zip(takes, takes_heard, strict=True):
        verdict = detector.score_samples(of.samples, 8000)
        assert take.seconds == 6 and len(take.steps) == len(verdict.evidence.times) == 75
        odds = take.log_odds(fixture.RULE.calibration)
        np.testing.assert_allclose(1 / (1 + np.exp(-odds)), verdict.evidence.scores, atol=1e-4)
    assert hear(network, takes, seconds=2)[1].seconds == 2


def test_a_take_does_not_depend_on_its_batch(network: Network, voices: list[Sound]) -> None:
    takes = raw(voices)
    together = [part.steps for part in listen(network, takes * (BATCH_SIZE // 2))]
    for n, take in enumerate(takes):
        ((samples, alone),) = listen(network, [take])
        assert len(alone) == len(samples) // STEP_SAMPLES == min(len(take.samples), 48000) // 640
        for steps in (together[n], together[n - len(takes)]):
            np.testing.assert_allclose(steps.logit, alone.logit, atol=1e-5)
            np.testing.assert_allclose(steps.heard, alone.heard, atol=1e-5)
            np.testing.assert_array_equal(steps.level_db, alone.level_db)


def test_listening_changes_nothing(network: Network, voices: list[Sound]) -> None:
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    assert len(list(listen(network.train(), raw(voices)))) == len(voices)
    assert not network.training
    assert all(torch.equal(before[name], t) for name, t in network.state_dict().items())


def test_lines_depend_on_the_clip_s_name_and_the_seed_alone(voices: list[Sound]) -> None:
    def lines(sounds_in: list[Sound], seed: int) -> dict[str, list[np.ndarray]]:
        drawn: dict[str, list[np.ndarray]] = {}
        for take in through_lines(sounds_in, NOTHING, Line(), lines=2, seed=seed):
            drawn.setdefault(take.clip.name, []).append(take.samples)
        return drawn

    forwards, backwards = lines(voices, 0), lines(voices[::-1], 0)
    other_seed = lines(voices, 1)
    renamed = lines([replace(voices[0], clip=made.clip("renamed", 0))], 0)["renamed"]
    for name, (first, second) in forwards.items():
        np.testing.assert_array_equal(first, backwards[name][0])
        np.testing.assert_array_equal(second, backwards[name][1])
        assert not np.array_equal(first, second)
        assert not np.array_equal(first, other_seed[name][0])
    assert not np.array_equal(renamed[0], forwards["0.wav"][0])


def test_a_take_through_a_line_ends_with_its_clip(voices: list[Sound]) -> None:
    for take, voice in zip(
        through_lines(voices, NOTHING, Line(), lines=1, seed=0), voices, strict=True
    ):
        assert take.condition == "line"
        assert len(take.samples) % HOP_LENGTH == 0
        assert len(take.samples) == min(len(voice.samples) // HOP_LENGTH, 640) * HOP_LENGTH


def test_both_classes_start_at_most_0_1_s_before_the_first_word() -> None:
    active = np.arange(300) >= 150
    samples = np.repeat(active, HOP_LENGTH).astype(np.float32)
    quiet_line = Line(*[0.0] * 22)  # type: ignore[arg-type]
    for n in range(20):
        voice = made.sound(samples, made.clip(f"{n}", n % 2), active)
        (take,) = through_lines([voice], NOTHING, quiet_line, lines=1, seed=0)
        assert np.argmax(take.samples > 0) < 0.1 * 8000


def test_matched_takes_share_onset_level_and_floor(voices: list[Sound]) -> None:
    gains = (1, 0.1, 0.5, 1, 0.02)
    loud = [replace(v, samples=v.samples * g) for v, g in zip(voices, gains, strict=True)]
    takes = matched(loud, MatchedChannel(), seed=0)
    assert {take.condition for take in takes} == {"matched"}
    long = [take.samples for take in takes if len(take.samples) > 8000]
    levels = [20 * np.log10(np.sqrt(np.mean(x[:8000] ** 2))) for x in long]
    assert max(levels) - min(levels) < 6
    again = matched(loud[::-1], MatchedChannel(), seed=0)[::-1]
    for one, other in zip(takes, again, strict=True):
        np.testing.assert_array_equal(one.samples, other.samples)


def test_a_matched_take_with_a_bed_has_it_at_its_level(voices: list[Sound]) -> None:
    bed = np.random.default_rng(0).standard_normal(80_000).astype(np.float32)
    clean = matched(voices[:1], MatchedChannel(), seed=0)[0].samples
    noisy, noisier = (
        matched(voices[:1], MatchedChannel(snr_db=snr), seed=0, condition="snr", beds=[bed])[0]
        for snr in (20.0, 0.0)
    )
    assert noisy.condition == "snr"
    assert np.std(noisier.samples - clean) > 2 * np.std(noisy.samples - clean) > 0


def test_corpora_weigh_alike_then_sources_and_tones_are_left_out(network: Network) -> None:
    x = sounds.voice(0.5)
    of = [("a1", "a", "x"), ("a2", "a", "x"), ("b1", "b", "x"), ("c1", "c", "y")]
    voices = [
        made.sound(x, made.clip(name, 1, source=source, corpus=corpus))
        for name, source, corpus in of
    ]
    tone = made.sound(x, made.clip("t", None))
    takes = raw([*voices, tone]) + through_lines(voices[:1], NOTHING, Line(), lines=2, seed=0)
    answers = hear(network, takes)
    assert [h.clip.name for h in answers] == ["a1", "a2", "b1", "c1", "a1", "a1"]
    assert [h.weight for h in answers] == pytest.approx([1 / 4, 1 / 4, 1 / 2, 1, 1 / 2, 1 / 2])
    assert [h.label for h in answers] == [1] * 6


def test_voice_is_counted_as_the_decision_counts_it() -> None:
    kinds = [Heard.VOICE, Heard.TONE, Heard.VOICE, Heard.BACKGROUND, Heard.VOICE]
    take = heard.take([0.0] * 5, 1, "a", kinds=kinds)
    np.testing.assert_allclose(take.voice_seconds, [0.08, 0.08, 0.16, 0.16, 0.24])


@pytest.mark.parametrize(
    ("seconds", "index"), [(0.08, 0), (0.1, 0), (0.16, 1), (0.24, 2), (0.4, 4), (2.0, 9)]
)
def test_the_last_step_within_some_seconds(seconds: float, index: int) -> None:
    assert heard.take([0.0] * 10, 1, "a").last_step(seconds) == index
