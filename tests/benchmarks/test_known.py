from pathlib import Path

import numpy as np
import pytest

from audio_model.audio import read
from audio_model.errors import UsageError
from benchmarks.known.costs import measure
from benchmarks.known.peers import Audfprint, HaitsmaKalker, Landmarks, Ours, Peer
from benchmarks.known.slips import Slip, at_speed, at_tempo, slip, slips
from benchmarks.known.speech import CODECS, Clip, Line, as_learnt, load, lose, query
from tests.known.calls import cut, played, spoken

SAMPLES = Path(__file__).parents[2] / "samples"


@pytest.mark.parametrize("peer", [Ours(), HaitsmaKalker(), Landmarks()])
def test_each_peer_finds_a_recording_in_a_clean_call(peer: Peer) -> None:
    recordings = [spoken(6, seed) for seed in range(4)]
    peer.learn(recordings)
    index, alike = peer.best(played(cut(recordings[2], 1, 4), seed=0, snr_db=30))
    assert index == 2
    assert alike > peer.best(spoken(4, seed=9))[1]


@pytest.mark.skipif(not Audfprint.installed(), reason="audfprint2 is not installed")
def test_audfprint_finds_a_recording_and_nothing_in_silence() -> None:
    names = ("recorded-prompt-it.wav", "recorded-prompt-en.wav", "recorded-tts-en.flac")
    recordings = [read(SAMPLES / name, max_seconds=6) for name in names]
    peer = Audfprint()
    peer.learn(recordings)
    index, hashes = peer.best(cut(recordings[1], 0.5, 4))
    assert index == 1 and hashes > 10
    assert peer.best(np.zeros(16_000, np.float32)) == (-1, 0.0)


def test_a_query_is_what_the_recording_has_at_its_offset() -> None:
    clip = Clip("clip.wav", "voice", spoken(6, seed=1))
    rng = np.random.default_rng(3)
    _, codec = as_learnt(clip, rng)
    asked = query([clip], 0, 3.0, Line(CODECS[0], 60, 0.0), codec, rng)
    begin = max(0, round(-asked.offset * 8000))
    heard = asked.samples[begin + 2000 :][:8000]
    said = clip.samples[round(asked.offset * 8000) + begin + 2000 :][:8000]
    assert np.corrcoef(heard, said)[0, 1] > 0.99


def test_packets_are_lost_as_often_as_asked() -> None:
    lost = lose(np.ones(8000 * 60, np.float32), 0.1, np.random.default_rng(0))
    assert (lost != 1).mean() == pytest.approx(0.1, abs=0.02)


@pytest.mark.parametrize("kind", list(Slip))
def test_a_slip_moves_what_comes_behind_it(kind: Slip) -> None:
    samples = spoken(3, seed=2)
    moved = slip(samples, kind, at=12_000, n_samples=400)
    change = -400 if kind in (Slip.DROP, Slip.SQUEEZE) else 400
    assert len(moved) == len(samples) + change
    np.testing.assert_array_equal(moved[-8000:], samples[-8000:])
    np.testing.assert_array_equal(moved[:8000], samples[:8000])


def test_slips_are_as_many_as_asked() -> None:
    samples = spoken(3, seed=2)
    moved = slips(samples, (20.0, 20.0, 20.0), np.random.default_rng(1))
    assert abs(len(moved) - len(samples)) in (160, 480)


@pytest.mark.parametrize("speed", [0.97, 1.03])
def test_speed_changes_pitch_and_tempo_alone_does_not(speed: float) -> None:
    tone = np.sin(2 * np.pi * 1000 * np.arange(16_000) / 8000).astype(np.float32)
    for play, pitch in ((at_speed, 1000 * speed), (at_tempo, 1000)):
        played = play(tone, speed)
        assert len(played) == pytest.approx(16_000 / speed, abs=2)
        spectrum = np.abs(np.fft.rfft(played[400:-400] * np.hanning(len(played) - 800)))
        found = spectrum.argmax() * 8000 / (len(played) - 800)
        assert found == pytest.approx(pitch, abs=2)


def test_a_store_is_measured() -> None:
    known = [spoken(4, seed) for seed in range(3)]
    rng = np.random.default_rng(0)
    measured = measure(40, 10.0, known, {"3 s": [cut(known[0], 0, 3)]}, [known[1]], rng)
    assert measured.minutes == pytest.approx((37 * 10 + 3 * 3.5) / 60, rel=0.02)
    assert measured.kilobytes_a_minute > 5
    assert measured.cpu_ms["3 s"] > 0 and min(measured.leg_ms.values()) > 0


def test_a_folder_without_a_manifest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"has no manifest\.csv"):
        load(tmp_path)
