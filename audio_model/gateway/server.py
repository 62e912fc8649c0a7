"""The server: put everything together, start it, and stop it so that every call is answered."""

import asyncio
import logging
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Protocol, cast

from aiohttp import web

from audio_model.detector import Detector
from audio_model.errors import UsageError
from audio_model.gateway.asterisk.ami import Ami
from audio_model.gateway.asterisk.ari import Ari
from audio_model.gateway.asterisk.audiosocket_server import AudioSocketServer
from audio_model.gateway.calls import Calls
from audio_model.gateway.config.settings import Settings
from audio_model.gateway.config.values import Address
from audio_model.gateway.events import CallInfo
from audio_model.gateway.http.access import AccessControl
from audio_model.gateway.http.api import Api, Phase
from audio_model.gateway.http.scoring import Scoring
from audio_model.gateway.http.websockets import WebSockets
from audio_model.gateway.known import HeardBefore
from audio_model.gateway.listener import Listener
from audio_model.gateway.outlets.feed import EventSink, Feed
from audio_model.gateway.outlets.history import History
from audio_model.gateway.outlets.hooks import Hooks
from audio_model.gateway.outlets.keep import AudioKeeper
from audio_model.gateway.outlets.metrics import Metrics, Parts
from audio_model.gateway.outlets.publish import Publisher
from audio_model.gateway.outlets.records import CallRecorder
from audio_model.gateway.outlets.security import NumberHasher
from audio_model.gateway.ranges import Ranges
from audio_model.gateway.reload import merged
from audio_model.gateway.rtp.receiver import RtpPorts
from audio_model.gateway.rtp.rtpengine import Rtpengine
from audio_model.gateway.rtp.siprec import SiprecServer
from audio_model.gateway.siblings.answers import Answers
from audio_model.gateway.siblings.siblings import Siblings
from audio_model.gateway.tls import load_certificate, tls_context
from audio_model.ranges.rates import DetectorRates
from audio_model.records.priority import Thresholds

logger = logging.getLogger(__name__)

KEEP_ALIVE_SECONDS = 30.0
"""For a client to send its request, or the next one."""
HANDSHAKE_SECONDS = 0.25
PARTS_SECONDS = 1.0
"""For Asterisk to let the server in, before calls are taken."""
DRAIN_SECONDS = 10.0
"""For webhooks, once every leg has been answered."""
SPARE_CONNECTIONS = 200
"""Connections beyond the WebSockets allowed: for HTTP, metrics and health above all."""

_FULL = b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class _Closing(Protocol):
    async def close(self) -> None: ...


