"""The sample recordings: complete, licensed, small, and scored as their manifest says."""

import csv
from pathlib import Path

import pytest

from audio_model.audio import Channel
from audio_model.decision import Verdict, VerdictKind
from audio_model.detector import Detector
from audio_model.errors import AudioError

SAMPLES = Path(__file__).parents[1] / "samples"
CORRUPT = "corrupt.wav"
NOT_AUDIO = {".py", ".md", ".csv"}


def rows() -> list[dict[str, str]]:
    with (SAMPLES / "manifest.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


READABLE = [row for row in rows() if row["path"] != CORRUPT]


@pytest.fixture(scope="module")
def detector() -> Detector:
    return Detector.load()


def test_manifest_lists_every_recording() -> None:
    present = {
        path.name for path in SAMPLES.iterdir() if path.is_file() and path.suffix not in NOT_AUDIO
    }
    assert sorted(row["path"] for row in rows()) == sorted(present)


def test_both_classes_and_several_formats() -> None:
    assert {row["label"] for row in rows()} == {"0", "1", ""}
    assert len({row["format"] for row in rows()}) >= 8


def test_recordings_are_small() -> None:
    assert sum((SAMPLES / row["path"]).stat().st_size for row in rows()) < 600_000


@pytest.mark.parametrize("row", rows(), ids=lambda row: row["path"])
def test_source_and_licence_are_told(row: dict[str, str]) -> None:
    assert f"`{row['path']}`" in (SAMPLES / "SOURCES.md").read_text(encoding="utf-8")
    texts = {path.stem for path in (SAMPLES / "licences").iterdir()}
    named = {part.split(" ")[0].removesuffix("-or-later") for part in row["licence"].split(", ")}
    assert named <= texts


@pytest.mark.parametrize("row", READABLE, ids=lambda row: row["path"])
def test_verdict_never_contradicts_the_manifest(detector: Detector, row: dict[str, str]) -> None:
    verdict = detector.score(SAMPLES / row["path"])
    assert verdict.verdict in {VerdictKind(row["expected"]), VerdictKind.UNKNOWN}
    assert verdict.seconds > 2.0


def test_most_recordings_get_the_verdict_that_is_right(detector: Detector) -> None:
    """All six recordings and two of the five live callers; who is not told is unknown."""
    voices = [row for row in READABLE if row["label"]]
    right = [
        row["path"]
        for row in voices
        if detector.score(SAMPLES / row["path"]).verdict == row["expected"]
    ]
    assert len(voices) == 11
    n_live = sum(path.startswith("live") for path in right)
    assert n_live >= 2
    assert len(right) - n_live == 6


def test_legs_of_the_stereo_call_differ(detector: Detector) -> None:
    def leg(channel: Channel) -> Verdict:
        return detector.score(SAMPLES / "stereo-call.wav", channel=channel)

    assert leg(Channel.LEFT).logit > leg(Channel.RIGHT).logit


def test_corrupt_recording_cannot_be_read(detector: Detector) -> None:
    with pytest.raises(AudioError, match=CORRUPT):
        detector.score(SAMPLES / CORRUPT)
