"""SIPp, Kamailio and rtpengine: started on free ports of this machine, and stopped."""

import re
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from audio_model import audio
from audio_model.companding import alaw_decode, alaw_encode, mulaw_decode, mulaw_encode
from audio_model.frontend import SAMPLE_RATE, Samples

ROOT = Path(__file__).parents[3]
SCENARIOS = Path(__file__).parent / "sipp"
EXAMPLE = ROOT / "examples" / "kamailio-rtpengine"
LOCAL = "127.0.0.1"
PACKET_BYTES = 160
START_SECONDS = 60


def missing(*programs: str) -> str:
    """Why a test can't run; empty if it can. Debian's rtpengine and Kamailio are in sbin."""
    absent = [name for name in programs if _found(name) is None]
    return f"{', '.join(absent)} not found: run scripts/peers (as root, on Debian)" * bool(absent)


def _found(program: str) -> str | None:
    return shutil.which(program) or shutil.which(program, path="/usr/sbin:/usr/local/sbin")


@dataclass(frozen=True)
class Codec:
    name: str
    payload_type: int
    encode: Callable[[np.ndarray], np.ndarray]
    decode: Callable[[np.ndarray], np.ndarray]

    def sent(self, recording: Path, seconds: float) -> bytes:
        """A recording's beginning as whole packets of this codec."""
        samples = audio.read(recording, max_seconds=seconds)
        pcm = np.rint(samples * 32767).astype(np.int16)
        whole = len(pcm) // PACKET_BYTES * PACKET_BYTES
        return self.encode(pcm[:whole]).tobytes()

    def samples(self, payload: bytes) -> Samples:
        pcm = self.decode(np.frombuffer(payload, np.uint8))
        return np.asarray(pcm / np.float32(32768), np.float32)


CODECS = (
    Codec("PCMU", 0, mulaw_encode, mulaw_decode),
    Codec("PCMA", 8, alaw_encode, alaw_decode),
)


def free_port() -> int:
    """A port that neither UDP nor TCP has in use, nor UDP the next two."""
    while True:
        with ExitStack() as stack:
            tcp = stack.enter_context(socket.socket())
            tcp.bind((LOCAL, 0))
            port: int = tcp.getsockname()[1]
            try:
                for number in (port, port + 1, port + 2):
                    udp = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
                    udp.bind((LOCAL, number))
            except OSError:
                continue
            return port


@contextmanager
def running(command: Sequence[str | Path], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=log.parent
        )
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def wait_for(log: Path, text: str) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        if text in log.read_text(errors="replace"):
            return
        time.sleep(0.02)
    raise AssertionError(f"{text!r} did not come: {log.read_text(errors='replace')}")


def _copy(name: str, folder: Path, ports: Mapping[str, int]) -> None:
    """A file of the example with other ports."""
    text = (EXAMPLE / name).read_text()
    changed = re.sub(r"127\.0\.0\.1:(\d+)", lambda match: f"{LOCAL}:{ports[match[1]]}", text)
    (folder / name).write_text(changed)


@contextmanager
def rtpengine(folder: Path, ng_port: int) -> Iterator[None]:
    _copy("rtpengine.conf", folder, {"2223": ng_port})
    command = [_found("rtpengine") or "", f"--config-file={folder / 'rtpengine.conf'}"]
    command += [f"--pidfile={folder / 'rtpengine.pid'}"]
    with running(command, folder / "rtpengine.log"):
        _wait_for_rtpengine(ng_port)
        yield


@dataclass(frozen=True)
class Proxy:
    """Kamailio and rtpengine with the conf files of the example, but for their ports."""

    sip_port: int
    callee_port: int
    serve_port: int
    ng_port: int
    log: Path

    @classmethod
    @contextmanager
    def start(cls, folder: Path) -> Iterator["Proxy"]:
        sip, callee, serve, ng = (free_port() for _ in range(4))
        proxy = cls(sip, callee, serve, ng, folder / "kamailio.log")
        ports = {"5060": sip, "5070": callee, "8080": serve, "2223": ng}
        _copy("kamailio.cfg", folder, ports)
        kamailio: list[str | Path] = [
            _found("kamailio") or "",
            "-f",
            folder / "kamailio.cfg",
            "-DD",
            "-E",
        ]
        kamailio += ["-Y", folder, "-P", folder / "kamailio.pid", "-m", "64", "-M", "8"]
        with rtpengine(folder, ng), running(kamailio, proxy.log):
            _wait_for_port(sip)
            yield proxy


def _wait_for_rtpengine(port: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.settimeout(0.1)
        asking.connect((LOCAL, port))
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until:
            try:
                asking.send(b"%d d7:command4:pinge" % time.monotonic_ns())
                if b"pong" in asking.recv(2048):
                    return
            except OSError:
                time.sleep(0.02)
    raise AssertionError("rtpengine does not answer")


def _wait_for_port(port: int) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        try:
            socket.create_connection((LOCAL, port), 0.2).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise AssertionError(f"nobody listens on {port}")


def call(
    scenario: str, to: int, sent: bytes, codec: Codec, folder: Path, seconds: float
) -> subprocess.CompletedProcess[str]:
    """Place a call with SIPp that plays ``sent``, and lasts ``seconds``."""
    recording = folder / f"{codec.name}.raw"
    recording.write_bytes(sent)
    changes = {"RECORDING": str(recording), "PAYLOAD_TYPE": str(codec.payload_type)}
    text = (SCENARIOS / scenario).read_text()
    for name, value in changes.items():
        text = re.sub(rf"\b{name}\b(?=[,\"])", value, text)
    (folder / scenario).write_text(text)
    # fmt: off
    command = [
        *_sipp(folder / scenario, free_port(), codec, free_port()),
        f"{LOCAL}:{to}", "-mp", str(free_port()), "-d", str(round(1000 * seconds)),
    ]
    # fmt: on
    return subprocess.run(
        command, capture_output=True, text=True, timeout=seconds + 60, check=False, cwd=folder
    )


@contextmanager
def callee(port: int, media_port: int, codec: Codec, folder: Path) -> Iterator[None]:
    """One who answers a call; what it hears goes to ``media_port``."""
    command = _sipp(SCENARIOS / "callee.xml", port, codec, media_port)
    with running(command, folder / "callee.log") as process:
        time.sleep(0.2)
        yield
        assert process.wait(60) == 0, (folder / "callee.log").read_text()


def _sipp(scenario: Path, port: int, codec: Codec, media_port: int) -> list[str]:
    # fmt: off
    return [
        _found("sipp") or "", "-sf", str(scenario), "-i", LOCAL, "-p", str(port), "-mi", LOCAL,
        "-m", "1", "-nostdin", "-key", "media_at", str(media_port),
        "-key", "payload_type", str(codec.payload_type),
        "-key", "rtpmap", f"{codec.name}/{SAMPLE_RATE}",
    ]
    # fmt: on
