"""Scoring, calls, events and health by HTTP, and what hostile clients get."""

import asyncio
import gzip
import json
import tempfile
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import aiohttp
import numpy as np
import pytest
import soundfile
import uvloop
from hypothesis import given
from hypothesis import strategies as st

from audio_model.audio import Channel
from audio_model.detector import Detector, ScoreOptions
from audio_model.formats import Encoding, RawFormat
from audio_model.gateway import server
from audio_model.gateway.events import CallInfo, Event, EventKind
from audio_model.gateway.http import api as http
from audio_model.gateway.http import event_stream, scoring
from audio_model.gateway.http.errors import HttpError
from audio_model.gateway.http.scoring import raw_format_of
from audio_model.gateway.outlets import feed
from audio_model.gateway.rtp.ng import RtpengineError
from audio_model.gateway.rtp.receiver import NoPortError
from audio_model.scoring import score_entry
from audio_model.tables.rows import Columns, Entry, evidence_values
from tests.gateway.fakes import verdict
from tests.gateway.serving import Running, serving
from tests.gateway.waiting import until

SAMPLES = Path(__file__).parents[3] / "samples"
PROMPT = SAMPLES / "recorded-prompt-en.wav"
ULAW = SAMPLES / "live-testing.ulaw"


def offline(path: Path, name: str, **options: Any) -> dict[str, Any]:
    """The row of ``score --output rows.jsonl``."""
    (row,) = score_entry(Entry(str(path)), Detector.load(), ScoreOptions(**options))
    values = Columns(each_channel=False).own_values(row) | {"path": name}
    return json.loads(json.dumps({**values, **evidence_values(row)}))


async def error_of(response: aiohttp.ClientResponse) -> tuple[int, str]:
    body = await response.json()
    assert set(body) == {"error"} and set(body["error"]) == {"code", "message"}
    return response.status, body["error"]["code"]


async def score(here: Running, data: Any, kind: str | None = None, query: str = "") -> Any:
    headers = {} if kind is None else {"Content-Type": kind}
    async with here.client.post("/v1/score" + query, data=data, headers=headers) as response:
        return response.status, await response.json()


def test_a_file_is_scored_as_the_command_does() -> None:
    async def test() -> None:
        async with serving() as here:
            form = aiohttp.FormData(quote_fields=False)
            form.add_field("note", "not a file")
            form.add_field("file", PROMPT.read_bytes(), filename="call 1.wav")
            assert await score(here, form) == (200, offline(PROMPT, "call 1.wav"))
            body = PROMPT.read_bytes()
            assert await score(here, body, "audio/wav") == (200, offline(PROMPT, ""))
            body = (SAMPLES / "live-story.amr").read_bytes()
            expected = offline(SAMPLES / "live-story.amr", "")
            assert await score(here, body, "application/octet-stream") == (200, expected)

    uvloop.run(test())


def test_a_file_without_a_header_is_known_by_its_name() -> None:
    async def test() -> None:
        async with serving() as here:
            form = aiohttp.FormData(quote_fields=False)
            form.add_field("file", ULAW.read_bytes(), filename="../etc/x.ulaw")
            assert await score(here, form) == (200, offline(ULAW, "../etc/x.ulaw"))

    uvloop.run(test())


def test_raw_audio_is_scored_by_its_type(tmp_path: Path) -> None:
    samples, rate = soundfile.read(PROMPT, dtype="int16")
    stereo = np.stack([samples, np.zeros_like(samples)], axis=1)

    def raw(content: bytes, raw_format: RawFormat, channel: Channel) -> dict[str, Any]:
        path = tmp_path / "audio.raw"
        path.write_bytes(content)
        return offline(path, "", raw_format=raw_format, channel=channel)

    async def test() -> None:
        async with serving() as here:
            mulaw = ULAW.read_bytes()
            expected = raw(mulaw, RawFormat(Encoding.MULAW), Channel.MIX)
            for kind in ("audio/x-mulaw;rate=8000", "audio/PCMU", "audio/basic"):
                assert await score(here, mulaw, kind) == (200, expected)
            big, little = stereo.astype(">i2").tobytes(), stereo.astype("<i2").tobytes()
            expected = raw(little, RawFormat(Encoding.S16LE, rate, 2), Channel.LEFT)
            kind = f"audio/L16; rate={rate}; channels=2"
            assert await score(here, big, kind, "?channel=left") == (200, expected)
            kind += ";endianness=little-endian"
            assert await score(here, little, kind, "?channel=left") == (200, expected)

    uvloop.run(test())


