"""RFC 7865's metadata, and the bodies that carry them."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio_model.gateway.dialects.base import ProtocolError
from audio_model.gateway.rtp import metadata

# After the example of RFC 7865, 9: Bob sends the stream labelled 96, Paul the one labelled 97.
RFC = """<?xml version="1.0" encoding="UTF-8"?>
<recording xmlns='urn:ietf:params:xml:ns:recording:1'>
  <datamode>complete</datamode>
  <group group_id="7+OTCyoxTmqmqyA/1weDAg=="><associate-time>2010-12-16T23:41:07Z</associate-time>
  </group>
  <session session_id="hVpd7YQgRW2nD22h7q60JQ==">
    <sipSessionID>ab30317f1a784dc48ff824d0d3715d86;remote=47755a9de7794ba387653f2099600ef2
    </sipSessionID>
  </session>
  <participant participant_id="srfBElmCRp2QB23b7Mpk0w==">
    <nameID aor="sip:+4930123456@biloxi.com"><name xml:lang="it">Bob</name></nameID>
  </participant>
  <participant participant_id="zSfPoSvdSDCmU3A3TRDxAw==">
    <nameID aor="tel:+4930654321"/>
  </participant>
  <stream stream_id="UAAMm5GRQKSCMVvLyl4rFw==" session_id="hVpd7YQgRW2nD22h7q60JQ==">
    <label>96</label>
  </stream>
  <stream stream_id="i1Pz3to5hGk8fuXl+PbwCw==" session_id="hVpd7YQgRW2nD22h7q60JQ==">
    <label>97</label>
  </stream>
  <participantstreamassoc participant_id="srfBElmCRp2QB23b7Mpk0w==">
    <send>UAAMm5GRQKSCMVvLyl4rFw==</send><recv>i1Pz3to5hGk8fuXl+PbwCw==</recv>
  </participantstreamassoc>
  <participantstreamassoc participant_id="zSfPoSvdSDCmU3A3TRDxAw==">
    <send>i1Pz3to5hGk8fuXl+PbwCw==</send><recv>UAAMm5GRQKSCMVvLyl4rFw==</recv>
  </participantstreamassoc>
