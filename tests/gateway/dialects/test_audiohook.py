import json
from typing import Any

import pytest

from audio_model.decision import VerdictKind
from audio_model.formats import Encoding, RawFormat
from audio_model.gateway.dialects.audiohook import NO_CONVERSATION, AudioHook
from audio_model.gateway.dialects.base import ProtocolError
from audio_model.gateway.events import EventKind
from tests.gateway.dialects.hostile import survives
from tests.gateway.fakes import FakeCalls, FakeConnection, verdict

SESSION = "e160e428-53e2-487c-977d-96989bf5c99d"
CONVERSATION = "090eaa2f-72fa-480a-83e0-8667ff89c0ec"

# The open transaction of "Session Walkthrough".
STEREO = {"type": "audio", "format": "PCMU", "channels": ["external", "internal"], "rate": 8000}
EXTERNAL = {"type": "audio", "format": "PCMU", "channels": ["external"], "rate": 8000}
INTERNAL = {"type": "audio", "format": "PCMU", "channels": ["internal"], "rate": 8000}
OPEN: dict[str, Any] = {
    "organizationId": "d7934305-0972-4844-938e-9060eef73d05",
    "conversationId": CONVERSATION,
    "participant": {
        "id": "883efee8-3d6c-4537-b500-6d7ca4b92fa0",
        "ani": "+1-555-555-1234",
        "aniName": "John Doe",
        "dnis": "+1-800-555-6789",
    },
    "media": [STEREO, EXTERNAL, INTERNAL],
    "language": "en-US",
}


class Client:
    """Genesys' side of a session, counting as it does."""

    def __init__(self, headers: dict[str, str] | None = None) -> None:
        self.calls = FakeCalls()
        self.connection = FakeConnection(headers=headers or {})
        self.dialect = AudioHook(self.connection, self.calls)  # type: ignore[arg-type]
        self.seq = 0

    def message(self, kind: str, parameters: object = None, **changed: object) -> str:
        self.seq += 1
        return json.dumps(
            {
                "version": "2",
                "id": SESSION,
                "type": kind,
                "seq": self.seq,
                "serverseq": len(self.connection.sent),
                "position": "PT1.5S",
                "parameters": {} if parameters is None else parameters,
                **changed,
            }
        )

    def send(self, kind: str, parameters: object = None, **changed: object) -> None:
        self.dialect.text(self.message(kind, parameters, **changed))

    def open(self, **changed: object) -> "Client":
        self.send("open", {**OPEN, **changed})
        return self

    @property
    def answers(self) -> list[dict[str, Any]]:
        return [json.loads(message) for message in self.connection.sent]

    @property
    def types(self) -> list[str]:
        return [answer["type"] for answer in self.answers]


def test_the_open_transaction() -> None:
    client = Client().open()
    assert client.answers == [
        {
            "version": "2",
            "id": SESSION,
            "type": "opened",
            "seq": 1,
            "clientseq": 1,
            "parameters": {"startPaused": False, "media": [EXTERNAL]},
        }
    ]
    (call,) = client.calls.opened
    assert (call.info.gateway, call.info.id) == ("audiohook", CONVERSATION)
    assert (call.info.caller, call.info.called) == ("+1-555-555-1234", "+1-800-555-6789")
    assert call.info.details["session"] == SESSION
    (leg,) = call.legs
    assert (leg.name, leg.raw_format) == ("caller", RawFormat(Encoding.MULAW, 8000))
    client.dialect.binary(b"\xff" * 800)
    assert leg.payloads == [b"\xff" * 800]


L16 = {**EXTERNAL, "format": "L16"}
STEREO_L16 = {**STEREO, "format": "L16"}
SWAPPED = {**STEREO, "channels": ["internal", "external"]}