def test_a_recording_that_can_not_be_read_is_a_row_with_an_error() -> None:
    async def test() -> None:
        async with serving() as here:
            status, row = await score(here, (SAMPLES / "corrupt.wav").read_bytes(), "audio/wav")
            assert status == 200
            assert (row["verdict"], row["reason"]) == ("unknown", "error")
            assert row["error"]
            assert "/proc" not in row["error"] and tempfile.gettempdir() not in row["error"]
            _, row = await score(here, b"", "audio/wav")
            assert row["error"] == "the file is empty (0 bytes)"

    uvloop.run(test())


@pytest.mark.parametrize(
    ("data", "kind", "query", "expected"),
    [
        (b"x", "text/plain", "", (415, "not_audio")),
        (b"x", "application/x-www-form-urlencoded", "", (415, "not_audio")),
        (b"x", "audio/L16;rate=0", "", (400, "bad_request")),
        (b"x", "audio/L16;rate=1000000000", "", (400, "bad_request")),
        (b"x", "audio/L16;rate=8k", "", (400, "bad_request")),
        (b"x", "audio/L16;channels=0", "", (400, "bad_request")),
        (b"x", "audio/L16;endianness=middle", "", (400, "bad_request")),
        (b"x", "audio/wav", "?channel=both", (400, "bad_request")),
        (b"x", "multipart/form-data", "", (400, "bad_body")),
        (b"x", "multipart/form-data; boundary=y", "", (400, "bad_body")),
        (b"--y\r\n\r\nx\r\n--y--\r\n", "multipart/form-data; boundary=y", "", (400, "bad_body")),
        (b"--y\r\n" + b"A: b\r\n" * 500, "multipart/form-data; boundary=y", "", (400, "bad_body")),
    ],
)
def test_what_can_not_be_scored_is_refused(
    data: bytes, kind: str, query: str, expected: tuple[int, str]
) -> None:
    async def test() -> None:
        async with serving() as here:
            headers = {"Content-Type": kind}
            async with here.client.post(
                "/v1/score" + query, data=data, headers=headers
            ) as response:
                assert await error_of(response) == expected

    uvloop.run(test())


def test_bodies_are_limited_as_told_and_as_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scoring, "MAX_BYTES", 100_000)

    async def chunks() -> Any:
        for _ in range(100):
            yield b"x" * 10_000

    async def test() -> None:
        async with serving() as here:
            headers = {"Content-Type": "audio/wav"}
            form = aiohttp.FormData(quote_fields=False)
            form.add_field("file", b"x" * 200_000, filename="x.wav")
            for data, sent in [
                (b"x" * 200_000, headers),
                (chunks(), headers),
                (form, {}),
            ]:
                async with here.client.post("/v1/score", data=data, headers=sent) as response:
                    assert await error_of(response) == (413, "too_large")

    uvloop.run(test())


def test_bodies_are_not_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    """To unpack a small one may take so long that no call is heard meanwhile."""
    packed, unpacked = gzip.compress(b"x" * 100_000), []
    monkeypatch.setattr(zlib, "decompressobj", lambda *_, **__: unpacked.append(1))

    async def test() -> None:
        async with serving() as here:
            headers = {"Content-Type": "audio/basic", "Content-Encoding": "gzip"}
            for path, expected in [
                ("/v1/score", (415, "packed")),
                ("/v1/rtpengine", (404, "no_rtpengine")),
                ("/healthz", (405, "method_not_allowed")),
            ]:
                async with here.client.post(path, data=packed, headers=headers) as response:
                    assert await error_of(response) == expected
            assert not unpacked

    uvloop.run(test())


