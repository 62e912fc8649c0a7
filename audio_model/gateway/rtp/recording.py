"""One recording session: the dialog with its client, and its legs."""

import asyncio
from collections.abc import Callable, Sequence
from secrets import token_hex

from audio_model.gateway.calls import Call
from audio_model.gateway.events import CALLEE, CALLER
from audio_model.gateway.rtp import sdp, sip
from audio_model.gateway.rtp.metadata import Metadata
from audio_model.gateway.rtp.receiver import NoPortError, RtpPorts, RtpReceiver
from audio_model.gateway.rtp.sip_transport import SipSender
from audio_model.gateway.rtp.stream import leg_format

MAX_LEGS = 2

T1_SECONDS, T2_SECONDS = 0.5, 4.0
GIVE_UP_SECONDS = 64 * T1_SECONDS
"""RFC 3261, 17.1.1.1 and 13.3.1.4."""


class RecordingSession:
    """Answers offers with ports of ours, and opens a leg for each stream that is heard."""

    def __init__(self, call: Call, ports: RtpPorts, invite: sip.SipMessage, to_tag: str) -> None:
        self.call, self.to_tag = call, to_tag
        self.sequence = invite.sequence
        self.method = invite.method
        self.response = b""
        """The response to the last request, sent again if the request is."""
        self.description = ""
        """Our SDP, as it was last answered."""
        self.ended = False
        self._ports, self._invite = ports, invite
        self._receivers: dict[int, RtpReceiver] = {}
        self._released: list[int] = []
        self._answers = 0
        self._resending: asyncio.TimerHandle | None = None

    def answer(self, offer: Sequence[sdp.MediaLine], metadata: Metadata, source: str) -> bool:
        """Take an offer; :attr:`description` then answers it. False if none of it can be heard.

        Args:
            source: address that the offer came from; RTP may come from it, too.

        Raises NoPortError if there is no port for any of it.
        """
        usable = [
            (index, media)
            for index, media in enumerate(offer)
            if media.is_plain_audio and media.codecs()
        ]
        if not usable:
            return False
        # Among many streams the caller's is heard in any case.
        usable.sort(
            key=lambda item: (
                item[0] not in self._receivers,
                not metadata.caller or _sender(item[1], metadata) != metadata.caller,
            )
        )
        accepted: dict[int, sdp.Accepted] = {}
        for index, media in usable[:MAX_LEGS]:
            payload_type, codec = next(iter(media.codecs().items()))
            codecs, hosts = {payload_type: codec}, (media.host, source)
            receiver = self._receivers.get(index)
            if receiver is None:
                try:
                    opened = self._ports.open()
                except NoPortError:
                    if accepted:
                        break
                    raise
                leg = self.call.open_leg(self._leg_name(media, metadata), leg_format(codecs))
                receiver = self._receivers[index] = RtpReceiver(
                    opened, leg, codecs, hosts, self._ports.abandoned.get(opened.getsockname()[1])
                )
            else:
                receiver.update(codecs, hosts)
            accepted[index] = sdp.Accepted(receiver.port, (payload_type, *media.voiceless()))
        # On a machine that takes no more legs, a leg is finished as soon as it is opened.
        self.release()
        self._answers += 1
        self.description = sdp.answer(offer, accepted, self._ports.host, self._answers)
        return True

    def release(self) -> None:
        """Give back the ports of legs that have their final event."""
        for receiver in self._receivers.values():
            if receiver.leg.finished and receiver.port not in self._released:
                receiver.close()
                self._released.append(receiver.port)
                if receiver.sender is not None:
                    # The sender may go on, and the next call at this port must not hear it.
                    self._ports.abandoned[receiver.port] = receiver.sender

    def end(self) -> None:
        """End the session: every open leg gives its final event. Idempotent."""
        self.ended = True
        self.acknowledged()
        self.call.close()
        for receiver in self._receivers.values():
            receiver.close()
            if self._ports.abandoned.get(receiver.port) == receiver.sender:
                self._ports.abandoned.pop(receiver.port, None)
        self._receivers.clear()

    def resend_until_acknowledged(
        self, peer: SipSender, given_up: Callable[[], None], waited: float = 0.0
    ) -> None:
        """Send the answer to an INVITE again and again, until :meth:`acknowledged`.

        After half a minute without an ACK the client counts as gone (RFC 3261, 13.3.1.4), and
        ``given_up`` is called. It must end the session: otherwise a client that sends nothing but
        INVITEs would take all ports.
        """
        self.acknowledged()
        loop = asyncio.get_running_loop()
        pause = min(T2_SECONDS, waited or T1_SECONDS)
        if waited + pause <= GIVE_UP_SECONDS:
            self._resending = loop.call_later(pause, self._resend, peer, given_up, waited + pause)
        else:
            self._resending = loop.call_later(pause, given_up)

    def acknowledged(self) -> None:
        """Stop resending the answer."""
        if self._resending is not None:
            self._resending.cancel()
            self._resending = None

    def bye(self, local: str) -> bytes:
        """Return our request to end the session (RFC 3261, 12.2.1.1).

        Args:
            local: our ``transport host:port``.
        """
        invite = self._invite
        transport, _, address = local.partition(" ")
        target = sip.uri_of(invite.header("contact")) or sip.uri_of(invite.header("from"))
        return sip.request(
            "BYE",
            target,
            [
                ("Via", f"SIP/2.0/{transport} {address};branch=z9hG4bK{token_hex(8)};rport"),
                ("Max-Forwards", "70"),
                *(("Route", route) for route in invite.values("record-route")),
                ("From", f"{invite.header('to')};tag={self.to_tag}"),
                ("To", invite.header("from")),
                ("Call-ID", invite.call_id),
                ("CSeq", "1 BYE"),
            ],
        )

    def _leg_name(self, media: sdp.MediaLine, metadata: Metadata) -> str:
        """Return the name of a stream's party.

        If the metadata don't name it, the first stream is the caller's.
        """
        has_caller = any(each.leg.name == CALLER for each in self._receivers.values())
        sender = _sender(media, metadata)
        return CALLEE if has_caller or sender not in ("", metadata.caller) else CALLER

    def _resend(self, peer: SipSender, given_up: Callable[[], None], waited: float) -> None:
        peer.send(self.response)
        self.resend_until_acknowledged(peer, given_up, waited)


def _sender(media: sdp.MediaLine, metadata: Metadata) -> str:
    return metadata.senders.get(media.label, "")
