"""SIP messages as they come, and the responses to them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio_model.gateway.dialects.base import ProtocolError
from audio_model.gateway.rtp import sip

INVITE = (
    b"INVITE sip:srs@127.0.0.1:5080 SIP/2.0\r\n"
    b"Via: SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bKa1;rport, "
    b"SIP/2.0/UDP 10.0.0.2;branch=z9hG4bKb\r\n"
    b"v: SIP/2.0/UDP 10.0.0.3;branch=z9hG4bKc\r\n"
    b'f: "SRC" <sip:src@10.0.0.1>;tag=abc\r\n'
    b"t: <sip:srs@127.0.0.1>\r\n"
    b"i: call-1@src\r\n"
    b"CSeq: 7 INVITE\r\n"
    b"Subject: folded\r\n  over two lines\r\n"
    b"m: <sip:src@10.0.0.1:5062;transport=udp>;+sip.src\r\n"
    b"Require: siprec, Replaces\r\n"
    b"c: application/sdp\r\n"
    b"l: 4\r\n\r\nbodyand more"
)
SOURCE = ("192.0.2.9", 4711)


def test_a_request_in_compact_form() -> None:
    message = sip.parse(INVITE)
    assert (message.method, message.uri) == ("INVITE", "sip:srs@127.0.0.1:5080")
    assert (message.call_id, message.from_tag, message.to_tag) == ("call-1@src", "abc", "")
    assert message.sequence == 7
    assert message.header("subject") == "folded over two lines"
    assert message.options("require") == ["siprec", "replaces"]
    assert message.header("content-type") == "application/sdp"
    assert message.body == b"body"


def test_a_response_copies_what_it_must() -> None:
    reply = sip.response(
        sip.parse(INVITE), 200, to_tag="mine", source=SOURCE, headers=[("X", "y")], body="µ"
    ).decode()
    assert reply.split("\r\n") == [
        "SIP/2.0 200 OK",
        "Via: SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bKa1;rport=4711;received=192.0.2.9, "
        "SIP/2.0/UDP 10.0.0.2;branch=z9hG4bKb",
        "Via: SIP/2.0/UDP 10.0.0.3;branch=z9hG4bKc",
        'From: "SRC" <sip:src@10.0.0.1>;tag=abc',
        "To: <sip:srs@127.0.0.1>;tag=mine",
        "Call-ID: call-1@src",
        "CSeq: 7 INVITE",
        "X: y",
        "Content-Length: 2",
        "",
        "µ",
    ]


def test_a_response_is_told_by_its_status() -> None:
    reply = sip.parse(sip.response(sip.parse(INVITE), 488, to_tag="x", source=SOURCE))
    assert (reply.method, reply.status, reply.to_tag) == ("", 488, "x")


@pytest.mark.parametrize(
    ("via", "asked"),
    [
        ("SIP/2.0/UDP a;rport;branch=x", True),
        ("SIP/2.0/UDP a;branch=x;rport", True),
        ("SIP/2.0/UDP a;branch=x", False),
        ("SIP/2.0/UDP a;branch=rport", False),
    ],
)
def test_rport_is_seen(via: str, asked: bool) -> None:
    assert sip.asks_rport(via) is asked


def test_a_tag_is_not_looked_for_in_a_name() -> None:
    message = sip.parse(INVITE.replace(b'"SRC"', b'";tag=false"'))
    assert message.from_tag == "abc"


@pytest.mark.parametrize(
    ("address", "uri", "user"),
    [
        ('"A <b>" <sip:+49@x;user=phone>;tag=1', "sip:+49@x;user=phone", "+49"),
        ("sip:+49@x;tag=1", "sip:+49@x", "+49"),
        ("<sip:192.0.2.1:5060>", "sip:192.0.2.1:5060", ""),
        ("<tel:+49;phone-context=x>", "tel:+49;phone-context=x", "+49"),
    ],
)
def test_addresses(address: str, uri: str, user: str) -> None:
    assert sip.uri_of(address) == uri
    assert sip.user_of(address) == user


@pytest.mark.parametrize("part", ["sip:", "tel:", "sip:a", 'sip:"', ":", "@", ";"])
def test_the_time_for_an_address_follows_its_length(part: str) -> None:
    """One datagram of 60 KB took two seconds. These would take an hour so."""
    address = part * (2_000_000 // len(part))
    assert len(sip.user_of(address)) < len(address)
    assert address.startswith(sip.uri_of(address))


def test_a_user_may_have_parameters() -> None:
    address = "sip:13900001111;phone-context=+86;isub=1@h;user=phone"
    assert sip.user_of(address) == sip.user_of(f"<{address}>;tag=a@b") == "13900001111"


def test_a_user_may_have_a_password() -> None:
    assert sip.user_of("<sip:+49:secret@x>") == "+49"


def _changed(old: bytes, new: bytes) -> bytes:
    assert old in INVITE
    return INVITE.replace(old, new)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        _changed(b"SIP/2.0\r\nVia", b"SIP/3.0\r\nVia"),
        _changed(b"INVITE sip", b"invite sip"),
        _changed(b"i: call-1@src\r\n", b""),
        _changed(b"CSeq: 7 INVITE", b"CSeq: 7 BYE"),
        _changed(b"CSeq: 7 INVITE", b"CSeq: " + b"9" * 5000 + b" INVITE"),
        _changed(b"CSeq: 7 INVITE", b"CSeq: -7 INVITE"),
        _changed(b"tag=abc", b"tag=abc\rX: injected"),
        _changed(b"tag=abc", b"tag=abc\nX: injected"),
        _changed(b"  over", b"  \x00over"),
        _changed(b"l: 4", b"l: -4"),
        _changed(b"l: 4", b"l: 99999999999"),
        _changed(b"Subject", b"no colon here\r\nSubject"),
        _changed(b"Subject", b"X: y\r\n" * 200 + b"Subject"),
        _changed(b'"SRC"', b'"\xff"'),
        b"x" * 70_000,
    ],
)
def test_what_is_no_message_is_refused(data: bytes) -> None:
    with pytest.raises(ProtocolError):
        sip.parse(data)


_pieces = st.lists(
    st.sampled_from([*INVITE.split(b"\r\n"), b" ", b"l: 9", b"CSeq: 1 BYE", b"v:", b"\xff"]),
    max_size=16,
).map(b"\r\n".join)


@given(
    st.binary(max_size=100)
    | _pieces
    | st.tuples(st.integers(0, len(INVITE)), st.binary(max_size=5)).map(
        lambda at: INVITE[: at[0]] + at[1] + INVITE[at[0] :]
    )
)
def test_nothing_else_escapes_and_a_response_can_be_made_of_what_is_read(data: bytes) -> None:
    try:
        message = sip.parse(data)
    except ProtocolError:
        return
    if message.method:
        reply = sip.response(message, 200, to_tag="x", source=SOURCE)
        assert sip.parse(reply).status == 200
        assert reply.count(b"\r\n\r\n") == 1
