"""The little SDP that an offered audio stream needs (RFC 8866, offer and answer by RFC 3264)."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address

from audio_model.gateway import codecs
from audio_model.gateway.codecs import Codec
from audio_model.gateway.dialects.base import ProtocolError

MAX_MEDIA = 16
MAX_FORMATS = 64
MAX_LINES = 2000

_DIRECTIONS = ("sendrecv", "sendonly", "recvonly", "inactive")
_RTPMAP = re.compile(r"(\d{1,3}) +([^\s/]+)/(\d{1,9})(?:/(\d{1,9}))?", re.ASCII)
_HOST = re.compile(r"(?=.*[A-Za-z])[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,252})", re.ASCII)
"""A host's name; digits and dots alone are an address that is none."""
_PLAIN_RTP = ("RTP/AVP", "RTP/AVPF")


@dataclass(frozen=True)
class MediaLine:
    """One ``m=`` line with what belongs to it."""

    kind: str
    port: int
    """0: the stream is not wanted (any more)."""
    protocol: str
    formats: tuple[str, ...]
    host: str
    """Address of ``c=``, the session's if it has none of its own; empty if there is none, or a
    host's name in its place."""
    direction: str
    attributes: tuple[tuple[str, str], ...]
    rtpmaps: Mapping[int, tuple[str, int, int]]
    """Encoding name in upper case, clock rate and channels, by payload type."""

    def attribute(self, name: str) -> str | None:
        """Return the first ``a=name:value``, "" for one without a value."""
        return next((value for key, value in self.attributes if key == name), None)

    @property
    def label(self) -> str:
        """Return the label (RFC 4574); empty if there is none."""
        return self.attribute("label") or ""

    @property
    def is_plain_audio(self) -> bool:
        """Return whether it is audio in RTP that is not encrypted."""
        return self.kind == "audio" and self.protocol in _PLAIN_RTP and self.port != 0

    def codecs(self) -> dict[int, Codec]:
        """Return the codecs that can be heard, by payload type, the sender's first choice first."""
        maps = self.rtpmaps
        understood = {}
        for payload_type in self._payload_types():
            if payload_type in maps:
                codec = codecs.by_rtpmap(*maps[payload_type])
            else:
                codec = codecs.by_payload_type(payload_type)
            if codec is not None:
                understood[payload_type] = codec
        return understood

    def voiceless(self) -> list[int]:
        """Return the payload types of comfort noise and telephone events."""
        maps = self.rtpmaps
        names = (codecs.COMFORT_NOISE, codecs.TELEPHONE_EVENT)
        return [
            payload_type
            for payload_type in self._payload_types()
            if (
                maps[payload_type][0] in names
                if payload_type in maps
                else payload_type == codecs.COMFORT_NOISE_PAYLOAD_TYPE
            )
        ]

    def _payload_types(self) -> list[int]:
        return [
            int(value)
            for value in self.formats
            if value.isascii() and value.isdecimal() and len(value) <= 3 and int(value) < 128
        ]


def parse(text: str) -> tuple[MediaLine, ...]:
    """Return the media of a session description. Raises ProtocolError."""
    lines = text.replace("\r\n", "\n").strip("\n").split("\n")
    if lines[0].strip() != "v=0":
        raise ProtocolError("an SDP that does not begin with v=0")
    if len(lines) > MAX_LINES:
        raise ProtocolError(f"an SDP of {len(lines)} lines")
    sections: list[list[tuple[str, str]]] = [[]]
    for line in lines[1:]:
        key, equals, value = line.strip().partition("=")
        if not equals or len(key) != 1:
            raise ProtocolError(f"not an SDP line: {line[:40]!r}")
        if key == "m":
            sections.append([])
        sections[-1].append((key, value))
    session, *media = sections
    if len(media) > MAX_MEDIA:
        raise ProtocolError(f"an SDP of {len(media)} media")
    host, direction = _host(session), _direction(_attributes(session))
    return tuple(_media(section, host, direction or "sendrecv") for section in media)


