"""A stand-in for Asterisk at the other end of the pipes: the dialplan always gets an answer."""

import argparse
import asyncio
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import termios
import threading
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import closing
from hashlib import sha1
from pathlib import Path

import pytest
from aiohttp import web

from audio_model.detector import Detector
from audio_model.gateway.asterisk import eagi
from audio_model.gateway.events import Event
from audio_model.ranges.rates import CallAnswer
from audio_model.ranges.store import RangeStore
from audio_model.ranges.tree import RangeCall, State
from tests import sounds
from tests.gateway.serving import serving

ROOT = Path(__file__).parents[3]

PROGRAM = """\
import argparse, sys
from audio_model.gateway.asterisk import eagi
from audio_model.gateway.events import Event
if "server" in sys.argv[1]:
    eagi.CONNECT_SECONDS = eagi.HEARTBEAT_SECONDS = eagi.FINAL_SECONDS = 20.0
if "asterisk" in sys.argv[1]:
    eagi.REPLY_SECONDS = 30.0
parser = argparse.ArgumentParser()
eagi.add_arguments(parser)
sys.exit(eagi.run(parser.parse_args(sys.argv[2:])))
"""

GREETING = (
    b"agi_request: eagi\nagi_channel: PJSIP/100-1\nagi_uniqueid: 1.7\n"
    b"agi_callerid: +4930123\nagi_extension: 200\nagi_enhanced: 1.0\n\n"
)

PACKET = 320
"""20 ms."""

BOTH = "asterisk, server"

NO_ADVICE: tuple[object, ...] = ({}, [1], None, "x")


def pcm(samples: sounds.Samples) -> bytes:
    return sounds.pcm(samples).tobytes()


RECORDED = pcm(sounds.voice(6, 9, played=True))
LIVE = pcm(sounds.voice(6, 2))


