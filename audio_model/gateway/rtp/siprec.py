"""A SIPREC recording server (RFC 7866) that listens instead of recording.

A session border controller or PBX forks a call to it: an INVITE with the offer of one stream for
each party, and metadata that say whose they are. It hears up to two of them, the legs ``caller``
and ``callee``, and sends nothing. SIPREC has no way back for a verdict: events go by the webhook.

>>> siprec = await SiprecServer.start(calls, RtpPorts("127.0.0.1", 31000, 31998), "127.0.0.1", 5080)
"""

import asyncio
import hashlib
import logging
from collections.abc import Iterable
from ipaddress import ip_address
from secrets import token_bytes

from audio_model.errors import UsageError
from audio_model.gateway.calls import Calls
from audio_model.gateway.dialects.base import ProtocolError
from audio_model.gateway.events import CallInfo, Event, EventKind
from audio_model.gateway.rtp import metadata, sdp, sip
from audio_model.gateway.rtp.metadata import Metadata
from audio_model.gateway.rtp.receiver import NoPortError, RtpPorts
from audio_model.gateway.rtp.recording import GIVE_UP_SECONDS, RecordingSession
from audio_model.gateway.rtp.sip_transport import SipSender, TcpListener, UdpListener, bind

logger = logging.getLogger(__name__)

GATEWAY = "siprec"

MAX_SESSION_SECONDS = 4 * 3600
"""A session whose client has vanished without a word gives its ports back after that."""

_ALLOW = ("Allow", "INVITE, ACK, BYE, CANCEL, OPTIONS, UPDATE")
_ACCEPT = ("Accept", "application/sdp, application/rs-metadata+xml, multipart/mixed")
_UNDERSTOOD = frozenset({"siprec"})

_Key = tuple[str, str]
"""Call-ID and the client's tag."""