def _media(section: Sequence[tuple[str, str]], host: str, direction: str) -> MediaLine:
    fields = section[0][1].split()
    if not 4 <= len(fields) <= MAX_FORMATS + 3:
        raise ProtocolError(f"not an SDP media line: m={section[0][1][:40]!r}")
    attributes = _attributes(section)
    return MediaLine(
        kind=fields[0],
        # A count of ports may follow.
        port=_number(fields[1].partition("/")[0]),
        protocol=fields[2].upper(),
        formats=tuple(fields[3:]),
        host=_host(section) if any(key == "c" for key, _ in section) else host,
        direction=_direction(attributes) or direction,
        attributes=attributes,
        rtpmaps=_rtpmaps(attributes),
    )


def _rtpmaps(attributes: Sequence[tuple[str, str]]) -> dict[int, tuple[str, int, int]]:
    """Return the readable mappings. An odd mapping loses its own format, not the call."""
    matches = (_RTPMAP.fullmatch(value) for key, value in attributes if key == "rtpmap")
    return {
        int(match[1]): (match[2].upper(), int(match[3]), int(match[4] or 1))
        for match in matches
        if match is not None
    }


def _attributes(section: Sequence[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    pairs = (value.partition(":") for key, value in section if key == "a")
    return tuple((name, value.strip()) for name, _, value in pairs)


def _direction(attributes: Sequence[tuple[str, str]]) -> str:
    return next((name for name, _ in attributes if name in _DIRECTIONS), "")


def _host(section: Sequence[tuple[str, str]]) -> str:
    """Return the address of ``c=IN IP4 address/ttl``; empty for a host's name.

    A name (RFC 8866, 5.7) is not looked up: that would take a while, and what it stands for may
    change. Its sender is known by the address that its messages come from.
    """
    for key, value in section:
        if key == "c":
            fields = value.split()
            if len(fields) == 3:
                address = fields[2].partition("/")[0]
                try:
                    return str(ip_address(address))
                except ValueError:
                    if _HOST.fullmatch(address):
                        return ""
                    raise ProtocolError(f"no host in SDP: {address[:40]!r}") from None
            raise ProtocolError(f"not an SDP connection line: {value[:40]!r}")
    return ""


def _number(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 9):
        raise ProtocolError(f"not a number in SDP: {text[:40]!r}")
    return int(text)


@dataclass(frozen=True)
class Accepted:
    """The answer to one offered stream that is accepted."""

    port: int
    payload_types: tuple[int, ...]


def answer(
    offer: Sequence[MediaLine], accepted: Mapping[int, Accepted], host: str, version: int = 0
) -> str:
    """Return the answer that takes some streams, by their index in the offer, and refuses the rest.

    Args:
        host: this machine's address, as the sender is to reach it.
        version: of this description; one more each time that a session's answer changes.
    """
    family = "IP6" if ":" in host else "IP4"
    lines = [
        "v=0",
        f"o=audio-model 0 {version} IN {family} {host}",
        "s=audio-model",
        f"c=IN {family} {host}",
        "t=0 0",
    ]
    for index, media in enumerate(offer):
        taken = accepted.get(index)
        if taken is None:
            lines.append(f"m={media.kind} 0 {media.protocol} {' '.join(media.formats)}")
            continue
        payload_types = [str(value) for value in taken.payload_types]
        lines.append(f"m=audio {taken.port} {media.protocol} {' '.join(payload_types)}")
        for key, value in media.attributes:
            if key in ("rtpmap", "fmtp") and value.partition(" ")[0] in payload_types:
                lines.append(f"a={key}:{value}")
        if media.attribute("rtcp-mux") is not None:
            lines.append("a=rtcp-mux")
        if media.label:
            lines.append(f"a=label:{media.label}")
        sends = media.direction in ("sendrecv", "sendonly")
        lines.append("a=recvonly" if sends else "a=inactive")
    return "\r\n".join([*lines, ""])
