"""streamdouble calls the server as Twilio does: with loss and jitter, and both of its verbs."""

import base64
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from audio_model.companding import mulaw_decode, mulaw_encode
from audio_model.detector import Detector
from tests.gateway.peers import python_peers
from tests.gateway.process import ServerProcess

pytestmark = [
    pytest.mark.peer,
    pytest.mark.slow,
    pytest.mark.skipif(
        not python_peers.has("streamdouble"), reason=python_peers.missing("streamdouble")
    ),
]

SCRIPT = python_peers.ROOT / "tests" / "gateway" / "peers" / "streamdouble_call.py"
SAMPLES = python_peers.ROOT / "samples"
PACKET_BYTES, PACKET_MS = 160, 20
SILENCE = b"\xff"


@pytest.fixture
def server(serve: Callable[..., ServerProcess]) -> ServerProcess:
    return serve()


@dataclass
class Placed:
    """A call that is over, by streamdouble's own account."""

    call_id: str
    lost: int
    received: int
    violations: list[str]
    closed_early: bool
    sent: list[dict[str, Any]]

    def audio(self) -> bytes:
        """The inbound track on its own time line: what was lost is silence."""
        ours = [packet for packet in self.sent if packet["track"] == "inbound"]
        begin = ours[0]["timestamp_ms"]
        packets = {
            (packet["timestamp_ms"] - begin) // PACKET_MS: base64.b64decode(packet["payload"])
            for packet in ours
        }
        silence = SILENCE * PACKET_BYTES
        return b"".join(packets.get(n, silence) for n in range(max(packets) + 1))


def place(
    server: ServerProcess,
    audio: bytes,
    *,
    loss: float = 0.0,
    jitter_ms: float = 0.0,
    fork: bool = False,
    agent_audio: bytes = b"",
) -> Placed:
    asked = {
        "url": server.ws_url + "/twilio",
        "audio": base64.b64encode(audio).decode(),
        "agent_audio": base64.b64encode(agent_audio).decode(),
        "loss": loss,
        "jitter_ms": jitter_ms,
        "seed": 7,
        "fork": fork,
    }
    return Placed(**python_peers.ask(SCRIPT, asked))


def ulaw(name: str, seconds: float) -> bytes:
    """The first seconds of a sample of 8 kHz, in µ-law."""
    samples = np.frombuffer((SAMPLES / name).read_bytes(), np.uint8)
    if name.endswith(".wav"):
        import soundfile

        pcm, rate = soundfile.read(SAMPLES / name, dtype="int16")
        assert rate == 8000
        samples = mulaw_encode(pcm)
    return samples[: round(seconds * 8000)].tobytes()


def check(server: ServerProcess, placed: Placed, audio: bytes) -> None:
    """The server gave the score that this audio has offline, over the seconds that it heard."""
    final = server.final(placed.call_id)
    assert final["gateway"] == "twilio" and final["leg"] == "caller"
    assert final["reason"] not in ("error", "no_audio", "overload")
    heard = round(final["seconds"] * 8000)
    assert heard > 2 * 8000
    samples = mulaw_decode(np.frombuffer(audio, np.uint8)[:heard]).astype(np.float32) / 32768
    offline = Detector.load().score_samples(samples, 8000)
    assert final["score"] == pytest.approx(offline.score, abs=1e-5)
    assert final["verdict"] == offline.verdict


def passed(placed: Placed) -> None:
    """The call was left alone: nothing was said to Twilio, and it was Twilio that closed."""
    assert placed.received == 0
    assert placed.violations == []
    assert not placed.closed_early


@pytest.mark.parametrize("name", ["live-testing.ulaw", "recorded-prompt-en.wav"])
def test_a_good_connection(server: ServerProcess, name: str) -> None:
    audio = ulaw(name, 3.5)
    placed = place(server, audio)
    passed(placed)
    assert placed.audio() == audio[: len(placed.audio())]
    check(server, placed, audio)


@pytest.mark.parametrize("name", ["live-testing.ulaw", "recorded-prompt-en.wav"])
def test_three_percent_loss_and_jitter(server: ServerProcess, name: str) -> None:
    placed = place(server, ulaw(name, 3.5), loss=0.03, jitter_ms=40)
    passed(placed)
    assert placed.lost > 0
    check(server, placed, placed.audio())


def test_a_fork_of_both_tracks(server: ServerProcess) -> None:
    audio = ulaw("recorded-prompt-en.wav", 3.5)
    placed = place(server, audio, fork=True, agent_audio=ulaw("live-testing.ulaw", 3.5))
    passed(placed)
    assert {packet["track"] for packet in placed.sent} == {"inbound", "outbound"}
    check(server, placed, audio)
