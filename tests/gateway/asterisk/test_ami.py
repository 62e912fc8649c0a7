"""A stand-in for Asterisk's Manager Interface on the loopback address."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from audio_model.decision import VerdictKind
from audio_model.gateway import server
from audio_model.gateway.asterisk import ami
from audio_model.gateway.asterisk.action import Action
from audio_model.gateway.asterisk.alive import Hears
from audio_model.gateway.asterisk.ami import Ami
from audio_model.gateway.events import CallInfo, Event, EventKind
from tests.gateway.fakes import verdict
from tests.gateway.serving import serving
from tests.gateway.waiting import run, until

GREETING = b"Asterisk Call Manager/11.0.0\r\n"
CALL = CallInfo("2dc45377-9812-42f7-b7ff-7fca13891148", "audiosocket")
CHANNEL = "PJSIP/100-00000001"
USER_EVENT = (
    "Event: UserEvent\r\nPrivilege: user,all\r\n"
    f"Channel: {CHANNEL}\r\nUniqueid: 1795528793.1\r\nUserEvent: AudioModel\r\n"
    f"Call: {CALL.id}\r\n\r\n"
).encode()


def event(
    kind: EventKind = EventKind.FINAL,
    said: VerdictKind = VerdictKind.RECORDED,
    call: CallInfo = CALL,
) -> Event:
    return Event(kind, call, "caller", verdict(said))


@dataclass
class Manager:
    """Asterisk's end: what it was asked, and how it answers."""

    answer: str = "Success"
    greeting: bytes = GREETING
    asked: list[dict[str, str]] = field(default_factory=list)
    connections: int = 0
    silent: bool = False
    hangs: bool = False
    pings: int = 0
    writers: list[asyncio.StreamWriter] = field(default_factory=list)

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.writers.append(writer)
        writer.write(self.greeting)
        try:
            while True:
                text = (await reader.readuntil(b"\r\n\r\n")).decode()
                packet = dict(line.split(": ", 1) for line in text.strip().split("\r\n"))
                if packet["Action"] == "Ping":
                    self.pings += 1
                    if self.hangs:
                        continue
                elif packet["Action"] != "Login":
                    self.asked.append(packet)
                    if self.silent:
                        continue
                writer.write(
                    f"Response: {self.answer}\r\nActionID: {packet['ActionID']}\r\n"
                    "Message: said so\r\n\r\n".encode()
                )
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def tell(self, data: bytes) -> None:
        self.writers[-1].write(data)

    def drop(self) -> None:
        self.writers[-1].transport.abort()

    def variables(self) -> dict[str, str]:
        return {
            packet["Variable"]: packet["Value"]
            for packet in self.asked
            if packet["Action"] == "Setvar"
        }


