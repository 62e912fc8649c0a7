"""One leg's UDP port: the sender that may speak to it, and its silence."""

import asyncio
import logging
import socket
from collections.abc import Iterable, Mapping
from ipaddress import ip_address
from typing import ClassVar

from audio_model.errors import AudioModelError, UsageError, os_error_as
from audio_model.gateway.codecs import Codec
from audio_model.gateway.dialects.base import ProtocolError
from audio_model.gateway.legs import Leg
from audio_model.gateway.rtp.packet import DatagramKind, kind, parse
from audio_model.gateway.rtp.stream import RtpStream

logger = logging.getLogger(__name__)

MAX_DATAGRAM_BYTES = 8192
"""A longer one is no packet of voice: 60 ms of L16 at 48 kHz are 5760 bytes."""

RECEIVE_BUFFER_BYTES = 65536
"""Kernel memory for a port: about a second of packets, and no more once it is unread."""


Sender = tuple[str, int]
"""The address and port that packets come from."""


class NoPortError(AudioModelError):
    """Every port of the range is in use, or no more files may be open."""


class RtpPorts:
    """The range of UDP ports that legs get theirs from; even ones (RFC 3550, 11)."""

    def __init__(self, host: str, first: int, last: int) -> None:
        """Prepare a range of ports.

        Args:
            host: the address of this machine that senders reach; they are told it as well.
            first, last: both within the range. 0, 0 takes what the system gives.

        Raises UsageError for a host that is not one address, or a range without an even port.
        """
        try:
            unspecified = ip_address(host).is_unspecified
        except ValueError:
            raise UsageError(f"RTP needs an IP address of this machine, not {host!r}") from None
        if unspecified:
            raise UsageError(f"RTP needs the address that senders reach, not {host}")
        if not (first == last == 0 or 0 < first <= last < 65536):
            raise UsageError(f"RTP ports must be 1 to 65535, not {first} to {last}")
        self.host = host
        self.family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._ports = [0] if last == 0 else list(range(first + first % 2, last + 1, 2))
        if not self._ports:
            raise UsageError(f"no even port within {first} to {last}")
        self._next = 0
        self.abandoned: dict[int, Sender] = {}
        """Ports that were given back while somebody still sends there, and who."""

    def open(self) -> socket.socket:
        """Return a bound socket. Raises NoPortError."""
        # Start at another port each time, so that no call hears packets of the call before it.
        for _ in self._ports:
            port = self._ports[self._next]
            self._next = (self._next + 1) % len(self._ports)
            with os_error_as(NoPortError, "no RTP port can be opened"):
                opened = socket.socket(self.family, socket.SOCK_DGRAM)
            try:
                opened.setblocking(False)
                opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
                opened.bind((self.host, port))
            except OSError:
                opened.close()
            else:
                return opened
        raise NoPortError(f"no free RTP port on {self.host}")


class RtpReceiver:
    """Reads a leg's packets until the leg has its final event.

    The port stays bound after that, unread, until :meth:`close`: the kernel drops what still comes,
    at no cost to us. The socket is read in the event loop by itself and not as a datagram endpoint,
    which could not do so.
    """

    # All receivers share one buffer: what is read is copied before anything else happens.
    _buffer: ClassVar = memoryview(bytearray(MAX_DATAGRAM_BYTES))

    def __init__(
        self,
        opened: socket.socket,
        leg: Leg,
        codecs: Mapping[int, Codec],
        hosts: Iterable[str],
        shunned: Sender | None = None,
    ) -> None:
        """Receive a leg's packets.

        Args:
            opened: from :meth:`RtpPorts.open`; closed by :meth:`close`.
            hosts: addresses that may send. The first port of them that sends RTP is heard, and
                another only when its packets are a stream of their own.
            shunned: a sender of the call that had the port before.
        """
        self.leg = leg
        self._stream = RtpStream(codecs, leg.raw_format, leg.feed_numbered, leg.came_in)
        self._socket, self._hosts = opened, frozenset(hosts)
        self._shunned = shunned
        self.sender: Sender | None = None
        """The sender of the last packet that was heard."""
        self._loop = asyncio.get_running_loop()
        self.port: int = opened.getsockname()[1]
        self._reading = leg.hears
        if self._reading:
            self._loop.add_reader(opened, self._read)

    def update(self, codecs: Mapping[int, Codec], hosts: Iterable[str]) -> None:
        """Take the sender's new codecs and addresses."""
        self._stream.update(codecs)
        self._hosts = frozenset(hosts)

    def close(self) -> None:
        """Give the port back. The leg is its call's to close. Idempotent."""
        self._rest()
        self._socket.close()

    def _rest(self) -> None:
        if self._reading:
            self._reading = False
            self._loop.remove_reader(self._socket)

    def _read(self) -> None:
        if not self.leg.hears:
            self._rest()
            return
        # One datagram a turn, so that the other ports have theirs; where there are more, the loop
        # calls again.
        try:
            n_bytes, address = self._socket.recvfrom_into(self._buffer)
        except BlockingIOError:
            return
        except OSError as error:
            # An ICMP error about an earlier datagram. The next read goes on.
            logger.debug("RTP port %d: %s", self.port, error)
            return
        if address[0] not in self._hosts or n_bytes == MAX_DATAGRAM_BYTES:
            return
        if address[:2] == self._shunned:
            return
        datagram = bytes(self._buffer[:n_bytes])
        if kind(datagram) is not DatagramKind.RTP:
            return
        try:
            packet = parse(datagram)
        except ProtocolError as error:
            logger.debug("RTP port %d: %s", self.port, error)
        else:
            self.sender = address[:2]
            self._stream.put(packet)
