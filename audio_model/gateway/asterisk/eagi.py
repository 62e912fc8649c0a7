"""``audio-model eagi``: Asterisk's dialplan starts it in the place of ``AMD()``.

Asterisk writes ``agi_name: value`` lines and an empty one to standard input. It answers each
command on standard output with a line (``200 result=1``), and gives the caller's audio, 16-bit 8
kHz, on file descriptor 3. Source: Asterisk documentation, "Asterisk Gateway Interface" and "EAGI".

The program ends with status 0 whatever happens. Audio that can't be heard becomes
``AMDSTATUS=NOTSURE``, and the call goes on.
"""

import argparse
import asyncio
import logging
import math
import os
import select
import signal
import stat
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from audio_model.commands import add_budget_argument
from audio_model.decision import Reason, VerdictKind
from audio_model.errors import AudioModelError
from audio_model.gateway.asterisk.amd import channel_variables, range_variables
from audio_model.rule import DEFAULT_MAX_FALSE_ALARM

if TYPE_CHECKING:
    from aiohttp import ClientSession, ClientWebSocketResponse

logger = logging.getLogger(__name__)

AUDIO_FD = 3

DEFAULT_DEADLINE_SECONDS = 4.0

REPLY_SECONDS = 2.0
"""How long Asterisk may take to say or answer something."""

CONNECT_SECONDS = 1.0
"""How long a server may take to connect."""
HEARTBEAT_SECONDS = 1.5
"""How often a server is asked whether it lives; it has half of that to answer.

One that hangs holds its caller for less than three seconds.
"""
FINAL_SECONDS = 0.2
"""How long a server may take to give its final event once told that it is over."""

_READ_BYTES = 65_536
_MAX_LINE_BYTES = 65_536

DESCRIPTION = """\
Hear one caller, as a program of Asterisk's EAGI(), until the verdict is final or the deadline is
over. Then set the channel variables AMDSTATUS (HUMAN, MACHINE, NOTSURE, HANGUP) and AMDCAUSE, as
AMD() does, and AUDIOMODEL_VERDICT, _SCORE, _REASON and _SECONDS. Any failure is NOTSURE."""

EPILOG = """\
in extensions.conf:
  same => n,EAGI(/opt/audio-model/.venv/bin/audio-model,eagi,--deadline,4)
  same => n,GotoIf($["${AMDSTATUS}" = "MACHINE"]?recorded,1)

With --server the audio goes to a running "audio-model serve", which has the model loaded for all
calls. If it counts number ranges (serve --ranges), AUDIOMODEL_RANGE_ACT (pass, look, block, try),
_RANGE_STATE and AUDIOMODEL_RANGE tell what to do with the caller's range.
"""


class AgiError(AudioModelError):
    """Asterisk does not speak AGI."""


@dataclass(frozen=True)
class DialplanVerdict:
    """The verdict that the dialplan gets."""

    verdict: VerdictKind = VerdictKind.UNKNOWN
    score: float | None = None
    reason: Reason = Reason.ERROR
    seconds: float = 0.0
    ranges: dict[str, str] = field(default_factory=dict)
    """Variables on the range of the caller's number."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument(
        "--deadline",
        type=_seconds,
        default=DEFAULT_DEADLINE_SECONDS,
        metavar="S",
        help="wall-clock seconds after which the call goes on at the latest (default: %(default)g)",
    )
    add_budget_argument(parser, DEFAULT_MAX_FALSE_ALARM)
    parser.add_argument("--model", metavar="FILE", help="another model than the one shipped")
    parser.add_argument(
        "--server",
        metavar="URL",
        help="let the running server at ws://HOST:PORT hear the audio, with its model and its rate "
        "of false alarms",
    )
    parser.add_argument(
        "--token-file", type=Path, metavar="FILE", help="file of the server's bearer token"
    )


def run(args: argparse.Namespace) -> int:
    """Hear the caller and set the dialplan's variables. Always returns 0."""
    until = time.monotonic() + args.deadline
    # Asterisk sends it when the caller hangs up. The verdict on what was heard is still told.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    agi = Agi()
    answer, hung_up = DialplanVerdict(), False
    try:
        call = agi.read_variables()
        answer, hung_up = asyncio.run(_hear(args, call, until))
    except (AudioModelError, OSError) as error:
        logger.warning("%s", error)
    except Exception:
        # The call must go on, whatever failed here.
        logger.exception("the caller could not be heard")
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    variables = channel_variables(
        answer.verdict, answer.score, answer.reason, answer.seconds, hung_up=hung_up
    )
    variables |= answer.ranges
    try:
        for name, value in variables.items():
            agi.set_variable(name, value)
    except (AgiError, OSError) as error:
        logger.warning("the verdict could not be told: %s", error)
    return 0