@pytest.mark.parametrize(
    ("offered", "chosen", "audio", "heard"),
    [
        ([STEREO, L16, EXTERNAL], EXTERNAL, b"abcd", b"abcd"),
        ([STEREO, L16], L16, b"abcd", b"abcd"),
        ([STEREO_L16, STEREO], STEREO, b"eiei", b"ee"),
        ([SWAPPED], SWAPPED, b"ieie", b"ee"),
        ([STEREO_L16], STEREO_L16, b"e0i0e1i1", b"e0e1"),
    ],
)
def test_the_leanest_media_with_the_external_party(
    offered: list[object], chosen: object, audio: bytes, heard: bytes
) -> None:
    client = Client().open(media=offered)
    assert client.answers[0]["parameters"]["media"] == [chosen]
    client.dialect.binary(audio)
    (leg,) = client.calls.opened[0].legs
    assert b"".join(leg.payloads) == heard


@pytest.mark.parametrize(
    "offered",
    [
        [],
        [INTERNAL],
        [{**EXTERNAL, "format": "OPUS"}],
        [{**EXTERNAL, "rate": 16000}],
        [{**EXTERNAL, "type": "video"}],
        [{**EXTERNAL, "channels": ["external"] * 1000}],
    ],
)
def test_without_usable_media_the_answer_is_unknown(offered: list[object]) -> None:
    client = Client().open(media=offered)
    assert client.answers[0]["parameters"]["media"] == []
    assert client.calls.opened[0].finished
    assert client.types[-1] == "disconnect"


def test_a_connection_probe_is_no_call() -> None:
    client = Client().open(conversationId=NO_CONVERSATION)
    client.send("close", {"reason": "end"})
    assert client.types == ["opened", "closed"]
    assert not client.calls.opened


def test_a_monitored_call_from_open_to_close() -> None:
    client = Client().open()
    client.send("ping", {"rtt": "PT0.023S"})
    (call,) = client.calls.opened
    event = call.tell(EventKind.VERDICT)
    client.send("update", {"language": "es-US"})
    client.send("paused")
    client.send("resumed", {"start": "PT1.5S", "discarded": "PT4S"})
    client.send("discarded", {"start": "PT5.5S", "discarded": "PT0.3S"})
    client.send("dtmf", {"digit": "5"})
    client.send("error", {"code": 429, "message": "too fast", "retryAfter": "PT3S"})
    client.send("type_of_the_future", {"a": [1]})
    client.send("close", {"reason": "end"})

    assert client.types == ["opened", "pong", "event", "updated", "closed"]
    assert [answer["seq"] for answer in client.answers] == [1, 2, 3, 4, 5]
    assert [answer["clientseq"] for answer in client.answers] == [1, 2, 2, 3, 10]
    (entity,) = client.answers[2]["parameters"]["entities"]
    assert entity == {
        "type": "recording_verdict",
        "data": json.loads(json.dumps(event.as_dict())),
    }
    assert client.answers[4]["parameters"] == {}
    assert call.closed == 1
    # The client closes the socket once it has closed.
    assert client.connection.closed_with is None


def test_a_final_event_leaves_a_monitor_open() -> None:
    client = Client().open()
    client.calls.opened[0].tell(EventKind.PROGRESS)
    client.calls.opened[0].tell(EventKind.FINAL)
    assert client.types == ["opened", "event"]


def test_an_audio_connectors_flow_gets_the_verdict_and_goes_on() -> None:
    client = Client().open(media=[EXTERNAL], inputVariables={"queue": "sales"})
    (call,) = client.calls.opened
    assert call.info.details["queue"] == "sales"
    call.tell(EventKind.VERDICT)
    call.tell(EventKind.FINAL)
    assert client.types == ["opened", "disconnect"]
    assert client.answers[1]["parameters"] == {
        "reason": "completed",
        "info": "",
        "outputVariables": {
            "verdict": "recorded",
            "score": "0.97",
            "reason": "",
            "decided_at": "1.52",
        },
    }
    client.dialect.binary(b"\xff" * 800)
    client.send("close", {"reason": "disconnect"})
    assert client.types == ["opened", "disconnect", "closed"]


def test_output_variables_are_strings_even_where_there_is_no_number() -> None:
    client = Client().open(inputVariables={})
    client.calls.opened[0].tell(EventKind.FINAL, verdict(VerdictKind.UNKNOWN, float("nan")))
    assert client.answers[1]["parameters"]["outputVariables"] == {
        "verdict": "unknown",
        "score": "",
        "reason": "unsure",
        "decided_at": "",
    }


