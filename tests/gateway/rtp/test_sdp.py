"""Offers as real programs make them, and our answers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio_model.gateway.dialects.base import ProtocolError
from audio_model.gateway.rtp import sdp
from audio_model.gateway.rtp.sdp import Accepted

# What rtpengine 10.5 offers a subscriber of both parties.
RTPENGINE = """v=0
o=- 7711733935973710227 7711733935973710227 IN IP4 127.0.0.1
s=rtpengine-10-5-3-5-1-deb12u1
t=0 0
m=audio 40182 RTP/AVP 8 101
c=IN IP4 127.0.0.1
a=rtpmap:8 PCMA/8000
a=rtpmap:101 telephone-event/8000
a=sendonly
a=rtcp:40183
a=ptime:20
m=audio 40198 RTP/AVP 0 101
c=IN IP4 127.0.0.2
a=rtpmap:0 PCMU/8000
a=rtpmap:101 telephone-event/8000
a=sendonly
"""

MIXED = """v=0\r
o=SRC 1 1 IN IP6 2001:db8::1\r
s=-\r
c=IN IP6 2001:db8:0::1\r
t=0 0\r
a=sendonly\r
m=audio 12240/2 RTP/AVP 9 18 0 96 97 13 101\r
a=rtpmap:96 opus/48000/2\r
a=fmtp:96 useinbandfec=1\r
a=rtpmap:97 L16/8000/2\r
a=rtpmap:101 telephone-event/8000\r
a=fmtp:101 0-15\r
a=rtcp-mux\r
a=label:96\r
m=video 12242 RTP/AVPF 98\r
a=rtpmap:98 H264/90000\r
m=audio 12244 RTP/SAVP 0\r
a=inactive\r
m=audio 0 RTP/AVP 0\r
"""


def test_an_offer_of_two_parties() -> None:
    first, second = sdp.parse(RTPENGINE)
    assert (first.port, first.host, first.direction) == (40182, "127.0.0.1", "sendonly")
    assert [codec.name for codec in first.codecs().values()] == ["PCMA"]
    assert first.voiceless() == [101]
    assert second.host == "127.0.0.2"
    assert list(second.codecs()) == [0]


def test_what_an_offer_holds() -> None:
    audio, video, encrypted, gone = sdp.parse(MIXED)
    assert {number: codec.name for number, codec in audio.codecs().items()} == {
        9: "G722",
        0: "PCMU",
        96: "OPUS",
    }
    assert audio.voiceless() == [13, 101]
    assert (audio.host, audio.port, audio.label) == ("2001:db8::1", 12240, "96")
    assert (audio.direction, encrypted.direction) == ("sendonly", "inactive")
    assert [media.is_plain_audio for media in (audio, video, encrypted, gone)] == [
        True,
        False,
        False,
        False,
    ]


def test_a_dynamic_number_means_what_its_rtpmap_says_even_if_it_is_a_static_one() -> None:
    (media,) = sdp.parse("v=0\nm=audio 5 RTP/AVP 0\na=rtpmap:0 PCMA/8000\n")
    assert [codec.name for codec in media.codecs().values()] == ["PCMA"]


@pytest.mark.parametrize(
    "rtpmap", ["96", "96 opus", "96 opus/x", "x opus/8000", "96 a/1/2/3", "٣ a/1"]
)
def test_an_rtpmap_that_is_none_costs_its_own_format_alone(rtpmap: str) -> None:
    (media,) = sdp.parse(f"v=0\nm=audio 5 RTP/AVP 96 0\na=rtpmap:{rtpmap}\n")
    assert list(media.codecs()) == [0]


def test_an_answer_takes_one_stream_and_refuses_the_others_in_their_places() -> None:
    offer = sdp.parse(MIXED)
    answer = sdp.answer(offer, {0: Accepted(31000, (96, 101))}, "127.0.0.1", version=3)
    assert answer.splitlines() == [
        "v=0",
        "o=audio-model 0 3 IN IP4 127.0.0.1",
        "s=audio-model",
        "c=IN IP4 127.0.0.1",
        "t=0 0",
        "m=audio 31000 RTP/AVP 96 101",
        "a=rtpmap:96 opus/48000/2",
        "a=fmtp:96 useinbandfec=1",
        "a=rtpmap:101 telephone-event/8000",
        "a=fmtp:101 0-15",
        "a=rtcp-mux",
        "a=label:96",
        "a=recvonly",
        "m=video 0 RTP/AVPF 98",
        "m=audio 0 RTP/SAVP 0",
        "m=audio 0 RTP/AVP 0",
    ]
    assert answer.endswith("\r\n")


def test_a_stream_on_hold_is_answered_as_such() -> None:
    offer = sdp.parse("v=0\nc=IN IP4 0.0.0.0\nm=audio 9 RTP/AVP 0\na=inactive\n")
    assert "a=inactive" in sdp.answer(offer, {0: Accepted(4000, (0,))}, "::1")


@pytest.mark.parametrize("name", ["example.com", "host", "pbx-1.local", "a_b.example.org."])
def test_a_hosts_name_is_no_reason_to_refuse_a_call(name: str) -> None:
    (media,) = sdp.parse(f"v=0\nc=IN IP4 {name}\nm=audio 5 RTP/AVP 0\n")
    assert (media.host, media.port) == ("", 5)
    # The session's address is not that of a stream which has a name of its own.
    (media,) = sdp.parse(f"v=0\nc=IN IP4 10.0.0.1\nm=audio 5 RTP/AVP 0\nc=IN IP4 {name}\n")
    assert media.host == ""


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello",
        "v=1\n",
        "v=0\nno equals sign\n",
        "v=0\nm=audio\n",
        "v=0\nm=audio x RTP/AVP 0\n",
        "v=0\nm=audio 9999999999 RTP/AVP 0\n",
        "v=0\nc=IN IP4 1.2.3\nm=audio 5 RTP/AVP 0\n",
        "v=0\nc=IN IP4 ex/ample com\nm=audio 5 RTP/AVP 0\n",
        "v=0\nc=IN\n",
        "v=0\n" + "a=x\n" * 100_000,
        "v=0\n" + "m=audio 5 RTP/AVP 0\n" * 100,
        "v=0\nm=audio 5 RTP/AVP " + "0 " * 1000,
        "v=0\nm=\n",
    ],
)
def test_what_is_no_description_is_refused(text: str) -> None:
    with pytest.raises(ProtocolError):
        sdp.parse(text)


_lines = st.builds(
    lambda line, cut, noise: line[:cut] + noise,
    st.sampled_from([*MIXED.split("\r\n"), "a=rtpmap:0 X/0/0", "a=rtpmap:٣ X/٣"]),
    st.integers(0, 60),
    st.text("/: 0123456789abc-", max_size=4) | st.just(""),
)


@given(st.text(max_size=60) | st.lists(_lines, max_size=12).map(lambda x: "\n".join(["v=0", *x])))
def test_nothing_else_escapes(text: str) -> None:
    try:
        offer = sdp.parse(text)
    except ProtocolError:
        return
    for media in offer:
        assert len(media.codecs()) + len(media.voiceless()) <= len(media.formats)
    answer = sdp.answer(offer, {}, "127.0.0.1")
    assert len(sdp.parse(answer)) == len(offer)
