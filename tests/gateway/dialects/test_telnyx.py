import base64
import json

import av
import numpy as np
import pytest

from audio_model.formats import Encoding, RawFormat
from audio_model.gateway.dialects.base import ProtocolError
from audio_model.gateway.dialects.telnyx import Telnyx
from audio_model.gateway.events import CallInfo
from tests.gateway.dialects.test_media import Session, heard, media

# Telnyx documentation, "Stream call media over WebSocket": its messages.
CONNECTED = '{"event": "connected", "version": "1.0.0"}'
START = """{
  "event": "start",
  "sequence_number": "1",
  "stream_id": "32DE0DEA-53CB-4B21-89A4-9E1819C043BC",
  "start": {
    "user_id": "3E6F995F-85F7-4705-9741-53B116D28237",
    "call_control_id": "v2:T02llQxIyaRkhfRKxgAP8nY511EhFLizdvdUKJiSw8d6A9BborherQ",
    "call_session_id": "ff55a038-6f5d-11ef-9692-02420aeffb1f",
    "from": "+13122010094",
    "to": "+13122123456",
    "tags": ["TAG1", "TAG2"],
    "client_state": "aGF2ZSBhIG5pY2UgZGF5ID1d",
    "custom_parameters": {"customer_id": "customer_123"},
    "media_format": {"encoding": "PCMU", "sample_rate": 8000, "channels": 1}
  }
}"""
MEDIA = """{
  "event": "media",
  "sequence_number": "4",
  "media": {"track": "inbound", "chunk": "2", "timestamp": "5", "payload": "/v7+/w=="},
  "stream_id": "32DE0DEA-53CB-4B21-89A4-9E1819C043BC"
}"""
STOP = """{
  "event": "stop",
  "sequence_number": "5",
  "stop": {
    "user_id": "3E6F995F-85F7-4705-9741-53B116D28237",
    "call_control_id": "v2:T02llQxIyaRkhfRKxgAP8nY511EhFLizdvdUKJiSw8d6A9BborherQ"
  },
  "stream_id": "32DE0DEA-53CB-4B21-89A4-9E1819C043BC"
}"""
ERROR = """{
  "event": "error",
  "payload": {"code": 100003, "title": "malformed_frame", "detail": "..."},
  "stream_id": "32DE0DEA-53CB-4B21-89A4-9E1819C043BC"
}"""


def start(encoding: str, sample_rate: int) -> str:
    said = json.loads(START)
    said["start"]["media_format"] = {
        "encoding": encoding,
        "sample_rate": sample_rate,
        "channels": 1,
    }
    return json.dumps(said)


def test_the_documented_messages() -> None:
    call = Session(Telnyx)(CONNECTED, START, MEDIA, ERROR, STOP)
    given = json.loads(START)
    ids = {
        "stream_id": given["stream_id"],
        **{name: given["start"][name] for name in ("call_session_id", "user_id", "client_state")},
    }
    info = CallInfo(
        given["start"]["call_control_id"],
        "telnyx",
        "+13122010094",
        "+13122123456",
        {"customer_id": "customer_123", **ids},
    )
    assert heard(call) == (info, RawFormat(Encoding.MULAW, 8000), [b"\xfe\xfe\xfe\xff"])
    assert call.closed == 1


def test_null_fields_and_no_parameters() -> None:
    said = json.loads(START)
    said["start"].update(client_state=None, custom_parameters=None)
    assert "client_state" not in Session(Telnyx)(json.dumps(said)).info.details


def test_packets_out_of_order_keep_their_numbers() -> None:
    call = Session(Telnyx)(
        START, *(media(b"%d" % n, track="inbound", chunk=str(n)) for n in (1, 3, 2, 5, 4))
    )
    in_order = sorted(call.legs[0].numbered)
    assert [packet for _, packet in in_order] == [b"1", b"2", b"3", b"4", b"5"]
    assert in_order[-1][0] - in_order[0][0] == 4


def test_pcma() -> None:
    call = Session(Telnyx)(start("PCMA", 8000), media(b"\xd5\x55"))
    assert call.legs[0].raw_format == RawFormat(Encoding.ALAW, 8000)
    assert call.legs[0].numbered[0][1] == b"\xd5\x55"


@pytest.mark.parametrize("sample_rate", [8000, 16000, 24000, 48000])
def test_l16_is_in_network_order(sample_rate: int) -> None:
    samples = np.array([0, 1, -1, 256, -32768, 32767], np.int16)
    call = Session(Telnyx)(start("L16", sample_rate), media(samples.astype(">i2").tobytes()))
    assert call.legs[0].raw_format == RawFormat(Encoding.S16LE, sample_rate)
    assert call.legs[0].numbered[0][1] == samples.astype("<i2").tobytes()


def encoded(codec: str, sample_rate: int, samples: np.ndarray) -> list[bytes]:
    """Packets of 20 ms, as FFmpeg encodes them."""
    context = av.CodecContext.create(codec, "w")
    assert isinstance(context, av.AudioCodecContext)
    context.sample_rate, context.layout, context.format = sample_rate, "mono", "s16"
    context.open()
    n = sample_rate // 50
    packets = []
    for begin in range(0, len(samples), n):
        frame = av.AudioFrame.from_ndarray(samples[None, begin : begin + n], "s16", "mono")
        frame.sample_rate = sample_rate
        packets += [bytes(packet) for packet in context.encode(frame)]
    return packets


@pytest.mark.parametrize(
    ("encoding", "codec", "rate", "said_rate"),
    [("G722", "g722", 16000, 8000), ("G722", "g722", 16000, 16000), ("OPUS", "libopus", 48000, 0)],
)
def test_codecs_that_remember(encoding: str, codec: str, rate: int, said_rate: int) -> None:
    tone = (8000 * np.sin(np.arange(rate) * 2 * np.pi * 440 / rate)).astype(np.int16)
    packets = encoded(codec, rate, tone)
    session = Session(Telnyx)
    call = session(start(encoding, said_rate), *(media(packet) for packet in packets))
    assert call.legs[0].raw_format == RawFormat(Encoding.S16LE, rate)
    assert call.legs[0].codec == encoding.lower()
    heard = np.frombuffer(b"".join(packet for _, packet in call.legs[0].numbered), "<i2")
    assert abs(len(heard) - rate) <= rate // 50
    spectrum = np.abs(np.fft.rfft(heard[rate // 10 : rate // 10 + rate // 2].astype(float)))
    assert np.argmax(spectrum) * 2 == 440
    level = np.sqrt(np.mean(heard[rate // 10 :].astype(float) ** 2))
    assert level == pytest.approx(8000 / np.sqrt(2), rel=0.1)


@pytest.mark.parametrize(("encoding", "rate"), [("AMR-WB", 16000), ("G729", 8000), ("L16", 22050)])
def test_what_cannot_be_decoded_is_refused_by_name(encoding: str, rate: int) -> None:
    session = Session(Telnyx)
    with pytest.raises(ProtocolError, match=f"'{encoding}' of {rate} Hz can't be decoded"):
        session(start(encoding, rate))
    (failure,) = session.calls.opened[0].failures
    assert encoding in failure and "PCMU" in failure


def test_a_broken_packet_of_a_codec_is_named() -> None:
    session = Session(Telnyx)
    session(start("OPUS", 48000))
    with pytest.raises(ProtocolError, match="telnyx: "):
        session(media(base64.b64decode("////////")))
