"""SIP messages (RFC 3261) as far as a server that only answers needs them."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from audio_model.gateway.dialects.base import ProtocolError

MAX_HEADERS = 128
MAX_MESSAGE_BYTES = 65_535

_COMPACT = {
    "c": "content-type",
    "f": "from",
    "i": "call-id",
    "k": "supported",
    "l": "content-length",
    "m": "contact",
    "t": "to",
    "v": "via",
}
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_METHOD = re.compile(r"[A-Z]{1,32}")
_TAG = re.compile(r";\s*tag\s*=\s*([^\s;,]+)", re.IGNORECASE)
_RPORT = re.compile(r";\s*rport(?=\s*(;|,|$))", re.IGNORECASE)
_ANGLE = re.compile(r'(?:[^<"]|"(?:[^"\\]|\\.)*")*<([^<>]*)>')
# It stops at the second colon: searching from each "sip:" to the end would take seconds.
_USER = re.compile(r"(?:sips?:(?=[^>:@]*(?::[^>:@]*)?@)|tel:)([^@;:>]+)", re.IGNORECASE)

REASONS = {
    100: "Trying",
    200: "OK",
    400: "Bad Request",
    405: "Method Not Allowed",
    415: "Unsupported Media Type",
    420: "Bad Extension",
    481: "Call/Transaction Does Not Exist",
    487: "Request Terminated",
    488: "Not Acceptable Here",
    500: "Server Internal Error",
    503: "Service Unavailable",
    505: "Version Not Supported",
}


@dataclass(frozen=True)
class SipMessage:
    """A request, or a response, of which only the status matters here."""

    method: str
    """Empty for a response."""
    uri: str
    status: int
    """0 for a request."""
    headers: tuple[tuple[str, str], ...]
    """Names in lower case and in full."""
    body: bytes

    def header(self, name: str) -> str:
        """Return the first header of a name; empty if there is none."""
        return next((value for key, value in self.headers if key == name), "")

    def values(self, name: str) -> list[str]:
        """Return all headers of a name, in order."""
        return [value for key, value in self.headers if key == name]

    def options(self, name: str) -> list[str]:
        """Return the tags of a header such as Require, in lower case."""
        return [
            tag for value in self.values(name) for tag in value.lower().replace(",", " ").split()
        ]

    @property
    def call_id(self) -> str:
        """Return the Call-ID."""
        return self.header("call-id")

    @property
    def from_tag(self) -> str:
        """Return the tag of From; empty if there is none."""
        return _found(_TAG, self.header("from").rpartition(">")[2])

    @property
    def to_tag(self) -> str:
        """Return the tag of To; empty if there is none."""
        return _found(_TAG, self.header("to").rpartition(">")[2])

    @property
    def sequence(self) -> int:
        """Return CSeq's number, which :func:`parse` has checked."""
        return int(self.header("cseq").split()[0])


def parse(data: bytes) -> SipMessage:
    """Take a message apart. Raises ProtocolError."""
    if len(data) > MAX_MESSAGE_BYTES:
        raise ProtocolError(f"a SIP message of {len(data)} bytes")
    head, _, body = data.partition(b"\r\n\r\n")
    try:
        start, *lines = head.decode().split("\r\n")
    except UnicodeDecodeError:
        raise ProtocolError("a SIP header that is not UTF-8") from None
    method, uri, status = _start_line(start)
    headers = _headers(lines)
    message = SipMessage(method, uri, status, headers, body[: _content_length(headers, len(body))])
    _check(message)
    return message


def content_length(head: bytes) -> int:
    """Return the length of the body that follows a head. Raises ProtocolError."""
    try:
        lines = head.decode().split("\r\n")[1:]
    except UnicodeDecodeError:
        raise ProtocolError("a SIP header that is not UTF-8") from None
    return _content_length(_headers(lines), 0)