def test_a_body_that_comes_too_slowly_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test() -> None:
        async with serving() as here:
            reader, writer = await asyncio.open_connection("127.0.0.1", here.port)
            with monkeypatch.context() as patch:
                patch.setattr(scoring, "RECEIVE_SECONDS", 0.1)
                writer.write(
                    b"POST /v1/score HTTP/1.1\r\nHost: x\r\nContent-Type: audio/wav\r\n"
                    b"Content-Length: 1000\r\n\r\nRI"
                )
                assert b" 408 " in await asyncio.wait_for(reader.readline(), 30)
            writer.close()
            await writer.wait_closed()
            assert (await score(here, PROMPT.read_bytes(), "audio/wav"))[0] == 200

    uvloop.run(test())


def test_slow_uploads_block_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scoring, "MAX_RECEIVING", 9)
    monkeypatch.setattr(scoring, "SLOW_SECONDS", 0.05)
    head = (
        b"POST /v1/score HTTP/1.1\r\nHost: x\r\nContent-Type: audio/wav\r\n"
        b"Content-Length: 1000\r\n\r\nRI"
    )
    body = PROMPT.read_bytes()

    async def test() -> None:
        async with serving() as here:
            slow = [await asyncio.open_connection("127.0.0.1", here.port) for _ in range(9)]
            for _, writer in slow[:8]:
                writer.write(head)
            receiving = here.server._scoring._receiving
            await until(lambda: [each.n_bytes for each in receiving] == [2] * 8)
            await asyncio.sleep(0.1)
            # Eight of them leave room, and of more than there is room for the slowest goes.
            assert (await score(here, body, "audio/wav"))[0] == 200
            slow[8][1].write(head + b"F" * 100)
            await until(lambda: {each.n_bytes for each in receiving} == {2, 102})
            await asyncio.sleep(0.1)
            assert (await score(here, body, "audio/wav"))[0] == 200
            answers = [asyncio.create_task(reader.readline()) for reader, _ in slow]
            await asyncio.wait(answers, return_when=asyncio.FIRST_COMPLETED, timeout=30)
            await asyncio.wait(answers, timeout=0.2)
            told = [answer.result() for answer in answers if answer.done()]
            assert len(told) == 1 and b" 408 " in told[0] and not answers[8].done()
            for answer in answers:
                answer.cancel()
            for _, writer in slow:
                writer.close()

    uvloop.run(test())


def test_no_temporary_folder_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "mkdtemp", None)

    async def test() -> None:
        async with serving() as here:
            expected = offline(PROMPT, "")
            assert await score(here, PROMPT.read_bytes(), "audio/wav") == (200, expected)

    uvloop.run(test())


def test_recordings_beyond_the_queue_are_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scoring, "MAX_QUEUED", 2)
    body = PROMPT.read_bytes()

    async def test() -> None:
        async with serving() as here:
            answers = await asyncio.gather(*[score(here, body, "audio/wav") for _ in range(20)])
            statuses = {status for status, _ in answers}
            assert statuses == {200, 503}
            assert (await score(here, body, "audio/wav"))[0] == 200
            assert (await here.metrics())['audio_model_refused_total{reason="score_queue"}'] > 0

    uvloop.run(test())


@given(st.text(max_size=60))
def test_any_content_type_is_read_or_refused(kind: str) -> None:
    for content_type in (kind, "audio/L16;" + kind):
        try:
            raw_format_of(content_type)
        except HttpError as error:
            assert error.status in (400, 415)


# Calls and events


async def stream(here: Running, call: str, seconds: float = 1.0, query: str = "") -> list[Any]:
    """A call by the plain stream; its events."""
    audio = ULAW.read_bytes()[: int(8000 * seconds)]
    url = f"/v1/stream?encoding=mulaw&call={call}{query}"
    async with here.client.ws_connect(url) as socket:
        for at in range(0, len(audio), 160):
            await socket.send_bytes(audio[at : at + 160])
        await socket.send_str('{"event": "stop"}')
        return [json.loads(message.data) async for message in socket]


def test_a_call_can_be_asked_for_by_its_id_and_among_the_recent() -> None:
    async def test() -> None:
        async with serving() as here:
            events = await stream(here, "a", query="&caller=123")
            await stream(here, "b/2")
            async with here.client.get("/v1/calls/a") as response:
                call = await response.json()
            assert call == {"call": "a", "finished": True, "legs": {"caller": events[-1]}}
            assert events[-1]["event"] == "final" and events[-1]["caller"] == "123"
            async with here.client.get("/v1/calls/b/2") as response:
                assert response.status == 200
            async with here.client.get("/v1/calls") as response:
                assert [c["call"] for c in (await response.json())["calls"]] == ["b/2", "a"]
            async with here.client.get("/v1/calls?limit=1") as response:
                assert [c["call"] for c in (await response.json())["calls"]] == ["b/2"]
            async with here.client.get("/v1/calls/c") as response:
                assert await error_of(response) == (404, "no_such_call")
            for limit in ("0", "1001", "-1", "x", "٣"):
                async with here.client.get("/v1/calls", params={"limit": limit}) as response:
                    assert await error_of(response) == (400, "bad_request")

    uvloop.run(test())