class Agi:
    """Lines to and from Asterisk, on standard output and input."""

    def __init__(self, stdin: int = 0, stdout: int = 1) -> None:
        self._stdin, self._stdout = stdin, stdout
        self._buffer = b""

    def read_variables(self) -> dict[str, str]:
        """Read the variables that Asterisk sends first, without the prefix ``agi_``."""
        variables: dict[str, str] = {}
        while line := self._read_line():
            name, _, value = line.partition(":")
            variables[name.removeprefix("agi_")] = value.strip()
        return variables

    def set_variable(self, name: str, value: str) -> None:
        """Set a channel variable.

        Raises AgiError if Asterisk refuses it or stays silent, OSError if Asterisk is gone.
        """
        # A quote or a line break from a server would be another command.
        shown = "".join(filter(str.isprintable, value)).replace("\\", r"\\").replace('"', r"\"")
        self._write(f'SET VARIABLE {name} "{shown}"\n'.encode())
        reply = self._read_line()
        while reply == "HANGUP":
            reply = self._read_line()
        if not reply.startswith("200 result="):
            raise AgiError(f"SET VARIABLE {name}: {reply!r}")

    def _write(self, data: bytes) -> None:
        while data:
            data = data[os.write(self._stdout, data) :]

    def _read_line(self) -> str:
        until = time.monotonic() + REPLY_SECONDS
        while b"\n" not in self._buffer:
            wait = max(0.0, until - time.monotonic())
            if not select.select([self._stdin], [], [], wait)[0]:
                raise AgiError(f"Asterisk said nothing for {REPLY_SECONDS:g} s")
            piece = os.read(self._stdin, _READ_BYTES)
            if not piece or len(self._buffer) > _MAX_LINE_BYTES:
                raise AgiError("Asterisk closed its end" if not piece else "a line without an end")
            self._buffer += piece
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line.decode(errors="replace").strip()


class CallerAudio:
    """Pieces of the caller's audio as they come, until the deadline or until the caller is gone.

    They also end when nobody wants more of them. What has come by the deadline is among them,
    however late this process is in reading it.
    """

    def __init__(self, until: float) -> None:
        """Open the caller's audio.

        ``until`` is on the monotonic clock. Raises AgiError if there is no audio.
        """
        if not _is_pipe(AUDIO_FD):
            raise AgiError("no audio on file descriptor 3: EAGI() gives it, AGI() does not")
        self.hung_up = False
        self._until = until
        self._pieces: asyncio.Queue[bytes] = asyncio.Queue()
        self._loop = asyncio.get_running_loop()
        self._loop.add_signal_handler(signal.SIGHUP, self._hang_up)
        self._loop.add_reader(AUDIO_FD, self._read)

    def __aiter__(self) -> "CallerAudio":
        return self

    async def __anext__(self) -> bytes:
        try:
            async with asyncio.timeout(self._until - time.monotonic()):
                piece = await self._pieces.get()
        except TimeoutError:
            piece = self._rest()
        if not piece:
            raise StopAsyncIteration
        return piece

    def end(self) -> None:
        """Wait for no more audio."""
        self._pieces.put_nowait(b"")

    def _read(self) -> None:
        piece = os.read(AUDIO_FD, _READ_BYTES)
        if piece:
            self._pieces.put_nowait(piece)
        else:
            self._hang_up()

    def _rest(self) -> bytes:
        """Return the next piece that came by the deadline; empty if there is none."""
        if (
            self._pieces.empty()
            and self._loop.remove_reader(AUDIO_FD)
            and select.select([AUDIO_FD], [], [], 0)[0]
        ):
            # All that a pipe holds.
            self._read()
        return b"" if self._pieces.empty() else self._pieces.get_nowait()

    def _hang_up(self) -> None:
        if not self.hung_up:
            self.hung_up = True
            self._loop.remove_reader(AUDIO_FD)
            self._pieces.put_nowait(b"")


async def _hear(
    args: argparse.Namespace, call: dict[str, str], until: float
) -> tuple[DialplanVerdict, bool]:
    if args.server is None:
        audio = CallerAudio(until)
        answer = await _hear_here(args, audio)
    else:
        audio = CallerAudio(until - FINAL_SECONDS)
        answer = await _hear_at_server(args, call, audio)
    return answer, audio.hung_up


