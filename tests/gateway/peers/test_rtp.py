"""Calls of SIPp through Kamailio and rtpengine, and recording sessions: what comes in and out."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uvloop

from audio_model.detector import Detector
from audio_model.gateway.legs import Leg
from tests.gateway.peers import telephony
from tests.gateway.peers.asterisk import is_busy
from tests.gateway.peers.telephony import CODECS, LOCAL, Codec, Proxy
from tests.gateway.serving import Running, serving

pytestmark = [pytest.mark.peer, pytest.mark.slow]

RECORDING = telephony.ROOT / "samples" / "recorded-prompt-en.wav"
SECONDS = 4.0
LISTEN_SECONDS = 2.8
DEADLINE_SECONDS = 6.0
FLAGS = (
    f"--listen-seconds={LISTEN_SECONDS}",
    f"--deadline-seconds={DEADLINE_SECONDS}",
    "--rtp-ports=34000-34998",
)

needs_proxy = pytest.mark.skipif(
    bool(telephony.missing("sipp", "kamailio", "rtpengine")),
    reason=telephony.missing("sipp", "kamailio", "rtpengine"),
)
needs_sipp = pytest.mark.skipif(bool(telephony.missing("sipp")), reason=telephony.missing("sipp"))
each_codec = pytest.mark.parametrize("codec", CODECS, ids=[codec.name for codec in CODECS])


class Ear:
    """A callee's port: keeps the payloads of what comes."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        # As much as a call holds, so that nothing is lost while nobody reads.
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self._socket.bind((LOCAL, 0))
        self._socket.setblocking(False)
        self.port: int = self._socket.getsockname()[1]

    def heard(self) -> bytes:
        payloads = b""
        while True:
            try:
                payloads += self._socket.recv(2048)[12:]
            except BlockingIOError:
                return payloads

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def ear() -> Iterator[Ear]:
    opened = Ear()
    yield opened
    opened.close()