class Asterisk:
    """Starts the program as EAGI() does, answers its commands and keeps what it sets."""

    def __init__(
        self,
        *arguments: str,
        with_audio: bool = True,
        reply: str = "200 result=1\n",
        patient: str = "asterisk",
    ) -> None:
        """
        Args:
            patient: who may be as slow as on a machine that is busy: the server, Asterisk.
        """
        reading, self.audio = os.pipe()
        audio_fd = reading if with_audio else os.open(os.devnull, os.O_RDONLY)
        self.variables: dict[str, str] = {}
        self.commands: list[str] = []
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            [
                "bash",
                "-c",
                f'exec "$@" 3<&{audio_fd} {audio_fd}<&-',
                "bash",
                sys.executable,
                "-c",
                PROGRAM,
                patient,
                *arguments,
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=[audio_fd],
            cwd=ROOT,
        )
        os.close(audio_fd)
        if not with_audio:
            os.close(reading)
        self._reply = reply.encode()
        self._answering = threading.Thread(target=self._answer)
        self._answering.start()

    def greet(self) -> None:
        self.tell(GREETING)

    def tell(self, data: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def _answer(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            command = line.decode().strip()
            self.commands.append(command)
            _, _, rest = command.partition("SET VARIABLE ")
            name, _, value = rest.partition(" ")
            self.variables[name] = value.strip('"')
            if self._reply:
                self.tell(self._reply)

    def play(self, audio: bytes, speed: float = 8.0) -> None:
        """As a caller's audio comes, only faster, until the program no longer listens."""
        for at in range(0, len(audio), PACKET):
            try:
                os.write(self.audio, audio[at : at + PACKET])
            except BrokenPipeError:
                return
            time.sleep(0.02 / speed)

    def play_at_once(self, audio: bytes) -> None:
        """As it lies in the pipe of a program that has not begun to read."""
        assert os.write(self.audio, audio) == len(audio)

    def wait_until_read(self) -> None:
        """Wait until the program has read all its audio, so that it is at work."""
        until = time.monotonic() + 30
        unread = bytearray(4)
        while fcntl.ioctl(self.audio, termios.FIONREAD, unread) or any(unread):
            assert time.monotonic() < until
            time.sleep(0.02)

    def end(self) -> tuple[int, str, float]:
        """The exit status, what went to standard error, and the seconds that it took."""
        status = self.process.wait(60)
        took = time.monotonic() - self.started
        self._answering.join(30)
        os.close(self.audio)
        assert self.process.stderr is not None
        errors = self.process.stderr.read().decode()
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            assert pipe is not None
            pipe.close()
        return status, errors, took


@pytest.fixture
def model(model_path: Path) -> Iterator[tuple[str, ...]]:
    yield ("--model", str(model_path), "--max-false-alarm", "0.1")


@pytest.mark.parametrize(
    ("audio", "status", "verdict"),
    [(RECORDED, "MACHINE", "recorded"), (LIVE, "HUMAN", "live")],
)
def test_the_verdict_is_told_as_soon_as_it_stands(
    audio: bytes, status: str, verdict: str, model: tuple[str, ...], detector: Detector
) -> None:
    asterisk = Asterisk("--deadline", "60", *model)
    asterisk.greet()
    asterisk.play(audio)
    code, errors, took = asterisk.end()
    assert (code, errors) == (0, "")
    assert asterisk.variables["AMDSTATUS"] == status
    assert asterisk.variables["AUDIOMODEL_VERDICT"] == verdict
    assert took < 60
    seconds = float(asterisk.variables["AUDIOMODEL_SECONDS"])
    assert 0.4 < seconds < 6
    stream = detector.stream()
    stream.feed(audio[: round(seconds * 8000) * 2])
    expected = stream.flush().score
    assert float(asterisk.variables["AUDIOMODEL_SCORE"]) == pytest.approx(expected, abs=1e-3)
    cause, score, milliseconds = asterisk.variables["AMDCAUSE"].split("-")
    assert (cause, float(score)) == (verdict.upper(), pytest.approx(expected, abs=1e-3))
    assert int(milliseconds) == pytest.approx(1000 * seconds, abs=10)


def test_the_deadline_ends_it_while_the_caller_is_silent(model: tuple[str, ...]) -> None:
    asterisk = Asterisk("--deadline", "1.5", *model)
    asterisk.play_at_once(bytes(2 * 8000 * 2))
    asterisk.greet()
    code, errors, took = asterisk.end()
    assert (code, errors) == (0, "")
    assert asterisk.variables["AMDSTATUS"] == "NOTSURE"
    assert asterisk.variables["AMDCAUSE"].startswith("SILENCE-")
    assert took > 1.4


def test_what_came_before_the_deadline_is_heard_by_a_program_that_is_late(
    model: tuple[str, ...],
) -> None:
    """Its model takes longer to load than the deadline leaves."""
    asterisk = Asterisk("--deadline", "0.001", *model)
    asterisk.play_at_once(RECORDED[:48_000])
    asterisk.greet()
    code, errors, _ = asterisk.end()
    assert (code, errors) == (0, "")
    assert asterisk.variables["AUDIOMODEL_VERDICT"] == "recorded"
    assert float(asterisk.variables["AUDIOMODEL_SECONDS"]) == 3


def test_without_a_packet_the_deadline_holds_too(model: tuple[str, ...]) -> None:
    asterisk = Asterisk("--deadline", "1", *model)
    asterisk.greet()
    code, errors, took = asterisk.end()
    assert (code, errors) == (0, "")
    assert asterisk.variables["AMDSTATUS"] == "NOTSURE"
    assert asterisk.variables["AUDIOMODEL_SCORE"] == ""
    assert took > 1


@pytest.mark.parametrize("by", ["signal", "pipe"])
def test_a_caller_who_hangs_up_is_told_with_what_was_heard(by: str, model: tuple[str, ...]) -> None:
    asterisk = Asterisk("--deadline", "60", *model)
    asterisk.greet()
    asterisk.play(LIVE[: PACKET * 10], speed=1)
    asterisk.wait_until_read()
    time.sleep(0.5)
    if by == "signal":
        asterisk.process.send_signal(signal.SIGHUP)
    else:
        os.close(asterisk.audio)
        asterisk.audio = os.open(os.devnull, os.O_RDONLY)
    code, errors, took = asterisk.end()
    assert (code, errors) == (0, "")
    assert asterisk.variables["AMDSTATUS"] == "HANGUP"
    assert float(asterisk.variables["AUDIOMODEL_SECONDS"]) == pytest.approx(0.2)
    assert took < 60


def test_a_hangup_line_between_replies_is_no_reply(model: tuple[str, ...]) -> None:
    asterisk = Asterisk("--deadline", "0.5", *model, reply="HANGUP\n200 result=1\n")
    asterisk.greet()
    code, errors, _ = asterisk.end()
    assert (code, errors) == (0, "")
    assert len(asterisk.commands) == 6


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--model", "no-such-model.onnx"), "no-such-model.onnx"),
        (("--max-false-alarm", "0"), "false alarms"),
        (("--server", "ws://127.0.0.1:9"), "ws://127.0.0.1:9"),
        (("--server", "nonsense"), "nonsense"),
    ],
)
def test_what_fails_is_not_sure_and_said(arguments: tuple[str, ...], says: str) -> None:
    asterisk = Asterisk("--deadline", "2", *arguments)
    asterisk.greet()
    asterisk.play(RECORDED[: PACKET * 20])
    code, errors, _ = asterisk.end()
    assert code == 0
    assert asterisk.variables["AMDSTATUS"] == "NOTSURE"
    assert asterisk.variables["AMDCAUSE"].startswith("ERROR-")
    assert says in errors
    assert "Traceback" not in errors


