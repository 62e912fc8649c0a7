"""Asterisk's Manager Interface: set variables on, transfer or hang up the channel of a call.

Packets are lines of ``Name: value`` with an empty line at their end; an action's ``ActionID`` comes
back in its response. Source: Asterisk documentation, "The Asterisk Manager TCP IP API", "Setvar",
"Redirect", "Hangup" and "UserEvent".

A call of chan_websocket has its channel's unique id where the dialplan says so
(``Set(_call=${UNIQUEID})``). AudioSocket tells a UUID alone, so the dialplan says whose it is:
``UserEvent(AudioModel,Call: ${CALL_ID})``. With ``Alive: SECONDS`` the event names the channel to
this server instead; see :mod:`audio_model.gateway.asterisk.alive`.
"""

import asyncio
import logging
import random
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic

from audio_model.errors import AudioModelError
from audio_model.gateway.asterisk.action import (
    Action,
    asks_to_hang_up,
    asks_to_transfer,
    variables_to_set,
)
from audio_model.gateway.asterisk.alive import ACTION as KEEP_ALIVE
from audio_model.gateway.asterisk.alive import Alive, Hears
from audio_model.gateway.asterisk.amd import range_variables
from audio_model.gateway.events import CallInfo, Event

logger = logging.getLogger(__name__)

USER_EVENT = "AudioModel"

MAX_CHANNELS = 10_000
"""Calls whose channel is remembered; the oldest is forgotten first."""

MAX_WAITING = 5_000
"""Actions that wait for the connection; the oldest is dropped first."""

MAX_AGE_SECONDS = 10.0
"""The age at which an action is of no more use to its call."""

LOGIN_SECONDS = 5.0
PING_SECONDS = 5.0
MAX_UNANSWERED_PINGS = 2
FIRST_WAIT_SECONDS, MAX_WAIT_SECONDS = 0.5, 30.0

_MAX_LINES = 200
CALL_REJECTED = "21"
"""Q.850 cause of a hangup."""

Packet = dict[str, str]
Advise = Callable[[str], Awaitable[Mapping[str, object] | None]]
"""Says what to do with a number's calls; None if that isn't known. Soon, and without an error."""


class AmiError(AudioModelError):
    """Asterisk refused the login, or what answered is no Manager Interface."""


@dataclass(frozen=True)
class _Request:
    call_id: str
    packet: Packet
    made: float


@dataclass
class _Unanswered:
    """The actions for a call that Asterisk has not answered yet."""

    n: int = 0
    none: asyncio.Event = field(default_factory=asyncio.Event)


