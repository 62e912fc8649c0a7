"""Hear calls that pass through rtpengine, by subscribing to a copy of their audio.

The call's own media keep their way through rtpengine, whatever happens to this server.

>>> rtpengine = await Rtpengine.start(calls, RtpPorts("127.0.0.1", 30000, 30998), "127.0.0.1", 2223)
>>> await rtpengine.follow("call-id", "from-tag")
"""

import asyncio
import logging
from dataclasses import dataclass, field

from audio_model.errors import AudioModelError
from audio_model.gateway.calls import Call, Calls
from audio_model.gateway.codecs import Codec
from audio_model.gateway.dialects.base import ProtocolError
from audio_model.gateway.events import CALLEE, CALLER, CallInfo, Event, EventKind
from audio_model.gateway.rtp import sdp
from audio_model.gateway.rtp.ng import NgClient, Reply, RtpengineError, text
from audio_model.gateway.rtp.receiver import RtpPorts, RtpReceiver
from audio_model.gateway.rtp.stream import leg_format

logger = logging.getLogger(__name__)

GATEWAY = "rtpengine"

PING_SECONDS = 5.0
"""How often rtpengine is asked whether it is there."""


@dataclass
class _Subscription:
    """A call that is heard; taken down once every leg has its final event."""

    call_id: str
    to_tag: str
    call: Call
    receivers: list[RtpReceiver] = field(default_factory=list)
    begun: bool = False
    """Whether all of its legs are there, so that the last final event is the last."""


