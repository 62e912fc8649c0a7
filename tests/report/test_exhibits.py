from pathlib import Path

import numpy as np
import pytest
import soundfile

from audio_model.audio import Encoding, RawFormat
from audio_model.companding import mulaw_encode
from audio_model.detector import Detector
from audio_model.report.exhibits import Exhibitor, parse_curve, parse_raw_format, parse_stretch
from audio_model.tables.results import Outcome, Result
from tests import sounds
from tests.report import made


@pytest.fixture(scope="module")
def shipped() -> Detector:
    return Detector.load()


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "a.wav"
    soundfile.write(path, sounds.voice(7, played=True), sounds.SAMPLE_RATE)
    return path


def scored(detector: Detector, path: Path, **more: object) -> Result:
    verdict = detector.score(path)
    return made.result(path.name, Outcome(verdict.verdict), verdict.score, **more)


def test_a_recording_is_heard_again_as_the_run_heard_it(shipped: Detector, recording: Path) -> None:
    result = scored(shipped, recording)
    exhibit = Exhibitor(shipped, {}, recording.parent).exhibit(result)
    assert exhibit.samples is not None
    assert len(exhibit.samples) == 6 * sounds.SAMPLE_RATE
    evidence = shipped.score(recording).evidence
    assert [at for at, _ in exhibit.curve] == list(evidence.times)
    np.testing.assert_allclose([score for _, score in exhibit.curve], evidence.scores, atol=1e-5)
    assert exhibit.strongest == evidence.strongest
    assert (exhibit.problem, exhibit.score_now) == ("", None)


def test_another_models_score_draws_no_curve(shipped: Detector, recording: Path) -> None:
    result = made.result(recording.name, Outcome.LIVE, 0.01)
    exhibit = Exhibitor(shipped, {}, recording.parent).exhibit(result)
    assert exhibit.samples is not None
    assert not exhibit.curve
    assert exhibit.score_now == pytest.approx(shipped.score(recording).score, abs=1e-5)


def test_the_curve_of_the_row_needs_no_model(shipped: Detector, recording: Path) -> None:
    row = made.result(recording.name, curve=[[0.08, 0.4], [0.16, 0.9]], strongest=[0, 0.16])
    exhibit = Exhibitor(shipped, {}, recording.parent).exhibit(row)
    assert exhibit.curve == [(0.08, 0.4), (0.16, 0.9)]
    assert exhibit.strongest == (0.0, 0.16)
    assert exhibit.score_now is None


@pytest.mark.parametrize("content", [None, b"", b"RIFF junk", b"x" * 100])
def test_what_cannot_be_read_is_said(
    shipped: Detector, tmp_path: Path, content: bytes | None
) -> None:
    if content is not None:
        (tmp_path / "a.wav").write_bytes(content)
    exhibit = Exhibitor(shipped, {}, tmp_path).exhibit(made.result("a.wav"))
    assert exhibit.samples is None
    assert exhibit.problem


def test_a_decoder_that_fails_in_its_own_way_is_said(
    shipped: Detector, recording: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("in the\ndecoder")

    monkeypatch.setattr("audio_model.audio.read", fail)
    exhibit = Exhibitor(shipped, {}, recording.parent).exhibit(made.result(recording.name))
    assert exhibit.problem == "ZeroDivisionError: in the decoder"


def test_the_runs_channel_and_format_are_taken(shipped: Detector, tmp_path: Path) -> None:
    stereo = np.stack([sounds.tone(1), sounds.silence(1)], axis=1)
    soundfile.write(tmp_path / "s.wav", stereo, sounds.SAMPLE_RATE)
    row = made.result("s.wav", seconds=1.0)
    right = Exhibitor(shipped, {"channel": "right"}, tmp_path).exhibit(row).samples
    left = Exhibitor(shipped, {"channel": "each"}, tmp_path)
    left_samples = left.exhibit(made.result("s.wav", seconds=1.0, channel="left")).samples
    assert right is not None and not right.any()
    assert left_samples is not None and np.abs(left_samples).max() > 0.2

    pcm = (sounds.tone(1) * 32767).astype(np.int16)
    (tmp_path / "tap.bin").write_bytes(mulaw_encode(pcm).tobytes())
    exhibitor = Exhibitor(shipped, {"raw": "mulaw 8000 1"}, tmp_path)
    samples = exhibitor.exhibit(made.result("tap.bin", seconds=1.0)).samples
    assert samples is not None
    np.testing.assert_allclose(samples, sounds.tone(1), atol=0.02)


def test_names_with_escapes_are_found(shipped: Detector, tmp_path: Path) -> None:
    name = "b\udcff.wav"
    soundfile.write(str(tmp_path / "x.wav"), sounds.tone(1), sounds.SAMPLE_RATE)
    (tmp_path / "x.wav").rename(tmp_path / name)
    exhibit = Exhibitor(shipped, {}, tmp_path).exhibit(made.result("b\\xff.wav", seconds=1.0))
    assert exhibit.samples is not None


@pytest.mark.parametrize(
    "value",
    [None, "x", 3, [1, 2], [["a", 0.5]], [[0.1, 2.0]], [[-1, 0.5]], [[0.1, float("nan")]], [[0.1]]],
)
def test_what_is_no_curve_is_none(value: object) -> None:
    assert not parse_curve(value)
    assert parse_stretch(value if value != [1, 2] else [2, 1]) is None


def test_raw_formats_are_parsed() -> None:
    assert parse_raw_format("alaw 16000 2") == RawFormat(Encoding.ALAW, 16000, 2)
    assert parse_raw_format(None) is None