def test_a_running_server_hears_for_it(model_path: Path) -> None:
    async def test() -> Asterisk:
        async with serving("--model", str(model_path), "--max-false-alarm", "0.1") as running:
            events: list[Event] = []
            calls = running.server.calls
            calls.listeners = (*calls.listeners, events.append)
            asterisk = Asterisk(
                "--server", f"ws://127.0.0.1:{running.port}", "--deadline", "30", patient=BOTH
            )
            asterisk.greet()
            await asyncio.to_thread(asterisk.play, RECORDED)
            code, errors, took = await asyncio.to_thread(asterisk.end)
            assert (code, errors) == (0, "")
            assert took < 30
            call = events[0].call
            assert (call.id, call.caller, call.called) == ("1.7", "+4930123", "200")
            return asterisk

    variables = asyncio.run(test()).variables
    assert variables["AMDSTATUS"] == "MACHINE"
    assert variables["AUDIOMODEL_VERDICT"] == "recorded"
    # A server that is late hears all of it at once.
    assert 0.4 < float(variables["AUDIOMODEL_SECONDS"]) <= 6


def test_a_server_is_asked_for_what_it_knows_at_the_deadline(model_path: Path) -> None:
    async def test() -> Asterisk:
        async with serving("--model", str(model_path), "--max-false-alarm", "0.1") as running:
            # It is asked the seconds before the deadline that it may take.
            server = f"ws://127.0.0.1:{running.port}"
            asterisk = Asterisk("--server", server, "--deadline", "22", patient=BOTH)
            asterisk.play_at_once(bytes(PACKET * 110))
            asterisk.greet()
            code, errors, took = await asyncio.to_thread(asterisk.end)
            assert (code, errors) == (0, "")
            assert took > 1.5
            return asterisk

    variables = asyncio.run(test()).variables
    assert variables["AMDSTATUS"] == "NOTSURE"
    assert variables["AMDCAUSE"].startswith("SILENCE-")


