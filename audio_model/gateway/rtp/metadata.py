"""The metadata of a SIPREC recording client: RFC 7865, beside SDP (RFC 7866)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from xml.etree import ElementTree

from audio_model.gateway.dialects.base import ProtocolError
from audio_model.gateway.rtp import sip

MAX_PARTS = 8

_BOUNDARY = re.compile(r';\s*boundary\s*=\s*(?:"([^"]{1,200})"|([^\s;"]{1,200}))', re.IGNORECASE)
_SDP = "application/sdp"
_METADATA = ("application/rs-metadata+xml", "application/rs-metadata")
"""The second is what some session border controllers send."""


@dataclass(frozen=True)
class Metadata:
    """The participants of a call, and their streams."""

    session: str = ""
    """The communication session's own id."""
    sip_session: str = ""
    """Its SIP Session-ID (RFC 7989), or whatever the client put there."""
    participants: Mapping[str, str] = field(default_factory=dict)
    """Address (``aor``) by id, in the order of the document."""
    senders: Mapping[str, str] = field(default_factory=dict)
    """Id of the participant who sends a stream, by the stream's label."""

    @property
    def caller(self) -> str:
        """Return the id of the participant who called.

        Metadata do not say who called, but clients list the caller first. So it is the first
        participant who sends, or the first of all if nobody does.
        """
        sending = set(self.senders.values()) & set(self.participants) or set(self.participants)
        return next((id for id in self.participants if id in sending), "")


def parts(content_type: str, body: bytes) -> tuple[str | None, str | None]:
    """Return the SDP and the metadata of a message's body, None for a part that is missing.

    Raises ProtocolError if the body isn't what its type says.
    """
    kind = content_type.partition(";")[0].strip().lower()
    if kind == _SDP:
        return _text(body), None
    if kind in _METADATA:
        return None, _text(body)
    if kind != "multipart/mixed":
        return None, None
    boundary = _BOUNDARY.search(content_type)
    if boundary is None:
        raise ProtocolError("a multipart body without a boundary")
    found: dict[str, str] = {}
    mark = b"--" + (boundary[1] or boundary[2]).encode()
    _, *pieces = (b"\r\n" + body).split(b"\r\n" + mark, MAX_PARTS + 1)
    for piece in pieces:
        if piece.startswith(b"--"):
            break
        head, blank, content = piece.lstrip(b" \t").partition(b"\r\n\r\n")
        if not blank:
            raise ProtocolError("a part of a multipart body without an end of its headers")
        for line in _text(head).split("\r\n"):
            name, _, value = line.partition(":")
            if name.strip().lower() in ("content-type", "c"):
                found.setdefault(value.partition(";")[0].strip().lower(), _text(content))
    return found.get(_SDP), next((found[name] for name in _METADATA if name in found), None)


def parse(text: str) -> Metadata:
    """Read metadata. Raises ProtocolError."""
    if "<!" in text.replace("<!--", ""):
        # A document type could define entities that expand without end, and no client needs one.
        raise ProtocolError("recording metadata with a document type")
    try:
        root = ElementTree.fromstring(text.strip())
    except (ElementTree.ParseError, ValueError) as error:
        raise ProtocolError(f"recording metadata: {error}") from None
    participants: dict[str, str] = {}
    labels: dict[str, str] = {}
    sends: dict[str, str] = {}
    receives: dict[str, set[str]] = {}
    session = sip_session = ""
    for element in root:
        match _name(element):
            case "session":
                session = session or _id(element, "session")
                sip_session = sip_session or _child(element, "sipsessionid")
            case "participant":
                # One without an id is a party, too, although no stream can name it as its sender.
                id = _id(element, "participant") or f"#{len(participants)}"
                participants[id] = _address(element)
            case "stream":
                labels[_id(element, "stream")] = _child(element, "label")
    for element in root:
        # Early drafts have it within the participant.
        if _name(element) in ("participantstreamassoc", "participant"):
            participant = _id(element, "participant")
            for child in element:
                stream = (child.text or "").strip() or _id(child, "stream")
                if _name(child) == "send":
                    sends[stream] = participant
                elif _name(child) == "recv":
                    receives.setdefault(stream, set()).add(participant)
    for stream, receivers in receives.items():
        # With two parties, one receives what the other sends.
        others = set(participants) - receivers
        if stream not in sends and len(participants) == 2 and len(others) == 1:
            sends[stream] = others.pop()
    senders = {labels[stream]: who for stream, who in sends.items() if labels.get(stream)}
    return Metadata(session, sip_session, participants, senders)


def number(aor: str) -> str:
    """Return the number of an address, or the address if it has none."""
    return sip.user_of(aor) or aor


def _address(participant: ElementTree.Element) -> str:
    for child in participant:
        if _name(child) == "nameid":
            return _attribute(child, "aor") or _child(child, "aor")
    return _child(participant, "aor") or _attribute(participant, "aor")


def _name(element: ElementTree.Element) -> str:
    """Return a name without what differs between products: namespace, case, ``-``, ``_``."""
    return _plain(element.tag)


def _id(element: ElementTree.Element, kind: str) -> str:
    """Return the id of a session, participant or stream: ``participant_id``, in drafts ``id``."""
    return _attribute(element, f"{kind}id") or _attribute(element, "id")


def _attribute(element: ElementTree.Element, name: str) -> str:
    return next((value.strip() for key, value in element.items() if _plain(key) == name), "")


def _child(element: ElementTree.Element, name: str) -> str:
    return next(((child.text or "").strip() for child in element if _name(child) == name), "")


def _plain(name: str) -> str:
    return re.sub("[-_]", "", name.rpartition("}")[2]).lower()


def _text(content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise ProtocolError("a part of a SIP body that is not UTF-8") from None