async def next_event(response: aiohttp.ClientResponse) -> dict[str, str]:
    """The next one with data."""
    event: dict[str, str] = {}
    async with asyncio.timeout(30):
        while True:
            line = (await response.content.readline()).decode().rstrip("\n")
            if not line and "data" in event:
                return event
            name, _, value = line.partition(": ")
            if name:
                event[name] = value


def test_events_come_as_they_happen_filtered_and_again_from_where_one_was() -> None:
    async def test() -> None:
        async with serving() as here:
            async with (
                here.client.get("/v1/events?event=final&gateway=stream") as finals,
                here.client.get("/v1/events?gateway=twilio") as others,
            ):
                assert finals.headers["Content-Type"] == "text/event-stream"
                await stream(here, "a")
                await stream(here, "b", 6.0)
                first, second = await next_event(finals), await next_event(finals)
                for event, call in ((first, "a"), (second, "b")):
                    assert event["event"] == "final"
                    assert json.loads(event["data"])["call"] == call
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.1):
                        await next_event(others)
            headers = {"Last-Event-ID": first["id"]}
            url = "/v1/events?event=final"
            async with here.client.get(url, headers=headers) as again:
                assert await next_event(again) == second
            # Of another run of the server, or of another process: all that is known here.
            headers = {"Last-Event-ID": "0badc0de-99"}
            async with here.client.get(url, headers=headers) as again:
                event = await next_event(again)
                assert event == {**first, "id": f"0badc0de-99,{first['id']}"}
            async with here.client.get("/v1/events?event=nothing") as response:
                assert await error_of(response) == (400, "bad_request")

    uvloop.run(test())


def test_quiet_readers_get_comments_and_readers_are_limited(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(event_stream, "KEEP_ALIVE_SECONDS", 0.02)
    monkeypatch.setattr(http, "MAX_READERS", 1)

    async def test() -> None:
        async with serving() as here, here.client.get("/v1/events") as response:
            for begins in (b": events follow", b"id: ", b": no events", b": no events"):
                assert (await response.content.readline()).startswith(begins)
                assert await response.content.readline() == b"\n"
            async with here.client.get("/v1/events") as refused:
                assert await error_of(refused) == (503, "too_many_readers")

    uvloop.run(test())


def test_a_reader_that_does_not_read_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "MAX_UNREAD", 3)

    async def test() -> None:
        async with serving() as here:
            reader, writer = await asyncio.open_connection("127.0.0.1", here.port)
            writer.write(b"GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n")
            await asyncio.wait_for(reader.readuntil(b"follow"), 30)
            event = final_event()
            # More at once than the loop has time to send.
            for _ in range(5):
                here.server.feed.add(event, b"{}")
            with pytest.raises(ConnectionResetError):
                while await asyncio.wait_for(reader.read(1000), 30):
                    pass
                raise ConnectionResetError
            assert here.server.api.n_readers == 0
            assert (await here.metrics())["audio_model_slow_readers_total"] == 1
            writer.close()
            await asyncio.gather(writer.wait_closed(), return_exceptions=True)

    uvloop.run(test())


def final_event() -> Event:
    return Event(EventKind.FINAL, CallInfo("x", "stream"), "caller", verdict())


# rtpengine


class FakeRtpengine:
    def __init__(self) -> None:
        self.followed: list[tuple[Any, ...]] = []
        self.error: Exception | None = None

    async def follow(self, call_id: str, from_tag: str, *, caller: str, called: str) -> bool:
        if self.error is not None:
            raise self.error
        self.followed.append((call_id, from_tag, caller, called))
        return len(self.followed) == 1


