"""Bencoding as rtpengine's ng protocol uses it: byte strings, integers, lists, dictionaries."""

from collections.abc import Mapping, Sequence

from audio_model.gateway.dialects.base import ProtocolError

Value = int | bytes | list["Value"] | dict[bytes, "Value"]

Encodable = int | str | bytes | Sequence["Encodable"] | Mapping[str, "Encodable"]

MAX_DEPTH = 32
_MAX_DIGITS = 20


def encode(value: Encodable) -> bytes:
    """Encode a value. Text is UTF-8, and dictionaries are sorted by their keys."""
    match value:
        case int():
            return b"i%de" % value
        case str():
            return encode(value.encode())
        case bytes():
            return b"%d:%s" % (len(value), value)
        case Mapping():
            pairs = sorted((key.encode(), item) for key, item in value.items())
            return b"d%se" % b"".join(encode(key) + encode(item) for key, item in pairs)
        case _:
            return b"l%se" % b"".join(encode(item) for item in value)


def decode(data: bytes) -> Value:
    """Decode the one value that ``data`` holds. Raises ProtocolError."""
    value, end = _decode(data, 0, MAX_DEPTH)
    if end != len(data):
        raise ProtocolError(f"{len(data) - end} bytes after the end of bencoded data")
    return value


def _decode(data: bytes, at: int, depth: int) -> tuple[Value, int]:
    if depth == 0:
        raise ProtocolError(f"bencoded data nested deeper than {MAX_DEPTH}")
    match data[at : at + 1]:
        case b"i":
            return _integer(data, at + 1, b"e")
        case b"l":
            items, at = _items(data, at + 1, depth)
            return items, at
        case b"d":
            items, at = _items(data, at + 1, depth)
            keys = items[::2]
            if len(items) % 2 or not all(isinstance(key, bytes) for key in keys):
                raise ProtocolError("a bencoded dictionary whose keys and values don't pair")
            return dict(zip(keys, items[1::2], strict=True)), at  # type: ignore[arg-type]
        case _:
            length, at = _integer(data, at, b":")
            if not 0 <= length <= len(data) - at:
                raise ProtocolError(f"a bencoded string of {length} bytes is cut short")
            return data[at : at + length], at + length


def _items(data: bytes, at: int, depth: int) -> tuple[list[Value], int]:
    items = []
    while data[at : at + 1] != b"e":
        item, at = _decode(data, at, depth - 1)
        items.append(item)
    return items, at + 1


def _integer(data: bytes, at: int, end: bytes) -> tuple[int, int]:
    stop = data.find(end, at, at + _MAX_DIGITS + 1)
    digits = data[at:stop] if stop >= 0 else b""
    if not digits.removeprefix(b"-").isdigit():
        raise ProtocolError(f"not bencoded data at byte {at}")
    return int(digits), stop + 1