class Rtpengine:
    """The calls that are heard through one rtpengine. Made by :meth:`start`."""

    def __init__(self, calls: Calls, ports: RtpPorts, client: NgClient) -> None:
        self._calls, self._ports, self._client = calls, ports, client
        self._subscriptions: dict[tuple[str, str], _Subscription] = {}
        self._beginning: set[tuple[str, str]] = set()
        self._endings: set[asyncio.Task[None]] = set()
        self.connected = False
        """Whether it answered lately."""
        self._asking: asyncio.Task[None] | None = None

    @classmethod
    async def start(cls, calls: Calls, ports: RtpPorts, host: str, port: int) -> "Rtpengine":
        """Connect to rtpengine.

        Args:
            ports: where rtpengine is to send its copies.
            host, port: rtpengine's ``listen-ng``.

        Raises RtpengineError for an address that doesn't exist. An rtpengine that is not running
        yet becomes an error of :meth:`follow`.
        """
        return cls(calls, ports, await NgClient.connect(host, port))

    async def ping(self) -> None:
        """Raise RtpengineError if rtpengine does not answer."""
        await self._client.command("ping")

    async def follow(
        self, call_id: str, from_tag: str = "", *, caller: str = "", called: str = ""
    ) -> bool:
        """Hear a call that rtpengine has, at the latest from its answer on.

        Args:
            call_id: as rtpengine was told it: SIP's Call-ID.
            from_tag: the tag of the party to hear, as the leg ``caller``; without it both are
                heard, as ``caller`` and ``callee``.
            caller, called: the numbers, for the events.

        Returns:
            Whether the call is new; one that is being heard goes on being heard.

        Raises RtpengineError if rtpengine does not know the call or does not answer, NoPortError.
        """
        key = call_id, from_tag
        if key in self._subscriptions or key in self._beginning:
            return False
        self._beginning.add(key)
        try:
            info = CallInfo(call_id, GATEWAY, caller, called, _details(from_tag))
            await self._subscribe(key, info)
        finally:
            self._beginning.discard(key)
        return True

    async def close(self) -> None:
        """Answer every open leg and end the subscriptions."""
        if self._asking is not None:
            self._asking.cancel()
        for key in list(self._subscriptions):
            self._end(key)
        if self._endings:
            await asyncio.wait(self._endings)
        self._client.close()

    def watch(self) -> None:
        """Keep asking whether rtpengine is there, for :attr:`connected`."""
        self._asking = asyncio.create_task(self._ask())

    async def _ask(self) -> None:
        while True:
            try:
                await self.ping()
            except RtpengineError as error:
                if self.connected:
                    logger.warning("%s", error)
                self.connected = False
            else:
                self.connected = True
            await asyncio.sleep(PING_SECONDS)

    async def _subscribe(self, key: tuple[str, str], info: CallInfo) -> None:
        call_id, from_tag = key
        reply, offer, heard = await self._request(call_id, from_tag)
        to_tag = text(reply, b"to-tag")
        call = self._calls.open(info, lambda event: self._on_event(key, event))
        subscription = self._subscriptions[key] = _Subscription(call_id, to_tag, call)
        try:
            answer = self._listen(subscription, offer, heard)
            await self._client.command(
                "subscribe answer",
                call_id=call_id,
                to_tag=to_tag,
                sdp=answer,
                flags=["allow-transcoding"],
            )
        except AudioModelError as error:
            call.fail(str(error))
            raise
        finally:
            subscription.begun = True
            self._end_if_finished(key)

    async def _request(
        self, call_id: str, from_tag: str
    ) -> tuple[Reply, tuple[sdp.MediaLine, ...], dict[int, dict[int, Codec]]]:
        """Return the reply, the media offered in it, and the codecs by index and payload type."""
        which = {"from_tag": from_tag} if from_tag else {"flags": ["all"]}
        # The offer names the call's codecs. rtpengine may decode those that we can't.
        for codec in ({}, {"codec": {"transcode": ["PCMU"]}}):
            reply = await self._client.command(
                "subscribe request", call_id=call_id, **which, **codec
            )
            try:
                offer = sdp.parse(text(reply, b"sdp"))
            except ProtocolError as error:
                raise RtpengineError(f"rtpengine's offer: {error}") from error
            heard = {
                index: media.codecs() for index, media in enumerate(offer) if media.is_plain_audio
            }
            if heard and all(heard.values()):
                return reply, offer, heard
            await self._unsubscribe(call_id, text(reply, b"to-tag"))
        raise RtpengineError("rtpengine offers no audio that is understood")

    def _listen(
        self,
        subscription: _Subscription,
        offer: tuple[sdp.MediaLine, ...],
        heard: dict[int, dict[int, Codec]],
    ) -> str:
        """Open legs and their ports, and return the answer that names them. Raises NoPortError."""
        accepted = {}
        for name, (index, codecs) in zip((CALLER, CALLEE), heard.items(), strict=False):
            opened = self._ports.open()
            leg = subscription.call.open_leg(name, leg_format(codecs))
            receiver = RtpReceiver(opened, leg, codecs, self._senders(offer[index]))
            subscription.receivers.append(receiver)
            payload_types = (*codecs, *offer[index].voiceless())
            accepted[index] = sdp.Accepted(receiver.port, payload_types)
        return sdp.answer(offer, accepted, self._ports.host)

    def _senders(self, media: sdp.MediaLine) -> tuple[str, ...]:
        """Return the addresses that rtpengine may send from.

        Behind NAT its SDP names an outer address, while it sends to us from an inner one.
        """
        return media.host, self._client.host, self._ports.host

    def _on_event(self, key: tuple[str, str], event: Event) -> None:
        if event.kind is EventKind.FINAL:
            self._end_if_finished(key)

    def _end_if_finished(self, key: tuple[str, str]) -> None:
        subscription = self._subscriptions.get(key)
        if subscription is not None and subscription.begun:
            legs = [receiver.leg for receiver in subscription.receivers]
            if all(leg.finished for leg in legs):
                self._end(key)

    def _end(self, key: tuple[str, str]) -> None:
        """Stop hearing a call."""
        subscription = self._subscriptions.pop(key, None)
        if subscription is None:
            return
        subscription.call.close()
        for receiver in subscription.receivers:
            receiver.close()
        task = asyncio.create_task(self._unsubscribe(subscription.call_id, subscription.to_tag))
        self._endings.add(task)
        task.add_done_callback(self._endings.discard)

    async def _unsubscribe(self, call_id: str, to_tag: str) -> None:
        try:
            await self._client.command("unsubscribe", call_id=call_id, to_tag=to_tag)
        except RtpengineError as error:
            # The subscriptions of a call that is over are gone with it.
            logger.debug("%s", error)


def _details(from_tag: str) -> dict[str, str]:
    return {"from-tag": from_tag} if from_tag else {}