class SiprecServer:
    """Takes recording sessions by SIP over UDP and TCP. :meth:`start` makes one."""

    def __init__(self, calls: Calls, ports: RtpPorts, host: str, port: int) -> None:
        self._calls, self._ports = calls, ports
        self.host, self.port = host, port
        self._key = token_bytes(16)
        self._sessions: dict[_Key, RecordingSession] = {}
        self._timers: dict[_Key, asyncio.TimerHandle] = {}
        self._peers: dict[_Key, SipSender] = {}
        self._tcp_connections = TcpListener(self._handle)
        self._udp_listener = UdpListener(self._handle)
        self._udp: asyncio.BaseTransport | None = None
        self._tcp: asyncio.Server | None = None

    @classmethod
    async def start(
        cls,
        calls: Calls,
        ports: RtpPorts,
        host: str,
        port: int = 5060,
        *,
        reuse_port: bool = False,
    ) -> "SiprecServer":
        """Begin to listen.

        Args:
            ports: where recording clients are to send their streams.
            host, port: address for SIP; port 0 takes what the system gives.
            reuse_port: whether other servers may listen there, too. A client's requests go to one
                of them for as long as it sends from the same port.

        Raises UsageError if the address can't be bound.
        """
        try:
            ip_address(host)
            udp, tcp = bind(host, port, reuse_port=reuse_port)
        except ValueError:
            raise UsageError(f"SIP needs an IP address, not {host!r}") from None
        except OSError as error:
            raise UsageError(f"SIP at {host}:{port}: {error.strerror or error}") from error
        server = cls(calls, ports, host, udp.getsockname()[1])
        loop = asyncio.get_running_loop()
        server._udp, _ = await loop.create_datagram_endpoint(lambda: server._udp_listener, sock=udp)
        server._tcp = await loop.create_server(server._tcp_connections, sock=tcp)
        return server

    async def stop_listening(self) -> None:
        """Leave new sessions to other servers on the same port.

        What those of this one are still sent over UDP comes from another port.
        """
        shared = self._udp
        self._udp, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: self._udp_listener, local_addr=(self.host, 0)
        )
        if shared is not None:
            shared.close()
        if self._tcp is not None:
            self._tcp.close()

    async def close(self) -> None:
        """End every session, with a BYE to its client, and answer its legs."""
        for key, session in list(self._sessions.items()):
            if not session.ended:
                self._hang_up(key)
            self._forget(key)
        self._tcp_connections.close()
        if self._udp is not None:
            self._udp.close()
        if self._tcp is not None:
            self._tcp.close()
            await self._tcp.wait_closed()

    def _handle(self, message: sip.SipMessage, peer: SipSender) -> None:
        if not message.method:
            # A response to our BYE needs no answer.
            return
        key = message.call_id, message.from_tag
        session = self._sessions.get(key)
        if session is not None and message.to_tag not in ("", session.to_tag):
            session = None
        match message.method:
            case "ACK":
                if session is not None:
                    session.acknowledged()
            case "OPTIONS":
                self._respond(message, peer, 200, [_ALLOW, _ACCEPT, ("Supported", "siprec")])
            case "CANCEL":
                # An INVITE is answered as soon as it comes, so there is none left to cancel.
                self._respond(message, peer, 481 if session is None else 200)
            case "INVITE" | "UPDATE" | "BYE":
                self._in_order(key, session, message, peer)
            case _:
                self._respond(message, peer, 405, [_ALLOW])

    def _in_order(
        self, key: _Key, session: RecordingSession | None, message: sip.SipMessage, peer: SipSender
    ) -> None:
        if session is None:
            if message.method == "INVITE" and not message.to_tag:
                self._begin(key, message, peer)
            else:
                self._respond(message, peer, 481)
        elif (message.sequence, message.method) == (session.sequence, session.method):
            # Sent again: so is the answer.
            peer.send(session.response)
        elif message.sequence <= session.sequence:
            self._respond(message, peer, 500)
        elif session.ended or not message.to_tag:
            self._respond(message, peer, 481)
        else:
            session.sequence, session.method = message.sequence, message.method
            self._peers[key] = peer
            if message.method == "BYE":
                session.response = self._respond(message, peer, 200)
                self._end(key)
            else:
                self._change(session, message, peer)

    def _on_event(self, key: _Key, event: Event) -> None:
        """Free a leg's port after its final event.

        SIPREC has no way to send an event back.
        """
        if event.kind is EventKind.FINAL and (session := self._sessions.get(key)) is not None:
            session.release()

    def _begin(self, key: _Key, invite: sip.SipMessage, peer: SipSender) -> None:
        try:
            unknown = [tag for tag in invite.options("require") if tag not in _UNDERSTOOD]
            if unknown:
                raise _Refused(420, ("Unsupported", ", ".join(unknown)))
            offer, about = _read(invite)
            if offer is None:
                raise self._not_acceptable("an offer is needed")
            if about is None and "siprec" not in invite.options("require"):
                raise self._not_acceptable("only recording sessions (SIPREC) are taken")
            about = about or Metadata()
            call = self._calls.open(_info(invite, about), lambda event: self._on_event(key, event))
            session = RecordingSession(call, self._ports, invite, self._tag(invite))
            try:
                self._answer(session, offer, about, invite, peer)
            except _Refused:
                session.end()
                raise
        except _Refused as refused:
            self._refuse(invite, peer, refused)
            return
        self._sessions[key], self._peers[key] = session, peer
        loop = asyncio.get_running_loop()
        self._timers[key] = loop.call_later(MAX_SESSION_SECONDS, self._hang_up, key)

    def _change(self, session: RecordingSession, message: sip.SipMessage, peer: SipSender) -> None:
        """Take a re-INVITE or UPDATE: other streams, or news of the participants alone."""
        try:
            offer, about = _read(message)
            if offer is not None:
                self._answer(session, offer, about or Metadata(), message, peer)
            elif message.method == "INVITE":
                # Then ours is the offer (RFC 3261, 14.2): what was agreed on before.
                self._accept(session, message, peer)
            else:
                session.response = self._respond(message, peer, 200, [_ALLOW])
        except _Refused as refused:
            session.response = self._refuse(message, peer, refused)

    def _answer(
        self,
        session: RecordingSession,
        offer: tuple[sdp.MediaLine, ...],
        about: Metadata,
        message: sip.SipMessage,
        peer: SipSender,
    ) -> None:
        """Take an offer. Raises _Refused."""
        try:
            taken = session.answer(offer, about, peer.source[0])
        except NoPortError as error:
            logger.warning("SIPREC: %s", error)
            raise _Refused(503, ("Retry-After", "10")) from None
        if not taken:
            raise self._not_acceptable("no audio that is understood")
        self._accept(session, message, peer)

    def _accept(self, session: RecordingSession, message: sip.SipMessage, peer: SipSender) -> None:
        headers = [("Record-Route", route) for route in message.values("record-route")]
        headers += [_ALLOW, ("Supported", "siprec"), ("Content-Type", "application/sdp")]
        session.response = self._respond(message, peer, 200, headers, session.description)
        if message.method == "INVITE":
            key = message.call_id, message.from_tag
            session.resend_until_acknowledged(peer, lambda: self._hang_up(key))

    def _respond(
        self,
        message: sip.SipMessage,
        peer: SipSender,
        status: int,
        headers: Iterable[tuple[str, str]] = (),
        body: str = "",
    ) -> bytes:
        suffix = ";transport=tcp" if peer.transport == "TCP" else ""
        contact = ("Contact", f"<sip:{self._address}{suffix}>;+sip.srs")
        reply = sip.response(
            message,
            status,
            to_tag=self._tag(message),
            source=peer.source,
            headers=[contact, *headers],
            body=body,
        )
        peer.send(reply)
        return reply

    def _refuse(self, message: sip.SipMessage, peer: SipSender, refused: "_Refused") -> bytes:
        logger.info("SIPREC from %s refused: %s", peer.source[0], refused)
        return self._respond(message, peer, refused.status, [refused.header])

    def _not_acceptable(self, why: str) -> "_Refused":
        return _Refused(488, ("Warning", f'399 {self._address} "{why}"'))

    @property
    def _address(self) -> str:
        """Return the address where clients reach us, also if SIP listens on every address."""
        host = self._ports.host if ip_address(self.host).is_unspecified else self.host
        return f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"

    def _tag(self, message: sip.SipMessage) -> str:
        """Return our tag: the same for a request that is sent again, without our keeping it."""
        name = f"{message.call_id}\n{message.from_tag}".encode()
        return hashlib.blake2b(name, key=self._key, digest_size=8).hexdigest()

    def _hang_up(self, key: _Key) -> None:
        """End a session on our side."""
        peer = self._peers[key]
        peer.send(self._sessions[key].bye(f"{peer.transport} {self._address}"))
        self._end(key)

    def _end(self, key: _Key) -> None:
        """End a session.

        It is remembered for as long as its last request may come again.
        """
        self._sessions[key].end()
        self._timers[key].cancel()
        loop = asyncio.get_running_loop()
        self._timers[key] = loop.call_later(GIVE_UP_SECONDS, self._forget, key)

    def _forget(self, key: _Key) -> None:
        self._timers.pop(key).cancel()
        del self._sessions[key], self._peers[key]