</recording>
"""

BODY = (
    b"ignored\r\n--foo-bar\r\nContent-Type: application/sdp\r\n\r\nv=0\r\ns=-\r\n\r\n--foo-bar \r\n"
    b"content-type:application/rs-metadata+xml\r\nContent-Disposition: recording-session\r\n\r\n"
    b"<recording/>\r\n--foo-bar--\r\nignored"
)


def test_the_rfcs_example_tells_whose_streams_they_are() -> None:
    about = metadata.parse(RFC)
    bob, paul = about.participants
    assert about.senders == {"96": bob, "97": paul}
    assert about.caller == bob
    assert metadata.number(about.participants[bob]) == "+4930123456"
    assert metadata.number(about.participants[paul]) == "+4930654321"
    assert about.session == "hVpd7YQgRW2nD22h7q60JQ=="
    assert about.sip_session.startswith("ab30317f1a784dc48ff824d0d3715d86")


def test_the_caller_is_one_who_sends() -> None:
    reversed_order = RFC.replace("<send>UAAM", "<recv>UAAM").replace("rFw==</send>", "rFw==</recv>")
    about = metadata.parse(reversed_order)
    assert about.participants[about.caller] == "tel:+4930654321"


# OpenSIPS/opensips#3287, drachtio-siprec-recording-server#79: nobody is said to send.
NO_SEND = """<recording xmlns='urn:ietf:params:xml:ns:recording:1'><session session_id="S"/>
<participant participant_id="A"><nameID aor="sip:95213742@h"/></participant>
<participant participant_id="B"><nameID aor="sip:13900001111@h"/></participant>
<participantstreamassoc participant_id="A"></participantstreamassoc>
<participantstreamassoc participant_id="B"></participantstreamassoc></recording>"""

# Of the drafts, which session border controllers still send: ``id``, and the streams within.
DRAFT = """<recording xmlns='urn:ietf:params:xml:ns:recording'><dataMode>complete</dataMode>
<session id="S"><sip-session-id>ab30</sip-session-id></session>
<participant id="A" session="S"><aor>sip:95213742@h</aor><send>1</send><recv>2</recv></participant>
<participant id="B" session="S"><nameID><aor>sip:13900001111@h</aor></nameID><send>2</send>
</participant>
<stream id="1" session="S"><label>main</label></stream>
<stream id="2" session="S"><label>other</label></stream></recording>"""


def test_where_nobody_is_said_to_send_the_first_is_the_caller() -> None:
    about = metadata.parse(NO_SEND)
    assert (about.caller, about.senders) == ("A", {})


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text,
        lambda text: text.replace("participant_id", "participantID"),
        lambda text: text.replace("participant_id", "id").replace("session_id", "id"),
        lambda text: text.replace("participant_id", "participant-id"),
        lambda text: text.replace("nameID", "nameid").replace("participants", "participant-s"),
        lambda text: text.replace("nameID aor", "NameId AOR").replace("participant_id", "ID"),
        lambda text: text.replace("participant_id", "r:participant_id").replace(
            "<recording ", "<recording xmlns:r='urn:r' "
        ),
    ],
)
def test_other_makers_spellings_of_the_ids(change: Callable[[str], str]) -> None:
    about = metadata.parse(change(NO_SEND))
    assert about.session == "S"
    assert list(about.participants.items()) == [
        ("A", "sip:95213742@h"),
        ("B", "sip:13900001111@h"),
    ]


def test_participants_without_ids_are_parties_all_the_same() -> None:
    bare = NO_SEND.replace(' participant_id="A"', "").replace(' participant_id="B"', "")
    about = metadata.parse(bare)
    assert list(about.participants.values()) == ["sip:95213742@h", "sip:13900001111@h"]
    assert about.participants[about.caller] == "sip:95213742@h"


def test_metadata_of_the_drafts_tell_the_same() -> None:
    about = metadata.parse(DRAFT)
    assert (about.session, about.sip_session, about.caller) == ("S", "ab30", "A")
    assert about.senders == {"main": "A", "other": "B"}
    assert [metadata.number(aor) for aor in about.participants.values()] == [
        "95213742",
        "13900001111",
    ]


def test_what_one_of_two_receives_the_other_sends() -> None:
    about = metadata.parse(RFC.replace("<send>", "<x>").replace("</send>", "</x>"))
    bob, paul = about.participants
    assert about.senders == {"96": bob, "97": paul}


def test_metadata_without_participants_name_no_caller() -> None:
    assert metadata.parse("<recording><session session_id='x'/></recording>").caller == ""


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<recording>",
        "not xml",
        '<!DOCTYPE r [<!ENTITY a "aaaa">]><recording/>',
        "<a>" * 50_000,
        "\x00",
    ],
)
def test_what_is_no_metadata_is_refused(text: str) -> None:
    with pytest.raises(ProtocolError):
        metadata.parse(text)


def test_both_parts_of_a_body_are_found() -> None:
    offered, described = metadata.parts('multipart/mixed; boundary="foo-bar"', BODY)
    assert offered == "v=0\r\ns=-\r\n"
    assert described == "<recording/>"
    assert metadata.parts("Multipart/Mixed;boundary=foo-bar", BODY) == (offered, described)


@pytest.mark.parametrize(
    ("content_type", "found"),
    [
        ("application/sdp", ("x", None)),
        ("application/rs-metadata", (None, "x")),
        ("text/plain", (None, None)),
        ("", (None, None)),
    ],
)
def test_a_body_of_one_part(content_type: str, found: tuple[str | None, str | None]) -> None:
    assert metadata.parts(content_type, b"x") == found


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("multipart/mixed", BODY),
        ("multipart/mixed; boundary=x", b"--x\r\nno end of headers"),
        ("multipart/mixed; boundary=x", b"--x\r\nContent-Type: application/sdp\r\n\r\n\xff"),
        ("application/sdp", b"\xff"),
    ],
)
def test_a_body_that_is_not_what_it_says_is_refused(content_type: str, body: bytes) -> None:
    with pytest.raises(ProtocolError):
        metadata.parts(content_type, body)


@given(
    st.sampled_from(["multipart/mixed; boundary=x", "application/sdp", "a;boundary=", "multipart"])
    | st.text(max_size=40),
    st.binary(max_size=80)
    | st.lists(
        st.sampled_from([b"--x", b"\r\n", b"\r\n\r\n", b"--x--", b"Content-Type: application/sdp"]),
        max_size=12,
    ).map(b"".join),
)
def test_nothing_else_escapes_from_bodies(content_type: str, body: bytes) -> None:
    try:
        metadata.parts(content_type, body)
    except ProtocolError:
        return


@given(st.text(max_size=60) | st.integers(0, len(RFC)).map(lambda cut: RFC[:cut] + RFC[cut + 9 :]))
def test_nothing_else_escapes_from_metadata(text: str) -> None:
    try:
        metadata.parse(text)
    except ProtocolError:
        return
