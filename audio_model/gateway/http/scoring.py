"""``POST /v1/score``: a recording by HTTP, scored beside the live calls and never before them."""

import asyncio
import os
from collections.abc import AsyncIterable, AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from io import BytesIO
from threading import get_native_id

from aiohttp import BodyPartReader, web
from aiohttp.http_exceptions import HttpProcessingError

from audio_model.audio import AUDIO_SUFFIXES, Channel
from audio_model.detector import Detector
from audio_model.errors import UsageError
from audio_model.formats import Encoding, RawFormat, suffix_of
from audio_model.gateway.codecs import G711, media_type, swapped
from audio_model.gateway.http.errors import HttpError, json_response
from audio_model.gateway.outlets.metrics import Metrics
from audio_model.known.follow import KnownRecordings
from audio_model.scoring import error_row
from audio_model.tables.rows import Columns, Entry, Row, evidence_values

MAX_BYTES = 16 * 1024 * 1024
"""The largest recording: 17 minutes of 16-bit telephone audio. It is held in memory."""
MAX_QUEUED = 8
"""Recordings that are there at once: one is scored while the others wait."""
MAX_RECEIVING = 64
"""Recordings that are on their way at once. Beyond them the slowest has to go."""
MAX_RECEIVING_BYTES = 8 * MAX_BYTES
"""The most bytes that all uploads may hold together."""
RECEIVE_SECONDS = 30.0
SLOW_SECONDS = 1.0
"""A recording that is on its way for longer may have to go."""

_CHUNK_BYTES = 65_536
_PLAIN = "identity"
_NICENESS = 10
_NAME_LENGTH = 255

_L16 = "audio/l16"
RAW_TYPES = {
    "audio/basic": Encoding.MULAW,
    **{name: encoding for name, encoding in G711.items() if name.startswith("audio/")},
    _L16: Encoding.S16LE,
}
"""Types of bodies without a header: RFC 2046 (basic), RFC 4856 (PCMU, PCMA), RFC 2586 (L16)."""

_BY_HEADER = ("audio/", "video/", "application/octet-stream", "application/ogg")
_HINT = "send curl -F file=@call.wav, or the body with -H 'Content-Type: audio/wav'"


Came = Callable[[int], None]
"""Is told how many bytes of a recording came just now. It may raise HttpError."""


@dataclass(frozen=True)
class Upload:
    """The recording that a request sends."""

    name: str
    content: bytes
    raw_format: RawFormat | None


@dataclass(eq=False)
class _Receiving:
    """A recording on its way."""

    began: float
    timeout: asyncio.Timeout
    n_bytes: int = 0


class Scoring:
    """Scores one recording at a time, in a thread that gives way to the live calls."""

    def __init__(
        self, detector: Detector, metrics: Metrics, known: KnownRecordings | None = None
    ) -> None:
        """Prepare to score.

        ``known`` must be for this object alone: another thread than the detector's uses it.
        """
        self._detector, self._metrics = detector, metrics
        if known is not None:
            self._detector = detector.knowing(known)
        self._columns = Columns(each_channel=False, known=known is not None)
        self._queued = 0
        self._receiving: set[_Receiving] = set()
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="score", initializer=_give_way)

    async def handle(
        self, request: web.Request, max_false_alarm: float | None = None
    ) -> web.Response:
        """Return the row that ``audio-model score --output rows.jsonl`` writes.

        ``max_false_alarm`` is another budget than the server's. Raises HttpError.
        """
        detector = self._detector
        if max_false_alarm is not None:
            detector = detector.within(max_false_alarm)
        self._check_room()
        channel = _channel(request.query)
        recording = await self._receive(request)
        # While it came, others did, too.
        self._check_room()
        self._queued += 1
        try:
            row = await asyncio.get_running_loop().run_in_executor(
                self._executor, _score, detector, recording, channel
            )
        finally:
            self._queued -= 1
        return json_response({**self._columns.own_values(row), **evidence_values(row)})

    def _check_room(self) -> None:
        """Raise HttpError if too many recordings wait to be scored."""
        if self._queued >= MAX_QUEUED:
            raise self._busy()

    def _busy(self) -> HttpError:
        self._metrics.refused.labels("score_queue").inc()
        return HttpError(503, "busy", "too many recordings are waiting", {"Retry-After": "1"})

    async def _receive(self, request: web.Request) -> Upload:
        """Receive a recording; one that comes slowly makes way for others. Raises HttpError."""
        loop = asyncio.get_running_loop()
        self._make_way(loop.time())
        try:
            async with asyncio.timeout(RECEIVE_SECONDS) as timeout:
                receiving = _Receiving(loop.time(), timeout)
                self._receiving.add(receiving)
                try:
                    return await _receive(request, lambda n_bytes: self._came(receiving, n_bytes))
                finally:
                    self._receiving.discard(receiving)
        except TimeoutError:
            raise HttpError(408, "too_slow", "the recording came too slowly") from None

    def _came(self, receiving: _Receiving, n_bytes: int) -> None:
        receiving.n_bytes += n_bytes
        if sum(each.n_bytes for each in self._receiving) > MAX_RECEIVING_BYTES:
            raise self._busy()

    def _make_way(self, now: float) -> None:
        """Refuse the slowest upload if too many arrive at once. Raises HttpError."""
        if len(self._receiving) < MAX_RECEIVING:
            return
        slow = [each for each in self._receiving if now - each.began > SLOW_SECONDS]
        if not slow:
            raise self._busy()
        slowest = min(slow, key=lambda each: each.n_bytes / (now - each.began))
        self._receiving.discard(slowest)
        slowest.timeout.reschedule(now)

    def close(self) -> None:
        """Finish the recording at hand and score no more."""
        self._executor.shutdown(cancel_futures=True)
        self._detector.close()