class Server:
    """One server; made, started and stopped in one event loop."""

    def __init__(self, settings: Settings) -> None:
        """Prepare the server. Raises AudioModelError for a model or a folder that can't be used."""
        self.settings = settings
        detection, records = settings.detection, settings.records
        self.detector = Detector.load(detection.model, max_false_alarm=detection.max_false_alarm)
        self.metrics = Metrics()
        heard_before = HeardBefore.of(detection, self.metrics)
        self._heard_before = heard_before
        hash_number = NumberHasher(records.hash_salt, hide=records.hash_numbers)
        self.feed, self._history = Feed(), History()
        sinks: list[EventSink] = [self._history.add, self.feed.add]
        self._keeper: AudioKeeper | None = None
        if records.keep_audio is not None:
            max_bytes = records.keep_audio_megabytes * 1_000_000
            self._keeper = AudioKeeper(records.keep_audio, max_bytes, self.metrics, hash_number)
        self._recorder: CallRecorder | None = None
        if records.calls is not None:
            point = self.detector.operating_point
            thresholds = Thresholds(point.recorded_at, point.live_at)
            self._recorder = CallRecorder(records.calls, thresholds, records.keep_audio)
            sinks.append(self._recorder.add)
        self._check_tenants(settings)
        self._hooks = Hooks(settings.webhook, settings.access.tenants, self.metrics)
        sinks.append(self._hooks.add)
        self._ranges: Ranges | None = None
        if (number_ranges := settings.number_ranges).ranges is not None:
            self._ranges = Ranges(
                number_ranges.ranges,
                self.metrics,
                hash_number,
                number_ranges.policy(DetectorRates.at(self.detector.operating_point)),
                told=self._hooks.post,
            )
            sinks.append(self._ranges.add)
        self.calls = Calls(
            self.detector if heard_before is None else heard_before.beside(self.detector),
            deadline_seconds=detection.deadline_seconds,
            wait_seconds=detection.wait_seconds,
            again_seconds=detection.again_seconds,
            listen_seconds=detection.listen_seconds,
            max_legs=settings.limits.max_legs,
            progress_seconds=detection.progress_seconds,
            listeners=[Publisher(self.metrics, hash_number, sinks)],
            keep=self._keeper,
            learn=None if heard_before is None else heard_before.learn,
        )
        self.metrics.watch(self.calls)
        self.websockets = WebSockets(self.calls, self.metrics, settings.limits)
        self._scoring = Scoring(
            self.detector, self.metrics, None if heard_before is None else heard_before.reader()
        )
        self.api = Api(
            AccessControl(settings.access, settings.listening.public_url, self.metrics),
            self.websockets,
            self._scoring,
            self._history,
            self.feed,
            self.metrics,
            ranges=self._ranges,
        )
        self._tls: ssl.SSLContext | None = None
        self._runner = web.AppRunner(
            self.api.application(),
            access_log=None,
            keepalive_timeout=KEEP_ALIVE_SECONDS,
            shutdown_timeout=1.0,
            # It unpacks all that one read brings at once, a thousand times as much at worst.
            auto_decompress=False,
        )
        self._listener: Listener | None = None
        self._room = 0
        """How many more connections are accepted before the open ones are counted again."""
        self._audiosocket: AudioSocketServer | None = None
        self._siprec: SiprecServer | None = None
        self._others: list[_Closing] = []
        self._ami: Ami | None = None
        self._ari: Ari | None = None
        self._watch: asyncio.Task[None] | None = None
        self.addresses: list[str] = []
        """Where it listens, as URLs; the HTTP side first."""

    async def start(self) -> None:
        """Listen everywhere, and be ready. Raises UsageError for what can't be listened on."""
        listening = self.settings.listening
        await self._runner.setup()
        self._start_ami()
        if self._ami is not None:
            await self._ami.wait(PARTS_SECONDS)
        self._tls = context = tls_context(listening)
        where = Address(listening.host, listening.port)
        with _bound(where):
            self._listener = await Listener.bind(
                self._accept,
                listening.host,
                listening.port,
                tls=context,
                reuse_port=listening.reuse_port,
            )
        port = self._listener.port
        scheme = "http" if context is None else "https"
        self.addresses.append(f"{scheme}://{Address(listening.host, port)}")
        if listening.reuse_port:
            answers = Answers(self._history, self.feed, self.metrics, self.api.readiness)
            self.api.siblings = await Siblings.join(listening.host, port, answers, self.calls.tally)
        await self._start_others()
        self.api.parts = self._parts()
        self.metrics.watch_parts(self.api.parts)
        await self._until_parts_work()
        self._watch = asyncio.create_task(self.websockets.watch())
        self.api.phase = Phase.READY
        with _bound(where):
            # Only when all is there: calls that come before go to the other processes.
            await self._listener.start()

    async def stop(self) -> None:
        """Take no calls, answer those that are open, send the waiting messages, and end."""
        if self.settings.listening.reuse_port:
            await self._leave_ports()
        self.api.phase = Phase.STOPPING
        self.calls.closing = True
        seconds = self.settings.detection.deadline_seconds
        until = asyncio.get_running_loop().time() + seconds
        while self.calls.open_legs and asyncio.get_running_loop().time() < until:
            await asyncio.sleep(0.02)
        await self.end(DRAIN_SECONDS)

    async def reload(self, settings: Settings) -> None:
        """Apply the settings that can change while the server runs, and name the others in the log.

        Raises AudioModelError for a certificate or a store that can't be used. What was applied
        before that stays.
        """
        self._check_tenants(settings)
        self.settings, waiting = merged(self.settings, settings)
        settings, limits = self.settings, self.settings.limits
        if self._tls is not None:
            # One that is broken is refused here, and the old one goes on.
            tls_context(settings.listening)
            load_certificate(self._tls, settings.listening)
        self.api.access.change(settings.access, settings.listening.public_url)
        self.websockets.limits, self.calls.max_legs = limits, limits.max_legs
        self._room = 0
        if self._audiosocket is not None:
            self._audiosocket.idle_seconds = limits.idle_seconds
            self._audiosocket.max_connections = limits.max_connections
        self._hooks.change(settings.webhook, settings.access.tenants)
        if self._heard_before is not None:
            self._heard_before.reopen()
        if self._ranges is not None:
            rates = DetectorRates.at(self.detector.operating_point)
            await self._ranges.reopen(settings.number_ranges.policy(rates))
        if waiting:
            logger.warning("these settings have changed and need a restart: %s", ", ".join(waiting))
        logger.info("settings were read again")

    def _check_tenants(self, settings: Settings) -> None:
        """Raise UsageError for a budget that the model was not measured for."""
        for tenant in settings.access.tenants:
            if tenant.max_false_alarm is not None:
                try:
                    self.detector.within(tenant.max_false_alarm)
                except UsageError as error:
                    raise UsageError(f"--tenants: {tenant.name}: {error}") from error

    async def _leave_ports(self) -> None:
        """Leave new calls to the other servers on these ports; take those that wait already."""
        if self._listener is not None:
            self._listener.leave()
        if self._audiosocket is not None:
            self._audiosocket.stop_listening()
        if self._siprec is not None:
            await self._siprec.stop_listening()
        # Whoever has connected is to be served: a handshake comes within this time or not at all.
        await asyncio.sleep(HANDSHAKE_SECONDS)

    async def end(self, webhook_seconds: float) -> None:
        """Answer the open legs now, with their verdicts so far, and end."""
        self.api.phase = Phase.STOPPING
        self.calls.close()
        await asyncio.gather(self.websockets.close(), *(each.close() for each in self._others))
        for asterisk in (self._ami, self._ari):
            if asterisk is not None:
                await asterisk.close()
        self.feed.end()
        if self.api.siblings is not None:
            await self.api.siblings.hand_over(self._history.recent(None))
            await self.api.siblings.close()
        if self._ranges is not None:
            await self._ranges.close()
        await self._hooks.close(webhook_seconds)
        if self._watch is not None:
            self._watch.cancel()
        if self._listener is not None:
            self._listener.close()
        await self._runner.cleanup()
        await asyncio.to_thread(self._scoring.close)
        if self._keeper is not None:
            await asyncio.to_thread(self._keeper.close)
        if self._recorder is not None:
            await asyncio.to_thread(self._recorder.close)
        if self._heard_before is not None:
            await asyncio.to_thread(self._heard_before.close)
        self.calls.detector.close()

    async def _start_others(self) -> None:
        protocols = self.settings.protocols
        if protocols.audiosocket is not None:
            await self._start_audiosocket(protocols.audiosocket)
        ports = RtpPorts(protocols.rtp_host, protocols.rtp_ports.first, protocols.rtp_ports.last)
        if (where := protocols.rtpengine) is not None:
            self.api.rtpengine = await Rtpengine.start(self.calls, ports, where.host, where.port)
            self.api.rtpengine.watch()
            self._others.append(self.api.rtpengine)
        if (where := protocols.siprec) is not None:
            self._siprec = await SiprecServer.start(
                self.calls,
                ports,
                where.host,
                where.port,
                reuse_port=self.settings.listening.reuse_port,
            )
            self._others.append(self._siprec)
            self.addresses.append(f"sip://{Address(where.host, self._siprec.port)}")

    def _parts(self) -> Parts:
        """Return the parts that this server uses, and whether each works."""
        ami, ari, rtpengine = self._ami, self._ari, self.api.rtpengine
        ranges, known = self._ranges, self._heard_before
        parts: dict[str, Callable[[], bool]] = {}
        if ami is not None:
            parts["ami"] = lambda: ami.connected
        if ari is not None:
            parts["ari"] = lambda: ari.connected
        if rtpengine is not None:
            parts["rtpengine"] = lambda: rtpengine.connected
        if ranges is not None:
            parts["ranges"] = lambda: ranges.works
        if known is not None:
            parts["known"] = lambda: known.works
        return parts

    async def _until_parts_work(self) -> None:
        """Wait until the parts work, but not for long: without them calls are heard as well."""
        with suppress(TimeoutError):
            async with asyncio.timeout(PARTS_SECONDS):
                while not all(works() for works in self.api.parts.values()):
                    await asyncio.sleep(0.01)

    def _start_ami(self) -> None:
        ami = self.settings.ami
        if ami.address is not None and ami.secret is not None:
            host, port = ami.address.host, ami.address.port
            advise = None if self._ranges is None else self._ranges.advise
            self._ami = Ami(
                host,
                port,
                ami.user,
                ami.secret.value,
                ami.action,
                advise,
                self.calls.hears,
                ami.transfer_to,
            )
            self.calls.listeners += (self._ami.add,)
            self.calls.told = self._ami.told

    async def _start_audiosocket(self, where: Address) -> None:
        limits, ari = self.settings.limits, self.settings.ari
        server = AudioSocketServer(
            self.calls,
            self.settings.protocols.audiosocket_hangup,
            idle_seconds=limits.idle_seconds,
            max_connections=limits.max_connections,
            describe=self._describe,
            told=None if self._ami is None else self._ami.told,
        )
        reuse_port = self.settings.listening.reuse_port
        with _bound(where):
            await server.listen(where.host, where.port, reuse_port=reuse_port)
        self._audiosocket = server
        self._others.append(server)
        where = Address(where.host, server.port)
        self.addresses.append(f"audiosocket://{where}")
        if ari.address is not None and ari.secret is not None:
            host, port = ari.address.host, ari.address.port
            self._ari = Ari(host, port, ari.user, ari.secret.value, ari.action)
            self.calls.listeners += (self._ari.add,)

    def _describe(self, call_id: str) -> CallInfo | None:
        """Return the facts about a call whose audio comes by AudioSocket."""
        return None if self._ari is None else self._ari.describe(call_id)

    def _accept(self) -> asyncio.Protocol:
        server = self._runner.server
        assert server is not None
        if self._room <= 0:
            limit = self.settings.limits.max_connections + SPARE_CONNECTIONS
            self._room = limit - len(server.connections)
        if self._room <= 0:
            self.metrics.refused.labels("sockets").inc()
            return _Refusal()
        self._room -= 1
        return server()


class _Refusal(asyncio.Protocol):
    """Refuses a connection for which there is no room."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's is one without being its subclass.
        stream = cast(asyncio.Transport, transport)
        stream.write(_FULL)
        stream.close()


@contextmanager
def _bound(where: Address) -> Iterator[None]:
    """Turn a failure to listen into a UsageError that names the address."""
    try:
        yield
    except OSError as error:
        raise UsageError(f"can't listen on {where}: {error.strerror or error}") from error
    except UnicodeError as error:
        raise UsageError(f"can't listen on {where}: it is not a host name") from error
