"""Calls that come and go by the hundred: what one call took, the next finds again."""

import asyncio
import base64
import json
import os
import random
from collections import Counter, deque
from collections.abc import Coroutine
from pathlib import Path
from time import monotonic
from typing import Any
from uuid import UUID, uuid4

import aiohttp
import pytest

from tests.gateway.process import ServerProcess

AUDIO = (Path(__file__).parents[2] / "samples" / "live-testing.ulaw").read_bytes()
PACKETS = [AUDIO[at : at + 160] for at in range(0, 16_000, 160)]
DEADLINE_SECONDS = 1.5
WARM_UP_CALLS, SOAK_CALLS = 4500, 3000
"""The server keeps the last thousand events, and its heap takes its shape, in the first of them.

Three thousand calls behind the first 1,500 still take 3.4 to 4.1 MB, the next 1.5 and others 0.1.
"""
WORKERS = 20
N_IDS = 400
"""Used again and again: the server remembers ten thousand calls, which takes some megabytes."""
MAX_GROWTH_BYTES = 3_000_000
"""A kilobyte lost by each call would show."""


class Callers:
    """Make calls of every kind; some hang up, some vanish, some stay beyond the deadline."""

    def __init__(
        self, server: ServerProcess, client: aiohttp.ClientSession, finals: "Finals"
    ) -> None:
        self._server, self._client, self._finals = server, client, finals
        self._random = random.Random(4)
        self._ids = deque(uuid4() for _ in range(N_IDS))
        self.begun: Counter[str] = Counter()

    async def make(self, n_calls: int) -> None:
        end = self.begun.total() + n_calls
        await asyncio.gather(*(self._calls(end) for _ in range(WORKERS)))

    async def _calls(self, end: int) -> None:
        while self.begun.total() < end:
            gateway = self._random.choice(["stream", "twilio", "audiohook", "audiosocket"])
            self.begun[gateway] += 1
            id = self._ids.popleft()
            self._finals.expect(str(id))
            await self._call(gateway, id)
            self._ids.append(id)
            await asyncio.sleep(0.05 * self._random.random())

    def _call(self, gateway: str, uuid: UUID) -> Coroutine[Any, Any, None]:
        id = str(uuid)
        packets = PACKETS[: self._random.choice([0, 1, 10, 50, 100])]
        match gateway:
            case "audiosocket":
                return self._audiosocket(uuid, packets)
            case "twilio":
                start = {"event": "start", "start": {"callSid": id}}
                media = [
                    {"event": "media", "media": {"chunk": n, "payload": _base64(packet)}}
                    for n, packet in enumerate(packets, 1)
                ]
                messages = [start, *media, {"event": "stop"}]
                return self._websocket("/twilio", [json.dumps(message) for message in messages])
            case "audiohook":
                opening = _audiohook("open", 1, id, parameters=_opening(id))
                closing = _audiohook("close", 2, id, parameters={})
                return self._websocket("/audiohook", [opening, *packets, closing])
            case _:
                path = f"/v1/stream?encoding=mulaw&call={id}"
                return self._websocket(path, [*packets, '{"event":"stop"}'])

    async def _websocket(self, path: str, messages: list[str | bytes]) -> None:
        *before, last = messages
        async with self._client.ws_connect(path) as socket:
            for message in before:
                await _send(socket, message)
            if await self._vanishes():
                # Closed by TCP alone.
                socket._response.close()
            else:
                await _send(socket, last)

    async def _audiosocket(self, uuid: UUID, packets: list[bytes]) -> None:
        reader, writer = await asyncio.open_connection(*self._server.audiosocket)
        writer.write(b"\x01\x00\x10" + uuid.bytes)
        writer.writelines(b"\x10\x00\xa0" + packet for packet in packets)
        if await self._vanishes():
            writer.transport.abort()
        else:
            writer.write(b"\x00\x00\x00")
            await asyncio.wait_for(reader.read(), 30)
        writer.close()
        await asyncio.gather(writer.wait_closed(), return_exceptions=True)

    async def _vanishes(self) -> bool:
        if self._random.random() < 0.05:
            await asyncio.sleep(DEADLINE_SECONDS + 0.2)
        return self._random.random() < 0.3