class _Refused(Exception):
    """A request that is refused with a reason. It has changed nothing."""

    def __init__(self, status: int, header: tuple[str, str]) -> None:
        super().__init__(f"{status} {header[1]}")
        self.status, self.header = status, header


def _read(message: sip.SipMessage) -> tuple[tuple[sdp.MediaLine, ...] | None, Metadata | None]:
    """Return the offer and the metadata of a message, None for a part that it does not have.

    Raises _Refused for a part that can't be read.
    """
    try:
        offered, described = metadata.parts(message.header("content-type"), message.body)
        offer = None if offered is None else sdp.parse(offered)
    except ProtocolError as error:
        raise _Refused(400, ("Warning", f'399 audio-model "{_quotable(error)}"')) from None
    if message.body and offered is None and described is None:
        raise _Refused(415, _ACCEPT)
    if described is None:
        return offer, None
    try:
        return offer, metadata.parse(described)
    except ProtocolError as error:
        # A call that is heard without its parties' names is better than one that is not heard.
        logger.info("SIPREC: %s", error)
        return offer, Metadata()


def _quotable(error: ProtocolError) -> str:
    return "".join(c for c in str(error) if c.isascii() and c.isprintable() and c not in '"\\')


def _info(invite: sip.SipMessage, about: Metadata) -> CallInfo:
    others = [id for id in about.participants if id != about.caller]
    details = {"sip_call_id": invite.call_id, "sip_session_id": about.sip_session}
    return CallInfo(
        id=about.session or invite.call_id,
        gateway=GATEWAY,
        caller=metadata.number(about.participants.get(about.caller, "")),
        called=metadata.number(about.participants[others[0]]) if others else "",
        details={key: value for key, value in details.items() if value},
    )
