"""The list of sounds that may recur, made of packages that lie there already."""

from pathlib import Path

import numpy as np
import pytest

from audio_model.known import sounds as shipped
from audio_model.known.fingerprint import NOTHING
from tests import clips
from tests.sounds import silence, voice
from training.corpora import sounds as builder

LANGUAGE = "usr/share/asterisk/sounds/en_US_f_Allison"


def put(packages: Path, package: str, files: dict[str, np.ndarray]) -> None:
    """Lay an unpacked package where a download would have left it."""
    (packages / f"{package}_1%3a2.0_all.deb").touch()
    for name, samples in files.items():
        path = packages / f"{package}_1%3a2.0_all" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        clips.write(path, samples)


def test_the_list_holds_music_and_what_a_line_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    packages, output = tmp_path / "packages", tmp_path / "sounds.npz"
    packages.mkdir()
    put(packages, builder.MUSIC, {"usr/share/asterisk/moh/reno.wav": voice(4, 1)})
    english, *others = builder.PROMPTS
    put(
        packages,
        english,
        {
            f"{LANGUAGE}/queue-thankyou.wav": voice(4, 2),
            f"{LANGUAGE}/one-moment-please.wav": silence(4),  # nothing to be known by
            f"{LANGUAGE}/vm-password.wav": voice(4, 3),  # an owner hears it, no caller's line
        },
    )
    for package in others:
        put(packages, package, {"usr/share/doc/copyright.wav": silence(1)})
    monkeypatch.setattr(
        "sys.argv", ["sounds", "--packages", str(packages), "--output", str(output)]
    )
    builder.main()
    assert "2 sounds" in capsys.readouterr().out
    monkeypatch.setattr(shipped, "SOUNDS", output)
    music, prompt = shipped.sounds()
    assert music.name == "music on hold: reno"
    assert prompt.name == "en_US_f_Allison: queue-thankyou"
    path = packages / f"{english}_1%3a2.0_all" / LANGUAGE / "queue-thankyou.wav"
    assert np.array_equal(prompt.codes, builder.sound_of(path, "again").codes)
    assert (prompt.codes != NOTHING).any()