def _base64(packet: bytes) -> str:
    return base64.b64encode(packet).decode()


def _audiohook(kind: str, seq: int, id: str, parameters: dict[str, Any]) -> str:
    numbers = {"version": "2", "id": id, "seq": seq, "serverseq": 0, "position": "PT0S"}
    return json.dumps({**numbers, "type": kind, "parameters": parameters})


def _opening(id: str) -> dict[str, Any]:
    media = {"type": "audio", "format": "PCMU", "channels": ["external"], "rate": 8000}
    participant = {"id": "1", "ani": "+1", "dnis": "+2"}
    return {
        "organizationId": "o",
        "conversationId": id,
        "participant": participant,
        "media": [media],
    }


async def _send(socket: aiohttp.ClientWebSocketResponse, message: str | bytes) -> None:
    if isinstance(message, str):
        await socket.send_str(message)
    else:
        await socket.send_bytes(message)


class Finals:
    """What is told of calls, as it is told."""

    def __init__(self) -> None:
        self.by_gateway: Counter[str] = Counter()
        self.by_call: dict[str, int] = {}

    def expect(self, call: str) -> None:
        """A call of one leg begins; if its id was used before, that call has had its answer."""
        assert self.by_call.get(call, 1) == 1
        self.by_call[call] = 0

    async def follow(self, client: aiohttp.ClientSession) -> None:
        async with client.get("/v1/events") as response:
            async for line in response.content:
                if line.startswith(b"data: "):
                    self._take(json.loads(line.removeprefix(b"data: ")))

    def _take(self, event: dict[str, Any]) -> None:
        assert not self.by_call[event["call"]], f"after the final event: {event}"
        if event["event"] == "final":
            self.by_call[event["call"]] += 1
            self.by_gateway[event["gateway"]] += 1


def _memory(server: ServerProcess) -> int:
    """Resident, in bytes."""
    pages = Path(f"/proc/{server.process.pid}/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def _files(server: ServerProcess) -> int:
    return len(list(Path(f"/proc/{server.process.pid}/fd").iterdir()))


async def _settle(server: ServerProcess, finals: Finals, callers: Callers) -> None:
    """Until every call has been answered and every connection is closed."""
    until = monotonic() + 60
    while finals.by_gateway != callers.begun and monotonic() < until:
        await asyncio.sleep(0.05)
    assert finals.by_gateway == callers.begun
    metrics: dict[str, float] = {}
    while monotonic() < until:
        metrics = await asyncio.to_thread(server.metrics)
        if not any(value for name, value in metrics.items() if "model_connections" in name):
            break
        await asyncio.sleep(0.05)
    assert metrics["audio_model_legs_open"] == 0
    assert metrics["audio_model_internal_errors_total"] == 0


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="the system has no /proc")
def test_calls_come_and_go_and_leave_nothing_behind(tmp_path: Path) -> None:
    async def test(server: ServerProcess) -> None:
        finals = Finals()
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=60)
        async with (
            aiohttp.ClientSession(
                server.url, timeout=timeout, connector=aiohttp.TCPConnector(limit=0)
            ) as client,
            asyncio.TaskGroup() as tasks,
        ):
            following = tasks.create_task(finals.follow(client))
            callers = Callers(server, client, finals)
            await asyncio.to_thread(server.metrics)
            files = _files(server)
            await callers.make(WARM_UP_CALLS)
            await _settle(server, finals, callers)
            memory = _memory(server)
            await callers.make(SOAK_CALLS)
            await _settle(server, finals, callers)
            assert _memory(server) - memory < MAX_GROWTH_BYTES
            # A stream that rests after its final event is found closed when it is looked at next.
            until = monotonic() + 30
            while _files(server) > files + 1 and monotonic() < until:
                await asyncio.sleep(0.05)
            assert _files(server) <= files + 1
            following.cancel()
        assert server.stop() == 0
        assert "Traceback" not in server.log

    server = ServerProcess(
        tmp_path, "--audiosocket", "127.0.0.1:0", "--deadline-seconds", str(DEADLINE_SECONDS)
    )
    try:
        asyncio.run(test(server))
    finally:
        server.close()