def test_a_call_of_rtpengine_is_followed_when_asked() -> None:
    async def test() -> None:
        async with serving() as here:
            fake = FakeRtpengine()
            here.server.api.rtpengine = cast(Any, fake)
            for begun in (True, False):
                wanted = {"call_id": "a", "from_tag": "b", "caller": "1", "called": "2", "x": 3}
                async with here.client.post("/v1/rtpengine", json=wanted) as response:
                    assert response.status == 202
                    assert await response.json() == {"call": "a", "begun": begun}
            assert fake.followed[0] == ("a", "b", "1", "2")
            wrong: tuple[object, ...] = ({}, {"call_id": ""}, {"call_id": 5}, [], None)
            for bad in (*wrong, {"call_id": "x" * 300}):
                async with here.client.post("/v1/rtpengine", json=bad) as response:
                    assert await error_of(response) == (400, "bad_request")
            async with here.client.post("/v1/rtpengine", data=b"[" * 10_000) as response:
                assert await error_of(response) == (400, "bad_request")
            async with here.client.post("/v1/rtpengine", data=b"x" * 20_000) as response:
                assert (await error_of(response))[0] == 413
            for error, expected in [
                (RtpengineError("Unknown call-id"), (502, "rtpengine")),
                (NoPortError("no free RTP port"), (503, "no_port")),
            ]:
                fake.error = error
                async with here.client.post("/v1/rtpengine", json={"call_id": "a"}) as response:
                    assert await error_of(response) == expected

    uvloop.run(test())


# Health and access


def test_ready_and_healthy_and_what_is_not_there() -> None:
    async def test() -> None:
        async with serving() as here:
            for path, status in (("/healthz", "ok"), ("/readyz", "ready")):
                async with here.client.get(path) as response:
                    assert (response.status, await response.json()) == (200, {"status": status})
            async with here.client.get("/nothing") as response:
                assert await error_of(response) == (404, "not_found")
            async with here.client.delete("/v1/calls") as response:
                assert await error_of(response) == (405, "method_not_allowed")
                assert response.headers["Allow"] == "GET,HEAD"
            here.server.api.phase = http.Phase.STOPPING
            async with here.client.get("/readyz") as response:
                assert (response.status, await response.json()) == (503, {"status": "stopping"})
            async with here.client.get("/healthz") as response:
                assert response.status == 200
            async with here.client.get("/twilio", headers=UPGRADE) as response:
                assert await error_of(response) == (503, "stopping")

    uvloop.run(test())


UPGRADE = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


def test_slow_headers_are_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """Slow-loris: a byte now and then, and never a whole request."""
    monkeypatch.setattr(server, "KEEP_ALIVE_SECONDS", 0.3)

    async def test() -> None:
        async with serving() as here:
            reader, writer = await asyncio.open_connection("127.0.0.1", here.port)
            # After an answer the next request is surely waited for. Where a loop is held
            # up from the connection on until the time is over, aiohttp does not wait yet, nor cut.
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: here\r\n\r\n")
            assert b" 200 " in await asyncio.wait_for(reader.readline(), 30)
            reading = asyncio.create_task(reader.read())
            writer.write(b"GET /healthz HTTP/1.1\r\nX: ")
            for _ in range(600):
                if reading.done():
                    break
                writer.write(b"x")
                await asyncio.sleep(0.05)
            assert reading.done()
            # A byte that comes after the server has closed is answered with a reset.
            with suppress(ConnectionError):
                assert reading.result().endswith(b"}")
            writer.close()
            await asyncio.gather(writer.wait_closed(), return_exceptions=True)
            async with here.client.get("/healthz") as response:
                assert response.status == 200

    uvloop.run(test())


@pytest.mark.parametrize("request_line", [b"\x00\xff\xfe\r\n\r\n", b"GET " + b"x" * 100_000])
def test_junk_is_answered_or_cut_off(request_line: bytes) -> None:
    async def test() -> None:
        async with serving() as here:
            reader, writer = await asyncio.open_connection("127.0.0.1", here.port)
            writer.write(request_line)
            assert b" 400 " in await asyncio.wait_for(reader.readline(), 30)
            writer.close()
            await asyncio.gather(writer.wait_closed(), return_exceptions=True)
            async with here.client.get("/healthz") as response:
                assert response.status == 200

    uvloop.run(test())