def test_a_server_that_counts_ranges_advises_on_the_callers(
    model_path: Path, tmp_path: Path
) -> None:
    path = tmp_path / "ranges.db"
    number = "+4930123"
    with closing(RangeStore(path)) as store:
        for n in range(60):
            store.hear([RangeCall(str(n), number, time.time(), CallAnswer.RECORDED)])
        assert store.advise(number, time.time()).state is State.OPEN

    async def test() -> Asterisk:
        flags = ("--model", str(model_path), "--max-false-alarm", "0.1", "--ranges", str(path))
        async with serving(*flags) as running:
            asterisk = Asterisk(
                "--server", f"ws://127.0.0.1:{running.port}", "--deadline", "30", patient=BOTH
            )
            asterisk.greet()
            await asyncio.to_thread(asterisk.play, RECORDED)
            await asyncio.to_thread(asterisk.end)
            return asterisk

    variables = asyncio.run(test()).variables
    assert variables["AMDSTATUS"] == "MACHINE"
    assert variables["AUDIOMODEL_RANGE_ACT"] == "block"
    assert variables["AUDIOMODEL_RANGE_STATE"] == "open"
    assert number.startswith(variables["AUDIOMODEL_RANGE"])


@pytest.mark.parametrize("answer", [True, False], ids=["verdict", "end"])
def test_the_servers_answer_ends_it_while_the_caller_sends_nothing(*, answer: bool) -> None:
    asterisk, errors = answered_by({}, ADVICE, audio=RECORDED[:PACKET], answers=answer)
    assert asterisk.variables["AMDSTATUS"] == ("MACHINE" if answer else "NOTSURE")
    assert ("without a final verdict" in errors) is not answer


FINAL = {
    "event": "final",
    "verdict": "recorded",
    "reason": "",
    "score": 0.97,
    "seconds": 1.6,
}
ADVICE = {"act": "block", "state": "open", "range": "+49301"}