def _score(detector: Detector, recording: Upload, channel: Channel) -> Row:
    entry, suffix = Entry(recording.name), suffix_of(recording.name)
    try:
        verdict = detector.score(
            BytesIO(recording.content),
            channel=channel,
            raw_format=recording.raw_format,
            # Formats without a header are known by their names.
            name=f"recording{suffix if suffix in AUDIO_SUFFIXES else ''}",
        )
    except Exception as error:
        return error_row(entry, channel, error)
    return Row(entry, verdict, channel)


def _give_way() -> None:
    # Linux keeps niceness for each thread.
    os.setpriority(os.PRIO_PROCESS, get_native_id(), _NICENESS)


async def _receive(request: web.Request, came: Came) -> Upload:
    if (request.content_length or 0) > MAX_BYTES + _CHUNK_BYTES:
        raise _too_large()
    if request.headers.get("Content-Encoding", _PLAIN) != _PLAIN:
        raise HttpError(415, "packed", "a recording is sent as it is, without Content-Encoding")
    try:
        if request.content_type == "multipart/form-data":
            return await _receive_part(request, came)
        raw_format, is_swapped = raw_format_of(request.headers.get("Content-Type", ""))
        content = await _gather(request.content.iter_chunked(_CHUNK_BYTES), came)
        return Upload("", swapped(content) if is_swapped else content, raw_format)
    except (ValueError, HttpProcessingError, web.RequestPayloadError) as error:
        raise HttpError(400, "bad_body", f"the body can't be read: {error}") from error


async def _receive_part(request: web.Request, came: Came) -> Upload:
    reader = await request.multipart()
    while (part := await reader.next()) is not None:
        if not isinstance(part, BodyPartReader):
            raise HttpError(400, "bad_body", "a form within a form is not read")
        if part.filename is None and part.name != "file":
            await part.release()
            continue
        kind = part.headers.get("Content-Type", "application/octet-stream")
        raw_format, is_swapped = raw_format_of(kind)
        content = await _gather(_chunks(part), came)
        name = (part.filename or "")[-_NAME_LENGTH:]
        return Upload(name, swapped(content) if is_swapped else content, raw_format)
    raise HttpError(400, "bad_body", f"the form has no file; {_HINT}")


async def _chunks(part: BodyPartReader) -> AsyncIterator[bytes]:
    while chunk := await part.read_chunk(_CHUNK_BYTES):
        yield chunk


async def _gather(chunks: AsyncIterable[bytes], came: Came) -> bytes:
    content = bytearray()
    async for chunk in chunks:
        content += chunk
        came(len(chunk))
        if len(content) > MAX_BYTES:
            raise _too_large()
    return bytes(content)


def raw_format_of(content_type: str) -> tuple[RawFormat | None, bool]:
    """Return a Content-Type's format of headerless bytes, and whether they are big endian.

    ``audio/L16`` is big endian (RFC 2586) unless ``endianness=little-endian`` says otherwise. Types
    with a header of their own give None. Raises HttpError.
    """
    kind, parameters = media_type(content_type)
    encoding = RAW_TYPES.get(kind)
    if encoding is None:
        if not kind.startswith(_BY_HEADER):
            raise HttpError(415, "not_audio", f"a Content-Type of audio is needed: {_HINT}")
        return None, False
    order = parameters.get("endianness", "big-endian")
    if order not in ("big-endian", "little-endian"):
        raise HttpError(400, "bad_request", "endianness must be big-endian or little-endian")
    try:
        raw_format = RawFormat(
            encoding, int(parameters.get("rate", "8000")), int(parameters.get("channels", "1"))
        )
    except (ValueError, UsageError) as error:
        raise HttpError(400, "bad_request", f"Content-Type: {error}") from error
    return raw_format, kind == _L16 and order == "big-endian"


def _channel(query: Mapping[str, str]) -> Channel:
    try:
        return Channel(query.get("channel", Channel.MIX))
    except ValueError:
        raise HttpError(400, "bad_request", f"channel must be {', '.join(Channel)}") from None


def _too_large() -> HttpError:
    return HttpError(413, "too_large", f"a recording may have {MAX_BYTES} bytes")