async def _hear_here(args: argparse.Namespace, audio: CallerAudio) -> DialplanVerdict:
    # Imported here: it loads the network's runtime, which whoever asks a server does not need.
    from audio_model.detector import Detector

    stream = Detector.load(args.model, max_false_alarm=args.max_false_alarm).stream()
    async for piece in audio:
        changed = stream.feed(piece)
        if stream.finished or (changed and changed.verdict is not VerdictKind.UNKNOWN):
            break
    verdict = stream.flush()
    score = None if math.isnan(verdict.score) else verdict.score
    return DialplanVerdict(verdict.verdict, score, verdict.reason, verdict.seconds)


async def _hear_at_server(
    args: argparse.Namespace, call: dict[str, str], audio: CallerAudio
) -> DialplanVerdict:
    # Imported here: it takes as long as loading the model, and only this way of hearing needs it.
    import aiohttp

    query = {
        "encoding": "s16le",
        "sample_rate": "8000",
        "call": call.get("uniqueid", ""),
        "caller": call.get("callerid", ""),
        "called": call.get("extension", ""),
    }
    headers = {}
    if args.token_file is not None:
        headers["Authorization"] = f"Bearer {args.token_file.read_text().strip()}"
    server = args.server.rstrip("/")
    closing = aiohttp.ClientWSTimeout(ws_close=FINAL_SECONDS)
    try:
        async with aiohttp.ClientSession(headers=headers) as session:
            async with asyncio.timeout(CONNECT_SECONDS):
                url = f"{server}/v1/stream"
                socket = await session.ws_connect(
                    url, params=query, timeout=closing, heartbeat=HEARTBEAT_SECONDS
                )
            asked = asyncio.create_task(_ask_of_ranges(session, server, query["caller"]))
            try:
                async with socket:
                    answer = await _forward(audio, socket)
                await asyncio.wait({asked}, timeout=FINAL_SECONDS)
                return replace(answer, ranges=asked.result()) if asked.done() else answer
            finally:
                asked.cancel()
    except aiohttp.ClientError as error:
        raise AgiError(f"{args.server}: {error}") from error
    except TimeoutError:
        raise AgiError(f"{args.server} does not answer in time") from None


async def _ask_of_ranges(session: "ClientSession", server: str, caller: str) -> dict[str, str]:
    """Return variables on the caller's range.

    There are none if the server can't say, or counts no ranges.
    """
    import aiohttp
    from yarl import URL

    # A number may hold characters that end the path of a URL.
    where = URL(f"{server}/v1/ranges/{quote(caller, safe='')}", encoded=True)
    url = where.with_scheme("https" if where.scheme in ("https", "wss") else "http")
    try:
        async with asyncio.timeout(CONNECT_SECONDS), session.get(url) as response:
            return range_variables(await response.json()) if response.status == 200 else {}
    except (aiohttp.ClientError, TimeoutError, ValueError, KeyError, TypeError) as error:
        logger.warning("%s tells nothing of the caller's range: %s", server, error)
        return {}


async def _forward(audio: CallerAudio, socket: "ClientWebSocketResponse") -> DialplanVerdict:
    receiving = asyncio.create_task(_receive(socket))
    # A caller who sends nothing, as on hold, must not wait for the next piece.
    receiving.add_done_callback(lambda _: audio.end())
    try:
        async for piece in audio:
            if receiving.done():
                break
            await socket.send_bytes(piece)
        if not receiving.done():
            await socket.send_str('{"event": "stop"}')
        async with asyncio.timeout(FINAL_SECONDS):
            return await receiving
    finally:
        receiving.cancel()


async def _receive(socket: "ClientWebSocketResponse") -> DialplanVerdict:
    """Return the first verdict that stands, or the final one. Raises AgiError if there is none."""
    import aiohttp

    async for message in socket:
        if message.type is aiohttp.WSMsgType.ERROR:
            # The connection broke, or the server no longer lives.
            break
        try:
            event = message.json()
            verdict, reason = VerdictKind(event["verdict"]), Reason(event["reason"])
            score = None if event["score"] is None else _finite(event["score"])
            answer = DialplanVerdict(verdict, score, reason, _finite(event["seconds"]))
            final = event["event"] == "final"
        except (ValueError, TypeError, KeyError) as error:
            raise AgiError(f"the server's answer is not a verdict: {error!r}") from error
        if final or answer.verdict is not VerdictKind.UNKNOWN:
            return answer
    raise AgiError("the server ended without a final verdict")


def _finite(value: float | str) -> float:
    if not math.isfinite(number := float(value)):
        raise ValueError(f"{value} is no finite number")
    return number


def _is_pipe(fd: int) -> bool:
    try:
        mode = os.fstat(fd).st_mode
    except OSError:
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


def _seconds(value: str) -> float:
    seconds = float(value)
    if not 0 < seconds <= 3600:
        raise argparse.ArgumentTypeError(f"must be above 0 and at most 3600, not {value}")
    return seconds
