"""pipecat's serializers speak these dialects too: what they write is heard here, and what is heard
here they read alike.

They stand on our side of the gateway, so what they write is what a gateway is sent; of Plivo's
messages that is called ``playAudio`` instead of ``media`` and is otherwise the same.
"""

import base64
import itertools
import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from audio_model.companding import alaw_decode, mulaw_decode
from audio_model.formats import Encoding
from audio_model.gateway.dialects.audiohook import AudioHook
from audio_model.gateway.dialects.base import Dialect
from audio_model.gateway.dialects.exotel import Exotel
from audio_model.gateway.dialects.plivo import Plivo
from audio_model.gateway.dialects.telnyx import Telnyx
from audio_model.gateway.dialects.twilio import Twilio
from audio_model.gateway.dialects.vonage import Vonage
from tests.gateway.fakes import FakeCalls, FakeConnection, FakeLeg
from tests.gateway.peers import python_peers

pytestmark = [
    pytest.mark.peer,
    pytest.mark.skipif(not python_peers.has("pipecat"), reason=python_peers.missing("pipecat-ai")),
]

SCRIPT = python_peers.ROOT / "tests" / "gateway" / "peers" / "pipecat_frames.py"
RATE, N_PACKETS = 8000, 50
PCM = (np.random.default_rng(4).normal(0, 3000, RATE // 50 * N_PACKETS).clip(-32000, 32000)).astype(
    "<i2"
)

Sent = str | bytes


def _start(**said: object) -> str:
    return json.dumps({"event": "start", "start": said})


def _telnyx(encoding: str) -> str:
    return _start(call_control_id="c", media_format={"encoding": encoding, "sample_rate": RATE})


_AUDIOHOOK_OPEN = json.dumps(
    {
        "version": "2",
        "type": "open",
        "seq": 1,
        "serverseq": 0,
        "id": "e160e428-53e2-487c-977d-96989bf5c99d",
        "position": "PT0S",
        "parameters": {
            "organizationId": "d7934305-0972-4844-938e-9060eef73d05",
            "conversationId": "090eaa2f-72fa-480a-83e0-8667ff89c0ec",
            "participant": {"id": "883efee8", "ani": "+1-555-555-1234", "dnis": "+1-800"},
            "media": [{"type": "audio", "format": "PCMU", "channels": ["external"], "rate": RATE}],
        },
    }
)

DIALECTS: dict[str, tuple[type[Dialect], str]] = {
    "twilio": (Twilio, _start(callSid="c")),
    "telnyx PCMU": (Telnyx, _telnyx("PCMU")),
    "telnyx PCMA": (Telnyx, _telnyx("PCMA")),
    "plivo": (
        Plivo,
        _start(callId="c", mediaFormat={"encoding": "audio/x-mulaw", "sampleRate": RATE}),
    ),
    "exotel": (
        Exotel,
        _start(call_sid="c", media_format={"encoding": "audio/x-raw", "sample_rate": str(RATE)}),
    ),
    "vonage": (
        Vonage,
        json.dumps({"event": "websocket:connected", "content-type": f"audio/l16;rate={RATE}"}),
    ),
    "audiohook": (AudioHook, _AUDIOHOOK_OPEN),
}
LINEAR = ("exotel", "vonage")
BINARY = ("vonage", "audiohook")


@dataclass
class Answer:
    written: dict[str, list[Sent]]
    read: dict[str, bytes]


def _messages(name: str) -> list[Sent]:
    """A gateway's messages, with every code that G.711 has."""
    codes = bytes(range(256)) * 5
    if name in BINARY:
        return [DIALECTS[name][1], *(codes[start : start + 160] for start in range(0, 1280, 160))]
    packets = (codes[start : start + 160] for start in range(0, len(codes), 160))
    packet_ms = 10 if name in LINEAR else 20
    return [
        DIALECTS[name][1],
        *(
            json.dumps(
                {
                    "event": "media",
                    "media": {
                        "track": "inbound",
                        "chunk": str(n),
                        "timestamp": str(packet_ms * n),
                        "payload": base64.b64encode(packet).decode(),
                    },
                }
            )
            for n, packet in enumerate(packets, 1)
        ),
    ]


@pytest.fixture(scope="module")
def pipecat() -> Answer:
    packets = [packet.tobytes() for packet in np.split(PCM, N_PACKETS)]
    asked: dict[str, Any] = {
        "rate": RATE,
        "packets": [base64.b64encode(packet).decode() for packet in packets],
        "messages": {name: [_packed(sent) for sent in _messages(name)] for name in DIALECTS},
    }
    answer = python_peers.ask(SCRIPT, asked)
    return Answer(
        {name: [_unpacked(sent) for sent in sents] for name, sents in answer["written"].items()},
        {name: base64.b64decode(pcm) for name, pcm in answer["read"].items()},
    )


def _packed(sent: Sent) -> object:
    return sent if isinstance(sent, str) else {"binary": base64.b64encode(sent).decode()}


def _unpacked(sent: Any) -> Sent:
    return sent if isinstance(sent, str) else base64.b64decode(sent["binary"])


def heard(name: str, sents: list[Sent]) -> np.ndarray:
    """PCM that the caller's leg was fed with."""
    calls = FakeCalls()
    dialect = DIALECTS[name][0](FakeConnection(), calls)  # type: ignore[arg-type]
    for sent in sents:
        if isinstance(sent, str):
            dialect.text(sent)
        else:
            dialect.binary(sent)
    (leg,) = calls.opened[0].legs
    assert leg.raw_format.sample_rate == RATE
    return _pcm(leg)


def _pcm(leg: FakeLeg) -> np.ndarray:
    assert all(b == a + 1 for (a, _), (b, _) in itertools.pairwise(leg.numbered))
    payload = b"".join([*leg.payloads, *(packet for _, packet in leg.numbered)])
    match leg.raw_format.encoding:
        case Encoding.MULAW:
            return mulaw_decode(np.frombuffer(payload, np.uint8))
        case Encoding.ALAW:
            return alaw_decode(np.frombuffer(payload, np.uint8))
        case Encoding.S16LE:
            return np.frombuffer(payload, "<i2")


@pytest.mark.parametrize("name", DIALECTS)
def test_what_pipecat_writes_is_heard(pipecat: Answer, name: str) -> None:
    written = pipecat.written[name]
    if name == "plivo":
        written = [str(sent).replace('"playAudio"', '"media"') for sent in written]
    pcm = heard(name, [DIALECTS[name][1], *written])
    assert len(pcm) == len(PCM)
    if name in LINEAR:
        assert np.array_equal(pcm, PCM)
    else:
        noise = pcm.astype(float) - PCM
        assert 10 * np.log10(np.mean(PCM.astype(float) ** 2) / np.mean(noise**2)) > 35


@pytest.mark.parametrize("name", DIALECTS)
def test_what_is_heard_pipecat_reads_alike(pipecat: Answer, name: str) -> None:
    pcm = heard(name, _messages(name))
    assert len(pcm) > 500
    assert np.array_equal(pcm, np.frombuffer(pipecat.read[name], "<i2"))