def response(
    request: SipMessage,
    status: int,
    *,
    to_tag: str,
    source: tuple[str, int],
    headers: Iterable[tuple[str, str]] = (),
    body: str = "",
) -> bytes:
    """Return a response to a request (RFC 3261, 8.2.6).

    ``received`` and ``rport`` are by RFC 3581.
    """
    to = request.header("to")
    if not request.to_tag and status != 100:
        to = f"{to};tag={to_tag}"
    vias = request.values("via")
    lines = [
        f"SIP/2.0 {status} {REASONS[status]}",
        f"Via: {_with_source(vias[0], source)}",
        *(f"Via: {via}" for via in vias[1:]),
        f"From: {request.header('from')}",
        f"To: {to}",
        f"Call-ID: {request.call_id}",
        f"CSeq: {request.header('cseq')}",
        *(f"{name}: {value}" for name, value in headers),
    ]
    return _joined(lines, body)


def request(method: str, uri: str, headers: Iterable[tuple[str, str]]) -> bytes:
    """Return a request without a body."""
    return _joined(
        [f"{method} {uri} SIP/2.0", *(f"{name}: {value}" for name, value in headers)], ""
    )


def uri_of(value: str) -> str:
    """Return the URI within a Contact, From or Route."""
    match = _ANGLE.match(value)
    return match[1] if match else value.split(";")[0].strip()


def user_of(value: str) -> str:
    """Return the user part of a SIP address or the number of a tel one; empty if it has none."""
    return _found(_USER, value)


def asks_rport(via: str) -> bool:
    """Return whether a response goes to the port that the request came from (RFC 3581)."""
    return _RPORT.search(via) is not None


def _joined(lines: list[str], body: str) -> bytes:
    encoded = body.encode()
    return "\r\n".join([*lines, f"Content-Length: {len(encoded)}", "", ""]).encode() + encoded


def _found(pattern: re.Pattern[str], text: str) -> str:
    match = pattern.search(text)
    return match[1] if match else ""


def _start_line(line: str) -> tuple[str, str, int]:
    fields = line.split(" ", 2)
    if len(fields) != 3:
        raise ProtocolError(f"not a SIP start line: {line[:40]!r}")
    if fields[0] == "SIP/2.0":
        if not (fields[1].isascii() and fields[1].isdecimal() and len(fields[1]) == 3):
            raise ProtocolError(f"not a SIP status: {line[:40]!r}")
        return "", "", int(fields[1])
    method, uri, version = fields
    if not _METHOD.fullmatch(method) or not version.startswith("SIP/"):
        raise ProtocolError(f"not a SIP start line: {line[:40]!r}")
    if version != "SIP/2.0":
        raise ProtocolError(f"SIP version {version[:20]!r}")
    return method, uri, 0


def _headers(lines: list[str]) -> tuple[tuple[str, str], ...]:
    if len(lines) > MAX_HEADERS:
        raise ProtocolError(f"a SIP message with {len(lines)} headers")
    headers: list[tuple[str, str]] = []
    for line in lines:
        if line[:1] in (" ", "\t") and headers and not _CONTROL.search(line):
            name, value = headers[-1]
            headers[-1] = name, f"{value} {line.strip()}"
            continue
        name, colon, value = line.partition(":")
        name = name.strip().lower()
        # Text that is copied into a response must not add a header there.
        if not colon or not name or _CONTROL.search(line):
            raise ProtocolError(f"not a SIP header: {line[:40]!r}")
        headers.append((_COMPACT.get(name, name), value.strip()))
    return tuple(headers)


def _content_length(headers: Iterable[tuple[str, str]], missing: int) -> int:
    for name, value in headers:
        if name == "content-length":
            if not (value.isascii() and value.isdecimal() and len(value) <= 5):
                raise ProtocolError(f"Content-Length: {value[:40]!r}")
            return int(value)
    return missing


def _check(message: SipMessage) -> None:
    for name in ("via", "from", "to", "call-id", "cseq"):
        value = message.header(name)
        if not value:
            raise ProtocolError(f"a SIP message without {name}")
    number, _, method = message.header("cseq").partition(" ")
    if not (
        number.isascii() and number.isdecimal() and len(number) <= 10 and int(number) < 1 << 31
    ):
        raise ProtocolError(f"CSeq: {message.header('cseq')[:40]!r}")
    if message.method and method.strip() != message.method:
        raise ProtocolError(f"CSeq of another method than {message.method}")


def _with_source(via: str, source: tuple[str, int]) -> str:
    host, port = source
    # Several may stand in one header; the first is the one that we are to fill in.
    first, comma, rest = via.partition(",")
    filled = _RPORT.sub(f";rport={port}", first)
    return f"{filled};received={host}{comma}{rest}"