@asynccontextmanager
async def connected(
    manager: Manager,
    action: Action = Action.VARIABLE,
    advise: ami.Advise | None = None,
    hears: Hears = lambda _: False,
    transfer_to: str = "",
) -> AsyncIterator[Ami]:
    server = await asyncio.start_server(manager.connected, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    client = Ami("127.0.0.1", port, "audio-model", "change-me", action, advise, hears, transfer_to)
    try:
        await until(lambda: manager.connections > 0)
        if manager.greeting == GREETING and manager.answer == "Success":
            await until(lambda: client.connected)
        yield client
    finally:
        await client.close()
        server.close()
        for writer in manager.writers:
            writer.close()
        await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("greeting", "seconds", "state"), [(GREETING, 30, "up"), (b"hello\r\n", 0.3, "down")]
)
def test_a_server_that_is_ready_is_logged_in_if_it_can_be(
    greeting: bytes, seconds: float, state: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asterisk tells nothing of calls that begin before, and calls come once it is ready."""
    monkeypatch.setattr(server, "PARTS_SECONDS", seconds)
    (tmp_path / "secret").write_text("change-me")

    async def test() -> None:
        manager = Manager(greeting=greeting)
        asterisk = await asyncio.start_server(manager.connected, "127.0.0.1", 0)
        address = f"127.0.0.1:{asterisk.sockets[0].getsockname()[1]}"
        flags = ["--ami-address", address, "--ami-user", "audio-model"]
        async with (
            serving(*flags, "--ami-secret-file", str(tmp_path / "secret")) as here,
            here.client.get("/readyz") as response,
        ):
            assert (await response.json())["parts"] == {"ami": state}
        asterisk.close()

    asyncio.run(test())


def test_an_asterisk_that_hangs_is_down_and_one_that_answers_pings_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ami, "PING_SECONDS", 0.3)
    # One that hangs takes connections, and lets nobody in.
    monkeypatch.setattr(ami, "LOGIN_SECONDS", 30.0)

    async def test() -> None:
        manager = Manager()
        async with connected(manager) as client:
            await until(lambda: manager.pings > 3)
            assert client.connected and manager.connections == 1
            manager.hangs, manager.greeting = True, b""
            await until(lambda: not client.connected)

    run(test())


def test_the_channel_that_the_dialplan_named_gets_the_variables() -> None:
    async def test() -> None:
        manager = Manager()
        async with connected(manager) as client:
            manager.tell(USER_EVENT)
            await until(lambda: CALL.id in client._channels)
            client.add(event(EventKind.PROGRESS))
            client.add(event())
            await client.told(CALL.id)
            assert {packet["Channel"] for packet in manager.asked} == {CHANNEL}
            assert manager.variables() == {
                "AMDSTATUS": "MACHINE",
                "AMDCAUSE": "RECORDED-0.970-1600",
                "AUDIOMODEL_VERDICT": "recorded",
                "AUDIOMODEL_SCORE": "0.9700",
                "AUDIOMODEL_REASON": "",
                "AUDIOMODEL_SECONDS": "1.60",
            }
            assert len(manager.asked) == 6

    run(test())


@pytest.mark.parametrize(
    ("kind", "said", "asked"),
    [
        (EventKind.PROGRESS, VerdictKind.RECORDED, []),
        (EventKind.VERDICT, VerdictKind.LIVE, []),
        (EventKind.FINAL, VerdictKind.UNKNOWN, []),
        (EventKind.VERDICT, VerdictKind.RECORDED, ["Hangup"]),
        (EventKind.FINAL, VerdictKind.RECORDED, ["Hangup"]),
    ],
)
def test_only_a_recording_is_hung_up(kind: EventKind, said: VerdictKind, asked: list[str]) -> None:
    async def test() -> None:
        manager = Manager()
        async with connected(manager, Action.HANGUP) as client:
            manager.tell(USER_EVENT)
            await until(lambda: CALL.id in client._channels)
            client.add(event(kind, said))
            await client.told(CALL.id)
            assert [packet["Action"] for packet in manager.asked] == asked
            assert all(packet["Channel"] == CHANNEL for packet in manager.asked)

    run(test())


def test_a_call_of_chan_websocket_is_its_channel_and_others_are_left_alone() -> None:
    async def test() -> None:
        manager = Manager()
        async with connected(manager) as client:
            client.add(event(call=CallInfo("1795528793.1", "asterisk")))
            client.add(event(call=CallInfo("1\r\nAction: Originate", "asterisk")))
            client.add(event(call=CallInfo("MZ1", "twilio")))
            client.add(event())
            await client.told("1795528793.1")
            assert {packet["Channel"] for packet in manager.asked} == {"1795528793.1"}

    run(test())


def test_a_channel_that_has_gone_is_no_failure() -> None:
    async def test() -> None:
        manager = Manager()
        async with connected(manager) as client:
            manager.answer = "Error"
            client.add(event(call=CallInfo("1.1", "asterisk")))
            await client.told("1.1")
            assert len(manager.asked) == 6
            assert manager.connections == 1

    run(test())


def test_a_lost_connection_is_made_again_and_what_waits_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ami, "FIRST_WAIT_SECONDS", 0.05)

    async def test() -> None:
        manager = Manager(silent=True)
        async with connected(manager) as client:
            client.add(event(call=CallInfo("1.1", "asterisk")))
            await until(lambda: len(manager.asked) == 6)
            told = asyncio.create_task(client.told("1.1"))
            await asyncio.sleep(0.02)
            assert not told.done()
            manager.drop()
            await told
            client.add(event(call=CallInfo("1.2", "asterisk")))
            manager.silent = False
            await client.told("1.2")
            assert manager.connections == 2
            assert manager.asked[-1]["Channel"] == "1.2"

    run(test())


@pytest.mark.parametrize(
    "greeting",
    [
        b"HTTP/1.1 400 Bad Request\r\n",
        b"\xff\xfe" * 100 + b"\n",
        b"x" * 200_000,
        GREETING + b"Response: Error\r\nMessage: Authentication failed\r\n\r\n",
        GREETING + b"name: value\r\n" * 1000,
    ],
)
def test_whoever_is_no_manager_is_left_and_asked_again_later(
    greeting: bytes, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ami, "FIRST_WAIT_SECONDS", 0.05)

    async def test() -> None:
        manager = Manager(greeting=greeting)
        async with connected(manager) as client:
            client.add(event(call=CallInfo("1.1", "asterisk")))
            await until(lambda: manager.connections > 1)
            assert not manager.asked
            assert "AMI at 127.0.0.1" in caplog.text

    run(test())


def test_nothing_grows_while_asterisk_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ami, "MAX_WAITING", 60)
    monkeypatch.setattr(ami, "MAX_CHANNELS", 10)

    async def test() -> None:
        manager = Manager()
        async with connected(manager) as client:
            for n in range(50):
                manager.tell(USER_EVENT.replace(CALL.id.encode(), b"call-%d" % n))
            await until(lambda: "call-49" in client._channels)
            for n in range(50):
                client.add(event(call=CallInfo(f"call-{n}", "audiosocket")))
            await client.told("call-49")
            channels = [packet["Channel"] for packet in manager.asked]
            assert len(channels) == 10 * 6

            for n in range(50):
                client.add(event(call=CallInfo(f"1.{n}", "asterisk")))
            assert len(client._waiting) == 60
            await client.told("1.0")
            await client.told("1.49")
            assert len(manager.asked) == 10 * 6 + 60
            assert not client._unanswered

    run(test())


def test_what_is_advised_of_the_callers_range_is_told_with_the_verdict() -> None:
    asked: list[str] = []

    async def advise(number: str) -> dict[str, object] | None:
        await asyncio.sleep(0.05)
        asked.append(number)
        known: dict[str, object] = {"act": "block", "state": "open", "range": "952137"}
        return known if number == "95213700" else None

    async def test() -> None:
        manager = Manager()
        async with connected(manager, advise=advise) as client:
            for caller in ("95213700", "95588"):
                call = CallInfo(f"call of {caller}", "asterisk", caller=caller)
                manager.asked.clear()
                client.add(event(EventKind.PROGRESS, call=call))
                client.add(event(call=call))
                # An application that ends after a verdict waits for this, too.
                await client.told(call.id)
                variables = manager.variables()
                assert variables["AMDSTATUS"] == "MACHINE"
                assert (variables.get("AUDIOMODEL_RANGE_ACT") == "block") is (caller != "95588")
        assert asked == ["95213700", "95588"]

    run(test())


def test_the_channel_to_the_server_lasts_while_its_call_is_heard() -> None:
    leg = "AudioSocket/127.0.0.1:9092-2dc45377"
    named = USER_EVENT.replace(CHANNEL.encode(), leg.encode())
    named = named.replace(b"\r\n\r\n", b"\r\nAlive: 1\r\n\r\n")

    async def test() -> None:
        manager = Manager()
        async with connected(manager, hears=lambda call_id: call_id == CALL.id) as client:
            manager.tell(USER_EVENT + named)
            await until(lambda: len(manager.asked) == 2)
            for packet in manager.asked:
                assert (packet["Action"], packet["Channel"]) == ("AbsoluteTimeout", leg)
                assert packet["Timeout"] == "1"
            # The variables are still the caller's.
            client.add(event())
            await client.told(CALL.id)
            channels = {p["Channel"] for p in manager.asked if p["Action"] == "Setvar"}
            assert channels == {CHANNEL}
            # Its channel has gone.
            manager.answer = "Error"
            n = len(manager.asked)
            await until(lambda: len(manager.asked) > n)
            await until(lambda: not len(client._alive))

    run(test())


def test_it_is_connected_once_it_is_let_in() -> None:
    async def test() -> None:
        for answer in ("Success", "Error"):
            manager = Manager(answer=answer)
            async with connected(manager) as client:
                assert client.connected is (answer == "Success")
                manager.drop()
                async with asyncio.timeout(30):
                    while client.connected:
                        await asyncio.sleep(0.005)

    run(test())


def test_a_recordings_channel_is_transferred_once_and_others_are_told_of() -> None:
    snooped = CallInfo("snooped", "audiosocket", details={"channel": "PJSIP/7-00000002"})

    async def test() -> None:
        manager = Manager()
        async with connected(manager, Action.TRANSFER, transfer_to="recorded@trunk") as client:
            manager.tell(USER_EVENT)
            await until(lambda: CALL.id in client._channels)
            for call in (CALL, snooped):
                client.add(event(EventKind.VERDICT, call=call))
                client.add(event(call=call))
                await client.told(call.id)
            redirects = [p for p in manager.asked if p["Action"] == "Redirect"]
            assert [p["Channel"] for p in redirects] == [CHANNEL, "PJSIP/7-00000002"]
            where = {(p["Exten"], p["Context"], p["Priority"]) for p in redirects}
            assert where == {("recorded", "trunk", "1")}
            assert manager.variables()["AMDSTATUS"] == "MACHINE"
            manager.asked.clear()
            # Music on hold, in a call in which people speak: it is told, and goes on.
            held = CallInfo("1.4", "asterisk")
            client.add(event(EventKind.REVISED, call=held))
            await client.told(held.id)
            assert {p["Action"] for p in manager.asked} == {"Setvar"}
            manager.asked.clear()
            live = CallInfo("1.5", "asterisk")
            client.add(event(said=VerdictKind.LIVE, call=live))
            await client.told(live.id)
            assert {p["Action"] for p in manager.asked} == {"Setvar"}

    run(test())
