import json
import os
import wave
from pathlib import Path
from threading import Event as ThreadEvent

import numpy as np
import pytest

from audio_model.companding import mulaw_decode
from audio_model.decision import VerdictKind
from audio_model.errors import UsageError
from audio_model.formats import Encoding, RawFormat
from audio_model.gateway.events import CallInfo, Event, EventKind
from audio_model.gateway.outlets import keep
from audio_model.gateway.outlets.keep import AudioKeeper
from audio_model.gateway.outlets.metrics import Metrics
from audio_model.gateway.outlets.security import NumberHasher
from tests.gateway.fakes import verdict

MULAW = RawFormat(Encoding.MULAW)


def keeper(folder: Path, max_bytes: int = 1_000_000, *, hide: bool = True) -> AudioKeeper:
    return AudioKeeper(folder, max_bytes, Metrics(), NumberHasher(hide=hide))


def event(call: str = "CA1", time: float = 1_700_000_000.25) -> Event:
    info = CallInfo(call, "twilio", "+15550100", "+15550199", {"note": "+15550100"})
    return Event(EventKind.FINAL, info, "caller", verdict(VerdictKind.UNKNOWN), time=time)


def test_audio_is_kept_as_it_came_beside_its_event(tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    keeping = keeper(folder)
    payload = bytes(range(256))
    keeping(event(), MULAW, payload)
    keeping.close()
    sound, about = sorted(folder.iterdir(), reverse=True)
    assert sound.name == "unknown-20231114T221320.250Z-twilio-CA1-caller.wav"
    assert about.name == sound.name.removesuffix("wav") + "json"
    with wave.open(str(sound)) as file:
        assert (file.getnchannels(), file.getframerate(), file.getsampwidth()) == (1, 8000, 2)
        pcm = np.frombuffer(file.readframes(1000), "<i2")
    assert np.array_equal(pcm, mulaw_decode(np.frombuffer(payload, np.uint8)))
    values = json.loads(about.read_text())
    assert (values["call"], values["verdict"]) == ("CA1", "unknown")
    assert "5550100" not in about.read_text() and values["caller"].startswith("#")
    for path in (sound, about):
        assert path.stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    ("encoding", "payload", "pcm"),
    [(Encoding.S16LE, b"\x01\x00\xff\xff\x07", [1, -1]), (Encoding.ALAW, b"\xd5", [8])],
)
def test_every_encoding_is_kept_as_pcm(
    tmp_path: Path, encoding: Encoding, payload: bytes, pcm: list[int]
) -> None:
    keeping = keeper(tmp_path)
    keeping(event(), RawFormat(encoding, 16_000), payload)
    keeping.close()
    (path,) = tmp_path.glob("*.wav")
    with wave.open(str(path)) as file:
        assert file.getframerate() == 16_000
        assert np.frombuffer(file.readframes(10), "<i2").tolist() == pcm


def test_names_stay_in_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    keeping = keeper(folder)
    for call in ("../../etc/passwd", "a/b", "\x00", "通话", "x" * 5000, ""):
        keeping(event(call), MULAW, b"\xff" * 8)
    keeping.close()
    assert len(list(folder.glob("*.wav"))) == 6
    assert list(tmp_path.iterdir()) == [folder]


def test_the_oldest_go_and_nothing_else(tmp_path: Path) -> None:
    other = tmp_path / "mine.wav"
    other.write_bytes(b"x" * 100_000)
    keeping = keeper(tmp_path, 50_000)
    for n in range(20):
        keeping(event(f"call{n}", 1_700_000_000 + n), MULAW, b"\xff" * 4000)
    keeping.close()
    kept = sorted(tmp_path.glob("unknown-*"))
    assert sum(path.stat().st_size for path in kept) <= 50_000
    assert kept[-1].name.endswith("call19-caller.wav")
    assert not any("call0-" in path.name for path in kept)
    assert other.exists()
    # Another run of the server goes on with what is there.
    os.utime(kept[0], (1, 1))
    again = keeper(tmp_path, 50_000)
    again(event("last", 1_800_000_000), MULAW, b"\xff" * 4000)
    again.close()
    assert not kept[0].exists()
    assert sum(path.stat().st_size for path in tmp_path.glob("unknown-*")) <= 50_000


def test_a_slow_disk_drops_audio_and_delays_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keep, "MAX_WAITING", 3)
    metrics, go_on = Metrics(), ThreadEvent()
    keeping = AudioKeeper(tmp_path, 1_000_000, metrics, NumberHasher())
    monkeypatch.setattr(keep, "_wav", lambda *_: b"x" if go_on.wait(60) else b"")
    for n in range(10):
        keeping(event(str(n)), MULAW, b"")
    go_on.set()
    keeping.close()
    assert len(list(tmp_path.glob("*.wav"))) == 3
    text = metrics.text().decode()
    assert 'audio_model_kept_audio_total{outcome="dropped"} 7.0' in text
    assert 'audio_model_kept_audio_total{outcome="kept"} 3.0' in text


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
def test_a_full_disk_leaves_no_half_recordings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = os.open
    full = opened("/dev/full", os.O_WRONLY)

    def as_if_full(path: Path, flags: int, mode: int) -> int:
        os.close(opened(path, flags, mode))
        return os.dup(full)

    metrics = Metrics()
    keeping = AudioKeeper(tmp_path, 1_000_000, metrics, NumberHasher())
    monkeypatch.setattr(os, "open", as_if_full)
    keeping(event(), MULAW, bytes(100))
    keeping.close()
    os.close(full)
    assert list(tmp_path.iterdir()) == []
    assert 'audio_model_kept_audio_total{outcome="failed"} 1.0' in metrics.text().decode()


def test_a_folder_that_can_not_be_written_is_an_error_at_first_and_a_count_later(
    tmp_path: Path,
) -> None:
    with pytest.raises(UsageError, match=r"^--keep-audio: .*No such file"):
        keeper(tmp_path / "no" / "where")
    folder = tmp_path / "kept"
    metrics = Metrics()
    keeping = AudioKeeper(folder, 1_000_000, metrics, NumberHasher())
    folder.rmdir()
    keeping(event(), MULAW, b"")
    keeping.close()
    assert 'audio_model_kept_audio_total{outcome="failed"} 1.0' in metrics.text().decode()