class Ami:
    """Tells Asterisk of the calls' events, and connects again when the connection breaks.

    Made and used in the event loop's thread. :meth:`add` is a listener of
    :class:`audio_model.gateway.calls.Calls`.
    """

    def __init__(
        self,
        host: str,
        port: int,
        user: str,
        secret: str,
        action: Action,
        advise: Advise | None = None,
        hears: Hears = lambda call_id: False,
        transfer_to: str = "",
    ) -> None:
        """Connect to the manager interface and stay connected.

        Args:
            transfer_to: where recordings go, as ``EXTENSION@CONTEXT``, for Action.TRANSFER.
            advise: called for the caller's number. Its advice is set in variables, too.
            hears: tells whether a call is being heard, so that its channel is kept alive.
        """
        self._host, self._port = host, port
        self._user, self._secret = user, secret
        self._action, self._advise = action, advise
        self._advising: set[asyncio.Task[None]] = set()
        self._channels: OrderedDict[str, str] = OrderedDict()
        self._waiting: deque[_Request] = deque()
        self._sent: dict[str, _Request] = {}
        self._unanswered: dict[str, _Unanswered] = {}
        self._more = asyncio.Event()
        self._n_heard = 0
        self._next_id = 0
        self._exten, _, self._context = transfer_to.partition("@")
        self._transferred: OrderedDict[str, None] = OrderedDict()
        self._alive = Alive(hears, self._queue)
        self._logged_in = asyncio.Event()
        self._task = asyncio.create_task(self._stay_connected())

    @property
    def connected(self) -> bool:
        """Return whether it is logged in."""
        return self._logged_in.is_set()

    async def wait(self, seconds: float) -> None:
        """Wait until it is logged in, for at most so long.

        Before that Asterisk tells nothing of the calls that begin.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._logged_in.wait()

    def add(self, event: Event) -> None:
        """Tell Asterisk of an event, if it concerns one of its calls."""
        channel = self._channel_of(event)
        if channel is None:
            return
        if asks_to_hang_up(self._action, event):
            hangup = {"Action": "Hangup", "Channel": channel, "Cause": CALL_REJECTED}
            self._queue(event.call.id, hangup)
        variables = variables_to_set(self._action, event)
        self._set(event.call.id, channel, variables)
        if asks_to_transfer(self._action, event):
            self._transfer(event.call.id, channel)
        if variables and self._advise is not None:
            self._owe(event.call.id)
            task = asyncio.create_task(self._set_advice(self._advise, event.call, channel))
            self._advising.add(task)
            task.add_done_callback(self._advising.discard)

    async def told(self, call_id: str) -> None:
        """Wait until Asterisk has answered all actions for a call."""
        if (unanswered := self._unanswered.get(call_id)) is not None:
            await unanswered.none.wait()

    async def close(self) -> None:
        """End the connection and wait for its tasks."""
        self._alive.close()
        for task in (self._task, *self._advising):
            task.cancel()
        await asyncio.gather(self._task, *self._advising, return_exceptions=True)

    def _channel_of(self, event: Event) -> str | None:
        call = event.call
        if call.gateway == "asterisk":
            channel: str | None = call.id
        else:
            # ARI knows the channel that it snoops on. The dialplan names the others.
            channel = self._channels.get(call.id, call.details.get("channel"))
        # A line break would smuggle in another header, or another action.
        return channel if channel is not None and channel.isprintable() else None

    def _set(self, call_id: str, channel: str, variables: Mapping[str, str]) -> None:
        for name, value in variables.items():
            setvar = {"Action": "Setvar", "Channel": channel, "Variable": name, "Value": value}
            self._queue(call_id, setvar)

    def _transfer(self, call_id: str, channel: str) -> None:
        """Transfer a call once.

        The final event repeats the verdict, and would transfer the call again.
        """
        if call_id in self._transferred:
            return
        self._transferred[call_id] = None
        if len(self._transferred) > MAX_CHANNELS:
            self._transferred.popitem(last=False)
        where = {"Context": self._context, "Exten": self._exten, "Priority": "1"}
        self._queue(call_id, {"Action": "Redirect", "Channel": channel, **where})

    async def _set_advice(self, advise: Advise, call: CallInfo, channel: str) -> None:
        try:
            if (advice := await advise(call.caller)) is not None:
                self._set(call.id, channel, range_variables(advice))
        finally:
            self._pay(call.id)

    def _queue(self, call_id: str, packet: Packet) -> None:
        if len(self._waiting) >= MAX_WAITING:
            self._done(self._waiting.popleft())
            logger.warning("AMI: too many actions are waiting, the oldest is dropped")
        self._owe(call_id)
        self._waiting.append(_Request(call_id, packet, monotonic()))
        self._more.set()

    def _done(self, request: _Request) -> None:
        self._pay(request.call_id)

    def _owe(self, call_id: str) -> None:
        self._unanswered.setdefault(call_id, _Unanswered()).n += 1

    def _pay(self, call_id: str) -> None:
        unanswered = self._unanswered[call_id]
        unanswered.n -= 1
        if not unanswered.n:
            unanswered.none.set()
            del self._unanswered[call_id]

    # The connection

    async def _stay_connected(self) -> None:
        wait = FIRST_WAIT_SECONDS
        while True:
            try:
                reader, writer = await asyncio.open_connection(self._host, self._port)
                try:
                    await self._log_in(reader, writer)
                    wait = FIRST_WAIT_SECONDS
                    self._logged_in.set()
                    await self._converse(reader, writer)
                finally:
                    self._logged_in.clear()
                    writer.close()
                    self._forget_sent()
            except (AmiError, OSError, TimeoutError, asyncio.LimitOverrunError) as error:
                told = str(error) or "timed out"
                logger.warning("AMI at %s:%d: %s", self._host, self._port, told)
            # Many servers must not reconnect to one Asterisk at the same moment.
            await asyncio.sleep(wait * random.uniform(0.5, 1))
            wait = min(2 * wait, MAX_WAIT_SECONDS)

    async def _log_in(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        login = {
            "Action": "Login",
            "ActionID": "login",
            "Username": self._user,
            "Secret": self._secret,
            "Events": "user",
        }
        async with asyncio.timeout(LOGIN_SECONDS):
            greeting = await _read_line(reader)
            if not greeting.startswith("Asterisk Call Manager/"):
                raise AmiError("no Asterisk Manager Interface there")
            writer.write(_encode(login))
            response = await _read_packet(reader)
        if response.get("Response") != "Success":
            raise AmiError(f"login of {self._user} failed: {response.get('Message', '')}")
        logger.info("AMI at %s:%d: logged in", self._host, self._port)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks = [
            asyncio.create_task(each)
            for each in (self._ask(writer), self._hear(reader), self._ping(writer))
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
        for result in results:
            if isinstance(result, Exception):
                raise result

    async def _ask(self, writer: asyncio.StreamWriter) -> None:
        while True:
            while self._waiting:
                request = self._waiting.popleft()
                if monotonic() - request.made > MAX_AGE_SECONDS:
                    self._done(request)
                    continue
                self._next_id += 1
                action_id = str(self._next_id)
                self._sent[action_id] = request
                writer.write(_encode(request.packet | {"ActionID": action_id}))
            await writer.drain()
            self._more.clear()
            await self._more.wait()

    async def _hear(self, reader: asyncio.StreamReader) -> None:
        while True:
            packet = await _read_packet(reader)
            self._n_heard += 1
            if packet.get("Event") == "UserEvent" and packet.get("UserEvent") == USER_EVENT:
                self._remember(packet)
            elif (request := self._sent.pop(packet.get("ActionID", ""), None)) is not None:
                if packet.get("Response") != "Success":
                    # Often the caller has gone in the meantime.
                    message = packet.get("Message", "")
                    logger.info("AMI: %s: %s", request.packet["Action"], message)
                    if request.packet["Action"] == KEEP_ALIVE:
                        self._alive.stop(request.call_id)
                self._done(request)

    async def _ping(self, writer: asyncio.StreamWriter) -> None:
        """Raise AmiError for an Asterisk that hangs: its connection stays open."""
        unanswered = 0
        while unanswered < MAX_UNANSWERED_PINGS:
            n_heard = self._n_heard
            writer.write(_encode({"Action": "Ping", "ActionID": "ping"}))
            await asyncio.sleep(PING_SECONDS)
            # This server may have been stopped for longer: what has come then is read first.
            unanswered = unanswered + 1 if self._n_heard == n_heard else 0
        raise AmiError(f"no answer for {unanswered * PING_SECONDS:.0f} s")

    def _remember(self, packet: Packet) -> None:
        call_id, channel = packet.get("Call", ""), packet.get("Channel", "")
        if call_id and channel and "Alive" in packet:
            self._alive.keep(call_id, channel, packet["Alive"])
        elif call_id and channel:
            self._channels[call_id] = channel
            if len(self._channels) > MAX_CHANNELS:
                self._channels.popitem(last=False)

    def _forget_sent(self) -> None:
        """Forget actions that nobody will answer."""
        for request in self._sent.values():
            self._done(request)
        self._sent.clear()


def _encode(packet: Packet) -> bytes:
    lines = [f"{name}: {value}\r\n" for name, value in packet.items()]
    return "".join([*lines, "\r\n"]).encode()


async def _read_packet(reader: asyncio.StreamReader) -> Packet:
    packet: Packet = {}
    for _ in range(_MAX_LINES):
        line = await _read_line(reader)
        if not line:
            return packet
        name, _, value = line.partition(":")
        packet[name] = value.strip()
    raise AmiError(f"a packet of more than {_MAX_LINES} lines")


async def _read_line(reader: asyncio.StreamReader) -> str:
    try:
        line = await reader.readuntil(b"\n")
    except asyncio.IncompleteReadError:
        raise AmiError("the connection was closed") from None
    return line.decode(errors="replace").strip()
