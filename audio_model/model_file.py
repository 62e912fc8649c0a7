"""The bytes of a model file: an ONNX graph, its metadata, and a digest behind them.

The file ends with a metadata entry that holds a digest of all bytes before it, so damage is seen
before a runtime meets it. To any other ONNX runtime that entry is one more line of metadata. What
the file says of itself stands as JSON under the key ``about``, and can be written anew without the
package ``onnx``: metadata are a field of their own beside the graph.
"""

import json
from collections.abc import Iterator, Mapping
from hashlib import blake2b
from pathlib import Path

from audio_model.errors import ModelError, printable

ABOUT = "about"

_DIGEST_BYTES = 32
_DIGEST_ENTRY = b"\x72\x4a\x0a\x06digest\x12\x40"
"""ONNX protobuf: ``metadata_props`` entry of key ``digest`` and a value of 64 letters."""

_METADATA, _KEY, _VALUE = 14, 1, 2
"""Numbers of fields in ``ModelProto`` and ``StringStringEntryProto`` of onnx.proto."""
_BYTES = 2
"""The wire type of what is as long as it says."""


def seal(graph: bytes) -> bytes:
    """Return a serialized ONNX model with its digest behind it."""
    digest = blake2b(graph, digest_size=_DIGEST_BYTES).hexdigest()
    return graph + _DIGEST_ENTRY + digest.encode("ascii")


def unseal(path: Path, content: bytes) -> bytes:
    """Return what :func:`seal` was given. Raises ModelError if the digest does not agree."""
    end = len(content) - 2 * _DIGEST_BYTES
    start = end - len(_DIGEST_ENTRY)
    if start < 0 or content[start:end] != _DIGEST_ENTRY:
        raise ModelError(f"{printable(path)}: not a model of this project, or its end is missing")
    if seal(content[:start]) != content:
        raise ModelError(
            f"{printable(path)}: the model file is damaged (its digest does not agree)"
        )
    return content[:start]


def with_about(path: Path, content: bytes, about: Mapping[str, object]) -> bytes:
    """Return a model file that says something else of itself; the graph is the same.

    Raises ModelError if the digest does not agree.
    """
    graph = unseal(path, content)
    kept = [
        graph[start:end]
        for start, body, end in _fields(graph, _METADATA)
        if body is None or _text(body, _KEY) != ABOUT
    ]
    value = json.dumps(about, sort_keys=True)
    entry = _field(_KEY, ABOUT.encode()) + _field(_VALUE, value.encode())
    return seal(b"".join(kept) + _field(_METADATA, entry))


def _fields(message: bytes, wanted: int) -> Iterator[tuple[int, bytes | None, int]]:
    """Yield the start, body and end of each field; the body is None of those not wanted."""
    at = 0
    while at < len(message):
        start = at
        tag, at = _varint(message, at)
        length = 0
        match tag & 7:
            case 0:
                _, at = _varint(message, at)
            case 1:
                length = 8
            case 2:
                length, at = _varint(message, at)
            case 5:
                length = 4
            case other:
                raise ValueError(f"no wire type of protobuf: {other}")
        end = at + length
        yield start, message[at:end] if tag >> 3 == wanted else None, end
        at = end


def _text(message: bytes, number: int) -> str:
    bodies = (body for _, body, _ in _fields(message, number) if body is not None)
    return next(bodies, b"").decode()


def _field(number: int, body: bytes) -> bytes:
    return _as_varint(number << 3 | _BYTES) + _as_varint(len(body)) + body


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at


def _as_varint(value: int) -> bytes:
    parts = bytearray()
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*parts, value])
