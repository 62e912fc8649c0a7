"""--keep-audio: the audio of legs that ended as unknown, for people to hear.

A WAV file (16-bit PCM of exactly what came, decoded) beside a JSON file of the final event. The
files are the owner's alone to read, and the oldest go when all of them are larger than allowed.
"""

import json
import logging
import os
import wave
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from threading import BoundedSemaphore

from audio_model.errors import UsageError, os_error_as, printable
from audio_model.files import safe_name
from audio_model.formats import RawFormat
from audio_model.gateway.codecs import to_pcm
from audio_model.gateway.events import Event
from audio_model.gateway.outlets.metrics import Metrics
from audio_model.gateway.outlets.security import NumberHasher
from audio_model.times import utc

logger = logging.getLogger(__name__)

MAX_WAITING = 200
_PREFIX = "unknown-"


class AudioKeeper:
    """Writes in a thread of its own; called in the event loop's."""

    def __init__(
        self, folder: Path, max_bytes: int, metrics: Metrics, hash_number: NumberHasher
    ) -> None:
        """Open the folder. Raises UsageError if it can't be made or written."""
        self._folder, self._max_bytes = folder, max_bytes
        self._metrics, self._hash_number = metrics, hash_number
        with os_error_as(UsageError, f"--keep-audio: {printable(folder)}"):
            folder.mkdir(mode=0o700, exist_ok=True)
            if not os.access(folder, os.W_OK | os.X_OK):
                raise PermissionError(13, "no permission to write there")
            found = [(path, path.stat()) for path in folder.glob(f"{_PREFIX}*")]
        found.sort(key=lambda file: file[1].st_mtime)
        self._files = deque((path, status.st_size) for path, status in found)
        self._size = sum(size for _, size in self._files)
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="keep-audio")
        self._free = BoundedSemaphore(MAX_WAITING)

    def __call__(self, event: Event, raw_format: RawFormat, payload: bytes) -> None:
        """Keep what was heard of a leg: its bytes as they came, in ``raw_format``."""
        if not self._free.acquire(blocking=False):
            self._metrics.kept.labels("dropped").inc()
            return
        self._executor.submit(self._write, event, raw_format, payload)

    def close(self) -> None:
        """Write what is waiting."""
        self._executor.shutdown()

    def _write(self, event: Event, raw_format: RawFormat, payload: bytes) -> None:
        try:
            self._make_files(event, raw_format, payload)
        except OSError as error:
            logger.error("audio could not be kept in %s: %s", self._folder, error.strerror)
            self._metrics.kept.labels("failed").inc()
        else:
            self._metrics.kept.labels("kept").inc()
        finally:
            self._free.release()

    def _make_files(self, event: Event, raw_format: RawFormat, payload: bytes) -> None:
        call, name = event.call, stem_of(event)
        values = event.as_dict()
        values |= {"caller": self._hash_number(call.caller)}
        values |= {"called": self._hash_number(call.called)}
        # The dialects' details hold what users sent along; numbers are among it.
        del values["details"]
        about = json.dumps(values, indent=1).encode()
        self._add(self._folder / f"{name}.wav", _wav(raw_format, payload))
        self._add(self._folder / f"{name}.json", about)

    def _add(self, path: Path, content: bytes) -> None:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
        except OSError:
            # What a full disk cut short is no recording, and would not be counted.
            path.unlink(missing_ok=True)
            raise
        self._files.append((path, len(content)))
        self._size += len(content)
        while self._size > self._max_bytes and self._files:
            oldest, size = self._files.popleft()
            oldest.unlink(missing_ok=True)
            self._size -= size


def stem_of(event: Event) -> str:
    """Return the name of an event's files, without their ending."""
    call = event.call
    moment = utc(event.time).strftime("%Y%m%dT%H%M%S.%f")[:-3]
    of_call = f"{safe_name(call.gateway)}-{safe_name(call.id)}-{safe_name(event.leg)}"
    return f"{_PREFIX}{moment}Z-{of_call}"


def _wav(raw_format: RawFormat, payload: bytes) -> bytes:
    buffer = BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(raw_format.sample_rate)
        file.writeframes(to_pcm(payload, raw_format.encoding).astype("<i2").tobytes())
    return buffer.getvalue()