@pytest.fixture
def fed(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """What each leg was fed, by its name."""
    bytes_fed: dict[str, bytes] = {}
    feed = Leg.feed

    def listening(leg: Leg, payload: bytes) -> None:
        bytes_fed[leg.name] = bytes_fed.get(leg.name, b"") + payload
        feed(leg, payload)

    monkeypatch.setattr(Leg, "feed", listening)
    return bytes_fed


async def _finals(running: Running, n_legs: int) -> dict[str, dict[str, Any]]:
    """The final events of the one call, by leg."""
    until = time.monotonic() + DEADLINE_SECONDS + 30
    while time.monotonic() < until:
        async with running.client.get("/v1/calls") as response:
            calls = (await response.json())["calls"]
        legs: dict[str, dict[str, Any]] = calls[0]["legs"] if calls else {}
        if [leg["event"] for leg in legs.values()] == ["final"] * n_legs:
            return legs
        await asyncio.sleep(0.05)
    raise AssertionError(f"no {n_legs} final events: {calls}")


def _check_heard(heard: bytes, sent: bytes, codec: Codec, final: dict[str, Any]) -> None:
    """What was sent was heard from some moment of the first second on, and the score is its."""
    offset = sent.find(heard[:4000])
    assert 0 <= offset < 8000, "what was heard was not sent, or too late"
    assert heard == sent[offset : offset + len(heard)]
    assert len(heard) >= LISTEN_SECONDS * 8000
    offline = Detector.load().score_samples(
        codec.samples(sent[offset:]), 8000, max_seconds=LISTEN_SECONDS
    )
    assert final["score"] == pytest.approx(offline.score, abs=1e-5)
    assert final["verdict"] == str(offline.verdict)
    assert final["waited_seconds"] < DEADLINE_SECONDS or is_busy()


@needs_proxy
@each_codec
def test_a_forked_call_is_heard_exactly_and_goes_on_unaltered(
    codec: Codec, ear: Ear, fed: dict[str, bytes], tmp_path: Path
) -> None:
    sent = codec.sent(RECORDING, SECONDS)
    (tmp_path / "secret").write_text("a secret of some length")

    async def scenario(proxy: Proxy) -> dict[str, Any]:
        flags = (
            f"--port={proxy.serve_port}",
            f"--rtpengine={LOCAL}:{proxy.ng_port}",
            f"--webhook-url=http://{LOCAL}:{proxy.sip_port}/verdict",
            f"--webhook-secret-file={tmp_path / 'secret'}",
        )
        async with serving(*FLAGS, *flags) as running:
            placed = await asyncio.to_thread(
                telephony.call, "caller.xml", proxy.sip_port, sent, codec, tmp_path, SECONDS + 0.5
            )
            assert placed.returncode == 0, placed.stdout + placed.stderr
            finals = await _finals(running, 1)
            await asyncio.to_thread(telephony.wait_for, proxy.log, "the caller is")
        return finals["caller"]

    with (
        Proxy.start(tmp_path) as proxy,
        telephony.callee(proxy.callee_port, ear.port, codec, tmp_path),
    ):
        final = uvloop.run(scenario(proxy))
        said = proxy.log.read_text()
    assert ear.heard() == sent
    _check_heard(fed["caller"], sent, codec, final)
    assert f"the caller is {final['verdict']}" in said
    assert (final["caller"], final["gateway"]) == ("+4930123456", "rtpengine")


@needs_proxy
@pytest.mark.parametrize(
    "ends",
    [(2.0, signal.SIGKILL), (2.0, signal.SIGSTOP), (0.0, signal.SIGSTOP)],
    ids=["killed", "stopped", "stopped before"],
)
def test_a_call_outlives_the_server(
    ends: tuple[float, signal.Signals], ear: Ear, tmp_path: Path
) -> None:
    after, how = ends
    codec = CODECS[0]
    sent = codec.sent(RECORDING, SECONDS)
    with (
        Proxy.start(tmp_path) as proxy,
        telephony.callee(proxy.callee_port, ear.port, codec, tmp_path),
    ):
        # fmt: off
        command = [
            sys.executable, "-m", "audio_model", "serve", *FLAGS, f"--port={proxy.serve_port}",
            f"--rtpengine={LOCAL}:{proxy.ng_port}", "--log-level=debug",
        ]
        # fmt: on
        log = tmp_path / "serve.log"
        with telephony.running(["env", f"PYTHONPATH={telephony.ROOT}", *command], log) as server:
            telephony.wait_for(log, "listening on")

            async def scenario() -> subprocess.CompletedProcess[str]:
                calling = asyncio.create_task(
                    asyncio.to_thread(
                        telephony.call,
                        "caller.xml",
                        proxy.sip_port,
                        sent,
                        codec,
                        tmp_path,
                        SECONDS + 0.5,
                    )
                )
                await asyncio.sleep(after)
                if after:
                    os.kill(server.pid, how)
                return await calling

            if not after:
                os.kill(server.pid, how)
            began = time.monotonic()
            placed = asyncio.run(scenario())
            # Neither its beginning nor its end waited for anybody.
            assert time.monotonic() - began < SECONDS + 2 or is_busy()
            os.kill(server.pid, signal.SIGKILL)
            assert server.wait(30) == -signal.SIGKILL
        assert placed.returncode == 0, placed.stdout + placed.stderr
        assert ("does not hear" in proxy.log.read_text()) is (after == 0)
    assert ear.heard() == sent


@needs_proxy
@pytest.mark.parametrize("says", [b"", b"nonsense\r\n\r\n\0\xff"], ids=["nothing", "nonsense"])
def test_a_call_does_not_wait_for_who_answers_nothing_or_nonsense(
    says: bytes, ear: Ear, tmp_path: Path
) -> None:
    codec = CODECS[0]
    sent = codec.sent(RECORDING, SECONDS)

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(says)
        await reader.read()
        writer.close()

    async def scenario(proxy: Proxy) -> subprocess.CompletedProcess[str]:
        async with await asyncio.start_server(connected, LOCAL, proxy.serve_port):
            return await asyncio.to_thread(
                telephony.call, "caller.xml", proxy.sip_port, sent, codec, tmp_path, SECONDS + 0.5
            )

    with (
        Proxy.start(tmp_path) as proxy,
        telephony.callee(proxy.callee_port, ear.port, codec, tmp_path),
    ):
        began = time.monotonic()
        placed = asyncio.run(scenario(proxy))
        assert time.monotonic() - began < SECONDS + 2 or is_busy()
        assert placed.returncode == 0, placed.stdout + placed.stderr
        assert "does not hear" in proxy.log.read_text()
    assert ear.heard() == sent


@needs_sipp
@each_codec
def test_a_recording_session_is_heard_exactly(
    codec: Codec, fed: dict[str, bytes], tmp_path: Path
) -> None:
    sent = codec.sent(RECORDING, SECONDS)

    async def scenario() -> dict[str, dict[str, Any]]:
        async with serving(*FLAGS, f"--siprec={LOCAL}:0") as running:
            (address,) = (url for url in running.server.addresses if url.startswith("sip:"))
            port = int(address.rpartition(":")[2])
            placed = await asyncio.to_thread(
                telephony.call, "recording_client.xml", port, sent, codec, tmp_path, SECONDS
            )
            assert placed.returncode == 0, placed.stdout + placed.stderr
            return await _finals(running, 2)

    finals = uvloop.run(scenario())
    _check_heard(fed["caller"], sent, codec, finals["caller"])
    # Heard from its first sample on, as there is an answer before there is audio.
    assert sent.startswith(fed["caller"][:8000])
    assert (finals["callee"]["verdict"], finals["callee"]["seconds"]) == ("unknown", 0)
    assert finals["caller"]["call"] == "session-of-sipp"
    assert finals["caller"]["called"] == "+4930654321"
    assert not np.isnan(finals["caller"]["score"])