def answered_by(
    final: dict[str, object], advice: object, *, audio: bytes = RECORDED, answers: bool = True
) -> tuple[Asterisk, str]:
    """How a call ends that somebody else's server answers, and what is said of it.

    It ends far before its deadline.
    """

    async def stream(request: web.Request) -> web.WebSocketResponse:
        socket_ = web.WebSocketResponse()
        await socket_.prepare(request)
        await socket_.receive()
        if answers:
            await socket_.send_str(json.dumps(FINAL | final))
            await socket_.receive()
        return socket_

    async def ranges(_: web.Request) -> web.Response:
        return web.json_response(advice)

    async def test() -> tuple[Asterisk, str]:
        application = web.Application()
        application.router.add_get("/v1/stream", stream)
        application.router.add_get("/v1/ranges/{number}", ranges)
        runner = web.AppRunner(application, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        server = f"ws://127.0.0.1:{runner.addresses[0][1]}"
        asterisk = Asterisk("--server", server, "--deadline", "60", patient=BOTH)
        asterisk.greet()
        await asyncio.to_thread(asterisk.play, audio)
        code, errors, took = await asyncio.to_thread(asterisk.end)
        assert code == 0
        assert took < 45
        await runner.cleanup()
        return asterisk, errors

    return asyncio.run(test())


@pytest.mark.parametrize(
    "final",
    [
        {"score": "high"},
        # Each starts a program and a server.
        *(
            pytest.param(other, marks=pytest.mark.slow)
            for other in ({"score": float("nan")}, {"seconds": None}, {"verdict": "both"})
        ),
    ],
    ids=str,
)
def test_a_server_whose_answer_is_no_verdict_is_not_sure(final: dict[str, object]) -> None:
    asterisk, errors = answered_by(final, ADVICE)
    assert asterisk.variables["AMDSTATUS"] == "NOTSURE"
    assert "the server's answer is not a verdict" in errors
    assert "Traceback" not in errors


@pytest.mark.parametrize(
    "advice",
    [[], *(pytest.param(other, marks=pytest.mark.slow) for other in NO_ADVICE)],
    ids=str,
)
def test_advice_that_is_none_costs_no_verdict(advice: object) -> None:
    asterisk, errors = answered_by({}, advice)
    assert asterisk.variables["AMDSTATUS"] == "MACHINE"
    assert "AUDIOMODEL_RANGE_ACT" not in asterisk.variables
    assert "tells nothing of the caller's range" in errors


def test_advice_is_no_command() -> None:
    asterisk, _ = answered_by({}, ADVICE | {"act": 'block"\nEXEC System "reboot'})
    assert [command.split()[0] for command in asterisk.commands] == ["SET"] * 9
    assert asterisk.variables["AUDIOMODEL_RANGE_ACT"] == r"block\"EXEC System \"reboot"


def test_a_server_that_hangs_does_not_hold_the_call() -> None:
    with socket.create_server(("127.0.0.1", 0)) as hanging:
        asterisk = Asterisk("--server", f"ws://127.0.0.1:{hanging.getsockname()[1]}")
        asterisk.greet()
        code, errors, took = asterisk.end()
    assert code == 0
    assert asterisk.variables["AMDSTATUS"] == "NOTSURE"
    assert "does not answer in time" in errors
    assert took < 30


def test_a_server_that_hangs_in_the_middle_does_not_hold_the_call() -> None:
    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        if b"Upgrade" in request:
            key = request.partition(b"Sec-WebSocket-Key: ")[2].partition(b"\r\n")[0]
            writer.write(
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                b"Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n"
                % b64encode(sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
            )
        # It reads nothing and says nothing.
        await over.wait()
        writer.transport.abort()

    async def test() -> tuple[Asterisk, tuple[int, str, float]]:
        server = await asyncio.start_server(connected, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        asterisk = Asterisk("--server", f"ws://127.0.0.1:{port}", "--deadline", "60")
        asterisk.greet()
        await asyncio.to_thread(asterisk.play, bytes(9 * 16_000), speed=2)
        ended = await asyncio.to_thread(asterisk.end)
        over.set()
        server.close()
        await asyncio.sleep(0.01)
        return asterisk, ended

    over = asyncio.Event()
    asterisk, (code, errors, took) = asyncio.run(test())
    assert code == 0
    assert asterisk.variables["AMDSTATUS"] == "NOTSURE"
    # Whichever notices first: who sends, or who receives.
    assert "without a final verdict" in errors or "closing transport" in errors
    assert took < 30


def test_agi_without_audio_is_not_sure() -> None:
    asterisk = Asterisk("--deadline", "2", with_audio=False)
    asterisk.greet()
    code, errors, _ = asterisk.end()
    assert code == 0
    assert asterisk.variables["AMDSTATUS"] == "NOTSURE"
    assert "EAGI()" in errors


def test_an_asterisk_that_refuses_or_is_gone_is_no_failure(model: tuple[str, ...]) -> None:
    asterisk = Asterisk("--deadline", "0.3", *model, reply="510 Invalid or unknown command\n")
    asterisk.greet()
    code, errors, _ = asterisk.end()
    assert code == 0
    assert "510" in errors

    gone = Asterisk("--deadline", "0.3", *model, reply="")
    gone.greet()
    assert gone.process.stdin is not None
    gone.process.stdin.close()
    code, errors, _ = gone.end()
    assert code == 0
    assert "closed" in errors


@pytest.mark.slow
def test_an_asterisk_that_says_nothing_is_waited_for_in_vain() -> None:
    asterisk = Asterisk(reply="", patient="")
    code, errors, took = asterisk.end()
    assert code == 0
    assert "said nothing" in errors
    assert took < 3 * eagi.REPLY_SECONDS + 20


def test_whoever_asks_a_server_loads_no_network() -> None:
    loads = "import sys, audio_model.gateway.asterisk.eagi; sys.exit('onnxruntime' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", loads], cwd=ROOT).returncode == 0


def test_deadlines_that_can_not_be_are_refused() -> None:
    parser = argparse.ArgumentParser(exit_on_error=False)
    eagi.add_arguments(parser)
    for value in ("0", "-1", "nan", "soon", "1e9"):
        with pytest.raises((argparse.ArgumentError, SystemExit)):
            parser.parse_args(["--deadline", value])