def test_a_connectors_caller_who_hangs_up_first_is_just_closed() -> None:
    client = Client().open(inputVariables={})
    call = client.calls.opened[0]
    client.send("close", {"reason": "end"})
    assert client.types == ["opened", "closed"] and call.closed == 1


@pytest.mark.parametrize(
    "changed",
    [
        {"seq": 1},
        {"seq": 3},
        {"seq": -1},
        {"seq": "2"},
        {"seq": 10**400},
        {"serverseq": 2},
        {"serverseq": -1},
        {"id": "another"},
        {"version": "1"},
        {"position": "1.5"},
        {"position": "PT-1S"},
        {"type": None},
    ],
)
def test_a_message_that_cant_be_ends_the_session(changed: dict[str, object]) -> None:
    client = Client().open()
    with pytest.raises(ProtocolError):
        client.dialect.text(json.dumps(json.loads(client.message("ping")) | changed))
    assert client.types == ["opened", "disconnect"]
    parameters = client.answers[1]["parameters"]
    assert parameters["reason"] == "error" and parameters["info"]
    # The leg is answered; the socket is left to the client, whose close counts whatever its seq.
    assert client.calls.opened[0].finished and client.connection.closed_with is None
    client.seq = 70
    client.send("close", {"reason": "disconnect"})
    client.send("close", {"reason": "disconnect"})
    assert client.types == ["opened", "disconnect", "closed"]


def test_the_session_is_ended_once() -> None:
    client = Client().open()
    for _ in range(3):
        with pytest.raises(ProtocolError):
            client.dialect.text("{")
    client.dialect.fail("too many bad messages")
    assert client.types == ["opened", "disconnect"]


@pytest.mark.parametrize("text", ["", "[]", '"a"', "[" * 60_000, "x" * 65_536])
def test_what_is_no_message_ends_the_session(text: str) -> None:
    client = Client()
    with pytest.raises(ProtocolError):
        client.dialect.text(text)
    assert client.types == ["disconnect"]


def test_the_session_id_of_the_request_counts() -> None:
    client = Client({"Audiohook-Session-Id": "30b0e395-84d3-4570-ac13-9a62d8f514c0"})
    with pytest.raises(ProtocolError, match="another session"):
        client.open()
    assert not client.calls.opened
    assert client.answers[0]["id"] == "30b0e395-84d3-4570-ac13-9a62d8f514c0"


def test_audio_before_open_is_heard_from_it_on() -> None:
    client = Client()
    client.dialect.binary(b"\xff" * 800)
    client.open()
    assert client.types == ["opened"]
    assert sum(map(len, client.calls.opened[0].legs[0].payloads)) > 0


def test_a_second_open_is_refused_and_the_session_lives() -> None:
    client = Client().open()
    with pytest.raises(ProtocolError, match="second open"):
        client.open()
    client.send("ping")
    assert client.types == ["opened", "pong"]


def test_languages_are_named_if_asked_for() -> None:
    client = Client().open(supportedLanguages=True)
    assert client.answers[0]["parameters"]["supportedLanguages"] == []


def test_a_lost_connection_closes_the_call() -> None:
    client = Client().open()
    client.dialect.lost()
    assert client.calls.opened[0].closed == 1


def test_hostile_input() -> None:
    client = Client()
    valid = [client.message("open", OPEN, serverseq=0), client.message("ping", serverseq=1)]
    valid.append(client.message("close", {"reason": "end"}, serverseq=2))
    keys = ["version", "id", "type", "seq", "serverseq", "position", "parameters"]
    survives(lambda: Client().dialect, keys, valid)


def test_hostile_parameters_of_open() -> None:
    head = f'{{"version":"2","id":"{SESSION}","type":"open","seq":1,"serverseq":0'

    def wrap(parameters: str) -> str:
        return f'{head},"position":"PT0S","parameters":{parameters}}}'

    survives(lambda: Client().dialect, list(OPEN), [json.dumps(OPEN)], wrap)
